/** Tools that are written as generators: what one yields is progress, what it returns, or else yielded last, is its output. */
import { setImmediate } from 'node:timers/promises';

type Steps = Generator<unknown, unknown, undefined> | AsyncGenerator<unknown, unknown, undefined>;

/** Whether a value is what calling a generator gives; `throw` tells it from what can only be iterated over. */
export function isGenerator(value: unknown): value is Steps {
  if (typeof value !== 'object' || value === null) return false;
  try {
    if (!(Symbol.iterator in value || Symbol.asyncIterator in value)) return false;
    return (['next', 'return', 'throw'] as const).every((name) => typeof (value as Steps)[name] === 'function');
  } catch {
    // an object that cannot even be looked at
    return false;
  }
}

/** Steps of a generator between which the event loop has its turn: one that only yields would let no timeout fire. */
const TURN = 100;

/** Runs a generator to its end. One that is no longer waited for is ended at its next yield, and says nothing of what it did. */
export async function driven(steps: Steps, signal: AbortSignal, progress: (data: unknown) => void): Promise<unknown> {
  let last: unknown;
  for (let n = 1; ; n++) {
    const { done, value } = await steps.next();
    if (done) return value === undefined ? last : value;
    // a generator that yields promises means what they come to
    last = await value;
    if (n % TURN === 0) await setImmediate();
    if (signal.aborted) break;
    progress(last);
  }
  await steps.return(undefined);
  return new Promise(() => {});
}
