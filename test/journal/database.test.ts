import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, onTestFinished, test, vi } from 'vitest';
import { openDatabase } from '../../src/adapters/sqlite/database.ts';
import { refused } from '../../src/testing/journal/kit.ts';
import { folder } from './setup.ts';

const kind = {
  where: 'sqliteThings()',
  what: 'store of things',
  applicationId: 7,
  version: 1,
  schema: 'CREATE TABLE thing (id INTEGER PRIMARY KEY); PRAGMA application_id = 7; PRAGMA user_version = 1',
  unavailable: 'MEMORY_UNAVAILABLE',
  damaged: 'MEMORY_DAMAGED',
  tooNew: 'MEMORY_VERSION',
  closed: 'MEMORY_CLOSED',
} as const;

test.each([
  [13, 'database or disk is full', 'MEMORY_UNAVAILABLE', 'because emptying it failed (database or disk is full)'],
  [5, 'database is locked', 'MEMORY_UNAVAILABLE', 'because another process reads'],
  [11, 'database disk image is malformed', 'MEMORY_DAMAGED', 'is damaged as a SQLite file'],
] as const)('a -wal file that cannot be emptied, for error %i of SQLite: %s', async (errcode, said, code, told) => {
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const path = join(folder(), 'things.db');
  const db = openDatabase(path, kind);
  onTestFinished(() => db.close());
  await db.write(() => db.prepare('INSERT INTO thing DEFAULT VALUES').run());
  const prepare = DatabaseSync.prototype.prepare;
  const spy = vi.spyOn(DatabaseSync.prototype, 'prepare').mockImplementation(function (this: DatabaseSync, sql) {
    if (!sql.includes('wal_checkpoint')) return prepare.call(this, sql);
    vi.advanceTimersByTime(6_000);
    throw Object.assign(new Error(said), { errcode });
  });
  onTestFinished(() => spy.mockRestore());
  const error = await refused(code, () => db.empty());
  expect(error.message).toContain(told);
  expect(error.message).not.toContain('Nothing was written');
});
