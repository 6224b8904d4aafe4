/** The lease on a run: who may begin effects in it. */
import { RondoError } from '../errors.ts';
import type { Lease } from '../journal/head.ts';
import type { Log } from '../journal/log.ts';
import { insisted } from '../loop/held.ts';
import type { Active } from './active.ts';
import type { Resources } from './resources.ts';

/** Milliseconds that a process may be silent before another one may take its runs over. */
export const LEASE = 30_000;
/** With less than this left, no effect begins before the store has renewed the lease: an attempt may begin late, too. */
const MARGIN = LEASE / 3;

/** A lease that begins now. */
export const leaseOf = (owner: string): Lease => ({ owner, until: Date.now() + LEASE, monotonic: performance.now() + LEASE });

/** Milliseconds left of a lease, by the clock by which it ends first. */
export const left = ({ until, monotonic }: Lease): number => Math.min(until - Date.now(), monotonic - performance.now());

/**
 * Prolongs the lease of a run that is driven here. False where another process has it; what that one claimed `adopt()` tells.
 * @throws what the store throws.
 */
export async function prolong({ journal, owner }: Resources, log: Log): Promise<boolean> {
  // counted from before the store was asked, however long it takes
  const lease = leaseOf(owner);
  if (!(await journal.renew(log.run.runId, owner, lease.until))) return false;
  if (log.lease) log.lease = lease;
  return true;
}

/** @see Drive.own */
export function ownership(resources: Resources, active: Active, log: Log): (waited: boolean) => void | Promise<void> {
  let asking: Promise<void> | undefined;
  const isOurs = () => log.lease !== undefined && left(log.lease) > MARGIN;
  const confirm = async (): Promise<void> => {
    try {
      do {
        asking ??= ask().finally(() => {
          asking = undefined;
        });
        await asking;
        // the process may have been stopped while the answer was under way
      } while (!isOurs());
    } catch (error) {
      active.halt({ why: 'lost', error });
      throw error;
    }
  };
  const ask = async (): Promise<void> => {
    const once = () => renewed(resources, log);
    try {
      await once();
    } catch (error) {
      if (RondoError.is(error, 'JOURNAL_UNAVAILABLE') && isOurs() && (await isUnclaimed(log))) return;
      await insisted(error, once, () => active.halted);
    }
  };
  return (waited) => (waited || !isOurs() ? confirm() : undefined);
}

/** A store that is full can still be read: where no other process claimed the run, the lease that is left is good. @throws RondoError `RUN_BUSY`. */
async function isUnclaimed(log: Log): Promise<boolean> {
  try {
    await log.adopt();
    return true;
  } catch (error) {
    if (RondoError.is(error, 'JOURNAL_UNAVAILABLE')) return false;
    throw error;
  }
}

/** Renews the lease, and looks whether somebody claimed the run before that: they may have given it back since. @throws RondoError `RUN_BUSY`. */
async function renewed(resources: Resources, log: Log): Promise<void> {
  const { runId } = log.run;
  // a run that was given back is not taken again
  const renewed = log.lease !== undefined && (await prolong(resources, log));
  try {
    await log.adopt();
  } catch (error) {
    if (renewed && RondoError.is(error, 'RUN_BUSY')) await release(resources, runId);
    throw error;
  }
  if (!renewed) throw new RondoError('RUN_BUSY', `run ${runId} was taken over by another process; watch it there.`, { details: { runId } });
}

/** Gives a lease back, so that the next owner need not wait for its end. */
export const release = async ({ journal, owner }: Resources, runId: string) => {
  try {
    await journal.renew(runId, owner, 0);
  } catch {
    // the lease ends by itself
  }
};
