/** Gateways whose callers are users of the authorization server of the local server, which also issues the tokens of targets. */
import * as control from '@aws-sdk/client-bedrock-agentcore-control';
import type { AgentCoreOptions } from '../../../src/adapters/agentcore/wire/index.ts';
import { APP } from '../identity/sign-in.ts';
import { CREATE, type WithGateway, withGateway } from './kit.ts';

/** A gateway for the users ana and ben, who sign in with `signIn()`. */
export async function withUsers(o: AgentCoreOptions & { attempts?: number } = {}): Promise<WithGateway> {
  const gateway = await withGateway({}, { identity: { authorization: { users: ['ana', 'ben'], redirectUrls: [APP] } }, ...o });
  const { discoveryUrl, clientId } = gateway.server.authorization;
  await gateway.controls.send(
    new control.UpdateGatewayCommand({
      gatewayIdentifier: gateway.id,
      ...CREATE,
      name: 'Desk',
      roleArn: CREATE.roleArn,
      authorizerType: 'CUSTOM_JWT',
      authorizerConfiguration: { customJWTAuthorizer: { discoveryUrl, allowedClients: [clientId] } },
    }),
  );
  await gateway.server.clock.advance(2_000);
  return gateway;
}

/** @returns the ARN of a provider at that authorization server. */
export async function provided({ server, controls }: WithGateway, more: Partial<control.CustomOauth2ProviderConfigInput> = {}) {
  const { discoveryUrl, clientId, clientSecret } = server.authorization;
  const { credentialProviderArn = '' } = await controls.send(
    new control.CreateOauth2CredentialProviderCommand({
      name: 'tools',
      credentialProviderVendor: 'CustomOauth2',
      oauth2ProviderConfigInput: { customOauth2ProviderConfig: { oauthDiscovery: { discoveryUrl }, clientId, clientSecret, ...more } },
    }),
  );
  return credentialProviderArn;
}

export const oauth = (
  providerArn: string,
  more: Partial<control.OAuthCredentialProvider> = {},
): control.CredentialProviderConfiguration => ({
  credentialProviderType: 'OAUTH',
  credentialProvider: { oauthCredentialProvider: { providerArn, scopes: ['tools.use'], ...more } },
});

export const bearerIn = (authorization: string | undefined) => authorization?.replace('Bearer ', '') ?? '';
