import { randomBytes } from 'node:crypto';
import { describe, inject, onTestFinished } from 'vitest';
import { createDynamodbTable, type DynamodbJournalOptions, dynamodbJournal } from '../../src/adapters/journal/dynamodb.ts';
import type { Journal } from '../../src/journal/port.ts';

const server = inject('dynamodb');

/** The tests of a file. Without a server they are skipped, and their name says why. */
export const suite = (name: string, tests: () => void) =>
  'missing' in server ? describe.skip(`${name} (skipped: ${server.missing})`, tests) : describe(name, tests);

const there = () => {
  if ('missing' in server) throw new Error(server.missing);
  return server;
};
export const endpoint = () => there().endpoint;

/** A table that no other test has. */
export async function freshTable(): Promise<string> {
  const table = `test_${randomBytes(6).toString('hex')}`;
  await createDynamodbTable({ table, endpoint: endpoint() });
  return table;
}

/** A table of this test, opened as often as asked. */
export async function place() {
  const table = await freshTable();
  return {
    table,
    open(o: DynamodbJournalOptions = {}): Journal {
      const journal = dynamodbJournal({ table, ...(o.client ? {} : { endpoint: endpoint() }), skew: 0, ...o });
      onTestFinished(() => journal.close?.());
      return journal;
    },
  };
}
