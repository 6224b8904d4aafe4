import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Engine } from '../../../src/index.ts';
import { type Life, start } from '../lives.ts';
import type { Where } from '../points.ts';
import { journalIn } from '../store.ts';
import { World } from '../world.ts';
import { agents, type Clock, clocked, START } from './agents.ts';
import type { WaitingOrder, Working } from './child.ts';

const live = (order: WaitingOrder): Promise<Life> => start('waiting/child', order, { longest: 300_000 }).ended;

/** What some processes do at once. The ones that work go on until the others have ended. */
export interface Phase {
  /** Sends or enqueues, and is killed at this point. */
  tells?: Where;
  /** Each drives what is due, and is killed at its point. */
  work?: readonly Where[];
  /** The points are statements. */
  fine?: boolean;
}

/** Only one process works at a time, so that nothing overlaps by chance. */
export const areAlone = (phases: readonly Phase[]): boolean => phases.every(({ work = [] }) => work.length <= 1);

export interface Cast {
  /** What is told by a process of its own, before the second of the times comes. */
  tells?: WaitingOrder['does'];
  work: Working;
  /** A time of the last life alone, when the leases of killed processes have ended, and what began to wait late is due. */
  after?: number;
}

/** Plays one phase after the other, and a last one in which every process lives. */
export async function play(dir: string, { tells, work, after }: Cast, phases: readonly Phase[]): Promise<Life[]> {
  const lives: Life[] = [];
  // what was not answered is told again, under the same ids
  const retell = async () => {
    if (tells && !existsSync(join(dir, 'all-told'))) lives.push(await live({ dir, at: 0, does: tells }));
    writeFileSync(join(dir, 'all-told'), '');
  };
  for (const [i, { tells: dies, work: workers = [], fine = false }] of phases.entries()) {
    const telling = tells && dies !== undefined ? live({ dir, at: dies, fine, does: tells }) : undefined;
    if (!telling) await retell();
    const until = `told-${i}`;
    const meanwhile = { ...work, times: work.times.slice(0, 1), until };
    const working = workers.map((at) => live({ dir, at, fine, does: { work: telling ? meanwhile : work } }));
    telling?.finally(() => writeFileSync(join(dir, until), '')).catch(() => undefined);
    lives.push(...(await Promise.all([...(telling ? [telling] : []), ...working])));
  }
  await retell();
  const times = after === undefined ? work.times : [...work.times, after];
  lives.push(await live({ dir, at: 0, does: { work: { ...work, times } } }));
  return lives;
}

/** The problems of processes that were not killed: such as a run that could not be driven. */
export const problemsOf = (lives: readonly Life[]): string[] =>
  lives.flatMap(({ end, signal }) => (signal ? [] : ((end as { problems?: string[] } | undefined)?.problems ?? ['a life has no end'])));

/** Each n-th number up to a count. */
export const sampled = (count: number, nth: number, from = 1): number[] =>
  Array.from({ length: Math.ceil((count - from + 1) / nth) }, (_, i) => from + i * nth);

/** A world whose processes begin with a copy of what was prepared. */
export class WaitingWorld extends World {
  readonly #template = this.folder('template');

  async prepare(make: (engine: Engine, all: ReturnType<typeof agents>, clock: Clock) => Promise<void>): Promise<void> {
    await beside(this.#template, make);
  }

  copy<T>(work: (dir: string) => Promise<T>): Promise<T> {
    return this.inCopy(this.#template, work);
  }
}

/** Works on the store of a directory from outside, with all agents. */
export async function beside<T>(
  dir: string,
  work: (engine: Engine, all: ReturnType<typeof agents>, clock: Clock) => Promise<T>,
  now = START,
): Promise<T> {
  const clock = { now };
  const all = agents(dir, () => undefined);
  const engine = new Engine({ journal: clocked(await journalIn(dir), clock), agents: Object.values(all) });
  try {
    return await work(engine, all, clock);
  } finally {
    await engine.close();
  }
}
