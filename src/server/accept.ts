import type { RunEvent } from '../engine/events.ts';
import type { Run } from '../engine/run.ts';
import { RondoError } from '../errors.ts';

/**
 * Waits until the first entry of a run is in the journal: from then on the run survives this process. Rejects as the run does.
 * @returns the events after the first, for a reader that wants them; others call its `return()`.
 */
export async function accepted(run: Run): Promise<AsyncIterator<RunEvent>> {
  const events = run[Symbol.asyncIterator]();
  await events.next();
  return events;
}

/** The run that keeps a session busy. */
export function openRunOf({ details }: RondoError): string | undefined {
  const open = (details as { runId?: unknown } | null)?.runId;
  return typeof open === 'string' ? open : undefined;
}

/** Whether a run could not be started because it is the same one, started before. One that is open also keeps its session busy. */
export const isSameRun = (error: unknown, id: string): boolean =>
  RondoError.is(error, 'RUN_EXISTS') || (RondoError.is(error, 'SESSION_BUSY') && openRunOf(error) === id);
