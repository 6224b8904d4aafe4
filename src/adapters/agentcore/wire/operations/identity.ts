/** All operations of Identity, and the routes at which the browsers of users arrive. */

import type { Received } from '../answer.ts';
import type { AuthorizationOptions } from '../authorization/options.ts';
import { type AuthorizationServer, authorizationServer } from '../authorization/server.ts';
import type { Operations, World } from '../call.ts';
import type { Encoded } from '../codec/error.ts';
import { AUTHORIZE, type ConsentEnded, consents } from '../identity/consents.ts';
import { signedBy } from '../identity/issuers.ts';
import { CALLBACK, callbackUrl, type Oauth2Provider, oauthClients, providerError } from '../identity/oauth2-provider.ts';
import { OAUTH2, type ProviderArns } from '../identity/resources.ts';
import { tokenStore } from '../identity/token-store.ts';
import { userTokens } from '../identity/user-tokens.ts';
import { apiKeyOperations } from './api-keys.ts';
import { oauth2ProviderOperations } from './oauth2-providers.ts';
import { resourceTokenOperations } from './resource-tokens.ts';
import { tokenVaultOperations } from './token-vault.ts';
import { workloadOperations } from './workload-identities.ts';
import { workloadTokenOperations } from './workload-tokens.ts';

export interface IdentityOptions {
  /** The service in the ARNs of credential providers. Default `bedrock-agentcore`, without which they could not be tagged. */
  providerArns?: ProviderArns;
  /**
   * Whose JWTs are taken as those of users: discovery URLs, and `local` for the authorization server that is below `/authorization`. Their signatures are
   * verified. Default: any JWT is taken by its claims, so that tests can make their own.
   */
  issuers?: readonly string[];
  /** Of the authorization server that is below `/authorization`. */
  authorization?: AuthorizationOptions;
}

export interface IdentityService {
  operations: Operations;
  /** Where an authorization URL leads, and where a provider sends the browser back to. */
  route(received: Received): Promise<Encoded | undefined>;
  authorization: AuthorizationServer;
}

/** @throws RondoError `CONFIG_INVALID` */
export function identityService(
  world: World,
  { providerArns = 'bedrock-agentcore', authorization = {}, issuers }: IdentityOptions,
  ended: ConsentEnded,
): IdentityService {
  const users = userTokens(world);
  const tokens = tokenStore(world);
  const clientOf = oauthClients(world);
  const asking = consents(world, { clientOf, tokens, users, ended });
  const authorizing = authorizationServer(world, authorization, () =>
    world.state.list<Oauth2Provider>(OAUTH2).map((provider) => callbackUrl(world, provider)),
  );
  const signed = signedBy(world, issuers, () => authorizing.client().discoveryUrl);
  const redirect = (location: string): Encoded => ({
    status: 302,
    headers: { location, 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' },
    body: '',
  });
  return {
    operations: {
      ...workloadOperations(world),
      ...workloadTokenOperations(world, users, signed),
      ...apiKeyOperations(world, providerArns),
      ...oauth2ProviderOperations(world, providerArns, tokens),
      ...resourceTokenOperations(world, { clientOf, tokens, users, consents: asking }),
      ...tokenVaultOperations(world),
    },
    async route({ method, path, query }) {
      if (method !== 'GET') return undefined;
      try {
        if (path === AUTHORIZE) return redirect(await asking.authorize(query.get('request_uri') ?? ''));
        if (path.startsWith(CALLBACK)) return redirect(asking.returned(path.slice(CALLBACK.length), query));
      } catch (error) {
        throw providerError(error);
      }
      return undefined;
    },
    authorization: authorizing,
  };
}
