/** Writes that wait for their transaction: those of one tick of the event loop share one, those that met a lock try again. */
import { RondoError } from '../../../errors.ts';
import { LOCKED } from './errors.ts';

export interface Job {
  /** Whether the transaction must reach the disk itself. */
  readonly power: boolean;
  /** Throws a RondoError only before it has written anything: the other jobs of its transaction go on then. */
  write(): unknown;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}
interface Waiting extends Job {
  /** When to give up, by `performance.now()`. */
  readonly until: number;
}

/** What became of a transaction: done, the lock is taken, or it failed as a whole and nothing of it was written. */
export type Verdict = 'done' | 'busy' | { readonly error: unknown };
type Outcome = { readonly ok: true; readonly result: unknown } | { readonly ok: false; readonly error: unknown };

/** How long a write waits for a lock in all, and from one attempt to the next: less at first, in milliseconds. */
export const PATIENCE = 5_000;
export const PAUSE = 100;
const FIRST_PAUSE = 5;

export class Queue {
  #jobs: Waiting[] = [];
  #immediate: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  #pause = FIRST_PAUSE;
  #idle: (() => void)[] = [];
  readonly #transact: (power: boolean, body: () => void) => Verdict;
  readonly #explain: (error: unknown) => Error;

  /** `transact` runs a body in one transaction; `explain` makes errors ours. */
  constructor(transact: (power: boolean, body: () => void) => Verdict, explain: (error: unknown) => Error) {
    this.#transact = transact;
    this.#explain = explain;
  }

  get empty(): boolean {
    return this.#jobs.length === 0;
  }

  /** Runs the write at the end of this tick, with the others of the tick. */
  add<T>(power: boolean, write: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#jobs.push({ power, write, resolve: resolve as (result: unknown) => void, reject, until: performance.now() + PATIENCE });
      if (!this.#timer) this.#immediate ??= setImmediate(() => this.flush());
    });
  }

  /** Runs the write before it returns, if nothing waits and the lock is free; else it is queued. */
  now<T>(power: boolean, write: () => T): T | Promise<T> {
    if (this.#jobs.length > 0) return this.add(power, write);
    let outcome: Outcome | undefined;
    const verdict = this.#transact(power, () => {
      outcome = attempt(write);
    });
    if (verdict === 'busy') return this.add(power, write);
    if (verdict !== 'done') throw this.#explain(verdict.error);
    const { ok, result, error } = outcome as { ok: boolean; result: T; error: unknown };
    if (ok) return result;
    throw error;
  }

  /** Writes what waits for the end of the tick; false where something waits for a lock, so that it takes longer. */
  catchUp(): boolean {
    if (!this.#timer) this.flush();
    return this.empty;
  }

  /** Writes what waits, as far as locks allow. */
  flush(): void {
    clearImmediate(this.#immediate);
    clearTimeout(this.#timer);
    this.#immediate = this.#timer = undefined;
    if (this.empty) return;
    this.#jobs = this.#run(this.#jobs);
    if (this.#jobs.length > 0) {
      this.#timer = setTimeout(() => this.flush(), this.#pause);
      this.#pause = Math.min(2 * this.#pause, PAUSE);
      return;
    }
    this.#pause = FIRST_PAUSE;
    for (const wake of this.#idle.splice(0)) wake();
  }

  /** Resolves when nothing waits any more. */
  idle(): Promise<void> {
    return this.empty ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Returns the jobs that have to wait. */
  #run(jobs: Waiting[]): Waiting[] {
    const outcomes: Outcome[] = [];
    const verdict = this.#transact(
      jobs.some(({ power }) => power),
      () => {
        for (const { write } of jobs) outcomes.push(attempt(write));
      },
    );
    if (verdict === 'busy') return this.#stillPatient(jobs);
    if (verdict !== 'done') {
      // one job may have been too much for the disk: the others need not share its fate
      if (jobs.length > 1) return jobs.flatMap((job) => this.#run([job]));
      jobs[0]?.reject(this.#explain(verdict.error));
      return [];
    }
    for (const [i, job] of jobs.entries()) {
      const outcome = outcomes[i] as Outcome;
      if (outcome.ok) job.resolve(outcome.result);
      else job.reject(outcome.error);
    }
    return [];
  }

  #stillPatient(jobs: Waiting[]): Waiting[] {
    const now = performance.now();
    return jobs.filter((job) => {
      if (job.until > now) return true;
      job.reject(this.#explain(LOCKED));
      return false;
    });
  }
}

/** A refusal is the job's own; anything else ends the transaction. */
function attempt(write: () => unknown): Outcome {
  try {
    return { ok: true, result: write() };
  } catch (error) {
    if (RondoError.is(error)) return { ok: false, error };
    throw error;
  }
}
