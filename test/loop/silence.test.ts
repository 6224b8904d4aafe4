/** A stream that goes on may take long; one that is silent is given up. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { agent, Engine, fallback, foreignAgent, type Model, type ModelCall } from '../../src/index.ts';
import { all } from '../kit/journals.ts';
import { ends } from '../kit/runs.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'] }));
afterEach(() => void vi.useRealTimers());

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
const answer = { content: [{ type: 'text' as const, text: 'done' }], stop: 'end' as const, usage: { input: 1, output: 1 } };
const model = (generate: (call: ModelCall, n: number) => Promise<typeof answer>): Model & { calls: number } => ({
  provider: 'p',
  id: 'm',
  calls: 0,
  generate(_, call) {
    return generate(call, ++this.calls);
  },
});
const never = () => new Promise<never>(() => undefined);
const pieces = async (call: ModelCall, n: number, each: () => void) => {
  for (let i = 0; i < n; i++) {
    await new Promise((resolve) => setTimeout(resolve, 300));
    each();
  }
  return call;
};
const run = (m: Model, reliability: object) =>
  new Engine().run(
    agent({ name: 'a', instructions: '', model: m, reliability: { model: { retry: { initialDelay: 0 }, ...reliability } } }),
    'go',
  );

test.each<[string, (call: ModelCall) => void]>([
  ['text', ({ emit }) => emit?.({ type: 'text', text: '.' })],
  ['reasoning', ({ emit }) => emit?.({ type: 'reasoning', text: '.' })],
  ['pieces that are not shown', ({ alive }) => alive?.()],
])('a stream of %s outlives the timeout of one attempt', async (_, tell) => {
  const m = model(async (call) => {
    await pieces(call, 20, () => tell(call));
    return answer;
  });
  const going = run(m, { timeout: 400 });
  const events = all(going);
  await pass(7_000);
  expect((await ends(going, 'completed')).output).toBe('done');
  expect(m.calls).toBe(1);
  expect((await events).filter((e) => e.type === 'attempt.failed')).toEqual([]);
});

test('the same without a listener, if the adapter reports progress', async () => {
  const m = model(async (call) => {
    expect(call.emit).toBeUndefined();
    await pieces(call, 20, () => call.alive?.());
    return answer;
  });
  const going = run(m, { timeout: 400 });
  await pass(7_000);
  await ends(going, 'completed');
  expect(m.calls).toBe(1);
});

test('a stalled stream times out, is retried, and then the next model is asked', async () => {
  let late: (() => void) | undefined;
  const stalls = model(async ({ emit }) => {
    emit?.({ type: 'text', text: 'a' });
    late = () => emit?.({ type: 'text', text: 'too late' });
    return never();
  });
  const well = Object.assign(
    model(async () => answer),
    { id: 'second' },
  );
  const going = run(fallback([stalls, well]), { timeout: 400, retry: { attempts: 2, initialDelay: 0 } });
  const events = all(going);
  await pass(2_000);
  late?.();
  await ends(going, 'completed');
  expect([stalls.calls, well.calls]).toEqual([2, 1]);
  const told = await events;
  const failed = told.flatMap((e) => (e.type === 'attempt.failed' ? [[e.code, e.message]] : []));
  expect(failed[0]).toEqual(['TIMEOUT', 'No result after 400 ms, the timeout of one attempt.']);
  expect(new Set(failed.map(([code]) => code))).toEqual(new Set(['TIMEOUT']));
  expect(JSON.stringify(told)).not.toContain('too late');
});

test('a stream that never comes to an end is ended: after an hour, or what `longest` says, or the deadline', async () => {
  const drips = () =>
    model(async (call) => {
      for (;;) await pieces(call, 1, () => call.emit?.({ type: 'text', text: '.' }));
    });
  for (const [reliability, ms] of [
    [{ timeout: 400 }, 3_600_000],
    [{ timeout: 400, longest: 2_000 }, 2_000],
    [{ timeout: 400, longest: 9_000, deadline: 3_000 }, 3_000],
    // not shorter than the silence that is allowed
    [{ timeout: 400, longest: 100 }, 400],
  ] as const) {
    const m = drips();
    const going = run(m, { ...reliability, retry: { attempts: 1 } });
    const events = all(going);
    await pass(ms - 350);
    expect(m.calls).toBe(1);
    await pass(1_000);
    const { error } = await ends(going, 'failed');
    expect(error).toMatchObject({ code: 'TIMEOUT', message: expect.stringContaining(` ${ms} ms`) });
    await events;
  }
});

test('the turn of a foreign agent that reports progress outlives its timeout', async () => {
  const alien = (tell: (ctx: { alive(): void; emit?: ((d: { type: 'text'; text: string }) => void) | undefined }) => void) =>
    foreignAgent({
      name: 'alien',
      timeout: 400,
      turn: async (_, ctx) => {
        for (let i = 0; i < 20; i++) {
          await new Promise((resolve) => setTimeout(resolve, 300));
          tell(ctx);
        }
        return { status: 'completed', output: 'done' };
      },
    });
  const quiet = new Engine().run(
    alien((ctx) => ctx.alive()),
    'go',
  );
  const heard = new Engine().run(
    alien(({ emit }) => emit?.({ type: 'text', text: '.' })),
    'go',
  );
  const events = all(heard);
  const silent = new Engine().run(
    alien(() => undefined),
    'go',
  );
  await pass(7_000);
  await ends(quiet, 'completed');
  await ends(heard, 'completed');
  await events;
  expect((await ends(silent, 'failed')).error).toMatchObject({ code: 'TIMEOUT' });
});
