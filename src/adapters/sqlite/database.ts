/** A SQLite file of one application: one connection, its transactions, and how its errors are told. */
import { closeSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ErrorCode, invalid, RondoError } from '../../errors.ts';
import { CORRUPT, FULL, isBusy, LOCKED, NOTADB, primary, READONLY } from '../journal/sqlite/errors.ts';
import { rollback, sqlite } from '../journal/sqlite/open.ts';
import { PATIENCE, PAUSE, Queue, type Verdict } from '../journal/sqlite/queue.ts';

/** What a file holds. */
export interface FileKind {
  /** What opens it, such as `sqliteVault()`. */
  readonly where: string;
  /** What it is called in messages, such as `vault`. */
  readonly what: string;
  readonly applicationId: number;
  readonly version: number;
  /** Makes the tables, and sets `application_id` and `user_version`. */
  readonly schema: string;
  readonly unavailable: ErrorCode;
  readonly damaged: ErrorCode;
  /** Of a file that a newer version of Rondo wrote, and of one that was closed. */
  readonly tooNew: ErrorCode;
  readonly closed: ErrorCode;
}

export interface Database {
  readonly path: string;
  /**
   * Runs a function in a transaction. It is committed, and on the disk, when the promise resolves; what the function did is undone if it throws. All
   * writes of one tick share a transaction. It waits up to 5 seconds for other processes.
   * @throws RondoError of the file's kind, and what the function throws.
   */
  write<T>(work: () => T): Promise<T>;
  /** Runs a function that only reads, on one state of the file, after all writes that were called before. */
  read<T>(work: () => T): Promise<T>;
  /** A prepared statement. Call it within `write` or `read`. */
  prepare(sql: string): StatementSync;
  /** Changes each time another connection has written to the file. */
  changed(): number;
  /** Writes what is in the `-wal` file to the file, and empties it: it holds older versions of pages. */
  empty(): Promise<void>;
  close(): Promise<void>;
}

/** Milliseconds that SQLite itself waits for a lock. Short, because it blocks the event loop. */
const BUSY_TIMEOUT = 5;

/**
 * Opens a file, or creates it with its directory, for its owner alone.
 * @param path `:memory:` is a file that ends with the process.
 * @throws RondoError `CONFIG_INVALID` for a file of another kind, and the codes of its own kind.
 */
export function openDatabase(path: string, kind: FileKind): Database {
  const told = (error: unknown) => explained(error, path, kind);
  const db = opened(path, kind);
  const statements = new Map<string, StatementSync>();
  const prepare = (sql: string): StatementSync => {
    const known = statements.get(sql);
    if (known) return known;
    const made = db.prepare(sql);
    statements.set(sql, made);
    return made;
  };
  const queue = new Queue((_, body) => transact(db, body), told);
  let closed = false;
  const refuseClosed = () => {
    if (closed) throw new RondoError(kind.closed, `The ${kind.what} ${path} was closed. Open it again with ${kind.where}.`);
  };

  async function write<T>(work: () => T): Promise<T> {
    refuseClosed();
    return queue.add(true, () => savepoint(db, work));
  }

  async function read<T>(work: () => T): Promise<T> {
    refuseClosed();
    await queue.idle();
    for (const until = performance.now() + PATIENCE; ; await sleep(PAUSE)) {
      refuseClosed();
      try {
        db.exec('BEGIN');
        const found = work();
        db.exec('COMMIT');
        return found;
      } catch (error) {
        rollback(db);
        if (!isBusy(error)) throw told(error);
        if (performance.now() > until) throw told(LOCKED);
      }
    }
  }

  function changed(): number {
    refuseClosed();
    return (prepare('PRAGMA data_version').get() as { data_version: number }).data_version;
  }

  async function empty(): Promise<void> {
    if (path === ':memory:') return;
    await queue.idle();
    for (const until = performance.now() + PATIENCE; ; await sleep(PAUSE)) {
      refuseClosed();
      let cause: unknown;
      try {
        const { busy } = db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as { busy: number };
        if (busy === 0) return;
      } catch (error) {
        const known = told(error);
        if (!RondoError.is(known, kind.unavailable)) throw known;
        cause = error;
      }
      if (performance.now() > until) throw stillThere(path, kind, cause);
    }
  }

  async function close(): Promise<void> {
    if (closed) return;
    closed = true;
    queue.flush();
    await queue.idle();
    statements.clear();
    db.close();
  }

  return { path, write, read, prepare, changed, empty, close };
}

function transact(db: DatabaseSync, body: () => void): Verdict {
  try {
    db.exec('BEGIN IMMEDIATE');
    body();
    db.exec('COMMIT');
    return 'done';
  } catch (error) {
    rollback(db);
    return isBusy(error) ? 'busy' : { error };
  }
}

/** One of the writes that share a transaction: what it did is undone if it throws, and the others go on. */
function savepoint<T>(db: DatabaseSync, work: () => T): T {
  db.exec('SAVEPOINT one');
  try {
    const result = work();
    db.exec('RELEASE one');
    return result;
  } catch (error) {
    // after some errors SQLite has ended the transaction already
    if (db.isTransaction) db.exec('ROLLBACK TO one; RELEASE one');
    throw error;
  }
}

function opened(path: string, kind: FileKind): DatabaseSync {
  const { DatabaseSync } = sqlite(kind.where);
  let db: DatabaseSync | undefined;
  try {
    if (path !== ':memory:') make(path, kind);
    db = new DatabaseSync(path);
    db.exec(`PRAGMA busy_timeout = ${PATIENCE}`);
    if (!isOurs(db, path, kind)) create(db, path, kind);
    // an acknowledged write survives a loss of power; on macOS a plain fsync does not reach the disk
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA fullfsync = 1');
    // overwrites deleted content, so that none of it stays in the file
    db.exec('PRAGMA secure_delete = ON');
    db.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT}`);
    return db;
  } catch (error) {
    db?.close();
    throw explained(error, path, kind);
  }
}

/** Creates the file, readable only by its owner. SQLite gives `-wal` and `-shm` the same permissions. */
function make(path: string, kind: FileKind): void {
  mkdirSync(dirname(path), { recursive: true });
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isDirectory()) throw foreign(path, 'is a directory', kind);
  // SQLite treats a file of one byte as empty and would overwrite it
  if (found?.size === 1) throw foreign(path, 'is not a SQLite database', kind);
  // made before SQLite opens it, so that it is never readable by others
  if (!found) closeSync(openSync(path, 'a', 0o600));
}

const HEADER = `
  SELECT (SELECT application_id FROM pragma_application_id) AS id, (SELECT user_version FROM pragma_user_version) AS version,
    (SELECT count(*) FROM sqlite_schema) AS n`;

/** Whether the file is of this kind; false if it is still empty. @throws RondoError for a file of another kind. */
function isOurs(db: DatabaseSync, path: string, kind: FileKind): boolean {
  const { id, version, n } = db.prepare(HEADER).get() as { id: number; version: number; n: number };
  if (id === kind.applicationId && version > kind.version)
    throw new RondoError(
      kind.tooNew,
      `${path} has tables of version ${version}, and this version of rondo knows up to ${kind.version}. Upgrade rondo to use it.`,
      { details: { path, version, newest: kind.version } },
    );
  if (id === kind.applicationId) return true;
  if (id !== 0 || version !== 0 || n > 0) throw foreign(path, 'is a SQLite database of another application', kind);
  return false;
}

function create(db: DatabaseSync, path: string, kind: FileKind): void {
  db.exec('BEGIN IMMEDIATE');
  try {
    // checked again under the lock: another process may have created the tables
    if (!isOurs(db, path, kind)) db.exec(kind.schema);
    db.exec('COMMIT');
  } catch (error) {
    rollback(db);
    throw error;
  }
}

const foreign = (path: string, why: string, { where, what }: FileKind, cause?: unknown) =>
  invalid(`${path} ${why}. It was left as it is; give ${where} the path of a new file or of a ${what}.`, { cause, details: { path } });

const stillThere = (path: string, { unavailable, what }: FileKind, cause: unknown) =>
  new RondoError(
    unavailable,
    `What was removed is gone from the ${what}, but its bytes are still in ${path}-wal, because ${
      cause === undefined || isBusy(cause) ? 'another process reads' : `emptying it failed (${(cause as Error).message})`
    }. Remove it again when that has ended.`,
    { cause, details: { path } },
  );

/** Converts an error of SQLite or of the file system to a RondoError that says what to do next. */
function explained(error: unknown, path: string, kind: FileKind): Error {
  if (RondoError.is(error)) return error;
  const said = error instanceof Error ? error.message : String(error);
  const unavailable = (message: string) => new RondoError(kind.unavailable, message, { cause: error, details: { path } });
  if (isBusy(error)) return unavailable(`${path} is locked by another process. Nothing was written; end what holds it and try again.`);
  switch (primary(error)) {
    case FULL:
      return unavailable(`No space left to write ${path}. Nothing was written; free some and try again.`);
    case READONLY:
      return unavailable(`${path} is read-only. Make the file and its directory writable for this process.`);
    case CORRUPT:
      return new RondoError(kind.damaged, `${path} is damaged as a SQLite file (${said}). Restore it from a copy.`, {
        cause: error,
        details: { path },
      });
    case NOTADB:
      return foreign(path, 'is not a SQLite database', kind, error);
    default:
      return unavailable(`The ${kind.what} ${path} could not be used: ${said}. Check its path, its permissions and the disk.`);
  }
}
