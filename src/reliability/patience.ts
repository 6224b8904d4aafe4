import { type Schema, type Validated, validate } from '../schema.ts';
import { isUnawaited } from '../unawaited.ts';
import type { CancelSource } from './cancel.ts';

/** Thrown if the run is halted while it waits for user code. */
export class Halted extends Error {
  constructor() {
    super('the run was halted');
  }
}

/** Thrown by `inTime` and `signalled` after their milliseconds. */
export class Late extends Error {}

/** The value, unless the run is halted first. A later result is ignored. @throws Halted */
export function unlessHalted<T>(value: PromiseLike<T>, cancel: CancelSource): Promise<T> {
  return first(value, undefined, cancel);
}

/** What a schema says of a value. It may be code of the user, which may take for ever. @throws Halted */
export function judged<T>(schema: Schema<unknown, T>, value: unknown, cancel: CancelSource): Validated<T> | Promise<Validated<T>> {
  const judging = validate(schema, value);
  return judging instanceof Promise ? unlessHalted(judging, cancel) : judging;
}

/**
 * The value, unless it takes longer than `ms` milliseconds or the run is halted. For user code that `guard` does not run: rules, policies,
 * memories. A later result is ignored.
 * @throws Late after `ms`; Halted.
 */
export function inTime<T>(value: T | PromiseLike<T>, ms: number, what: string, cancel?: CancelSource): Promise<T> {
  return first(Promise.resolve(value), { ms, what }, cancel);
}

/**
 * What user code answers that is not awaited. A promise is refused.
 * @throws Error for a promise.
 */
export function atOnce<T>(answer: T): T {
  if (!isUnawaited(answer)) return answer;
  throw new Error('it returned a promise, and is not awaited: write it without async');
}

/** Like `inTime`, for code that takes a signal. The signal is aborted when the wait ends without a result. */
export async function signalled<T>(
  ask: (signal: AbortSignal) => T | PromiseLike<T>,
  ms: number,
  what: string,
  cancel?: CancelSource,
): Promise<T> {
  const stop = new AbortController();
  try {
    return await inTime(ask(stop.signal), ms, what, cancel);
  } catch (error) {
    stop.abort(error);
    throw error;
  }
}

function first<T>(value: PromiseLike<T>, limit: { ms: number; what: string } | undefined, cancel: CancelSource | undefined): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = () => {
      subscription?.remove();
      reject(new Late(`${limit?.what} did not answer within ${limit?.ms} ms`));
    };
    const timer = limit && setTimeout(late, limit.ms);
    const subscription = cancel?.add(() => {
      clearTimeout(timer);
      reject(new Halted());
    });
    const done = () => {
      clearTimeout(timer);
      subscription?.remove();
    };
    value.then(
      (v) => {
        done();
        resolve(v);
      },
      (error) => {
        done();
        reject(error);
      },
    );
  });
}
