import { type BaseCheckpointSaver, END, interrupt, MemorySaver, START, StateGraph } from '@langchain/langgraph';
import { describe, expect, test } from 'vitest';
import { foreignGraph } from '../../src/adapters/langgraph/agent.ts';
import { journalSaver } from '../../src/adapters/langgraph/saver.ts';
import { memoryJournal } from '../../src/index.ts';
import { answers, context, input, Log, output, paused, side } from './setup.ts';

const savers: [string, () => BaseCheckpointSaver][] = [
  ['MemorySaver', () => new MemorySaver()],
  ['journalSaver', () => journalSaver(memoryJournal())],
];

describe.each(savers)('interrupts, kept by %s', (_, saver) => {
  test('become asks of their kind, and every answer reaches its own, the falsy ones too', async () => {
    const values = {
      text: 'Really?',
      asked: { question: 'How many?', answer: { type: 'integer' }, roles: 'boss' },
      tool: { tool: 'refund', input: { cents: 7 }, reason: 'over 5', roles: ['lead'], expires: 60_000 },
      changed: { tool: 'mail', input: { to: 'a' } },
      refused: { tool: 'wipe', input: {} },
      odd: { some: ['thing', 1] },
      empty: 'Name?',
      no: 'Yes or no?',
    };
    const got: Record<string, unknown> = {};
    const node = (name: keyof typeof values) => () => {
      got[name] = interrupt(values[name]);
      return { log: [name] };
    };
    const graph = side(Object.fromEntries(Object.keys(values).map((name) => [name, node(name as keyof typeof values)])), saver());
    const agent = foreignGraph({ name: 'g', graph, input, output });
    const { asks, state } = paused(await agent.turn({ type: 'start', input: '' }, context()));
    const about = asks.map(({ id: _, ...ask }) => ask);
    expect(about).toHaveLength(8);
    expect(about).toEqual(
      expect.arrayContaining([
        { kind: 'question', question: 'Really?', allow: ['respond', 'approve', 'reject'] },
        { kind: 'question', question: 'How many?', answer: { type: 'integer' }, roles: ['boss'] },
        { kind: 'tool', tool: 'refund', input: { cents: 7 }, reason: 'over 5', roles: ['lead'], expires: 60_000 },
        { kind: 'question', question: '{"some":["thing",1]}', allow: ['respond', 'approve', 'reject'] },
      ]),
    );
    // small, and plain JSON
    expect(JSON.parse(JSON.stringify(state))).toEqual(state);
    expect(JSON.stringify(state).length).toBeLessThan(8 * 250);
    const said = answers(asks, {
      'Really?': { type: 'approve' },
      'How many?': { type: 'respond', answer: 0 },
      refund: { type: 'approve' },
      mail: { type: 'edit', input: { to: 'b' } },
      wipe: { type: 'reject', reason: 'no' },
      '{"some":["thing",1]}': { type: 'respond', answer: null },
      'Name?': { type: 'respond', answer: '' },
      'Yes or no?': { type: 'respond', answer: false },
    });
    const result = await agent.turn({ type: 'resume', state, answers: said }, context());
    expect(result.status).toBe('completed');
    expect(got).toEqual({ text: true, asked: 0, tool: true, changed: { to: 'b' }, refused: false, odd: null, empty: '', no: false });
  });

  test('of parallel branches deep in subgraphs are all seen, and a mixed approve and reject loses neither', async () => {
    const ran: string[] = [];
    const node = (name: string) => () => {
      const ok = interrupt(name);
      ran.push(`${name}:${ok}`);
      return { log: [`${name}:${ok}`] };
    };
    const child = side({ a: node('a'), b: node('b') });
    const hidden = side({ c: node('c') });
    // a subgraph in a subgraph, and one that LangGraph does not know of because a function calls it
    const graph = side({ child: side({ child }), called: async () => ({ log: (await hidden.invoke({ log: [] })).log }) }, saver());
    const agent = foreignGraph({ name: 'g', graph, input, output });
    const { asks, state } = paused(await agent.turn({ type: 'start', input: '' }, context()));
    expect(asks.map((ask) => ask.kind === 'question' && ask.question).sort()).toEqual(['a', 'b', 'c']);
    const said = answers(asks, { a: { type: 'approve' }, b: { type: 'reject', reason: '' }, c: { type: 'approve' } });
    const result = await agent.turn({ type: 'resume', state, answers: said }, context());
    expect(result.status).toBe('completed');
    expect(ran.sort()).toEqual(['a:true', 'b:false', 'c:true']);
  });

  test('one after the other in a node, though LangGraph gives them one id', async () => {
    const graph = side({ n: () => ({ log: [interrupt('first'), interrupt('second'), interrupt('second')].map(String) }) }, saver());
    const agent = foreignGraph({ name: 'g', graph, input, output });
    let result = await agent.turn({ type: 'start', input: '' }, context());
    for (const answer of [1, 2, 3]) {
      const { asks, state } = paused(result);
      expect(asks).toHaveLength(1);
      const said = answers(asks, { first: { type: 'respond', answer }, second: { type: 'respond', answer } });
      result = await agent.turn({ type: 'resume', state, answers: said }, context());
    }
    expect(result).toEqual({ status: 'completed', output: '1 2 3' });
  });

  test('a retried turn does not give an answer to another question', async () => {
    const got: unknown[] = [];
    const node = () => {
      got.splice(0, got.length, interrupt('Delete the draft?'));
      got.push(interrupt('Delete everything?'));
      return { log: got.map(String) };
    };
    const child = side({ n: node });
    for (const graph of [side({ n: node }, saver()), side({ child }, saver())]) {
      const agent = foreignGraph({ name: 'g', graph, input, output });
      const { asks, state } = paused(await agent.turn({ type: 'start', input: '' }, context()));
      const said = answers(asks, { 'Delete the draft?': { type: 'approve' } });
      const once = paused(await agent.turn({ type: 'resume', state, answers: said }, context()));
      // the process died before the journal had that
      const twice = paused(await agent.turn({ type: 'resume', state, answers: said }, context({ attempt: 2 })));
      expect(twice.asks).toEqual(once.asks);
      expect(twice.asks[0]).toMatchObject({ question: 'Delete everything?' });
      expect(twice.state).toEqual(once.state);
      const no = answers(twice.asks, { 'Delete everything?': { type: 'reject', reason: 'no' } });
      const done = await agent.turn({ type: 'resume', state: twice.state, answers: no }, context());
      expect(done).toEqual({ status: 'completed', output: 'true false' });
      // and once more: what is finished is told again
      expect(await agent.turn({ type: 'resume', state: twice.state, answers: no }, context({ attempt: 2 }))).toEqual(done);
    }
  });

  test('a turn that failed midway continues with its answers, and repeats no finished node', async () => {
    let failures = 1;
    const ran: string[] = [];
    const graph = side(
      {
        good: () => {
          const ok = interrupt('good');
          ran.push('good');
          return { log: [`good:${ok}`] };
        },
        bad: async () => {
          const ok = interrupt('bad');
          ran.push('bad');
          await new Promise((resolve) => setTimeout(resolve, 5));
          if (failures-- > 0) throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
          return { log: [`bad:${ok}`] };
        },
      },
      saver(),
    );
    const agent = foreignGraph({ name: 'g', graph, input, output });
    const { asks, state } = paused(await agent.turn({ type: 'start', input: '' }, context()));
    const said = answers(asks, { good: { type: 'approve' }, bad: { type: 'reject', reason: '' } });
    const error = await agent.turn({ type: 'resume', state, answers: said }, context()).catch((e) => e);
    // a node of this turn ran before: that another one reached no one does not undo it
    expect(error).toMatchObject({ name: 'ToolError', code: 'NETWORK', outcome: 'unknown', retryable: true });
    const result = await agent.turn({ type: 'resume', state, answers: said }, context({ attempt: 2 }));
    expect(result).toMatchObject({ status: 'completed', output: expect.stringMatching(/good:true/) });
    expect(result).toMatchObject({ output: expect.stringMatching(/bad:false/) });
    expect(ran.filter((name) => name === 'good')).toHaveLength(1);
  });

  test('requests of LangChain middleware: a decision for each action', async () => {
    const request = {
      actionRequests: [
        { name: 'send', args: { to: 'a' }, description: 'Sends mail' },
        { name: 'send', args: { to: 'b' } },
        { name: 'wipe', args: {} },
      ],
      reviewConfigs: [
        { actionName: 'send', allowedDecisions: ['approve', 'edit', 'reject'] },
        { actionName: 'wipe', allowedDecisions: ['approve', 'reject'] },
      ],
    };
    let got: unknown;
    const graph = side(
      {
        n: () => {
          got = interrupt(request);
          return {};
        },
      },
      saver(),
    );
    const agent = foreignGraph({ name: 'g', graph, input, output });
    const { asks, state } = paused(await agent.turn({ type: 'start', input: '' }, context()));
    expect(asks).toMatchObject([
      { kind: 'tool', tool: 'send', input: { to: 'a' }, reason: 'Sends mail' },
      { kind: 'tool', tool: 'send', input: { to: 'b' } },
      { kind: 'tool', tool: 'wipe', allow: ['approve', 'reject'] },
    ]);
    const decisions = [{ type: 'approve' }, { type: 'edit', input: { to: 'c' } }, { type: 'reject', reason: 'never' }] as const;
    const said = asks.map(({ id }, i) => ({ id, decision: { approval: id, ...(decisions[i] as (typeof decisions)[0]) } }));
    await agent.turn({ type: 'resume', state, answers: said }, context());
    expect(got).toEqual({
      decisions: [
        { type: 'approve' },
        { type: 'edit', editedAction: { name: 'send', args: { to: 'c' } } },
        { type: 'reject', message: 'never' },
      ],
    });
  });

  test("requests of LangGraph's prebuilt agents: a response for each action", async () => {
    const request = (action: string, config: object, description?: string) => ({
      action_request: { action, args: { to: action } },
      config: { allow_accept: true, allow_edit: true, allow_ignore: true, allow_respond: false, ...config },
      ...(description !== undefined && { description }),
    });
    const requests = [
      request('a', {}, 'Sends mail'),
      request('b', { allow_ignore: false }),
      request('c', { allow_accept: false, allow_edit: false, allow_respond: true }),
      request('d', {}),
    ];
    const got: unknown[] = [];
    const ask = (asked: unknown) => () => {
      got.push(interrupt(asked));
      return {};
    };
    const graph = side({ n: ask(requests), single: ask(request('e', {})) }, saver());
    const agent = foreignGraph({ name: 'g', graph, input, output });
    const { asks, state } = paused(await agent.turn({ type: 'start', input: '' }, context()));
    expect(asks).toMatchObject([
      { kind: 'tool', tool: 'a', input: { to: 'a' }, reason: 'Sends mail', allow: ['approve', 'edit', 'reject'] },
      { kind: 'tool', tool: 'b', allow: ['approve', 'edit'] },
      { kind: 'tool', tool: 'c', allow: ['reject'] },
      { kind: 'tool', tool: 'd' },
      { kind: 'tool', tool: 'e' },
    ]);
    const said = answers(asks, {
      a: { type: 'approve' },
      b: { type: 'edit', input: { to: 'x' } },
      c: { type: 'reject', reason: 'ask Ana first' },
      d: { type: 'reject', reason: 'no' },
      e: { type: 'approve' },
    });
    await agent.turn({ type: 'resume', state: JSON.parse(JSON.stringify(state)), answers: said }, context());
    expect(got).toEqual([
      [
        { type: 'accept', args: null },
        { type: 'edit', args: { action: 'b', args: { to: 'x' } } },
        { type: 'response', args: 'ask Ana first' },
        { type: 'ignore', args: null },
      ],
      [{ type: 'accept', args: null }],
    ]);
  });

  test('a value that only looks like a request is shown unchanged, and a description becomes the reason', async () => {
    const values = [
      { actionRequests: [] },
      { actionRequests: [{ name: 'send' }, 'send'] },
      { action_request: 'send' },
      { name: 'deploy', role: 'lead', description: 'to production' },
      { question: 'Now?', description: 'it is Friday' },
    ];
    const graph = side(Object.fromEntries(values.map((value, i) => [`n${i}`, () => ({ log: [String(interrupt(value))] })])), saver());
    const { asks } = paused(await foreignGraph({ name: 'g', graph, input, output }).turn({ type: 'start', input: '' }, context()));
    expect(asks.map((ask) => ask.kind === 'question' && [ask.question, ask.reason])).toEqual([
      ...values.slice(0, 3).map((value) => [JSON.stringify(value), undefined]),
      [JSON.stringify(values[3]), 'to production'],
      ['Now?', 'it is Friday'],
    ]);
  });

  test('a breakpoint asks whether to continue, also in a retried turn', async () => {
    const ran: string[] = [];
    const graph = new StateGraph(Log)
      .addNode('a', () => (ran.push('a'), { log: ['a'] }))
      .addNode('b', () => (ran.push('b'), { log: ['b'] }))
      .addEdge(START, 'a')
      .addEdge('a', 'b')
      .addEdge('b', END)
      .compile({ checkpointer: saver(), interruptBefore: ['b'] });
    const agent = foreignGraph({ name: 'g', graph, input, output });
    const first = paused(await agent.turn({ type: 'start', input: '' }, context()));
    const again = paused(await agent.turn({ type: 'start', input: '' }, context({ attempt: 2 })));
    expect(again).toEqual(first);
    expect(first.asks).toMatchObject([{ kind: 'question', question: 'The graph "g" stopped before b. Go on?' }]);
    const [ask] = first.asks;
    const say = (type: 'approve' | 'reject') =>
      agent.turn(
        { type: 'resume', state: first.state, answers: [{ id: ask.id, decision: { approval: ask.id, type, reason: 'not now' } as never }] },
        context(),
      );
    await expect(say('reject')).rejects.toMatchObject({ name: 'ToolError', code: 'REJECTED' });
    expect(await say('approve')).toEqual({ status: 'completed', output: 'a b' });
    expect(ran).toEqual(['a', 'b']);
  });

  test('a breakpoint in a subgraph is not skipped', async () => {
    const ran: string[] = [];
    const child = new StateGraph(Log)
      .addNode('x', () => (ran.push('x'), { log: ['x'] }))
      .addNode('y', () => (ran.push('y'), { log: ['y'] }))
      .addEdge(START, 'x')
      .addEdge('x', 'y')
      .compile({ interruptAfter: ['x'] });
    const agent = foreignGraph({ name: 'g', graph: side({ child }, saver()), input, output });
    const first = paused(await agent.turn({ type: 'start', input: '' }, context()));
    expect(paused(await agent.turn({ type: 'start', input: '' }, context({ attempt: 2 })))).toEqual(first);
    expect(ran).toEqual(['x']);
    const decision = { approval: first.asks[0].id, type: 'approve' as const };
    const done = await agent.turn({ type: 'resume', state: first.state, answers: [{ id: first.asks[0].id, decision }] }, context());
    expect(done).toMatchObject({ status: 'completed' });
    expect(ran).toEqual(['x', 'y']);
    const unkept = foreignGraph({ name: 'g', graph: side({ child }), input, output });
    await expect(unkept.turn({ type: 'start', input: '' }, context())).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });

  test('a graph without a checkpointer waits in the one it is given', async () => {
    const graph = side({ n: () => ({ log: [String(interrupt('ok?'))] }) });
    const agent = foreignGraph({ name: 'g', graph, input, output, checkpointer: saver() });
    const { asks, state } = paused(await agent.turn({ type: 'start', input: '' }, context()));
    const said = answers(asks, { 'ok?': { type: 'reject', reason: '' } });
    expect(await agent.turn({ type: 'resume', state, answers: said }, context())).toEqual({ status: 'completed', output: 'false' });
  });

  test('an agent inside a node of another graph has a thread of its own', async () => {
    const inner = foreignGraph({
      name: 'inner',
      graph: side({ n: () => ({ log: [String(interrupt('inner?'))] }) }, saver()),
      input,
      output,
    });
    const outer = side(
      { n: async () => ({ log: [(await inner.turn({ type: 'start', input: '' }, context({ thread: 'inner' }))).status] }) },
      saver(),
    );
    expect(await outer.invoke({ log: [] }, { configurable: { thread_id: 'outer' } })).toEqual({ log: ['paused'] });
  });
});

test('answers can be given another shape', async () => {
  const graph = side({ n: () => ({ log: [JSON.stringify(interrupt('ok?'))] }) }, new MemorySaver());
  const agent = foreignGraph({
    name: 'g',
    graph,
    input,
    output,
    answer: (d) => ({ verdict: d.type, ...(d.type === 'reject' && { why: d.reason }) }),
  });
  const { asks, state } = paused(await agent.turn({ type: 'start', input: '' }, context()));
  const said = answers(asks, { 'ok?': { type: 'reject', reason: 'late' } });
  expect(await agent.turn({ type: 'resume', state, answers: said }, context())).toMatchObject({
    output: '{"verdict":"reject","why":"late"}',
  });
});
