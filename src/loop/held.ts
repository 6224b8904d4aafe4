import { RondoError } from '../errors.ts';
import type { Make } from '../journal/log.ts';
import type { Scope } from './scope.ts';

/** Milliseconds between tries to write a result that the store could not take, and for how long. */
const HOLD = { wait: 250, longest: 60_000, halted: 5_000 };
/** Reasons to halt that leave time for it. */
const HALTED: ReadonlySet<string> = new Set(['cancel', 'limit']);

/** Writes what has happened already, so it must not be lost: where the store cannot take it now, holds it and tries again. */
export function held(scope: Scope, make: Make, power = false): void | Promise<void> {
  const since = Date.now();
  const again = async (error: unknown): Promise<void> => {
    for (;;) {
      const { why } = scope.halt ?? {};
      if (why && !HALTED.has(why)) throw error;
      if (!RondoError.is(error, 'JOURNAL_UNAVAILABLE') || Date.now() - since > (why ? HOLD.halted : HOLD.longest)) throw error;
      await new Promise((resolve) => setTimeout(resolve, HOLD.wait));
      try {
        return await scope.append(make, power);
      } catch (e) {
        error = e;
      }
    }
  };
  try {
    return scope.append(make, power)?.catch(again);
  } catch (error) {
    return again(error);
  }
}
