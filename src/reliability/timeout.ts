import type { CancelSource, Subscription } from './cancel.ts';
import { Timer } from './timer.ts';

/** The context of a running attempt. */
export interface AttemptContext {
  /** From 1. */
  readonly attempt: number;
  /** Aborted at the attempt's deadline and on cancellation. Created at the first access. */
  readonly signal: AbortSignal;
  /** When the attempt times out, epoch milliseconds; `Infinity` for never. Progress moves it. */
  readonly deadline: number;
  /** Reports progress: restarts the timeout, but not beyond {@link Limit.most}. Cheap enough for every chunk of a stream. */
  alive(): void;
}

/** The time limit of an attempt, in milliseconds from its start. `Infinity`: none. */
export interface Limit {
  /** Without progress. */
  readonly ms: number;
  /** The source of `ms`. */
  readonly bound: Bound;
  /** The end of `ms`, epoch milliseconds. */
  readonly deadline: number;
  /** With progress. If absent, progress does not extend the attempt. */
  readonly most?: number;
  /** The source of `most`. */
  readonly mostBound?: Bound;
}

/** The result of an attempt that settled after its caller had stopped waiting. */
export type Late<T = unknown> = { attempt: number } & ({ ok: true; value: T } | { ok: false; error: unknown });

/** The limit that ended an attempt: its own timeout, the call's total deadline, or an outer deadline such as the run's. */
export type Bound = 'timeout' | 'deadline' | 'outer';

const BOUND = {
  timeout: 'the timeout of one attempt',
  deadline: 'the deadline of all attempts',
  outer: 'the deadline from outside',
} as const satisfies Record<Bound, string>;

/** Thrown if an attempt timed out. */
export class Expired extends Error {
  readonly #bound: Bound;

  /** @param quiet whether it had reported progress before. */
  constructor(ms: number, bound: Bound, quiet = false) {
    super(`${quiet ? 'No sign of life for' : 'No result after'} ${Math.round(ms)} ms, ${BOUND[bound]}.`);
    this.name = 'TimeoutError';
    this.#bound = bound;
  }

  /** The bound of a thrown Expired; undefined for any other value. Uses a private field, because `instanceof` on a Proxy may throw. */
  static boundOf(thrown: unknown): Bound | undefined {
    return typeof thrown === 'object' && thrown !== null && #bound in thrown ? thrown.#bound : undefined;
  }
}

/** Thrown if the call was cancelled. `cause` is the reason. */
export class Cancelled extends Error {
  readonly #cancelled = true;

  constructor(reason: unknown) {
    super('Cancelled.', { cause: reason });
    this.name = 'AbortError';
  }

  /** Uses a private field, because `instanceof` on a Proxy may throw. */
  static is(thrown: unknown): thrown is Cancelled {
    return typeof thrown === 'object' && thrown !== null && #cancelled in thrown && thrown.#cancelled;
  }
}

/**
 * Races one run of a call against its time limit and a cancellation. If the run loses, its later result only goes to `onLate`.
 * The timer and the signal are created only if the run is asynchronous or reads the signal.
 */
export class Attempt<T> implements AttemptContext {
  readonly attempt: number;
  deadline: number;
  /** Whether `run` was called. */
  started = false;
  readonly #run: (attempt: AttemptContext) => T | PromiseLike<T>;
  readonly #limit: Limit;
  readonly #cancel: CancelSource | undefined;
  readonly #onLate: ((late: Late<T>) => unknown) | undefined;
  #controller: AbortController | undefined;
  /** Set when the caller stopped waiting: the reason for the signal. */
  #lost: { reason: unknown } | undefined;
  /** The start of the race and the last progress, on the monotonic clock. -1: not yet. */
  #began = -1;
  #heard = -1;

  constructor(
    run: (attempt: AttemptContext) => T | PromiseLike<T>,
    attempt: number,
    limit: Limit,
    cancel?: CancelSource,
    onLate?: (late: Late<T>) => unknown,
  ) {
    this.#run = run;
    this.attempt = attempt;
    this.#limit = limit;
    this.deadline = limit.deadline;
    this.#cancel = cancel;
    this.#onLate = onLate;
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#lost) this.#controller.abort(this.#lost.reason);
    }
    return this.#controller.signal;
  }

  // an arrow function, because callers destructure it
  get alive(): () => void {
    return () => this.#live();
  }

  #live(): void {
    const { ms, deadline, most } = this.#limit;
    // progress during the synchronous part of the run does not extend the limit
    if (most === undefined || this.#began < 0 || this.#lost) return;
    this.#heard = performance.now();
    this.deadline = deadline + Math.min(this.#heard - this.#began, most - ms);
  }

  /** Call it once. Rejects with the error of the run, {@link Expired} or {@link Cancelled}. */
  start(): Promise<T> {
    if (this.#cancel?.cancelled) return Promise.reject(new Cancelled(this.#cancel.reason));
    this.started = true;
    try {
      const result = this.#run(this);
      if (!isThenable(result)) return Promise.resolve(result);
      // Promise.resolve guards against a foreign thenable that settles twice or throws
      return this.#race(result instanceof Promise ? result : Promise.resolve(result));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #race(running: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      let waiting = true;
      let timer: Timer | undefined;
      let subscription: Subscription | undefined;
      const done = () => {
        waiting = false;
        timer?.clear();
        subscription?.remove();
      };
      const abandon = (error: Error, reason: unknown) => {
        if (!waiting) return;
        done();
        this.#lost = { reason };
        reject(error);
        this.#controller?.abort(reason);
      };
      const { ms, bound, most = ms, mostBound = bound } = this.#limit;
      const expire = (expired: Expired) => abandon(expired, new DOMException(expired.message, 'TimeoutError'));
      // progress only stores a time; the timer reads it when it fires and is set again
      const ring = () => {
        if (this.#heard < 0) return expire(new Expired(ms, bound));
        const now = performance.now();
        const [quiet, all] = [this.#heard + ms - now, this.#began + most - now];
        if (all <= 0) return expire(new Expired(most, mostBound));
        if (quiet <= 0) return expire(new Expired(ms, bound, true));
        timer = new Timer(Math.ceil(Math.min(quiet, all)), ring);
      };
      if (ms < Infinity) {
        this.#began = performance.now();
        timer = new Timer(ms, ring);
      }
      subscription = this.#cancel?.add((reason) => abandon(new Cancelled(reason), reason));
      running.then(
        (value) => {
          if (!waiting) return this.#tell({ attempt: this.attempt, ok: true, value });
          done();
          resolve(value);
        },
        (error) => {
          if (!waiting) return this.#tell({ attempt: this.attempt, ok: false, error });
          done();
          reject(error);
        },
      );
    });
  }

  /** Calls `onLate`. Its errors are swallowed, so that they do not become unhandled rejections. */
  #tell(late: Late<T>): void {
    try {
      const told = this.#onLate?.(late);
      if (isThenable(told)) Promise.resolve(told).catch(() => {});
    } catch {}
  }
}

export const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  value !== null && (typeof value === 'object' || typeof value === 'function') && typeof (value as { then?: unknown }).then === 'function';
