/** Erases the events that a principal sent, before a run has taken them. */
import { RondoError } from '../../errors.ts';
import { headOf } from '../../journal/head.ts';
import type { Journal } from '../../journal/port.ts';
import type { Principal } from '../../ports/principal.ts';
import { loadRun } from '../drive/history.ts';
import type { Resources } from '../resources.ts';

/** @returns how many there were. */
export async function eraseEvents({ journal, host }: Resources, { id, tenant }: Principal): Promise<number> {
  const erased = await journal.inbox?.forget({ tenant, by: id, now: await host.now() });
  for (const runId of erased?.runs ?? []) await dueAsBefore(journal, runId);
  return erased?.events ?? 0;
}

/** A run that was due at once for an event that is gone now is due again when its wait is over. */
async function dueAsBefore(journal: Journal, runId: string): Promise<void> {
  for (;;) {
    const run = await loadRun(journal, runId);
    if (run?.status !== 'paused') return;
    try {
      return await journal.append(runId, run.next, [], headOf(run, undefined));
    } catch (error) {
      // the run went on meanwhile
      if (!RondoError.is(error, 'JOURNAL_CONFLICT')) throw error;
    }
  }
}
