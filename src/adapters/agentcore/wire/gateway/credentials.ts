/** Credentials of the targets of a gateway, from the Identity of this server: by the workload identity that came with the gateway. */
import { ToolError } from '../../../../errors.ts';
import type { CredentialRequest, Identity, Occasion } from '../../../../ports/identity.ts';
import type { OutboundAuth } from '../../../gateway/index.ts';
import type { Operation, World } from '../call.ts';
import { AwsError } from '../codec/error.ts';
import { invocationToken } from '../identity/invocation-token.ts';
import { apiKeyOf, secretOf, WORKLOAD, type Workload } from '../identity/resources.ts';
import { newWorkloadToken } from '../identity/workload-token.ts';
import type { CredentialConfiguration } from './target-configuration.ts';

const FLOWS = { CLIENT_CREDENTIALS: 'client', TOKEN_EXCHANGE: 'exchange', AUTHORIZATION_CODE: 'user' } as const;
const OPERATION_FLOWS = { client: 'M2M', exchange: 'ON_BEHALF_OF_TOKEN_EXCHANGE', user: 'USER_FEDERATION' } as const;

/** The name of a credential provider, from its ARN. */
const providerNamed = (arn: string) => arn.slice(arn.lastIndexOf('/') + 1);

/** How the requests of a target are authorized. @throws AwsError for what this server cannot do. */
export function outboundOf(
  [given]: readonly CredentialConfiguration[],
  { region, kind }: { region: string; kind: string },
): OutboundAuth | undefined {
  if (!given) return undefined;
  const { oauthCredentialProvider: oauth, apiKeyCredentialProvider: key, iamCredentialProvider: iam } = given.credentialProvider ?? {};
  switch (given.credentialProviderType) {
    case 'API_KEY':
      return {
        type: 'api-key',
        provider: providerNamed(key?.providerArn ?? ''),
        in: key?.credentialLocation === 'QUERY_PARAMETER' ? 'query' : 'header',
        ...(key?.credentialParameterName !== undefined && { name: key.credentialParameterName }),
        ...(key?.credentialPrefix !== undefined && { prefix: key.credentialPrefix }),
      };
    case 'OAUTH':
      return {
        type: 'oauth',
        provider: providerNamed(oauth?.providerArn ?? ''),
        flow: FLOWS[oauth?.grantType ?? 'CLIENT_CREDENTIALS'],
        scopes: oauth?.scopes ?? [],
      };
    case 'JWT_PASSTHROUGH':
      return { type: 'pass-through' };
    case 'GATEWAY_IAM_ROLE':
      return iam ? { type: 'sigv4', service: iam.service, region: iam.region ?? region } : undefined;
    default:
      throw new AwsError(
        'NotImplementedException',
        `This server does not execute ${given.credentialProviderType} for a target of ${kind}.`,
      );
  }
}

/** @param token the operation GetResourceOauth2Token. */
export function gatewayIdentity(world: World, gateway: string, token: Operation): Identity {
  /** For the caller's JWT, or for the caller's id; for the gateway itself without a caller. */
  function workloadToken({ by, assertion }: Occasion): string {
    const workload = world.state.get<Workload>(WORKLOAD, gateway);
    if (!workload) throw new AwsError('ResourceNotFoundException', `The workload identity ${gateway} was not found.`);
    return (
      invocationToken(world, gateway, assertion?.token ?? by?.id, assertion !== undefined) ?? newWorkloadToken(world, workload, undefined)
    );
  }

  async function get({ provider, flow = 'client', scopes = [], ...occasion }: CredentialRequest & Occasion) {
    if (flow === 'api-key') return { token: secretOf<string>(world, 'apikey', apiKeyOf(world, provider)), flow };
    const input = {
      workloadIdentityToken: workloadToken(occasion),
      resourceCredentialProviderName: provider,
      scopes,
      oauth2Flow: OPERATION_FLOWS[flow],
    };
    const call = { caller: { kind: 'none' as const }, id: occasion.runId, headers: {}, signal: occasion.signal };
    const { accessToken } = (await token(input as never, call)) as { accessToken?: string };
    // the answer of a gateway to a consent is an elicitation with its URL, which is not executed here
    if (accessToken === undefined)
      throw new ToolError('CREDENTIALS_UNAVAILABLE', `The user has not consented to ${provider}.`, { outcome: 'not-run' });
    return { token: accessToken, flow };
  }
  return { get };
}
