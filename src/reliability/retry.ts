import pRetry from 'p-retry';
import type { CancelSource, Subscription } from './cancel.ts';
import { Cancelled } from './timeout.ts';
import { Timer } from './timer.ts';

/**
 * Full jitter: a random part of a bound that doubles with every attempt and ends at `maxDelay`. Whole milliseconds.
 * @param attempt the one that failed, from 1.
 * @param random from 0 to 1, as Math.random.
 */
export function fullJitter(attempt: number, o: { initialDelay: number; maxDelay: number }, random: () => number): number {
  if (o.initialDelay === 0) return 0;
  return Math.floor(random() * Math.min(o.maxDelay, o.initialDelay * 2 ** (attempt - 1)));
}

/** Waits, if only for a turn of the event loop. Rejects with {@link Cancelled} as soon as it is cancelled. */
export function sleep(ms: number, cancel?: CancelSource): Promise<void> {
  return new Promise((resolve, reject) => {
    let subscription: Subscription | undefined;
    const timer = new Timer(ms, () => {
      subscription?.remove();
      resolve();
    });
    subscription = cancel?.add((reason) => {
      timer.clear();
      reject(new Cancelled(reason));
    });
  });
}

/** Carries any thrown value through p-retry, which stops at a TypeError, replaces what is not an Error, and unwraps its own AbortError. */
class Thrown extends Error {
  readonly #value: unknown;

  constructor(value: unknown) {
    super();
    this.#value = value;
  }

  /** What was thrown, wrapped or not. Never throws, where `instanceof` would ask a Proxy. */
  static unwrap(error: unknown): unknown {
    return typeof error === 'object' && error !== null && #value in error ? error.#value : error;
  }
}

/**
 * Goes on after a first attempt that failed: asks `again`, which also does the waiting, and runs the next one, up to `attempts` in all.
 * Rejects with what the last attempt threw, or with what `again` threw.
 */
export async function retry<T>(
  first: unknown,
  o: { attempts: number; run(attempt: number): Promise<T>; again(thrown: unknown, attempt: number): Promise<boolean> },
): Promise<T> {
  let more = false;
  try {
    return await pRetry((attempt) => (attempt === 1 ? Promise.reject(new Thrown(first)) : o.run(attempt).catch(wrap)), {
      retries: o.attempts - 1,
      // p-retry has no full jitter and its sleep does not know our cancellation, so `again` waits
      minTimeout: 0,
      onFailedAttempt: async ({ error, attemptNumber }) => {
        more = await o.again(Thrown.unwrap(error), attemptNumber);
      },
      shouldRetry: () => more,
    });
  } catch (error) {
    throw Thrown.unwrap(error);
  }
}

const wrap = (error: unknown): never => {
  throw new Thrown(error);
};
