/** Credentials of the targets of a gateway, from the Identity of this server: by the workload identity that came with the gateway. */
import { ToolError } from '../../../../errors.ts';
import type { ConsentNeeded, CredentialRequest, Identity, Occasion, Token } from '../../../../ports/identity.ts';
import type { SourceCaller } from '../../../../ports/tool.ts';
import type { OutboundAuth } from '../../../gateway/index.ts';
import type { Outbound } from '../../../gateway/outbound/auth.ts';
import type { Operation, World } from '../call.ts';
import { AwsError, refused } from '../codec/error.ts';
import { invocationToken } from '../identity/invocation-token.ts';
import { apiKeyOf, secretOf, WORKLOAD, type Workload, workloadOf } from '../identity/resources.ts';
import { newWorkloadToken } from '../identity/workload-token.ts';
import { exchange, OPAQUE, tellLog } from './exchange.ts';
import { partsOf, TARGET, type Target } from './resources.ts';
import { type CredentialConfiguration, ELICITS } from './target-configuration.ts';

const FLOWS = { CLIENT_CREDENTIALS: 'client', TOKEN_EXCHANGE: 'exchange', AUTHORIZATION_CODE: 'user' } as const;
const OPERATION_FLOWS = { client: 'M2M', exchange: 'ON_BEHALF_OF_TOKEN_EXCHANGE', user: 'USER_FEDERATION' } as const;

/** The name of a credential provider, from its ARN. */
const providerNamed = (arn: string) => arn.slice(arn.lastIndexOf('/') + 1);

/**
 * How the requests of a target are authorized.
 * @param service what requests with the role of the gateway are signed for, if the target does not say.
 * @throws AwsError for what this server cannot do.
 */
export function outboundOf(
  [given]: readonly CredentialConfiguration[],
  { region, kind, service }: { region: string; kind: string; service?: string },
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
    case 'GATEWAY_IAM_ROLE':
      if (iam) return { type: 'sigv4', service: iam.service, region: iam.region ?? region };
      return service === undefined ? undefined : { type: 'sigv4', service, region };
    case 'JWT_PASSTHROUGH':
      return { type: 'pass-through' };
    default:
      throw new AwsError(
        'NotImplementedException',
        `This server does not execute ${given.credentialProviderType} for a target of ${kind}.`,
      );
  }
}

/**
 * The credentials of a target, outside of a run.
 * @throws ToolError `CONSENT_REQUIRED` where a user has to be asked first; and what the identity throws.
 */
export async function valuesFor(
  identity: Identity,
  requests: Outbound['requests'],
  target: string,
  { by, ...caller }: SourceCaller & { signal: AbortSignal },
): Promise<Record<string, string>> {
  const values: Record<string, string> = {};
  for (const [name, wanted] of Object.entries(requests)) {
    const got = await identity.get({ ...wanted, ...caller, by, ...occasionOf(target) });
    if (!('token' in got)) throw new ToolError('CONSENT_REQUIRED', `A user must consent to ${target} first.`, { outcome: 'not-run' });
    values[name] = got.token;
  }
  return values;
}

/** Where credentials of a target are needed, outside of a run. */
export const occasionOf = (target: string) => ({ runId: '', agent: '', tool: `${target}___` });

/**
 * @param token the operation GetResourceOauth2Token.
 * @param administrator whom it speaks for in place of callers: the id is the gateway's own, so no caller has it.
 */
export function gatewayIdentity(world: World, gateway: string, token: Operation, administrator?: string): Identity {
  /** For the administrator; else for the caller's JWT, or for the caller's id; for the gateway itself without a caller. */
  function workloadToken({ by, assertion }: Occasion): string {
    const workload = world.state.get<Workload>(WORKLOAD, gateway);
    if (!workload) throw new AwsError('ResourceNotFoundException', `The workload identity ${gateway} was not found.`);
    const [user, isJwt] = administrator === undefined ? [assertion?.token ?? by?.id, assertion !== undefined] : [administrator, false];
    return invocationToken(world, gateway, user, isJwt) ?? newWorkloadToken(world, workload, undefined);
  }

  /** What the target of a tool says of its OAuth, beside what `outboundOf` takes of it. */
  function oauthOf(tool: string) {
    const target = partsOf<Target>(world, TARGET, gateway).find(({ name }) => name === tool.split('___', 1)[0]);
    const [given] = target?.settings.credentialProviderConfigurations ?? [];
    const { customParameters, defaultReturnUrl } = given?.credentialProvider?.oauthCredentialProvider ?? {};
    return { ...(customParameters && { customParameters }), ...(defaultReturnUrl !== undefined && { defaultReturnUrl }) };
  }

  async function oauth2({
    provider,
    flow,
    scopes = [],
    ...occasion
  }: CredentialRequest & Occasion & { flow: keyof typeof OPERATION_FLOWS }) {
    // an id does not prove a user: at a gateway that takes no JWTs all callers have the same one
    if (flow === 'user' && !occasion.assertion && administrator === undefined) throw refused('3LO Auth needs the JWT of a user.');
    const { defaultReturnUrl, ...more } = oauthOf(occasion.tool);
    const asked = exchange.getStore()?.consent ?? {};
    // a caller could send another user's browser to an address of their own
    if (flow === 'user' && asked.returnUrl !== undefined && !workloadOf(world, gateway).returnUrls.includes(asked.returnUrl))
      throw refused(`Callback URL ${asked.returnUrl} is not registered`);
    const input = {
      workloadIdentityToken: workloadToken(occasion),
      resourceCredentialProviderName: provider,
      scopes,
      oauth2Flow: OPERATION_FLOWS[flow],
      ...more,
      ...(flow === 'user' && {
        resourceOauth2ReturnUrl: asked.returnUrl ?? defaultReturnUrl,
        ...(asked.force && { forceAuthentication: true }),
      }),
    };
    const call = { caller: { kind: 'none' as const }, id: occasion.runId, headers: {}, signal: occasion.signal };
    return (await token(input as never, call)) as { accessToken?: string; authorizationUrl?: string; sessionUri?: string };
  }

  async function get(r: CredentialRequest & Occasion): Promise<Token | ConsentNeeded> {
    const { provider, flow = 'client' } = r;
    if (flow === 'api-key') return { token: secretOf<string>(world, 'apikey', apiKeyOf(world, provider)), flow };
    const { accessToken, authorizationUrl, sessionUri } = await oauth2({ ...r, flow });
    if (accessToken !== undefined) return { token: accessToken, flow };
    // the text of AWS, as users measured it
    if ((exchange.getStore()?.version ?? ELICITS) < ELICITS)
      throw new ToolError('CONSENT_REQUIRED', `URL elicitation requires MCP version ${ELICITS} or newer`, { outcome: 'not-run' });
    return { consentUrl: authorizationUrl ?? '', handle: sessionUri ?? '' };
  }

  return {
    async get(r) {
      try {
        return await get(r);
      } catch (error) {
        if (!(error instanceof AwsError)) throw error;
        tellLog(`The credentials of ${r.provider} could not be had: ${error.because ?? error.message}`);
        throw new ToolError('CREDENTIALS_UNAVAILABLE', OPAQUE, { outcome: 'not-run', cause: error });
      }
    },
  };
}
