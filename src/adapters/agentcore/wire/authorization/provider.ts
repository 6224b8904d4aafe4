/** The authorization server itself: oidc-provider, told to do what OAuth 2.1 asks for. */
import { generateKeyPairSync, type JsonWebKey, randomBytes } from 'node:crypto';
import type Provider from 'oidc-provider';
import type { AdapterPayload, Configuration, JWKS } from 'oidc-provider';
import { invalid } from '../../../../errors.ts';
import type { World } from '../call.ts';
import { adapterOf } from './adapter.ts';
import { addExchanges, JWT_BEARER, TOKEN_EXCHANGE } from './exchange.ts';
import { type AuthorizationClient, type AuthorizationOptions, PATH } from './options.ts';
import { errorPage } from './pages.ts';

/** Seconds. */
const [HOUR, MINUTE, MONTH] = [3_600, 60, 2_592_000];
/** What a token is for whose request names no resource. */
const RESOURCE = 'urn:rondo:api';
const KEYS = 'authorization-keys';
const ABOUT = 'the keys of the authorization server';

interface Keys {
  jwks: { keys: JsonWebKey[] };
  cookies: string;
}

/** A key without what signs. */
const publicOf = ({ kty, n, e, alg, kid, use }: JsonWebKey & { kid?: string }) => ({ kty, n, e, alg, kid, use });

/** They stay the same over starts with the same state, so that tokens stay valid. */
function keysOf({ state }: World): Keys {
  const kept = state.get<string>(KEYS, 'all');
  const known = kept && state.sealing.open<Keys>(ABOUT, kept);
  if (known) return known;
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk = { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256', kid: randomBytes(8).toString('hex') };
  const keys = { jwks: { keys: [jwk] }, cookies: randomBytes(32).toString('hex') };
  state.put(KEYS, 'all', state.sealing.seal(ABOUT, keys));
  return keys;
}

/**
 * @param callbacks the callback URLs of credential providers, as they are now.
 * @throws RondoError `CONFIG_INVALID` without the package.
 */
export async function newProvider(
  world: World,
  o: AuthorizationOptions,
  client: AuthorizationClient,
  callbacks: () => readonly string[],
): Promise<Provider> {
  const library = await import('oidc-provider').catch((cause: unknown) => {
    throw invalid('The local authorization server needs the package oidc-provider. Run `npm install oidc-provider`.', { cause });
  });
  const { clock } = world;
  const { users = [], redirectUrls = [], lifetimes = {} } = o;
  const { jwks, cookies } = keysOf(world);
  const seconds = (ms: number | undefined, other: number) => (ms === undefined ? other : Math.ceil(ms / 1_000));
  const accessTokenSeconds = seconds(lifetimes.accessToken, HOUR);
  /** Seconds by which the clock of the local server is ahead. Tokens say their times by that clock. */
  const ahead = () => Math.round((clock.now() - Date.now()) / 1_000);
  // any scope may be asked for; a resource has those that were
  const asked = new Set<string>();

  function clientOf(id: string): AdapterPayload | undefined {
    if (id !== client.clientId) return undefined;
    const back = [...new Set([...callbacks(), ...redirectUrls])];
    return {
      client_id: id,
      client_secret: client.clientSecret,
      client_name: 'The agent',
      // a client that asks for codes must say where they go, else it is refused whatever it asks for
      redirect_uris: back,
      response_types: back.length > 0 ? ['code'] : [],
      grant_types: [...(back.length > 0 ? ['authorization_code', 'refresh_token'] : []), 'client_credentials', TOKEN_EXCHANGE, JWT_BEARER],
      token_endpoint_auth_method: 'client_secret_basic',
    };
  }

  const configuration: Configuration = {
    adapter: adapterOf(world, clientOf),
    jwks: jwks as JWKS,
    cookies: { keys: [cookies] },
    pkce: { required: () => true },
    findAccount: (_, id) => (users.includes(id) ? { accountId: id, claims: () => ({ sub: id, name: id }) } : undefined),
    claims: { openid: ['sub'], profile: ['name'] },
    scopes: ['openid', 'profile', 'offline_access'],
    // an agent that acts when its user is away is what this is for
    issueRefreshToken: async (_, from) => from.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    clientBasedCORS: () => false,
    interactions: { url: (_, { uid }) => `${PATH}/interaction/${uid}` },
    renderError(ctx, { error, error_description: why }) {
      ctx.type = 'html';
      ctx.body = errorPage([error, why].filter(Boolean).join(': '));
    },
    ttl: {
      AccessToken: accessTokenSeconds,
      ClientCredentials: accessTokenSeconds,
      AuthorizationCode: seconds(lifetimes.code, MINUTE),
      RefreshToken: seconds(lifetimes.refreshToken, MONTH),
      // it is the one time that cannot be changed afterwards
      IdToken: () => Math.max(1, accessTokenSeconds + ahead()),
      Interaction: HOUR,
      Session: MONTH,
      Grant: MONTH,
    },
    formats: {
      customizers: {
        async jwt(_, __, { payload }) {
          for (const name of ['iat', 'exp'] as const) if (typeof payload[name] === 'number') payload[name] += ahead();
        },
      },
    },
    extraTokenClaims: (_, token) => ('extra' in token ? token.extra : undefined),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      revocation: { enabled: true, allowedPolicy: async (_, by, token) => token.clientId === by.clientId },
      rpInitiatedLogout: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: async (_, __, several) => (several?.length ? (several[0] as string) : RESOURCE),
        useGrantedResource: async () => true,
        getResourceServerInfo: async ({ oidc }, resource) => {
          for (const scope of String(oidc.params?.scope ?? '').split(' ')) asked.add(scope);
          return { scope: [...asked].join(' '), audience: resource, accessTokenFormat: 'jwt', accessTokenTTL: accessTokenSeconds };
        },
      },
    },
  };
  const provider = new library.Provider(client.url, configuration);
  addExchanges({
    provider,
    errors: library.errors,
    keys: { keys: jwks.keys.map(publicOf) },
    users,
    now: clock.now,
    resource: RESOURCE,
    accessTokenSeconds,
  });
  return provider;
}
