/** Every way to spend more than was allowed. */
import { describe, expect, test } from 'vitest';
import { Engine, fallback, type Limits, type Middleware, memoryJournal } from '../../src/index.ts';
import { type Scripted, scripted } from '../../src/testing/scripted.ts';
import { entriesOf } from '../kit/journals.ts';
import { anything, asks, ends } from '../kit/runs.ts';
import { type Anything, clerk, ledgered, nested, raw, settled } from './setup.ts';

const prices = { 'eve/evil': { input: 1, output: 1, source: 'test', date: '2026-01-01' } } as const;
const MAX = 1_000;
const forever = { content: [{ type: 'toolCall', id: 'p', name: 'act', input: {} }], stop: 'tools' };

/** How often the model was asked, and how the run ended, when it asks for another call each time. */
async function spending(usage: unknown, limits: Limits, o: { use?: readonly Middleware[] } = {}) {
  const { tool } = ledgered({ effect: 'read' });
  const model = raw([{ ...forever, ...(usage !== undefined && { usage }) }], { maxOutput: MAX });
  const engine = new Engine({ prices, ...o });
  const result = await settled(engine.run(clerk(model, [tool], { limits: { steps: 60, ...limits } }), 'go'));
  return { asked: model.requests.length, result };
}

describe('a model that lies about what it used, or does not say', () => {
  const lies: readonly unknown[] = [
    undefined,
    null,
    {},
    { input: 5 },
    { output: 5 },
    { input: Number.NaN, output: 1 },
    { input: null, output: null },
    { input: '5', output: '7' },
    { input: -1e9, output: 0 },
    { input: 1, output: -1e9 },
    { input: Number.POSITIVE_INFINITY, output: 0 },
    { input: 0.5, output: {} },
    'free',
    [],
  ];
  test.each(lies)('%j: a token limit and a dollar limit hold', async (usage) => {
    // each call may write 1,000 tokens
    const tokens = await spending(usage, { tokens: 5 * MAX });
    expect(tokens.result).toMatchObject({ status: 'stopped', limit: { name: 'tokens' } });
    expect(tokens.asked).toBeLessThanOrEqual(5);
    const dollars = await spending(usage, { costUsd: (5 * MAX) / 1e6 });
    expect(dollars.result).toMatchObject({ status: 'stopped', limit: { name: 'costUsd' } });
    expect(dollars.asked).toBeLessThanOrEqual(5);
    for (const { result } of [tokens, dollars]) {
      expect(JSON.parse(JSON.stringify(result))).toEqual({ ...result, costUsd: (result as Anything).costUsd });
      const { usage: counted } = result as Anything;
      for (const n of Object.values(counted) as unknown[]) expect(typeof n === 'number' && Number.isFinite(n) && n >= 0).toBe(true);
    }
  });

  test('plausible usage is counted', async () => {
    const { asked, result } = await spending({ input: 10, output: 90 }, { tokens: 5 * MAX });
    expect(result).toMatchObject({ status: 'stopped', limit: { name: 'tokens' } });
    expect(asked).toBeGreaterThan(30);
  });
});

test('an endless loop of calls ends at the default limit of steps, in the journal', async () => {
  const { tool, ledger } = ledgered({ effect: 'read' });
  const journal = memoryJournal();
  const run = new Engine({ journal }).run(clerk(raw([forever]), [tool]), 'go');
  expect(await ends(run, 'stopped')).toMatchObject({ limit: { name: 'steps', max: 50, used: 50 } });
  expect(ledger).toHaveLength(50);
  expect((await entriesOf(journal, run.id)).at(-1)).toMatchObject({ type: 'run.settled', status: 'stopped', limit: { name: 'steps' } });
});

test.each([
  ['unknown tools', () => asks(['no_such_tool', {}])],
  ['arguments that do not fit', () => asks(['strict', { wrong: true }])],
  ['denied calls', () => asks(['denied', {}])],
  ['final answers that do not fit', () => 'not json'],
] as [string, () => Scripted][])('an endless loop of %s ends too', async (what, step) => {
  const strict = ledgered({
    name: 'strict',
    input: {
      '~standard': {
        version: 1,
        vendor: 'x',
        validate: () => ({ issues: [{ message: 'no' }] }),
        jsonSchema: { input: () => ({ type: 'object' }), output: () => ({}) },
      },
    } as Anything,
  });
  const denied = ledgered({ name: 'denied' });
  const policy = { decide: async () => ({ allow: false }) };
  const model = scripted(step);
  const more = what.startsWith('final') ? { output: anything } : {};
  const result = await settled(new Engine({ policy }).run(clerk(model, [strict.tool, denied.tool], more), 'go'));
  expect(['stopped', 'failed']).toContain(result.status);
  expect(model.requests.length).toBeLessThanOrEqual(50);
  expect([...strict.ledger, ...denied.ledger]).toEqual([]);
});

describe('a dollar limit', () => {
  const limit = { costUsd: (3.5 * MAX) / 1e6 };
  const dear = { input: 0, output: MAX };

  test('is not passed by retries', async () => {
    const model = raw(
      [
        () => {
          throw Object.assign(new Error('timed out'), { code: 'ETIMEDOUT', syscall: 'read' });
        },
      ],
      { maxOutput: MAX },
    );
    const engine = new Engine({ prices, reliability: { model: { retry: { attempts: 50, initialDelay: 0 }, breaker: false } } });
    const result = await settled(engine.run(clerk(model, [], { limits: limit }), 'go'));
    expect(['stopped', 'failed']).toContain(result.status);
    expect(model.requests.length).toBeLessThanOrEqual(4);
  });

  test('is not passed by falling back', async () => {
    const broken = () =>
      raw(
        [
          () => {
            throw Object.assign(new Error('timed out'), { code: 'ETIMEDOUT', syscall: 'read' });
          },
        ],
        { maxOutput: MAX },
      );
    const models = Array.from({ length: 20 }, broken);
    const engine = new Engine({ prices, reliability: { model: { retry: { attempts: 1 }, breaker: false } } });
    const result = await settled(engine.run(clerk(fallback(models as Anything), [], { limits: limit }), 'go'));
    expect(['stopped', 'failed']).toContain(result.status);
    expect(models.reduce((n, m) => n + m.requests.length, 0)).toBeLessThanOrEqual(4);
  });

  test('is not passed by a wrapper that asks again and again, and every answer is charged', async () => {
    const use: Middleware[] = [
      {
        async model(request, next) {
          for (let i = 0; i < 50; i++) await next(request);
          return next(request);
        },
      },
    ];
    const { asked, result } = await spending(dear, limit, { use });
    expect(asked).toBeLessThanOrEqual(4);
    expect(result.status).not.toBe('completed');
  });

  test.each<[string, Middleware]>([
    ['one after the other', { model: async (request, next) => (await next(request), next(request)) }],
    ['at once', { model: async (request, next) => (await Promise.all([next(request), next(request)]))[0] }],
    ['and takes the first', { model: (request, next) => Promise.race([next(request), next(request)]) }],
  ])('counts both answers of a wrapper that asks twice, %s', async (_, wrapper) => {
    const { asked, result } = await spending({ input: 0, output: 100 }, { tokens: 1e6, steps: 3 }, { use: [wrapper] });
    expect(asked).toBe(6);
    const { usage, costUsd } = result as Anything;
    expect(usage.input + usage.output).toBe(600);
    expect(costUsd).toBeCloseTo(600 / 1e6, 9);
  });

  test('is not passed by a prompt that grows: what a tool gave back is counted before it is sent', async () => {
    const { tool } = ledgered({ effect: 'read', execute: () => 'x'.repeat(60_000) });
    const model = raw([{ ...forever, usage: { input: 10, output: 10 } }], { maxOutput: 10 });
    const run = new Engine({ prices }).run(clerk(model, [tool], { limits: { tokens: 10_000 } }), 'go');
    await ends(run, 'stopped');
    expect(model.requests).toHaveLength(1);
  });

  test('is not passed by resuming with the same limit', async () => {
    const { tool } = ledgered({ effect: 'read' });
    const model = raw([{ ...forever, usage: dear }], { maxOutput: MAX });
    const engine = new Engine({ prices });
    const run = engine.run(clerk(model, [tool], { limits: limit }), 'go');
    await ends(run, 'stopped');
    const before = model.requests.length;
    for (let i = 0; i < 5; i++) await ends(engine.resume(run.id, { limits: limit }), 'stopped');
    expect(model.requests.length).toBe(before);
  });
});

describe('a limit of tool calls', () => {
  test('holds for ten thousand calls in one answer', async () => {
    const { tool, ledger } = ledgered({ effect: 'read' });
    const calls = {
      content: Array.from({ length: 10_000 }, (_, i) => ({ type: 'toolCall', id: `p${i}`, name: 'act', input: { i } })),
      stop: 'tools',
    };
    const result = await ends(new Engine().run(clerk(raw([calls]), [tool], { limits: { toolCalls: 7 } }), 'go'), 'stopped');
    expect(result.limit).toMatchObject({ name: 'toolCalls', max: 7, used: 7 });
    expect(ledger).toHaveLength(7);
  });

  test('is not passed by parallel calls whose gates answer out of order', async () => {
    const { tool, ledger } = ledgered({ effect: 'read' });
    let n = 20;
    const policy = {
      decide: async () => {
        await new Promise((r) => setTimeout(r, n--));
        return { allow: true };
      },
    };
    await ends(
      new Engine({ policy }).run(
        clerk(scripted([asks(...Array.from({ length: 10 }, (_, i) => ['act', { i }] as const)), 'done']), [tool], {
          limits: { toolCalls: 4 },
        }),
        'go',
      ),
      'stopped',
    );
    expect(ledger).toHaveLength(4);
  });
});

test.each([Number.NaN, -1, '5', null, {}, nested(3)])('a limit of %j is refused, by engine, agent, run and resume', async (value) => {
  const limits = { steps: value } as Limits;
  const a = clerk(scripted(['ok']));
  const refusals = [
    () => new Engine({ limits }),
    () => clerk(scripted([]), [], { limits }),
    () => new Engine().run(a, 'go', { limits }),
    () => new Engine().resume('x', { limits }),
  ];
  for (const refusal of refusals)
    expect(await settled((async () => await (refusal() as Anything))())).toMatchObject({
      status: 'rejected',
      error: { code: expect.stringMatching(/CONFIG_INVALID/) },
    });
});
