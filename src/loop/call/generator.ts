/** Tools that are generators: yielded values are progress; the output is the return value, or else the last yielded value. */

type Steps = Generator<unknown, unknown, undefined> | AsyncGenerator<unknown, unknown, undefined>;

/** Whether a value is a generator object. A plain iterable has no `throw`. */
export function isGenerator(value: unknown): value is Steps {
  if (typeof value !== 'object' || value === null) return false;
  try {
    if (!(Symbol.iterator in value || Symbol.asyncIterator in value)) return false;
    return (['next', 'return', 'throw'] as const).every((name) => typeof (value as Steps)[name] === 'function');
  } catch {
    // a getter of the value throws
    return false;
  }
}

/** Yields after which the event loop gets a turn. Otherwise no timeout could fire. */
const TURN = 100;

/** Runs a generator to its end. An attempt that timed out is stopped at its next yield; its outcome stays unknown. */
export async function driven(steps: Steps, signal: AbortSignal, progress: (data: unknown) => void): Promise<unknown> {
  let last: unknown;
  for (let n = 1; ; n++) {
    const { done, value } = await steps.next();
    if (done) return value === undefined ? last : value;
    // a yielded promise stands for its value
    last = await value;
    if (n % TURN === 0) await new Promise((resolve) => setImmediate(resolve));
    if (signal.aborted) break;
    progress(last);
  }
  await steps.return(undefined);
  return new Promise(() => {});
}
