import { type Failure, notRun, type Outcome } from '../errors.ts';
import type { Circuit } from './breaker.ts';
import { CancelSource } from './cancel.ts';
import { asSeen, bounded, type Classified, classify, type FallbackCode, type Mask, severity } from './classify.ts';
import { type EnvelopePolicy, mayRetry } from './policy.ts';
import { fullJitter, retry, sleep } from './retry.ts';
import { Attempt, type AttemptContext, Cancelled, isThenable, type Late, type Limit } from './timeout.ts';

export type { AttemptContext, Late } from './timeout.ts';

/** Milliseconds. If a service asks to wait longer than this and than `maxDelay`, the call is not retried. */
const LONGEST_ASKED_WAIT = 60_000;

/**
 * The result of a guarded call. `attempts` (also in `error`) counts the attempts that ran: 0 if the circuit was open from the start.
 * `cause` is the last thrown value. `cancelled` is set if `cancel` ended the call; then the code is `CANCELLED`.
 */
export type Guarded<T> =
  | { readonly ok: true; readonly value: T; readonly attempts: number }
  | { readonly ok: false; readonly error: Failure; readonly cause: unknown; readonly cancelled?: true };

/** An attempt that ran and failed, whether or not another one follows. */
export interface FailedAttempt {
  /** From 1. */
  attempt: number;
  code: string;
  /** With secrets masked, at most 2,000 characters. */
  message: string;
  /** Milliseconds until the next attempt. Absent if there is none. */
  retryIn?: number;
}

/** What guards a call, and who is told of it. */
export interface GuardOptions<T = unknown> {
  policy: EnvelopePolicy;
  /** Undefined: no breaker. */
  circuit?: Circuit | undefined;
  /** A CancelSource is cheaper than an AbortSignal. */
  cancel?: CancelSource | AbortSignal | undefined;
  /** An outer deadline, such as the run's, in epoch milliseconds. A call that it ends does not count against the circuit. */
  deadlineAt?: number | undefined;
  /** The code of an error that no table lists. */
  fallbackCode: FallbackCode;
  /** Masks secrets in the messages of failures. */
  mask?: Mask | undefined;
  /** Called after each attempt that ran and failed, before the wait. If it throws, `guard` rejects with that error. `outcome`: its own. */
  onAttemptFailed?: ((failed: FailedAttempt, outcome: Outcome) => void | Promise<void>) | undefined;
  /** Called before a retry that the policy allows. @returns why there is none. */
  against?: ((outcome: Outcome, attempt: number) => string | undefined) | undefined;
  /** Called before each retry, after the wait and outside the attempt's timeout. If it throws, `guard` rejects with that error. */
  before?: (() => void | Promise<void>) | undefined;
  /** Called when an abandoned attempt settles later. An error of it is ignored. */
  onLate?: ((late: Late<T>) => unknown) | undefined;
  /** Default Math.random. */
  random?: (() => number) | undefined;
}

/**
 * Runs a call with, from outside in: the total deadline, retries, the circuit breaker and the timeout of each attempt.
 *
 * Resolves for failures and cancellation too; rejects only with an error of `onAttemptFailed` or `before`. A cancelled call resolves at
 * once, even if it ignores the signal: `not-run` if it had not started, else `unknown` (`failed` for a read).
 */
export function guard<T>(run: (attempt: AttemptContext) => T | PromiseLike<T>, o: GuardOptions<T>): Promise<Guarded<T>> {
  const { cancel, policy } = o;
  if (cancel && !(cancel instanceof CancelSource)) {
    const { source, unlink } = CancelSource.follow(cancel);
    return guard(run, { ...o, cancel: source }).finally(unlink);
  }
  const now = Date.now();
  const own = policy.deadline === undefined ? Infinity : now + policy.deadline;
  const outer = o.deadlineAt ?? Infinity;
  const until = Math.min(own, outer);
  const first = new Attempt(run, 1, limit(policy, now, own, outer), cancel, o.onLate);
  if (until <= now && !cancel?.cancelled) return Promise.resolve(tooLate());
  return launch(first, o.circuit).then(succeeded, (thrown) => new Recovery(run, o, cancel, own, outer, first).from(thrown));
}

type Run<T> = (attempt: AttemptContext) => T | PromiseLike<T>;

const succeeded = <T>(value: T): Guarded<T> => ({ ok: true, value, attempts: 1 });

/** The time limit of an attempt that starts now. Progress restarts its timeout, up to `longest` and the deadlines. */
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
  return { ok: false, error: notRun('TIMEOUT', 'The deadline had passed before the call could start.', true), cause: undefined };
}

/** Retries a call whose first attempt has failed. */
class Recovery<T> {
  readonly #run: Run<T>;
  readonly #o: GuardOptions<T>;
  readonly #cancel: CancelSource | undefined;
  readonly #own: number;
  readonly #outer: number;
  #attempt: Attempt<T>;
  #ran = 0;
  /** The worst outcome of all attempts: an attempt that may have taken effect still counts after a later one was refused. */
  #outcome: Outcome = 'not-run';
  /** The failure of the last attempt that ran, with a note why it was not retried. */
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
            const told = this.#o.onAttemptFailed?.(failed, this.#last?.failure.outcome ?? 'unknown');
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

  /** Records a failed attempt and decides about the next; undefined if it did not run, or was cancelled. */
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
      const why = this.#o.against?.(failure.outcome, n);
      if (why === undefined) failed.retryIn = wait;
      else this.#last.note = `not tried again: ${why}`;
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

  /** Whether this call was cancelled. If `run` throws the cancellation of another call, that is an ordinary failure. */
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
