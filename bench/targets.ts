/** Rondo's targets, as far as more than one scenario uses them. */
import type { Spread } from './harness.ts';
import type { Target } from './result.ts';

/** A tool turn in memory: so many microseconds, or so many times the bare loop, whichever is more. */
const TURN_US = 15;
const BARE_TIMES = 10;
/** A turn of a long run costs at most this times a turn of a short run. */
export const FLAT_TIMES = 1.25;
/** A node of a graph, and a delegation: LangGraph takes at least this many times as long. */
export const PEER_TIMES = 20;
/** On SQLite: times the bare SQLite loop, in time and in bytes. */
export const SQLITE_TIMES = 1.5;
/** Turns per second of 500 runs at a time. */
export const CONCURRENT = { runs: 500, turns: 10, perSecond: 40_000 } as const;
/** Milliseconds. */
export const IMPORT_MS = 30;

/** Tool turns of a run. The cost of a turn is to be flat from the second to the last of them. */
export const lengths = (quick: boolean): readonly [number, number, ...number[]] => (quick ? [1, 10, 40] : [1, 10, 100, 400]);
export const flatOver = (turns: readonly number[]) => ({ from: turns[1] as number, to: turns.at(-1) as number });

export const SHORT_RUN = 'a run of one turn is mostly its start and its end, which the bare loop does not have';

export const inTurns = (n: number) => (n === 1 ? '1 turn' : `${n} turns`);

/** Cost per turn, and that it does not grow with the run. `why`: known reason, should one be missed. */
export function turnTargets(
  name: string,
  by: readonly { turns: number; bare: Spread; rondo: Spread; why?: string }[],
  growth: Spread,
): Target[] {
  const each = by.map(({ turns, bare, rondo, why }): Target => {
    const times = BARE_TIMES * bare.p50;
    return {
      name: `${name}, ${inTurns(turns)}`,
      measured: rondo,
      unit: 'µs',
      limit: Math.max(TURN_US, times),
      ...(times > TURN_US && { basis: `${BARE_TIMES} x the bare loop` }),
      ...(turns === 1 ? { why: SHORT_RUN } : why && { why }),
    };
  });
  const { from, to } = flatOver(by.map(({ turns }) => turns));
  const flat: Target = {
    name: `${name}: growth from ${from} to ${to} turns`,
    measured: growth,
    unit: 'x',
    limit: FLAT_TIMES,
  };
  return [...each, flat];
}
