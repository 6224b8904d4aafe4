import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { agent, Engine, type EngineOptions, type Tool, type ToolSource, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { anything, asks, ends, failure, refused, shown } from '../kit/runs.ts';
import { settle } from '../kit/time.ts';

// user code that never answers is waited for on the test's own clock
beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'] }));
afterEach(() => void vi.useRealTimers());

const never = () => new Promise<never>(() => undefined);
const by = { id: 'ana' };

interface Hanging {
  engine?: EngineOptions;
  tools?: readonly (Tool | ToolSource)[];
  instructions?: () => Promise<string>;
}

/** Code of a user's that never answers, wherever the engine asks for it. */
const hooks: readonly [string, Hanging][] = [
  ['instructions', { instructions: never }],
  ['memory', { engine: { memory: { recall: never, record: never } } }],
  ['identity', { engine: { identity: { get: never } } }],
  ['policy', { engine: { policy: { decide: never } } }],
  ['approval rule', { tools: [tool({ name: 'call', description: '', input: anything, approval: never, execute: () => 1 })] }],
  [
    'schema',
    {
      tools: [
        tool({ name: 'call', description: '', input: { '~standard': { ...anything['~standard'], validate: never } }, execute: () => 1 }),
      ],
    },
  ],
  ['tool source', { tools: [{ name: 'shop', open: never }] }],
  ['tool source, its list', { tools: [{ name: 'shop', open: async () => ({ list: never, close: never }) }] }],
  ['wrapper of the tool', { engine: { use: [{ tool: never }] } }],
  ['wrapper of the model', { engine: { use: [{ model: never }] } }],
];

describe.each(hooks)('a hook that never answers (%s)', (_, { engine: o = {}, tools, instructions = async () => 'x' }) => {
  const call = tool({
    name: 'call',
    description: '',
    input: anything,
    effect: 'read',
    credentials: { key: { provider: 'crm' } },
    execute: () => 1,
  });
  const start = (signal?: AbortSignal, time?: number) => {
    const a = agent({ name: 'a', instructions, model: scripted([asks(['call', {}]), 'done']), tools: tools ?? [call] });
    const identity = o.identity ?? { get: async () => ({ token: 'abcdefgh' }) };
    const engine = new Engine({ identity, ...o });
    return { engine, run: engine.run(a, 'go', { by, session: 's', ...(signal && { signal }), ...(time && { limits: { time } }) }) };
  };

  test('keeps no run from being cancelled', async () => {
    const stop = new AbortController();
    const { run } = start(stop.signal);
    await settle();
    stop.abort();
    await ends(run, 'cancelled');
  });

  test('keeps no engine from being closed, and its run is given back', async () => {
    const { engine, run } = start();
    const outcome = run.then(
      (r) => r.status,
      (e: { code: string }) => e.code,
    );
    await settle();
    const closing = engine.close();
    await vi.advanceTimersByTimeAsync(20_000);
    await closing;
    // a hook with a time of its own may have been given up meanwhile
    expect(['ENGINE_CLOSED', 'failed', 'completed']).toContain(await outcome);
  });
});

describe('a hook that takes too long', () => {
  test.each<[string, Hanging, string]>([
    ['policy', { engine: { policy: { decide: never } } }, 'NOT_PERMITTED'],
    [
      'approval rule',
      { tools: [tool({ name: 'call', description: '', input: anything, approval: never, execute: () => 1 })] },
      'APPROVAL_RULE_FAILED',
    ],
  ])('%s: the gate stays closed, and the agent is told', async (_, { engine: o = {}, tools }, code) => {
    let ran = 0;
    const call = tool({ name: 'call', description: '', input: anything, execute: () => ++ran });
    const model = scripted([asks(['call', {}]), 'done']);
    const run = new Engine(o).run(agent({ name: 'a', instructions: '', model, tools: tools ?? [call] }), 'go');
    await settle();
    await vi.advanceTimersByTimeAsync(11_000);
    await ends(run, 'completed');
    expect(failure(shown(model.requests[1])[0])).toMatchObject({ code, outcome: 'not-run' });
    expect(ran).toBe(0);
  });
});

test('working time runs out while a hook thinks: the run stops, and can go on', async () => {
  let hang = true;
  const model = scripted(['done']);
  const engine = new Engine();
  const run = engine.run(agent({ name: 'a', instructions: () => (hang ? never() : 'x'), model }), 'go', { limits: { time: 1_000 } });
  await settle();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await ends(run, 'stopped')).toMatchObject({ limit: { name: 'time' } });
  hang = false;
  await ends(engine.resume(run.id, { limits: { time: 5_000 } }), 'completed');
});

test('what a hook is given is a copy, or cannot be changed', async () => {
  const seen: unknown[] = [];
  const meddle = (value: unknown) => {
    try {
      Object.assign(value as object, { meddled: true });
    } catch {
      // frozen
    }
  };
  const call = tool({
    name: 'call',
    description: '',
    input: anything,
    approval: (input, ctx) => {
      meddle(input);
      meddle(ctx.context);
      meddle(ctx.by);
      return false;
    },
    execute: (input, ctx) => {
      seen.push(structuredClone({ input, by: ctx.by, context: ctx.context }));
      return 'ok';
    },
  });
  const policy = {
    decide: async (r: { input: unknown; by: unknown }) => {
      meddle(r.input);
      meddle(r.by);
      return { allow: true };
    },
  };
  const use = [
    {
      tool: async (c: { input: unknown }, next: () => Promise<never>) => {
        meddle(c.input);
        return next();
      },
    },
  ];
  const model = scripted([asks(['call', { n: 1 }]), 'done']);
  const engine = new Engine({ policy, use });
  const context = { plan: 'pro' };
  const run = engine.run(
    agent({
      name: 'a',
      instructions: ({ context: c }) => {
        meddle(c);
        return 'x';
      },
      model,
      tools: [call],
    }),
    'go',
    {
      by,
      context,
    } as never,
  );
  await ends(run, 'completed');
  expect(JSON.stringify(await engine.inspect(run.id))).not.toContain('meddled');
  expect(JSON.stringify(model.requests)).not.toContain('meddled');
  expect(seen).toMatchObject([{ by: { id: 'ana' }, context: { plan: 'pro' } }]);
  expect(JSON.stringify((seen[0] as { by: unknown; context: unknown }).by)).toBe('{"id":"ana"}');
  expect(JSON.stringify((seen[0] as { by: unknown; context: unknown }).context)).toBe('{"plan":"pro"}');
  await refused('RUN_NOT_FOUND', engine.inspect('meddled'));
});
