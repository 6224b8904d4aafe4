/** An identity of this application's own: OAuth with each provider, and an encrypted vault for what they give. */
import { invalid, RondoError } from '../../errors.ts';
import { checkOptions, hint } from '../../options.ts';
import type { ConsentAddress, ConsentNeeded, CredentialRequest, Identity, Occasion, Token } from '../../ports/identity.ts';
import type { Principal } from '../../ports/principal.ts';
import { LONGEST_TIMER } from '../../reliability/timer.ts';
import { isTrusted } from '../../server/jose.ts';
import { callbackOf, checkApart, isCallback } from './address.ts';
import { assertions } from './assertions.ts';
import type { Fetch } from './bounded-fetch.ts';
import { consents } from './consents.ts';
import { type OAuth, oauth } from './oauth.ts';
import { isGrantOver } from './oauth-errors.ts';
import { clientPlace, exchangedPlace, type KeptToken, keyPlace, ownerOf, tokenPlace } from './places.ts';
import { checkKey, checkProvider, issuerOf, type Provider } from './provider.ts';
import { isFresh, isUsable, type Kept, type Revoked, tokens } from './tokens.ts';
import type { Vault } from './vault.ts';

export interface LocalIdentityOptions {
  vault: Vault;
  /** By the names that tools use. */
  providers: Readonly<Record<string, Provider>>;
  /**
   * Where a browser comes back to after a consent: the URL of `consentCallback()`, registered at each provider. For the flow `user`. With several
   * authorization servers it has `{provider}` as a segment, so that no server can have a browser bring it what another one gave.
   */
  callback?: string;
  /** Milliseconds that a person has for a consent. Default 600,000. */
  consentLifetime?: number;
  /**
   * `token` (default): a consent that began with a token of the caller ends only with the very same token. `user`: with any of the same user.
   */
  bind?: 'token' | 'user';
  /** True: the caller's token is kept in the vault, encrypted, until its `exp`, for runs that go on without their caller. Default false. */
  keepAssertions?: boolean;
  /**
   * A page where a user signs in again. A run that needs the token of its caller, and has none, waits there: approve and resume it with a new
   * one. Without it the call fails with `CONSENT_EXPIRED`.
   */
  signIn?: string;
  /** Milliseconds for each request to a provider. Default 10,000. */
  timeout?: number;
  /** For the requests to providers. Default: `publicFetch()`, which reaches public addresses and the origins that `providers` names. */
  fetch?: Fetch;
  /** Epoch milliseconds. Default `Date.now`. */
  now?: () => number;
}

export interface LocalIdentity extends Identity {
  returned: NonNullable<Identity['returned']>;
  /** Revokes what a user consented to, at one provider or at all, and removes it from the vault. */
  revoke(o: { by: Principal; provider?: string }): Promise<readonly Revoked[]>;
  /** Keeps an API key of the application in the vault, encrypted. Null removes it. */
  setKey(provider: string, key: string | null): Promise<void>;
}

const EXAMPLES = {
  vault: "vault: sqliteVault('vault.db', keyFile('vault.key'))",
  providers: 'providers: { github: { ...presets.github, clientId, clientSecret } }',
  callback: "callback: 'https://app.example.com/consent'",
  consentLifetime: 'consentLifetime: 600_000',
  bind: "bind: 'token'",
  keepAssertions: 'keepAssertions: true',
  signIn: "signIn: 'https://app.example.com/sign-in'",
  timeout: 'timeout: 10_000',
  fetch: 'fetch',
  now: 'now',
} satisfies { [K in keyof LocalIdentityOptions]-?: string };

const WHERE = 'localIdentity()';

/**
 * An identity with an encrypted vault, for `new Engine({ identity })`. Needs the package `openid-client`, which is loaded for the first token
 * of an authorization server.
 * @throws RondoError `CONFIG_INVALID`. See docs/identity.md for the codes of its methods.
 */
export function localIdentity(o: LocalIdentityOptions): LocalIdentity {
  check(o);
  const { vault, providers, callback, consentLifetime = 600_000, bind = 'token', keepAssertions = false, signIn, now = Date.now } = o;
  const clients = new Map<string, OAuth>();

  const providerOf = (name: string): Provider => {
    const found = Object.hasOwn(providers, name) ? providers[name] : undefined;
    if (!found) throw invalid(`${WHERE}: there is no provider "${name}". ${hint(name, Object.keys(providers))}`);
    return found;
  };

  const oauthOf = (name: string): OAuth => {
    const known = clients.get(name);
    if (known) return known;
    const made = oauth(name, providerOf(name), { fetch: o.fetch, timeout: o.timeout, now });
    clients.set(name, made);
    return made;
  };

  const asking =
    callback === undefined
      ? undefined
      : consents({ vault, oauthOf, callbackOf: (one) => callbackOf(callback, one), lifetime: consentLifetime, binds: bind, now });
  const callers = assertions(vault, now, keepAssertions);
  const kept = tokens(vault, oauthOf, now);

  async function keyOf(provider: string): Promise<Token | undefined> {
    const { apiKey } = providerOf(provider);
    const place = keyPlace(provider);
    const key = apiKey ?? vault.peek(place) ?? (await vault.get(place));
    return typeof key === 'string' ? { token: key, flow: 'api-key' } : undefined;
  }

  async function user(owner: string, r: CredentialRequest & Occasion): Promise<Token | ConsentNeeded> {
    const place = tokenPlace(owner, r);
    if (!r.force) {
      const known = (vault.peek(place) ?? (await vault.get(place))) as KeptToken | undefined;
      if (known && isFresh(known, now())) return told(known, 'user');
      const got = known && (await kept.renewed(place));
      if (got && isUsable(got.token, now())) return told(got.token, 'user', got.refreshed);
    }
    if (!asking) throw invalid(`${WHERE}: the flow user needs callback, the URL where a browser comes back to: { ${EXAMPLES.callback} }.`);
    return asking.begin(owner, r);
  }

  async function client(r: CredentialRequest): Promise<Token> {
    const got = await kept.obtained(clientPlace(r), () => oauthOf(r.provider).client(r));
    return told(got, 'client');
  }

  async function exchange(owner: string, r: CredentialRequest & Occasion): Promise<Token | ConsentNeeded> {
    const found = await callers.of(owner, r);
    if (!found) return signInAgain(r);
    const { assertion } = found;
    try {
      const place = exchangedPlace(owner, r, assertion.token);
      return told(await kept.obtained(place, () => oauthOf(r.provider).exchange(assertion, r)), 'exchange');
    } catch (error) {
      // the one that was kept may have been revoked since
      if (!found.kept || !isGrantOver(error)) throw error;
      await callers.drop(owner, r.runId);
      return signInAgain(r);
    }
  }

  function signInAgain({ provider, runId }: CredentialRequest & Occasion): ConsentNeeded {
    if (signIn !== undefined) return { consentUrl: signIn, handle: `sign-in ${runId}` };
    throw new RondoError(
      'CONSENT_EXPIRED',
      `The token that the user signed in with is over, and ${provider} needs it. Ask them to sign in again, and resume the run with their new token.`,
      { details: { provider } },
    );
  }

  function flowOf({ provider, flow }: CredentialRequest): NonNullable<CredentialRequest['flow']> {
    const { clientId } = providerOf(provider);
    return flow ?? (clientId === undefined ? 'api-key' : 'user');
  }

  async function get(r: CredentialRequest & Occasion): Promise<Token | ConsentNeeded> {
    const flow = flowOf(r);
    if (flow === 'api-key') {
      const key = await keyOf(r.provider);
      if (key) return key;
      throw invalid(`${WHERE}: there is no API key of "${r.provider}". Give it as apiKey, or store it: identity.setKey().`);
    }
    if (flow === 'client') return client(r);
    if (!r.by)
      throw new RondoError(
        'NOT_PERMITTED',
        `A run of the application has no user, and ${r.provider} needs one for the flow ${flow}. Start it with by: engine.run(agent, input, { by }).`,
      );
    const owner = ownerOf(r.by);
    await callers.keep(owner, r);
    return flow === 'user' ? user(owner, r) : exchange(owner, r);
  }

  return {
    get,
    returnsTo: addressesOf(o),
    async complete(r) {
      // without it an approval alone would do, and the token of an earlier consent would be handed out
      if (r.force && r.by && flowOf(r) === 'user') await asking?.assertGiven(ownerOf(r.by), r);
    },
    async returned(r) {
      if (!asking) throw new RondoError('CONSENT_NOT_FOUND', 'No consent returns here.');
      return asking.returned(r);
    },
    async revoke({ by, provider }) {
      if (provider !== undefined) providerOf(provider);
      // what the user signed in with would get new tokens
      if (provider === undefined) await callers.dropAll(ownerOf(by));
      return kept.revoked(ownerOf(by), provider, (name) => Object.hasOwn(providers, name));
    },
    async setKey(provider, key) {
      providerOf(provider);
      if (key === null) return void (await vault.remove(keyPlace(provider)));
      checkKey(`${WHERE}: an API key`, key);
      await vault.put(keyPlace(provider), { value: key });
    },
  };
}

const told = ({ access, expiresAt }: Kept, flow: NonNullable<Token['flow']>, refreshed = false): Token => ({
  token: access,
  flow,
  ...(expiresAt !== undefined && { expiresAt }),
  ...(refreshed && { refreshed }),
});

const addressesOf = ({ callback, providers }: LocalIdentityOptions): ConsentAddress[] =>
  callback === undefined ? [] : [{ callback, issuers: Object.values(providers).flatMap(issuerOf) }];

function check(o: LocalIdentityOptions): void {
  checkOptions(o, EXAMPLES, WHERE, { keepAssertions: 'flag', fetch: 'function', now: 'function' });
  const { vault, providers, callback, signIn, bind, consentLifetime, timeout } = o;
  if (typeof vault?.alone !== 'function') throw invalid(`${WHERE} needs a vault: { ${EXAMPLES.vault} }.`);
  if (typeof providers !== 'object' || providers === null || Array.isArray(providers))
    throw invalid(
      `${WHERE} needs providers, by name: { ${EXAMPLES.providers} }, or { providers: { shop: {} } } for an API key that setKey() keeps.`,
    );
  for (const [name, provider] of Object.entries(providers)) checkProvider(name, provider);
  for (const [name, url] of Object.entries({ callback, signIn }))
    if (url !== undefined && !(URL.canParse(url) && isTrusted(new URL(url))))
      throw invalid(`${WHERE}: ${name} is a URL over https, or on this machine.`);
  if (callback !== undefined && !isCallback(callback))
    throw invalid(`${WHERE}: callback has no query, as providers compare it, and {provider} is a whole segment of its path.`);
  checkApart(addressesOf(o), WHERE);
  if (bind !== undefined && bind !== 'token' && bind !== 'user') throw invalid(`${WHERE}: bind is token or user.`);
  if (consentLifetime !== undefined && !(Number.isFinite(consentLifetime) && consentLifetime > 0))
    throw invalid(`${WHERE}: consentLifetime is a number of milliseconds above 0.`);
  if (timeout !== undefined && !(timeout > 0 && timeout <= LONGEST_TIMER))
    throw invalid(`${WHERE}: timeout is a number of milliseconds above 0, and at most ${LONGEST_TIMER}.`);
}
