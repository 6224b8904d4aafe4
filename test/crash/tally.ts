import { expect } from 'vitest';
import type { Life } from './lives.ts';
import { blank, KINDS, type Verdict } from './verdict.ts';

/** What came of many schedules, to be printed and checked. */
export class Tally {
  readonly sum: Verdict = blank();
  hits = 0;
  readonly #places = new Set<string>();
  readonly #rows: [string, number | string][] = [];

  /** @param lives those of the schedule; the ones that say at which point they got a signal were hit. */
  add(schedule: readonly (number | string)[], lives: readonly Life[], verdict: Verdict): void {
    const hit = lives.flatMap(({ at }) => at ?? []);
    this.hits += hit.length;
    for (const at of hit) this.#places.add(at);
    const where = `[${schedule.join(', ')}] ${hit.join(' | ')}`;
    for (const kind of KINDS) this.sum[kind].push(...verdict[kind].map((what) => `${where}: ${what}`));
    this.sum.unknown += verdict.unknown;
  }

  row(what: string, n: number | string): void {
    this.#rows.push([what, n]);
  }

  print(title: string): void {
    const { sum } = this;
    const rows = [
      ['crash points', this.hits],
      ['different places', this.#places.size],
      ['duplicate once effects', sum.duplicates.length],
      ['lost runs', sum.lost.length],
      ['lost approvals', sum.approvals.length],
      ['other final states', sum.differences.length],
      ['events emitted twice on resume', sum.repeats.length],
      ['calls under a second key', sum.keys.length],
      ['honestly unknown outcomes', sum.unknown],
      ...this.#rows,
    ];
    console.log([title, ...rows.map(([what, n]) => `  ${String(what).padEnd(32)} ${n}`)].join('\n'));
  }

  check(): void {
    for (const kind of KINDS) expect(this.sum[kind].slice(0, 10), `${kind}: ${this.sum[kind].length}`).toEqual([]);
  }
}

/** The seed of the samples: printed, and taken from RONDO_CRASH_SEED to draw them again. */
export const SEED = Number(process.env.RONDO_CRASH_SEED ?? Date.now() % 1_000_000);

/** Numbers from 0 to 1 that a seed decides. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
