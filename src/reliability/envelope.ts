import type { Failure, Outcome } from '../errors.ts';
import type { Circuit } from './breaker.ts';
import { CancelSource } from './cancel.ts';
import { asSeen, bounded, type Classified, classify, type FallbackCode, type Mask, severity } from './classify.ts';
import { type EnvelopePolicy, mayRetry } from './policy.ts';
import { fullJitter, retry, sleep } from './retry.ts';
import { Attempt, type AttemptContext, Cancelled, isThenable, type Late, type Limit } from './timeout.ts';

export type { AttemptContext, Late } from './timeout.ts';

/** A service that asks to wait longer than this (or than `maxDelay`, if that is longer) is not waited for. */
const LONGEST_ASKED_WAIT = 60_000;

/**
 * How a guarded call ended. `attempts` (also in `error`) counts those that ran: 0 where the circuit was open from the start.
 * `cause` is what was thrown last. `cancelled` is set where our cancellation ended it; then the code is `CANCELLED`.
 */
export type Guarded<T> =
  | { readonly ok: true; readonly value: T; readonly attempts: number }
  | { readonly ok: false; readonly error: Failure; readonly cause: unknown; readonly cancelled?: true };

export interface FailedAttempt {
  attempt: number;
  code: string;
  message: string;
  /** Milliseconds until the next one; left out where there is none. */
  retryIn?: number;
}

export interface GuardOptions<T = unknown> {
  policy: EnvelopePolicy;
  circuit?: Circuit | undefined;
  /** A CancelSource is the cheaper one. */
  cancel?: CancelSource | AbortSignal | undefined;
  /** A bound from outside, such as the run's, in epoch ms. A call that it cuts off is not held against the circuit. */
  deadlineAt?: number | undefined;
  fallbackCode: FallbackCode;
  /** Takes secrets out of what failures say. */
  mask?: Mask | undefined;
  /** Called after each attempt that ran and failed, before the wait. What it throws ends the call, and `guard` rejects with it. */
  onAttemptFailed?: ((failed: FailedAttempt) => void | Promise<void>) | undefined;
  /** Called before each further attempt, after the wait and outside its timeout. What it throws ends the call likewise. */
  before?: (() => void | Promise<void>) | undefined;
  /** Called when an attempt that was given up ends after all. What it throws is ignored. */
  onLate?: ((late: Late<T>) => unknown) | undefined;
  /** Default Math.random. */
  random?: (() => number) | undefined;
}

/**
 * Runs a call inside total deadline, retry, circuit breaker and the timeout of each attempt, in this order from outside.
 *
 * Resolves also for failures and cancellation; rejects only with what `onAttemptFailed` or `before` threw. A cancelled call resolves at once,
 * whether it listens or not: `not-run` where it had not begun, else `unknown` (`failed` for a read, which has nothing to undo).
 */
export function guard<T>(run: (attempt: AttemptContext) => T | PromiseLike<T>, o: GuardOptions<T>): Promise<Guarded<T>> {
  const { cancel } = o;
  if (!cancel || cancel instanceof CancelSource) return within(run, o, cancel);
  const { source, unlink } = CancelSource.follow(cancel);
  return within(run, o, source).finally(unlink);
}

type Run<T> = (attempt: AttemptContext) => T | PromiseLike<T>;

function within<T>(run: Run<T>, o: GuardOptions<T>, cancel: CancelSource | undefined): Promise<Guarded<T>> {
  const { policy } = o;
  const now = Date.now();
  const own = policy.deadline === undefined ? Infinity : now + policy.deadline;
  const outer = o.deadlineAt ?? Infinity;
  const until = Math.min(own, outer);
  const first = new Attempt(run, 1, limit(policy, now, own, outer), cancel, o.onLate);
  if (until <= now && !cancel?.cancelled) return Promise.resolve(tooLate());
  return launch(first, o.circuit).then(succeeded, (thrown) => new Recovery(run, o, cancel, own, outer, first).from(thrown));
}

const succeeded = <T>(value: T): Guarded<T> => ({ ok: true, value, attempts: 1 });

/** The time an attempt that begins now may take: its timeout begins again with each sign of life, up to the total deadline. */
function limit(policy: EnvelopePolicy, now: number, own: number, outer: number): Limit {
  const timeout = policy.timeout ?? Infinity;
  const left = Math.min(own, outer) - now;
  const total = own <= outer ? 'deadline' : 'outer';
  if (timeout <= left) {
    const { longest = Infinity } = policy;
    const most = Math.max(timeout, longest) < left ? Math.max(timeout, longest) : left;
    return { ms: timeout, deadline: now + timeout, bound: 'timeout', most, mostBound: most < left ? 'timeout' : total };
  }
  return { ms: left, deadline: now + left, bound: total };
}

const launch = <T>(attempt: Attempt<T>, circuit: Circuit | undefined): Promise<T> =>
  circuit ? circuit.fire(() => attempt.start()) : attempt.start();

function tooLate<T>(): Guarded<T> {
  const message = 'The deadline had passed before the call could start.';
  return { ok: false, error: { code: 'TIMEOUT', message, retryable: true, attempts: 0, outcome: 'not-run' }, cause: undefined };
}

/** What happens once the first attempt has failed. */
class Recovery<T> {
  readonly #run: Run<T>;
  readonly #o: GuardOptions<T>;
  readonly #cancel: CancelSource | undefined;
  readonly #own: number;
  readonly #outer: number;
  #attempt: Attempt<T>;
  #ran = 0;
  /** Over all attempts: one that may have run is not undone by a later one that was refused. */
  #outcome: Outcome = 'not-run';
  /** Of the last attempt that ran, with a note why there is no other. */
  #last: { failure: Classified; cause: unknown; note?: string; retryAfter?: number } | undefined;

  constructor(run: Run<T>, o: GuardOptions<T>, cancel: CancelSource | undefined, own: number, outer: number, first: Attempt<T>) {
    this.#run = run;
    this.#o = o;
    this.#cancel = cancel;
    this.#own = own;
    this.#outer = outer;
    this.#attempt = first;
  }

  async from(first: unknown): Promise<Guarded<T>> {
    let unrecorded: { error: unknown } | undefined;
    try {
      const value = await retry(first, {
        attempts: this.#o.policy.attempts,
        run: (n) => this.#next(n),
        again: async (thrown, n) => {
          const failed = this.#judge(thrown, n);
          if (!failed) return false;
          try {
            const told = this.#o.onAttemptFailed?.(failed);
            if (isThenable(told)) await told;
          } catch (error) {
            unrecorded = { error };
            throw error;
          }
          if (failed.retryIn === undefined) return false;
          await sleep(failed.retryIn, this.#cancel);
          try {
            const may = this.#o.before?.();
            if (isThenable(may)) await may;
          } catch (error) {
            unrecorded = { error };
            throw error;
          }
          return true;
        },
      });
      return { ok: true, value, attempts: this.#ran + 1 };
    } catch (thrown) {
      if (unrecorded) throw unrecorded.error;
      return this.#ended(thrown);
    }
  }

  #next(n: number): Promise<T> {
    const now = Date.now();
    this.#attempt = new Attempt(this.#run, n, limit(this.#o.policy, now, this.#own, this.#outer), this.#cancel, this.#o.onLate);
    if (now >= Math.min(this.#own, this.#outer)) return Promise.reject(new Error('the total deadline passed before the next attempt'));
    return launch(this.#attempt, this.#o.circuit);
  }

  /** Takes note of a failed attempt and decides on the next; undefined where it did not run, or was cancelled. */
  #judge(thrown: unknown, n: number): FailedAttempt | undefined {
    if (this.#isCancelled(thrown) || !this.#attempt.started) return undefined;
    const { policy, fallbackCode, circuit, mask } = this.#o;
    const failure = asSeen(classify(thrown, fallbackCode, mask), policy.effect);
    this.#ran = n;
    if (severity[failure.outcome] > severity[this.#outcome]) this.#outcome = failure.outcome;
    this.#last = { failure, cause: thrown };
    const failed: FailedAttempt = { attempt: n, code: failure.code, message: failure.message };
    if (n >= policy.attempts || !mayRetry(failure, policy)) return failed;
    const wait = Math.max(fullJitter(n, policy, this.#o.random ?? Math.random), Math.ceil(failure.retryAfter ?? 0));
    const left = Math.min(this.#own, this.#outer) - Date.now();
    const opened = circuit?.retryAfter;
    if (opened !== undefined) {
      this.#last.note = `not tried again: its circuit is open for another ${opened} ms`;
      this.#last.retryAfter = Math.max(opened, failure.retryAfter ?? 0);
    } else if (left <= 0) {
      this.#last.note = 'not tried again: the total deadline has passed';
    } else if (wait >= left) {
      this.#last.note = `not tried again: the wait of ${wait} ms would cross the total deadline, ${left} ms from now`;
    } else if (wait > Math.max(policy.maxDelay, LONGEST_ASKED_WAIT)) {
      this.#last.note = `not tried again: it asks to wait ${wait} ms`;
    } else {
      failed.retryIn = wait;
    }
    return failed;
  }

  #ended(thrown: unknown): Guarded<T> {
    const { policy, fallbackCode, mask } = this.#o;
    if (this.#isCancelled(thrown)) return this.#cancelled(thrown);
    const now = classify(thrown, fallbackCode, mask);
    const { failure, cause, note, retryAfter } = this.#last ?? { failure: now, cause: thrown };
    // an attempt that did not run (circuit, deadline) does not replace the failure of one that did
    const refused = this.#last !== undefined && !this.#attempt.started;
    const why = refused ? `not tried again: ${now.message}` : note;
    const error: Failure = {
      code: failure.code,
      message: why === undefined ? failure.message : bounded(`${failure.message} (${why})`),
      retryable: failure.retryable && !(policy.effect === 'once' && this.#outcome === 'unknown'),
      attempts: this.#ran,
      outcome: this.#outcome,
    };
    const after = (refused ? now.retryAfter : retryAfter) ?? failure.retryAfter;
    if (after !== undefined) error.retryAfter = after;
    return { ok: false, error, cause };
  }

  /** Another call's cancellation, thrown by the run, is a failure like any other. */
  #isCancelled(thrown: unknown): thrown is Cancelled {
    return this.#cancel?.cancelled === true && Cancelled.is(thrown);
  }

  #cancelled(thrown: Cancelled): Guarded<T> {
    const running = this.#attempt.started && this.#attempt.attempt > this.#ran;
    const outcome = running ? (this.#o.policy.effect === 'read' ? 'failed' : 'unknown') : this.#outcome;
    const attempts = running ? this.#attempt.attempt : this.#ran;
    const message = attempts === 0 ? 'Cancelled before it began.' : running ? 'Cancelled while it ran.' : 'Cancelled between two attempts.';
    return { ok: false, error: { code: 'CANCELLED', message, retryable: false, attempts, outcome }, cause: thrown.cause, cancelled: true };
  }
}
