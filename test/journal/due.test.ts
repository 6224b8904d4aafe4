import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { DUE } from '../../src/adapters/journal/sqlite/lists.ts';
import { start } from '../../src/testing/journal/kit.ts';
import { file } from './setup.ts';

test.each([
  ['running', 'head_lease'],
  ['paused', 'head_wake'],
  ['completed', 'head_record'],
] as const)('SQLite finds due runs that are %s by an index that holds no others, and sorts nothing', async (status, index) => {
  const { path, open } = file();
  const journal = open();
  await start(journal, 'r');
  await journal.close?.();
  const db = new DatabaseSync(path);
  const plan = (db.prepare(`EXPLAIN QUERY PLAN ${DUE[status]}`).all(1, 0, '', 1) as { detail: string }[]).map(({ detail }) => detail);
  db.close();
  expect(plan).toEqual([expect.stringMatching(new RegExp(`^SEARCH head USING INDEX ${index} \\(`))]);
});
