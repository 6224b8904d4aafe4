/** The cost of a tool turn on Postgres, beside a bare loop that sends the same statements over a pool of its own. */
import pg from 'pg';
import { type PgClient, type PgPool, type PgQuery, postgresJournal } from '../../src/adapters/journal/postgres.ts';
import type { Effect } from '../../src/index.ts';
import { makeServer } from '../../test/postgres/server.ts';
import { counted, lookupAgent, newEngine, rondoRun } from '../contenders.ts';
import { type Contender, interleave, ratio, spread, timesOf } from '../harness.ts';
import type { Scenario } from '../result.ts';
import { inTurns } from '../targets.ts';
import { instantModel } from '../workload.ts';

const EFFECTS = ['read', 'once'] as const satisfies readonly Effect[];
/** Of the bare loop's time. */
const LIMIT = 1.5;

const onPostgres = (effect: Effect, turns: number) => `Rondo on Postgres, ${effect}, ${inTurns(turns)}`;
const bareLoop = (effect: Effect, turns: number) => `the same statements, ${effect}, ${inTurns(turns)}`;

/** A pool that keeps the statements of a run. */
function recording(pool: pg.Pool, statements: PgQuery[]): PgPool {
  const known = new WeakMap<pg.PoolClient, PgClient>();
  const around = (client: pg.PoolClient): PgClient => ({
    query: (query) => {
      statements.push(query);
      return client.query(query as pg.QueryConfig);
    },
    release: (destroy) => client.release(destroy),
    on: (event: string, listener: never) => client.on(event as 'error', listener),
  });
  const connect = async () => {
    const client = await pool.connect();
    const recorded = known.get(client) ?? around(client);
    known.set(client, recorded);
    return recorded;
  };
  return { connect, on: (event, listener) => pool.on(event, listener), end: () => pool.end() };
}

async function statementsOf(pool: pg.Pool, effect: Effect, turns: number): Promise<{ runId: string; statements: readonly PgQuery[] }> {
  const statements: PgQuery[] = [];
  const journal = postgresJournal({ pool: recording(pool, statements) });
  const engine = newEngine(journal);
  const { execute } = counted('1 KB');
  const agent = lookupAgent(instantModel(turns), effect, execute);
  // the first one makes the tables
  await rondoRun(engine, agent, { listen: false });
  statements.length = 0;
  const run = engine.run(agent, 'again');
  await run;
  const made = [...statements];
  await engine.close();
  return { runId: run.id, statements: made };
}

/** @param runs in each sample. */
function contenders(pool: pg.Pool, effect: Effect, turns: number, runs: number): Contender[] {
  const units = turns * runs;
  let recorded: Awaited<ReturnType<typeof statementsOf>> | undefined;
  let replayed = 0;
  const journal = postgresJournal({ pool: pool as unknown as PgPool });
  const engine = newEngine(journal);
  const { execute } = counted('1 KB');
  const agent = lookupAgent(instantModel(turns), effect, execute);
  return [
    {
      name: onPostgres(effect, turns),
      prepare: () => ({
        units,
        run: async () => {
          for (let i = 0; i < runs; i++) await rondoRun(engine, agent, { listen: false });
        },
      }),
      close: () => engine.close(),
    },
    {
      name: bareLoop(effect, turns),
      async prepare() {
        recorded ??= await statementsOf(pool, effect, turns);
        const { runId, statements } = recorded;
        return {
          units,
          run: async () => {
            for (let i = 0; i < runs; i++) {
              const id = `bare ${effect} ${turns} ${replayed++}`;
              for (const { values, ...query } of statements)
                await pool.query({
                  ...query,
                  ...(values && { values: values.map((value) => (value === runId ? id : value)) }),
                } as pg.QueryConfig);
            }
          },
        };
      },
    },
  ];
}

export const postgres: Scenario = async ({ quick }) => {
  const server = await makeServer({ fsync: true });
  await server.start();
  const pool = new pg.Pool({ connectionString: server.url, max: 4 });
  pool.on('error', () => undefined);
  try {
    const lengths = quick ? [10] : [10, 40];
    const all = lengths.flatMap((turns) =>
      EFFECTS.flatMap((effect) => contenders(pool, effect, turns, quick ? 1 : Math.round(40 / turns))),
    );
    const times = await interleave(all, quick ? { rounds: 1, warmUp: 1 } : { rounds: 15, warmUp: 2, longest: 20_000 });
    const pairs = lengths.flatMap((turns) => EFFECTS.map((effect) => [onPostgres(effect, turns), bareLoop(effect, turns)] as const));
    return {
      tables: [
        {
          title: 'A tool turn on Postgres',
          unit: 'µs per turn',
          columns: ['time', 'times the bare loop'],
          rows: pairs.flatMap(([rondo, bare]) => [
            { name: rondo, cells: [spread(timesOf(times, rondo)), ratio(times, rondo, bare)] },
            { name: bare, cells: [spread(timesOf(times, bare)), undefined] },
          ]),
          notes: [
            'Over a TCP socket of one machine, with fsync. The bare loop sends the statements of one such run, with prepared names, and does nothing else.',
            'For `once`, the first of the two appends of a turn waits for the disk, in both loops.',
          ],
        },
      ],
      targets: pairs.map(([rondo, bare]) => ({
        name: `${rondo}: time`,
        measured: ratio(times, rondo, bare),
        unit: 'x',
        limit: LIMIT,
        basis: 'the same statements',
      })),
    };
  } finally {
    await pool.end();
    await server.remove();
  }
};
