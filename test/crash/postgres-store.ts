/** The journal of each directory in a schema of its own of a database. */
import { Client } from 'pg';
import { postgresJournal } from '../../src/adapters/journal/postgres.ts';
import type { CrashStore } from './store.ts';

export function postgresStore(url: string): CrashStore {
  const open = (name: string) => postgresJournal({ url, schema: name, max: 4 });
  return {
    open: async (name) => open(name),
    copy: (source, target) =>
      connected(url, async (client) => {
        const tables = await client.query<{ name: string }>('SELECT tablename AS name FROM pg_tables WHERE schemaname = $1', [source]);
        if (tables.rows.length === 0) return;
        // the journal makes its tables
        const journal = open(target);
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
      }),
    remove: (name) =>
      connected(url, async (client) => {
        await client.query(`DROP SCHEMA IF EXISTS "${name}" CASCADE`);
      }),
  };
}

async function connected(url: string, work: (client: Client) => Promise<void>): Promise<void> {
  const client = new Client(url);
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
