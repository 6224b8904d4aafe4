/** Many runs at a time: turns per second, and what each run holds in memory while it waits for its model. */
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import { type Effect, type Journal, memoryJournal } from '../../src/index.ts';
import { bareRun, bareSqliteRun, bareStore } from '../bare.ts';
import { inChild } from '../child.ts';
import { bareLoop, counted, lookupAgent, newEngine, rondoRun, scratch } from '../contenders.ts';
import { type Contender, interleave, ratio, type Spread, spread, timesOf } from '../harness.ts';
import type { Held } from '../held.ts';
import type { Scenario, Table, Target } from '../result.ts';
import { CONCURRENT } from '../targets.ts';
import { instantModel } from '../workload.ts';

const { runs, turns, perSecond } = CONCURRENT;

/** Starts all runs in one tick, and waits for all. */
function crowd(name: string, size: number, open: () => { once(): Promise<number>; calls: { made: number }; close?(): unknown }): Contender {
  return {
    name,
    async prepare() {
      const { once, calls, close } = open();
      await once();
      calls.made = 0;
      return {
        units: size * turns,
        async run() {
          await Promise.all(Array.from({ length: size }, once));
        },
        async finish() {
          await close?.();
          if (calls.made !== size * turns) throw new Error(`${name}: ${calls.made} tool calls were made, not ${size * turns}`);
        },
      };
    },
  };
}

function bareCrowd(name: string, size: number): Contender {
  return crowd(name, size, () => {
    const { execute, calls } = counted('small');
    const loop = bareLoop(instantModel(turns), execute);
    return { calls, once: () => bareRun(loop) };
  });
}

function bareSqliteCrowd(name: string, size: number, effect: Effect): Contender {
  return crowd(name, size, () => {
    const { execute, calls } = counted('1 KB');
    const loop = bareLoop(instantModel(turns), execute);
    const files = scratch();
    const store = bareStore(files.path('bare.db'));
    const close = () => {
      store.close();
      files.remove();
    };
    return { calls, once: () => bareSqliteRun(loop, store, effect), close };
  });
}

function rondoCrowd(name: string, size: number, o: { journal: 'memory' | 'sqlite'; effect: Effect; listen: boolean }): Contender {
  return crowd(name, size, () => {
    const { execute, calls } = counted(o.journal === 'memory' ? 'small' : '1 KB');
    const files = scratch();
    const journal: Journal = o.journal === 'memory' ? memoryJournal() : sqliteJournal(files.path('runs.db'));
    const engine = newEngine(journal);
    const a = lookupAgent(instantModel(turns), o.effect, execute);
    const close = async () => {
      await engine.close();
      files.remove();
    };
    return { calls, once: () => rondoRun(engine, a, o), close };
  });
}

const BARE = 'bare loop';
const QUIET = 'Rondo in memory, read';
const IN_MEMORY = 'Rondo in memory, read, events read';
const bareOnSqlite = (effect: Effect) => `bare SQLite loop, ${effect}`;
const onSqlite = (effect: Effect) => `Rondo on SQLite, ${effect}, events read`;

/** Runs at a time of the bare loop that syncs for every turn: its time per turn does not depend on them, and is long. */
const FEW = 20;

export const concurrent: Scenario = async ({ quick }) => {
  const size = quick ? 50 : runs;
  const contenders = [
    bareCrowd(BARE, size),
    rondoCrowd(QUIET, size, { journal: 'memory', effect: 'read', listen: false }),
    rondoCrowd(IN_MEMORY, size, { journal: 'memory', effect: 'read', listen: true }),
    ...(['read', 'once'] as const).flatMap((effect) => [
      bareSqliteCrowd(bareOnSqlite(effect), effect === 'once' ? FEW : size, effect),
      rondoCrowd(onSqlite(effect), size, { journal: 'sqlite', effect, listen: true }),
    ]),
  ];
  const times = await interleave(contenders, quick ? { rounds: 1, warmUp: 1 } : { rounds: 15, warmUp: 4, longest: 40_000 });
  const perSecondOf = (name: string) => spread(timesOf(times, name).map((us) => 1_000_000 / us));
  const speed: Table = {
    title: `${size} runs of ${turns} turns at a time`,
    unit: 'turns per second',
    columns: ['turns/s', 'µs per turn', 'time : bare'],
    rows: contenders.map(({ name }) => {
      const to = name.includes('SQLite') ? bareOnSqlite(name.includes('once') ? 'once' : 'read') : BARE;
      return { name, cells: [perSecondOf(name), spread(timesOf(times, name)), name === to ? undefined : ratio(times, name, to)] };
    }),
    notes: [
      'On SQLite, runs that append in one tick share a transaction in Rondo; the bare loop makes two of its own for each turn.',
      `The bare loop with \`once\` is measured with ${FEW} runs.`,
    ],
  };
  const targets = [
    target(`${size} runs at a time, in memory, read, events read`, perSecondOf(IN_MEMORY)),
    target(`${size} runs at a time, on SQLite, read, events read`, perSecondOf(onSqlite('read'))),
  ];
  return { tables: [speed, await memory(quick)], targets };
};

const target = (name: string, measured: Spread): Target => ({
  name,
  measured,
  unit: 'turns/s',
  limit: perSecond,
  atLeast: true,
});

const HOLDERS = { 'bare loop': 'bare', 'Rondo in memory': 'memory', 'Rondo on SQLite': 'sqlite' } as const;

async function memory(quick: boolean): Promise<Table> {
  const found = new Map<string, Held[]>(Object.keys(HOLDERS).map((name) => [name, []]));
  for (let round = 0; round < (quick ? 1 : 5); round++)
    for (const [name, holder] of Object.entries(HOLDERS)) found.get(name)?.push(await inChild<Held>('held', [holder]));
  return {
    title: `What each of ${runs} runs holds in memory, at its last model call, with ${turns} results of 1 KB behind it`,
    unit: 'KB of 1,000 bytes per run',
    columns: ['heap', 'resident set'],
    rows: [...found].map(([name, held]) => ({
      name,
      cells: [spread(held.map((h) => h.heap / 1_000)), spread(held.map((h) => h.rss / 1_000))],
    })),
    notes: [
      'Each in a process of its own, after a full collection, less the same process before the runs. The resident set includes what the collector has not given back.',
      'Events are not read. In memory, the journal itself is part of it.',
    ],
  };
}
