import { expect, test } from 'vitest';
import { postgresJournal } from '../../src/adapters/journal/postgres.ts';
import { all, entry, head, read, start } from '../../src/testing/journal/kit.ts';
import { freshSchema, place, url } from './setup.ts';
import { sql } from './sql.ts';

test('processes that make the tables at once all get them', async () => {
  const { open } = place();
  const journals = Array.from({ length: 6 }, () => open({ max: 1 }));
  await Promise.all(journals.map(async (journal, i) => start(journal, `r${i}`)));
  expect((await all(journals[0]?.heads({}) ?? [])).length).toBe(6);
});

test('tables of a newer version are refused and left alone; without leave to migrate, missing ones are not made', async () => {
  const { open, schema } = place();
  const missing = await read(open({ migrate: false }), 'r').catch((error) => error);
  expect(missing).toMatchObject({ code: 'CONFIG_INVALID' });
  expect(await sql('SELECT 1 FROM pg_namespace WHERE nspname = $1', [schema])).toEqual([]);
  await start(open(), 'r');
  expect((await read(open({ migrate: false }), 'r')).length).toBe(1);
  await sql(`UPDATE "${schema}".version SET version = 99`);
  await expect(read(open(), 'r')).rejects.toMatchObject({ code: 'JOURNAL_VERSION', details: { schema, version: 99, newest: 1 } });
});

test('a schema may have any name, and options are checked', async () => {
  const { open } = place(`${freshSchema()} "quoted"; DROP`);
  await start(open(), 'r');
  expect((await read(open(), 'r')).length).toBe(1);
  for (const options of [
    {},
    { url: url(), pool: {} },
    { url: 'mysql://x' },
    { url: url(), schema: 'x'.repeat(60) },
    { url: url(), durability: 'always' },
    { url: url(), patience: -1 },
    { url: url(), shema: 'x' },
  ])
    expect(() => postgresJournal(options as never), JSON.stringify(options)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
});

test('a wrong password, and a database that is not there, are told as what is wrong with the options, without the password', async () => {
  for (const wrong of [url().replace('secret', 'guess'), url().replace(/\/postgres$/, '/nowhere')]) {
    const error = await read(postgresJournal(wrong), 'r').catch((error) => error);
    expect(error).toMatchObject({ code: 'CONFIG_INVALID' });
    expect(String(error.message)).not.toMatch(/guess|secret/);
  }
});

test('a role that may only read and write rows is enough once the tables are there', async () => {
  const { open, schema } = place();
  await start(open(), 'r');
  const role = `${schema}_role`;
  await sql(`CREATE ROLE ${role} LOGIN PASSWORD 'secret'`);
  await sql(`GRANT USAGE ON SCHEMA "${schema}" TO ${role}`);
  await sql(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "${schema}" TO ${role}`);
  await sql(`GRANT USAGE ON ALL SEQUENCES IN SCHEMA "${schema}" TO ${role}`);
  const journal = open({ url: url().replace('postgres:secret', `${role}:secret`) });
  await journal.append('r', 1, [entry(1)], head('r'));
  await start(journal, 'other', 1, { session: 's' });
  await journal.inbox?.signal({ tenant: 't', event: 'e', key: 'k', id: '1', data: 1, by: 'ana', now: 1 });
  await journal.records?.append('n', 'k', [1]);
  await journal.remove('other');
  expect((await read(journal, 'r')).length).toBe(2);
});
