import { randomBytes } from 'node:crypto';
import { inject, onTestFinished } from 'vitest';
import { type PostgresJournalOptions, postgresJournal } from '../../src/adapters/journal/postgres.ts';
import type { Journal } from '../../src/journal/port.ts';

export const url = (): string => inject('postgres');
/** The name of a schema that no other test has. */
export const freshSchema = (): string => `test_${randomBytes(6).toString('hex')}`;

/** Milliseconds. A suite that writes at once what a machine does slowly waits long for a connection. */
const PATIENCE = 120_000;

/** A schema of this test, opened as often as asked. */
export function place(schema = freshSchema()) {
  return {
    schema,
    open(o: PostgresJournalOptions = {}): Journal {
      const journal = postgresJournal({ url: url(), schema, max: 4, patience: PATIENCE, ...o });
      onTestFinished(() => journal.close?.());
      return journal;
    },
  };
}
