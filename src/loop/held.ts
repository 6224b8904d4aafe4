import { RondoError } from '../errors.ts';
import type { Make } from '../journal/log.ts';
import type { Halt, Scope } from './types.ts';

/** Milliseconds between tries to write a result that the store could not take, and for how long. */
const HOLD = { wait: 250, longest: 60_000, halted: 5_000 };
/** Reasons to halt that leave time for it. */
const HALTED: ReadonlySet<string> = new Set(['cancel', 'limit']);

/** Writes what has happened already, so it must not be lost: where the store cannot take it now, holds it and tries again. */
export function held(scope: Scope, make: Make, power = false): void | Promise<void> {
  const again = (error: unknown) =>
    insisted(
      error,
      () => scope.append(make, power),
      () => scope.halt,
    );
  try {
    return scope.append(make, power)?.catch(again);
  } catch (error) {
    return again(error);
  }
}

/** Tries again what a store could not do that was out of reach. @throws the last error, of any other kind at once. */
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

/** Appends a note. Where the store cannot take it now, it is left out: the run does not depend on it. */
export async function noted(append: () => void | Promise<void>): Promise<void> {
  try {
    await append();
  } catch (error) {
    if (!RondoError.is(error, 'JOURNAL_UNAVAILABLE')) throw error;
  }
}
