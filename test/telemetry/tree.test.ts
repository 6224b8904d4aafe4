import { afterEach, expect, test } from 'vitest';
import { z } from 'zod';
import { agent, Engine, foreignAgent, graph, supervisor, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { anything, asks, ends } from '../kit/runs.ts';
import { registerSpans, unregister } from './sdk.ts';

afterEach(unregister);

const told = (r: { messages: readonly { role: string }[] }) => r.messages.some((m) => m.role === 'tool');

function desk() {
  const pay = tool({ name: 'pay', description: '', input: anything, approval: true, execute: () => 'paid' });
  const clerk = agent({
    name: 'clerk',
    description: '',
    instructions: '',
    model: scripted((r) => (told(r) ? 'paid' : asks(['pay', {}]))),
    tools: [pay],
  });
  const flow = graph({
    name: 'flow',
    description: '',
    state: z.object({ said: z.string().default('') }),
    nodes: {
      plan: () => {},
      broken: () => {
        throw Object.assign(new Error('secret'), { code: 'ECONNRESET' });
      },
      work: { agent: clerk, input: () => 'go', output: (said) => ({ said }) },
    },
    edges: { start: 'plan', plan: { to: ['work', 'broken'], choose: () => 'work' }, work: 'end', broken: 'end' },
  });
  const alien = foreignAgent({
    name: 'alien',
    description: '',
    turn: async (_, { traceparent }) => ({ status: 'completed', output: traceparent ?? '' }),
  });
  return supervisor({
    name: 'desk',
    instructions: '',
    model: scripted((r) => (told(r) ? JSON.stringify(r.messages.at(-1)) : asks(['flow', {}], ['alien', { task: 'x' }]))),
    agents: [flow, alien],
  });
}

test('a tree of agents is one trace, with a span for each agent, node, answer and call', async () => {
  const sdk = registerSpans();
  const top = desk();
  const engine = new Engine({ agents: [top] });
  const paused = await ends(engine.run(top, 'go'), 'paused');
  await engine.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: { id: 'ben' } });
  const done = await ends(engine.resume(paused.runId), 'completed');

  const spans = sdk.spans();
  expect(new Set(spans.map((s) => s.spanContext().traceId)).size).toBe(1);
  const nameOf = new Map(spans.map((s) => [s.spanContext().spanId, s.name]));
  const edges = new Set(spans.map((s) => `${nameOf.get(s.parentSpanContext?.spanId ?? '') ?? 'root'} > ${s.name}`));
  expect([...edges].toSorted()).toEqual([
    'invoke_agent alien > execute_tool alien',
    'invoke_agent clerk > chat script',
    'invoke_agent clerk > execute_tool pay',
    'invoke_agent desk > chat script',
    'invoke_agent desk > decide desk',
    'invoke_agent desk > invoke_agent alien',
    'invoke_agent desk > invoke_agent desk',
    'invoke_agent desk > invoke_agent flow',
    'invoke_agent flow > invoke_agent clerk',
    'invoke_agent flow > node plan',
    'root > invoke_agent desk',
  ]);
  // what a foreign agent is given to hand on is of its own turn
  const turn = sdk.named('execute_tool alien');
  expect(JSON.stringify(done.output)).toContain(turn.spanContext().spanId);
  const run = spans.filter((s) => s.name.startsWith('invoke_agent'));
  expect(run.every((s) => s.attributes['rondo.run.id'] === paused.runId)).toBe(true);
  const plan = sdk.named('node plan');
  expect(plan.attributes).toMatchObject({
    'rondo.node': 'plan',
    'rondo.call.id': expect.stringMatching(/^\d+\.0$/),
    'rondo.step': 1,
    'gen_ai.agent.name': 'flow',
  });
});

test('a node that fails has a span that says so, without the text', async () => {
  const sdk = registerSpans();
  const flow = graph({
    name: 'flow',
    state: z.object({}),
    nodes: {
      broken: async () => {
        throw Object.assign(new Error('secret'), { code: 'ECONNRESET' });
      },
    },
    edges: { start: 'broken', broken: 'end' },
  });
  await ends(new Engine().run(flow, {}), 'failed');
  const { attributes, status } = sdk.named('node broken');
  expect(attributes['error.type']).toBe((await ends(new Engine().run(flow, {}), 'failed')).error.code);
  expect(JSON.stringify([attributes, status])).not.toContain('secret');
});

test('a node that is running when its run is cancelled has a span end', async () => {
  const sdk = registerSpans();
  const hang = graph({
    name: 'flow',
    state: z.object({}),
    nodes: { hang: () => new Promise<void>(() => {}) },
    edges: { start: 'hang', hang: 'end' },
  });
  const engine = new Engine();
  const run = engine.run(hang, {});
  await new Promise((resolve) => setTimeout(resolve, 5));
  await engine.cancel(run.id);
  await ends(run, 'cancelled');
  expect(sdk.named('node hang').attributes['error.type']).toBe('UNFINISHED');
});
