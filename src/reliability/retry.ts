import pRetry from 'p-retry';
import type { CancelSource, Subscription } from './cancel.ts';
import { Cancelled } from './timeout.ts';
import { Timer } from './timer.ts';

/**
 * Exponential backoff with full jitter: a random delay below a bound that doubles with every attempt, up to `maxDelay`. In whole
 * milliseconds.
 * @param attempt the failed attempt, from 1.
 * @param random returns a number from 0 to 1, like Math.random.
 */
export function fullJitter(attempt: number, o: { initialDelay: number; maxDelay: number }, random: () => number): number {
  if (o.initialDelay === 0) return 0;
  return Math.floor(random() * Math.min(o.maxDelay, o.initialDelay * 2 ** (attempt - 1)));
}

/** Waits, at least one turn of the event loop. Rejects with {@link Cancelled} on cancellation. */
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

/** Wraps a thrown value for p-retry, which would stop at a TypeError, replace non-Errors and unwrap its own AbortError. */
class Thrown extends Error {
  readonly #value: unknown;

  constructor(value: unknown) {
    super();
    this.#value = value;
  }

  /** The thrown value, wrapped or not. Uses a private field, because `instanceof` on a Proxy may throw. */
  static unwrap(error: unknown): unknown {
    return typeof error === 'object' && error !== null && #value in error ? error.#value : error;
  }
}

/**
 * Retries after a failed first attempt, up to `attempts` in total. Before each retry it calls `again`, which decides and waits.
 * Rejects with the error of the last attempt, or of `again`.
 */
export async function retry<T>(
  first: unknown,
  o: { attempts: number; run(attempt: number): Promise<T>; again(thrown: unknown, attempt: number): Promise<boolean> },
): Promise<T> {
  let more = false;
  try {
    return await pRetry((attempt) => (attempt === 1 ? Promise.reject(new Thrown(first)) : o.run(attempt).catch(wrap)), {
      retries: o.attempts - 1,
      // p-retry has no full jitter, and its sleep cannot be cancelled by a CancelSource, so `again` waits
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
