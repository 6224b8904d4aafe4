import { invalid, RondoError } from '../../../errors.ts';

/** An error of node:sqlite. `errcode` is SQLite's extended result code; its low byte is the primary code. */
interface SqliteError extends Error {
  errcode?: number;
}
const BUSY = 5;
const TABLE_LOCKED = 6;
export const READONLY = 8;
const IOERR = 10;
export const CORRUPT = 11;
export const FULL = 13;
const CANTOPEN = 14;
export const NOTADB = 26;

/** SQLite's primary result code of an error, if it has one. */
export function primary(error: unknown): number | undefined {
  const code = (error as SqliteError | undefined)?.errcode;
  return typeof code === 'number' ? code & 0xff : undefined;
}

/** Another connection holds the lock. A retry may succeed. */
export const isBusy = (error: unknown) => {
  const code = primary(error);
  return code === BUSY || code === TABLE_LOCKED;
};

/** The error of a write that waited for a lock for too long. */
export const LOCKED = Object.assign(new Error('database is locked'), { errcode: BUSY });

/** Converts an error of SQLite or of the file system to a RondoError that says what to do next. */
export function explain(error: unknown, path: string): Error {
  if (RondoError.is(error)) return error;
  const said = error instanceof Error ? error.message : String(error);
  const unavailable = (what: string) => new RondoError('JOURNAL_UNAVAILABLE', what, { cause: error, details: { path } });
  const corrupt = () =>
    new RondoError(
      'JOURNAL_DAMAGED',
      `${path} is damaged as a SQLite file (${said}). Restore it from a copy, or save what is left with the .recover command of sqlite3.`,
      { cause: error, details: { path } },
    );
  // a number beyond 2^53, which Rondo never writes
  if ((error as NodeJS.ErrnoException | undefined)?.code === 'ERR_OUT_OF_RANGE') return corrupt();
  switch (primary(error)) {
    case BUSY:
    case TABLE_LOCKED:
      return unavailable(`${path} is locked by another process. Nothing was written; end the transaction that holds it and try again.`);
    case FULL:
      return unavailable(`No space left to write ${path}. Nothing was written; free some and resume.`);
    case READONLY:
      return unavailable(`${path} is read-only. Make the file and its directory writable for this process and resume.`);
    case IOERR:
      return unavailable(`Reading or writing ${path} failed (${said}). Check the disk, its quota and the limits on file size, and resume.`);
    case CANTOPEN:
      return unavailable(`${path} cannot be opened (${said}). Check that the path is right and this process may read and write it.`);
    case CORRUPT:
      return corrupt();
    case NOTADB:
      return foreign(path, 'is not a SQLite database', error);
    default:
      return unavailable(`The journal ${path} could not be used: ${said}.`);
  }
}

export const foreign = (path: string, what: string, cause?: unknown) =>
  invalid(`${path} ${what}. It was left as it is; give sqliteJournal() the path of a new file or of a Rondo journal.`, {
    cause,
    details: { path },
  });

export const tooNew = (path: string, version: number, newest: number) =>
  new RondoError(
    'JOURNAL_VERSION',
    `${path} has tables of version ${version}, and this version of rondo knows up to ${newest}. Upgrade rondo to use it.`,
    { details: { path, version, newest } },
  );

export const cutOff = (path: string, mark: string, last: number, least: number) =>
  new RondoError(
    'JOURNAL_DAMAGED',
    `${path} ends at row ${last}, but ${least} rows were written: its log of writes is damaged or missing. Restore the file from a copy. ` +
      `Where this is such a copy, or what it has is enough, delete ${mark}.`,
    { details: { path, last, least } },
  );

export const replaced = (path: string, isGone: boolean) =>
  new RondoError(
    'JOURNAL_DAMAGED',
    `${path} was ${isGone ? 'deleted' : 'replaced'} while it was open, so what this process writes would be lost. Put the file back and start again.`,
    { details: { path } },
  );

/** @param cause why the `-wal` file could not be emptied. Absent: a reader kept it from that. */
export const stillThere = (path: string, cause?: unknown) =>
  new RondoError(
    'JOURNAL_UNAVAILABLE',
    `What was forgotten is gone from the journal, but its bytes are still in ${path}-wal, because ${
      cause === undefined || isBusy(cause) ? 'another process reads' : `emptying it failed (${(cause as Error).message})`
    }. They go when something is forgotten, or the last process closes the file, once that is over.`,
    { cause, details: { path } },
  );
