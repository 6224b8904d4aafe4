import { closeSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { RondoError } from '../../../errors.ts';
import { cutOff, foreign, tooNew } from './errors.ts';
import { leastOf, markOf, unmark } from './mark.ts';
import { APPLICATION_ID, SCHEMA, SCHEMA_VERSION } from './schema.ts';
import { upgrade } from './upgrade.ts';

/** How long SQLite itself waits for a lock, in milliseconds: the event loop stands still meanwhile. */
const BUSY_TIMEOUT = 5;

/**
 * Opens the journal file, or makes it, with its directory. A file that turns out to be something else is only read, and that
 * through SQLite: opening and closing it by other means would drop the locks that this process may hold on it.
 * @throws RondoError `CONFIG_INVALID` where the file is something else, `JOURNAL_VERSION` where a newer rondo made it.
 */
export function open(path: string): DatabaseSync {
  const { DatabaseSync } = sqlite();
  mkdirSync(dirname(path), { recursive: true });
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isDirectory()) throw foreign(path, 'is a directory');
  // SQLite takes a file of one byte for an empty one, and would write over it
  if (found?.size === 1) throw foreign(path, 'is not a SQLite database');
  if (!found) make(path);
  else if (process.platform !== 'win32' && found.mode & 0o007) warnOfMode(path, found.mode);
  const db = new DatabaseSync(path);
  try {
    db.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT}`);
    if (!isOurs(db, path)) create(db, path);
    if (pragma(db, 'user_version') < SCHEMA_VERSION) bringUp(db);
    // on macOS a plain fsync does not reach the disk itself; elsewhere this changes nothing
    db.exec('PRAGMA journal_mode = WAL; PRAGMA fullfsync = 1');
    // what is deleted is written over, so that nothing of it stays in the file
    db.exec('PRAGMA secure_delete = ON');
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/** For its owner alone; SQLite gives the files beside it the same rights. */
function make(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
    // of a file that was there before, and was deleted
    unmark(path);
  } catch (error) {
    // another process was faster
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

/** True for a journal, false for a file with nothing in it yet. */
function isOurs(db: DatabaseSync, path: string): boolean {
  // one statement sees one state of the file, which another process may be making
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
    // another process may have been faster
    if (!isOurs(db, path)) {
      const least = leastOf(path);
      if (least > 0) throw cutOff(path, markOf(path), 0, least);
      db.exec(SCHEMA);
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
    // another process may have been faster
    const version = pragma(db, 'user_version');
    if (version < SCHEMA_VERSION) upgrade(db, version);
    db.exec('COMMIT');
  } catch (error) {
    rollback(db);
    throw error;
  }
}

const pragma = (db: DatabaseSync, name: string) => (db.prepare(`PRAGMA ${name}`).get() as Record<string, number>)[name] as number;

/** Loaded when a journal is first used, so that importing this module asks nothing of the Node it runs on. */
function sqlite(): typeof import('node:sqlite') {
  const warn = process.emitWarning;
  // Node 22 warns that its SQLite is experimental; a user who chose this store need not hear it
  process.emitWarning = ((...args: Parameters<typeof warn>) => {
    if (!String(args[0]).startsWith('SQLite')) warn.apply(process, args);
  }) as typeof warn;
  try {
    const found = process.getBuiltinModule?.('node:sqlite');
    if (found) return found;
  } finally {
    process.emitWarning = warn;
  }
  throw new RondoError('CONFIG_INVALID', `sqliteJournal() needs the SQLite of Node 22.13 or later; this is Node ${process.versions.node}.`);
}

/** Ends a transaction, where SQLite has not done so itself: it does after some errors. */
export function rollback(db: DatabaseSync): void {
  try {
    db.exec('ROLLBACK');
  } catch {
    // there was none
  }
}
