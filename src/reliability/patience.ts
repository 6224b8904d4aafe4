import type { CancelSource } from './cancel.ts';

/**
 * The value, unless it takes longer: for code of the user's that stands outside the envelope (rules, policies, memories).
 * @throws Error where it took longer than `ms`. A late end of it changes nothing.
 */
export async function inTime<T>(value: T | PromiseLike<T>, ms: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not answer within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([value, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The run was halted while it waited for code of the user's. */
export class Halted extends Error {
  constructor() {
    super('the run was halted');
  }
}

/** The value, unless the run is halted first. A late end of it changes nothing. @throws Halted */
export function unlessHalted<T>(value: PromiseLike<T>, cancel: CancelSource): Promise<T> {
  return new Promise((resolve, reject) => {
    const subscription = cancel.add(() => reject(new Halted()));
    value.then(
      (v) => {
        subscription?.remove();
        resolve(v);
      },
      (error) => {
        subscription?.remove();
        reject(error);
      },
    );
  });
}
