/** Tokens in the vault: got once, renewed once, revoked, over all processes that have it open. */
import { RondoError } from '../../errors.ts';
import { isFrom, type OAuth } from './oauth.ts';
import { isGrantOver } from './oauth-errors.ts';
import { type KeptToken, lockOf } from './places.ts';
import type { Place, Vault } from './vault.ts';

export type Kept = Pick<KeptToken, 'access' | 'expiresAt'>;

/** Milliseconds before its end when a token is renewed. One that lives for less than twice as long: at half of its life. */
const MARGIN = 60_000;
/** Milliseconds that a token of the application is kept at most, if its server does not say when it ends. */
const UNTOLD = 3_600_000;
/** Milliseconds after a provider could not be asked within which it is not asked again for a token that lasts. */
const AFTER_FAILURE = 10_000;

/** Whether a token lasts for a while. */
export function isFresh({ at, expiresAt }: KeptToken, now: number): boolean {
  return expiresAt === undefined || expiresAt - now > Math.min(MARGIN, (expiresAt - at) / 2);
}

export const isUsable = ({ expiresAt }: Kept, now: number): boolean => expiresAt === undefined || expiresAt > now;

export interface Tokens {
  /**
   * A token of a user that was renewed with its refresh token, by this process or by another one meanwhile. If the provider cannot be asked, the one
   * that is there, as long as it lasts. Undefined if the provider takes its refresh token no more, or has another server or client since: then it is
   * removed, and the user must consent.
   */
  renewed(place: Place): Promise<{ token: KeptToken; refreshed: boolean } | undefined>;
  /** A token that is got without a person, and is kept. */
  obtained(place: Place, get: () => Promise<KeptToken>): Promise<KeptToken>;
  revoked(owner: string, provider: string | undefined, isKnown: (provider: string) => boolean): Promise<readonly Revoked[]>;
}

/** What became of the tokens of a user at a provider. */
export interface Revoked {
  provider: string;
  /** `revoked`: the provider did. `forgotten`: it has no endpoint for that, could not be asked, or is not the one that gave them. The vault has none of them any more. */
  outcome: 'revoked' | 'forgotten';
  /** Why it could not be asked. */
  code?: string;
}

export function tokens(vault: Vault, oauthOf: (provider: string) => OAuth, now: () => number): Tokens {
  const known = async (place: Place) => (await vault.get(place)) as KeptToken | undefined;
  /** By lock: when the provider could not be asked. The oldest comes first. */
  const failures = new Map<string, { at: number; error: RondoError }>();

  /**
   * Asks a provider for the token of a place, whose lock is held. A provider that does not answer holds the lock for long, so those who waited meanwhile
   * are told the same in place of waiting as long for themselves, one after the other.
   * @param since when the caller began to wait.
   */
  async function asked(place: Place, since: number, there: KeptToken | undefined, ask: () => Promise<KeptToken>): Promise<KeptToken> {
    const lock = lockOf(place);
    const failure = failures.get(lock);
    if (failure && failure.at > (there && isUsable(there, now()) ? performance.now() - AFTER_FAILURE : since)) throw failure.error;
    failures.delete(lock);
    try {
      return await ask();
    } catch (error) {
      const at = performance.now();
      if (RondoError.is(error, 'PROVIDER_UNAVAILABLE')) failures.set(lock, { at, error });
      for (const [old, { at: then }] of failures) if (then < at - AFTER_FAILURE) failures.delete(old);
      throw error;
    }
  }

  function renewed(place: Place): ReturnType<Tokens['renewed']> {
    const since = performance.now();
    return vault.alone(lockOf(place), async (held) => {
      const found = await known(place);
      if (!found) return undefined;
      if (isFresh(found, now()) || found.refresh === undefined) return { token: found, refreshed: false };
      const { scopes, resources, audiences } = wantedOf(place);
      const oauth = oauthOf(place.provider);
      if (!isFrom(oauth, found)) {
        await vault.remove(place);
        return undefined;
      }
      try {
        const { refresh } = found;
        const got = await asked(place, since, found, () => oauth.refresh(refresh, { scopes, resources, audiences }, held.assert));
        // a server that does not rotate gives no new one
        const token: KeptToken = { refresh, ...got };
        await vault.put(place, { value: token });
        return { token, refreshed: true };
      } catch (error) {
        if (isGrantOver(error)) {
          await vault.remove(place);
          return undefined;
        }
        if (isUsable(found, now())) return { token: found, refreshed: false };
        throw error;
      }
    });
  }

  async function obtained(place: Place, get: () => Promise<KeptToken>): Promise<KeptToken> {
    const there = (vault.peek(place) ?? (await known(place))) as KeptToken | undefined;
    if (there && isFresh(there, now())) return there;
    const since = performance.now();
    return vault.alone(lockOf(place), async () => {
      const other = await known(place);
      if (other && isFresh(other, now())) return other;
      try {
        const token = await asked(place, since, other, get);
        await vault.put(place, { value: { ...token }, until: token.expiresAt ?? now() + UNTOLD });
        return token;
      } catch (error) {
        if (other && isUsable(other, now())) return other;
        throw error;
      }
    });
  }

  async function revoked(owner: string, provider: string | undefined, isKnown: (provider: string) => boolean) {
    const places = (await vault.list({ owner, ...(provider !== undefined && { provider }) })).filter(({ provider }) => provider !== '');
    const ends: Revoked[] = [];
    for (const name of new Set(places.map((place) => place.provider)))
      ends.push(
        await vault.alone(lockOf({ owner, provider: name }), async () => {
          const kept = isKnown(name) ? (await vault.list({ owner, provider: name })).filter(({ kind }) => kind !== 'consent') : [];
          // all at once: one that does not answer is waited for as long as for one token
          const all = await Promise.all(kept.map(async (place) => revokedAt(name, await known(place))));
          const end = all.find((one) => one?.code !== undefined) ?? all.find((one) => one !== undefined);
          await vault.remove({ owner, provider: name });
          return end ?? { provider: name, outcome: 'forgotten' };
        }),
      );
    return ends;
  }

  /** @returns undefined if there is none, or the provider has no endpoint for that or is another one. */
  async function revokedAt(provider: string, token: KeptToken | undefined): Promise<Revoked | undefined> {
    if (!token) return undefined;
    const { access, refresh } = token;
    try {
      const oauth = oauthOf(provider);
      if (!isFrom(oauth, token)) return undefined;
      // a refresh token takes its access tokens along, at servers that do as RFC 7009 says they should
      if (refresh !== undefined && !(await oauth.revoke(refresh, 'refresh_token'))) return undefined;
      return (await oauth.revoke(access, 'access_token')) ? { provider, outcome: 'revoked' } : undefined;
    } catch (error) {
      return { provider, outcome: 'forgotten', code: RondoError.is(error) ? error.code : 'INTERNAL' };
    }
  }

  return { renewed, obtained, revoked };
}

/** What a token at this place is for. */
function wantedOf({ about }: Place): { scopes: string[]; resources: string[]; audiences: string[] } {
  const [scopes, resources, audiences] = JSON.parse(about) as [string[], string[], string[]];
  return { scopes, resources, audiences };
}
