import type { CancelSource, Subscription } from './cancel.ts';
import { Timer } from './timer.ts';

/** What a running attempt is told. */
export interface AttemptContext {
  /** 1 for the first. */
  readonly attempt: number;
  /** Aborted at the attempt's deadline and when the call is cancelled. Made at the first access: not looking at it costs nothing. */
  readonly signal: AbortSignal;
  /** When the attempt is given up, epoch milliseconds; `Infinity` where never. */
  readonly deadline: number;
}

/** How an attempt ended after nobody waited for it any more. */
export type Late<T = unknown> = { attempt: number } & ({ ok: true; value: T } | { ok: false; error: unknown });

/** Which bound an attempt ran into: its own timeout, the call's total deadline, or one from outside, such as the run's. */
export type Bound = 'timeout' | 'deadline' | 'outer';

const BOUND = {
  timeout: 'the timeout of one attempt',
  deadline: 'the deadline of all attempts',
  outer: 'the deadline from outside',
} as const satisfies Record<Bound, string>;

/** The attempt was given up at its deadline. */
export class Expired extends Error {
  readonly #bound: Bound;

  constructor(ms: number, bound: Bound) {
    super(`No result after ${Math.round(ms)} ms, ${BOUND[bound]}.`);
    this.name = 'TimeoutError';
    this.#bound = bound;
  }

  /** The bound that a thrown value says was hit, if it is an Expired. Never throws, where `instanceof` would ask a Proxy. */
  static boundOf(thrown: unknown): Bound | undefined {
    return typeof thrown === 'object' && thrown !== null && #bound in thrown ? thrown.#bound : undefined;
  }
}

/** The call was cancelled; the reason is its cause. */
export class Cancelled extends Error {
  readonly #cancelled = true;

  constructor(reason: unknown) {
    super('Cancelled.', { cause: reason });
    this.name = 'AbortError';
  }

  /** Never throws, where `instanceof` would ask a Proxy. */
  static is(thrown: unknown): thrown is Cancelled {
    return typeof thrown === 'object' && thrown !== null && #cancelled in thrown && thrown.#cancelled;
  }
}

/**
 * One run of a call in a race against a timer and a cancellation. Whoever comes second is reported to `onLate` and changes nothing.
 * A run that answers at once, or never looks at its signal, pays for neither.
 */
export class Attempt<T> implements AttemptContext {
  readonly attempt: number;
  readonly deadline: number;
  /** Whether the run was entered. */
  started = false;
  readonly #run: (attempt: AttemptContext) => T | PromiseLike<T>;
  readonly #ms: number;
  readonly #bound: Bound;
  readonly #cancel: CancelSource | undefined;
  readonly #onLate: ((late: Late<T>) => unknown) | undefined;
  #controller: AbortController | undefined;
  /** Why nobody waits any more; what an aborted signal gives as its reason. */
  #lost: { reason: unknown } | undefined;

  /** @param limit.ms `Infinity` for no timeout. */
  constructor(
    run: (attempt: AttemptContext) => T | PromiseLike<T>,
    attempt: number,
    limit: { ms: number; deadline: number; bound: Bound },
    cancel?: CancelSource,
    onLate?: (late: Late<T>) => unknown,
  ) {
    this.#run = run;
    this.attempt = attempt;
    this.#ms = limit.ms;
    this.deadline = limit.deadline;
    this.#bound = limit.bound;
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

  /** Runs once. Rejects with what was thrown, with {@link Expired} or with {@link Cancelled}. */
  start(): Promise<T> {
    if (this.#cancel?.cancelled) return Promise.reject(new Cancelled(this.#cancel.reason));
    this.started = true;
    try {
      const result = this.#run(this);
      if (!isThenable(result)) return Promise.resolve(result);
      // somebody else's thenable may call back twice, or throw: Promise.resolve makes it behave
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
      if (this.#ms < Infinity) {
        timer = new Timer(this.#ms, () => {
          const expired = new Expired(this.#ms, this.#bound);
          abandon(expired, new DOMException(expired.message, 'TimeoutError'));
        });
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

  /** A listener that fails must not disturb anybody, and above all must not become an unhandled rejection. */
  #tell(late: Late<T>): void {
    try {
      const told = this.#onLate?.(late);
      if (isThenable(told)) Promise.resolve(told).catch(() => {});
    } catch {}
  }
}

export const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  value !== null && (typeof value === 'object' || typeof value === 'function') && typeof (value as { then?: unknown }).then === 'function';
