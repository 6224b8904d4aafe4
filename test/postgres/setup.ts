import { randomBytes } from 'node:crypto';
import { inject, onTestFinished } from 'vitest';
import { type PostgresJournalOptions, postgresJournal } from '../../src/adapters/journal/postgres.ts';
import type { Journal } from '../../src/journal/port.ts';

export const url = (): string => inject('postgres');
/** The name of a schema that no other test has. */
export const freshSchema = (): string => `test_${randomBytes(6).toString('hex')}`;

/** A schema of this test, opened as often as asked. */
export function place(schema = freshSchema()) {
  return {
    schema,
    open(o: PostgresJournalOptions = {}): Journal {
      const journal = postgresJournal({ url: url(), schema, max: 4, ...o });
      onTestFinished(() => journal.close?.());
      return journal;
    },
  };
}
