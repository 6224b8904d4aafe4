import { AIMessage } from '@langchain/core/messages';
import { FakeListChatModel } from '@langchain/core/utils/testing';
import { interrupt, MemorySaver, MessagesAnnotation, START, StateGraph } from '@langchain/langgraph';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { journalSaver, langgraphAgent } from '../../src/adapters/langgraph/index.ts';
import { type Agent, Engine, graph, supervisor } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { expireLease, journals } from '../kit/journals.ts';
import { asks, ends, shown } from '../kit/runs.ts';
import { settle, until } from '../kit/time.ts';
import { input, Log, type Logged, output, side } from './setup.ts';

// it says that a run paused in memory
beforeAll(() => void vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined));

/** A boss that asks each of its agents once, at the same time, and then says it is done. */
function boss(...agents: Agent[]) {
  const model = scripted(({ messages }) =>
    messages.length === 1 ? asks(...agents.map((a) => [a.name, { task: 'go' }] as const)) : 'done',
  );
  return { model, agent: supervisor({ name: 'boss', instructions: '', model, agents }) };
}

class Counting extends FakeListChatModel {
  override async _generate() {
    const usage_metadata = { input_tokens: 1_000, output_tokens: 500, total_tokens: 1_500 };
    return { generations: [{ text: 'x', message: new AIMessage({ content: 'x', usage_metadata }) }] };
  }
}

describe.each(journals)('a LangGraph graph under a supervisor, on $name', ({ make }) => {
  test('an interrupted turn: unknown, or continued from its thread', async () => {
    for (const [effect, ranAfter, said] of [
      ['once', [], 'OUTCOME_UNKNOWN'],
      ['idempotent', ['b'], 'a b'],
    ] as const) {
      const { journal, another } = make();
      const world = (store: typeof journal, ran: string[], alive: boolean) => {
        const graph = new StateGraph(Log)
          .addNode('a', () => {
            ran.push('a');
            return { log: ['a'] };
          })
          .addNode('b', () => {
            ran.push('b');
            return alive ? { log: ['b'] } : new Promise<never>(() => undefined);
          })
          .addEdge(START, 'a')
          .addEdge('a', 'b')
          .compile({ checkpointer: journalSaver(store) });
        const { agent, model } = boss(langgraphAgent({ name: 'lg', graph, input, output, effect }));
        return { engine: new Engine({ journal: store, agents: [agent] }), agent, model };
      };
      const before: string[] = [];
      const first = world(journal, before, false);
      const { id } = first.engine.run(first.agent, 'hi');
      await until(() => before.includes('b') || undefined);
      await settle();
      await expireLease(journal, id);
      const after: string[] = [];
      const second = world(another(), after, true);
      expect(await ends(second.engine.resume(id), 'completed')).toMatchObject({ output: 'done' });
      expect(after).toEqual(ranAfter);
      expect(JSON.stringify(shown(second.model.requests.at(-1)))).toContain(said);
    }
  });

  test('two graphs wait at once, one answer at a time, and neither runs again what it has done', async () => {
    const { journal, another } = make();
    const ran: string[] = [];
    const world = (store: typeof journal) => {
      const node = (name: string) => (s: Logged) => {
        const ok = interrupt({ tool: `${name}_pay`, input: { n: s.log.length }, reason: name });
        ran.push(`${name} ${ok}`);
        return { log: [`${name} ${ok}`] };
      };
      const lg = (name: string) =>
        langgraphAgent({
          name,
          graph: side({ [`${name}1`]: node(`${name}1`), [`${name}2`]: node(`${name}2`) }, journalSaver(store)),
          input,
          output,
        });
      const { agent, model } = boss(lg('x'), lg('y'));
      return { engine: new Engine({ journal: store, agents: [agent] }), agent, model };
    };
    const first = world(journal);
    const { runId, approvals } = await ends(first.engine.run(first.agent, 'hi'), 'paused');
    expect(approvals.map((a) => [a.kind === 'tool' && a.tool, a.path])).toEqual(
      expect.arrayContaining([
        ['x1_pay', ['boss', 'x']],
        ['x2_pay', ['boss', 'x']],
        ['y1_pay', ['boss', 'y']],
        ['y2_pay', ['boss', 'y']],
      ]),
    );
    const second = world(another());
    const decide = (tool: string, ok: boolean) =>
      second.engine.decide(
        runId,
        [
          {
            approval: approvals.find((a) => a.kind === 'tool' && a.tool === tool)?.id as string,
            ...(ok ? { type: 'approve' as const } : { type: 'reject' as const, reason: 'no' }),
          },
        ],
        { by: { id: 'ben' } },
      );
    await decide('x1_pay', true);
    await decide('x2_pay', false);
    expect((await ends(second.engine.resume(runId), 'paused')).approvals).toHaveLength(2);
    expect(ran.sort()).toEqual(['x1 true', 'x2 false']);
    await decide('y2_pay', true);
    expect((await ends(second.engine.resume(runId), 'paused')).approvals).toHaveLength(1);
    await decide('y1_pay', true);
    await ends(second.engine.resume(runId), 'completed');
    expect(ran.sort()).toEqual(['x1 true', 'x2 false', 'y1 true', 'y2 true']);
  });
});

test.each(journals)(
  'an interrupt in a LangGraph graph in a Rondo graph under a supervisor is answered at the top, on $name',
  async ({ make }) => {
    const { journal, another } = make();
    const ran: string[] = [];
    const world = (store: typeof journal) => {
      const theirs = side(
        {
          n: () => {
            const ok = interrupt({ tool: 'publish', input: { page: 1 } });
            ran.push(`n ${ok}`);
            return { log: [`n ${ok}`] };
          },
        },
        journalSaver(store),
      );
      const ours = graph({
        name: 'ours',
        state: z.object({ topic: z.string(), said: z.string().optional() }),
        nodes: {
          before: () => {
            ran.push('before');
            return {};
          },
          theirs: {
            agent: langgraphAgent({ name: 'theirs', graph: theirs, input, output }),
            input: (s) => s.topic,
            output: (said) => ({ said }),
          },
        },
        edges: { start: 'before', before: 'theirs', theirs: 'end' },
        output: (s) => s.said ?? '',
      });
      const model = scripted(({ messages }) =>
        messages.length === 1 ? asks(['ours', { topic: 'x' }]) : JSON.stringify(messages.at(-1)?.content),
      );
      const agent = supervisor({ name: 'boss', instructions: '', model, agents: [ours] });
      return { engine: new Engine({ journal: store, agents: [agent] }), agent };
    };
    const first = world(journal);
    const { runId, approvals } = await ends(first.engine.run(first.agent, 'hi'), 'paused');
    expect(approvals).toMatchObject([{ kind: 'tool', tool: 'publish', input: { page: 1 } }]);
    expect(approvals[0]?.path).toEqual(['boss', 'ours', 'theirs']);
    const { engine } = world(another());
    await engine.decide(runId, [{ approval: approvals[0]?.id as string, type: 'approve' }], { by: { id: 'ben' } });
    expect((await ends(engine.resume(runId), 'completed')).output).toContain('n true');
    expect(ran).toEqual(['before', 'n true']);
  },
);

test('a failure is an observation, and the supervisor goes on', async () => {
  const graph = side({
    n: () => {
      throw Object.assign(new Error('the desk is closed'), { status: 503 });
    },
  });
  const cycle = new StateGraph(Log)
    .addNode('n', () => ({}))
    .addEdge(START, 'n')
    .addEdge('n', 'n')
    .compile();
  const { agent, model } = boss(
    langgraphAgent({ name: 'closed', graph, input, output }),
    langgraphAgent({ name: 'round', graph: cycle, input, output, recursionLimit: 3 }),
  );
  const engine = new Engine();
  expect(await ends(engine.run(agent, 'hi'), 'completed')).toMatchObject({ output: 'done' });
  const [closed, round] = shown(model.requests[1]);
  expect(JSON.stringify(closed)).toMatch(/SERVICE_UNAVAILABLE.*the desk is closed/);
  expect(JSON.stringify(round)).toMatch(/RECURSION_LIMIT.*recursionLimit of langgraphAgent/);
  await engine.close();
});

test('tokens and dollars count in the top run; without a price the cost is unknown', async () => {
  const model = new Counting({ responses: ['x'] });
  const graph = new StateGraph(MessagesAnnotation)
    .addNode('m', async () => ({ messages: [await model.invoke('a')] }))
    .addEdge(START, 'm')
    .compile();
  const engine = new Engine();
  const priced = boss(langgraphAgent({ name: 'lg', graph, price: { input: 2, output: 10 } }));
  const result = await ends(engine.run(priced.agent, 'hi'), 'completed');
  expect(result.costUsd).toBeCloseTo((2_000 + 5_000) / 1e6, 9);
  expect(result.usage.input).toBeGreaterThan(1_000);
  const unknown = boss(langgraphAgent({ name: 'lg', graph }));
  expect((await ends(engine.run(unknown.agent, 'hi'), 'completed')).costUsd).toBeUndefined();
  await engine.close();
});

test('cancelling the top run reaches the graph, and the words of its models are events with their path', async () => {
  let aborted = false;
  const talker = new FakeListChatModel({ responses: ['some words'] });
  const graph = new StateGraph(MessagesAnnotation)
    .addNode('talk', async (s) => ({ messages: [await talker.invoke(s.messages)] }))
    .addNode('hang', (_, { signal }) => {
      signal?.addEventListener('abort', () => {
        aborted = true;
      });
      return new Promise<never>(() => undefined);
    })
    .addEdge(START, 'talk')
    .addEdge('talk', 'hang')
    .compile();
  const engine = new Engine();
  const run = engine.run(boss(langgraphAgent({ name: 'lg', graph })).agent, 'hi');
  let text = '';
  for await (const event of run)
    if (event.type === 'text.delta') {
      text += event.text;
      if (text === 'some words') void engine.cancel(run.id);
    }
  await ends(run, 'cancelled');
  await expect.poll(() => aborted).toBe(true);
  await engine.close();
});

test('a lost checkpointer is an error, not a fresh start', async () => {
  const { journal, another } = (journals[0] as (typeof journals)[number]).make();
  const ran: string[] = [];
  const made = () => {
    const graph = side(
      {
        n: () => {
          ran.push('n');
          return { log: [String(interrupt('ok?'))] };
        },
      },
      new MemorySaver(),
    );
    return boss(langgraphAgent({ name: 'lg', graph, input, output }));
  };
  const first = await ends(new Engine({ journal }).run(made().agent, 'hi'), 'paused');
  const { agent, model } = made();
  const engine = new Engine({ journal: another(), agents: [agent] });
  await engine.decide(first.runId, [{ approval: first.approvals[0]?.id as string, type: 'approve' }], { by: { id: 'ben' } });
  await ends(engine.resume(first.runId), 'completed');
  expect(JSON.stringify(shown(model.requests.at(-1)))).toContain('THREAD_LOST');
  expect(ran).toEqual(['n']);
});
