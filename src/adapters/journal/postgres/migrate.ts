import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { invalid } from '../../../errors.ts';
import type { Query } from './client.ts';
import { tooNew } from './errors.ts';
import { type Names, quote, SCHEMA_VERSION, tables } from './schema.ts';

/** "Rndo": the first key of the locks of Rondo in a database. */
export const LOCK = 0x526e646f;

// by what is committed: functions such as to_regclass() may tell what this transaction saw before it waited
const FOUND = `
  SELECT 1 FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  WHERE n.nspname = $1 AND c.relname = 'version' AND c.relkind = 'r'`;
const SCHEMA = 'SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1';
/** Held until the end of the transaction: of two processes that migrate at once, one waits for the other. */
const ALONE = 'SELECT pg_advisory_xact_lock($1::int, hashtext($2::text))';

/**
 * Makes or upgrades the tables. @param may false: they must be there.
 * @throws RondoError `JOURNAL_VERSION` for tables of a newer version, `CONFIG_INVALID` for a database that cannot be used.
 */
export async function migrate(query: Query, names: Names, may: boolean): Promise<void> {
  const found = await versionOf(query, names);
  if (found === SCHEMA_VERSION) return;
  if (!may)
    throw invalid(
      `The schema "${names.schema}" ${found === undefined ? 'has no journal' : `is of version ${found}`}, and migrate is false. Let a process with the privileges for it use the journal once.`,
    );
  const [encoding] = await query<{ encoding: string }>(`SELECT current_setting('server_encoding') AS encoding`);
  if (encoding?.encoding !== 'UTF8')
    throw invalid(`The database is encoded as ${encoding?.encoding}. Make one with ENCODING 'UTF8' for postgresJournal().`);
  await query('BEGIN');
  try {
    await query(ALONE, [LOCK, names.schema]);
    if ((await versionOf(query, names)) === undefined) await create(query, names);
    await query('COMMIT');
  } catch (error) {
    await query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

async function versionOf(query: Query, { schema, of }: Names): Promise<number | undefined> {
  if ((await query(FOUND, [schema])).length === 0) return undefined;
  const [row] = await query<{ version: number }>(`SELECT version FROM ${of('version')}`);
  if (row && row.version > SCHEMA_VERSION) throw tooNew(schema, row.version, SCHEMA_VERSION);
  return row?.version;
}

async function create(query: Query, names: Names): Promise<void> {
  const { schema, of } = names;
  // one that exists needs no privilege
  if ((await query(SCHEMA, [schema])).length === 0) await query(`CREATE SCHEMA ${quote(schema)}`);
  await query(tables(names));
  await query(`CREATE TABLE ${of('version')} (version integer NOT NULL)`);
  await query(`INSERT INTO ${of('version')} (version) VALUES ($1)`, [SCHEMA_VERSION]);
  // under another one every key would look as if nothing had been done
  const secret = randomBytes(32);
  await query(`INSERT INTO ${of('claim_secret')} (value, checksum) VALUES ($1, $2)`, [secret.toString('hex'), crc32(secret)]);
}
