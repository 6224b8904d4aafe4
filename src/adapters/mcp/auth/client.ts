/** How this application is known to authorization servers, and the requests that the OAuth client of the MCP SDK makes for it. */
import type {
  FetchLike,
  OAuthClientInformationMixed,
  OAuthClientProvider,
  OAuthDiscoveryState,
  OAuthTokens,
} from '@modelcontextprotocol/client';
import { invalid } from '../../../errors.ts';
import { sha256 } from '../../../journal/canonical.ts';
import { publicFetch } from '../../../server/egress.ts';
import { isTrusted } from '../../../server/jose.ts';
import { callbackOf, hasProvider } from '../../identity/address.ts';
import { boundedFetch, type Fetch } from '../../identity/bounded-fetch.ts';
import { loadAuth } from '../sdk.ts';

export interface ClientOptions {
  /**
   * The application as it is registered at the authorization server. `secret` or `key` (a PKCS #8 PEM with its algorithm, RFC 7523); neither is a
   * public client. `auth`: how the secret is sent; default: what the server takes. `issuer`: the server that it belongs to; no other gets it.
   * Without `issuer` it belongs to the first that the MCP server names.
   */
  client?: {
    id: string;
    secret?: string;
    auth?: 'basic' | 'post';
    key?: { pem: string; algorithm: string };
    issuer?: string;
  };
  /** Scopes to ask for where the server names none. */
  scopes?: readonly string[];
  /** Milliseconds for each request to an authorization server. Default 10,000. */
  timeout?: number;
  /**
   * For requests to the addresses that the server and its documents name. Default: `publicFetch()`, which reaches public addresses and the origin of
   * the MCP server itself.
   */
  fetch?: Fetch;
}

export const CLIENT_EXAMPLES = {
  client: "client: { id: 'desk', secret: process.env.DESK_SECRET, issuer: 'https://id.example.com' }",
  scopes: "scopes: ['mail.read']",
  timeout: 'timeout: 10_000',
  fetch: 'fetch',
} satisfies { [K in keyof ClientOptions]-?: string };

/** @throws RondoError `CONFIG_INVALID`, without a secret in its message. */
export function checkClient({ client, timeout }: ClientOptions, where: string): void {
  if (timeout !== undefined && !(timeout > 0)) throw invalid(`${where}: timeout is a number of milliseconds above 0.`);
  if (!client) return;
  if (typeof client.id !== 'string' || client.id === '') throw invalid(`${where}: client needs an id: { ${CLIENT_EXAMPLES.client} }.`);
  if (client.secret !== undefined && client.key) throw invalid(`${where}: client has a secret or a key, not both.`);
  if (client.key && !(client.key.pem && client.key.algorithm))
    throw invalid(`${where}: the key of a client is { pem, algorithm: 'ES256' }, a PKCS #8 PEM.`);
  if (client.issuer !== undefined && !(URL.canParse(client.issuer) && isTrusted(new URL(client.issuer))))
    throw invalid(`${where}: the issuer of the client is a URL over https, or on this machine.`);
}

/** Where registrations are kept, by authorization server. */
export interface Registrations {
  get(issuer: string): Promise<OAuthClientInformationMixed | undefined>;
  put(issuer: string, client: OAuthClientInformationMixed | undefined): Promise<void>;
}

/** One pass through the SDK's flow: what it starts from, and what it came to. */
export interface Flow {
  server: URL;
  /** Undefined for a flow without a person. */
  callback?: string | undefined;
  state?: string | undefined;
  /** What the server asked for. */
  scope?: string | undefined;
  metadata?: URL | undefined;
  /** Exchanges the code of a browser's return. */
  code?: { code: string; iss: string | undefined; verifier: string };
  /** No refresh token is used, because more scopes are needed than it has. */
  again?: boolean;
  /** In: what was kept. Out: what is to be kept. */
  tokens?: OAuthTokens | undefined;
  discovery?: OAuthDiscoveryState | undefined;
  verifier?: string;
  url?: string;
  /** Set once the server has said that the refresh token is over. */
  over?: boolean;
  /** The grant of a flow without a person. */
  grant?(scope: string | undefined): Promise<URLSearchParams>;
  /** Called in the same tick as a request with a refresh token. What it throws is thrown, and nothing is sent. */
  sending?: () => void;
}

export interface Known extends ClientOptions {
  name: string;
  /** The URL of this application's client id metadata document. */
  url?: string | undefined;
  registrations: Registrations;
}

/**
 * A URL of this application for one authorization server, with a segment of its own in the place of `{provider}`. Two servers never have the same.
 * @param issuer as its metadata has it, with or without a slash at the end.
 */
export const urlAt = (url: string, issuer: string): string => callbackOf(url, sha256(issuer.replace(/\/$/, '')).slice(0, 32));

/**
 * In `flow.callback`, `{provider}` is replaced once the authorization server is known.
 * @returns 'REDIRECT' if a person must consent at `flow.url`. What the server or the network refuses is thrown, see `unauthorized`.
 */
export async function authorize(known: Known, flow: Flow): Promise<'AUTHORIZED' | 'REDIRECT'> {
  const lib = await loadAuth();
  const { timeout = 10_000 } = known;
  const send = boundedFetch(known.fetch ?? publicFetch({ allow: [flow.server.origin] }), () => flow.sending?.());
  const fetchFn: FetchLike = (url, init) =>
    send(String(url), { ...init, signal: AbortSignal.any([AbortSignal.timeout(timeout), ...(init?.signal ? [init.signal] : [])]) });
  let { url } = known;
  if (flow.callback !== undefined && hasProvider(flow.callback)) {
    flow.discovery ??= await discovered(lib, flow, fetchFn);
    const issuer = flow.discovery.authorizationServerMetadata?.issuer ?? flow.discovery.authorizationServerUrl;
    flow.callback = urlAt(flow.callback, issuer);
    url = url === undefined ? undefined : urlAt(url, issuer);
  }
  return lib.auth(providerOf({ ...known, url }, flow, lib.createPrivateKeyJwtAuth), {
    serverUrl: flow.server,
    fetchFn,
    ...(flow.scope !== undefined && { scope: flow.scope }),
    ...(flow.metadata && { resourceMetadataUrl: flow.metadata }),
    ...(flow.again && { forceReauthorization: true }),
    ...(flow.code && { authorizationCode: flow.code.code, ...(flow.code.iss !== undefined && { iss: flow.code.iss }) }),
  });
}

/** The authorization server of an MCP server, as the SDK finds it. */
async function discovered(
  lib: Awaited<ReturnType<typeof loadAuth>>,
  { server, metadata }: Flow,
  fetchFn: FetchLike,
): Promise<OAuthDiscoveryState> {
  const found = await lib.discoverOAuthServerInfo(server, { fetchFn, ...(metadata && { resourceMetadataUrl: metadata }) });
  return {
    ...found,
    authorizationServerUrl: String(found.authorizationServerUrl),
    ...(metadata && { resourceMetadataUrl: metadata.href }),
  };
}

type SignedBy = Awaited<ReturnType<typeof loadAuth>>['createPrivateKeyJwtAuth'];

function providerOf(known: Known, flow: Flow, signedBy: SignedBy): OAuthClientProvider {
  const { client, registrations, scopes = [] } = known;
  const key = client?.key;
  return {
    redirectUrl: flow.callback,
    ...(known.url !== undefined && { clientMetadataUrl: known.url }),
    clientMetadata: {
      client_name: known.name,
      redirect_uris: flow.callback === undefined ? [] : [flow.callback],
      grant_types: flow.callback === undefined ? ['client_credentials'] : ['authorization_code', 'refresh_token'],
      ...(flow.callback !== undefined && { response_types: ['code'] }),
      ...(scopes.length > 0 && { scope: scopes.join(' ') }),
    },
    state: () => flow.state ?? '',
    async clientInformation(o) {
      const at = o?.issuer ?? '';
      const found = await registrations.get(client ? '' : at);
      if (!client) return found;
      const issuer = client.issuer ?? found?.issuer ?? at;
      if (client.issuer === undefined && !found) await registrations.put('', { client_id: client.id, issuer });
      return {
        client_id: client.id,
        ...(client.secret !== undefined && { client_secret: client.secret }),
        ...(client.auth && { token_endpoint_auth_method: `client_secret_${client.auth}` }),
        issuer,
      };
    },
    async saveClientInformation(info, o) {
      // a client that was registered before is not registered again
      if (client) throw new Elsewhere();
      await registrations.put(o?.issuer ?? '', info);
    },
    tokens: () => flow.tokens,
    saveTokens(tokens) {
      flow.tokens = tokens;
    },
    redirectToAuthorization(url) {
      flow.url = url.href;
    },
    saveCodeVerifier(verifier) {
      flow.verifier = verifier;
    },
    codeVerifier: () => flow.code?.verifier ?? '',
    discoveryState: () => flow.discovery,
    saveDiscoveryState(found) {
      flow.discovery = found;
    },
    async invalidateCredentials(what) {
      if (what === 'tokens' || what === 'all') {
        flow.over = true;
        flow.tokens = undefined;
      }
      if ((what === 'client' || what === 'all') && !client)
        await registrations.put(flow.discovery?.authorizationServerMetadata?.issuer ?? '', undefined);
    },
    ...(flow.grant && { prepareTokenRequest: flow.grant }),
    ...(key &&
      client && {
        addClientAuthentication: signedBy({ issuer: client.id, subject: client.id, privateKey: key.pem, alg: key.algorithm }),
      }),
  };
}

/** The client belongs to another authorization server than the MCP server names now. */
export class Elsewhere extends Error {}
