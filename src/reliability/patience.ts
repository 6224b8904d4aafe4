import type { CancelSource } from './cancel.ts';

/** The run was halted while it waited for code of the user's. */
export class Halted extends Error {
  constructor() {
    super('the run was halted');
  }
}

/** The value, unless the run is halted first. A late end of it changes nothing. @throws Halted */
export function unlessHalted<T>(value: PromiseLike<T>, cancel: CancelSource): Promise<T> {
  return first(value, undefined, cancel);
}

/**
 * The value, unless it takes longer or the run is halted: for code of the user's that stands outside the envelope (rules,
 * policies, memories). A late end of it changes nothing.
 * @throws Error where it took longer than `ms`; Halted.
 */
export function inTime<T>(value: T | PromiseLike<T>, ms: number, what: string, cancel?: CancelSource): Promise<T> {
  return first(Promise.resolve(value), { ms, what }, cancel);
}

/** As `inTime`, for code that takes a signal: it is aborted where its answer is not waited for any more. */
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
      reject(new Error(`${limit?.what} did not answer within ${limit?.ms} ms`));
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
