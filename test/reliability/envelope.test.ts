import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ToolError } from '../../src/errors.ts';
import type { Effect } from '../../src/ports/tool.ts';
import { circuit } from '../../src/reliability/breaker.ts';
import { CancelSource } from '../../src/reliability/cancel.ts';
import { type FailedAttempt, type GuardOptions, guard } from '../../src/reliability/envelope.ts';
import { type ReliabilityOptions, resolvePolicy } from '../../src/reliability/policy.ts';
import { retry, sleep } from '../../src/reliability/retry.ts';

const never = () => new Promise<never>(() => {});
const busy = (o = {}) => new ToolError('BUSY', 'busy', { retryable: true, ...o });
const refused = () => Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
const options = <T>(o: ReliabilityOptions, more: Partial<GuardOptions<T>> = {}): GuardOptions<T> => ({
  policy: resolvePolicy(o),
  fallbackCode: 'TOOL_FAILED',
  random: () => 0.5,
  ...more,
});
/** Throws these in turn, then answers. */
const failing = (...errors: unknown[]) => {
  const run = vi.fn(() => {
    if (run.mock.calls.length <= errors.length) return Promise.reject(errors[run.mock.calls.length - 1]);
    return Promise.resolve('ok');
  });
  return run;
};
/** Lets the fake clock run until the call ends. */
const finish = async <T>(call: Promise<T>): Promise<T> => {
  let over = false;
  const done = () => {
    over = true;
  };
  call.then(done, done);
  for (let i = 0; i < 1_000 && !over; i++) await vi.advanceTimersToNextTimerAsync();
  return call;
};

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

describe('the quick way', () => {
  it('a value, a promise, a value after a retry', async () => {
    expect(await guard(() => 1, options({}))).toEqual({ ok: true, value: 1, attempts: 1 });
    expect(await guard(async () => 2, options({}))).toEqual({ ok: true, value: 2, attempts: 1 });
    expect(await finish(guard(failing(busy(), busy()), options({ effect: 'read' })))).toEqual({ ok: true, value: 'ok', attempts: 3 });
  });

  it('a plain value makes no timer and no controller, with everything on', async () => {
    const set = vi.spyOn(globalThis, 'setTimeout');
    const made = vi.spyOn(globalThis, 'AbortController');
    const c = circuit({ name: 'x' });
    await guard(() => 1, options({ deadline: 1_000 }, { circuit: c, cancel: new CancelSource() }));
    expect(set).not.toHaveBeenCalled();
    expect(made).not.toHaveBeenCalled();
    set.mockRestore();
    made.mockRestore();
    c.close();
  });

  it('tells the attempt its number and deadline, the earlier of timeout and total deadline', async () => {
    const seen: [number, number][] = [];
    const run = (o: ReliabilityOptions, more = {}) =>
      finish(
        guard(
          (a) => {
            seen.push([a.attempt, a.deadline]);
            return Promise.reject(busy());
          },
          options({ effect: 'read', retry: { attempts: 2, initialDelay: 200 }, ...o }, more),
        ),
      );
    await run({ timeout: 500 });
    expect(seen.splice(0)).toEqual([
      [1, 1_000_500],
      [2, 1_000_600],
    ]);
    await run({ timeout: 500, deadline: 450 });
    expect(seen.splice(0)).toEqual([
      [1, 1_000_550],
      [2, 1_000_550],
    ]);
    await run({ timeout: 500, deadline: 450 }, { deadlineAt: 1_000_501 });
    expect(seen.splice(0)).toEqual([
      [1, 1_000_501],
      [2, 1_000_501],
    ]);
    const { timeout, ...unbounded } = options({ effect: 'read' }).policy;
    await guard((a) => seen.push([a.attempt, a.deadline]), { policy: unbounded, fallbackCode: 'TOOL_FAILED' });
    expect(seen).toEqual([[1, Infinity]]);
  });
});

describe('what is tried again', () => {
  const attempts = async (effect: Effect, error: unknown, on?: string[]) => {
    const run = failing(error);
    await finish(guard(run, options({ effect, retry: { ...(on && { on }) } })));
    return run.mock.calls.length;
  };
  const notRun = busy({ outcome: 'not-run' });

  it.each([
    // effect, thrown, on, attempts
    ['read', busy(), undefined, 2],
    ['read', new Error('plain'), undefined, 2],
    ['read', new ToolError('NOT_FOUND', 'x'), undefined, 1],
    ['read', new ToolError('NOT_FOUND', 'x'), ['NOT_FOUND'], 2],
    ['read', new Error('plain'), ['TOOL_FAILED'], 2],
    ['read', new Error('plain'), [], 1],
    ['once', new Error('plain'), undefined, 1],
    ['read', busy(), ['NOT_FOUND'], 1],
    ['read', busy(), [], 1],
    ['idempotent', busy(), undefined, 2],
    ['idempotent', busy({ outcome: 'unknown' }), undefined, 2],
    ['idempotent', new Error('plain'), undefined, 2],
    ['once', notRun, undefined, 2],
    ['once', refused(), undefined, 2],
    ['once', Object.assign(new Error(), { status: 429 }), undefined, 2],
    ['once', notRun, ['BUSY'], 2],
    ['once', notRun, ['OTHER'], 1],
    ['once', busy(), undefined, 1],
    ['once', busy(), ['BUSY'], 1],
    ['once', busy({ outcome: 'unknown' }), ['BUSY'], 1],
    ['once', Object.assign(new Error(), { code: 'ECONNRESET' }), ['NETWORK'], 1],
    ['once', Object.assign(new Error(), { status: 503 }), ['SERVICE_UNAVAILABLE'], 1],
    ['once', new Error('plain'), ['TOOL_FAILED'], 1],
    // its author says that trying again does not help
    ['once', new ToolError('NO_FUNDS', 'x', { outcome: 'not-run' }), undefined, 1],
  ] as const)('%s, %s, on %j: %i', async (effect, error, on, expected) => {
    expect(await attempts(effect, error, on as string[] | undefined)).toBe(expected);
  });

  it('never more than the attempts, whatever `again` says', async () => {
    const run = vi.fn(() => Promise.reject(new Error('x')));
    await expect(retry(new Error('first'), { attempts: 3, run, again: async () => true })).rejects.toThrow('x');
    expect(run.mock.calls).toEqual([[2], [3]]);
  });

  it('never more than the attempts, and the last failure is the answer', async () => {
    const last = busy({ cause: 'last' });
    const run = failing(busy(), busy(), busy(), last, busy());
    const result = await finish(guard(run, options({ effect: 'read', retry: { attempts: 4 } })));
    expect(run).toHaveBeenCalledTimes(4);
    expect(result).toEqual({
      ok: false,
      error: { code: 'BUSY', message: 'busy', retryable: true, attempts: 4, outcome: 'failed' },
      cause: last,
    });
  });
});

describe('timeouts', () => {
  it.each([
    ['read', { outcome: 'failed', retryable: true, attempts: 2 }],
    ['idempotent', { outcome: 'unknown', retryable: true, attempts: 2 }],
    ['once', { outcome: 'unknown', retryable: false, attempts: 1 }],
  ] as const)('of a %s call', async (effect, expected) => {
    const result = await finish(guard(never, options({ effect, timeout: 100, retry: { attempts: 2 } })));
    expect(result).toMatchObject({ ok: false, error: { code: 'TIMEOUT', ...expected } });
    expect(!result.ok && result.error.message).toBe('No result after 100 ms, the timeout of one attempt.');
  });

  it('each late result is reported with its attempt, and does not change the result', async () => {
    const late = vi.fn();
    let n = 0;
    const run = () => {
      n++;
      return n < 3 ? new Promise<string>((r) => setTimeout(r, 1_000 * n, `late ${n}`)) : Promise.resolve('in time');
    };
    const result = await finish(guard(run, options({ effect: 'read', timeout: 100, retry: { attempts: 3 } }, { onLate: late })));
    expect(result).toEqual({ ok: true, value: 'in time', attempts: 3 });
    await vi.advanceTimersByTimeAsync(5_000);
    expect(late.mock.calls.map(([l]) => l)).toEqual([
      { attempt: 1, ok: true, value: 'late 1' },
      { attempt: 2, ok: true, value: 'late 2' },
    ]);
  });

  it('a possible effect of an earlier attempt still counts, however the last one ended', async () => {
    const ends = [never, () => Promise.reject(refused()), () => Promise.reject(new ToolError('NOT_FOUND', 'x'))];
    let n = 0;
    const result = await finish(guard(() => ends[n++]?.(), options({ effect: 'idempotent', timeout: 100 })));
    expect(result).toMatchObject({ ok: false, error: { code: 'NOT_FOUND', outcome: 'unknown', attempts: 3 } });
    const unsent = await finish(guard(failing(refused(), refused(), refused()), options({ effect: 'idempotent' })));
    expect(unsent).toMatchObject({ ok: false, error: { outcome: 'not-run' } });
  });
});

describe('the total deadline', () => {
  it('applies to an attempt that reports progress, which restarts its timeout', async () => {
    const busyFor = (ms: number) => async (a: { alive(): void }) => {
      for (let i = 0; i < ms; i += 50) {
        await sleep(50);
        a.alive();
      }
      return 'done';
    };
    expect(await finish(guard(busyFor(1_000), options({ timeout: 60 })))).toEqual({ ok: true, value: 'done', attempts: 1 });
    const late: number[] = [];
    const bound = { effect: 'read', timeout: 60, deadline: 500 } as const;
    const cut = await finish(guard(busyFor(1_000), options(bound, { onLate: () => late.push(Date.now()) })));
    expect(cut).toMatchObject({ ok: false, error: { code: 'TIMEOUT', message: expect.stringContaining('500 ms, the deadline of all') } });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(late).toHaveLength(1);
  });

  it('cuts off an attempt', async () => {
    const result = await finish(guard(never, options({ effect: 'read', timeout: 1_000, deadline: 300 })));
    expect(Date.now()).toBe(1_000_300);
    expect(result).toMatchObject({ ok: false, error: { code: 'TIMEOUT', attempts: 1 } });
    expect(!result.ok && result.error.message).toBe(
      'No result after 300 ms, the deadline of all attempts. (not tried again: the total deadline has passed)',
    );
  });

  it('a wait that would cross it is not begun, and the agent is told', async () => {
    const failed: FailedAttempt[] = [];
    const run = failing(busy({ retryAfter: 2_000 }));
    const result = await guard(run, options({ effect: 'read', deadline: 1_500 }, { onAttemptFailed: (f) => void failed.push(f) }));
    expect(Date.now()).toBe(1_000_000);
    expect(run).toHaveBeenCalledOnce();
    expect(result).toEqual({
      ok: false,
      error: {
        code: 'BUSY',
        message: 'busy (not tried again: the wait of 2000 ms would cross the total deadline, 1500 ms from now)',
        retryable: true,
        attempts: 1,
        outcome: 'failed',
        retryAfter: 2_000,
      },
      cause: expect.any(ToolError),
    });
    expect(failed).toEqual([{ attempt: 1, code: 'BUSY', message: 'busy' }]);
  });

  it('passed before the start: nothing runs', async () => {
    const run = vi.fn();
    expect(await guard(run, options({}, { deadlineAt: 1_000_000 }))).toMatchObject({
      ok: false,
      error: { code: 'TIMEOUT', attempts: 0, outcome: 'not-run' },
    });
    expect(run).not.toHaveBeenCalled();
  });

  it('passed while the failure was recorded: no further attempt', async () => {
    const run = failing(busy());
    const onAttemptFailed = async () => {
      vi.setSystemTime(1_002_000);
    };
    const result = await finish(guard(run, options({ effect: 'read', deadline: 1_000 }, { onAttemptFailed })));
    expect(run).toHaveBeenCalledOnce();
    expect(result).toMatchObject({ ok: false, error: { code: 'BUSY', attempts: 1 } });
    expect(!result.ok && result.error.message).toContain('the total deadline passed');
  });

  it('a run cut off from outside is not held against the circuit, one that overran its own deadline is', async () => {
    const c = circuit({ name: 'x', failures: 1 });
    await finish(guard(never, options({}, { circuit: c, deadlineAt: Date.now() + 50 })));
    expect(c.state).toBe('closed');
    await finish(guard(never, options({ deadline: 50 }, { circuit: c })));
    expect(c.state).toBe('open');
    c.close();
  });
});

describe('waiting', () => {
  it('honours what the service asks, where it is longer than the backoff', async () => {
    const waits: unknown[] = [];
    const onAttemptFailed = (f: FailedAttempt) => void waits.push(f.retryIn);
    const o = options<unknown>({ effect: 'read', retry: { attempts: 3, initialDelay: 100, maxDelay: 100 } }, { onAttemptFailed });
    await finish(guard(failing(busy({ retryAfter: 7_000 }), busy({ retryAfter: 10 })), o));
    expect(waits).toEqual([7_000, 50]);
    expect(Date.now()).toBe(1_007_050);
  });

  it('but not an hour', async () => {
    const run = failing(busy({ retryAfter: 3_600_000 }));
    const result = await guard(run, options({ effect: 'read' }));
    expect(result).toMatchObject({ ok: false, error: { code: 'BUSY', attempts: 1, retryAfter: 3_600_000 } });
    expect(!result.ok && result.error.message).toBe('busy (not tried again: it asks to wait 3600000 ms)');
    const patient = failing(busy({ retryAfter: 3_600_000 }));
    await finish(guard(patient, options({ effect: 'read', retry: { maxDelay: 4_000_000 } })));
    expect(patient).toHaveBeenCalledTimes(2);
  });

  it('tells of a failed attempt before it waits, and waits for that', async () => {
    const order: string[] = [];
    let n = 0;
    const run = () => {
      order.push(`run ${++n}`);
      return n < 2 ? Promise.reject(busy()) : Promise.resolve(1);
    };
    const onAttemptFailed = async (f: FailedAttempt) => {
      order.push(`failed ${f.attempt} ${f.code} ${f.retryIn}`);
      await new Promise((r) => setTimeout(r, 5));
      order.push('recorded');
    };
    await finish(guard(run, options({ effect: 'read' }, { onAttemptFailed })));
    expect(order).toEqual(['run 1', 'failed 1 BUSY 50', 'recorded', 'run 2']);
  });

  it.each([
    () => {
      throw new Error('journal');
    },
    () => Promise.reject(new Error('journal')),
  ])('what cannot be recorded ends the call', async (onAttemptFailed) => {
    const run = failing(busy());
    await expect(guard(run, options({ effect: 'read' }, { onAttemptFailed }))).rejects.toThrow('journal');
    expect(run).toHaveBeenCalledOnce();
  });
});

describe('the circuit', () => {
  it('opened by the last attempt: the failure is told, and when it may be tried again', async () => {
    const c = circuit({ name: 'search', failures: 2, recovery: 60_000 });
    const run = failing(busy(), busy({ cause: 'second' }));
    const result = await finish(guard(run, options({ effect: 'read', retry: { attempts: 5 } }, { circuit: c })));
    expect(run).toHaveBeenCalledTimes(2);
    expect(result).toMatchObject({
      ok: false,
      error: {
        code: 'BUSY',
        message: 'busy (not tried again: its circuit is open for another 60000 ms)',
        attempts: 2,
        retryAfter: 60_000,
      },
      cause: { cause: 'second' },
    });
    c.close();
  });

  it('opened by others during the wait: no further attempt, the failure stands', async () => {
    const c = circuit({ name: 'search', failures: 2, recovery: 60_000 });
    const run = failing(busy({ retryAfter: 1_000 }));
    const call = guard(run, options({ effect: 'read' }, { circuit: c }));
    await vi.advanceTimersByTimeAsync(500);
    await c.fire(() => Promise.reject(busy())).catch(() => {});
    expect(c.state).toBe('open');
    await vi.advanceTimersByTimeAsync(500);
    expect(await call).toMatchObject({
      ok: false,
      error: { code: 'BUSY', attempts: 1, retryAfter: 59_500, message: expect.stringContaining('search was not called') },
    });
    expect(run).toHaveBeenCalledOnce();
    c.close();
  });

  it('a closed engine: not run, not tried again', async () => {
    const c = circuit({ name: 'search' });
    c.close();
    const run = vi.fn();
    expect(await guard(run, options({}, { circuit: c }))).toMatchObject({
      ok: false,
      error: { code: 'ENGINE_CLOSED', outcome: 'not-run', attempts: 0 },
    });
  });
});

describe('cancellation', () => {
  const kinds = ['CancelSource', 'AbortSignal'] as const;
  const canceller = (kind: (typeof kinds)[number]) => {
    const source = new CancelSource();
    const controller = new AbortController();
    return kind === 'CancelSource'
      ? { cancel: source, stop: (r?: unknown) => source.cancel(r) }
      : { cancel: controller.signal, stop: (r?: unknown) => controller.abort(r) };
  };

  it.each(kinds)('%s: before it begins', async (kind) => {
    const { cancel, stop } = canceller(kind);
    stop('why');
    const run = vi.fn();
    expect(await guard(run, options({}, { cancel }))).toEqual({
      ok: false,
      cancelled: true,
      error: { code: 'CANCELLED', message: 'Cancelled before it began.', retryable: false, attempts: 0, outcome: 'not-run' },
      cause: 'why',
    });
    expect(run).not.toHaveBeenCalled();
  });

  it('and the deadline passed too: cancelled', async () => {
    const cancel = new CancelSource();
    cancel.cancel();
    expect(await guard(never, options({}, { cancel, deadlineAt: 5 }))).toMatchObject({ cancelled: true, error: { outcome: 'not-run' } });
  });

  it.each(
    kinds.flatMap((kind) => [
      [kind, 'read', 'failed'] as const,
      [kind, 'idempotent', 'unknown'] as const,
      [kind, 'once', 'unknown'] as const,
    ]),
  )('%s: while a %s call runs', async (kind, effect, outcome) => {
    const { cancel, stop } = canceller(kind);
    const late = vi.fn();
    let end = (_: unknown) => {};
    const onAttemptFailed = vi.fn();
    const call = guard<unknown>(() => new Promise((r) => (end = r)), options({ effect }, { cancel, onLate: late, onAttemptFailed }));
    stop('why');
    expect(await call).toEqual({
      ok: false,
      cancelled: true,
      error: { code: 'CANCELLED', message: 'Cancelled while it ran.', retryable: false, attempts: 1, outcome },
      cause: 'why',
    });
    end('done after all');
    await vi.advanceTimersByTimeAsync(0);
    expect(late.mock.calls).toEqual([[{ attempt: 1, ok: true, value: 'done after all' }]]);
    expect(onAttemptFailed).not.toHaveBeenCalled();
  });

  it.each(kinds)('%s: during the wait, at once', async (kind) => {
    const { cancel, stop } = canceller(kind);
    const run = failing(refused());
    const call = guard(run, options({ effect: 'once', retry: { initialDelay: 10_000 } }, { cancel }));
    await vi.advanceTimersByTimeAsync(100);
    expect(vi.getTimerCount()).toBe(1);
    stop();
    expect(await call).toMatchObject({ ok: false, cancelled: true, error: { attempts: 1, outcome: 'not-run' } });
    expect(Date.now()).toBe(1_000_100);
    expect(run).toHaveBeenCalledOnce();
  });

  it('while a failure is recorded: no further attempt', async () => {
    const cancel = new CancelSource();
    const run = failing(busy());
    const onAttemptFailed = async () => cancel.cancel();
    expect(await finish(guard(run, options({ effect: 'read' }, { cancel, onAttemptFailed })))).toMatchObject({
      cancelled: true,
      error: { attempts: 1, outcome: 'failed' },
    });
    expect(run).toHaveBeenCalledOnce();
  });

  it('leaves no listener on the signal', async () => {
    const { signal } = new AbortController();
    const add = vi.spyOn(signal, 'addEventListener');
    const remove = vi.spyOn(signal, 'removeEventListener');
    await finish(guard(failing(busy()), options({ effect: 'read' }, { cancel: signal })));
    await guard(() => 1, options({}, { cancel: signal }));
    expect(add).toHaveBeenCalledTimes(2);
    expect(remove).toHaveBeenCalledTimes(2);
  });

  it("another call's cancellation is a failure like any other", async () => {
    const inner = new CancelSource();
    const run = () => sleep(1_000, inner);
    const call = guard(run, options({}, { cancel: new CancelSource() }));
    inner.cancel();
    expect(await call).toMatchObject({ ok: false, error: { code: 'ABORTED', outcome: 'unknown' } });
    expect(await call).not.toHaveProperty('cancelled');
  });
});
