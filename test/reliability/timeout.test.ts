import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { CancelSource, Subscription } from '../../src/reliability/cancel.ts';
import { sleep } from '../../src/reliability/retry.ts';
import { Attempt, type AttemptContext, Cancelled, Expired, type Late, type Limit } from '../../src/reliability/timeout.ts';
import { LONGEST_TIMER, Timer } from '../../src/reliability/timer.ts';

const limit = (ms: number) => ({ ms, deadline: Date.now() + ms, bound: 'timeout' as const });
const never = () => new Promise<never>(() => {});
const later = (ms: number, value: unknown, fail = false) =>
  new Promise<unknown>((resolve, reject) => setTimeout(fail ? reject : resolve, ms, value));

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('the race', () => {
  it('a run that ignores its signal still ends at the deadline', async () => {
    const attempt = new Attempt(never, 1, limit(100));
    const end = vi.fn();
    attempt.start().catch(end);
    await vi.advanceTimersByTimeAsync(99);
    expect(end).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(Expired.boundOf(end.mock.calls[0]?.[0])).toBe('timeout');
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each([false, true])('a late result is reported only to onLate (rejects: %s)', async (fail) => {
    const late = vi.fn<(l: Late) => void>();
    const value = fail ? new Error('late') : 'late';
    const attempt = new Attempt(() => later(200, value, fail), 3, limit(100), undefined, late);
    const end = vi.fn();
    attempt.start().then(end, end);
    await vi.advanceTimersByTimeAsync(150);
    expect(end).toHaveBeenCalledOnce();
    expect(late).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(100);
    expect(late.mock.calls).toEqual([[fail ? { attempt: 3, ok: false, error: value } : { attempt: 3, ok: true, value }]]);
    expect(end).toHaveBeenCalledOnce();
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('listener');
      },
    ],
    ['rejects', () => Promise.reject(new Error('listener'))],
  ])('an onLate that %s disturbs no one', async (_, onLate) => {
    // vitest fails the run on an unhandled rejection
    let called = 0;
    // no mock: it would handle the rejection
    const listener = () => {
      called++;
      return onLate();
    };
    new Attempt(() => later(200, 1), 1, limit(100), undefined, listener).start().catch(() => {});
    await vi.advanceTimersByTimeAsync(300);
    expect(called).toBe(1);
  });

  it('an end in time leaves no timer and tells no onLate', async () => {
    const late = vi.fn();
    for (const fail of [false, true]) {
      const end = new Attempt(() => later(50, 'x', fail), 1, limit(100), undefined, late).start().catch((e) => e);
      await vi.advanceTimersByTimeAsync(50);
      expect(await end).toBe('x');
      expect(vi.getTimerCount()).toBe(0);
    }
    expect(late).not.toHaveBeenCalled();
  });

  it('a plain value costs no timer, a throw is a rejection', async () => {
    const set = vi.spyOn(globalThis, 'setTimeout');
    expect(await new Attempt(() => 7, 1, limit(100)).start()).toBe(7);
    await expect(new Attempt(() => JSON.parse('{'), 1, limit(100)).start()).rejects.toBeInstanceOf(SyntaxError);
    expect(set).not.toHaveBeenCalled();
    set.mockRestore();
  });

  it('thenables: lazy, hostile, twice', async () => {
    const late = vi.fn();
    const run = (value: unknown) => new Attempt(() => value as PromiseLike<unknown>, 1, limit(100), undefined, late).start();
    // biome-ignore-start lint/suspicious/noThenProperty: thenables are what this is about
    expect(await run({ then: (ok: (v: number) => void) => [ok(1), ok(2)] })).toBe(1);
    await expect(
      run({
        then: () => {
          throw new Error('then');
        },
      }),
    ).rejects.toThrow('then');
    await expect(
      run({
        get then() {
          throw new Error('getter');
        },
      }),
    ).rejects.toThrow('getter');
    // biome-ignore-end lint/suspicious/noThenProperty: thenables are what this is about
    expect(late).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('a sign of life', () => {
  const streaming = (every: number, times: number, limits: Limit = { ...limit(100), most: Infinity, mostBound: 'deadline' }) => {
    let seen: AttemptContext | undefined;
    const run = async (a: AttemptContext) => {
      seen = a;
      for (let i = 0; i < times; i++) {
        await new Promise((r) => setTimeout(r, every));
        a.alive();
      }
      return never();
    };
    const end = vi.fn();
    const attempt = new Attempt(run, 1, limits);
    attempt.start().catch(end);
    return { end, deadline: () => seen?.deadline, aborted: () => seen?.signal.aborted };
  };

  it('restarts the timeout, and the attempt ends one timeout after the last progress', async () => {
    const { end, deadline, aborted } = streaming(90, 5);
    const began = Date.now();
    expect(deadline()).toBe(began + 100);
    await vi.advanceTimersByTimeAsync(549);
    expect(deadline()).toBe(began + 550);
    expect(end).not.toHaveBeenCalled();
    expect(aborted()).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(end.mock.calls).toMatchObject([[{ message: 'No sign of life for 100 ms, the timeout of one attempt.' }]]);
    expect(aborted()).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('never moves it past the bound of all attempts', async () => {
    const { end, deadline } = streaming(90, 5, { ...limit(100), most: 250, mostBound: 'deadline' });
    const began = Date.now();
    await vi.advanceTimersByTimeAsync(249);
    expect(deadline()).toBe(began + 250);
    expect(end).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(Expired.boundOf(end.mock.calls[0]?.[0])).toBe('deadline');
    expect(end.mock.calls).toMatchObject([[{ message: 'No result after 250 ms, the deadline of all attempts.' }]]);
  });

  it('costs no timer of its own, and changes nothing where no bound is left, or after the end', async () => {
    const set = vi.spyOn(globalThis, 'setTimeout');
    let seen: AttemptContext | undefined;
    const run = (a: AttemptContext) => {
      seen = a;
      return later(150, 'x');
    };
    const end = new Attempt(run, 1, { ...limit(100), most: Infinity }).start();
    await vi.advanceTimersByTimeAsync(60);
    for (let i = 0; i < 1_000; i++) seen?.alive();
    await vi.advanceTimersByTimeAsync(90);
    expect(await end).toBe('x');
    // the tool's, the attempt's, and the one that went on
    expect(set).toHaveBeenCalledTimes(3);
    set.mockRestore();
    seen?.alive();
    expect(vi.getTimerCount()).toBe(0);
    const fixed = streaming(90, 5, limit(100)).end;
    await vi.advanceTimersByTimeAsync(100);
    expect(fixed).toHaveBeenCalledOnce();
  });

  it('is not undone by a wall clock that jumps', async () => {
    const { end } = streaming(90, 5);
    await vi.advanceTimersByTimeAsync(95);
    vi.setSystemTime(Date.now() + 3_600_000);
    await vi.advanceTimersByTimeAsync(100);
    vi.setSystemTime(Date.now() - 7_200_000);
    await vi.advanceTimersByTimeAsync(549 - 195);
    expect(end).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(1);
    expect(end).toHaveBeenCalledOnce();
  });
});

describe('the signal', () => {
  it('is made only where somebody looks', async () => {
    const made = vi.spyOn(globalThis, 'AbortController');
    const end = new Attempt(() => later(10, 1), 1, limit(100), new CancelSource()).start();
    await vi.advanceTimersByTimeAsync(10);
    await end;
    expect(made).not.toHaveBeenCalled();
    const looking = new Attempt((a) => expect(a.signal).toBe(a.signal), 1, limit(100));
    await looking.start();
    expect(made).toHaveBeenCalledOnce();
    made.mockRestore();
  });

  it('is aborted at the deadline with a TimeoutError, and by a cancellation with its reason', async () => {
    let seen: AttemptContext | undefined;
    const run = (a: AttemptContext) => {
      seen = a;
      a.signal;
      return never();
    };
    new Attempt(run, 1, limit(100)).start().catch(() => {});
    await vi.advanceTimersByTimeAsync(100);
    expect(seen?.signal).toMatchObject({ aborted: true, reason: { name: 'TimeoutError' } });
    const cancel = new CancelSource();
    const reason = new Error('stop');
    const end = new Attempt(run, 1, limit(100), cancel).start();
    expect(seen?.signal.aborted).toBe(false);
    cancel.cancel(reason);
    await expect(end).rejects.toSatisfy(Cancelled.is);
    expect(seen?.signal.reason).toBe(reason);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('asked for too late, it is already aborted', async () => {
    let seen: AttemptContext | undefined;
    const run = (a: AttemptContext) => {
      seen = a;
      return never();
    };
    new Attempt(run, 1, limit(100)).start().catch(() => {});
    await vi.advanceTimersByTimeAsync(100);
    expect(seen?.signal.aborted).toBe(true);
  });

  it('is left alone after an end in time', async () => {
    const cancel = new CancelSource();
    let seen: AttemptContext | undefined;
    const run = (a: AttemptContext) => {
      seen = a;
      a.signal;
      return Promise.resolve(1);
    };
    await new Attempt(run, 1, limit(100), cancel).start();
    cancel.cancel();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(seen?.signal.aborted).toBe(false);
  });

  it('a run that rejects when aborted has lost the race to the deadline', async () => {
    const late = vi.fn<(l: Late) => void>();
    const run = (a: AttemptContext) => new Promise((_, reject) => a.signal.addEventListener('abort', () => reject(a.signal.reason)));
    const end = new Attempt(run, 1, limit(100), undefined, late).start().catch((e) => e);
    await vi.advanceTimersByTimeAsync(100);
    expect(Expired.boundOf(await end)).toBe('timeout');
    expect(late).toHaveBeenCalledOnce();
  });
});

describe('cancellation', () => {
  it('before the start: the run is never entered', async () => {
    const cancel = new CancelSource();
    cancel.cancel('why');
    const run = vi.fn();
    const attempt = new Attempt(run, 1, limit(100), cancel);
    await expect(attempt.start()).rejects.toMatchObject({ cause: 'why' });
    expect(run).not.toHaveBeenCalled();
    expect(attempt.started).toBe(false);
  });

  it('by the run itself, while it starts', async () => {
    const cancel = new CancelSource();
    const attempt = new Attempt(() => cancel.cancel('me') ?? never(), 1, limit(100), cancel);
    await expect(attempt.start()).rejects.toMatchObject({ cause: 'me' });
    expect(vi.getTimerCount()).toBe(0);
  });

  it('calls every listener once, even if others leave; a late one at once', () => {
    const cancel = new CancelSource();
    const heard: string[] = [];
    const a = cancel.add(() => heard.push('a'));
    cancel.add(() => heard.push('b'));
    const c = cancel.add(() => heard.push('c'));
    cancel.add(() => c?.remove() ?? heard.push('d'));
    a?.remove();
    a?.remove();
    cancel.cancel();
    cancel.cancel();
    expect(heard.toSorted()).toEqual(['b', 'd']);
    cancel.add((reason) => heard.push(String((reason as Error).name)));
    expect(heard.at(-1)).toBe('AbortError');
  });

  it('an attempt or a wait that ends leaves its source', async () => {
    const cancel = new CancelSource();
    const remove = vi.spyOn(Subscription.prototype, 'remove');
    const attempt = new Attempt(() => Promise.resolve(1), 1, limit(100), cancel);
    await attempt.start();
    expect(remove).toHaveBeenCalledTimes(1);
    const wait = sleep(10, cancel);
    await vi.advanceTimersByTimeAsync(10);
    await wait;
    expect(remove).toHaveBeenCalledTimes(2);
    remove.mockRestore();
  });

  it('is an AbortSignal too, before and after', () => {
    const early = new CancelSource();
    const { signal } = early;
    expect(signal.aborted).toBe(false);
    early.cancel('x');
    expect(signal).toMatchObject({ aborted: true, reason: 'x' });
    const late = new CancelSource();
    late.cancel('y');
    expect(late.signal).toMatchObject({ aborted: true, reason: 'y' });
  });

  it('follows an AbortSignal until unlinked', () => {
    const controller = new AbortController();
    const remove = vi.spyOn(controller.signal, 'removeEventListener');
    const left = CancelSource.follow(controller.signal);
    const kept = CancelSource.follow(controller.signal);
    left.unlink();
    expect(remove).toHaveBeenCalledOnce();
    controller.abort('z');
    expect([left.source.cancelled, kept.source.cancelled, kept.source.reason]).toEqual([false, true, 'z']);
    expect(CancelSource.follow(controller.signal).source).toMatchObject({ cancelled: true, reason: 'z' });
  });
});

describe('long timers', () => {
  it('setTimeout itself fires a delay over 2^31 at once', async () => {
    vi.useRealTimers();
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const fired = vi.fn();
    setTimeout(fired, LONGEST_TIMER + 1);
    await new Promise((r) => setTimeout(r, 10));
    expect(fired).toHaveBeenCalled();
    expect(warned).toHaveBeenCalled();
    warned.mockRestore();
  });

  it.each([LONGEST_TIMER, LONGEST_TIMER + 1, LONGEST_TIMER * 2.5])('ours waits %d ms', async (ms) => {
    const ring = vi.fn();
    const set = vi.spyOn(globalThis, 'setTimeout');
    new Timer(ms, ring);
    await vi.advanceTimersByTimeAsync(Math.floor(ms) - 1);
    expect(ring).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(2);
    expect(ring).toHaveBeenCalledOnce();
    // the fake clock has no 2^31 limit of its own, so look at what it was asked
    expect(Math.max(...set.mock.calls.map((call) => call[1] as number))).toBeLessThanOrEqual(LONGEST_TIMER);
    set.mockRestore();
  });

  it('can be cleared in any part of it', async () => {
    const ring = vi.fn();
    const timer = new Timer(LONGEST_TIMER + 1_000, ring);
    await vi.advanceTimersByTimeAsync(LONGEST_TIMER + 1);
    timer.clear();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(ring).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('no timeout, no timer', async () => {
    const end = new Attempt(() => later(10, 1), 1, limit(Infinity)).start();
    expect(vi.getTimerCount()).toBe(1);
    await vi.advanceTimersByTimeAsync(10);
    expect(await end).toBe(1);
  });
});
