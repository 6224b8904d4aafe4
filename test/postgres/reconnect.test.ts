import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type PgClient, type PgPool, type PgQuery, postgresJournal } from '../../src/adapters/journal/postgres.ts';
import { type Json, RondoError } from '../../src/index.ts';
import type { Journal } from '../../src/journal/port.ts';
import { takes } from '../../src/testing/journal/claim-kit.ts';
import { type Listening, signal, states } from '../../src/testing/journal/inbox-kit.ts';
import { all, entries, entry, head, read, start } from '../../src/testing/journal/kit.ts';
import { makeServer, type Server } from './server.ts';
import { freshSchema, place, url } from './setup.ts';
import { sql } from './sql.ts';

/** When the connection of a statement is cut: before the server gets it, or once it has committed, and the answer is lost. */
type Cut = 'before' | 'after';

/** A pool whose connections are cut at statements. */
function cutting(database: string) {
  const pool = new pg.Pool({ connectionString: database, max: 4 });
  pool.on('error', () => undefined);
  onTestFinished(() => pool.end());
  const cuts: { at: Cut; of: (query: PgQuery) => boolean }[] = [];
  let made = 0;
  const around = (client: pg.PoolClient): PgClient => ({
    async query(query) {
      const i = cuts.findIndex(({ of }) => of(query));
      const [cut] = i < 0 ? [] : cuts.splice(i, 1);
      if (cut) made++;
      if (cut?.at === 'after') await client.query(query as pg.QueryConfig);
      // as the operating system tells it
      if (cut) {
        (client as unknown as { connection: { stream: { destroy(error: Error): void } } }).connection.stream.destroy(new Error('cut'));
        throw Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
      }
      return client.query(query as pg.QueryConfig);
    },
    release: (destroy) => client.release(destroy),
    on: (event: string, listener: never) => client.on(event as 'error', listener),
  });
  const wrapped = new WeakMap<pg.PoolClient, PgClient>();
  const cut: PgPool = {
    connect: async () => {
      const client = await pool.connect();
      const known = wrapped.get(client) ?? around(client);
      wrapped.set(client, known);
      return known;
    },
    on: (event, listener) => pool.on(event, listener),
    end: () => pool.end(),
  };
  return { pool: cut, cut: (at: Cut, of: (query: PgQuery) => boolean) => void cuts.push({ at, of }), made: () => made };
}

const appends = ({ text }: PgQuery) => text.includes('moved AS');
const commits = ({ text }: PgQuery) => text === 'COMMIT';

function open(o: { patience?: number } = {}) {
  const { pool, cut, made } = cutting(url());
  const schema = freshSchema();
  const journal = postgresJournal({ pool, schema, ...o });
  onTestFinished(() => journal.close?.());
  return { journal, schema, cut, made };
}

describe('an append whose connection is cut', () => {
  const CASES: Record<string, { of: (query: PgQuery) => boolean; make: (journal: Journal, seq: number) => unknown }> = {
    'of entries': { of: appends, make: (journal, seq) => journal.append('r', seq, entries(seq, 2), head('r', { seq: seq + 2 })) },
    'with a record': {
      of: commits,
      make: (journal, seq) =>
        journal.append('r', seq, entries(seq, 2), head('r', { seq: seq + 2 }), {
          record: { namespace: 'n', key: 'k', values: [seq], expected: seq === 0 ? 0 : 1 },
        }),
    },
    'with a wait': {
      of: commits,
      make: (journal, seq) => journal.append('r', seq, entries(seq, 2), head('r', { seq: seq + 2 }), { waits: [] }),
    },
    'with a claim': {
      of: ({ text }) => appends({ text }) && text.includes('made AS'),
      make: async (journal, seq) => {
        const key = { tenant: 't', intent: 'pay', key: `${seq}` };
        await journal.claim?.(key);
        await journal.append('r', seq, entries(seq, 2), head('r', { seq: seq + 2 }), { claims: [takes('a', 0, key)] });
      },
    },
  };
  for (const at of ['before', 'after'] as const)
    for (const [name, { of, make }] of Object.entries(CASES))
      test(`${name}, ${at} it was stored, is stored once, and the caller is told so`, async () => {
        const { journal, cut, made } = open();
        for (const seq of [0, 2]) {
          cut(at, of);
          await make(journal, seq);
          expect(await read(journal, 'r')).toEqual(entries(0, seq + 2));
        }
        expect(made()).toBe(2);
        await journal.append('r', 4, [entry(4)], head('r'));
        if (name === 'with a record') expect(await all(journal.records?.read('n', 'k') ?? [])).toEqual([0, 2]);
      });

  test('is a conflict if another one was stored in its place', async () => {
    const { journal, schema, cut } = open();
    const other = postgresJournal({ url: url(), schema });
    onTestFinished(() => other.close?.());
    await start(journal, 'r');
    const appending = async (to: Journal) => to.append('r', 1, [entry(1)], head('r'));
    const theirs: Promise<unknown>[] = [];
    cut('before', (query) => {
      if (!appends(query)) return false;
      theirs.push(appending(other));
      return true;
    });
    // the append that is made again may be faster than the other one
    const mine = appending(journal);
    await mine.catch(() => undefined);
    const ends = await Promise.allSettled([mine, ...theirs]);
    expect(ends).toHaveLength(2);
    expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(ends.find((end) => end.status === 'rejected')?.reason).toMatchObject({ code: 'JOURNAL_CONFLICT' });
    expect(await read(journal, 'r')).toHaveLength(2);
  });
});

for (const at of ['before', 'after'] as const) {
  test(`what is done with a dead event is told, though the connection is cut ${at} it was stored`, async () => {
    const { journal, cut, made } = open();
    const { inbox } = journal as Listening;
    const now = 1_000_000;
    for (const id of ['e1', 'e2']) await inbox.signal(signal(id, { problem: 'no', now }));
    const [second, first] = await inbox.dead({ tenant: 't', now, limit: 9 });
    cut(at, commits);
    expect(await inbox.bury('t', first?.nr ?? 0, { to: 'dismissed', now, by: 'ben', reason: 'late' })).toMatchObject({
      state: 'dismissed',
    });
    cut(at, commits);
    expect(await inbox.bury('t', second?.nr ?? 0, { to: 'again', now })).toMatchObject({ id: 'e2', state: 'waiting' });
    cut(at, commits);
    expect(await inbox.forget({ tenant: 't', by: 'ana', now })).toEqual({ events: 2, runs: [] });
    expect(made()).toBe(3);
    expect(await states(journal as Listening)).toEqual([]);
  });

  test(`values of a record and events that are cut off ${at} they were stored are there once`, async () => {
    const { journal, cut } = open();
    const { records, inbox } = journal as Journal & Required<Pick<Journal, 'records' | 'inbox'>>;
    for (const held of [1, 2]) {
      cut(at, commits);
      expect(await records.append('n', 'k', [held as Json])).toBe(held);
      cut(at, commits);
      await inbox.signal(signal(`e${held}`));
    }
    expect(await all(records.read('n', 'k'))).toEqual([1, 2]);
    expect(await states(journal as Listening)).toEqual([
      ['e2', 'waiting'],
      ['e1', 'waiting'],
    ]);
  });
}

test('connections that are ended by the server, at any moment, cost nothing that was acknowledged, and nothing is stored twice', async () => {
  const { open: another, schema } = place();
  // while they are ended all the time, no statement of a long transaction gets through
  const journal = another({ patience: 120_000 });
  await start(journal, 'first');
  const runs = Array.from({ length: 8 }, (_, i) => `r${i}`);
  let over = false;
  const killer = (async () => {
    let killed = 0;
    while (!over) {
      const rows = await sql(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'rondo' AND query LIKE $1 AND pid <> pg_backend_pid()`,
        [`%"${schema}"%`],
      );
      killed += rows.length;
      await sleep(20 + 20 * Math.random());
    }
    return killed;
  })();
  await Promise.all(
    runs.map(async (runId) => {
      for (let seq = 0; seq < 60; seq++) await journal.append(runId, seq, [entry(seq)], head(runId, { seq: seq + 1 }));
    }),
  );
  over = true;
  expect(await killer).toBeGreaterThan(0);
  for (const runId of runs) expect(await read(journal, runId)).toEqual(entries(0, 60));
});

test('a pool whose connections are all in use is told as what it may be, and serves once one is free', async () => {
  const pool = new pg.Pool({ connectionString: url(), max: 1, connectionTimeoutMillis: 50 });
  onTestFinished(() => pool.end());
  const journal = postgresJournal({ pool, schema: freshSchema(), patience: 0 });
  onTestFinished(() => journal.close?.());
  const held = await pool.connect();
  const refused = async () => start(journal, 'r', 1);
  await expect(refused()).rejects.toMatchObject({
    code: 'JOURNAL_UNAVAILABLE',
    message: expect.stringContaining('all connections of the pool are busy'),
  });
  held.release();
  await start(journal, 'r', 1);
  expect(await read(journal, 'r')).toHaveLength(1);
});

describe('a server that goes away', () => {
  async function own(): Promise<Server> {
    const server = await makeServer();
    await server.start();
    onTestFinished(() => server.remove());
    return server;
  }

  test('is told as JOURNAL_UNAVAILABLE, without its address; when it is back, the same journal goes on, and watchers hear of changes', async () => {
    const server = await own();
    const journal = postgresJournal({ url: server.url, patience: 300 });
    onTestFinished(() => journal.close?.());
    const heard: string[] = [];
    const ending = new AbortController();
    expect(await journal.subscribe?.((runId) => heard.push(runId), { signal: ending.signal })).toBe(true);
    await start(journal, 'r', 2);
    await server.stop();
    const attempts: (() => unknown)[] = [
      () => journal.append('r', 2, [entry(2)], head('r')),
      () => read(journal, 'r'),
      () => journal.renew('r', 'ana', 1),
      () => all(journal.heads({})),
      () => journal.records?.append('n', 'k', [1]),
      () => journal.inbox?.signal(signal('e')),
    ];
    for (const attempt of attempts) {
      const error = (await Promise.resolve()
        .then(attempt)

        .catch((error) => error)) as RondoError;
      expect(RondoError.is(error, 'JOURNAL_UNAVAILABLE'), String(error)).toBe(true);
      expect(`${error.message} ${JSON.stringify(error.details)}`).not.toContain('secret');
    }
    await server.start();
    // the first attempt may have been stored, if the server had begun it
    await journal.append('r', 2, [entry(2)], head('r'));
    expect(await read(journal, 'r')).toEqual(entries(0, 3));
    heard.length = 0;
    while (heard.length === 0) {
      await journal.renew('r', 'ana', 1);
      const { length } = await read(journal, 'r');
      await journal.append('r', length, [entry(length)], head('r'));
      await sleep(100);
    }
    expect(heard).toContain('r');
    ending.abort();
  });

  test('and comes back within the patience of an append is not noticed', async () => {
    const server = await own();
    const journal = postgresJournal({ url: server.url, patience: 120_000 });
    onTestFinished(() => journal.close?.());
    await start(journal, 'r');
    await server.stop();
    const pending = journal.append('r', 1, [entry(1)], head('r'));
    const reading = read(journal, 'r');
    await server.start();
    await pending;
    expect((await reading).length).toBeGreaterThan(0);
    expect(await read(journal, 'r')).toEqual(entries(0, 2));
  });
});
