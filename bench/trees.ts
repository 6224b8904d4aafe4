/** Graphs and supervisors of Rondo, for the jobs that peers.ts does in LangGraph. */
import { z } from 'zod';
import {
  type Agent,
  agent,
  append,
  type Engine,
  graph,
  type Model,
  type ModelResponse,
  type RunResult,
  send,
  supervisor as supervising,
} from '../src/index.ts';

/** What a step adds to a state that grows: about 100 bytes. */
export const LINE = 'a line of the log that this graph keeps, as long as such lines are, with what was done and to what end.';

const chainGraph = graph({
  name: 'chain',
  state: z.object({ n: z.number().default(0), until: z.number() }),
  nodes: { step: ({ n }) => ({ n: n + 1 }) },
  edges: { start: 'step', step: { to: ['step', 'end'], choose: ({ n, until }) => (n < until ? 'step' : 'end') } },
});

const fanGraph = graph({
  name: 'fan',
  state: z.object({ items: z.array(z.number()), out: z.array(z.number()).default([]) }),
  reducers: { out: append },
  nodes: { one: (_, { item }) => ({ out: [(item as number) * 2] }), join: () => {} },
  edges: { start: { to: ['one'], choose: ({ items }) => items.map((item) => send('one', item)) }, one: 'join', join: 'end' },
});

const growingGraph = graph({
  name: 'growing',
  state: z.object({ until: z.number(), lines: z.array(z.string()).default([]) }),
  reducers: { lines: append },
  nodes: { step: ({ lines }) => ({ lines: [`${lines.length} ${LINE}`] }) },
  edges: { start: 'step', step: { to: ['step', 'end'], choose: ({ lines, until }) => (lines.length < until ? 'step' : 'end') } },
});

function output<O>(result: RunResult<O>): O {
  if (result.status !== 'completed') throw new Error(`a run did not complete: ${JSON.stringify(result).slice(0, 500)}`);
  return result.output;
}

export const chain = (engine: Engine) => async (nodes: number) => output(await engine.run(chainGraph, { until: nodes })).n;

export const fan = (engine: Engine) => async (items: number) =>
  output(await engine.run(fanGraph, { items: Array.from({ length: items }, (_, i) => i) })).out.length;

export const growing = (engine: Engine) => async (steps: number) => output(await engine.run(growingGraph, { until: steps })).lines.length;

const answering = (answer: (results: number) => ModelResponse['content']): Model => ({
  provider: 'bench',
  id: 'instant',
  async generate({ messages }) {
    const content = answer(messages.filter(({ role }) => role === 'tool').length);
    return { content, stop: content.some((p) => p.type === 'toolCall') ? 'tools' : 'end', usage: { input: 1_200, output: 60 } };
  },
});

/** One delegation after another, to an agent that answers at once. */
export function delegating(delegations: number): Agent {
  const worker = agent({
    name: 'worker',
    description: 'Works.',
    instructions: 'Work.',
    model: answering(() => [{ type: 'text', text: 'done' }]),
  });
  const model = answering((done) =>
    done < delegations
      ? [{ type: 'toolCall', id: `call-${done}`, name: 'worker', input: { task: 'go' } }]
      : [{ type: 'text', text: 'all done' }],
  );
  return supervising({ name: 'top', instructions: 'Delegate.', model, agents: [worker] }) as Agent;
}

export const delegate = (engine: Engine, top: Agent) => async () => {
  if (output(await engine.run(top, 'go')) !== 'all done') throw new Error('the supervisor did not come to its end');
};
