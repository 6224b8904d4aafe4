// Appends to a journal until it is refused, and says how much was stored before.
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import type { RondoError } from '../../src/errors.ts';
import { entry, head } from '../../src/testing/journal/kit.ts';

const journal = sqliteJournal(process.argv[2] as string);
let stored = 0;
try {
  for (; stored < 10_000; stored++) await journal.append('r', stored, [entry(stored, 'x'.repeat(1_000))], head('r'));
} catch (error) {
  const { code, message } = error as RondoError;
  process.stdout.write(JSON.stringify({ stored, code, message }));
}
