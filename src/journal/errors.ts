/** The errors of a journal, shared by all stores and readers. */
import { detailOf, RondoError } from '../errors.ts';
import type { Json } from '../json.ts';
import { sessionId } from './session.ts';

/** A compare-and-set failed: the run holds `held` entries, and the append expected another number. */
export function conflict(runId: string, expected: number, held: number): RondoError<'JOURNAL_CONFLICT'> {
  const entries = held === 1 ? '1 entry' : `${held} entries`;
  return new RondoError(
    'JOURNAL_CONFLICT',
    `Run ${runId} holds ${entries}, not ${expected}: another process wrote to it. Read what is new and append after that.`,
    { details: { runId, expected, held } },
  );
}

/** The run was removed since it was read. */
export function removed(runId: string): RondoError<'RUN_NOT_FOUND'> {
  return new RondoError(
    'RUN_NOT_FOUND',
    `run ${runId} was removed meanwhile, so nothing was written to it. runs() lists those that are left.`,
    {
      details: { runId },
    },
  );
}

/** A compare-and-set failed: the key holds `held` records, and the append expected another number. */
export function recordConflict(namespace: string, key: string, expected: number, held: number): RondoError<'JOURNAL_CONFLICT'> {
  return new RondoError(
    'JOURNAL_CONFLICT',
    `The record "${key}" in "${namespace}" holds ${held} values, not ${expected}: another process wrote to it. Read what is new and append after that.`,
    { details: { namespace, key, expected, held } },
  );
}

/** Whether an append was refused because of its record, and not because of its run. */
export const isRecordConflict = (error: unknown): boolean => detailOf(error, 'JOURNAL_CONFLICT', 'namespace') !== undefined;

/** A stored value is not what was written, or is missing. */
export function recordDamaged(namespace: string, key: string, seq: number): RondoError<'JOURNAL_DAMAGED'> {
  return new RondoError(
    'JOURNAL_DAMAGED',
    `The record "${key}" in "${namespace}" is damaged at value ${seq}. Restore the store from a copy, or delete() the record.`,
    { details: { namespace, key, seq } },
  );
}

/**
 * A session has another run that is running or paused.
 * @param session its key, see `sessionKey`. @param open id of that run. @param approvals the open approvals of that run, if known.
 */
export function sessionBusy(session: string, open: string, approvals?: readonly Json[]): RondoError<'SESSION_BUSY'> {
  const waits = approvals?.length ? `, which waits for ${approvals.length} approval(s)` : '';
  return new RondoError(
    'SESSION_BUSY',
    `Session ${sessionId(session)} has an open run, ${open}${waits}. Resume, decide or cancel that one first, or use another session.`,
    { details: { runId: open, ...(approvals ? { approvals } : { session: sessionId(session) }) } },
  );
}

/** A stored entry is damaged or missing. @param why what is wrong with the entry, if known. */
export function damaged(runId: string, seq: number, why?: string): RondoError<'JOURNAL_DAMAGED'> {
  return new RondoError(
    'JOURNAL_DAMAGED',
    `The journal of run ${runId} is damaged at entry ${seq}${why ? `: ${why}` : ''}. Nothing was left out or done again; restore the store from a copy, or remove() the run from the journal.`,
    { details: { runId, seq } },
  );
}

/** A stored event, or what says for whom it is, is not what was written. @param nr its number, if known. */
export function eventDamaged(nr?: number): RondoError<'JOURNAL_DAMAGED'> {
  const what = nr === undefined ? 'A wait for an event' : `Event ${nr} of the inbox`;
  const next = nr === undefined ? '' : `, or dismiss({ kind: 'event', nr: ${nr} }) and have it sent again`;
  return new RondoError('JOURNAL_DAMAGED', `${what} is damaged, so nothing was delivered. Restore the store from a copy${next}.`, {
    details: nr === undefined ? {} : { event: nr },
  });
}
