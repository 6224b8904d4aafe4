import { closeSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { invalid } from '../../../errors.ts';
import { makeSecret } from './claim-table.ts';
import { cutOff, foreign, tooNew } from './errors.ts';
import { leastOf, markOf, unmark } from './mark.ts';
import { APPLICATION_ID, SCHEMA, SCHEMA_VERSION } from './schema.ts';
import { upgrade } from './upgrade.ts';

/** Milliseconds that SQLite itself waits for a lock. Short, because it blocks the event loop. */
const BUSY_TIMEOUT = 5;

/**
 * Opens the journal file, or creates it with its directory. A file of another kind is only read. It is read through SQLite, because
 * closing a second descriptor would drop the POSIX locks that this process may hold on it.
 * @throws RondoError `CONFIG_INVALID` for a file of another kind, `JOURNAL_VERSION` for one of a newer version of Rondo.
 */
export function open(path: string): DatabaseSync {
  const { DatabaseSync } = sqlite('sqliteJournal()');
  mkdirSync(dirname(path), { recursive: true });
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isDirectory()) throw foreign(path, 'is a directory');
  // SQLite treats a file of one byte as empty and would overwrite it
  if (found?.size === 1) throw foreign(path, 'is not a SQLite database');
  if (!found) make(path);
  else if (process.platform !== 'win32' && found.mode & 0o007) warnOfMode(path, found.mode);
  const db = new DatabaseSync(path);
  try {
    db.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT}`);
    if (!isOurs(db, path)) create(db, path);
    if (pragma(db, 'user_version') < SCHEMA_VERSION) bringUp(db);
    // on macOS a plain fsync does not reach the disk; elsewhere fullfsync changes nothing
    db.exec('PRAGMA journal_mode = WAL; PRAGMA fullfsync = 1');
    // overwrites deleted content, so that none of it stays in the file
    db.exec('PRAGMA secure_delete = ON');
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Creates the file, readable only by its owner. SQLite gives `-wal` and `-shm` the same permissions. */
function make(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
    // removes notes of a deleted file of that name
    unmark(path);
  } catch (error) {
    // another process has just created it
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

const warned = new Set<string>();

function warnOfMode(path: string, mode: number): void {
  if (warned.has(path)) return;
  warned.add(path);
  process.emitWarning(
    `${path} can be used by every user of this machine (mode ${(mode & 0o777).toString(8)}). It was left so; chmod 600 it, with its -wal, -shm and -mark files.`,
    'RondoWarning',
  );
}

const HEADER = `
  SELECT (SELECT application_id FROM pragma_application_id) AS id, (SELECT user_version FROM pragma_user_version) AS version,
    (SELECT count(*) FROM sqlite_schema) AS n`;

/** Whether the file is a journal; false if it is still empty. @throws RondoError for a file of another kind. */
function isOurs(db: DatabaseSync, path: string): boolean {
  // a single statement, which sees one state of the file even while another process creates the tables
  const { id, version, n } = db.prepare(HEADER).get() as { id: number; version: number; n: number };
  if (id === APPLICATION_ID) {
    if (version > SCHEMA_VERSION) throw tooNew(path, version, SCHEMA_VERSION);
    return true;
  }
  if (id !== 0 || version !== 0 || n > 0) throw foreign(path, 'is a SQLite database of another application');
  return false;
}

function create(db: DatabaseSync, path: string): void {
  db.exec('BEGIN IMMEDIATE');
  try {
    // checked again under the lock: another process may have created the tables
    if (!isOurs(db, path)) {
      const least = leastOf(path);
      if (least > 0) throw cutOff(path, markOf(path), 0, least);
      db.exec(SCHEMA);
      makeSecret(db);
    }
    db.exec('COMMIT');
  } catch (error) {
    rollback(db);
    throw error;
  }
}

function bringUp(db: DatabaseSync): void {
  db.exec('BEGIN IMMEDIATE');
  try {
    // read again under the lock: another process may have upgraded the file
    const version = pragma(db, 'user_version');
    if (version < SCHEMA_VERSION) upgrade(db, version);
    db.exec('COMMIT');
  } catch (error) {
    rollback(db);
    throw error;
  }
}

const pragma = (db: DatabaseSync, name: string) => (db.prepare(`PRAGMA ${name}`).get() as Record<string, number>)[name] as number;

/**
 * Loaded at the first use of a file, so that this module can be imported on a Node version without SQLite.
 * @param where who needs it, in messages.
 */
export function sqlite(where: string): typeof import('node:sqlite') {
  const warn = process.emitWarning;
  // suppresses the warning of Node 22 that its SQLite is experimental
  process.emitWarning = ((...args: Parameters<typeof warn>) => {
    if (!String(args[0]).startsWith('SQLite')) warn.apply(process, args);
  }) as typeof warn;
  try {
    const found = process.getBuiltinModule?.('node:sqlite');
    if (found) return found;
  } finally {
    process.emitWarning = warn;
  }
  throw invalid(`${where} needs the SQLite of Node 22.16 or later; this is Node ${process.versions.node}.`);
}

/** Rolls back a transaction. After some errors SQLite has done so already. */
export function rollback(db: DatabaseSync): void {
  try {
    db.exec('ROLLBACK');
  } catch {
    // no transaction was open
  }
}
