/** An agent whose tools need a context, where its runs are started for others. */
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { serveA2A } from '../../src/adapters/a2a/index.ts';
import { agUiHandler } from '../../src/adapters/ag-ui/index.ts';
import { serve as serveRuntime } from '../../src/adapters/agentcore/runtime/index.ts';
import { rondoNode } from '../../src/adapters/langgraph/index.ts';
import { mcpHandler } from '../../src/adapters/mcp/index.ts';
import { rondoTool } from '../../src/adapters/strands/index.ts';
import { benchmark } from '../../src/bench/index.ts';
import { type Agent, agent, Engine, graph, tool } from '../../src/index.ts';
import { requestHandler, serve } from '../../src/server/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { refused } from '../kit/runs.ts';

const looking = (context: z.ZodObject) => {
  const look = tool({ name: 'look', description: '', input: z.object({}), effect: 'read', context, execute: () => 'seen' });
  return agent({ name: 'clerk', description: '', instructions: '', model: scripted(() => 'done'), tools: [look] }) as Agent;
};
const needy = () => looking(z.object({ tenant: z.string() }));

type Serving = (engine: Engine, served: Agent, context?: () => { tenant: string }) => unknown;
const ways: readonly [name: string, serving: Serving][] = [
  ['serve()', (engine, served, context) => serve(engine, [served], { context })],
  ['requestHandler()', (engine, served, context) => requestHandler(engine, served, { context })],
  ['serveA2A()', (engine, served, context) => serveA2A(engine, served, { context })],
  ['agUiHandler()', (engine, served, context) => agUiHandler(engine, served, { context })],
  ['mcpHandler()', (engine, served, context) => mcpHandler(engine, served, { context })],
  ['serve() of a runtime', (engine, served, context) => serveRuntime(engine, served, { port: 0, container: false, context })],
  ['rondoNode()', (engine, served, context) => rondoNode(engine, served, { context })],
  ['rondoTool()', (engine, served, context) => rondoTool(engine, served, { context })],
  [
    'benchmark()',
    (_, served, context) =>
      benchmark({ agent: served, runs: 1, scenarios: [{ name: 's', input: 'go', options: { context: context?.() } }] }),
  ],
];

async function ended(made: unknown): Promise<void> {
  const { close } = ((await made) ?? {}) as { close?: () => unknown };
  await close?.call(await made);
}

describe.each(ways)('%s', (_, serving) => {
  test('refuses an agent whose tools need a context, if nothing makes one', async () => {
    await using engine = new Engine();
    const { message } = await refused('CONFIG_INVALID', async () => serving(engine, needy()));
    for (const said of ['"look"', '"clerk"', 'tenant', 'context: ']) expect(message).toContain(said);
  });

  test('takes it with a context', async () => {
    await using engine = new Engine();
    await ended(serving(engine, needy(), () => ({ tenant: 'acme' })));
  });

  test('takes an agent whose tools do without one', async () => {
    await using engine = new Engine();
    await ended(serving(engine, looking(z.object({ plan: z.string().default('free') }))));
  });
});

test('a tool of an agent far below counts', async () => {
  await using engine = new Engine();
  const desk = graph({
    name: 'desk',
    description: '',
    state: z.object({}),
    nodes: { work: { agent: needy(), input: () => 'go', output: () => ({}) } },
    edges: { start: 'work', work: 'end' },
  }) as Agent;
  const top = agent({ name: 'top', instructions: '', model: scripted(() => 'done'), agents: [desk] }) as Agent;
  expect((await refused('CONFIG_INVALID', async () => requestHandler(engine, top))).message).toContain('"clerk"');
  expect(engine.agents()).toEqual([]);
});
