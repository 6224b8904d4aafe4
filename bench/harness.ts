/** Times contenders side by side: warm-up, interleaved rounds, medians with their range. Independent of agents. */
import { type Spread, spread as spreadOf } from '../src/bench/stats.ts';

export type { Spread };

/** The work of one contender. Only `run` is timed. */
export interface Sample {
  /** How many units (turns, runs, ...) `run` processes. */
  readonly units: number;
  run(): void | Promise<void>;
  /** Checks that the work was done, and cleans up. */
  finish?(): void | Promise<void>;
}

export interface Contender {
  readonly name: string;
  /** Sets up one sample, untimed. */
  prepare(): Sample | Promise<Sample>;
  /** Ends what outlives a sample. */
  close?(): void | Promise<void>;
}

/** Microseconds per unit, by contender; the n-th of each was measured in the n-th round. */
export type Times = ReadonlyMap<string, readonly number[]>;

export interface Rounds {
  readonly rounds: number;
  /** Whole rounds at the start that are discarded. */
  readonly warmUp: number;
  /** Milliseconds after which no further round starts, once there are some: a shared disk can be ten times slower. */
  readonly longest?: number;
}

/** The fewest rounds with a meaningful median, and the fewest that warm up the code. */
const FEWEST = { rounds: 7, warmUp: 2 };

/**
 * Times the contenders in turn, A B C C B A A B C ...: temporary slowness and drift affect all of them alike, and no contender always
 * runs after the garbage of another.
 */
export async function interleave(contenders: readonly Contender[], { rounds, warmUp, longest = Infinity }: Rounds): Promise<Times> {
  const times = new Map<string, number[]>(contenders.map(({ name }) => [name, []]));
  if (times.size < contenders.length) throw new Error('two contenders have one name');
  const started = performance.now();
  try {
    for (let round = -warmUp; round < rounds; round++) {
      const elapsed = performance.now() - started;
      if (round >= FEWEST.rounds && elapsed > longest) break;
      if (round < 0 && round + warmUp >= FEWEST.warmUp && elapsed > longest / 4) round = 0;
      const order = round % 2 === 0 ? contenders : [...contenders].reverse();
      for (const contender of order) {
        const time = await timeOnce(contender);
        if (round >= 0) times.get(contender.name)?.push(time);
      }
    }
  } finally {
    for (const contender of contenders) await contender.close?.();
  }
  return times;
}

async function timeOnce(contender: Contender): Promise<number> {
  const sample = await contender.prepare();
  collectYoung();
  const started = performance.now();
  await sample.run();
  const ms = performance.now() - started;
  await sample.finish?.();
  return (ms * 1000) / sample.units;
}

/**
 * Starts a sample without the young garbage of the one before. Needs `--expose-gc`, which child.ts sets. A full collection would distort
 * the result: V8 drops feedback and compiled code for shapes without live objects, so the next sample would start with unoptimised code
 * (measured: 2 to 3 times slower).
 */
function collectYoung(): void {
  globalThis.gc?.({ type: 'minor' });
}

/** @throws for no numbers: a contender without a sample did not do its work. */
export function spread(values: readonly number[]): Spread {
  const made = spreadOf(values);
  if (!made) throw new Error('nothing was measured');
  return made;
}

/**
 * The measurements of one contender.
 * @throws if there is no such contender.
 */
export function timesOf(times: Times, name: string): readonly number[] {
  const found = times.get(name);
  if (!found) throw new Error(`no contender is named ${name}`);
  return found;
}

/** The ratio of two contenders: each sample divided by its neighbour of the same round. */
export function ratio(times: Times, name: string, to: string): Spread {
  const base = timesOf(times, to);
  return spread(timesOf(times, name).map((time, round) => time / (base[round] as number)));
}
