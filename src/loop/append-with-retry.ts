import { RondoError } from '../errors.ts';
import type { Make } from '../journal/log.ts';
import type { Halt, Scope } from './types.ts';

/** Milliseconds between two attempts to append, and of all attempts, for a running and for a halted run. */
const HOLD = { wait: 250, longest: 60_000, halted: 5_000 };
/** Reasons for a halt that leave time for more attempts. */
const HALTED: ReadonlySet<string> = new Set(['cancel', 'limit']);

/** Appends the record of something that has happened, so it must not be lost: if the store is unavailable, it is retried. */
export function appendWithRetry(scope: Scope, make: Make, fsync = false): void | Promise<void> {
  const again = (error: unknown) =>
    insisted(
      error,
      () => scope.append(make, fsync),
      () => scope.halt,
    );
  try {
    return scope.append(make, fsync)?.catch(again);
  } catch (error) {
    return again(error);
  }
}

/** Retries an operation on a store that was unavailable. @throws the last error; one of another kind at once. */
export async function insisted<T>(error: unknown, again: () => T | Promise<T>, halted: () => Halt | undefined): Promise<T> {
  const since = Date.now();
  for (let last = error; ; ) {
    const { why } = halted() ?? {};
    if (why && !HALTED.has(why)) throw last;
    if (!RondoError.is(last, 'JOURNAL_UNAVAILABLE') || Date.now() - since > (why ? HOLD.halted : HOLD.longest)) throw last;
    await new Promise((resolve) => setTimeout(resolve, HOLD.wait));
    try {
      return await again();
    } catch (e) {
      last = e;
    }
  }
}

/** Appends an informational entry. If the store is unavailable it is dropped, because the run does not depend on it. */
export async function noted(append: () => void | Promise<void>): Promise<void> {
  try {
    await append();
  } catch (error) {
    if (!RondoError.is(error, 'JOURNAL_UNAVAILABLE')) throw error;
  }
}
