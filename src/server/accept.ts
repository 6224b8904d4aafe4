import { createHash } from 'node:crypto';
import type { RunEvent } from '../engine/read/run-event.ts';
import type { Run } from '../engine/run.ts';
import { detailOf, invalid, RondoError } from '../errors.ts';
import type { Principal } from '../ports/principal.ts';

/** @throws RondoError `CONFIG_INVALID` for what has no events, such as the result of a run. */
export function assertEvents(run: unknown, where: string): void {
  if (typeof (run as AsyncIterable<unknown> | undefined)?.[Symbol.asyncIterator] === 'function') return;
  throw invalid(`${where} takes a run, whose events it reads: engine.run(support, input) without await, which gives the result.`);
}

/**
 * Waits until the first entry of a run is in the journal. From then on the run survives this process. Rejects with the error of a run that
 * could not start.
 * @returns an iterator over the later events. A caller that does not read them calls its `return()`. Who reads the run in another way begins before:
 * a model streams only while its run is read.
 */
export async function accepted(run: Run): Promise<AsyncIterator<RunEvent>> {
  assertEvents(run, 'accepted()');
  const events = run[Symbol.asyncIterator]();
  await events.next();
  return events;
}

/**
 * Reads the later events of a run and drops them. Models stream only while a run is read, and a client joins a run after its start was
 * answered; without a reader in between, the answer under way would have no deltas.
 */
export async function keepStreaming(events: AsyncIterator<RunEvent>): Promise<void> {
  try {
    while (!(await events.next()).done);
  } catch {
    // readers of the run and of its result get this error too
  }
}

/** The id of the open run, from the error `SESSION_BUSY`. */
export const openRunOf = (error: unknown): string | undefined => detailOf(error, 'SESSION_BUSY', 'runId');

/** Whether a start failed because the run exists already. If that run is still open in a session, the error is `SESSION_BUSY`. */
export const isSameRun = (error: unknown, id: string): boolean => RondoError.is(error, 'RUN_EXISTS') || openRunOf(error) === id;

/**
 * A run id that is the same when a request is sent again. It includes the caller, so that equal keys of two callers do not collide.
 * @param key chosen by the caller. @param session if its keys are of one session only.
 */
export function idOf({ tenant, id }: Principal, agent: string, key: string, session?: string): string {
  const of = [tenant ?? null, id, agent, key, ...(session === undefined ? [] : [session])];
  return `key-${createHash('sha256').update(JSON.stringify(of)).digest('hex').slice(0, 32)}`;
}
