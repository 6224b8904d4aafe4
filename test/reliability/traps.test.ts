// Each known trap of opossum 10 and p-retry 9, first in the library itself, so that a new version which behaves otherwise is noticed,
// then in ours, where it must not bite.
import Opossum from 'opossum';
import pRetry, { AbortError } from 'p-retry';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ToolError } from '../../src/errors.ts';
import { Breakers, circuit } from '../../src/reliability/breaker.ts';
import { CancelSource } from '../../src/reliability/cancel.ts';
import { type GuardOptions, guard } from '../../src/reliability/envelope.ts';
import { type ReliabilityOptions, resolvePolicy } from '../../src/reliability/policy.ts';

const read = (o: ReliabilityOptions = {}): GuardOptions => ({
  policy: resolvePolicy({ effect: 'read', ...o }),
  fallbackCode: 'TOOL_FAILED',
});
const never = () => new Promise<never>(() => {});
const ill = () => Promise.reject(new ToolError('SERVICE_UNAVAILABLE', 'down', { retryable: true }));
const opened: Opossum[] = [];
const raw = (action: (...args: never[]) => unknown, o: Opossum.Options = {}) => {
  const breaker = new Opossum(action as (...args: unknown[]) => Promise<unknown>, o);
  opened.push(breaker);
  return breaker;
};

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
});
afterEach(() => {
  for (const breaker of opened.splice(0)) breaker.shutdown();
  vi.useRealTimers();
});

describe('opossum: a timeout of its own aborts the neighbours', () => {
  it('does so in the library', async () => {
    const abortController = new AbortController();
    const breaker = raw(never, { timeout: 100, abortController });
    const slow = breaker.fire();
    await vi.advanceTimersByTimeAsync(50);
    const neighbour = breaker.fire();
    slow.catch(() => {});
    neighbour.catch(() => {});
    await vi.advanceTimersByTimeAsync(51);
    // the neighbour has half of its time left, and the one signal they share is aborted
    expect(abortController.signal.aborted).toBe(true);
  });

  it('not in ours: one signal per attempt', async () => {
    const c = circuit({ name: 't' });
    const signals: AbortSignal[] = [];
    const call = () => guard((a) => signals.push(a.signal) && never(), { ...read({ timeout: 100, retry: { attempts: 1 } }), circuit: c });
    const slow = call();
    await vi.advanceTimersByTimeAsync(50);
    const neighbour = call();
    await vi.advanceTimersByTimeAsync(51);
    expect(signals.map((s) => s.aborted)).toEqual([true, false]);
    expect(await slow).toMatchObject({ ok: false, error: { code: 'TIMEOUT' } });
    await vi.advanceTimersByTimeAsync(50);
    expect(await neighbour).toMatchObject({ ok: false, error: { code: 'TIMEOUT' } });
    c.close();
  });
});

describe('opossum: volumeThreshold is 0', () => {
  it('so one failure opens the library', async () => {
    const breaker = raw(ill);
    await breaker.fire().catch(() => {});
    expect(breaker.opened).toBe(true);
  });

  it('ours counts failures in a row', async () => {
    const c = circuit({ name: 't', failures: 3 });
    await c.fire(ill).catch(() => {});
    await c.fire(ill).catch(() => {});
    expect(c.status).toEqual({ state: 'closed', failures: 2 });
    await c.fire(ill).catch(() => {});
    expect(c.status).toEqual({ state: 'open', failures: 3, retryAt: 1_030_000 });
    c.close();
  });
});

describe('opossum: a rolling window does not fit calls that are few and slow', () => {
  it('forgets failures that are 11 seconds apart, however many', async () => {
    const breaker = raw(ill, { timeout: false, volumeThreshold: 2, errorThresholdPercentage: 50 });
    for (let i = 0; i < 20; i++) {
      await breaker.fire().catch(() => {});
      await vi.advanceTimersByTimeAsync(11_000);
    }
    expect(breaker.opened).toBe(false);
  });

  it('takes a call that outlives the window for an error rate of Infinity', async () => {
    const breaker = raw(() => new Promise((_, reject) => setTimeout(reject, 20_000, new Error('slow'))), {
      timeout: false,
      errorThresholdPercentage: 100,
    });
    breaker.fire().catch(() => {});
    await vi.advanceTimersByTimeAsync(20_001);
    expect(breaker.stats).toMatchObject({ fires: 0, failures: 1 });
    expect(breaker.opened).toBe(true);
  });

  it('ours does not, also where its window was emptied meanwhile', async () => {
    const c = circuit({ name: 't', failures: 6 });
    const slow = Array.from({ length: 5 }, () =>
      c.fire(() => new Promise((_, reject) => setTimeout(reject, 100, new ToolError('SERVICE_UNAVAILABLE', 'x')))),
    );
    for (let i = slow.length; i < 1_024; i++) await c.fire(() => Promise.resolve(1));
    const ended = Promise.allSettled(slow);
    await vi.advanceTimersByTimeAsync(100);
    await ended;
    // five failures against the one call that its window still knows
    expect(c.status).toEqual({ state: 'closed', failures: 5 });
    c.close();
  });

  it('ours opens after failures that are minutes apart, and only then', async () => {
    const c = circuit({ name: 't', failures: 3 });
    const slow = () => new Promise<never>((_, reject) => setTimeout(reject, 600_000, new ToolError('X', 'x', { retryable: true })));
    for (let i = 0; i < 3; i++) {
      expect(c.state).toBe('closed');
      c.fire(slow).catch(() => {});
      await vi.advanceTimersByTimeAsync(600_001);
    }
    expect(c.state).toBe('open');
    c.close();
  });
});

describe('opossum: rejections for want of capacity count as failures', () => {
  it('so a busy library breaker opens although nothing failed', async () => {
    const breaker = raw(never, { timeout: false, capacity: 1 });
    breaker.fire();
    await expect(breaker.fire()).rejects.toMatchObject({ code: 'ESEMLOCKED' });
    await expect(breaker.fire()).rejects.toMatchObject({ code: 'ESEMLOCKED' });
    expect(breaker.opened).toBe(true);
  });

  it('ours sets no capacity', async () => {
    const c = circuit({ name: 't', failures: 1 });
    const calls = Array.from({ length: 1_000 }, () => c.fire(() => new Promise((r) => setTimeout(r, 10, 'ok'))));
    await vi.advanceTimersByTimeAsync(11);
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['ok']));
    expect(c.state).toBe('closed');
    c.close();
  });
});

describe('opossum: timers need a shutdown', () => {
  const target = { tool: 't' };

  it('the library runs two intervals per breaker, and one more while open', async () => {
    const breaker = raw(ill);
    expect(vi.getTimerCount()).toBe(2);
    await breaker.fire().catch(() => {});
    expect(vi.getTimerCount()).toBe(3);
    breaker.shutdown();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('ours has none but while open, and close() clears that', async () => {
    const breakers = new Breakers();
    const c = breakers.of({}, 't', { failures: 1, recovery: 1_000 }, target);
    await c?.fire(() => Promise.resolve(1));
    expect(vi.getTimerCount()).toBe(0);
    await c?.fire(ill).catch(() => {});
    expect(vi.getTimerCount()).toBe(1);
    breakers.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('a call that fails after close() leaves no timer either', async () => {
    const breakers = new Breakers();
    const c = breakers.of({}, 't', { failures: 1, recovery: 1_000 }, target);
    let fail = (_: unknown) => {};
    const late = c?.fire(() => new Promise((_, reject) => (fail = reject)));
    breakers.close();
    fail(new ToolError('SERVICE_UNAVAILABLE', 'down', { retryable: true }));
    await expect(late).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('opossum: the latency of every call of the window is kept', () => {
  it('in the library also where no percentiles are wanted', async () => {
    const breaker = raw(() => Promise.resolve(1), { timeout: false, rollingPercentilesEnabled: false });
    for (let i = 0; i < 3_000; i++) await breaker.fire();
    expect(breaker.status.window[0]?.latencyTimes).toHaveLength(3_000);
  });

  it('ours empties it by count', async () => {
    const seen: Opossum[] = [];
    const emit = vi.spyOn(Opossum.prototype, 'emit').mockImplementation(function (this: Opossum, ...args: unknown[]) {
      if (!seen.includes(this)) seen.push(this);
      return Reflect.apply(EventEmitterEmit, this, args) as boolean;
    });
    const c = circuit({ name: 't' });
    for (let i = 0; i < 3_000; i++) await c.fire(() => Promise.resolve(1));
    emit.mockRestore();
    expect(seen).toHaveLength(1);
    expect(seen[0]?.status.window.flatMap((bucket) => bucket.latencyTimes).length).toBeLessThan(1_025);
    c.close();
  });
});

describe('opossum: a filtered error is reported as a success', () => {
  const cancelled = Object.assign(new Error('stop'), { name: 'AbortError' });

  it('which closes a half-open library breaker', async () => {
    const breaker = raw((e: Error) => Promise.reject(e), { timeout: false, resetTimeout: 100, errorFilter: (e) => e === cancelled });
    await breaker.fire(new Error('x')).catch(() => {});
    await vi.advanceTimersByTimeAsync(101);
    expect(breaker.halfOpen).toBe(true);
    await breaker.fire(cancelled).catch(() => {});
    expect(breaker.closed).toBe(true);
  });

  it('in ours the circuit stays half-open and the next call is the trial', async () => {
    const c = circuit({ name: 't', failures: 1, recovery: 100 });
    const cancel = new CancelSource();
    await c.fire(ill).catch(() => {});
    await vi.advanceTimersByTimeAsync(101);
    const trial = guard(never, { ...read(), circuit: c, cancel });
    await expect(c.fire(() => Promise.resolve(1))).rejects.toMatchObject({ code: 'CIRCUIT_OPEN' });
    cancel.cancel();
    expect(await trial).toMatchObject({ ok: false, cancelled: true });
    expect(c.state).toBe('half-open');
    await expect(c.fire(ill)).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
    expect(c.state).toBe('open');
    await vi.advanceTimersByTimeAsync(101);
    await c.fire(() => Promise.resolve(1));
    expect(c.status).toEqual({ state: 'closed', failures: 0 });
    c.close();
  });
});

describe('opossum: a straggler from before the opening decides the trial', () => {
  it('closes the library although the trial is under way', async () => {
    let late = (_: unknown) => {};
    const breaker = raw((p: Promise<unknown>) => p, { timeout: false, resetTimeout: 100, errorThresholdPercentage: 1 });
    const straggler = breaker.fire(new Promise((r) => (late = r)));
    await breaker.fire(Promise.reject(new Error('x'))).catch(() => {});
    await vi.advanceTimersByTimeAsync(101);
    breaker.fire(never());
    expect(breaker.halfOpen).toBe(true);
    late(1);
    await straggler;
    expect(breaker.closed).toBe(true);
  });

  it.each(['success', 'failure'])('a late %s changes nothing in ours', async (end) => {
    const c = circuit({ name: 't', failures: 1, recovery: 100 });
    let settle = () => {};
    let pass = (_: unknown) => {};
    const straggler = c
      .fire(
        () => new Promise((r, j) => (settle = () => (end === 'success' ? r(1) : j(new ToolError('TIMEOUT', 'x', { retryable: true }))))),
      )
      .catch(() => {});
    await c.fire(ill).catch(() => {});
    await vi.advanceTimersByTimeAsync(101);
    const trial = c.fire(() => new Promise((r) => (pass = r)));
    settle();
    await straggler;
    expect(c.status).toEqual({ state: 'half-open', failures: 1 });
    pass(1);
    await trial;
    expect(c.state).toBe('closed');
    c.close();
  });
});

describe('opossum: what an action, a listener or a filter does wrong', () => {
  it('an action that returns undefined is a failure in the library', async () => {
    const breaker = raw(() => undefined, { timeout: false });
    await expect(breaker.fire()).rejects.toBeInstanceOf(TypeError);
    expect(breaker.opened).toBe(true);
  });

  it.each([undefined, null, 0, ''])('%j is a value in ours', async (value) => {
    const c = circuit({ name: 't', failures: 1 });
    expect(await guard(() => value, { ...read(), circuit: c })).toEqual({ ok: true, value, attempts: 1 });
    expect(c.state).toBe('closed');
    c.close();
  });

  it('a listener that throws turns a success of the library into a failure', async () => {
    const breaker = raw(() => Promise.resolve(1), { timeout: false });
    breaker.on('success', () => {
      throw new Error('listener');
    });
    await expect(breaker.fire()).rejects.toThrow('listener');
  });

  it('in ours it is ignored', async () => {
    const c = circuit({
      name: 't',
      failures: 1,
      recovery: 100,
      onState: () => {
        throw new Error('listener');
      },
    });
    await expect(c.fire(ill)).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
    await vi.advanceTimersByTimeAsync(101);
    expect(await c.fire(() => Promise.resolve(1))).toBe(1);
    c.close();
  });

  it('a filter that throws leaves a call of the library without an end', async () => {
    const thrown: unknown[] = [];
    const breaker = raw(ill, {
      timeout: false,
      errorFilter: () => {
        throw new Error('filter');
      },
    });
    const listeners = process.listeners('unhandledRejection');
    process.removeAllListeners('unhandledRejection');
    process.on('unhandledRejection', (e) => thrown.push(e));
    const end = vi.fn();
    breaker.fire().then(end, end);
    vi.useRealTimers();
    await new Promise((r) => setTimeout(r, 5));
    process.removeAllListeners('unhandledRejection');
    for (const l of listeners) process.on('unhandledRejection', l);
    expect(end).not.toHaveBeenCalled();
    expect(thrown).toMatchObject([{ message: 'filter' }]);
  });

  it('ours judges values that cannot even be read', async () => {
    const hostile = new Proxy(new Error('x'), {
      get: () => {
        throw new Error('get');
      },
      getPrototypeOf: () => {
        throw new Error('proto');
      },
      has: () => {
        throw new Error('has');
      },
    });
    const c = circuit({ name: 't', failures: 1 });
    const end = await guard(() => Promise.reject(hostile), { ...read({ retry: { attempts: 1 } }), circuit: c });
    // not the whole end: its cause cannot be printed
    expect(end.ok || end.error).toMatchObject({ code: 'TOOL_FAILED', message: 'A value was thrown that cannot be read.' });
    // it says nothing of the service
    expect(c.state).toBe('closed');
    c.close();
  });
});

describe('p-retry: an open circuit is retried', () => {
  it('in the library, until the attempts are used up', async () => {
    const breaker = raw(ill, { timeout: false });
    await breaker.fire().catch(() => {});
    const fire = vi.fn(() => breaker.fire());
    await pRetry(fire, { retries: 3, minTimeout: 0 }).catch(() => {});
    expect(fire).toHaveBeenCalledTimes(4);
  });

  it('not in ours: refused once, and told when', async () => {
    const c = circuit({ name: 'search', failures: 1, recovery: 5_000 });
    await c.fire(ill).catch(() => {});
    const fire = vi.spyOn(c, 'fire');
    const run = vi.fn();
    const onAttemptFailed = vi.fn();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(await guard(run, { ...read(), circuit: c, onAttemptFailed })).toMatchObject({
      ok: false,
      error: { code: 'CIRCUIT_OPEN', outcome: 'not-run', retryable: true, attempts: 0, retryAfter: 3_000 },
    });
    expect(fire).toHaveBeenCalledOnce();
    expect(run).not.toHaveBeenCalled();
    expect(onAttemptFailed).not.toHaveBeenCalled();
    c.close();
  });
});

describe('p-retry: jitter', () => {
  it('the library has none by default, and `randomize` never goes below the delay', async () => {
    const delays = async (randomize: boolean) => {
      const seen: number[] = [];
      const run = pRetry(ill, { retries: 5, minTimeout: 100, randomize, onFailedAttempt: (c) => void seen.push(c.retryDelay) });
      run.catch(() => {});
      await vi.runAllTimersAsync();
      return seen.slice(0, 5);
    };
    expect(await delays(false)).toEqual([100, 200, 400, 800, 1_600]);
    const random = await delays(true);
    expect(random.every((ms, i) => ms >= 100 * 2 ** i && ms <= 200 * 2 ** i)).toBe(true);
  });

  it('ours waits any part of the delay, from nothing on', async () => {
    const waits = async (random: number) => {
      const seen: (number | undefined)[] = [];
      const o = { ...read({ retry: { attempts: 4, initialDelay: 100, maxDelay: 300 } }), random: () => random };
      const end = guard(ill, { ...o, onAttemptFailed: (f) => void seen.push(f.retryIn) });
      await vi.runAllTimersAsync();
      await end;
      return seen;
    };
    expect(await waits(0)).toEqual([0, 0, 0, undefined]);
    expect(await waits(0.999)).toEqual([99, 199, 299, undefined]);
  });
});

describe('p-retry: cancellation', () => {
  it('the library waits for the attempt that runs', async () => {
    const controller = new AbortController();
    const end = vi.fn();
    pRetry(() => new Promise((r) => setTimeout(r, 1_000)), { signal: controller.signal }).then(end, end);
    await vi.advanceTimersByTimeAsync(10);
    controller.abort();
    await vi.advanceTimersByTimeAsync(900);
    expect(end).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(100);
    expect(end).toHaveBeenCalledOnce();
  });

  it('ours does not', async () => {
    const controller = new AbortController();
    const end = guard(never, { ...read(), cancel: controller.signal });
    await vi.advanceTimersByTimeAsync(10);
    controller.abort();
    expect(await end).toMatchObject({ ok: false, cancelled: true, error: { attempts: 1 } });
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('p-retry: what is thrown decides behind our back', () => {
  it('the library gives up at a TypeError, replaces what is not an Error, and unwraps its AbortError', async () => {
    const run = vi.fn(() => Promise.reject(new TypeError('not a function')));
    await pRetry(run, { retries: 3, minTimeout: 0 }).catch(() => {});
    expect(run).toHaveBeenCalledOnce();
    await expect(pRetry(() => Promise.reject('text'), { retries: 0 })).rejects.toThrow('Non-error was thrown');
    const inner = new Error('inner');
    const aborting = vi.fn(() => Promise.reject(new AbortError(inner)));
    await expect(pRetry(aborting, { retries: 3, minTimeout: 0 })).rejects.toBe(inner);
    expect(aborting).toHaveBeenCalledOnce();
  });

  it.each([
    ['a TypeError', Object.assign(new TypeError('x'), { code: 'ECONNRESET' })],
    ['no Error', { code: 'ECONNRESET', message: 'x' }],
    ['a frozen object', Object.freeze({ code: 'ECONNRESET' })],
  ])('ours retries %s by its code, and hands it back as it was', async (_, thrown) => {
    const run = vi.fn(() => Promise.reject(thrown));
    const end = guard(run, { ...read(), random: () => 0 });
    await vi.runAllTimersAsync();
    const result = await end;
    expect(run).toHaveBeenCalledTimes(3);
    expect(result).toMatchObject({ ok: false, error: { code: 'NETWORK', attempts: 3 } });
    expect(!result.ok && result.cause).toBe(thrown);
  });

  it.each([
    ['text', 3],
    [undefined, 3],
    [null, 3],
    [7, 3],
    [new AbortError('stop'), 1],
  ])('ours hands back %j as it was', async (thrown, attempts) => {
    const end = guard(() => Promise.reject(thrown), read());
    await vi.runAllTimersAsync();
    const result = await end;
    expect(result).toMatchObject({ ok: false, error: { attempts } });
    expect(!result.ok && result.cause).toBe(thrown);
  });
});

const EventEmitterEmit = Object.getPrototypeOf(Opossum.prototype).emit as (...args: unknown[]) => boolean;
