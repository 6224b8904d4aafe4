/** What a node makes of its answer, and what follows it, may fail or hang. */
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { type Agent, agent, append, Engine, graph, memoryJournal, respond, send, ToolError, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { anything, asks, ends } from '../kit/runs.ts';
import { deferred, until } from '../kit/time.ts';

const ben = { id: 'ben' };
const unavailable = () => {
  throw Object.assign(new Error('the rates are not loaded'), { status: 503 });
};
const PLACES = ['output', 'choose', 'result'] as const;

/** A graph of one node. The function at a place fails the first time that it runs. */
function failing(node: object, at: (typeof PLACES)[number]): Agent {
  let left = 1;
  const may = (place: typeof at) => (place === at && left-- > 0 ? unavailable() : undefined);
  return graph({
    name: 'g',
    state: z.object({ said: z.string().default('') }),
    nodes: { a: { ...node, output: () => (may('output'), { said: 'yes' }) } },
    edges: { start: 'a', a: { to: ['end'], choose: () => (may('choose'), 'end') } },
    output: (s: { said: string }) => (may('result'), s.said),
  } as never) as unknown as Agent;
}

describe.each(PLACES)('a temporary failure in the %s of a graph', (at) => {
  test('behind an agent does not run the agent again', async () => {
    let paid = 0;
    const clerk = agent({
      name: 'clerk',
      instructions: '',
      tools: [tool({ name: 'pay', description: '', input: anything, execute: () => `paid ${++paid}` })],
      model: scripted(({ messages }) => (messages.at(-1)?.role === 'tool' ? 'done' : asks(['pay', {}]))),
    });
    const engine = new Engine();
    const run = engine.run(failing({ agent: clerk, input: () => 'pay' }, at), {});
    expect((await ends(run, 'failed')).error).toMatchObject({ code: 'SERVICE_UNAVAILABLE', retryable: false, outcome: 'failed' });
    await ends(engine.resume(run.id), 'failed');
    expect(paid).toBe(1);
  });

  test('behind an answer does not ask again', async () => {
    const engine = new Engine({ journal: memoryJournal() });
    const run = engine.run(failing({ ask: () => 'Sure?', answer: z.object({}) }, at), {});
    const [approval] = (await ends(run, 'paused')).approvals;
    const answered = engine.decide(run.id, [respond(approval, {})], { by: ben, resume: true });
    expect((await ends(answered, 'failed')).error).toMatchObject({ code: 'SERVICE_UNAVAILABLE', retryable: true });
    expect((await ends(engine.resume(run.id), 'completed')).output).toBe('yes');
  });

  test('behind an event does not wait again', async () => {
    const engine = new Engine({ journal: memoryJournal() });
    const run = engine.run(failing({ event: 'reply', key: () => '7', schema: anything, for: 60_000 }, at), {}, { by: ben });
    await run;
    await engine.signal({ event: 'reply', key: '7', data: {} }, { by: ben });
    expect((await ends(engine.resume(run.id), 'failed')).error).toMatchObject({ code: 'SERVICE_UNAVAILABLE', retryable: true });
    expect((await ends(engine.resume(run.id), 'completed')).output).toBe('yes');
  });
});

const hangs = z.object({}).refine(() => new Promise<boolean>(() => {}));
const HANGING: readonly [string, object, ((engine: Engine, runId: string) => Promise<unknown>) | undefined][] = [
  ['its state', { state: hangs, nodes: { a: () => ({}) } }, undefined],
  [
    'an answer',
    { nodes: { a: { ask: () => 'Sure?', answer: hangs, output: () => ({}) } } },
    async (engine, runId) => engine.decide(runId, [respond((await engine.inspect(runId)).approvals[0] as never, {})], { by: ben }),
  ],
  [
    'an event',
    { nodes: { a: { event: 'reply', key: () => '7', schema: hangs, for: 60_000, output: () => ({}) } } },
    (engine) => engine.signal({ event: 'reply', key: '7', data: {} }, { by: ben }),
  ],
];

test.each(HANGING)('a graph whose schema of %s hangs can be cancelled', async (_, options, comes) => {
  const engine = new Engine({ journal: memoryJournal() });
  const g = graph({ name: 'g', state: z.object({}), edges: { start: 'a', a: 'end' }, ...options } as never) as unknown as Agent;
  let run = engine.run(g, {}, { by: ben });
  if (comes) {
    await run;
    await comes(engine, run.id);
    run = engine.resume(run.id) as typeof run;
  }
  await until(async () => (await engine.inspect(run.id).catch(() => undefined))?.status === 'running');
  await engine.cancel(run.id, { by: ben, reason: 'enough' });
  await ends(run, 'cancelled');
});

test.each([
  ['fails by itself', 'failed', 'NO_ADDRESS'],
  ['crosses a limit, and catches that', 'stopped', undefined],
] as const)('a branch that lost the race for a key, and then %s, ends the run by that', async (_, status, code) => {
  const work = async (_: unknown, { durable, item }: { durable: never; item: unknown }) => {
    const step = durable as (name: string, fn: () => string, o: object) => Promise<string>;
    await step('charge', () => 'paid', { key: 'order-7' });
    if (item !== 2) return {};
    if (code) throw new ToolError(code, 'no address');
    await step('big', () => 'spent', { amount: { usd: 9 } }).catch(() => 'caught');
    return {};
  };
  const g = graph({
    name: 'g',
    state: z.object({ l: z.array(z.string()).default([]) }),
    reducers: { l: append },
    nodes: { a: () => ({}), b: work },
    edges: { start: 'a', a: () => [send('b', 1), send('b', 2)], b: 'end' },
  } as never) as unknown as Agent;
  const result = await new Engine().run(g, {}, { limits: { amounts: { usd: 5 } } });
  expect(result.status).toBe(status);
  expect(result).toMatchObject(code ? { error: { code } } : { limit: { name: 'amounts', max: 5, used: 0, needed: 9 } });
});

test('a node behind a join conflicts with what an upstream node wrote after the join was released', async () => {
  const released = deferred();
  let runs = 0;
  const g = graph({
    name: 'g',
    state: z.object({ total: z.number().default(0), rounds: z.number().default(0) }),
    nodes: {
      b: (s) => ({ total: s.total + 1 }),
      t: async (s) => {
        if (++runs > 1) return released.resolve();
        await released.promise;
        return { total: s.total + 100 };
      },
      u: (s) => ({ rounds: s.rounds + 1 }),
    },
    edges: { start: 'b', b: ['t', 'u'], t: 'end', u: { to: ['b', 'end'], choose: (s) => (s.rounds < 2 ? 'b' : 'end') } },
  });
  expect((await ends(new Engine().run(g, {}), 'failed')).error).toMatchObject({ code: 'UPDATE_CONFLICT' });
});

test('a join counts the steps of the longest path to it, whichever branch reaches it first', async () => {
  const ran: string[] = [];
  const node = (name: string) => () => void ran.push(name);
  const names = ['s', 'short', 'a', 'b', 'c', 'join', 'last'];
  const g = graph({
    name: 'g',
    state: z.object({}),
    nodes: Object.fromEntries(names.map((name) => [name, node(name)])),
    edges: { start: 's', s: ['short', 'a'], short: 'join', a: 'b', b: 'c', c: 'join', join: 'last', last: 'end' },
  } as never) as unknown as Agent;
  const engine = new Engine({ journal: memoryJournal() });
  const stopped = await ends(engine.run(g, {}, { limits: { steps: 5 } }), 'stopped');
  expect(stopped.limit).toEqual({ name: 'steps', max: 5, used: 5, needed: 1 });
  expect(ran).not.toContain('last');
  await ends(engine.resume(stopped.runId, { limits: { steps: 6 } }), 'completed');
  expect(ran.toSorted()).toEqual(names.toSorted());
});
