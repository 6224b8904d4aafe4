// What a circuit breaker guards is known, and not guessed from the spelling of its name.
import { afterEach, expect, test } from 'vitest';
import { z } from 'zod';
import { type Agent, agent, Engine, foreignAgent, type Model, ToolError, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { working } from '../graph/working.ts';
import { asks } from '../kit/runs.ts';
import { registerMetrics, unregister } from './sdk.ts';

afterEach(unregister);

const down = () => {
  throw new ToolError('UNAVAILABLE', 'down', { retryable: true, outcome: 'not-run' });
};
const once = { retry: { attempts: 1 }, breaker: { failures: 1 } };
const sick = (o: Pick<Model, 'provider' | 'id'>): Model => ({ ...o, generate: async () => down() });
const asking = (model: Model) => agent({ name: 'support', instructions: '', model });
const pay = tool({ name: 'pay', description: 'Pays.', input: z.object({}), execute: down });

test.each<[string, Agent, Record<string, string | boolean>]>([
  [
    'a model whose id has no slash',
    asking(sick({ provider: 'bedrock', id: 'nova' })),
    { 'rondo.target': 'model', 'gen_ai.provider.name': 'aws.bedrock', 'gen_ai.request.model': 'nova' },
  ],
  [
    'a model whose id has slashes',
    asking(sick({ provider: 'router', id: 'meta/llama/4' })),
    { 'rondo.target': 'model', 'gen_ai.provider.name': 'router', 'gen_ai.request.model': 'meta/llama/4' },
  ],
  [
    'a stand-in of a model',
    asking({ ...sick({ provider: 'scripted', id: 'scripted' }), standin: true }),
    { 'rondo.target': 'model', 'gen_ai.provider.name': 'scripted', 'gen_ai.request.model': 'scripted', 'rondo.standin': true },
  ],
  [
    'a tool',
    agent({ name: 'support', instructions: '', model: scripted([asks(['pay', {}]), 'done']), tools: [pay] }),
    { 'rondo.target': 'tool', 'gen_ai.tool.name': 'pay' },
  ],
  [
    'a step whose name has a slash, and an id',
    working(({ durable }) => durable('pay/order-7', down)),
    { 'rondo.target': 'node', 'rondo.node': 'work' },
  ],
  [
    'a foreign agent',
    foreignAgent({ name: 'alien', turn: async () => down(), retry: { attempts: 5, initialDelay: 0 } }),
    { 'rondo.target': 'tool', 'gen_ai.tool.name': 'alien' },
  ],
])('the breaker of %s opens', async (_, declared, attributes) => {
  const measured = registerMetrics();
  const engine = new Engine({ reliability: { tools: once, model: once } });
  await engine.run(declared, declared.name === 'g' ? {} : 'go');
  expect((await measured.collect()).get('rondo.breaker.opens')).toEqual([{ attributes, value: 1 }]);
  await engine.close();
});
