import { RondoError } from '../errors.ts';
import { sessionId } from './session.ts';

/** Somebody else appended, or the caller counted wrong: what every store answers to a failed compare-and-set. */
export function conflict(runId: string, expected: number, held: number): RondoError<'JOURNAL_CONFLICT'> {
  const entries = held === 1 ? '1 entry' : `${held} entries`;
  return new RondoError(
    'JOURNAL_CONFLICT',
    `Run ${runId} holds ${entries}, not ${expected}: somebody else wrote to it. Read what is new and append after that.`,
    { details: { runId, expected, held } },
  );
}

/** A session has one open run at a time; `open` is the one that it has. */
export function sessionBusy(session: string, open: string): RondoError<'SESSION_BUSY'> {
  return new RondoError(
    'SESSION_BUSY',
    `Session ${sessionId(session)} has an open run, ${open}. Resume, decide or cancel that one first, or use another session.`,
    { details: { runId: open, session: sessionId(session) } },
  );
}

/** A stored append that is not what was written, or is missing. */
export function damaged(runId: string, seq: number, cause?: unknown): RondoError<'JOURNAL_DAMAGED'> {
  return new RondoError(
    'JOURNAL_DAMAGED',
    `The journal of run ${runId} is damaged at entry ${seq}. Nothing was left out or done again; restore the store from a copy, or remove() the run from the journal.`,
    { details: { runId, seq }, cause },
  );
}
