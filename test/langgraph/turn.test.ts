import { AIMessage, type BaseMessage } from '@langchain/core/messages';
import { FakeListChatModel } from '@langchain/core/utils/testing';
import { Annotation, Command, entrypoint, interrupt, MemorySaver, MessagesAnnotation, START, StateGraph } from '@langchain/langgraph';
import { describe, expect, test } from 'vitest';
import { foreignGraph, langgraphAgent } from '../../src/adapters/langgraph/agent.ts';
import { journalSaver } from '../../src/adapters/langgraph/saver.ts';
import { type ModelDelta, memoryJournal, RondoError, ToolError } from '../../src/index.ts';
import { answers, context, input, Log, type Logged, output, paused, side } from './setup.ts';

test('a graph of messages takes a prompt and gives the last text, with its usage and its words as they come', async () => {
  const model = new FakeListChatModel({ responses: ['a few words'], sleep: 0 });
  const graph = new StateGraph(MessagesAnnotation)
    .addNode('talk', async (s) => ({ messages: [await model.invoke(s.messages)] }))
    .addNode('count', () => ({}))
    .addEdge(START, 'talk')
    .addEdge('talk', 'count')
    .compile();
  const deltas: ModelDelta[] = [];
  const { turn } = foreignGraph({ name: 'g', graph });
  const result = await turn({ type: 'start', input: 'hello' }, context({ deltas }));
  // this model does not say what it used: something, at a cost that no one knows
  expect(result).toEqual({ status: 'completed', output: 'a few words', usage: { input: 0, output: 0 }, unmetered: true });
  expect(deltas.map(({ text }) => text).join('')).toBe('a few words');
  expect(deltas.length).toBeGreaterThan(3);
});

test('usage of all models of a turn is added up, cached input apart', async () => {
  class Counting extends FakeListChatModel {
    override async _generate() {
      const usage_metadata = {
        input_tokens: 10,
        output_tokens: 5,
        total_tokens: 15,
        input_token_details: { cache_read: 4 },
        output_token_details: { reasoning: 2 },
      };
      return { generations: [{ text: 'x', message: new AIMessage({ content: 'x', usage_metadata }) }] };
    }
  }
  const model = new Counting({ responses: ['x'] });
  const inner = new StateGraph(MessagesAnnotation)
    .addNode('m', async () => ({ messages: [await model.invoke('b')] }))
    .addEdge(START, 'm')
    .compile();
  const graph = new StateGraph(MessagesAnnotation)
    .addNode('a', async () => ({ messages: [await model.invoke('a')] }))
    .addNode('inner', inner)
    .addEdge(START, 'a')
    .addEdge('a', 'inner')
    .compile();
  const result = await foreignGraph({ name: 'g', graph }).turn({ type: 'start', input: 'hello' }, context());
  expect(result).toMatchObject({ status: 'completed', usage: { input: 12, output: 10, cacheRead: 8, reasoning: 4 } });
  expect(result).not.toHaveProperty('costUsd');
  const price = { input: 1, output: 10, cacheRead: 0.5 };
  const priced = await foreignGraph({ name: 'g', graph, price }).turn({ type: 'start', input: 'hello' }, context());
  expect((priced as { costUsd?: number }).costUsd).toBeCloseTo((12 + 100 + 4) / 1e6, 12);
  // one that does not say what it used makes the cost of them all unknown
  const shy = new FakeListChatModel({ responses: ['y'] });
  const both = new StateGraph(MessagesAnnotation)
    .addNode('m', async () => ({ messages: [await model.invoke('a'), await shy.invoke('b')] }))
    .addEdge(START, 'm')
    .compile();
  const unknown = await foreignGraph({ name: 'g', graph: both, price }).turn({ type: 'start', input: 'hello' }, context());
  expect(unknown).toMatchObject({ usage: { input: 6, output: 5 } });
  expect(unknown).not.toHaveProperty('costUsd');
  // and where none is called, nothing was spent
  const idle = await foreignGraph({ name: 'g', graph: side({ n: () => ({}) }), input, output, price }).turn(
    { type: 'start', input: '' },
    context(),
  );
  expect(idle).toEqual({ status: 'completed', output: '' });
});

test("nodes see the run's context, and a prompt of parts", async () => {
  let seen: unknown;
  let messages: readonly BaseMessage[] = [];
  const graph = new StateGraph(MessagesAnnotation)
    .addNode('n', (s, config) => {
      seen = config.configurable?.rondo;
      messages = s.messages;
      return {};
    })
    .addEdge(START, 'n')
    .compile();
  const { turn } = foreignGraph({ name: 'g', graph, output: (s: typeof MessagesAnnotation.State) => s.messages.length });
  const prompt = [
    { type: 'text' as const, text: 'what?' },
    { type: 'image' as const, mediaType: 'image/png', data: 'aGk=' },
  ];
  expect(await turn({ type: 'start', input: prompt }, context({ by: { id: 'ana' }, context: { plan: 'pro' } }))).toEqual({
    status: 'completed',
    output: 1,
  });
  expect(seen).toMatchObject({ runId: 'run', by: { id: 'ana' }, context: { plan: 'pro' }, idempotencyKey: 'key' });
  expect(messages[0]?.contentBlocks).toMatchObject([
    { type: 'text', text: 'what?' },
    { type: 'image', mimeType: 'image/png', data: 'aGk=' },
  ]);
});

test('a graph that takes no messages needs input, and is refused at its declaration without it', () => {
  const { messages } = MessagesAnnotation.spec;
  const Order = Annotation.Root({ order: Annotation<string>() });
  const Both = Annotation.Root({ order: Annotation<string>(), messages });
  const node = () => ({});
  const of = (builder: { addNode: unknown }) =>
    (builder as StateGraph<typeof Order.spec>).addNode('n', node).addEdge(START, 'n').compile({ checkpointer: new MemorySaver() });
  const refused = [of(new StateGraph(Order)), of(new StateGraph({ state: Both, input: Order }))];
  for (const graph of refused) {
    expect(() => langgraphAgent({ name: 'g', graph })).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: expect.stringMatching(/takes order, and no messages.*input: \(prompt\) =>/),
      }),
    );
    langgraphAgent({ name: 'g', graph, input: () => ({ order: '7' }) });
  }
  langgraphAgent({ name: 'g', graph: of(new StateGraph(Both)) });
  langgraphAgent({ name: 'g', graph: entrypoint('g', async ({ messages }: { messages: unknown[] }) => messages) });
});

describe('what goes wrong is told', () => {
  const failing = (error: unknown, o: object = {}) =>
    foreignGraph({
      name: 'g',
      graph: side({
        n: () => {
          throw error;
        },
      }),
      input,
      output,
      ...o,
    })
      .turn({ type: 'start', input: '' }, context())
      .catch((e) => e);

  test('no checkpointer', async () => {
    const graph = side({ n: () => ({ log: [String(interrupt('ok?'))] }) });
    const error = await foreignGraph({ name: 'g', graph, input, output })
      .turn({ type: 'start', input: '' }, context())
      .catch((e) => e);
    expect(RondoError.is(error, 'CONFIG_INVALID')).toBe(true);
    expect(error.message).toContain('journalSaver');
  });

  test('a checkpointer that forgot', async () => {
    const make = () =>
      foreignGraph({ name: 'g', graph: side({ n: () => ({ log: [String(interrupt('ok?'))] }) }, new MemorySaver()), input, output });
    const { asks, state } = paused(await make().turn({ type: 'start', input: '' }, context()));
    const said = answers(asks, { 'ok?': { type: 'approve' } });
    await expect(make().turn({ type: 'resume', state, answers: said }, context())).rejects.toMatchObject({
      name: 'ToolError',
      code: 'THREAD_LOST',
    });
  });

  test('a cycle', async () => {
    const graph = new StateGraph(Log)
      .addNode('n', () => ({ log: ['n'] }))
      .addEdge(START, 'n')
      .addEdge('n', 'n')
      .compile();
    const error = await foreignGraph({ name: 'g', graph, input, output, recursionLimit: 5 })
      .turn({ type: 'start', input: '' }, context())
      .catch((e) => e);
    expect(error).toMatchObject({ code: 'RECURSION_LIMIT', outcome: 'failed', retryable: false });
    expect(error.message).toContain('limit of 5');
    expect(error.message).not.toContain('http');
  });

  test('errors of nodes, as what they are', async () => {
    expect(await failing(new Error('boom'))).toMatchObject({ code: 'LANGGRAPH_FAILED', message: 'Graph "g": boom', outcome: 'unknown' });
    expect(await failing(Object.assign(new Error('slow down'), { status: 429 }))).toMatchObject({
      code: 'THROTTLING',
      outcome: 'unknown',
      retryable: true,
    });
    const own = new ToolError('OWN', 'mine', { outcome: 'unknown' });
    expect(await failing(own)).toBe(own);
    expect(await failing('a string')).toMatchObject({ code: 'LANGGRAPH_FAILED' });
  });

  test('an abort is the abort', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    let aborted = false;
    const graph = side({
      n: (_: Logged) =>
        new Promise<object>((_resolve, reject) => {
          setTimeout(() => controller.abort(reason), 5);
          controller.signal.addEventListener('abort', () => {
            aborted = true;
            reject(new Error('stopped'));
          });
        }),
    });
    const turn = foreignGraph({ name: 'g', graph, input, output }).turn(
      { type: 'start', input: '' },
      context({ signal: controller.signal }),
    );
    await expect(turn).rejects.toBe(reason);
    expect(aborted).toBe(true);
  });

  test('options', () => {
    const graph = side({ n: () => ({}) });
    for (const [o, text] of [
      [{ graph: new StateGraph(Log) }, 'compile()'],
      [{ graph, recursionLimit: 0 }, 'recursionLimit'],
      [{ graph, checkpointer: {} }, 'checkpointer'],
      [{ graph: side({ n: () => ({}) }, true as never) }, 'subgraphs'],
    ] as const)
      expect(() => foreignGraph({ name: 'g', ...o } as never)).toThrow(text);
  });
});

test('after a crash null input continues the thread', async () => {
  const checkpointer = journalSaver(memoryJournal());
  let alive = false;
  const ran: string[] = [];
  const graph = new StateGraph(Log)
    .addNode('a', () => (ran.push('a'), { log: ['a'] }))
    .addNode('b', () => (alive ? new Command({ update: { log: ['b'] } }) : new Promise<never>(() => undefined)))
    .addEdge(START, 'a')
    .addEdge('a', 'b')
    .compile({ checkpointer });
  const agent = foreignGraph({ name: 'g', graph, input, output });
  void agent.turn({ type: 'start', input: '' }, context());
  await expect.poll(() => ran).toEqual(['a']);
  await expect.poll(async () => (await graph.getState({ configurable: { thread_id: 'thread' } })).next).toEqual(['b']);
  alive = true;
  expect(await agent.turn({ type: 'start', input: '' }, context({ attempt: 2 }))).toEqual({ status: 'completed', output: 'a b' });
  expect(ran).toEqual(['a']);
});
