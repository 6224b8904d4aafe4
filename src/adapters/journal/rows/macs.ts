/** Names of claims, and what was seen of them last. */
import { type ClaimChange, type ClaimKey, claimMac } from '../../../journal/claims.ts';

/** Most claims that are remembered, and names of them. The oldest are dropped, which costs their next change a look-up. */
const MOST = 1_000;
/** How many are dropped at a time: one at a time would cost each new one a walk over those that were dropped before. */
const DROPPED = 100;

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
  if (all.size >= MOST && !all.has(key)) {
    let left = DROPPED;
    for (const old of all.keys()) {
      all.delete(old);
      if (--left === 0) break;
    }
  }
  all.set(key, value);
}
