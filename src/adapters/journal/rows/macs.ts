/** Names of claims, and what was seen of them last. */
import { type ClaimChange, type ClaimKey, claimMac } from '../../../journal/claims.ts';

/** Most claims that are remembered, and names of them. The oldest is dropped, which costs its next change a look-up. */
const MOST = 1_000;

/** The names of keys under a secret, each made once. */
export function macs(): (secret: Uint8Array, key: ClaimKey) => string {
  const known = new Map<string, string>();
  return (secret, key) => {
    const text = JSON.stringify([key.tenant, key.intent, key.key]);
    let mac = known.get(text);
    if (mac === undefined) {
      mac = claimMac(secret, key);
      keep(known, text, mac);
    }
    return mac;
  };
}

/**
 * Whether changes take the claim of this name as one that was never there. Then it need not be read before it is written: a claim that is
 * there after all refuses that.
 */
export const isFirst = (changes: readonly ClaimChange[], mac: string, macOf: (key: ClaimKey) => string): boolean =>
  changes.some((change) => change.to === 'held' && change.seen === 0 && macOf(change) === mac);

/** Remembers a value, and drops the oldest if there are too many. */
export function keep<T>(all: Map<string, T>, key: string, value: T): void {
  if (all.size >= MOST && !all.has(key)) all.delete(all.keys().next().value as string);
  all.set(key, value);
}
