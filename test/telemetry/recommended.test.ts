// What the conventions require under conditions, or recommend, of a real run.
import { afterEach, expect, test } from 'vitest';
import { z } from 'zod';
import { bedrock } from '../../src/adapters/bedrock/index.ts';
import { agent, Engine, fallback, type Model, supervisor, tool } from '../../src/index.ts';
import { registerSpans, unregister } from './sdk.ts';

afterEach(unregister);

const look = tool({ name: 'look', description: 'Looks something up.', input: z.object({}), effect: 'read', execute: () => 'found' });

/** Calls its tool, and then answers; the second time in two pieces where somebody listens. */
function fake(o: Partial<Model> = {}): Model {
  let asked = 0;
  return {
    provider: 'acme',
    id: 'm-1',
    ...o,
    async generate(_, { emit }) {
      asked++;
      if (asked === 1) return { content: [{ type: 'toolCall', id: 'c1', name: 'look', input: {} }], stop: 'tools', id: 'resp-1' };
      emit?.({ type: 'text', text: '{"n":' });
      emit?.({ type: 'text', text: '1}' });
      return { content: [{ type: 'text', text: '{"n":1}' }], stop: 'end', id: `resp-${asked}` };
    },
  };
}
const chats = (sdk: ReturnType<typeof registerSpans>) =>
  sdk
    .spans()
    .filter(({ name }) => name.startsWith('chat '))
    .map((s) => s.attributes);

test('a span tells what an agent and a tool are for, and what was asked of the model', async () => {
  const sdk = registerSpans();
  const settings = { temperature: 0.2, topP: 0.9, server: 'models.acme.test:8443' };
  const worker = agent({
    name: 'worker',
    description: 'Works.',
    instructions: '',
    model: fake({ maxOutput: 500, settings }),
    tools: [look],
    output: z.object({ n: z.number() }),
  });
  const run = new Engine().run(worker, 'go');
  for await (const _ of run);
  await run;
  expect(sdk.named('invoke_agent worker').attributes).toMatchObject({ 'gen_ai.agent.description': 'Works.' });
  expect(sdk.named('execute_tool look').attributes).toMatchObject({ 'gen_ai.tool.description': 'Looks something up.' });
  const [first, second] = chats(sdk);
  const asked = {
    'gen_ai.request.max_tokens': 500,
    'gen_ai.request.temperature': 0.2,
    'gen_ai.request.top_p': 0.9,
    'gen_ai.output.type': 'json',
    'server.address': 'models.acme.test',
    'server.port': 8443,
  };
  expect(first).toMatchObject({ ...asked, 'gen_ai.response.id': 'resp-1' });
  // nothing of it came in pieces
  expect(first).not.toHaveProperty(['gen_ai.response.time_to_first_chunk']);
  expect(second).toMatchObject({ ...asked, 'gen_ai.response.id': 'resp-2', 'gen_ai.request.stream': true });
  expect(second?.['gen_ai.response.time_to_first_chunk']).toBeTypeOf('number');
  expect(second?.['gen_ai.response.time_to_first_chunk']).toBeGreaterThanOrEqual(0);
});

test('what is not known is left out', async () => {
  const sdk = registerSpans();
  const { generate } = fake();
  const silent: Model = {
    provider: 'acme',
    id: 'm-1',
    generate: async (r, c) => ({ ...(await generate(r, { signal: c.signal })), id: 7 as never }),
  };
  await new Engine().run(agent({ name: 'worker', instructions: '', model: silent, tools: [look] }), 'go');
  expect(sdk.named('invoke_agent worker').attributes).not.toHaveProperty(['gen_ai.agent.description']);
  for (const attributes of chats(sdk))
    for (const name of ['request.max_tokens', 'request.temperature', 'request.top_p', 'request.stream', 'output.type', 'response.id'])
      expect(attributes).not.toHaveProperty([`gen_ai.${name}`]);
  for (const attributes of chats(sdk)) expect(attributes).not.toHaveProperty(['server.address']);
});

test('of a sub-agent too, and of the model that a fallback asks first', async () => {
  const sdk = registerSpans();
  const first = fake({ maxOutput: 100, settings: { temperature: 0 } });
  const worker = agent({ name: 'worker', description: 'Works.', instructions: '', model: fallback([first, fake()]), tools: [look] });
  let asked = 0;
  const boss: Model = {
    provider: 'acme',
    id: 'boss',
    generate: async () =>
      asked++ === 0
        ? { content: [{ type: 'toolCall', id: 'c', name: 'worker', input: { task: 'work' } }], stop: 'tools' }
        : { content: [{ type: 'text', text: 'done' }], stop: 'end' },
  };
  const result = await new Engine().run(supervisor({ name: 'boss', instructions: '', model: boss, agents: [worker] }), 'go');
  expect(result.status).toBe('completed');
  expect(sdk.named('invoke_agent worker').attributes).toMatchObject({ 'gen_ai.agent.description': 'Works.' });
  expect(chats(sdk).filter((a) => a['gen_ai.request.model'] === 'm-1')).toEqual(
    Array.from({ length: 2 }, () => expect.objectContaining({ 'gen_ai.request.temperature': 0 })),
  );
});

test('a long description is cut', async () => {
  const sdk = registerSpans();
  const long = tool({ name: 'look', description: 'x'.repeat(10_000), input: z.object({}), effect: 'read', execute: () => 1 });
  await new Engine().run(agent({ name: 'worker', instructions: '', model: fake(), tools: [long] }), 'go');
  expect(String(sdk.named('execute_tool look').attributes['gen_ai.tool.description']).length).toBeLessThan(5_000);
});

test('Bedrock tells what it asks for, and where', () => {
  const at = (o: Parameters<typeof bedrock>[1]) => bedrock('anthropic.claude', o).settings;
  expect(at({ temperature: 0.5, topP: 0.1, region: 'eu-west-1' })).toEqual({
    temperature: 0.5,
    topP: 0.1,
    server: 'bedrock-runtime.eu-west-1.amazonaws.com',
  });
  expect(at({ endpoint: 'http://127.0.0.1:4000/x' })).toEqual({ server: '127.0.0.1:4000' });
  expect(at({ endpoint: 'https://vpce.example' })).toEqual({ server: 'vpce.example:443' });
  expect(at({})).toEqual({});
});

test('the id of an answer is the one that its provider gave', async () => {
  const { answerOf, responseOf } = await import('../../src/adapters/bedrock/response.ts');
  const message = { role: 'assistant' as const, content: [{ text: 'hi' }] };
  const output = { output: { message }, stopReason: 'end_turn' as const, usage: undefined, metrics: undefined };
  const plain = { toolName: (name: string) => name, argumentsOf: (input: unknown) => input } as never;
  expect(responseOf(answerOf({ ...output, $metadata: { requestId: 'req-1' } }), 'm', plain).id).toBe('req-1');
  expect(responseOf(answerOf({ ...output, $metadata: {} }), 'm', plain)).not.toHaveProperty('id');

  const langchain = await import('../../src/adapters/langchain/response.ts');
  const names = { alias: (name: string) => name, original: (name: string) => name } as never;
  expect(langchain.responseOf({ content: 'hi', id: 'chatcmpl-1' } as never, 'm', names).id).toBe('chatcmpl-1');
  expect(langchain.responseOf({ content: 'hi', id: 'run-1b2c' } as never, 'm', names)).not.toHaveProperty('id');
});
