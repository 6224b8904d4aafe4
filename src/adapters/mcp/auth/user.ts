/** Authorization by a person: a token of the user for whom the run works, which they consented to. It is kept in the vault. */
import { randomBytes } from 'node:crypto';
import type { OAuthClientInformationMixed, OAuthDiscoveryState } from '@modelcontextprotocol/client';
import { invalid, RondoError, ToolError } from '../../../errors.ts';
import { plainJson } from '../../../json.ts';
import { checkOptions } from '../../../options.ts';
import type { Identity } from '../../../ports/identity.ts';
import type { Principal } from '../../../ports/principal.ts';
import { isTrusted } from '../../../server/jose.ts';
import { hasProvider, isCallback } from '../../identity/address.ts';
import { type Consents, consents } from '../../identity/consents.ts';
import type { OAuth, Tokens } from '../../identity/oauth.ts';
import { APPLICATION, type KeptToken, ownerOf } from '../../identity/places.ts';
import type { Place, Vault } from '../../identity/vault.ts';
import { loadAuth } from '../sdk.ts';
import { type Access, type Challenge, explained, type McpAuth, type Protected, Unconsented, unauthorized } from './access.ts';
import { authorize, CLIENT_EXAMPLES, type ClientOptions, checkClient, type Flow, type Known, urlAt } from './client.ts';
import { hasScopes, scopesWith, wordsOf } from './scopes.ts';

export interface UserGrantOptions extends ClientOptions {
  /** Where tokens, registrations and open consents are kept, encrypted: `sqliteVault()` of `rondo/identity`. */
  vault: Vault;
  /**
   * Where a browser comes back to after a consent: the URL of `consentCallback()`, with `{provider}` as a segment, in whose place each authorization server
   * has its own: none can have a browser bring it what another one gave. Without `{provider}` only with a `client` that names its `issuer`.
   */
  callback: string;
  /** What an authorization server shows to the person. Default `Rondo`. */
  name?: string;
  /**
   * The URL of this application's client id metadata document, over https. It is used where the authorization server takes one. The document names the
   * callback of each authorization server, see `callbackOf()`; with `{provider}` in this URL each has a document of its own, with the same segment.
   */
  clientUrl?: string;
  /** Milliseconds that a person has for a consent. Default 600,000. */
  consentLifetime?: number;
  /** As in `localIdentity()`. Default `token`. */
  bind?: 'token' | 'user';
  /** Epoch milliseconds. Default `Date.now`. */
  now?: () => number;
}

/** It ends consents, for `consentCallback()`: alone, or among others by `identities()`. */
export interface UserGrant extends McpAuth, Identity {
  returned: NonNullable<Identity['returned']>;
  /** The callback to register at an authorization server where the application is registered by hand. @param issuer as its metadata names it. */
  callbackOf(issuer: string): string;
  /** Forgets the tokens of a user, at one server or at all. */
  forget(o: { by: Principal; server?: string }): Promise<void>;
}

const EXAMPLES = {
  ...CLIENT_EXAMPLES,
  vault: "vault: sqliteVault('vault.db', keyFile('vault.key'))",
  callback: "callback: 'https://app.example.com/consent/{provider}'",
  name: "name: 'Service desk'",
  clientUrl: "clientUrl: 'https://app.example.com/client.json'",
  consentLifetime: 'consentLifetime: 600_000',
  bind: "bind: 'token'",
  now: 'now',
} satisfies { [K in keyof UserGrantOptions]-?: string };
const WHERE = 'userGrant()';

/**
 * Users consent at the authorization servers of MCP servers. For `auth` of `mcpTools()`, with `perCaller`. Needs `@modelcontextprotocol/client`.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function userGrant(o: UserGrantOptions): UserGrant {
  check(o);
  const { vault, callback, consentLifetime = 600_000, bind = 'token', now = Date.now } = o;
  /** Where the servers say that their metadata is. */
  const metadata = new Map<string, URL | undefined>();
  const oauthOf = (provider: string) => serverOAuth(o, new URL(provider), () => metadata.get(provider), now);
  const asking = consents({ vault, oauthOf, callbackOf: () => callback, lifetime: consentLifetime, binds: bind, now });
  return {
    ofUsers: true,
    access: (at) => accessOf(o, at, { asking, metadata, now }),
    async get() {
      throw invalid(`${WHERE} is for auth of mcpTools(): tools that declare credentials need another identity.`);
    },
    returned: (r) => asking.returned(r),
    // without an issuer, `{provider}` is in the callback
    returnsTo: [{ callback, issuers: o.client?.issuer === undefined ? [] : [o.client.issuer] }],
    callbackOf: (issuer) => urlAt(callback, issuer),
    async forget({ by, server }) {
      await vault.remove({ kind: 'token', owner: ownerOf(by), ...(server !== undefined && { provider: new URL(server).href }) });
    },
  };
}

function check(o: UserGrantOptions): void {
  checkOptions(o, EXAMPLES, WHERE);
  checkClient(o, WHERE);
  const { vault, callback, client, clientUrl, bind, consentLifetime } = o;
  if (typeof vault?.alone !== 'function') throw invalid(`${WHERE} needs a vault: { ${EXAMPLES.vault} }.`);
  if (!isCallback(callback) || !isTrusted(new URL(callback)))
    throw invalid(
      `${WHERE}: callback is a URL over https, or on this machine, without a query, and {provider} is a whole segment of its path: { ${EXAMPLES.callback} }.`,
    );
  // a server without `iss` in its answers (RFC 9207) cannot be told from another one by what the browser brings
  if (!hasProvider(callback) && client?.issuer === undefined)
    throw invalid(
      `${WHERE}: each authorization server needs a callback of its own: { callback: '${callback.replace(/\/$/, '')}/{provider}' }. With a client of one server, name its issuer.`,
    );
  if (clientUrl !== undefined && !(URL.canParse(clientUrl) && /^https:.+\/.+/.test(clientUrl)))
    throw invalid(`${WHERE}: clientUrl is a URL over https with a path: { ${EXAMPLES.clientUrl} }.`);
  if (bind !== undefined && bind !== 'token' && bind !== 'user') throw invalid(`${WHERE}: bind is token or user.`);
  if (consentLifetime !== undefined && !(consentLifetime > 0)) throw invalid(`${WHERE}: consentLifetime is milliseconds, above 0.`);
}

/** Where registrations are kept: those made at run time by authorization server, and which one a client of ours belongs to by MCP server. */
function knownOf(o: UserGrantOptions, server: URL): Known {
  const { vault, callback, client } = o;
  const place = (issuer: string): Place => ({
    kind: 'mcp-client',
    owner: APPLICATION,
    provider: client ? server.href : issuer,
    about: client?.id ?? callback,
  });
  return {
    ...o,
    name: o.name ?? 'Rondo',
    url: o.clientUrl,
    registrations: {
      get: async (issuer) => (await vault.get(place(issuer))) as OAuthClientInformationMixed | undefined,
      async put(issuer, info) {
        if (info) await vault.put(place(issuer), { value: plainJson(info) ?? null });
        else await vault.remove(place(issuer));
      },
    },
  };
}

/** The consent at one server's authorization server, by the flow of the SDK. */
function serverOAuth(
  o: UserGrantOptions,
  server: URL,
  metadata: () => URL | undefined,
  now: () => number,
): Pick<OAuth, 'ask' | 'consentUrl' | 'code'> {
  let url = '';
  return {
    async ask(callback, scopes) {
      const flow: Flow = {
        server,
        callback,
        state: randomBytes(32).toString('base64url'),
        scope: scopes.length > 0 ? scopes.join(' ') : undefined,
        metadata: metadata(),
        again: true,
      };
      await authorize(knownOf(o, server), flow);
      url = flow.url ?? '';
      const scope = new URL(url).searchParams.get('scope');
      return {
        callback: flow.callback ?? callback,
        state: flow.state ?? '',
        verifier: flow.verifier ?? '',
        more: { discovery: plainJson(flow.discovery) ?? null, scope },
      };
    },
    consentUrl: async () => url,
    async code(returned, { callback, verifier, more }) {
      const { discovery, scope } = more as unknown as { discovery: OAuthDiscoveryState; scope: string | null };
      const query = new URL(returned).searchParams;
      const iss = query.get('iss') ?? undefined;
      try {
        const error = query.get('error');
        if (error !== null) {
          const { issuer, authorization_response_iss_parameter_supported: supported } = (discovery.authorizationServerMetadata ?? {}) as {
            issuer?: string;
            authorization_response_iss_parameter_supported?: boolean;
          };
          // another server's word is not taken
          const { validateAuthorizationResponseIssuer } = await loadAuth();
          validateAuthorizationResponseIssuer({ iss, expectedIssuer: issuer, issParameterSupported: supported === true });
          throw new RondoError('PROVIDER_REFUSED', `The authorization server of ${server.origin} refused.`, {
            details: { provider: server.href, error },
          });
        }
        const flow: Flow = { server, callback, code: { code: query.get('code') ?? '', iss, verifier }, discovery };
        await authorize(knownOf(o, server), flow);
        return keptOf(flow, now(), scope ?? undefined);
      } catch (error) {
        throw asProvider(server, error);
      }
    },
  };
}

function keptOf({ tokens }: Flow, at: number, asked: string | undefined): KeptToken {
  const {
    access_token: access = '',
    refresh_token: refresh,
    expires_in: seconds,
    scope = asked,
    issuer,
  } = { ...tokens } as typeof tokens & {
    issuer?: string;
  };
  return {
    access,
    at,
    ...(refresh !== undefined && { refresh }),
    ...(seconds !== undefined && { expiresAt: at + seconds * 1_000 }),
    ...(scope !== undefined && { scope }),
    ...(issuer !== undefined && { issuer }),
  } satisfies Tokens;
}

/** For the handler of the callback, which knows the codes of an identity. */
function asProvider(server: URL, error: unknown): Error {
  if (RondoError.is(error)) return error;
  const why = explained(server.host, error);
  const later = ToolError.is(why) && why.retryable;
  return new RondoError(later ? 'PROVIDER_UNAVAILABLE' : 'PROVIDER_ANSWER_INVALID', why.message, { details: { provider: server.href } });
}

interface Shared {
  asking: Consents;
  metadata: Map<string, URL | undefined>;
  now(): number;
}

function accessOf(o: UserGrantOptions, { server, name, caller }: Protected, { asking, metadata, now }: Shared): Access {
  const { vault } = o;
  const { by, assertion, session } = caller;
  const owner = by && ownerOf(by);
  const provider = server.href;
  const accepted = new Set<string>();

  /** A consent to more scopes makes a token beside the earlier one. */
  async function newest(): Promise<{ place: Place; token: KeptToken } | undefined> {
    if (owner === undefined) return undefined;
    let found: { place: Place; token: KeptToken } | undefined;
    for (const place of await vault.list({ kind: 'token', owner, provider })) {
      const token = (await vault.get(place)) as KeptToken | undefined;
      if (token && !(found && found.token.at >= token.at)) found = { place, token };
    }
    return found;
  }

  /** Another token by the refresh token. @returns whether there is one. */
  async function renewed(
    { place, token }: { place: Place; token: KeptToken },
    challenge: Challenge,
    sending: () => void,
  ): Promise<boolean> {
    const { access, refresh, scope, issuer } = token;
    if (refresh === undefined) return false;
    const flow: Flow = {
      server,
      callback: o.callback,
      metadata: challenge.metadata,
      sending,
      tokens: {
        access_token: access,
        refresh_token: refresh,
        token_type: 'Bearer',
        ...(scope !== undefined && { scope }),
        ...(issuer !== undefined && { issuer }),
      },
    };
    if ((await authorize(knownOf(o, server), flow)) === 'REDIRECT') return false;
    await vault.put(place, { value: { ...keptOf(flow, now(), scope) } });
    return true;
  }

  return {
    token: async () => (await newest())?.token.access,
    async accepted(token) {
      if (accepted.has(token)) return;
      accepted.add(token);
      const { place } = (await newest()) ?? {};
      if (place)
        await vault.change(place, (found) => {
          const kept = found as KeptToken | undefined;
          if (kept?.access !== token || kept.worked) return { answer: undefined };
          return {
            keep: { value: { ...kept, worked: true }, until: kept.refresh === undefined ? kept.expiresAt : undefined },
            answer: undefined,
          };
        });
    },
    async refused(challenge, used) {
      if (owner === undefined) throw unauthorized(name, 'a token of it belongs to a user, and the run has none. Start it with by');
      try {
        await vault.alone(`mcp ${owner} ${provider}`, async (held) => {
          const found = await newest();
          if (!found) throw new Unconsented(name, challenge);
          // another call, or process, has renewed it
          if (found.token.access !== used) return;
          if (challenge.kind === 'more') {
            const asked = scopesWith(found.token.scope, scopesOf(found.place).join(' '));
            if (hasScopes(asked, challenge.scope)) throw unauthorized(name, 'it needs scopes that were asked for already');
            throw new Unconsented(name, { ...challenge, scope: scopesWith(asked, challenge.scope) });
          }
          // one that never worked is followed by one that would not either
          if (!found.token.worked) {
            await vault.remove(found.place);
            throw unauthorized(name, 'it refuses the token that its authorization server gave');
          }
          if (await renewed(found, challenge, held.assert)) return;
          await vault.remove({ kind: 'token', owner, provider });
          throw new Unconsented(name, challenge);
        });
      } catch (error) {
        throw explained(name, error);
      }
    },
    async begin(challenge, { runId, tool, signal }) {
      metadata.set(provider, challenge.metadata);
      try {
        return await asking.begin(owner ?? '', {
          provider,
          scopes: wordsOf(challenge.scope),
          runId,
          tool,
          agent: '',
          signal,
          by,
          ...(assertion && { assertion }),
          ...(session !== undefined && { session }),
        });
      } catch (error) {
        throw explained(name, error);
      }
    },
  };
}

/** The scopes that the consent of a token asked for. */
const scopesOf = ({ about }: Place): string[] => (JSON.parse(about) as [string[]])[0];
