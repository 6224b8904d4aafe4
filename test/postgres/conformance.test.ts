import { describe, test } from 'vitest';
import { postgresJournal } from '../../src/adapters/journal/postgres.ts';
import type { Journal } from '../../src/journal/port.ts';
import { journalConformance } from '../../src/testing/conformance.ts';
import { recordsConformance } from '../../src/testing/records.ts';
import { freshSchema, url } from './setup.ts';
import { sql } from './sql.ts';

const schemas = new Map<Journal, string>();
const open = (schema: string) => {
  const journal = postgresJournal({ url: url(), schema, max: 4 });
  schemas.set(journal, schema);
  return journal;
};
const schemaOf = (journal: Journal) => schemas.get(journal) as string;
const storage = {
  test,
  another: (journal: Journal) => open(schemaOf(journal)),
  process: (journal: Journal) => ({
    module: new URL('../../src/adapters/journal/postgres.ts', import.meta.url),
    open: 'postgresJournal',
    args: [{ url: url(), schema: schemaOf(journal) }],
    execArgv: [],
  }),
};

describe('runs', () =>
  journalConformance(() => open(freshSchema()), {
    ...storage,
    async damageLast(journal, runId) {
      const schema = schemaOf(journal);
      await sql(
        `UPDATE "${schema}".entry SET body = replace(body, 'ok', 'ko')
         WHERE (run, seq) = (SELECT run, max(seq) FROM "${schema}".entry WHERE run = (SELECT run FROM "${schema}".head WHERE run_id = $1) GROUP BY run)`,
        [runId],
      );
    },
  }));

describe('records', () => recordsConformance(() => open(freshSchema()), storage));
