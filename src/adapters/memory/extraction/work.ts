/**
 * Works on the jobs of one actor.
 *
 * I1. A job is there from the commit of its event until its records are committed, each in one transaction: a process that is killed leaves it to another.
 * I2. What an attempt found is written only while this process has the lease of the actor, and the job is still there: it goes with its event when
 *     that is forgotten.
 *     What it decided by is checked too: records that were changed meanwhile are decided about again.
 * I3. An attempt is counted before it begins, so a job that ends its process each time fails at last.
 */
import { randomUUID } from 'node:crypto';
import { RondoError } from '../../../errors.ts';
import { checkedChange, checkedRecord } from '../record-input.ts';
import { addAgain, changeRecord, insertRecord, knownRow, pageOfRecords } from '../records.ts';
import type { Settings } from '../settings.ts';
import type { Strategy } from '../strategies/types.ts';
import { type Attempting, attempted } from './attempt.ts';
import { afterFailure, type RetryOptions } from './failure.ts';
import { beginJob, endJob, failJob, hasJob, type Job, putBack } from './jobs.ts';
import { hasLease, LEASE, releaseLease, takeLease } from './lease.ts';
import type { Learned } from './plan.ts';

export interface Working extends Omit<Attempting, 'strategy'> {
  /** By name, as they are now. */
  strategies(): ReadonlyMap<string, Strategy>;
  readonly retry: Required<RetryOptions>;
  /** Called after each job. */
  ended(): void;
}

/** Why a job failed whose last attempt was not seen to end. */
const INTERRUPTED = 'EXTRACTION_INTERRUPTED: the process ended during each attempt.';

/** Does what is due of an actor, in order, unless another process does. @throws what the file throws */
export async function workOn(actor: string, o: Working, stop: AbortSignal): Promise<void> {
  const { settings } = o;
  const { db } = settings;
  // of this call: a process that opened the file twice is two
  const owner = randomUUID();
  if (!(await db.write(() => takeLease(settings, actor, owner)))) return;
  const lost = new AbortController();
  const beat = setInterval(() => {
    db.write(() => takeLease(settings, actor, owner)).then(
      (kept) => kept || lost.abort(new Error('another process took the lease')),
      // the lease may still be valid; if not, nothing is written
      () => undefined,
    );
  }, LEASE / 3);
  beat.unref();
  const signal = AbortSignal.any([stop, lost.signal]);
  try {
    while (!signal.aborted) {
      const names = JSON.stringify([...o.strategies().keys()]);
      const job = await db.write(() => (takeLease(settings, actor, owner) ? beginJob(settings, actor, names) : undefined));
      if (!job) return;
      await perform(job, { actor, owner, signal }, o);
      o.ended();
    }
  } finally {
    clearInterval(beat);
    await db.write(() => releaseLease(settings, actor, owner));
  }
}

async function perform(
  job: Job,
  { actor, owner, signal }: { actor: string; owner: string; signal: AbortSignal },
  o: Working,
): Promise<void> {
  const { settings } = o;
  const { db } = settings;
  const strategy = o.strategies().get(job.strategy);
  // the strategy was removed a moment ago
  if (!strategy) return db.write(() => putBack(settings, job.nr));
  if (job.attempts > o.retry.attempts) return db.write(() => failJob(settings, job.nr, { dueAt: undefined, reason: INTERRUPTED }));
  try {
    const learned = await attempted(job, { ...o, strategy }, signal);
    const save = learned && saving(settings, learned, strategy);
    await db.write(() => {
      if (!hasLease(settings, actor, owner) || !hasJob(settings, job)) return;
      save?.();
      endJob(settings, job.nr);
    });
  } catch (error) {
    const failed = () => failJob(settings, job.nr, afterFailure(error, job.attempts, settings.now(), o.retry));
    await db.write(() => (signal.aborted ? putBack(settings, job.nr) : failed()));
  }
}

/** Checks what was learned. @returns what to do within a transaction. @throws RondoError `MEMORY_INPUT_INVALID` */
function saving(settings: Settings, { add, change, same, from }: Learned, { expires, merge, name }: Strategy): () => void {
  const expiresAt = expires === undefined ? undefined : settings.now() + expires;
  const until = expiresAt === undefined ? {} : { expiresAt };
  const records = add.map((record) => checkedRecord({ ...record, from, ...until }));
  const changes = change.map(({ was, ...one }) => ({ was, to: checkedChange({ ...one, from, ...until }) }));
  const isThere = ({ namespace }: { namespace: string }) =>
    pageOfRecords(settings, { namespace, within: false, strategy: name, limit: 1 }).items.length > 0;
  return () => {
    // decided by what was there before: a correction of the user's, and a record that was learned from another actor, are not written over
    if (changes.some(({ was, to: { id } }) => knownRow(settings, id).text !== was) || (merge === 'replace' && records.some(isThere)))
      throw new RondoError('MEMORY_CONFLICT', 'The records were changed while something was learned for them.');
    for (const record of records) insertRecord(settings, record);
    for (const { to } of changes) changeRecord(settings, to);
    for (const id of same) addAgain(settings, id, from);
  };
}
