/** Plain JSON Schema wherever a declaration takes a schema. */
import { expect, test } from 'vitest';
import { agent, Engine, graph, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { asks, ends } from '../kit/runs.ts';

const ben = { id: 'ben' };
const pair = { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'], additionalProperties: false } as const;

test('the input of a tool: the model is told it, and what does not fit is sent back', async () => {
  const given: unknown[] = [];
  const add = tool({ name: 'add', description: '', input: pair, execute: ({ n }) => given.push(n) });
  const model = scripted([asks(['add', { n: 'one' }]), asks(['add', { n: 1 }]), 'done']);
  await ends(new Engine().run(agent({ name: 'a', instructions: '', model, tools: [add] }), 'go'), 'completed');
  expect(model.requests[0]?.tools[0]?.input).toEqual(pair);
  expect(JSON.stringify(model.requests[1]?.messages.at(-1))).toContain('INVALID_ARGUMENTS');
  expect(given).toEqual([1]);
});

test('an edit of a call is checked against it', async () => {
  const pay = tool({ name: 'pay', description: '', input: pair, approval: true, execute: ({ n }) => n });
  const a = agent({ name: 'a', instructions: '', model: scripted([asks(['pay', { n: 1 }]), 'done']), tools: [pay] });
  const engine = new Engine({ agents: [a] });
  const { runId, approvals } = await ends(engine.run(a, 'go'), 'paused');
  const edit = (input: object) => engine.decide(runId, [{ approval: approvals[0].id, type: 'edit', input: input as never }], { by: ben });
  await expect(edit({ n: 'x' })).rejects.toMatchObject({ code: 'DECISION_INVALID' });
  await edit({ n: 2 });
  expect(await ends(engine.resume(runId), 'completed')).toMatchObject({ output: 'done' });
});

test("a tool's context", async () => {
  const context = { type: 'object', properties: { tenant: { type: 'string' } }, required: ['tenant'] } as const;
  const who = tool({ name: 'who', description: '', input: {}, context, execute: (_, ctx) => ctx.context.tenant });
  const model = scripted([asks(['who', {}]), 'done']);
  const a = agent({ name: 'a', instructions: ({ context: { tenant } }) => tenant, model, tools: [who] });
  await ends(new Engine().run(a, 'go', { context: { tenant: 'acme' } }), 'completed');
  expect(model.requests[1]?.messages.at(-1)?.content).toMatchObject([{ output: [{ text: 'acme' }] }]);
});

test('the output of an agent: an answer that does not fit is asked for again', async () => {
  const model = scripted(['{"n":"x"}', '{"n":7}']);
  const output = await new Engine().run(agent({ name: 'a', instructions: '', model, output: pair }), 'go').output();
  expect(output.n).toBe(7);
  expect(model.requests[0]?.output).toEqual(pair);
});

test('the state of a graph, and the answer to its question', async () => {
  const g = graph({
    name: 'g',
    state: { type: 'object', properties: { n: { type: 'number' }, ok: { type: 'boolean' } }, required: ['n'], additionalProperties: false },
    nodes: {
      add: ({ n }) => ({ n: n + 1 }),
      sign: { ask: ({ n }) => `${n}?`, answer: { type: 'boolean' } as const, output: (ok) => ({ ok }) },
    },
    edges: { start: 'add', add: 'sign', sign: 'end' },
  });
  const engine = new Engine({ agents: [g] });
  const { runId, approvals } = await ends(engine.run(g, { n: 1 }), 'paused');
  const respond = (answer: string | boolean) => engine.decide(runId, [{ approval: approvals[0].id, type: 'respond', answer }], { by: ben });
  await expect(respond('maybe')).rejects.toMatchObject({ code: 'DECISION_INVALID' });
  await respond(true);
  expect(await ends(engine.resume(runId), 'completed')).toMatchObject({ output: { n: 2, ok: true } });
  const failed = await ends(engine.run(g, { n: 'x' } as never), 'failed');
  expect(failed.error.message).toContain('n');
});
