/** Consents that a person was asked for, and the return of their browser. They are in the vault, so any process can end them. */
import { type ErrorCode, RondoError } from '../../errors.ts';
import { sha256 } from '../../journal/canonical.ts';
import type { Json, JsonObject } from '../../json.ts';
import type { ConsentNeeded, ConsentReturn, ConsentReturned, CredentialRequest, Occasion } from '../../ports/identity.ts';
import { addressOf } from './address.ts';
import { type Asked, isFrom, type OAuth } from './oauth.ts';
import { refusal } from './oauth-errors.ts';
import { aboutOf, fingerprint, type KeptToken, lockOf, ownerOf, tokenPlace } from './places.ts';
import type { Place, Vault } from './vault.ts';

/** A consent as it is kept. A type, so that the compiler knows it as JSON. */
type Pending = {
  runId: string;
  provider: string;
  wanted: { scopes: readonly string[]; resources: readonly string[]; audiences: readonly string[] };
  asked: { callback: string; state: string; verifier: string; nonce: string | null; more?: Json };
  url: string;
  /** The `party` of the OAuth that asks, if it has one. */
  party?: string;
  /** The callback that it was asked with, where `ask` made another one of it. */
  given?: string;
  /** The provider was told to ask again, whatever it knows. */
  forced: boolean;
  /** SHA-256 of the token that it began with; null: any return of the user ends it. */
  bound: string | null;
  /** Epoch milliseconds. */
  expiresAt: number;
  state: 'open' | 'granted' | 'declined';
};

export interface ConsentsOptions {
  vault: Vault;
  /** Without a `party` it knows by `asked.more` where a code goes. */
  oauthOf(provider: string): Pick<OAuth, 'ask' | 'consentUrl' | 'code'> & Partial<Pick<OAuth, 'party'>>;
  /** The callback that `ask` of a provider is given. */
  callbackOf(provider: string): string;
  /** Milliseconds. */
  lifetime: number;
  /** Whether a consent that begins with a token ends only with the same token. */
  binds: 'token' | 'user';
  now(): number;
}

export interface Consents {
  begin(owner: string, r: CredentialRequest & Occasion): Promise<ConsentNeeded>;
  returned(r: ConsentReturn): Promise<ConsentReturned>;
  /** @throws RondoError `CONSENT_EXPIRED` for a consent that the user has not given, even if it was approved. */
  assertGiven(owner: string, r: Pick<CredentialRequest, 'provider'> & { handle: string }): Promise<void>;
}

/** Milliseconds that an ended consent is remembered, so that a late or second return can be told why it is refused. */
const REMEMBERED = 86_400_000;

const handleOf = (state: string) => sha256(`rondo consent ${state}`).slice(0, 32);
const placeOf = (owner: string, provider: string, handle: string): Place => ({ kind: 'consent', owner, provider, about: handle });

export function consents({ vault, oauthOf, callbackOf, lifetime, binds, now }: ConsentsOptions): Consents {
  const boundBy = (r: Pick<Occasion, 'assertion'>) => (binds === 'token' && r.assertion ? fingerprint(r.assertion.token) : null);

  /** One that is open already: several tools of a run that need the same are answered by one consent. */
  async function open(owner: string, r: CredentialRequest & Occasion): Promise<ConsentNeeded | undefined> {
    for (const place of await vault.list({ kind: 'consent', owner, provider: r.provider })) {
      const found = (await vault.get(place)) as Pending | undefined;
      if (found?.state !== 'open' || found.runId !== r.runId || found.expiresAt <= now() + lifetime / 2) continue;
      if (aboutOf({ ...found.wanted, provider: found.provider }) !== aboutOf(r) || found.bound !== boundBy(r)) continue;
      if (found.forced !== (r.force === true) || !isFrom(oauthOf(r.provider), found)) continue;
      if ((found.given ?? found.asked.callback) === callbackOf(r.provider)) return { consentUrl: found.url, handle: place.about };
    }
    return undefined;
  }

  async function begin(owner: string, r: CredentialRequest & Occasion): Promise<ConsentNeeded> {
    const { provider, runId, scopes = [], resources = [], audiences = [], force } = r;
    const oauth = oauthOf(provider);
    return vault.alone(`consent ${owner} ${provider}`, async () => {
      const known = await open(owner, r);
      if (known) return known;
      const given = callbackOf(provider);
      const asked = await oauth.ask(given, scopes);
      const url = await oauth.consentUrl(asked, { scopes, resources, audiences }, force ? { prompt: 'consent' } : undefined);
      const handle = handleOf(asked.state);
      const expiresAt = now() + lifetime;
      const value: Pending = {
        runId,
        provider,
        wanted: { scopes, resources, audiences },
        asked: { ...asked, nonce: asked.nonce ?? null },
        url,
        ...(oauth.party !== undefined && { party: oauth.party }),
        ...(asked.callback !== given && { given }),
        forced: force === true,
        bound: boundBy(r),
        expiresAt,
        state: 'open',
      };
      await vault.put(placeOf(owner, provider, handle), { value, until: expiresAt + REMEMBERED });
      return { consentUrl: url, handle };
    });
  }

  /** The consent, if this browser may end it. @throws RondoError */
  async function checked(place: Place, r: ConsentReturn): Promise<Pending> {
    const found = (await vault.get(place)) as Pending | undefined;
    if (!found) throw unknown();
    // first who it is: another user is told nothing of the consent
    if (ownerOf(r.by) !== place.owner)
      throw no('CONSENT_MISMATCH', 'This consent was asked of another user. Sign in as the user who was asked, and open the link again.');
    if (found.bound !== null && found.bound !== (r.assertion && fingerprint(r.assertion.token)))
      throw no(
        'CONSENT_MISMATCH',
        'You have signed in again since this consent was asked for. Ask the assistant again, and open its new link.',
      );
    if (addressOf(r.url) !== addressOf(found.asked.callback))
      throw no('RETURN_URL_REFUSED', 'This is not the address that this consent returns to.');
    const details = { runId: found.runId, handle: place.about };
    if (found.state !== 'open')
      throw no('CONSENT_USED', 'This consent has been used. Ask the assistant again if it still needs one.', {
        ...details,
        outcome: found.state,
      });
    if (found.expiresAt <= now()) throw no('CONSENT_EXPIRED', 'This consent took too long. The assistant asks again.', details);
    if (!isFrom(oauthOf(found.provider), found))
      throw no(
        'CONSENT_EXPIRED',
        'This consent was given at another server than the application asks now. The assistant asks again.',
        details,
      );
    return found;
  }

  async function returned(r: ConsentReturn): Promise<ConsentReturned> {
    const state = URL.canParse(r.url) ? new URL(r.url).searchParams.get('state') : null;
    const handle = state === null ? undefined : handleOf(state);
    const [place] = handle === undefined ? [] : await vault.list({ kind: 'consent', about: handle });
    if (!place) throw unknown();
    await checked(place, r);
    // with renewals and revocations: none of them may write over the new token, or leave it
    return vault.alone(lockOf(place), async (held) => {
      const found = await checked(place, r);
      const { runId, provider, wanted, asked } = found;
      const exchanged = oauthOf(provider).code(asked.callback + new URL(r.url).search, asAsked(asked), wanted, held.assert);
      const token: KeptToken | undefined = await exchanged.catch((error: unknown) => {
        if (refusal(error) !== 'access_denied') throw error;
        return undefined;
      });
      const outcome = token ? 'granted' : 'declined';
      const value = { ...found, url: '', asked: { ...asked, verifier: '' }, state: outcome } satisfies Pending;
      const kept = token && { value: { ...token }, until: token.refresh ? undefined : token.expiresAt };
      // at once with the token: a code is exchanged once, so what a crash left between the two could not be ended
      await vault.change(place, () => ({
        keep: { value, until: now() + REMEMBERED },
        ...(kept && { also: [{ place: tokenPlace(place.owner, { provider, ...wanted }), keep: kept }] }),
        answer: undefined,
      }));
      return { runId, handle: place.about, provider, outcome };
    });
  }

  async function assertGiven(owner: string, { provider, handle }: { provider: string; handle: string }): Promise<void> {
    const found = (await vault.get(placeOf(owner, provider, handle))) as Pending | undefined;
    if (found?.state !== 'granted')
      throw no(
        'CONSENT_EXPIRED',
        `The user has not consented at ${provider}, or too late. Call the tool again: they are asked again then.`,
      );
  }

  return { begin, returned, assertGiven };
}

const asAsked = ({ nonce, ...asked }: Pending['asked']): Asked => ({ ...asked, nonce: nonce ?? undefined });

const no = (code: ErrorCode, message: string, details?: JsonObject) => new RondoError(code, message, details && { details });

const unknown = () => no('CONSENT_NOT_FOUND', 'There is no such consent. Open the link that the assistant showed.');
