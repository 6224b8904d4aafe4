/** The trace of a run: one record per attempt, from its journal alone. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import {
  agent,
  delegate,
  Engine,
  fallback,
  foreignAgent,
  graph,
  jsonSchema,
  type Memory,
  memoryJournal,
  type NodeContext,
  ToolError,
  type TraceRecord,
  tool,
} from '../../src/index.ts';
import { type Scripted, scripted } from '../../src/testing/scripted.ts';
import { all, dies, entryOf, expireLease, journals } from '../kit/journals.ts';
import { anything, asks, ends, refused } from '../kit/runs.ts';
import { registerSpans, unregister } from '../telemetry/sdk.ts';

afterEach(() => {
  vi.useRealTimers();
  unregister();
});

const ana = { id: 'ana', tenant: 'acme' };
const ben = { id: 'ben', tenant: 'acme' };
const typesAndStatus = (records: readonly TraceRecord[]) => records.map((r) => `${r.step} ${r.type} ${'status' in r ? r.status : ''}`);
const of = <T extends TraceRecord['type']>(records: readonly TraceRecord[], type: T) =>
  records.filter((r): r is TraceRecord & { type: T } => r.type === type);

/** A tool that needs 5,003 ms to be throttled once, and then 20 ms. */
function throttled() {
  let ran = 0;
  return tool({
    name: 'search',
    description: '',
    input: anything,
    effect: 'read',
    timeout: 60_000,
    execute: async () => {
      ran++;
      await new Promise((done) => setTimeout(done, ran === 1 ? 5003 : 20));
      if (ran === 1) throw new ToolError('THROTTLING', 'slow down', { retryAfter: 400 });
      return 'found';
    },
  });
}

describe.each(journals)('a trace, on $name', ({ make }) => {
  test('has the documented line for an attempt that failed, and the same step for the attempts of a call', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'], now: 1_800_000_000_000 });
    const { journal } = make();
    const engine = new Engine({ journal });
    const look = tool({ name: 'look', description: '', input: anything, effect: 'read', execute: () => 'x' });
    const model = scripted([asks(['look', {}]), asks(['look', {}]), asks(['search', {}]), 'done']);
    const run = engine.run(agent({ name: 'clerk', instructions: '', model, tools: [look, throttled()] }), 'go', { session: 's' });
    while (vi.getTimerCount() === 0) await new Promise(setImmediate);
    let over = false;
    void run.then(() => {
      over = true;
    });
    while (!over) {
      await new Promise(setImmediate);
      await vi.advanceTimersToNextTimerAsync();
    }
    const records = await all(engine.exportTrace(run.id));
    const [failed, succeeded] = of(records, 'TOOL_INVOCATION').filter((r) => r.toolName === 'search');
    expect(Object.entries(failed ?? {}).slice(0, 10)).toEqual([
      ['traceId', run.id],
      ['sessionId', 's'],
      ['step', 3],
      ['type', 'TOOL_INVOCATION'],
      ['toolName', 'search'],
      ['attempt', 1],
      ['status', 'FAILED'],
      ['errorCode', 'THROTTLING'],
      ['durationMs', 5003],
      ['retryScheduledInMs', 400],
    ]);
    expect(succeeded).toMatchObject({ step: 3, attempt: 2, status: 'SUCCEEDED', callId: failed?.callId });
    expect(succeeded?.durationMs).toBe(20);
    expect(JSON.stringify(records)).not.toContain('slow down');
  });

  test('keeps steps over a crash, counts attempts on, and is the same in another process', async () => {
    const { journal, another } = make();
    const tools = ['look', 'pay'].map((name) =>
      tool({ name, description: '', input: anything, effect: name === 'look' ? 'read' : 'once', execute: () => name }),
    );
    const clerk = (steps: readonly Scripted[]) => agent({ name: 'clerk', instructions: '', model: scripted(steps), tools });
    const dying = new Engine({ journal: dies(journal, (e) => e.type === 'call.finished') });
    const run = dying.run(clerk([asks(['look', {}], ['pay', {}])]), 'go');
    await expect(run).rejects.toThrow('gone');
    const before = await all(new Engine({ journal: another() }).exportTrace(run.id));
    expect(typesAndStatus(before)).toEqual(['1 MODEL_INVOCATION SUCCEEDED']);
    await expireLease(journal, run.id);
    const engine = new Engine({ journal: another(), agents: [clerk(['done'])] });
    await ends(engine.resume(run.id), 'completed');
    const records = await all(engine.exportTrace(run.id));
    expect(records.slice(0, 1)).toEqual(before);
    expect(of(records, 'TOOL_INVOCATION').map((r) => [r.toolName, r.step, r.attempt, r.status, r.errorCode])).toEqual([
      ['look', 1, 1, 'INTERRUPTED', 'CRASHED'],
      ['pay', 1, 1, 'INTERRUPTED', 'CRASHED'],
      ...[
        ['pay', 1, 1, 'FAILED', 'OUTCOME_UNKNOWN'],
        ['look', 1, 2, 'SUCCEEDED', undefined],
      ],
    ]);
    expect(of(records, 'MODEL_INVOCATION').map((r) => [r.step, r.attempt])).toEqual([
      [1, 1],
      [2, 1],
    ]);
    expect(await all(new Engine({ journal }).exportTrace(run.id))).toEqual(records);
    await engine.settle(run.id, of(records, 'TOOL_INVOCATION')[1]?.callId ?? '', { outcome: 'done', by: ben });
    expect(of(await all(engine.exportTrace(run.id)), 'OUTCOME')).toMatchObject([{ toolName: 'pay', outcome: 'done', source: 'operator' }]);
  });
});

test('of a model that fails has each attempt, the switch to another model, its tokens and dollars', async () => {
  const down = scripted(() => {
    throw new ToolError('THROTTLING', 'slow', { outcome: 'not-run' });
  });
  const up = scripted([{ text: 'done', usage: { input: 7, output: 3 } }]);
  const engine = new Engine();
  const a = agent({ name: 'a', instructions: '', model: fallback([down, up]) });
  const { runId } = await engine.run(a, 'go');
  const records = await all(engine.exportTrace(runId));
  expect(of(records, 'MODEL_INVOCATION').map((r) => [r.attempt, r.status, r.errorCode, r.usage, r.costUsd])).toEqual([
    [1, 'FAILED', 'THROTTLING', undefined, undefined],
    [2, 'SUCCEEDED', undefined, { input: 7, output: 3 }, 0],
  ]);
  expect(records.at(-1)).toMatchObject({ type: 'FINAL_RESPONSE', status: 'SUCCEEDED', usage: { input: 7, output: 3 }, costUsd: 0 });
});

test('of a model that is asked again has the same step for its attempts, and when the next one was to come', async () => {
  let failures = 1;
  const model = scripted(() => {
    if (failures-- > 0) throw new ToolError('THROTTLING', 'slow', { outcome: 'not-run', retryable: true, retryAfter: 1 });
    return 'done';
  });
  const engine = new Engine();
  const { runId } = await ends(engine.run(agent({ name: 'a', instructions: '', model }), 'go'), 'completed');
  const [failed, succeeded] = of(await all(engine.exportTrace(runId)), 'MODEL_INVOCATION');
  expect(failed).toMatchObject({ step: 1, attempt: 1, status: 'FAILED', errorCode: 'THROTTLING', retryScheduledInMs: expect.any(Number) });
  expect(succeeded).toMatchObject({ step: 1, attempt: 2, status: 'SUCCEEDED' });
  expect(succeeded).not.toHaveProperty('retryScheduledInMs');
});

test('says why a tool was chosen by the reasoning of the model, where it told it', async () => {
  const pay = tool({ name: 'pay', description: '', input: anything, execute: () => 'a receipt' });
  const because: Scripted = { ...(asks(['pay', {}]) as object), text: 'One moment.', reasoning: 'She asked for it, and it is hers.' };
  const engine = new Engine();
  const { runId } = await engine.run(agent({ name: 'a', instructions: '', model: scripted([because, 'bye']), tools: [pay] }), 'go');
  const [chose, said] = of(await all(engine.exportTrace(runId, { content: true })), 'MODEL_INVOCATION');
  expect(chose).toMatchObject({ toolNames: ['pay'], reason: 'She asked for it, and it is hers.', text: 'One moment.' });
  expect(said).not.toHaveProperty('reason');
  expect(JSON.stringify(await all(engine.exportTrace(runId)))).not.toContain('hers');
});

test('has a delegation after the records of the sub-agent, and an approval with its decision', async () => {
  const pay = tool({ name: 'pay', description: '', input: anything, approval: true, execute: () => 'paid' });
  const helper = agent({
    name: 'helper',
    description: 'helps',
    instructions: '',
    model: scripted([asks(['pay', { n: 1 }]), 'paid']),
    tools: [pay],
  });
  const task = delegate(helper);
  const top = agent({ name: 'top', instructions: '', model: scripted([asks([task.name, { task: 'pay' }]), 'done']), tools: [task] });
  const journal = memoryJournal();
  const engine = new Engine({ journal, agents: [top] });
  const paused = await ends(engine.run(top, 'go', { by: ana }), 'paused');
  const first = await all(engine.exportTrace(paused.runId, { by: ben }));
  expect(first.at(-1)).toMatchObject({ type: 'APPROVAL', status: 'REQUESTED', toolName: 'pay', path: ['top', 'helper'] });
  await ends(
    engine.decide(paused.runId, [{ approval: paused.approvals[0]?.id ?? '', type: 'approve' }], { by: ben, resume: true }),
    'completed',
  );
  const records = await all(engine.exportTrace(paused.runId, { by: ben }));
  expect(records.slice(0, first.length)).toEqual(first);
  expect(typesAndStatus(records)).toEqual([
    '1 MODEL_INVOCATION SUCCEEDED',
    '1 MODEL_INVOCATION SUCCEEDED',
    '1 APPROVAL REQUESTED',
    '1 APPROVAL DECIDED',
    '1 TOOL_INVOCATION SUCCEEDED',
    '2 MODEL_INVOCATION SUCCEEDED',
    '1 DELEGATION SUCCEEDED',
    '2 MODEL_INVOCATION SUCCEEDED',
    '2 FINAL_RESPONSE SUCCEEDED',
  ]);
  expect(of(records, 'DELEGATION')).toMatchObject([{ toolName: task.name, agent: 'helper', path: ['top'], attempt: 1 }]);
  expect(of(records, 'APPROVAL')[1]).toMatchObject({ decision: 'approve', durationMs: expect.any(Number) });
  expect(JSON.stringify(records)).not.toContain('ben');
  expect(of(await all(engine.exportTrace(paused.runId, { by: ben, content: true })), 'APPROVAL')[1]).toMatchObject({ by: 'ben' });
  await refused('RUN_NOT_FOUND', all(engine.exportTrace(paused.runId, { by: { id: 'eve', tenant: 'other' } })));
  const asked: unknown[] = [];
  const access = (r: { point: string }) => {
    asked.push(r.point);
    return { allow: false, reason: 'private' };
  };
  const strict = new Engine({ journal, policy: { decide: () => ({ allow: true }), access } });
  await refused('NOT_PERMITTED', all(strict.exportTrace(paused.runId, { by: ben })));
  expect(asked).toEqual(['inspect']);
});

test('has what a memory recalled and recorded, also where recording fails at first', async () => {
  const journal = memoryJournal();
  let recorded = 0;
  const memory: Memory = {
    recall: async () => [{ id: 'f', text: 'likes tea' }],
    record: async () => {
      if (recorded++ === 0) throw new ToolError('NETWORK', 'down', { retryable: true, retryAfter: 1 });
    },
  };
  const engine = new Engine({ journal, memory });
  const { runId } = await engine.run(agent({ name: 'a', instructions: '', model: scripted(['hi']) }), 'go', { by: ana, session: 's' });
  await entryOf(journal, runId, 'memory.recorded');
  const found = of(await all(engine.exportTrace(runId, { by: ana })), 'MEMORY_OPERATION');
  expect(found[0]).toMatchObject({ operation: 'RECALL', facts: 1, status: 'SUCCEEDED', step: 1 });
  expect(found[1]).toMatchObject({ operation: 'RECORD', attempt: 1, status: 'FAILED', errorCode: 'NETWORK', path: ['a'] });
  expect(JSON.stringify(found)).not.toContain('tea');
});

test('of a graph has nodes, durable steps and the turns of a foreign agent', async () => {
  const plan = async (_: unknown, { durable }: NodeContext) => {
    await durable('charge', () => 1, { effect: 'idempotent' });
    return { text: 'planned' };
  };
  const alien = foreignAgent({
    name: 'alien',
    turn: async () => ({ status: 'completed', output: 'x', usage: { input: 3, output: 2 }, costUsd: 1 }),
  });
  const flow = graph({
    name: 'flow',
    state: jsonSchema<{ text: string }>({ type: 'object', properties: { text: { type: 'string' } } }),
    nodes: { plan, ask: { agent: alien, input: () => 'go', output: (text: string) => ({ text }) } },
    edges: { start: 'plan', plan: 'ask', ask: 'end' },
  });
  const engine = new Engine();
  const { runId } = await ends(engine.run(flow, { text: '' }), 'completed');
  const records = await all(engine.exportTrace(runId));
  expect(typesAndStatus(records)).toEqual([
    '1 DURABLE_STEP SUCCEEDED',
    '1 NODE SUCCEEDED',
    '1 FOREIGN_TURN SUCCEEDED',
    '2 DELEGATION SUCCEEDED',
    '2 FINAL_RESPONSE SUCCEEDED',
  ]);
  expect(of(records, 'DURABLE_STEP')).toMatchObject([{ node: 'plan', name: 'charge' }]);
  expect(of(records, 'FOREIGN_TURN')).toMatchObject([
    { agent: 'alien', usage: { input: 3, output: 2 }, costUsd: 1, path: ['flow', 'alien'] },
  ]);
});

test('has texts, arguments and reasons only on request, a refused call as not run, and the trace id of the spans', async () => {
  const spans = registerSpans();
  const pay = tool({ name: 'pay', description: '', input: anything, execute: () => 'a receipt' });
  const because: Scripted = { ...(asks(['pay', { iban: 'DE1' }], ['gone', {}]) as object), text: 'I pay because she asked.' };
  const engine = new Engine();
  const { runId } = await engine.run(agent({ name: 'a', instructions: '', model: scripted([because, 'bye']), tools: [pay] }), 'go');
  const bare = await all(engine.exportTrace(runId));
  expect(bare[0]).toMatchObject({ type: 'MODEL_INVOCATION', toolNames: ['pay', 'gone'] });
  for (const text of ['DE1', 'receipt', 'because', 'bye']) expect(JSON.stringify(bare)).not.toContain(text);
  const told = await all(engine.exportTrace(runId, { content: true }));
  expect(of(told, 'MODEL_INVOCATION')[0]).toMatchObject({ reason: 'I pay because she asked.', text: 'I pay because she asked.' });
  expect(of(told, 'TOOL_INVOCATION').toSorted((a, b) => (a.toolName < b.toolName ? -1 : 1))).toMatchObject([
    { toolName: 'gone', attempt: 0, status: 'NOT_RUN', errorCode: 'TOOL_NOT_FOUND', outcome: 'not-run' },
    { toolName: 'pay', attempt: 1, status: 'SUCCEEDED', input: { iban: 'DE1' }, output: 'a receipt' },
  ]);
  expect(told.at(-1)).toMatchObject({ output: 'bye' });
  const ids = new Set(bare.map((r) => r.traceId));
  expect([...ids]).toEqual([spans.named('invoke_agent a').spanContext().traceId]);
  expect(bare.every((r) => r.runId === runId)).toBe(true);
});

test('refuses what it does not know', async () => {
  const engine = new Engine();
  await refused('RUN_NOT_FOUND', all(engine.exportTrace('none')));
  const odd = await refused('CONFIG_INVALID', all(engine.exportTrace('none', { contents: true } as never)));
  expect(odd.message).toContain('content');
  await refused('CONFIG_INVALID', all(engine.exportTrace('none', { content: 'yes' } as never)));
});
