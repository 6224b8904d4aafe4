/** The queue of writes. All writes of one tick of the event loop share a transaction; if the file is locked, they are retried. */
import { RondoError } from '../../../errors.ts';
import { LOCKED } from './errors.ts';

export interface Job {
  /** Whether the transaction must be flushed to disk. */
  readonly fsync: boolean;
  /** It may throw a RondoError only before it has written anything, because the other jobs of the transaction continue. */
  write(): unknown;
  resolve(result: unknown): void;
  reject(error: unknown): void;
}
interface Waiting extends Job {
  /** When to stop retrying, by `performance.now()`. */
  readonly until: number;
}

/** The result of a transaction: committed, not started because of a lock, or failed and rolled back. */
export type Verdict = 'done' | 'busy' | { readonly error: unknown };
type Outcome = { readonly ok: true; readonly result: unknown } | { readonly ok: false; readonly error: unknown };

/** Milliseconds that a write waits for a lock in total, and the longest and the first interval between attempts. */
export const PATIENCE = 5_000;
export const PAUSE = 100;
const FIRST_PAUSE = 5;

export class Queue {
  #jobs: Waiting[] = [];
  #immediate: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  #pause = FIRST_PAUSE;
  #idle: (() => void)[] = [];
  /** The runs that queued writes change; undefined among them: any. */
  readonly #of = new Set<string | undefined>();
  readonly #transact: (fsync: boolean, body: () => void) => Verdict;
  readonly #explain: (error: unknown) => Error;

  /** @param transact runs a function in one transaction. @param explain converts an error to a RondoError. */
  constructor(transact: (fsync: boolean, body: () => void) => Verdict, explain: (error: unknown) => Error) {
    this.#transact = transact;
    this.#explain = explain;
  }

  get empty(): boolean {
    return this.#jobs.length === 0;
  }

  /** Whether a queued write may change the entries of a run. */
  concerns(run: string | undefined): boolean {
    return !this.empty && (run === undefined || this.#of.has(run) || this.#of.has(undefined));
  }

  /** Runs the write at the end of this tick, in one transaction with the others. @param of the only run whose entries it changes. */
  add<T>(fsync: boolean, write: () => T, of?: string): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#of.add(of);
      this.#jobs.push({ fsync, write, resolve: resolve as (result: unknown) => void, reject, until: performance.now() + PATIENCE });
      if (!this.#timer) this.#immediate ??= setImmediate(() => this.flush());
    });
  }

  /** Runs the write synchronously if the queue is empty and the file is not locked; otherwise queues it. */
  now<T>(fsync: boolean, write: () => T, of?: string): T | Promise<T> {
    if (this.#jobs.length > 0) return this.add(fsync, write, of);
    let outcome: Outcome | undefined;
    const verdict = this.#transact(fsync, () => {
      outcome = attempt(write);
    });
    if (verdict === 'busy') return this.add(fsync, write, of);
    if (verdict !== 'done') throw this.#explain(verdict.error);
    const { ok, result, error } = outcome as { ok: boolean; result: T; error: unknown };
    if (ok) return result;
    throw error;
  }

  /** Runs the writes of this tick now. @returns false if some still wait for a lock. */
  catchUp(): boolean {
    if (!this.#timer) this.flush();
    return this.empty;
  }

  /** Runs all queued writes. Those that meet a lock stay queued and are retried. */
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
    this.#of.clear();
    for (const wake of this.#idle.splice(0)) wake();
  }

  /** Resolves when the queue is empty. */
  idle(): Promise<void> {
    return this.empty ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
  }

  /** @returns the jobs that must wait for the lock. */
  #run(jobs: Waiting[]): Waiting[] {
    const outcomes: Outcome[] = [];
    const verdict = this.#transact(
      jobs.some(({ fsync }) => fsync),
      () => {
        for (const { write } of jobs) outcomes.push(attempt(write));
      },
    );
    if (verdict === 'busy') return this.#stillPatient(jobs);
    if (verdict !== 'done') {
      // retried one by one, so that only the job that causes the error (such as a full disk) fails
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

/** A RondoError fails only this job. Any other error ends the transaction. */
function attempt(write: () => unknown): Outcome {
  try {
    return { ok: true, result: write() };
  } catch (error) {
    if (RondoError.is(error)) return { ok: false, error };
    throw error;
  }
}
