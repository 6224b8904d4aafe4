import { describe, expect, test } from 'vitest';
import { agent, Engine, type Limits, type Model, tool } from '../../src/index.ts';
import { type Scripted, scripted } from '../../src/testing/scripted.ts';
import { entriesOf, journals, typesOf } from '../kit/journals.ts';
import { anything, asks, ends, refused, shown } from '../kit/runs.ts';

/** An agent that would go on for ever. */
function endless(limits: Limits | undefined, step: Scripted = asks(['count', {}])) {
  let ran = 0;
  const count = tool({ name: 'count', description: '', input: anything, effect: 'read', execute: () => ++ran });
  const model = scripted(() => step);
  return { a: agent({ name: 'a', instructions: '', model, tools: [count], ...(limits && { limits }) }), model, ran: () => ran };
}

describe.each(journals)('limits on $name', ({ make }) => {
  test('steps: stops before the call of the model that would cross it, with all results in; goes on with a higher one', async () => {
    const { journal, another } = make();
    const { a, model, ran } = endless({ steps: 2 });
    const run = new Engine({ journal }).run(a, 'go');
    expect(await ends(run, 'stopped')).toMatchObject({ limit: { name: 'steps', max: 2, used: 2 }, steps: 2 });
    expect([model.requests.length, ran()]).toEqual([2, 2]);
    expect(typesOf(await entriesOf(journal, run.id)).slice(-2)).toEqual(['call.finished', 'run.settled']);
    const engine = new Engine({ journal: another(), agents: [a] });
    expect(await ends(engine.resume(run.id, { limits: { steps: 5 } }), 'stopped')).toMatchObject({ limit: { max: 5, used: 5 }, steps: 5 });
    expect([model.requests.length, ran()]).toEqual([5, 5]);
  });

  test('a raised limit stays raised at the next resume, and the other limits stay as they were', async () => {
    const { journal } = make();
    const { a } = endless({ steps: 1, toolCalls: 3 });
    const engine = new Engine({ journal });
    const run = engine.run(a, 'go');
    await ends(run, 'stopped');
    expect(await ends(engine.resume(run.id, { limits: { steps: 10 } }), 'stopped')).toMatchObject({ limit: { name: 'toolCalls', max: 3 } });
    expect(await ends(engine.resume(run.id, { limits: { toolCalls: 20 } }), 'stopped')).toMatchObject({
      limit: { name: 'steps', max: 10, used: 10 },
    });
  });

  test('a stopped run that is resumed without a higher limit returns its result, and costs nothing', async () => {
    const { journal } = make();
    const { a, model } = endless({ steps: 1 });
    const engine = new Engine({ journal });
    const run = engine.run(a, 'go');
    const stopped = await run;
    const before = await entriesOf(journal, run.id);
    expect(await engine.resume(run.id)).toEqual(stopped);
    expect(await entriesOf(journal, run.id)).toEqual(before);
    expect(await ends(engine.resume(run.id, { limits: { steps: 1 } }), 'stopped')).toMatchObject({ limit: { max: 1 } });
    expect(model.requests).toHaveLength(1);
  });

  test('toolCalls: of several calls asked at once, those below the limit run and the rest wait for a higher one, none twice', async () => {
    const { journal, another } = make();
    const ran: unknown[] = [];
    const note = tool({ name: 'note', description: '', input: anything, execute: ({ n }) => void ran.push(n) });
    const model = scripted([asks(...[1, 2, 3, 4].map((n) => ['note', { n }] as const)), 'done']);
    const a = agent({ name: 'a', instructions: '', model, tools: [note], limits: { toolCalls: 2 } });
    const run = new Engine({ journal }).run(a, 'go');
    expect(await ends(run, 'stopped')).toMatchObject({ limit: { name: 'toolCalls', max: 2, used: 2 } });
    expect(ran).toEqual([1, 2]);
    const engine = new Engine({ journal: another(), agents: [a] });
    expect(await ends(engine.resume(run.id, { limits: { toolCalls: 3 } }), 'stopped')).toMatchObject({ limit: { max: 3, used: 3 } });
    expect(ran).toEqual([1, 2, 3]);
    await ends(engine.resume(run.id, { limits: { toolCalls: 4 } }), 'completed');
    expect(ran).toEqual([1, 2, 3, 4]);
    expect(shown(model.requests[1])).toHaveLength(4);
    expect(model.requests).toHaveLength(2);
  });

  test('toolCalls: calls that are refused count for nothing', async () => {
    const { journal } = make();
    const { a, ran } = endless({ toolCalls: 1, steps: 1 }, asks(['missing', {}], ['missing', {}], ['count', {}]));
    expect(await ends(new Engine({ journal }).run(a, 'go'), 'stopped')).toMatchObject({ limit: { name: 'steps' } });
    expect(ran()).toBe(1);
  });

  test('toolCalls: a call that a person approved runs where the limit has room for it, though a sibling waits for more', async () => {
    const { journal } = make();
    const ran: unknown[] = [];
    const sign = tool({ name: 'sign', description: '', input: anything, approval: true, execute: ({ n }) => void ran.push(n) });
    const a = agent({
      name: 'a',
      instructions: '',
      model: scripted([asks(['sign', { n: 1 }], ['sign', { n: 2 }]), 'done']),
      tools: [sign],
      limits: { toolCalls: 1 },
    });
    const engine = new Engine({ journal });
    const run = engine.run(a, 'go');
    await run;
    const [approval] = (await engine.inspect(run.id)).approvals;
    await engine.decide(run.id, [{ approval: approval?.id as string, type: 'approve' }], { by: { id: 'ben' } });
    const open = await ends(engine.resume(run.id), 'paused');
    expect(ran).toEqual([1]);
    expect(open.approvals).toHaveLength(1);
    await engine.decide(run.id, [{ approval: open.approvals[0].id, type: 'approve' }], { by: { id: 'ben' } });
    await ends(engine.resume(run.id), 'stopped');
    expect(ran).toEqual([1]);
    await ends(engine.resume(run.id, { limits: { toolCalls: 2 } }), 'completed');
    expect(ran).toEqual([1, 2]);
  });

  test('tokens: what the next call may take is measured tokens, new bytes and the output limit', async () => {
    const { journal } = make();
    const usage = { input: 100, output: 50 };
    const count = tool({ name: 'count', description: '', input: anything, effect: 'read', execute: () => 'x'.repeat(200) });
    const model = scripted(() => ({ ...(asks(['count', {}]) as object), usage }), { maxOutput: 1_000 });
    const start = (tokens: number) =>
      new Engine({ journal }).run(agent({ name: `a${tokens}`, instructions: '', model, tools: [count], limits: { tokens } }), 'go');
    // after one step: used 150; the next is bounded by 150 measured, some 230 bytes of a tool message and 1,000 of output
    const one = start(1_400);
    expect(await ends(one, 'stopped')).toMatchObject({ limit: { name: 'tokens', max: 1_400, used: 150 }, steps: 1 });
    expect(await ends(start(1_600), 'stopped')).toMatchObject({ limit: { used: 300 }, steps: 2 });
    expect(await ends(start(999), 'stopped')).toMatchObject({ limit: { used: 0 }, steps: 0 });
  });

  test('tokens: cached ones count', async () => {
    const { journal } = make();
    const { count } = { count: tool({ name: 'count', description: '', input: anything, effect: 'read', execute: () => 1 }) };
    const model = scripted(
      () => ({ ...(asks(['count', {}]) as object), usage: { input: 1, output: 1, cacheRead: 500, cacheWrite: 500 } }),
      { maxOutput: 10 },
    );
    const r = await ends(
      new Engine({ journal }).run(agent({ name: 'a', instructions: '', model, tools: [count], limits: { tokens: 2_000 } }), 'go'),
      'stopped',
    );
    expect(r).toMatchObject({ limit: { name: 'tokens', used: 1_002 }, steps: 1 });
  });

  test('each limit comes from the run, then its agent, then its engine', async () => {
    const { journal } = make();
    const { a } = endless({ steps: 3 });
    const engine = new Engine({ journal, limits: { steps: 9, toolCalls: 2 } });
    expect(await ends(engine.run(a, 'go'), 'stopped')).toMatchObject({ limit: { name: 'toolCalls', max: 2 } });
    expect(await ends(engine.run(a, 'go', { limits: { toolCalls: 50 } }), 'stopped')).toMatchObject({ limit: { name: 'steps', max: 3 } });
    expect(await ends(engine.run(a, 'go', { limits: { steps: 1 } }), 'stopped')).toMatchObject({ limit: { name: 'steps', max: 1 } });
  });

  test('the limits a run was started with hold after a pause, in another process', async () => {
    const { journal, another } = make();
    const sign = tool({ name: 'sign', description: '', input: anything, approval: true, execute: () => 1 });
    const a = agent({ name: 'a', instructions: '', model: scripted(() => asks(['sign', {}])), tools: [sign] });
    const paused = await ends(new Engine({ journal }).run(a, 'go', { limits: { steps: 1, toolCalls: Number.MAX_SAFE_INTEGER } }), 'paused');
    const engine = new Engine({ journal: another(), agents: [a] });
    await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: { id: 'ben' } });
    expect(await ends(engine.resume(paused.runId), 'stopped')).toMatchObject({ limit: { name: 'steps', max: 1 }, steps: 1 });
  });
});

test('without a limit of steps a run stops at fifty', async () => {
  const { a } = endless(undefined);
  expect(await ends(new Engine().run(a, 'go'), 'stopped')).toMatchObject({ limit: { name: 'steps', max: 50, used: 50 } });
});

describe('the bound of a journal', () => {
  /** Calls a tool for ever; what it is asked is not kept. */
  const tireless = (text = ''): Model => ({
    provider: 'scripted',
    id: 'tireless',
    generate: async () => ({
      content: [...(text ? [{ type: 'text', text } as const] : []), { type: 'toolCall', id: '1', name: 'count', input: {} }],
      stop: 'tools',
      usage: { input: 1, output: 1 },
    }),
  });
  const count = tool({ name: 'count', description: '', input: anything, effect: 'read', execute: () => 1 });

  test('of 50,000 entries stops a run, for good; its session goes on with a new one', async () => {
    const engine = new Engine();
    const a = agent({ name: 'a', instructions: '', model: tireless(), tools: [count], limits: { steps: 1e9 } });
    const run = await ends(engine.run(a, 'go', { session: 's' }), 'stopped');
    expect(run.limit).toMatchObject({ name: 'journal', max: 50_000 });
    expect((await engine.inspect(run.runId)).seq).toBeLessThan(50_000);
    expect(await engine.resume(run.runId, { limits: { steps: 1e9 } })).toEqual(run);
    await ends(engine.run(agent({ name: 'b', instructions: '', model: scripted(['done']) }), 'go on', { session: 's' }), 'completed');
  });

  test('of 64 MB stops a run', async () => {
    const a = agent({ name: 'a', instructions: '', model: tireless('x'.repeat(8 * 1024 * 1024)), tools: [count], limits: { steps: 40 } });
    const run = await ends(new Engine().run(a, 'go'), 'stopped');
    expect(run).toMatchObject({ limit: { name: 'journal', max: 64 * 1024 * 1024 } });
    expect(run.steps).toBeLessThanOrEqual(9);
  });
});

test('a token limit holds too where the model does not say what it used', async () => {
  let asked = 0;
  const silent: Model = {
    provider: 'mine',
    id: 'silent',
    maxOutput: 1_000,
    generate: async () => {
      asked++;
      return { content: [{ type: 'toolCall', id: `${asked}`, name: 'count', input: {} }], stop: 'tools' };
    },
  };
  const count = tool({ name: 'count', description: '', input: anything, effect: 'read', execute: () => 1 });
  const a = agent({ name: 'a', instructions: '', model: silent, tools: [count], limits: { tokens: 20_000, steps: 500 } });
  expect(await ends(new Engine().run(a, 'go'), 'stopped')).toMatchObject({ limit: { name: 'tokens' } });
  expect(asked).toBeLessThan(100);
});

test.each<[string, object]>([
  ['instructions made at run time', { instructions: () => 'x'.repeat(50_000) }],
  [
    'a large output schema',
    {
      output: {
        '~standard': { ...anything['~standard'], jsonSchema: { input: () => ({ type: 'object', description: 'x'.repeat(50_000) }) } },
      },
    },
  ],
  ['long instructions', { instructions: 'x'.repeat(50_000) }],
  ['many tools', { tools: [tool({ name: 'long', description: 'x'.repeat(50_000), input: anything, execute: () => 1 })] }],
])('a token limit counts %s before the first call', async (_, over) => {
  const model = scripted(['never'], { maxOutput: 100 });
  const a = agent({ name: 'a', instructions: '', model, limits: { tokens: 10_000 }, ...over });
  await ends(new Engine().run(a, 'go'), 'stopped');
  expect(model.requests).toHaveLength(0);
});

test('a token limit counts what is recalled from memory, and instructions that grow', async () => {
  const model = scripted(() => asks(['count', {}]), { maxOutput: 100 });
  const count = tool({ name: 'count', description: '', input: anything, effect: 'read', execute: () => 1 });
  let n = 0;
  const growing = agent({ name: 'a', instructions: () => 'x'.repeat(n++ * 50_000), model, tools: [count], limits: { tokens: 10_000 } });
  expect(await ends(new Engine().run(growing, 'go'), 'stopped')).toMatchObject({ steps: 1 });
  const asked = scripted(['never'], { maxOutput: 100 });
  const memory = { recall: async () => ['y'.repeat(3_500), 'z'.repeat(3_500)], record: async () => undefined };
  const b = agent({ name: 'b', instructions: '', model: asked, limits: { tokens: 6_000 } });
  await ends(new Engine({ memory }).run(b, 'go', { by: { id: 'ana' } }), 'stopped');
  expect(asked.requests).toHaveLength(0);
});

test.each<[string, Limits]>([
  ['a negative one', { steps: -1 }],
  ['no number', { steps: Number.NaN }],
  ['a text', { steps: '3' as unknown as number }],
  ['one that there is not', { step: 3 } as Limits],
])('a limit that is %s is refused wherever it is given', async (_, limits) => {
  await refused('CONFIG_INVALID', () => new Engine({ limits }));
  await refused('CONFIG_INVALID', () => endless(limits));
  const { a } = endless({ steps: 1 });
  const engine = new Engine();
  await refused('CONFIG_INVALID', () => engine.run(a, 'go', { limits }));
  const run = await engine.run(a, 'go');
  await refused('CONFIG_INVALID', engine.resume(run.runId, { limits }));
});
