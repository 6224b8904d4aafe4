import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { File } from '../../src/adapters/journal/sqlite/file.ts';
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import type { Journal } from '../../src/journal/port.ts';
import { all, entries, entry, head, read, refused, start } from '../../src/testing/journal/kit.ts';
import { file, folder } from './setup.ts';

/** A connection of another application: `path` may be a journal or not. */
function other(path: string): DatabaseSync {
  const db = new DatabaseSync(path);
  onTestFinished(() => db.close());
  return db;
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('a locked file', () => {
  test('an append waits without holding up the event loop, and is stored when the lock is gone', async () => {
    const { path, open } = file();
    const journal = open();
    await start(journal, 'r');
    const db = other(path);
    db.exec('BEGIN IMMEDIATE');
    let stored = false;
    const done = Promise.resolve(journal.append('r', 1, [entry(1)], head('r'))).then(() => {
      stored = true;
    });
    const queued = Promise.resolve(start(journal, 'another'));
    for (let i = 0; i < 20; i++) await turn();
    expect(stored).toBe(false);
    // what is stored already can be read meanwhile by others
    expect(await read(file(path).open(), 'r')).toEqual([entry(0)]);
    db.exec('COMMIT');
    await Promise.all([done, queued]);
    expect(await read(journal, 'r')).toEqual(entries(0, 2));
    expect(await read(journal, 'another')).toEqual([entry(0)]);
  });

  test('reading waits for what the same process has appended, and then goes on', async () => {
    const { path, open } = file();
    const journal = open();
    await start(journal, 'r');
    const db = other(path);
    db.exec('BEGIN IMMEDIATE');
    const done = Promise.resolve(journal.append('r', 1, [entry(1)], head('r', { status: 'paused' })));
    const found = read(journal, 'r');
    const heads = all(journal.heads({ status: 'paused' }));
    const renewed = Promise.resolve(journal.renew('r', 'me', Date.now() + 60_000));
    await turn();
    db.exec('COMMIT');
    expect(await found).toEqual(entries(0, 2));
    expect((await heads).map(({ runId }) => runId)).toEqual(['r']);
    expect(await renewed).toBe(true);
    await done;
  });

  test('after five seconds it is given up, with nothing written, and a later try succeeds', async () => {
    const { path, open } = file();
    const journal = open();
    await start(journal, 'r');
    const db = other(path);
    db.exec('BEGIN IMMEDIATE');
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const append = refused('JOURNAL_UNAVAILABLE', () => journal.append('r', 1, [entry(1)], head('r')));
    const first = refused('JOURNAL_UNAVAILABLE', () => start(journal, 'new'));
    let settled = false;
    void append.then(() => {
      settled = true;
    });
    await vi.advanceTimersByTimeAsync(4_700);
    expect(settled).toBe(false);
    await vi.advanceTimersByTimeAsync(400);
    const error = await append;
    expect(error.message).toContain('locked by another process');
    expect(error.message).toContain(path);
    expect(error.cause).toBeInstanceOf(Error);
    await first;
    vi.useRealTimers();
    db.exec('COMMIT');
    expect(await read(journal, 'r')).toEqual([entry(0)]);
    await journal.append('r', 1, [entry(1)], head('r'));
    expect(await read(journal, 'r')).toEqual(entries(0, 2));
  });

  test('closing waits for what was appended', async () => {
    const { path, open } = file();
    const journal = open();
    await start(journal, 'r');
    const db = other(path);
    db.exec('BEGIN IMMEDIATE');
    const done = Promise.resolve(journal.append('r', 1, [entry(1)], head('r')));
    const closed = Promise.resolve(journal.close?.());
    await turn();
    db.exec('COMMIT');
    await Promise.all([done, closed]);
    expect(await read(file(path).open(), 'r')).toEqual(entries(0, 2));
  });
});

describe('a full disk', () => {
  /** The journal's own connection, got hold of while it opens its file. */
  async function connection(journal: Journal): Promise<DatabaseSync> {
    const found: DatabaseSync[] = [];
    const exec = DatabaseSync.prototype.exec;
    const spy = vi.spyOn(DatabaseSync.prototype, 'exec').mockImplementation(function (this: DatabaseSync, sql) {
      found.push(this);
      return exec.call(this, sql);
    });
    await start(journal, 'first');
    spy.mockRestore();
    return found[0] as DatabaseSync;
  }

  test('refuses the append with the next step, keeps all that was stored, and takes appends again', async () => {
    const { path, open } = file();
    const journal = open();
    const db = await connection(journal);
    await start(journal, 'r');
    const { page_count: pages } = db.prepare('PRAGMA page_count').get() as { page_count: number };
    db.exec(`PRAGMA max_page_count = ${pages + 2}`);
    const error = await refused('JOURNAL_UNAVAILABLE', () => journal.append('r', 1, [entry(1, 'x'.repeat(15_000))], head('r')));
    expect(error.message).toContain('No space left');
    expect(error.message).toContain('free some');
    expect(error.cause).toMatchObject({ errcode: 13 });
    await refused('JOURNAL_UNAVAILABLE', () => journal.append('r', 1, [entry(1, 'x'.repeat(15_000))], head('r', { status: 'paused' })));
    expect(await read(journal, 'r')).toEqual([entry(0)]);
    expect(await all(journal.heads({ status: 'paused' }))).toEqual([]);
    db.exec('PRAGMA max_page_count = 100000');
    await journal.append('r', 1, [entry(1)], head('r'));
    expect(await read(file(path).open(), 'r')).toEqual(entries(0, 2));
  });

  test('of several appends of one moment, those that fit are stored', async () => {
    const journal = file().open();
    const db = await connection(journal);
    const { page_count: pages } = db.prepare('PRAGMA page_count').get() as { page_count: number };
    db.exec(`PRAGMA max_page_count = ${pages + 2}`);
    const results = await Promise.allSettled([
      start(journal, 'small'),
      (async () => journal.append('large', 0, [entry(0, 'x'.repeat(100_000))], head('large')))(),
      start(journal, 'small too'),
    ]);
    expect(results.map((r) => (r.status === 'fulfilled' ? 'stored' : r.reason.code))).toEqual(['stored', 'JOURNAL_UNAVAILABLE', 'stored']);
    for (const runId of ['small', 'small too']) expect(await read(journal, runId)).toEqual([entry(0)]);
    expect(await read(journal, 'large')).toEqual([]);
    expect((await all(journal.heads({}))).length).toBe(3);
  });

  test('has no room to copy what is left of a removed run over: the run is gone, and the error says what is still there', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    onTestFinished(() => void vi.useRealTimers());
    const { path, open } = file();
    const journal = open();
    await start(journal, 'r');
    const full = Object.assign(new Error('database or disk is full'), { errcode: 13 });
    const spy = vi.spyOn(File.prototype, 'emptyLog').mockImplementation(() => {
      vi.advanceTimersByTime(6_000);
      throw full;
    });
    onTestFinished(() => spy.mockRestore());
    const error = await refused('JOURNAL_UNAVAILABLE', () => journal.remove('r'));
    expect(error.message).toContain(`${path}-wal, because emptying it failed (database or disk is full)`);
    expect(error.message).not.toContain('Nothing was written');
    expect(error.cause).toBe(full);
    expect(await read(journal, 'r')).toEqual([]);
    spy.mockImplementation(() => {
      throw Object.assign(new Error('malformed'), { errcode: 11 });
    });
    await start(journal, 's');
    await refused('JOURNAL_DAMAGED', () => journal.remove('s'));
  });

  test('where the operating system refuses to let the file grow, all that was acknowledged is there', () => {
    const path = join(folder(), 'runs.db');
    // blocks of 512 or 1,024 bytes, as the shell has it
    const { stdout, stderr, status } = spawnSync(
      'sh',
      ['-c', 'ulimit -f 400 && exec "$0" "$@"', process.execPath, fileURLToPath(new URL('./child-full.ts', import.meta.url)), path],
      { encoding: 'utf8' },
    );
    expect(status, stderr).toBe(0);
    const { stored, code, message } = JSON.parse(stdout) as { stored: number; code: string; message: string };
    expect(code).toBe('JOURNAL_UNAVAILABLE');
    expect(message).toMatch(/No space left|limits on file size/);
    expect(stored).toBeGreaterThan(20);
    return (async () => {
      const journal = file(path).open();
      const found = await read(journal, 'r');
      expect(found.map(({ seq }) => seq)).toEqual(Array.from({ length: stored }, (_, i) => i));
      await journal.append('r', stored, [entry(stored)], head('r'));
    })();
  });
});

test('an error of SQLite that no one foresaw leaves nothing behind, and the next append succeeds', async () => {
  const { path, open } = file();
  const journal = open();
  await start(journal, 'r');
  const db = other(path);
  db.exec("CREATE TRIGGER strange BEFORE INSERT ON extent BEGIN SELECT RAISE(ABORT, 'strange'); END");
  const results = await Promise.allSettled([start(journal, 'a'), start(journal, 'b')]);
  for (const result of results) {
    const error = (result as PromiseRejectedResult).reason;
    expect(error).toMatchObject({ code: 'JOURNAL_UNAVAILABLE', message: expect.stringContaining('strange') });
  }
  db.exec('DROP TRIGGER strange');
  expect((await all(journal.heads({}))).map(({ runId }) => runId)).toEqual(['r']);
  await journal.append('r', 1, [entry(1)], head('r'));
  await start(journal, 'a');
  expect(await read(journal, 'a')).toEqual([entry(0)]);
});

test('a file that may not be written', async () => {
  const { path, open } = file();
  await start(open(), 'r');
  const journal = sqliteJournal(path);
  const exec = DatabaseSync.prototype.exec;
  const spy = vi.spyOn(DatabaseSync.prototype, 'exec').mockImplementation(function (this: DatabaseSync, sql) {
    // as if the file belonged to somebody else, which root would not notice
    return exec.call(this, sql.replace('PRAGMA journal_mode', 'PRAGMA query_only = 1; PRAGMA journal_mode'));
  });
  const error = await refused('JOURNAL_UNAVAILABLE', () => journal.append('r', 1, [entry(1)], head('r')));
  spy.mockRestore();
  expect(error.message).toContain('read-only');
  expect(error.message).toContain('writable');
  expect(await read(journal, 'r')).toEqual([entry(0)]);
  await journal.close?.();
});

describe('a file that is not ours', () => {
  /** Every byte of a folder's files. */
  const bytes = (path: string) => readdirSync(path).map((name) => [name, readFileSync(join(path, name)).toString('base64')]);

  test.each([
    ['a text', (path: string) => writeFileSync(path, 'dear diary, '.repeat(1_000)), 'is not a SQLite database'],
    ['a short text', (path: string) => writeFileSync(path, 'x'), 'is not a SQLite database'],
    ['a database', (path: string) => sql(path, 'CREATE TABLE notes (text); INSERT INTO notes VALUES (1)'), 'of another application'],
    [
      'a database in WAL mode',
      (path: string) => sql(path, 'PRAGMA journal_mode = WAL; CREATE TABLE notes (text)'),
      'of another application',
    ],
    ['a database that says whose it is', (path: string) => sql(path, 'PRAGMA application_id = 7; VACUUM'), 'of another application'],
    ['a database with a version', (path: string) => sql(path, 'PRAGMA user_version = 1; VACUUM'), 'of another application'],
    ['a folder', (path: string) => mkdirSync(path), 'is a directory'],
  ])('%s is refused and left as it is', async (_, make, what) => {
    const dir = folder();
    const path = join(dir, 'runs.db');
    make(path);
    const before = what === 'is a directory' ? undefined : bytes(dir);
    const journal = file(path).open();
    for (const attempt of [
      () => start(journal, 'r'),
      () => read(journal, 'r'),
      () => all(journal.heads({})),
      () => journal.renew('r', 'me', 1),
      () => journal.remove('r'),
    ]) {
      const error = await refused('CONFIG_INVALID', attempt);
      expect(error.message).toContain(path);
      expect(error.message).toContain(what);
      expect(error.message).toContain('sqliteJournal()');
    }
    await journal.close?.();
    if (before) expect(bytes(dir)).toEqual(before);
  });

  test('an application that has its database open keeps its lock', async () => {
    const path = join(folder(), 'runs.db');
    const app = other(path);
    app.exec('CREATE TABLE notes (text); BEGIN IMMEDIATE; INSERT INTO notes VALUES (1)');
    await refused('CONFIG_INVALID', () => start(file(path).open(), 'r'));
    const second = spawnSync(
      process.execPath,
      ['-e', `new (require('node:sqlite').DatabaseSync)(process.argv[1]).exec('BEGIN IMMEDIATE')`, path],
      { encoding: 'utf8' },
    );
    expect(second.stderr).toContain('locked');
    app.exec('COMMIT');
  });

  test.each([1, 2, 3, 4, 5])('one that another process makes while it is opened is ours: before statement %i', async (nth) => {
    const { path, open } = file();
    const { prepare } = DatabaseSync.prototype;
    let statements = 0;
    const another = file(path).open();
    const spy = vi.spyOn(DatabaseSync.prototype, 'prepare').mockImplementation(function (this: DatabaseSync, ...args) {
      // a list opens the file at once
      if (++statements === nth) another.heads({});
      return prepare.apply(this, args);
    });
    onTestFinished(() => spy.mockRestore());
    const journal = open();
    await start(journal, 'r');
    expect(statements).toBeGreaterThan(nth);
    await start(another, 'other');
    expect((await all(journal.heads({}))).map(({ runId }) => runId).sort()).toEqual(['other', 'r']);
  });

  test('tables of a newer rondo are refused and left as they are', async () => {
    const { path, open } = file();
    const made = open();
    await start(made, 'r');
    await made.close?.();
    sql(path, 'PRAGMA user_version = 99');
    const before = bytes(join(path, '..'));
    const error = await refused('JOURNAL_VERSION', () => start(file(path).open(), 'r2'));
    expect(error.message).toContain('Upgrade rondo');
    expect(error.details).toEqual({ path, version: 99, newest: 5 });
    expect(bytes(join(path, '..'))).toEqual(before);
  });

  test('an empty file, or an empty database, becomes a journal', async () => {
    for (const make of [(path: string) => writeFileSync(path, ''), (path: string) => sql(path, 'VACUUM')]) {
      const path = join(folder(), 'runs.db');
      make(path);
      const journal = file(path).open();
      await start(journal, 'r');
      expect(await read(journal, 'r')).toEqual([entry(0)]);
    }
  });
});

function sql(path: string, statements: string): void {
  const db = new DatabaseSync(path);
  db.exec(statements);
  db.close();
}

describe('the SQLite of Node', () => {
  test('is not there: the error says which Node has it', async () => {
    vi.spyOn(process, 'getBuiltinModule').mockReturnValue(undefined as never);
    onTestFinished(() => void vi.restoreAllMocks());
    const error = await refused('CONFIG_INVALID', () => start(file().open(), 'r'));
    expect(error.message).toContain('Node 22.16');
  });

  test('says of itself that it is experimental: that is not passed on, other warnings are', async () => {
    const real = process.getBuiltinModule.bind(process);
    const heard = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    vi.spyOn(process, 'getBuiltinModule').mockImplementation(((id: string) => {
      process.emitWarning('SQLite is an experimental feature and might change at any time', 'ExperimentalWarning');
      process.emitWarning('something else');
      return real(id);
    }) as typeof process.getBuiltinModule);
    onTestFinished(() => void vi.restoreAllMocks());
    await start(file().open(), 'r');
    expect(heard.mock.calls).toEqual([['something else']]);
    expect(process.emitWarning).toBe(heard);
  });
});

test('a folder that is not there is made; nothing is made before the journal is used', async () => {
  const path = join(folder(), 'a', 'b', 'runs.db');
  const journal = sqliteJournal(path);
  expect(existsSync(join(path, '..'))).toBe(false);
  await journal.close?.();
  expect(existsSync(join(path, '..'))).toBe(false);
  await start(file(path).open(), 'r');
  expect(existsSync(path)).toBe(true);
});

test('a folder that cannot be made is reported with its cause', async () => {
  const dir = folder();
  writeFileSync(join(dir, 'taken'), 'x');
  const error = await refused('JOURNAL_UNAVAILABLE', () => start(file(join(dir, 'taken', 'runs.db')).open(), 'r'));
  expect(error.message).toContain(join(dir, 'taken'));
  expect(error.cause).toBeInstanceOf(Error);
});

test('a path in memory is refused: that store is another one', () => {
  for (const path of [':memory:', '', undefined as unknown as string]) expect(() => sqliteJournal(path)).toThrowError(/memoryJournal/);
});

test('after close every use says so', async () => {
  const { open } = file();
  const journal = open();
  await start(journal, 'r');
  const reading = journal.read('r');
  await journal.close?.();
  await journal.close?.();
  for (const attempt of [
    () => journal.append('r', 1, [entry(1)], head('r')),
    () => read(journal, 'r'),
    () => all(reading as Iterable<unknown>),
    () => all(journal.heads({})),
    () => journal.renew('r', 'me', 1),
    () => journal.remove('r'),
  ])
    expect((await refused('ENGINE_CLOSED', attempt)).message).toContain('sqliteJournal()');
});

test('closing leaves one file, and what was not awaited is in it', async () => {
  const { path, open } = file();
  const journal = open();
  const done = [start(journal, 'a'), start(journal, 'b')];
  await journal.close?.();
  await Promise.all(done);
  expect(readdirSync(join(path, '..'))).toEqual(['runs.db']);
  const again = file(path).open();
  expect(await read(again, 'a')).toEqual([entry(0)]);
  expect(await read(again, 'b')).toEqual([entry(0)]);
});
