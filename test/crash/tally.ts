import { expect } from 'vitest';
import type { Life } from './lives.ts';

/** What is wrong, by kind, and what is told of each kind. All lists must be empty. */
const LABELS = {
  duplicates: 'duplicate once effects',
  lost: 'lost runs',
  approvals: 'lost approvals',
  differences: 'other final states',
  again: 'ended, and begun again',
  repeats: 'events emitted twice on resume',
  keys: 'calls under a second key',
} as const;
type Kind = keyof typeof LABELS;
const KINDS = Object.keys(LABELS) as Kind[];

type Told = { [K in Kind]?: readonly string[] } & { unknown: number; settled?: number };

/** What came of many schedules, to be printed and checked. A kind that no verdict knows is not told. */
export class Tally {
  readonly sum: { [K in Kind]?: string[] } & { unknown: number; settled?: number } = { unknown: 0 };
  hits = 0;
  readonly #places = new Set<string>();
  readonly #rows: [string, number | string][] = [];

  /** @param lives those of the schedule; the ones that say at which point they got a signal were hit. */
  add(schedule: readonly (number | string)[], lives: readonly Life[], verdict: Told): void {
    const hit = lives.flatMap(({ at }) => at ?? []);
    this.hits += hit.length;
    for (const at of hit) this.#places.add(at);
    const where = `[${schedule.join(', ')}] ${hit.join(' | ')}`;
    for (const kind of KINDS) {
      const wrong = verdict[kind];
      if (!wrong) continue;
      this.sum[kind] ??= [];
      this.sum[kind].push(...wrong.map((what) => `${where}: ${what}`));
    }
    this.sum.unknown += verdict.unknown;
    if (verdict.settled !== undefined) this.sum.settled = (this.sum.settled ?? 0) + verdict.settled;
  }

  row(what: string, n: number | string): void {
    this.#rows.push([what, n]);
  }

  print(title: string): void {
    const { sum } = this;
    const rows = [
      ['crash points', this.hits],
      ['different places', this.#places.size],
      ...KINDS.flatMap((kind) => (sum[kind] ? [[LABELS[kind], sum[kind].length] as const] : [])),
      ['honestly unknown outcomes', sum.unknown],
      ...(sum.settled === undefined ? [] : [['found out by an operator', sum.settled] as const]),
      ...this.#rows,
    ];
    console.log([title, ...rows.map(([what, n]) => `  ${String(what).padEnd(32)} ${n}`)].join('\n'));
  }

  check(): void {
    for (const kind of KINDS) expect(this.sum[kind]?.slice(0, 10) ?? [], `${kind}: ${this.sum[kind]?.length}`).toEqual([]);
  }
}

/**
 * Checks that nearly all of the schedules that each kill one process did so. A process passes a few points more or less each
 * time, since a slow machine renews its lease in between and branches overlap: the last points may come to nothing. One at least is hit.
 */
export function checkHits(hits: number, schedules: number): void {
  expect(hits, `of ${schedules} schedules`).toBeGreaterThanOrEqual(Math.max(1, 0.9 * schedules - 1));
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
