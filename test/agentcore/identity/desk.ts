/** A workload with a provider at the authorization server of the local server, whose users are ana and ben. */
import * as data from '@aws-sdk/client-bedrock-agentcore';
import * as control from '@aws-sdk/client-bedrock-agentcore-control';
import type { AgentCoreOptions } from '../../../src/adapters/agentcore/wire/index.ts';
import { type Started, start } from './server.ts';

export const RETURN = 'http://127.0.0.1:9/consent';
export const PROVIDER = 'calendar';
export const WORKLOAD = 'desk';

type Custom = control.CustomOauth2ProviderConfigInput;

export function newProvider({ server, controls }: Started, more: Partial<Custom> = {}, name = PROVIDER) {
  const { discoveryUrl, clientId, clientSecret } = server.authorization;
  return controls.send(
    new control.CreateOauth2CredentialProviderCommand({
      name,
      credentialProviderVendor: 'CustomOauth2',
      oauth2ProviderConfigInput: {
        customOauth2ProviderConfig: { oauthDiscovery: { discoveryUrl }, clientId, clientSecret, ...more },
      },
    }),
  );
}

export async function desk(o: AgentCoreOptions = {}, provider: Partial<Custom> = {}): Promise<Started> {
  const started = await start({ identity: { authorization: { users: ['ana', 'ben'] } }, ...o });
  const workload = { name: WORKLOAD, allowedResourceOauth2ReturnUrls: [RETURN] };
  await started.controls.send(new control.CreateWorkloadIdentityCommand(workload));
  await newProvider(started, provider);
  return started;
}

export const ask = (
  { client }: Started,
  workloadIdentityToken: string,
  oauth2Flow: data.Oauth2FlowType,
  more: Partial<data.GetResourceOauth2TokenCommandInput> = {},
) =>
  client.send(
    new data.GetResourceOauth2TokenCommand({
      workloadIdentityToken,
      resourceCredentialProviderName: PROVIDER,
      scopes: ['calendar.read'],
      oauth2Flow,
      ...(oauth2Flow === 'USER_FEDERATION' && { resourceOauth2ReturnUrl: RETURN }),
      ...more,
    }),
  );

export const claimsOf = (token: string | undefined) =>
  JSON.parse(Buffer.from((token ?? '').split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>;
