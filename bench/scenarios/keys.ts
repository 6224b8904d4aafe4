/** What a key adds to a `once` call on SQLite: a claim in the transactions of its start and its end. */
import { bareSqlite, rondoSqlite } from '../contenders.ts';
import { interleave, ratio, spread, timesOf } from '../harness.ts';
import type { Scenario } from '../result.ts';
import { inTurns } from '../targets.ts';

/** A keyed call may cost this many times one without a key. */
const KEYED_TIMES = 1.2;
const TURNS = [10, 100];

const PLAIN = 'once, without a key';
const KEYED = 'once, each call with a key of its own';
/** The least that a key costs: its hash in a table, written with the first of the two transactions, and nothing else. */
const BARE = 'bare SQLite loop, once';
const BARE_KEYED = 'bare SQLite loop, once, each key in a table';
const PAIRS = [
  [KEYED, PLAIN],
  [BARE_KEYED, BARE],
] as const;
const at = (name: string, turns: number) => `${name}, ${turns}`;

export const keys: Scenario = async ({ quick }) => {
  const contenders = TURNS.flatMap((turns) => {
    const shape = { turns, runs: Math.max(1, (quick ? 20 : 200) / turns) };
    const told = { effect: 'once', listen: true } as const;
    return [
      rondoSqlite(at(PLAIN, turns), shape, told),
      rondoSqlite(at(KEYED, turns), shape, { ...told, keyed: true }),
      bareSqlite(at(BARE, turns), shape, 'once'),
      bareSqlite(at(BARE_KEYED, turns), shape, 'once', true),
    ];
  });
  const times = await interleave(contenders, quick ? { rounds: 1, warmUp: 1 } : { rounds: 25, warmUp: 5, longest: 30_000 });
  const ratios = (of: string, to: string) => TURNS.map((turns) => ratio(times, at(of, turns), at(to, turns)));
  const measured = ratios(KEYED, PLAIN);
  return {
    tables: [
      {
        title: 'A key, on SQLite',
        unit: 'µs per turn',
        columns: TURNS.map(inTurns),
        rows: [PLAIN, KEYED, BARE, BARE_KEYED].map((name) => ({
          name,
          cells: TURNS.map((turns) => spread(timesOf(times, at(name, turns)))),
        })),
      },
      {
        title: 'A key, on SQLite, as a multiple',
        unit: 'times',
        columns: TURNS.map(inTurns),
        rows: PAIRS.map(([of, to]) => ({ name: `${of} : ${to}`, cells: ratios(of, to) })),
      },
    ],
    targets: TURNS.map((turns, i) => ({
      name: `a keyed once call on SQLite, ${inTurns(turns)}: time`,
      measured: measured[i] as (typeof measured)[number],
      unit: 'x',
      limit: KEYED_TIMES,
      basis: 'a once call without a key',
    })),
  };
};
