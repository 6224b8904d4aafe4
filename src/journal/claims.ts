/**
 * Claims: which call of which run holds an intent, so that what a tool's `key` names happens once over all calls, runs and processes.
 * A claim changes in the same append as the entry that says why. But for those of forgotten runs, claims can be rebuilt from entries.
 *
 * I1. A claim is taken only by a call that names its newest revision, or that there is none. So of two calls that find it free, one gets it.
 * I2. A claim is freed, or becomes unknown, only by the call that holds it.
 * I3. A claim that is done stays done until somebody reopens it, or until it expires: a late result makes it done, even if another call holds it.
 */

import { timeAfter } from '../days.ts';
import { invalid, RondoError } from '../errors.ts';
import { plainJson } from '../json.ts';
import { crypto } from '../node.ts';
import type { CallId } from './entries/entries.ts';

/** Names an intent: the same key of another tenant, or of another intent name, is another one. */
export interface ClaimKey {
  /** Undefined: of runs without a tenant, which share one space of keys. */
  tenant: string | undefined;
  /** The name of the intent; a tool's name unless it declares another. */
  intent: string;
  /** What the tool's `key` returned. */
  key: string;
}

/** A call, by its run. The id of a call is unique within its run only. */
export interface Holder {
  run: string;
  call: CallId;
}

/** What a store knows of a key. */
export interface Claim {
  /** `held`: its call has started and not ended. `unknown`: it may or may not have taken effect. `free`: it did not, and may be tried again. */
  state: 'held' | 'unknown' | 'done' | 'free';
  /** The call that holds it, or that did it. Left out once its run was forgotten, and where it is free. */
  holder?: Holder | undefined;
  /** SHA-256 of the arguments that must be the same. Left out like `holder`. */
  digest?: string | undefined;
  /** When it came to this state, epoch milliseconds by the store's clock. */
  since: number;
  /** `done`: from when on it counts as free, epoch milliseconds. Left out: never. */
  until?: number | undefined;
  /** How often it was reopened after it was done. Each time the intent's idempotency key is another one. */
  generation: number;
  /** Raised by each change. */
  revision: number;
}

/** A change of a claim, made by a call of the run that is appended to. */
export type ClaimChange = ClaimKey & { call: CallId; generation: number } & (
    | {
        to: 'held';
        digest: string;
        /** The revision that the call saw; 0 for a key that the store did not know. Any other one refuses the append. */
        seen: number;
      }
    | {
        to: 'done';
        digest: string;
        /** How long it stays done, in milliseconds. Default: for ever. */
        remember?: number | undefined;
      }
    /** `holder`: the call did not run, and gives the claim back to the one it took it from. */
    | { to: 'unknown'; holder?: Holder | undefined }
    | { to: 'free' }
    | { to: 'reopened' }
  );

/** The refusal of an append that would take a claim which has changed. Its details name the call, and the claim as it is now. */
const intentClaimed = (call: CallId, claim: Claim | undefined) =>
  new RondoError(
    'INTENT_CLAIMED',
    `the intent of call ${call} was claimed or settled meanwhile. Nothing was written: look at the claim again.`,
    {
      details: plainJson({ call, claim: claim ?? null }),
    },
  );

/**
 * What a change makes of a claim, for every store alike.
 * @param now by the store's clock. @returns the claim to store; undefined where the change does not apply, and the claim stays as it is.
 * @throws RondoError `INTENT_CLAIMED` where the claim cannot be taken.
 */
function changedClaim(claim: Claim | undefined, runId: string, change: ClaimChange, now: number): Claim | undefined {
  const { call, generation } = change;
  const next = (state: Claim['state'], more: Partial<Claim> = {}): Claim => ({
    state,
    since: now,
    generation,
    revision: (claim?.revision ?? 0) + 1,
    ...more,
  });
  const holder = { run: runId, call };
  if (change.to === 'held') {
    if ((claim?.revision ?? 0) !== change.seen) throw intentClaimed(call, claim);
    return next('held', { holder, digest: change.digest });
  }
  if (!claim || claim.generation !== generation) return undefined;
  if (change.to === 'reopened')
    return claim.state === 'done' && isHolder(claim, runId, call) ? next('free', { generation: generation + 1 }) : undefined;
  if (claim.state === 'done') return undefined;
  if (change.to === 'done') return next('done', { holder, digest: change.digest, until: timeAfter(now, change.remember) });
  if (!isHolder(claim, runId, call)) return undefined;
  if (change.to === 'free') return next('free');
  return next('unknown', { holder: change.holder ?? holder, digest: claim.digest });
}

/** Most changes of claims in one append. */
export const MOST_CLAIMS = 25;

/**
 * What the changes of one append make of claims, by their names in the store.
 * @param store `knows` tells whether it has a run. @throws RondoError `INTENT_CLAIMED` where one of them cannot be taken, `CONFIG_INVALID` for
 * more than {@link MOST_CLAIMS}.
 */
export function changedClaims(
  runId: string,
  changes: readonly ClaimChange[],
  store: { macOf(key: ClaimKey): string; find(mac: string): Claim | undefined; knows(runId: string): boolean; now: number },
): ReadonlyMap<string, Claim> {
  if (changes.length > MOST_CLAIMS) throw invalid(`an append changes ${changes.length} claims, and may change ${MOST_CLAIMS}.`);
  const changed = new Map<string, Claim>();
  for (const change of changes) {
    const mac = store.macOf(change);
    const claim = changedClaim(changed.get(mac) ?? store.find(mac), runId, change, store.now);
    if (!claim) continue;
    // given back to a call whose run was forgotten meanwhile
    const forgotten = claim.holder && claim.holder.run !== runId && !store.knows(claim.holder.run);
    changed.set(mac, forgotten ? tombstone(claim) : claim);
  }
  return changed;
}

const isHolder = ({ holder }: Claim, run: string, call: CallId) => holder?.run === run && holder.call === call;

/** What is left of a claim once the run that holds it is removed: no receipt, no arguments. A free claim has no holder, and stays. */
export const tombstone = ({ state, since, until, generation, revision }: Claim): Claim => ({
  state: state === 'held' ? 'unknown' : state,
  since,
  until,
  generation,
  revision: revision + 1,
});

/** Whether the key may be claimed as if nothing had been done under it. @param now by the store's clock. */
export const isFree = (claim: Claim | undefined, now: number): boolean =>
  !claim || claim.state === 'free' || (claim.state === 'done' && claim.until !== undefined && claim.until <= now);

/** Secrets as key objects: an HMAC under bytes takes eight times as long. */
const KEYS = new WeakMap<Uint8Array, ReturnType<typeof crypto.createSecretKey>>();

/**
 * How a store names a claim, so that what the key says is not in it: HMAC-SHA-256 under a secret of the store, in hex, of its canonical JSON.
 * @param secret the same array for all claims of a store, and never changed.
 */
export function claimMac(secret: Uint8Array, { tenant, intent, key }: ClaimKey): string {
  let under = KEYS.get(secret);
  if (!under) {
    under = crypto.createSecretKey(secret);
    KEYS.set(secret, under);
  }
  return crypto
    .createHmac('sha256', under)
    .update(JSON.stringify([tenant ?? null, intent, key]))
    .digest('hex');
}
