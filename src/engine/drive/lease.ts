/** The lease on a run: only its owner may start effects. */

import { RondoError } from '../../errors.ts';
import { joining } from '../../flight.ts';
import type { RunFold } from '../../journal/fold/fold.ts';
import type { Lease } from '../../journal/head.ts';
import type { Log } from '../../journal/log.ts';
import { insisted } from '../../loop/append-with-retry.ts';
import { findHead } from '../read/lookup.ts';
import type { Resources } from '../resources.ts';
import type { LiveRun } from './live-run.ts';

/** Milliseconds from the last renewal until another process may claim the run. */
export const LEASE = 30_000;
/** The end of a lease on a run whose owner gave it back in good order. One that ran out, or whose owner is gone, never ends then. */
const GIVEN_BACK = 1;
/** The same, where nothing of the run was under way any more: each model call is in the journal with what it cost, or may have cost. */
export const GIVEN_BACK_WHOLE = 2;
/** With less than this left, the store must renew the lease before an effect starts, because an attempt may start late. */
const MARGIN = LEASE / 3;

/** A lease that starts now, before the store is asked for its time, however long that takes. At once if the store tells it at once. */
export function leaseOf({ owner, host }: Resources): Lease | Promise<Lease> {
  const wall = Date.now() + LEASE;
  const monotonic = performance.now() + LEASE;
  const from = (now: number): Lease => ({ owner, until: now + LEASE, wall, monotonic });
  const now = host.now();
  return typeof now === 'number' ? from(now) : now.then(from);
}

/** Milliseconds left of a lease, by the wall clock or the monotonic clock, whichever is less. */
export const left = ({ wall, monotonic }: Lease): number => Math.min(wall - Date.now(), monotonic - performance.now());

/**
 * Renews the lease of a run that is driven here. @returns false if another process has it. Whether that process claimed the run is for
 * `adopt()` to find out. @throws an error of the store.
 */
export async function prolong(resources: Resources, log: Log): Promise<boolean> {
  const lease = await leaseOf(resources);
  if (!(await resources.journal.renew(log.run.runId, lease.owner, lease.until))) return false;
  if (log.lease) log.lease = lease;
  return true;
}

/** @see Drive.own */
export function ownership(resources: Resources, live: LiveRun, log: Log): LiveRun['own'] {
  const join = joining<undefined, void>();
  const isOurs = () => log.lease !== undefined && left(log.lease) > MARGIN;
  const confirm = async (): Promise<void> => {
    try {
      do {
        await join(undefined, ask);
        // the process may have been suspended while it waited for the store
      } while (!isOurs());
    } catch (error) {
      live.stop({ why: 'lost', error });
      throw error;
    }
  };
  const ask = async (): Promise<void> => {
    const once = () => renewed(resources, log);
    try {
      await once();
    } catch (error) {
      if (RondoError.is(error, 'JOURNAL_UNAVAILABLE') && isOurs() && (await isUnclaimed(log))) return;
      await insisted(error, once, () => live.halt);
    }
  };
  return (waited) => (waited || !isOurs() ? confirm() : undefined);
}

/** Whether the current lease is still valid although it cannot be renewed: a full store can be read. @throws RondoError `RUN_BUSY`. */
async function isUnclaimed(log: Log): Promise<boolean> {
  try {
    await log.adopt();
    return true;
  } catch (error) {
    if (RondoError.is(error, 'JOURNAL_UNAVAILABLE')) return false;
    throw error;
  }
}

/** Renews the lease, and checks that no other process claimed and released the run in between. @throws RondoError `RUN_BUSY`. */
async function renewed(resources: Resources, log: Log): Promise<void> {
  const { runId } = log.run;
  // a released run is not acquired again
  const renewed = log.lease !== undefined && (await prolong(resources, log));
  try {
    await log.adopt();
  } catch (error) {
    if (renewed && RondoError.is(error, 'RUN_BUSY')) await release(resources, runId);
    throw error;
  }
  if (!renewed) throw new RondoError('RUN_BUSY', `run ${runId} was taken over by another process; watch it there.`, { details: { runId } });
}

/** The end of the lease with which a run is left: as it was found, or in good order. @param error with which its drive ended, if it did. */
export function endOf({ givenBack, halt }: Pick<LiveRun, 'givenBack' | 'halt'>, error?: unknown): number {
  if (givenBack !== undefined) return givenBack;
  if (halt?.why === 'close') return RondoError.is(error, 'ENGINE_CLOSED') ? GIVEN_BACK_WHOLE : GIVEN_BACK;
  // the store was away, and the process lives
  return RondoError.is(error, 'JOURNAL_UNAVAILABLE') ? GIVEN_BACK : 0;
}

/** What takes leases: an engine, or something that has an owner of its own. */
export type Leasing = Pick<Resources, 'journal' | 'host' | 'owner'>;

/**
 * Releases a lease, so that the next owner need not wait until it expires. @param end of the lease: see {@link GIVEN_BACK}.
 * @returns false if the store could not be told: then the lease expires by itself.
 */
export async function release({ journal, owner }: Leasing, runId: string, end = 0): Promise<boolean> {
  try {
    await journal.renew(runId, owner, end);
    return true;
  } catch {
    return false;
  }
}

/** Most runs that an engine remembers to have given back while the store could not be told. */
const MOST_UNTOLD = 10_000;

/** Gives a run back whose drive ended with an error. If the store cannot be told, this engine remembers it. */
export async function giveUp(resources: Resources, live: LiveRun, error: unknown): Promise<void> {
  const { untold } = resources;
  const end = endOf(live, error);
  untold.delete(live.runId);
  if ((await release(resources, live.runId, end)) || end === 0) return;
  untold.set(live.runId, end);
  if (untold.size > MOST_UNTOLD) untold.delete(untold.keys().next().value as string);
}

/** The end of the lease with which a running run was given back; 0 if its process died, as far as is known. */
export async function backSince({ journal, owner, untold }: Resources, { runId, owner: last }: RunFold): Promise<number> {
  const known = last === owner && untold.get(runId);
  if (known) return known;
  const until = (await findHead(journal, runId))?.leaseUntil;
  return until === GIVEN_BACK || until === GIVEN_BACK_WHOLE ? until : 0;
}
