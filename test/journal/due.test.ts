import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { DUE, headsQuery, QUEUED } from '../../src/adapters/journal/sqlite/lists.ts';
import { start } from '../../src/testing/journal/kit.ts';
import { file } from './setup.ts';

/** How SQLite answers a query. */
async function planOf(query: string, ...values: (string | number)[]): Promise<string[]> {
  const { path, open } = file();
  const journal = open();
  await start(journal, 'r');
  await journal.close?.();
  const db = new DatabaseSync(path);
  const plan = (db.prepare(`EXPLAIN QUERY PLAN ${query}`).all(...values) as { detail: string }[]).map(({ detail }) => detail);
  db.close();
  return plan;
}

test.each([
  ['running', 'head_lease'],
  ['paused', 'head_wake'],
  ['completed', 'head_record'],
] as const)('SQLite finds due runs that are %s by an index that holds no others, and sorts nothing', async (status, index) => {
  expect(await planOf(DUE[status], 1, 0, '', 1)).toEqual([expect.stringMatching(new RegExp(`^SEARCH head USING INDEX ${index} \\(`))]);
});

test.each([
  ['tenant', ['', 0, '', 1]],
  ['next', ['']],
] as const)('SQLite finds queued runs (%s) by an index that holds no others, and sorts nothing', async (which, values) => {
  expect(await planOf(QUEUED[which], ...values)).toEqual([expect.stringMatching(/^SEARCH head USING INDEX head_queue \(/)]);
});

test('SQLite finds paused runs with an open approval by an index that holds no others', async () => {
  const filter = { status: 'paused', asks: true } as const;
  const index = expect.stringMatching(/^SEARCH head USING INDEX head_asks \(/);
  expect((await planOf(headsQuery(filter, false), 'paused', 9))[0]).toEqual(index);
  expect((await planOf(headsQuery(filter, true), 'paused', 1, 1, 9))[0]).toEqual(index);
});
