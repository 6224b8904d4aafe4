import { type Life, start } from '../lives.ts';
import type { Where } from '../points.ts';
import type { Tally } from '../tally.ts';
import { World } from '../world.ts';
import type { TreeOrder } from './child.ts';
import { outcomeOf, type TreeOutcome } from './outcome.ts';
import { judge } from './verdict.ts';

/** The point at which each process in turn is killed; 0 and those after them live. */
export type Schedule = readonly Where[];
type Job = Omit<TreeOrder, 'dir' | 'at'>;

const live = (order: TreeOrder): Promise<Life> => start('tree/child', order, { longest: 300_000 }).ended;

/** Lets processes live and die as a schedule says, until the run has ended or goes no further. */
export async function play(dir: string, job: Job, schedule: Schedule): Promise<Life[]> {
  const lives: Life[] = [];
  for (;;) {
    // a person's answers are given in processes of their own, in turn with those that drive
    const act = job.act === 'decide' ? (lives.length % 2 === 0 ? 'drive' : 'decide') : (job.act ?? 'all');
    const life = await live({ ...job, act, dir, at: schedule[lives.length] ?? 0 });
    lives.push(life);
    if (life.end?.error) throw new Error(`a process ended with ${life.end.error}: ${life.end.message} after ${JSON.stringify(lives)}`);
    const over = life.signal === null && (act === 'all' || life.end?.status === 'completed');
    if (over) return lives;
    if (lives.length > 50) throw new Error(`the run does not come to an end: ${JSON.stringify(lives.at(-1))}`);
  }
}

/** A job with a directory of its own for each schedule, and what it comes to there if nothing disturbs it. */
export class TreeWorld extends World {
  readonly #template = this.folder('template');
  readonly #empty = this.folder('empty');

  /** Does a job undisturbed in the directory that the others begin with. */
  async prepare(job: Job, run: string): Promise<TreeOutcome> {
    await play(this.#template, job, []);
    return outcomeOf(this.#template, run);
  }

  /** In a new directory, or in a copy of the prepared one. */
  async attempt<T>(prepared: boolean, work: (dir: string) => Promise<T>): Promise<T> {
    return this.inCopy(prepared ? this.#template : this.#empty, work);
  }
}

interface Told {
  schedule: Schedule;
  lives: readonly Life[];
  dir: string;
  run: string;
  want: TreeOutcome;
  spent?: boolean;
}

/** Judges what the processes of a schedule left behind. */
export async function tell(tally: Tally, { schedule, lives, dir, run, want, spent }: Told): Promise<TreeOutcome> {
  const got = await outcomeOf(dir, run);
  const verdict = judge(got, want, spent);
  if (lives.at(-1)?.end?.status !== 'completed' && verdict.lost.length === 0)
    verdict.lost.push(`its last process ended with ${JSON.stringify(lives.at(-1)?.end)}`);
  tally.add(schedule, lives, verdict);
  return got;
}
