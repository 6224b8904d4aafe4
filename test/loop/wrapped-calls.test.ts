import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  agent,
  delegate,
  Engine,
  type Limits,
  type Middleware,
  type Model,
  memoryJournal,
  type Prices,
  ToolError,
  tool,
} from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { entriesOf, journals } from '../kit/journals.ts';
import { anything, asks, ends } from '../kit/runs.ts';
import { hurried, settle } from '../kit/time.ts';

const from = { source: 'test', date: '2026-11-21' };
const prices: Prices = { 'mine/dear': { input: 0, output: 1_000, ...from }, 'mine/free': { input: 0, output: 0, ...from } };
/** An answer costs a dollar; a call that is lost, as much. */
const usage = { input: 0, output: 1_000 };
const never = () => new Promise<never>(() => undefined);
const said = (text: string) => ({ content: [{ type: 'text', text } as const], stop: 'end' as const, usage });

/** A model that answers when `gate` says so, with what the provider bills and the signals of its calls. */
function dear(gate: (n: number) => unknown = () => undefined) {
  const calls: AbortSignal[] = [];
  const model: Model = {
    provider: 'mine',
    id: 'dear',
    maxOutput: 1_000,
    async generate(_, { signal }) {
      const n = calls.push(signal);
      await gate(n);
      return said(`answer ${n}`);
    },
  };
  return { model, calls };
}
const wrapping = (model: Model, wrapper: NonNullable<Middleware['model']>, limits: Limits = {}) =>
  agent({
    name: 'a',
    instructions: '',
    model,
    limits,
    use: [{ model: wrapper }],
    reliability: { model: { retry: { attempts: 2, initialDelay: 0 } } },
  });

describe.each(journals)('a halt on $name', ({ make }) => {
  // holds loop.I4, wrapped.I2
  test.each<[string, NonNullable<Middleware['model']>, (n: number) => unknown]>([
    ['after the answer, while a wrapper works on it', async (request, next) => (await next(request), never()), () => undefined],
    ['while the model thinks, inside a wrapper', (request, next) => next(request), never],
    ['while one of two calls runs', (request, next) => Promise.all([next(request), next(request)]).then(never), (n) => n === 2 && never()],
  ])('%s: what the model cost is in the result, and nothing is charged after it', async (what, wrapper, gate) => {
    const { journal } = make();
    const { model, calls } = dear(gate);
    const engine = new Engine({ journal, prices });
    const run = engine.run(wrapping(model, wrapper), 'go');
    await vi.waitFor(() => expect(calls.length).toBeGreaterThan(0));
    await settle();
    await engine.cancel(run.id);
    const result = await ends(run, 'cancelled');
    expect(result.costUsd).toBe(what.startsWith('while one') ? 2 : 1);
    await settle();
    expect((await engine.inspect(run.id)).costUsd).toBe(result.costUsd);
    expect((await entriesOf(journal, run.id)).at(-1)).toMatchObject({ type: 'run.settled', status: 'cancelled' });
  });

  test('where the engine closes, the call is charged once', async () => {
    const { journal, another } = make();
    const { model, calls } = dear();
    let hangs = true;
    const made = () => wrapping(model, async (request, next) => (hangs ? (await next(request), never()) : next(request)));
    const first = new Engine({ journal, prices });
    const run = first.run(made(), 'go');
    await vi.waitFor(() => expect(calls).toHaveLength(1));
    await settle();
    await Promise.allSettled([hurried(() => first.close()), run]);
    hangs = false;
    const second = new Engine({ journal: another(), prices, agents: [made()] });
    expect(await ends(second.resume(run.id), 'completed')).toMatchObject({ costUsd: 2 });
  });
});

describe('a sub-agent with a limit of time, whose wrapper is slow', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['Date', 'performance', 'setTimeout', 'clearTimeout'] }));
  afterEach(() => void vi.useRealTimers());

  test('does not get past the dollar limit of the run', async () => {
    const { model, calls } = dear();
    const child = agent({ name: 'child', instructions: '', model, use: [{ model: async (r, next) => (await next(r), never()) }] });
    const more = scripted(() => asks(['child', { task: 'x' }]), { provider: 'mine', id: 'free' });
    const top = agent({ name: 'top', instructions: '', model: more, agents: [delegate(child, { limits: { time: 200 } })] });
    const run = new Engine({ prices }).run(top, 'go', { limits: { costUsd: 2.5 } });
    let over = false;
    void run.then(() => {
      over = true;
    });
    while (!over) {
      await settle();
      await vi.advanceTimersByTimeAsync(50);
    }
    expect(await ends(run, 'stopped')).toMatchObject({ limit: { name: 'costUsd', used: 2 }, costUsd: 2 });
    expect(calls).toHaveLength(2);
  });
});

describe('a wrapper that ends before its calls', () => {
  const count = tool({ name: 'count', description: '', input: anything, effect: 'read', execute: () => 1 });
  const own = {
    content: [{ type: 'toolCall' as const, id: 'x', name: 'count', input: {} }],
    stop: 'tools' as const,
    usage: { input: 0, output: 0 },
  };

  test('with an answer of its own: the calls are aborted and charged, and the dollar limit holds', async () => {
    const { model, calls } = dear(never);
    const racing: Middleware = { model: async (request, next) => Promise.race([next(request), settle().then(() => own)]) };
    const a = agent({ name: 'a', instructions: '', model, tools: [count], use: [racing] });
    const run = new Engine({ prices }).run(a, 'go', { limits: { costUsd: 3.5 } });
    expect(await ends(run, 'stopped')).toMatchObject({ limit: { name: 'costUsd', used: 3 }, costUsd: 3 });
    expect(calls.map(({ aborted }) => aborted)).toEqual([true, true, true]);
  });

  test('with the first of two answers: the other call is charged, and no other model is asked for it', async () => {
    const { model, calls } = dear((n) => n === 2 && never());
    const racing = wrapping(model, (request, next) => Promise.race([next(request), next(request)]));
    expect(await ends(new Engine({ prices }).run(racing, 'go'), 'completed')).toMatchObject({ output: 'answer 1', costUsd: 2 });
    expect(calls).toHaveLength(2);
  });

  test('with an error: what answered and what still runs is charged', async () => {
    const { model } = dear((n) => n === 2 && never());
    const failing = wrapping(model, async (request, next) => {
      void next(request);
      void next(request);
      await settle();
      throw new Error('bug');
    });
    const result = await ends(new Engine({ prices }).run(failing, 'go'), 'failed');
    expect(result).toMatchObject({ error: { code: 'MIDDLEWARE_FAILED' }, costUsd: 2 });
  });
});

describe('a wrapper that asks again', () => {
  const twice: NonNullable<Middleware['model']> = async (request, next) => (await next(request), next(request));

  // holds wrapped.I1
  test('where the first answer leaves no room: that one is charged, and the model is not asked again', async () => {
    const { model, calls } = dear();
    const result = await ends(new Engine({ prices }).run(wrapping(model, twice, { costUsd: 1.5 }), 'go'), 'stopped');
    expect(result).toMatchObject({ limit: { name: 'costUsd', used: 1, needed: 2 }, costUsd: 1 });
    expect(calls).toHaveLength(1);
  });

  test('and fails there: a retry counts the first answer', async () => {
    const { model, calls } = dear((n) => {
      if (n > 1) throw new ToolError('STREAM_BROKEN', 'broken', { retryable: true });
    });
    const result = await ends(new Engine({ prices }).run(wrapping(model, twice, { costUsd: 2.5 }), 'go'), 'stopped');
    expect(result).toMatchObject({ limit: { name: 'costUsd', used: 2, needed: 2 }, costUsd: 2 });
    expect(calls).toHaveLength(2);
  });

  test('after a failure that cost nothing: it does not count', async () => {
    const { model } = dear((n) => {
      if (n === 1) throw new ToolError('DOWN', 'not reached', { outcome: 'not-run' });
    });
    const again = wrapping(model, (request, next) => next(request).catch(() => next(request)), { costUsd: 1.5 });
    expect(await ends(new Engine({ prices }).run(again, 'go'), 'completed')).toMatchObject({ costUsd: 1 });
  });

  test('makes one step of it, also in the last step of a sub-agent, at once or one after the other', async () => {
    const both: NonNullable<Middleware['model']> = async (request, next) => (await Promise.all([next(request), next(request)]))[0];
    for (const wrapper of [twice, both]) {
      const child = agent({ name: 'child', instructions: '', model: dear().model, use: [{ model: wrapper }], limits: { steps: 1 } });
      const model = scripted([asks(['child', { task: 'x' }]), 'done'], { provider: 'mine', id: 'free' });
      const top = agent({ name: 'top', instructions: '', model, agents: [child] });
      const engine = new Engine({ prices, journal: memoryJournal() });
      expect(await ends(engine.run(top, 'go', { limits: { costUsd: 5 } }), 'completed')).toMatchObject({ costUsd: 2 });
      expect(JSON.stringify(model.requests[1]?.messages)).toContain('answer');
    }
  });

  test('is charged for both, where a sub-agent has room for one only', async () => {
    const { model, calls } = dear();
    const child = agent({ name: 'child', instructions: '', model, use: [{ model: twice }] });
    const top = agent({
      name: 'top',
      instructions: '',
      model: scripted(() => asks(['child', { task: 'x' }]), { provider: 'mine', id: 'free' }),
      agents: [child],
    });
    expect(await ends(new Engine({ prices }).run(top, 'go', { limits: { costUsd: 1.5 } }), 'stopped')).toMatchObject({ costUsd: 1 });
    expect(calls).toHaveLength(1);
  });
});
