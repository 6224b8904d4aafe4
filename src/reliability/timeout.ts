import type { CancelSource, Subscription } from './cancel.ts';
import { Timer } from './timer.ts';

/** What a running attempt is told. */
export interface AttemptContext {
  /** 1 for the first. */
  readonly attempt: number;
  /** Aborted at the attempt's deadline and when the call is cancelled. Made at the first access: not looking at it costs nothing. */
  readonly signal: AbortSignal;
  /** When the attempt is given up, epoch milliseconds; `Infinity` where never. A sign of life moves it. */
  readonly deadline: number;
  /** A sign of life: the timeout begins again, but never reaches past {@link Limit.most}. Cheap: once for each piece of a stream is fine. */
  alive(): void;
}

/** How long an attempt may take, in ms from its start. `Infinity` for no bound. */
export interface Limit {
  /** Without a sign of life. */
  readonly ms: number;
  /** What `ms` is. */
  readonly bound: Bound;
  /** When that is, epoch ms. */
  readonly deadline: number;
  /** With signs of life; left out, they change nothing. */
  readonly most?: number;
  /** What `most` is. */
  readonly mostBound?: Bound;
}

/** How an attempt ended after its caller had stopped waiting. */
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

  /** @param quiet it had shown signs of life before. */
  constructor(ms: number, bound: Bound, quiet = false) {
    super(`${quiet ? 'No sign of life for' : 'No result after'} ${Math.round(ms)} ms, ${BOUND[bound]}.`);
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
 * One run of a call in a race against a timer and a cancellation. The run's end is reported to `onLate` if it lost the race, and changes nothing.
 * A run that answers at once, or never looks at its signal, pays for neither.
 */
export class Attempt<T> implements AttemptContext {
  readonly attempt: number;
  deadline: number;
  /** Whether the run was entered. */
  started = false;
  readonly #run: (attempt: AttemptContext) => T | PromiseLike<T>;
  readonly #limit: Limit;
  readonly #cancel: CancelSource | undefined;
  readonly #onLate: ((late: Late<T>) => unknown) | undefined;
  #controller: AbortController | undefined;
  /** Why the caller stopped waiting: the reason of the aborted signal. */
  #lost: { reason: unknown } | undefined;
  /** When the race began, and the last sign of life; on the clock that does not jump. -1: not yet. */
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

  // bound, because it is taken out of the context
  get alive(): () => void {
    return () => this.#live();
  }

  #live(): void {
    const { ms, deadline, most } = this.#limit;
    // while the run is entered, its time has only begun
    if (most === undefined || this.#began < 0 || this.#lost) return;
    this.#heard = performance.now();
    this.deadline = deadline + Math.min(this.#heard - this.#began, most - ms);
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
      const { ms, bound, most = ms, mostBound = bound } = this.#limit;
      const expire = (expired: Expired) => abandon(expired, new DOMException(expired.message, 'TimeoutError'));
      // a sign of life only takes a note: the timer looks at it when it rings, and is set again
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
