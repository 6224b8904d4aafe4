import { randomBytes } from 'node:crypto';
import { describe, inject } from 'vitest';
import { createDynamodbTable } from '../../src/adapters/journal/dynamodb.ts';

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
