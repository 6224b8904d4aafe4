/**
 * Where the journal of a directory is: a file in it; or, where RONDO_CRASH_POSTGRES names a database, a schema of its own there. The processes that a
 * test starts inherit the variable.
 */
import { createHash } from 'node:crypto';
import { Client } from 'pg';
import { postgresJournal } from '../../src/adapters/journal/postgres.ts';
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import type { Journal } from '../../src/index.ts';
import { database } from './ledger.ts';

const postgres = () => process.env.RONDO_CRASH_POSTGRES;

/** Such a store answers later, so that the order of parallel writes, and with it the number of points, differs from life to life. */
export const isLater = () => postgres() !== undefined;

const schemaOf = (dir: string) => `crash_${createHash('sha256').update(dir).digest('hex').slice(0, 24)}`;

export function journalIn(dir: string): Journal {
  const url = postgres();
  return url === undefined ? sqliteJournal(database(dir)) : postgresJournal({ url, schema: schemaOf(dir), max: 4 });
}

/** After the files of a directory were copied. */
export async function copyJournal(from: string, to: string): Promise<void> {
  await onPostgres(async (client) => {
    const [source, target] = [schemaOf(from), schemaOf(to)];
    const tables = await client.query<{ name: string }>('SELECT tablename AS name FROM pg_tables WHERE schemaname = $1', [source]);
    if (tables.rows.length === 0) return;
    // the journal makes its tables
    const journal = journalIn(to);
    for await (const _ of journal.heads({})) break;
    await journal.close?.();
    // in any order, whatever one row of a table says of another's
    await client.query('SET session_replication_role = replica');
    for (const { name } of tables.rows) {
      await client.query(`TRUNCATE "${target}"."${name}" CASCADE`);
    }
    for (const { name } of tables.rows)
      await client.query(`INSERT INTO "${target}"."${name}" OVERRIDING SYSTEM VALUE SELECT * FROM "${source}"."${name}"`);
    const numbered = await client.query<{ name: string; field: string }>(
      "SELECT table_name AS name, column_name AS field FROM information_schema.columns WHERE table_schema = $1 AND is_identity = 'YES'",
      [target],
    );
    for (const { name, field } of numbered.rows)
      await client.query(
        `SELECT setval(pg_get_serial_sequence($1, $2), coalesce(max("${field}"), 0) + 1, false) FROM "${target}"."${name}"`,
        [`"${target}"."${name}"`, field],
      );
  });
}

/** Before the files of a directory are removed. */
export const removeJournal = (dir: string): Promise<void> =>
  onPostgres(async (client) => {
    await client.query(`DROP SCHEMA IF EXISTS "${schemaOf(dir)}" CASCADE`);
  });

async function onPostgres(work: (client: Client) => Promise<void>): Promise<void> {
  const url = postgres();
  if (url === undefined) return;
  const client = new Client(url);
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
