import { describe, expect, test } from 'vitest';
import { encrypted } from '../../src/adapters/journal/encrypted.ts';
import { postgresJournal } from '../../src/adapters/journal/postgres.ts';
import type { Journal } from '../../src/journal/port.ts';
import { journalConformance } from '../../src/testing/conformance.ts';
import { all, start } from '../../src/testing/journal/kit.ts';
import { recordsConformance } from '../../src/testing/records.ts';
import { freshSchema, url } from './setup.ts';

const K1 = Buffer.alloc(32, 1);
const schemas = new Map<Journal, string>();
const open = (schema: string, current = 'k1') => {
  const keys = { k1: K1, k2: Buffer.alloc(32, 2) };
  const journal = encrypted(postgresJournal({ url: url(), schema, max: 4 }), { current, keys });
  schemas.set(journal, schema);
  return journal;
};
const storage = { test, another: (journal: Journal) => open(schemas.get(journal) as string) };

describe('encrypted runs', () => journalConformance(() => open(freshSchema()), storage));
describe('encrypted records', () => recordsConformance(() => open(freshSchema()), storage));

test('keys are rotated, and destroyed with their run', async () => {
  const schema = freshSchema();
  const first = open(schema);
  for (const runId of ['a', 'b']) await start(first, runId);
  await first.close?.();
  const journal = open(schema, 'k2');
  expect(await journal.rotate()).toEqual({ rewrapped: 3, destroyed: 0 });
  await journal.remove('a');
  expect(await all(journal.read('b'))).toHaveLength(1);
  expect(await journal.rotate()).toEqual({ rewrapped: 0, destroyed: 0 });
  await journal.close?.();
});
