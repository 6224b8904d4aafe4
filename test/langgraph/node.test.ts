import { AIMessage } from '@langchain/core/messages';
import {
  type BaseCheckpointSaver,
  Command,
  interrupt,
  isInterrupted,
  type LangGraphRunnableConfig,
  MemorySaver,
  MessagesAnnotation,
  START,
  StateGraph,
} from '@langchain/langgraph';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { journalSaver, langgraphAgent, type PendingApprovals, rondoNode } from '../../src/adapters/langgraph/index.ts';
import { agent, Engine, memoryJournal, type Records, supervisor, tool } from '../../src/index.ts';
import { type Scripted, scripted } from '../../src/testing/scripted.ts';
import { side } from './setup.ts';

// it says that a run paused in memory
beforeAll(() => void vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined));

/** An agent that asks for two refunds, one after the other or at once, then says what became of them. */
function desk(o: { atOnce?: boolean; roles?: readonly string[] } = {}) {
  const refunds: number[] = [];
  const refund = tool({
    name: 'refund',
    description: 'Refund',
    input: z.object({ cents: z.number() }),
    approval: { reason: 'money', ...(o.roles && { roles: o.roles }) },
    execute: ({ cents }) => {
      refunds.push(cents);
      return `refunded ${cents}`;
    },
  });
  const call = (cents: number) => ({ name: 'refund', input: { cents } });
  const steps: Scripted[] = o.atOnce
    ? [{ toolCalls: [call(1), call(2)] }, 'all done']
    : [{ toolCalls: [call(1)] }, { toolCalls: [call(2)] }, 'all done'];
  const model = scripted(steps);
  return { agent: agent({ name: 'desk', instructions: '', model, tools: [refund] }), refunds, model };
}

function graphOf(
  node: (state: typeof MessagesAnnotation.State, config: LangGraphRunnableConfig) => Promise<object>,
  checkpointer?: BaseCheckpointSaver,
) {
  const seen: string[] = [];
  const graph = new StateGraph(MessagesAnnotation)
    .addNode('before', () => (seen.push('before'), {}))
    .addNode('desk', node)
    .addNode('after', () => (seen.push('after'), {}))
    .addEdge(START, 'before')
    .addEdge('before', 'desk')
    .addEdge('desk', 'after')
    .compile({ checkpointer: checkpointer ?? new MemorySaver() });
  return { graph, seen };
}

const at = { configurable: { thread_id: 't' } };
type Waiting = { id: string; value: PendingApprovals };
function waiting(result: unknown): Waiting {
  if (!isInterrupted<PendingApprovals>(result)) expect.fail(`it is not interrupted: ${JSON.stringify(result)}`);
  expect(result.__interrupt__).toHaveLength(1);
  return result.__interrupt__[0] as Waiting;
}
const resume = (on: Waiting, answer: unknown) => new Command({ resume: { [on.id]: answer } }) as never;

test('two pauses cost three calls of the engine and repeat nothing', async () => {
  const { agent, refunds, model } = desk();
  const engine = new Engine();
  const calls: string[] = [];
  for (const method of ['run', 'resume', 'decide'] as const) {
    const own = engine[method].bind(engine) as (...args: unknown[]) => unknown;
    Object.defineProperty(engine, method, { value: (...args: unknown[]) => (calls.push(method), own(...args)) });
  }
  const { graph, seen } = graphOf(rondoNode(engine, agent), journalSaver(memoryJournal()));
  let result: unknown = await graph.invoke({ messages: [{ role: 'user', content: 'refund both' }] }, at);
  for (const cents of [1, 2]) {
    const on = waiting(result);
    expect(on.value.approvals).toMatchObject([{ kind: 'tool', tool: 'refund', input: { cents }, reason: 'money' }]);
    // one alone needs no id
    result = await graph.invoke(resume(on, { type: 'approve' }), at);
  }
  const { messages } = result as typeof MessagesAnnotation.State;
  expect(messages.map((m) => [m.getType(), m.text])).toEqual([
    ['human', 'refund both'],
    ['ai', 'all done'],
  ]);
  expect(messages[1]?.name).toBe('desk');
  expect(refunds).toEqual([1, 2]);
  expect(model.requests).toHaveLength(3);
  expect(calls).toEqual(['run', 'decide', 'resume', 'decide', 'resume']);
  expect(seen).toEqual(['before', 'after']);
  await engine.close();
});

test('some answers now and the others later, and an answer that is refused is asked for again', async () => {
  const { agent, refunds } = desk({ atOnce: true, roles: ['lead'] });
  const engine = new Engine();
  const by = ({ configurable }: { configurable?: Record<string, unknown> }) => ({
    id: String(configurable?.user),
    roles: [String(configurable?.role)],
  });
  const { graph } = graphOf(rondoNode(engine, agent, { by }));
  const as = (user: string, role: string) => ({ configurable: { thread_id: 't', user, role } });
  const first = waiting(await graph.invoke({ messages: [{ role: 'user', content: 'go' }] }, as('ana', 'clerk')));
  const [one, two] = first.value.approvals as unknown as [{ id: string }, { id: string }];

  const denied = waiting(await graph.invoke(resume(first, { approval: one.id, type: 'approve' }), as('bob', 'clerk')));
  expect(denied.value.problem).toContain('roles');
  expect(denied.value.approvals).toHaveLength(2);
  const odd = waiting(await graph.invoke(resume(denied, true), as('ben', 'lead')));
  expect(odd.value.problem).toContain('decision');
  const half = waiting(await graph.invoke(resume(odd, [{ approval: two.id, type: 'reject', reason: 'no' }]), as('ben', 'lead')));
  expect(half.value).toMatchObject({ approvals: [{ id: one.id }] });
  expect(half.value.problem).toBeUndefined();
  expect(refunds).toEqual([]);
  const done = await graph.invoke(resume(half, { type: 'edit', input: { cents: 5 } }), as('ben', 'lead'));
  expect((done as typeof MessagesAnnotation.State).messages.at(-1)?.text).toBe('all done');
  expect(refunds).toEqual([5]);
  await engine.close();
});

test('of two callers that resume at once, one drives the run: its effects happen once', async () => {
  let refunds = 0;
  const refund = tool({
    name: 'refund',
    description: '',
    input: z.object({}),
    approval: true,
    execute: async () => {
      refunds++;
      await new Promise((resolve) => setTimeout(resolve, 10));
      return 'ok';
    },
  });
  const model = scripted([{ toolCalls: [{ name: 'refund', input: {} }] }, 'all done']);
  const engine = new Engine();
  const { graph } = graphOf(
    rondoNode(engine, agent({ name: 'desk', instructions: '', model, tools: [refund] })),
    journalSaver(memoryJournal()),
  );
  const on = waiting(await graph.invoke({ messages: [{ role: 'user', content: 'go' }] }, at));
  const both = await Promise.allSettled([1, 2].map(() => graph.invoke(resume(on, { type: 'approve' }), at)));
  expect(refunds).toBe(1);
  expect(model.requests).toHaveLength(2);
  const [done] = both.flatMap((end) => (end.status === 'fulfilled' ? [end.value as typeof MessagesAnnotation.State] : []));
  expect(done?.messages.at(-1)?.text).toBe('all done');
  for (const end of both) if (end.status === 'rejected') expect(end.reason).toMatchObject({ code: 'RUN_BUSY' });
  await engine.close();
});

test.each(['sync', 'async'] as const)('a node that LangGraph runs again finds its run (%s)', async (durability) => {
  const { agent, refunds, model } = desk();
  const engine = new Engine();
  const journal = memoryJournal();
  // the process dies after the run ended its first part, before the graph had a word of it; where LangGraph does not wait for its
  // checkpoints, not even of the node's own beginning
  let dead = false;
  const inner = (value: unknown) => (value as { ns: string }).ns !== '';
  const lost = (values: readonly unknown[]) => dead || (durability === 'async' && values.some(inner));
  const records = journal.records as Records;
  const append: Records['append'] = (...args) => (lost(args[2]) ? new Promise(() => undefined) : records.append(...args));
  const dying = journalSaver({ ...journal, records: { ...records, append } });
  const node = rondoNode(engine, agent);
  const first = graphOf(node, dying);
  const config = { ...at, durability };
  void first.graph.invoke({ messages: [{ role: 'user', content: 'go' }] }, config).catch(() => undefined);
  await expect.poll(() => model.requests.length).toBe(1);
  dead = true;
  const runs = async () => {
    const found = [];
    for await (const run of engine.runs()) found.push(run);
    return found;
  };
  await expect.poll(async () => (await runs())[0]?.status).toBe('paused');
  const { graph } = graphOf(node, journalSaver(journal));
  let result: unknown = await graph.invoke(null, config);
  for (const _ of [1, 2]) result = await graph.invoke(resume(waiting(result), { type: 'approve' }), config);
  expect((result as typeof MessagesAnnotation.State).messages.at(-1)?.text).toBe('all done');
  expect(await runs()).toHaveLength(1);
  expect(model.requests).toHaveLength(3);
  expect(refunds).toEqual([1, 2]);
  await engine.close();
});

test('each visit of a node in a cycle is a run of its own, and so is each thread', async () => {
  const model = scripted((_, n) => `answer ${n}`);
  const engine = new Engine();
  const node = rondoNode(engine, agent({ name: 'a', instructions: '', model }));
  const graph = new StateGraph(MessagesAnnotation)
    .addNode('a', node)
    .addEdge(START, 'a')
    .addConditionalEdges('a', (s) => (s.messages.length < 4 ? 'a' : '__end__'))
    .compile({ checkpointer: new MemorySaver() });
  for (const thread_id of ['1', '2']) {
    const { messages } = await graph.invoke({ messages: [{ role: 'user', content: 'go' }] }, { configurable: { thread_id } });
    expect(messages).toHaveLength(4);
  }
  expect(model.requests).toHaveLength(6);
  await engine.close();
});

test('input, output, context and session are what the options say, and events are on the custom stream', async () => {
  const greet = tool({
    name: 'greet',
    description: '',
    input: z.object({}),
    effect: 'read',
    context: z.object({ plan: z.string() }),
    execute: (_, { context, session }) => `${context.plan} ${session}`,
  });
  const model = scripted([{ toolCalls: [{ name: 'greet', input: {} }] }, 'two words']);
  const engine = new Engine();
  const node = rondoNode(engine, agent({ name: 'a', instructions: '', model, tools: [greet] }), {
    input: (s: { log: string[] }) => `asked ${s.log.length}`,
    output: (text) => ({ log: [text] }),
    context: () => ({ plan: 'pro' }),
    session: ({ configurable }) => configurable?.thread_id,
  });
  const graph = side({ a: node as never });
  const events: { type: string; text?: string }[] = [];
  const stream = await graph.stream({ log: ['x'] }, { configurable: { thread_id: 'ana' }, streamMode: ['custom', 'values'] });
  let values: unknown;
  for await (const [mode, chunk] of stream)
    if (mode === 'custom') events.push(chunk);
    else values = chunk;
  expect(values).toEqual({ log: ['x', 'two words'] });
  expect(JSON.stringify(model.requests[1]?.messages)).toContain('pro ana');
  expect(JSON.stringify(model.requests[0]?.messages)).toContain('asked 1');
  expect(events.map(({ type }) => type)).toEqual(expect.arrayContaining(['run.started', 'tool.finished', 'text.delta', 'run.ended']));
  await engine.close();
});

describe('what goes wrong is told', () => {
  test('a run that fails', async () => {
    const engine = new Engine();
    const { graph } = graphOf(rondoNode(engine, agent({ name: 'a', instructions: '', model: scripted([{ error: 'ACCESS_DENIED' }]) })));
    await expect(graph.invoke({ messages: [{ role: 'user', content: 'go' }] }, at)).rejects.toMatchObject({
      code: 'RUN_NOT_COMPLETED',
      details: { status: 'failed', error: { code: 'ACCESS_DENIED' } },
    });
    await engine.close();
  });

  test('an aborted graph cancels the run', async () => {
    const engine = new Engine();
    const controller = new AbortController();
    const { graph } = graphOf(rondoNode(engine, agent({ name: 'a', instructions: '', model: scripted([{ text: 'late', delay: 5_000 }]) })));
    setTimeout(() => controller.abort(), 20);
    await expect(graph.invoke({ messages: [{ role: 'user', content: 'go' }] }, { ...at, signal: controller.signal })).rejects.toThrow();
    await expect
      .poll(async () => {
        for await (const run of engine.runs()) return run.status;
      })
      .toBe('cancelled');
    await engine.close();
  });

  test('a state without messages', async () => {
    const engine = new Engine();
    const graph = side({ a: rondoNode(engine, agent({ name: 'a', instructions: '', model: scripted(['x']) })) as never });
    await expect(graph.invoke({ log: [] })).rejects.toThrow('rondoNode(engine, agent, { input })');
    await engine.close();
  });
});

test('a LangGraph graph in a Rondo agent in a LangGraph graph: the innermost interrupt is raised and answered at the top', async () => {
  const inner = new StateGraph(MessagesAnnotation)
    .addNode('ask', () => ({ messages: [new AIMessage(`inner heard ${interrupt({ question: 'Sure?' })}`)] }))
    .addEdge(START, 'ask')
    .compile({ checkpointer: new MemorySaver() });
  const model = scripted((request) => {
    const last = request.messages.at(-1);
    return last?.role === 'user' ? { toolCalls: [{ name: 'inner', input: { task: 'ask' } }] } : JSON.stringify(last?.content);
  });
  const boss = supervisor({
    name: 'boss',
    instructions: '',
    model,
    agents: [langgraphAgent({ name: 'inner', description: '', graph: inner })],
  });
  const engine = new Engine();
  const { graph } = graphOf(rondoNode(engine, boss));
  const on = waiting(await graph.invoke({ messages: [{ role: 'user', content: 'go' }] }, at));
  expect(on.value.approvals).toMatchObject([{ kind: 'question', question: 'Sure?', path: ['boss', 'inner'] }]);
  const done = await graph.invoke(resume(on, { type: 'respond', answer: '' }), at);
  expect((done as typeof MessagesAnnotation.State).messages.at(-1)?.text).toContain('inner heard ');
  await engine.close();
});
