/** OAuth 2.1 for one provider, by openid-client. It keeps nothing but the provider's discovery document. */

import type { Configuration, ServerMetadata, TokenEndpointResponse } from 'openid-client';
import { invalid } from '../../errors.ts';
import { lazy } from '../../flight.ts';
import { digest } from '../../journal/canonical.ts';
import type { Json } from '../../json.ts';
import type { Assertion } from '../../ports/identity.ts';
import { publicFetch } from '../../server/egress.ts';
import { isTrusted } from '../../server/jose.ts';
import { boundedFetch, type Fetch } from './bounded-fetch.ts';
import { explained, invalidAnswer } from './oauth-errors.ts';
import type { Provider } from './provider.ts';

type Library = typeof import('openid-client');

/** What an authorization server gave. Times are epoch milliseconds. */
export interface Tokens {
  access: string;
  refresh?: string;
  at: number;
  /** Absent: it does not expire, or the server did not say. */
  expiresAt?: number;
  /** Who gave it, and for which scopes, where that is found out at run time. */
  issuer?: string;
  scope?: string;
  /** The `party` of the {@link OAuth} that got it. */
  party?: string;
  /** What it is for has taken it. */
  worked?: true;
}

/** What a token is for. */
export interface Wanted {
  scopes?: readonly string[] | undefined;
  resources?: readonly string[] | undefined;
  audiences?: readonly string[] | undefined;
  /** More parameters of the request. Those above, and those of the flow, replace them. */
  parameters?: Readonly<Record<string, string>> | undefined;
}

/** An authorization request, as it must be known when the browser comes back. */
export interface Asked {
  callback: string;
  state: string;
  /** Of PKCE. */
  verifier: string;
  nonce?: string | undefined;
  /** What else the one who asked must know then, such as the server that was asked. It is kept with the consent. */
  more?: Json;
}

export interface OAuth {
  /**
   * Which server is asked, and as which client; the same text for the same two. What began with one of them, a consent or a refresh token, is sent to no
   * other: the provider of a name may have changed since.
   */
  readonly party: string;
  /** The URL where a person consents. @param more parameters, which replace those of the provider. */
  consentUrl(asked: Asked, wanted: Wanted, more?: Readonly<Record<string, string>>): Promise<string>;
  /**
   * Exchanges the code of a browser's return. @param url the whole URL, with the callback's origin and path.
   * @param sending called in the same tick as the request. What it throws is thrown, and nothing is sent.
   */
  code(url: string, asked: Asked, wanted: Wanted, sending?: () => void): Promise<Tokens>;
  refresh(token: string, wanted: Wanted, sending?: () => void): Promise<Tokens>;
  client(wanted: Wanted): Promise<Tokens>;
  exchange(assertion: Assertion, wanted: Wanted): Promise<Tokens>;
  /** @returns false if the provider has no endpoint for it. */
  revoke(token: string, kind: 'access_token' | 'refresh_token'): Promise<boolean>;
  /** A new request, with random values. */
  ask(callback: string, scopes: readonly string[]): Promise<Asked>;
}

export interface OAuthOptions {
  fetch?: Fetch | undefined;
  /** Milliseconds for each request. Default 10,000. */
  timeout?: number | undefined;
  now?: (() => number) | undefined;
}

/** Milliseconds that a discovery document is used, and an old one after no new one could be had: requests must not wait for that each time. */
const KEPT = 3_600_000;
const AFTER_FAILURE = 30_000;
const TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:';
const GRANTS = {
  'token-exchange': 'urn:ietf:params:oauth:grant-type:token-exchange',
  'jwt-bearer': 'urn:ietf:params:oauth:grant-type:jwt-bearer',
} as const;

/** Loaded for the first provider that needs it. @throws RondoError `CONFIG_INVALID` without the package. */
const library = lazy(
  (): Promise<Library> =>
    import('openid-client').catch((cause: unknown) => {
      throw invalid('OAuth needs the package openid-client. Run `npm install openid-client`.', { cause });
    }),
);

/** Methods throw RondoError `PROVIDER_UNAVAILABLE`, `PROVIDER_REFUSED`, `PROVIDER_ANSWER_INVALID`, or `CONFIG_INVALID`. */
export function oauth(name: string, provider: Provider, { fetch, timeout = 10_000, now = Date.now }: OAuthOptions = {}): OAuth {
  // the endpoints that a discovery document names come from outside, and the client's secret is sent to them
  const send = fetch ?? publicFetch({ allow: configuredOrigins(provider) });
  const party = partyOf(provider);
  let known: { server: ServerMetadata; until: number } | undefined;

  async function serverOf(lib: Library): Promise<ServerMetadata> {
    const { discovery, endpoints } = provider;
    if (endpoints) {
      const { issuer, authorization, token, revocation } = endpoints;
      return {
        issuer,
        token_endpoint: token,
        ...(authorization !== undefined && { authorization_endpoint: authorization }),
        ...(revocation !== undefined && { revocation_endpoint: revocation }),
      };
    }
    if (discovery === undefined) throw invalid(`The provider "${name}" has no authorization server: give it discovery or endpoints.`);
    if (known && known.until > performance.now()) return known.server;
    const url = new URL(discovery);
    try {
      const found = await lib.discovery(url, provider.clientId ?? '', undefined, undefined, {
        timeout: timeout / 1_000,
        [lib.customFetch]: boundedFetch(send) as never,
        ...(url.protocol === 'http:' && { execute: [lib.allowInsecureRequests] }),
      });
      const server = found.serverMetadata();
      checkServer(name, server);
      known = { server, until: performance.now() + KEPT };
    } catch (error) {
      if (!known) throw explained(name, error);
      known = { ...known, until: performance.now() + AFTER_FAILURE };
    }
    return (known as NonNullable<typeof known>).server;
  }

  /** Runs one request. @param sending see {@link OAuth.refresh}. */
  async function asking<T>(request: (lib: Library, config: Configuration) => Promise<T>, sending?: () => void): Promise<T> {
    const lib = await library();
    const server = await serverOf(lib);
    // an ID token is judged by the same time as the tokens beside it
    const ahead = { [lib.clockSkew]: Math.round((now() - Date.now()) / 1_000) };
    const config = new lib.Configuration(server, provider.clientId ?? '', ahead, authOf(lib, provider));
    config.timeout = timeout / 1_000;
    config[lib.customFetch] = boundedFetch(send, sending) as never;
    if (new URL(server.token_endpoint ?? server.issuer).protocol === 'http:') lib.allowInsecureRequests(config);
    try {
      return await request(lib, config);
    } catch (error) {
      throw explained(name, error);
    }
  }

  function tokensOf(answer: TokenEndpointResponse): Tokens {
    const { access_token: access, refresh_token: refresh, expires_in: seconds } = answer;
    if (typeof access !== 'string' || access === '') throw invalidAnswer(name, 'no access token');
    const at = now();
    // 0 is how some servers say that a token does not end: one that has ended already could be asked for again and again
    const expiresAt = typeof seconds === 'number' && seconds > 0 ? at + Math.floor(seconds * 1_000) : undefined;
    return {
      access,
      at,
      party,
      ...(typeof refresh === 'string' && refresh !== '' && { refresh }),
      ...(expiresAt !== undefined && Number.isSafeInteger(expiresAt) && { expiresAt }),
    };
  }

  return {
    party,
    async ask(callback, scopes) {
      const lib = await library();
      const nonce = scopes.includes('openid') ? lib.randomNonce() : undefined;
      return { callback, state: lib.randomState(), verifier: lib.randomPKCECodeVerifier(), ...(nonce !== undefined && { nonce }) };
    },
    consentUrl: ({ callback, state, verifier, nonce }, wanted, more) =>
      asking(async (lib, config) => {
        if (!config.serverMetadata().authorization_endpoint)
          throw invalid(`The provider "${name}" has no authorization endpoint, so no person can consent there.`);
        const all = parameters({ ...wanted, scopes: [...new Set([...(provider.extraScopes ?? []), ...(wanted.scopes ?? [])])] });
        for (const [key, value] of Object.entries({ ...provider.parameters, ...more })) all.set(key, value);
        all.set('redirect_uri', callback);
        all.set('state', state);
        all.set('code_challenge', await lib.calculatePKCECodeChallenge(verifier));
        all.set('code_challenge_method', 'S256');
        if (nonce !== undefined) all.set('nonce', nonce);
        return lib.buildAuthorizationUrl(config, all).href;
      }),
    code: (url, { state, verifier, nonce }, { resources }, sending) =>
      asking(
        async (lib, config) =>
          tokensOf(
            await lib.authorizationCodeGrant(
              config,
              new URL(url),
              { expectedState: state, pkceCodeVerifier: verifier, ...(nonce !== undefined && { expectedNonce: nonce }) },
              parameters({ resources }),
            ),
          ),
        sending,
      ),
    // without scopes: the server gives those of the consent
    refresh: (token, { resources }, sending) =>
      asking(async (lib, config) => tokensOf(await lib.refreshTokenGrant(config, token, parameters({ resources }))), sending),
    client: (wanted) => asking(async (lib, config) => tokensOf(await lib.clientCredentialsGrant(config, parameters(wanted)))),
    exchange: ({ type, token }, wanted) =>
      asking(async (lib, config) => {
        const { grant = 'token-exchange', parameters: more = {} } = provider.exchange ?? {};
        const all = parameters(wanted);
        if (grant === 'jwt-bearer') all.set('assertion', token);
        else {
          all.set('subject_token', token);
          all.set('subject_token_type', type.startsWith('urn:') ? type : `${TOKEN_TYPE}${type}`);
        }
        for (const [key, value] of Object.entries(more)) all.set(key, value);
        return tokensOf(await lib.genericGrantRequest(config, GRANTS[grant], all));
      }),
    revoke: (token, kind) =>
      asking(async (lib, config) => {
        if (!config.serverMetadata().revocation_endpoint) return false;
        await lib.tokenRevocation(config, token, { token_type_hint: kind });
        return true;
      }),
  };
}

function parameters({ scopes = [], resources = [], audiences = [], parameters: more = {} }: Wanted): URLSearchParams {
  const all = new URLSearchParams(more);
  if (scopes.length > 0) all.set('scope', scopes.join(' '));
  for (const one of resources) all.append('resource', one);
  for (const one of audiences) all.append('audience', one);
  return all;
}

function authOf(lib: Library, { clientSecret, clientKey, clientAuth = 'basic' }: Provider) {
  if (clientKey) return lib.PrivateKeyJwt(clientKey);
  if (clientAuth === 'none' || clientSecret === undefined) return lib.None();
  return clientAuth === 'post' ? lib.ClientSecretPost(clientSecret) : lib.ClientSecretBasic(clientSecret);
}

/** Not the secret: a new one is that of the same client. */
const partyOf = ({ discovery, endpoints, clientId }: Provider): string =>
  digest([discovery ?? null, endpoints ? [endpoints.issuer, endpoints.token] : null, clientId ?? null]);

/** Whether what was kept may be sent there: a refresh token, or the code of a consent. What was kept without a party may. */
export const isFrom = ({ party }: { party?: string | undefined }, kept: Pick<Tokens, 'party'>): boolean =>
  kept.party === undefined || kept.party === party;

/** Where this application was told to look, which may be inside of its network. */
const configuredOrigins = ({ discovery, endpoints }: Provider): string[] =>
  [discovery, ...Object.values(endpoints ?? {})].flatMap((url) => (url === undefined ? [] : new URL(url).origin));

/** A discovery document sends secrets nowhere but over https, or to this machine. */
function checkServer(name: string, server: ServerMetadata): void {
  if (!server.token_endpoint) throw invalidAnswer(name, 'no token endpoint');
  for (const url of [server.token_endpoint, server.authorization_endpoint, server.revocation_endpoint])
    if (url !== undefined && !(typeof url === 'string' && URL.canParse(url) && isTrusted(new URL(url))))
      throw invalidAnswer(name, 'an endpoint that is not https');
}
