import { setImmediate } from 'node:timers/promises';
import { vi } from 'vitest';

export interface Deferred<T = void> {
  promise: Promise<T>;
  resolve(value: T): void;
  reject(error: unknown): void;
}
export function deferred<T = void>(): Deferred<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}

/** Lets everything that can go on go on: the work of some turns of the event loop. */
export async function settle(turns = 20): Promise<void> {
  for (let i = 0; i < turns; i++) await setImmediate();
}

/** Closes an engine, or what closes one. The seconds that it gives to calls which do not end pass at once, as often as it waits for them. */
export async function hurried(close: () => Promise<unknown>): Promise<void> {
  // a timer from before is still cleared as what it is
  vi.useFakeTimers({ toFake: ['setTimeout'] });
  try {
    let open = true;
    const closed = close().finally(() => {
      open = false;
    });
    while (open) {
      // what needs no time comes first
      await settle();
      await vi.advanceTimersByTimeAsync(5_000);
    }
    await closed;
  } finally {
    vi.useRealTimers();
  }
}

/** Waits until something is so, and returns it; the test's own time limit ends it. */
export async function until<T>(so: () => T | Promise<T>): Promise<NonNullable<T>> {
  for (;;) {
    const found = await so();
    if (found) return found;
    await setImmediate();
  }
}

/** Waits until a check does not throw. Only a hang ends it: vitest would give up after a second, which a busy machine takes. */
export const eventually = <T>(check: () => T | Promise<T>): Promise<T> => vi.waitFor(check, { timeout: 240_000, interval: 20 });
