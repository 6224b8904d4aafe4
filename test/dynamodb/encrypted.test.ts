import { describe, test } from 'vitest';
import { dynamodbJournal } from '../../src/adapters/journal/dynamodb.ts';
import { encrypted } from '../../src/adapters/journal/encrypted.ts';
import type { Journal } from '../../src/journal/port.ts';
import { journalConformance } from '../../src/testing/conformance.ts';
import { recordsConformance } from '../../src/testing/records.ts';
import { endpoint, freshTable, suite } from './setup.ts';

const tables = new Map<Journal, string>();
const open = (table: string) => {
  const journal = encrypted(dynamodbJournal({ table, endpoint: endpoint(), skew: 0 }), {
    current: 'k1',
    keys: { k1: Buffer.alloc(32, 1) },
  });
  tables.set(journal, table);
  return journal;
};
const fresh = async () => open(await freshTable());
const storage = { test, another: (journal: Journal) => open(tables.get(journal) as string) };

suite('the journal in DynamoDB, encrypted', () => {
  describe('runs', () => journalConformance(fresh, storage));
  describe('records', () => recordsConformance(fresh, storage));
});
