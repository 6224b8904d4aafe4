import { vi } from 'vitest';

// captured before anything is faked: a turn of the real event loop lets all promises settle
const realImmediate = setImmediate;
const turn = () => new Promise<void>((resolve) => realImmediate(resolve));

/** Time that passes only when everything waits. Take it in `beforeEach`, give it back in `afterEach`. */
export const virtualTime = () =>
  vi.useFakeTimers({
    now: 1_800_000_000_000,
    toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'setImmediate', 'clearImmediate', 'Date', 'performance'],
  });

/** An hour of virtual time, in which everything here must have come to its end. */
const LONGEST = 3_600_000;

/** Lets time pass until a promise settles. @throws Error `hangs` where it never does. */
export async function passing<T>(promise: PromiseLike<T>, what: string): Promise<T> {
  let settled = false;
  const done = () => {
    settled = true;
  };
  promise.then(done, done);
  const until = Date.now() + LONGEST;
  for (let idle = 0; !settled; ) {
    await turn();
    if (settled) break;
    if (vi.getTimerCount() > 0 && Date.now() < until) vi.advanceTimersToNextTimer();
    else if (++idle > 20)
      throw new Error(`${what} hangs: it has not ended after ${LONGEST / 60_000} minutes, ${vi.getTimerCount()} timers are left`);
  }
  return promise;
}
