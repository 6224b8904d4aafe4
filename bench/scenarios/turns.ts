/** The cost of a tool turn by the length of the run: the bare loops and Rondo, in memory and on SQLite. */
import type { Effect } from '../../src/index.ts';
import { bare, bareSqlite, rondo, rondoSqlite } from '../contenders.ts';
import { type Contender, interleave, ratio, type Spread, spread, type Times, timesOf } from '../harness.ts';
import type { Outcome, Scenario, Table, Target } from '../result.ts';
import { flatOver, inTurns, lengths, SHORT_RUN, SQLITE_TIMES, turnTargets } from '../targets.ts';

const EFFECTS = ['read', 'once'] as const satisfies readonly Effect[];

/** Tool turns of one sample; fewer for slower loops. */
const SAMPLE = { bare: 8_000, memory: 800, read: 400, once: 100 };
const QUICK_SAMPLE = { bare: 2_000, memory: 400, read: 40, once: 40 };

const at = (name: string, turns: number) => `${name}, ${turns}`;
const quiet = (effect: Effect) => `Rondo in memory, ${effect}`;
const listened = (effect: Effect) => `Rondo in memory, ${effect}, events read`;
const onSqlite = (effect: Effect) => `Rondo on SQLite, ${effect}, events read`;
const bareOnSqlite = (effect: Effect) => `bare SQLite loop, ${effect}`;
const BARE = 'bare loop';

export const turns: Scenario = async ({ quick }) => {
  const size = quick ? QUICK_SAMPLE : SAMPLE;
  const all = lengths(quick);
  const contenders = all.flatMap((n): Contender[] => {
    const shape = (sample: number) => ({ turns: n, runs: Math.max(1, Math.round(sample / n)) });
    return [
      bare(at(BARE, n), shape(size.bare)),
      ...EFFECTS.flatMap((effect) => [
        rondo(at(quiet(effect), n), shape(size.memory), { effect, listen: false }),
        rondo(at(listened(effect), n), shape(size.memory), { effect, listen: true }),
        bareSqlite(at(bareOnSqlite(effect), n), shape(size[effect]), effect),
        rondoSqlite(at(onSqlite(effect), n), shape(size[effect]), { effect, listen: true }),
      ]),
    ];
  });
  const times = await interleave(contenders, quick ? { rounds: 1, warmUp: 1 } : { rounds: 25, warmUp: 5, longest: 70_000 });
  return outcome(times, all);
};

function outcome(times: Times, all: readonly number[]): Outcome {
  const names = [BARE, ...EFFECTS.flatMap((e) => [quiet(e), listened(e)]), ...EFFECTS.flatMap((e) => [bareOnSqlite(e), onSqlite(e)])];
  const columns = all.map(inTurns);
  const against = (name: string, to: string) => ({
    name: `${name} : ${to}`,
    cells: all.map((n) => ratio(times, at(name, n), at(to, n))),
  });
  const absolute: Table = {
    title: 'A tool turn',
    unit: 'µs per turn',
    columns: [...columns, 'each further'],
    rows: names.map((name) => ({
      name,
      cells: [...all.map((n) => spread(timesOf(times, at(name, n)))), further(times, name, flatOver(all))],
    })),
    notes: [
      'Time of whole runs by their tool turns: the start, the last answer and the end of a run are in it.',
      `"each further" is what a turn adds between ${flatOver(all).from} and ${flatOver(all).to} turns, where the start and end of the run cancel out.`,
      'On SQLite with results of 1 KB, in memory with a few bytes. For `once`, the first of the two transactions is synced to disk, in both loops.',
    ],
  };
  const relative: Table = {
    title: 'A tool turn, as a multiple',
    unit: 'times',
    columns,
    rows: [
      ...EFFECTS.flatMap((e) => [against(quiet(e), BARE), against(listened(e), BARE)]),
      ...EFFECTS.map((e) => against(onSqlite(e), bareOnSqlite(e))),
    ],
    notes: [`Each sample against its neighbour in the same round, then the median of these: ${timesOf(times, at(BARE, 1)).length} rounds.`],
  };
  return { tables: [absolute, relative], targets: [...memoryTargets(times, all), ...sqliteTargets(times, all)] };
}

/** Microseconds that one more turn adds. */
function further(times: Times, name: string, { from, to }: { from: number; to: number }): Spread {
  const short = timesOf(times, at(name, from));
  return spread(timesOf(times, at(name, to)).map((us, round) => (us * to - (short[round] as number) * from) / (to - from)));
}

function memoryTargets(times: Times, all: readonly number[]): Target[] {
  const { from, to } = flatOver(all);
  return EFFECTS.flatMap((effect) =>
    turnTargets(
      `in memory, ${effect}, events read`,
      all.map((n) => ({ turns: n, bare: spread(timesOf(times, at(BARE, n))), rondo: spread(timesOf(times, at(listened(effect), n))) })),
      ratio(times, at(listened(effect), to), at(listened(effect), from)),
    ),
  );
}

function sqliteTargets(times: Times, all: readonly number[]): Target[] {
  return EFFECTS.flatMap((effect) =>
    all.map((n) => ({
      name: `on SQLite, ${effect}, ${inTurns(n)}: time`,
      measured: ratio(times, at(onSqlite(effect), n), at(bareOnSqlite(effect), n)),
      unit: 'x',
      limit: SQLITE_TIMES,
      basis: 'the bare SQLite loop',
      ...(n === 1 && { why: SHORT_RUN }),
    })),
  );
}
