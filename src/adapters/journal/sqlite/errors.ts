import { RondoError } from '../../../errors.ts';

/** What node:sqlite throws: `errcode` is SQLite's extended result code, its low byte the primary one. */
interface SqliteError extends Error {
  errcode?: number;
}
const BUSY = 5;
const TABLE_LOCKED = 6;
const READONLY = 8;
const IOERR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const NOTADB = 26;

function primary(error: unknown): number | undefined {
  const code = (error as SqliteError | undefined)?.errcode;
  return typeof code === 'number' ? code & 0xff : undefined;
}

/** Somebody else has the lock: the same thing may work in a moment. */
export const isBusy = (error: unknown) => {
  const code = primary(error);
  return code === BUSY || code === TABLE_LOCKED;
};

/** What SQLite would say to one more attempt. */
export const LOCKED = Object.assign(new Error('database is locked'), { errcode: BUSY });

/** An error of SQLite or of the file system as one of ours, with the next step; ours stay as they are. */
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
  // a number that no one wrote
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
  new RondoError(
    'CONFIG_INVALID',
    `${path} ${what}. It was left as it is; give sqliteJournal() the path of a new file or of a Rondo journal.`,
    {
      cause,
      details: { path },
    },
  );

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

export const stillThere = (path: string) =>
  new RondoError(
    'JOURNAL_UNAVAILABLE',
    `What was forgotten is gone from the journal, but its bytes are still in ${path}-wal, because another process reads. They go when something is forgotten, or the last process closes the file, and no process reads.`,
    { details: { path } },
  );
