// What code of another framework throws does not say that nothing happened: it may have acted before.
import { tool as langchain } from '@langchain/core/tools';
import { MessagesAnnotation, START, StateGraph } from '@langchain/langgraph';
import { InterruptResponseContent } from '@strands-agents/sdk';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { langchainTool } from '../../src/adapters/langchain/index.ts';
import { langgraphAgent } from '../../src/adapters/langgraph/index.ts';
import { rondoTool } from '../../src/adapters/strands/index.ts';
import { agent, Engine, ToolError, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { asks, ends, failure, shown } from '../kit/runs.ts';
import { FakeModel, results, strands } from '../strands/model.ts';

test('a node of LangGraph that says it did not run, after another one acted', async () => {
  let sent = 0;
  const graph = new StateGraph(MessagesAnnotation)
    .addNode('mail', () => {
      sent++;
      return { messages: [] };
    })
    .addNode('busy', () => {
      throw new ToolError('BUSY', 'try later', { outcome: 'not-run', retryable: true, retryAfter: 1 });
    })
    .addEdge(START, 'mail')
    .addEdge('mail', 'busy')
    .compile();
  await using engine = new Engine();
  const { error } = await ends(engine.run(langgraphAgent({ name: 'g', graph }), 'go'), 'failed');
  expect(error).toMatchObject({ outcome: 'unknown', attempts: 1 });
  expect(sent).toBe(1);
});

test('a tool of LangChain that calls another one, which refuses its arguments', async () => {
  const charged: string[] = [];
  const inner = langchain(async () => 'x', { name: 'inner', description: '', schema: z.object({ n: z.number() }) });
  const charge = langchain(
    async ({ to }: { to: string }) => {
      charged.push(to);
      await inner.invoke({ n: 'no number' } as never);
      return 'ok';
    },
    { name: 'charge', description: '', schema: z.object({ to: z.string() }) },
  );
  await using engine = new Engine();
  const told: unknown[] = [];
  for (let i = 0; i < 2; i++) {
    const model = scripted([asks(['charge', { to: 'ana' }]), 'done']);
    const tools = [langchainTool(charge, { key: () => 'order-7' })];
    await ends(engine.run(agent({ name: 'a', instructions: '', model, tools }), 'go'), 'completed');
    told.push(failure(shown(model.requests[1])[0]));
  }
  expect(charged).toEqual(['ana']);
  expect(told).toMatchObject([{ outcome: 'unknown' }, { code: 'OUTCOME_UNKNOWN' }]);
});

test('a tool of LangChain that refuses its own arguments did not run', async () => {
  const strict = langchain(async () => 'x', {
    name: 'strict',
    description: '',
    schema: z.object({ n: z.number() }).refine(({ n }) => n > 3),
  });
  const model = scripted([asks(['strict', { n: 1 }]), 'done']);
  await using engine = new Engine();
  await ends(engine.run(agent({ name: 'a', instructions: '', model, tools: [langchainTool(strict)] }), 'go'), 'completed');
  expect(failure(shown(model.requests[1])[0])).toMatchObject({ code: 'INVALID_ARGUMENTS', outcome: 'not-run' });
});

const ana = { id: 'ana', tenant: 'acme' };
test.each([
  ['by the default decider', {}],
  ['by another one of the tenant', { decidedBy: () => ({ id: 'ben', tenant: 'acme' }) }],
])('an approval inside a tool of Strands, of a run that has a tenant, is decided %s', async (_, o) => {
  let paid = 0;
  const pay = tool({ name: 'pay', description: '', input: z.object({}), approval: true, execute: () => ++paid });
  const clerk = agent({ name: 'clerk', instructions: '', model: scripted([asks(['pay', {}]), 'all paid']), tools: [pay] });
  await using engine = new Engine({ agents: [clerk] });
  const model = new FakeModel([[{ id: 'c1', name: 'clerk', input: { input: 'pay' } }], 'end']);
  const top = strands({ model, tools: [rondoTool(engine, clerk, { by: ana, ...o })] });
  const { interrupts = [] } = await top.invoke('go');
  expect(interrupts).toHaveLength(1);
  await top.invoke(interrupts.map(({ id }) => new InterruptResponseContent({ interruptId: id, response: true })));
  expect(paid).toBe(1);
  expect(JSON.stringify(results(model.seen.at(-1)))).toContain('all paid');
});
