import { crypto } from '../../node.ts';
import { type Claim, type ClaimChange, type ClaimKey, changedClaims, claimMac, tombstone } from '../claims.ts';

/** The claims of a journal in memory. */
export interface MemoryClaims {
  /** A copy, so that a caller cannot change the stored claim. Undefined: the key was never claimed. */
  find(key: ClaimKey): Claim | undefined;
  /** Works changes out, and changes nothing before the result is called. @throws RondoError `INTENT_CLAIMED` */
  prepare(runId: string, changes: readonly ClaimChange[]): () => void;
  /** The run is removed: what it did stays done. */
  forget(runId: string): void;
}

/** @param knows whether the journal has a run. */
export function memoryClaims(knows: (runId: string) => boolean): MemoryClaims {
  // most journals never need it
  let secret: Uint8Array | undefined;
  const macOf = (key: ClaimKey) => {
    secret ??= crypto.randomBytes(32);
    return claimMac(secret, key);
  };
  const claims = new Map<string, Claim>();
  /** By the run that holds them. */
  const held = new Map<string, Set<string>>();

  function put(mac: string, claim: Claim): void {
    const before = claims.get(mac)?.holder?.run;
    if (before !== undefined && before !== claim.holder?.run && held.get(before)?.delete(mac) && held.get(before)?.size === 0)
      held.delete(before);
    claims.set(mac, claim);
    if (!claim.holder) return;
    const own = held.get(claim.holder.run) ?? new Set();
    held.set(claim.holder.run, own.add(mac));
  }

  return {
    find(key) {
      const claim = claims.get(macOf(key));
      return claim && { ...claim, holder: claim.holder && { ...claim.holder } };
    },
    prepare(runId, changes) {
      const changed = changedClaims(runId, changes, {
        macOf,
        find: (mac) => claims.get(mac),
        knows,
        now: Date.now(),
      });
      return () => {
        for (const [mac, claim] of changed) put(mac, claim);
      };
    },
    forget(runId) {
      for (const mac of [...(held.get(runId) ?? [])]) put(mac, tombstone(claims.get(mac) as Claim));
    },
  };
}
