import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ToolError } from '../../src/errors.ts';
import { Breakers, type Circuit, type CircuitState, circuit } from '../../src/reliability/breaker.ts';
import { Cancelled, Expired } from '../../src/reliability/timeout.ts';

const ok = () => Promise.resolve('ok');
const ill = () => Promise.reject(new ToolError('SERVICE_UNAVAILABLE', 'down', { retryable: true }));
const wrong = () => Promise.reject(new ToolError('NOT_FOUND', 'no such order'));
const cancelled = () => Promise.reject(new Cancelled('x'));
const open: Circuit[] = [];
const make = (o: Partial<Parameters<typeof circuit>[0]> = {}) => {
  const c = circuit({ name: 'search', failures: 3, recovery: 1_000, ...o });
  open.push(c);
  return c;
};
const fire = (c: Circuit, ...runs: (() => Promise<unknown>)[]) =>
  runs.reduce(
    (before, run) =>
      before.then(() =>
        c.fire(run).then(
          () => {},
          () => {},
        ),
      ),
    Promise.resolve(),
  );
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
});
afterEach(() => {
  for (const c of open.splice(0)) c.close();
  vi.useRealTimers();
});

describe('opening', () => {
  it('after so many service faults in a row; a success starts the count again', async () => {
    const c = make();
    await fire(c, ill, ill, ok, ill, ill);
    expect(c.status).toEqual({ state: 'closed', failures: 2 });
    await fire(c, ill);
    expect(c.status).toEqual({ state: 'open', failures: 3, retryAt: 1_001_000 });
  });

  it('not by faults of the caller: they are answers, and start the count again', async () => {
    const c = make();
    await fire(c, ...Array(20).fill(wrong));
    expect(c.status).toEqual({ state: 'closed', failures: 0 });
    await fire(c, ill, ill, wrong, ill, ill);
    expect(c.status).toEqual({ state: 'closed', failures: 2 });
  });

  it('cancelled calls count neither way', async () => {
    const c = make();
    const outer = () => Promise.reject(new Expired(5, 'outer'));
    const aborted = () => Promise.reject(AbortSignal.abort().reason);
    const inner = () => Promise.reject(new ToolError('CIRCUIT_OPEN', 'x', { outcome: 'not-run', retryable: true }));
    await fire(c, cancelled, outer, aborted, inner);
    expect(c.status.failures).toBe(0);
    await fire(c, ill, cancelled, ill, outer, aborted, inner);
    expect(c.status).toEqual({ state: 'closed', failures: 2 });
    await fire(c, cancelled, ok);
    expect(c.status).toEqual({ state: 'closed', failures: 0 });
    await fire(c, ill, ill, cancelled, ill);
    expect(c.state).toBe('open');
  });

  it('timeouts of our own count', async () => {
    const c = make();
    await fire(c, ...(['timeout', 'deadline', 'timeout'] as const).map((bound) => () => Promise.reject(new Expired(5, bound))));
    expect(c.state).toBe('open');
  });

  it('calls in parallel that fail together open it once', async () => {
    const states: CircuitState[] = [];
    const c = make({ onState: (_, s) => void states.push(s) });
    await Promise.allSettled(Array.from({ length: 10 }, () => c.fire(ill)));
    expect(states).toEqual(['open']);
    expect(c.state).toBe('open');
  });

  it('has defaults', async () => {
    const c = circuit({ name: 'x' });
    open.push(c);
    await fire(c, ill, ill, ill, ill);
    expect(c.state).toBe('closed');
    await fire(c, ill);
    expect(c.status).toEqual({ state: 'open', failures: 5, retryAt: 1_030_000 });
  });
});

describe('open', () => {
  it('runs nothing, and reports until when', async () => {
    const c = make();
    await fire(c, ill, ill, ill);
    await pass(400);
    const run = vi.fn(ok);
    await expect(c.fire(run)).rejects.toMatchObject({
      name: 'ToolError',
      code: 'CIRCUIT_OPEN',
      outcome: 'not-run',
      retryable: true,
      retryAfter: 600,
      message: 'search was not called: it failed 3 times in a row, and it may be tried again in 600 ms.',
    });
    expect(run).not.toHaveBeenCalled();
    expect(c.retryAfter).toBe(600);
  });

  it('asks to wait a moment if its timer is late', async () => {
    const c = make();
    await fire(c, ill, ill, ill);
    vi.setSystemTime(Date.now() + 5_000);
    expect(c.retryAfter).toBe(1);
  });

  it('an open opossum circuit inside the run is not mistaken for ours', async () => {
    const c = make();
    const error = Object.assign(new Error('Breaker is open'), { code: 'EOPENBREAKER' });
    await expect(c.fire(() => Promise.reject(error))).rejects.toBe(error);
  });
});

describe('half-open', () => {
  const tripped = async (o = {}) => {
    const c = make(o);
    await fire(c, ill, ill, ill);
    await pass(1_000);
    expect(c.status).toEqual({ state: 'half-open', failures: 3 });
    return c;
  };

  it('lets one call try; the others are refused without a time', async () => {
    const c = await tripped();
    let end = (_: unknown) => {};
    const trial = c.fire(() => new Promise((r) => (end = r)));
    const refused = await c.fire(ok).catch((e) => e);
    expect(refused).toMatchObject({ code: 'CIRCUIT_OPEN', outcome: 'not-run', retryable: true, retryAfter: undefined });
    expect(refused.message).toContain('a trial call is under way');
    end('ok');
    expect(await trial).toBe('ok');
    expect(c.status).toEqual({ state: 'closed', failures: 0 });
    expect(await c.fire(ok)).toBe('ok');
  });

  it('a failed trial opens it again, for as long', async () => {
    const c = await tripped();
    await fire(c, ill);
    expect(c.status).toEqual({ state: 'open', failures: 4, retryAt: Date.now() + 1_000 });
    await pass(999);
    expect(c.state).toBe('open');
    await pass(1);
    expect(c.state).toBe('half-open');
  });

  it('an answer that blames the caller closes it', async () => {
    const c = await tripped();
    await fire(c, wrong);
    expect(c.status).toEqual({ state: 'closed', failures: 0 });
  });

  it('a straggler that is cancelled meanwhile changes nothing', async () => {
    const c = make();
    let end = (_: unknown) => {};
    const straggler = c.fire(() => new Promise((_, reject) => (end = reject)));
    await fire(c, ill, ill, ill);
    await pass(1_000);
    end(new Cancelled('x'));
    await expect(straggler).rejects.toSatisfy(Cancelled.is);
    expect(c.state).toBe('half-open');
    await fire(c, ok);
    expect(c.status).toEqual({ state: 'closed', failures: 0 });
  });

  it('any number of cancelled trials change nothing', async () => {
    const states: CircuitState[] = [];
    const c = await tripped({ onState: (_: Circuit, s: CircuitState) => void states.push(s) });
    await fire(c, cancelled, cancelled, () => Promise.reject(new Expired(1, 'outer')));
    expect(c.status).toEqual({ state: 'half-open', failures: 3 });
    await fire(c, ok);
    expect(c.status).toEqual({ state: 'closed', failures: 0 });
    expect(states).toEqual(['open', 'half-open', 'closed']);
    await fire(c, ill, ill);
    expect(c.state).toBe('closed');
    await fire(c, ill);
    expect(c.state).toBe('open');
  });
});

describe('closing down', () => {
  it('refuses calls, lets those under way end, holds no timer', async () => {
    const c = make();
    let end = (_: unknown) => {};
    const under = c.fire(() => new Promise((r) => (end = r)));
    await fire(c, ill, ill, ill);
    expect(vi.getTimerCount()).toBe(1);
    c.close();
    c.close();
    expect(vi.getTimerCount()).toBe(0);
    const run = vi.fn(ok);
    await expect(c.fire(run)).rejects.toMatchObject({ code: 'ENGINE_CLOSED', outcome: 'not-run', retryable: false });
    expect(run).not.toHaveBeenCalled();
    end('late');
    expect(await under).toBe('late');
  });

  it('a cancelled trial after close() does not start it again', async () => {
    const c = make();
    await fire(c, ill, ill, ill);
    await pass(1_000);
    let end = (_: unknown) => {};
    const trial = c.fire(() => new Promise((_, reject) => (end = reject)));
    c.close();
    end(new Cancelled('x'));
    await expect(trial).rejects.toSatisfy(Cancelled.is);
    expect(vi.getTimerCount()).toBe(0);
    await expect(c.fire(ok)).rejects.toMatchObject({ code: 'ENGINE_CLOSED' });
  });
});

describe('Breakers', () => {
  const target = { tool: 'a' };

  it('keeps a circuit for each name of an owner, and evicts the least recently used one above a hundred', () => {
    const breakers = new Breakers();
    const node = {};
    const of = (n: number) => breakers.of(node, `step ${n}`, { failures: 1, recovery: 1_000 }, target);
    const [first, second] = [of(0), of(1)];
    expect(first).not.toBe(second);
    for (let n = 2; n < 100; n++) of(n);
    expect(of(0)).toBe(first);
    of(100);
    expect(of(0)).toBe(first);
    expect(of(1)).not.toBe(second);
  });

  it('one circuit for each options of an owner, so that none depends on who called first', () => {
    const breakers = new Breakers();
    const owner = {};
    const of = (failures: number, recovery: number) => breakers.of(owner, 'a', { failures, recovery }, target);
    const all = [of(2, 1_000), of(100, 1_000), of(2, 5_000)];
    expect(new Set(all).size).toBe(3);
    expect([of(2, 1_000), of(100, 1_000), of(2, 5_000)].every((circuit, i) => circuit === all[i])).toBe(true);
  });

  it('one circuit per owner, none where the policy wants none', () => {
    const breakers = new Breakers();
    const [a, b] = [{}, {}];
    const policy = { failures: 2, recovery: 1_000 };
    expect(breakers.of(a, 'a', policy, target)).toBe(breakers.of(a, 'a', policy, target));
    expect(breakers.of(a, 'a', policy, target)).not.toBe(breakers.of(b, 'a', policy, target));
    expect(breakers.of(a, 'a', false, target)).toBeUndefined();
  });

  it('knows which are tripped, and tells of every change', async () => {
    const told: string[] = [];
    const breakers = new Breakers((c, state) => void told.push(`${c.name} ${state}`));
    const c = breakers.of({}, 'a', { failures: 1, recovery: 1_000 }, target) as Circuit;
    expect(breakers.tripped()).toEqual([]);
    await fire(c, ill);
    expect(breakers.tripped()).toEqual([c]);
    await pass(1_000);
    expect(breakers.tripped()).toEqual([c]);
    await fire(c, ok);
    expect(breakers.tripped()).toEqual([]);
    expect(told).toEqual(['a open', 'a half-open', 'a closed']);
  });

  it('close() refuses calls of all its circuits, those closed and those to come', async () => {
    const breakers = new Breakers();
    const policy = { failures: 1, recovery: 1_000 };
    const [healthy, sick] = [breakers.of({}, 'a', policy, target), breakers.of({}, 'b', policy, target)] as [Circuit, Circuit];
    await fire(sick, ill);
    breakers.close();
    expect(vi.getTimerCount()).toBe(0);
    for (const c of [healthy, sick, breakers.of({}, 'c', policy, target) as Circuit])
      await expect(c.fire(ok)).rejects.toMatchObject({ code: 'ENGINE_CLOSED' });
  });
});
