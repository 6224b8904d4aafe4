/** The SQLite file of a state: its tables, and the one server that has it. */
import { chmodSync, closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { invalid, RondoError } from '../../../errors.ts';
import { isBusy } from '../../journal/sqlite/errors.ts';

const TABLES = `
  CREATE TABLE IF NOT EXISTS resource (
    nr INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, id TEXT NOT NULL, parent TEXT NOT NULL, value BLOB NOT NULL, gone_at REAL,
    UNIQUE (kind, id)
  ) STRICT;
  CREATE INDEX IF NOT EXISTS resource_list ON resource (kind, parent, nr);
  CREATE INDEX IF NOT EXISTS resource_gone ON resource (gone_at) WHERE gone_at IS NOT NULL;
  CREATE TABLE IF NOT EXISTS token (
    operation TEXT NOT NULL, token TEXT NOT NULL, input TEXT NOT NULL, answer BLOB NOT NULL, PRIMARY KEY (operation, token)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS secret (value BLOB NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS sealed (value TEXT NOT NULL) STRICT;`;

/** Of the tables and of what is in them, SQLite's `user_version`. */
const VERSION = 2;

/** Milliseconds that a server which is ending is waited for. */
const PATIENCE = 2_000;

export interface StateFile {
  readonly db: DatabaseSync;
  close(): void;
}

/**
 * Opens a file for this process alone, or creates it, for its owner alone. The lock is SQLite's: it ends with the process, however that ends. Which process
 * has it is in `<path>.pid`.
 * @param path undefined: in memory.
 * @throws RondoError `CONFIG_INVALID`
 */
export function openFile(path: string | undefined): StateFile {
  if (path === undefined) {
    const db = opened(':memory:');
    return { db, close: () => db.close() };
  }
  try {
    make(path);
    const db = opened(path);
    const holder = holderOf(path);
    writeFileSync(holder, String(process.pid), { mode: 0o600 });
    return {
      db,
      close() {
        // as long as the lock is held, it is that of this process
        rmSync(holder, { force: true });
        db.close();
      },
    };
  } catch (cause) {
    if (RondoError.is(cause)) throw cause;
    if (isBusy(cause)) throw taken(path, cause);
    const said = (cause as Error).message;
    throw invalid(`startAgentCore(): the state file ${path} cannot be opened: ${said}. Give a path that this user may write.`, { cause });
  }
}

const holderOf = (path: string) => `${path}.pid`;

function taken(path: string, cause: unknown): RondoError {
  const holder = holderOf(path);
  const pid = existsSync(holder) ? Number(readFileSync(holder, 'utf8')) : null;
  return invalid(
    `startAgentCore(): the state file ${path} has a server already, process ${pid ?? 'unknown'}. Use that one, end it, or give another file.`,
    { cause, details: { path, pid } },
  );
}

/** Before SQLite opens it, so that it is never readable by others. One that is there is not opened: to close it would end the lock of this process. */
function make(path: string): void {
  if (existsSync(path)) chmodSync(path, 0o600);
  else closeSync(openSync(path, 'wx', 0o600));
}

function opened(path: string): DatabaseSync {
  const db = new DatabaseSync(path);
  try {
    db.exec(`PRAGMA busy_timeout = ${PATIENCE}; PRAGMA locking_mode = EXCLUSIVE`);
    checkVersion(db, path);
    db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; ${TABLES} PRAGMA user_version = ${VERSION}`);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** @throws RondoError `CONFIG_INVALID` for a file that is not empty and has not the tables of this version. */
function checkVersion(db: DatabaseSync, path: string): void {
  const { tables, version } = db
    .prepare('SELECT (SELECT count(*) FROM sqlite_schema) AS tables, (SELECT user_version FROM pragma_user_version) AS version')
    .get() as { tables: number; version: number };
  if (tables > 0 && version !== VERSION)
    throw invalid(
      `startAgentCore(): ${path} is not a state file of this version of Rondo, and was left as it is. Start with a new file, and create your resources in it again.`,
      { details: { path } },
    );
}
