import * as runtime from '@aws-sdk/client-bedrock-runtime';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { bedrockWire, fails, http1Client, says } from './bedrock.ts';
import { refusal } from './bedrock-rules.ts';
import type { WireServer } from './server.ts';
import { Service } from './smithy.ts';

let server: WireServer;
beforeAll(async () => {
  Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' });
  server = await bedrockWire();
});
afterEach(() => void server.reset());
afterAll(() => server.close());

const ask = { modelId: 'm', messages: [{ role: 'user' as const, content: [{ text: 'hi' }] }] };

// a stand-in is worth what it refuses: the official client alone, and what the server makes of it
describe.each(['http/2', 'http/1.1'])('%s', (protocol) => {
  const client = () =>
    protocol === 'http/2'
      ? new runtime.BedrockRuntimeClient({ region: 'us-east-1', endpoint: server.url, maxAttempts: 1 })
      : http1Client(server.url);

  test('decodes what was sent, and encodes what is answered', async () => {
    server.next(says({ content: [{ reasoningContent: { redactedContent: Uint8Array.from([9, 8]) } }] }));
    const bytes = Uint8Array.from([1, 2, 3]);
    const input = {
      modelId: 'a/b:0',
      messages: [{ role: 'user' as const, content: [{ image: { format: 'png' as const, source: { bytes } } }] }],
    };
    const { output, $metadata } = await client().send(new runtime.ConverseCommand(input));
    expect(server.calls[0]).toMatchObject({ operation: 'Converse', protocol, input });
    expect(await server.calls[0]?.closed).toBe('done');
    expect($metadata.httpStatusCode).toBe(200);
    expect([...(output?.message?.content?.[0]?.reasoningContent?.redactedContent ?? [])]).toEqual([9, 8]);
  });

  test('errors are the client’s own classes', async () => {
    server.next(fails('ThrottlingException', 'slow'));
    await expect(client().send(new runtime.ConverseCommand(ask))).rejects.toBeInstanceOf(runtime.ThrottlingException);
  });

  test('what is not scripted, and what has no route, fails loudly', async () => {
    await expect(client().send(new runtime.ConverseCommand(ask))).rejects.toMatchObject({ name: 'NothingScripted' });
    expect((await fetch(`${server.url}/no/such/thing`)).status).toBe(404);
  });

  test('a script that throws is heard of', async () => {
    server.next(() => {
      throw new Error('in the script');
    });
    await expect(client().send(new runtime.ConverseCommand(ask))).rejects.toThrow(/in the script/);
  });
});

test('an unsigned request is turned away, and uses up no answer', async () => {
  server.next(says('ok'));
  const response = await fetch(`${server.url}/model/m/converse`, { method: 'POST', body: JSON.stringify(ask) });
  expect(response.status).toBe(403);
  expect(server.reset()).toBe(1);
});

test('the routes are the client’s', () => {
  const client = new runtime.BedrockRuntimeClient({ region: 'us-east-1' });
  const { operations } = new Service({ package: '@aws-sdk/client-bedrock-runtime', exports: runtime, client });
  expect(operations.map((o) => `${o.name} ${o.method} ${o.path}`).filter((o) => /^Converse/.test(o))).toEqual([
    'Converse POST /model/{modelId}/converse',
    'ConverseStream POST /model/{modelId}/converse-stream',
  ]);
});

describe('what Bedrock refuses', () => {
  const u = (...content: object[]) => ({ role: 'user', content });
  const a = (...content: object[]) => ({ role: 'assistant', content });
  const use = (name = 'n', toolUseId = 't', input: unknown = {}) => ({ toolUse: { name, toolUseId, input } });
  const res = (toolUseId = 't', content: object[] = [{ text: 'x' }]) => ({ toolResult: { toolUseId, content } });
  const spec = (name: string, o: object = {}) => ({ toolSpec: { name, inputSchema: { json: { type: 'object' } }, ...o } });
  const toolConfig = { tools: [spec('n')] };
  const hi = u({ text: 'hi' });
  const cases: [string, object][] = [
    ['no messages', {}],
    ['an assistant first', { messages: [a({ text: 'x' })] }],
    ['two of a role', { messages: [hi, hi] }],
    ['an empty message', { messages: [u()] }],
    ['blank text', { messages: [u({ text: ' \n' })] }],
    ['a blank system prompt', { messages: [hi], system: [{ text: '' }] }],
    ['two members in a block', { messages: [u({ text: 'a', image: {} })] }],
    ['tools used, none declared', { messages: [hi, a(use()), u(res())] }],
    ['a tool name', { messages: [hi], toolConfig: { tools: [spec('a.b')] } }],
    ['a long tool name', { messages: [hi], toolConfig: { tools: [spec('x'.repeat(65))] } }],
    ['two tools of a name', { messages: [hi], toolConfig: { tools: [spec('a'), spec('a')] } }],
    ['an empty description', { messages: [hi], toolConfig: { tools: [spec('a', { description: '' })] } }],
    ['a schema that is not an object', { messages: [hi], toolConfig: { tools: [spec('a', { inputSchema: { json: {} } })] } }],
    ['a call’s id', { messages: [hi, a(use('n', '1.0')), u(res('1.0'))], toolConfig }],
    ['an input that is not an object', { messages: [hi, a(use('n', 't', [])), u(res())], toolConfig }],
    ['a call without a result', { messages: [hi, a(use()), hi], toolConfig }],
    ['a result without a call', { messages: [u(res())], toolConfig }],
    ['a result of nothing', { messages: [hi, a(use()), u(res('t', []))], toolConfig }],
    ['a result that is a JSON array', { messages: [hi, a(use()), u(res('t', [{ json: [] }]))], toolConfig }],
    ['a blank result', { messages: [hi, a(use()), u(res('t', [{ text: '' }]))], toolConfig }],
    ['an assistant that shows an image', { messages: [hi, a({ image: {} })] }],
    ['a user that reasons', { messages: [u({ reasoningContent: {} })] }],
    ['a document’s name', { messages: [u({ document: { name: 'a.pdf' } }, { text: 'x' })] }],
    ['two documents of a name', { messages: [u({ document: { name: 'a' } }, { document: { name: 'a' } }, { text: 'x' })] }],
    ['a document alone', { messages: [u({ document: { name: 'a' } })] }],
    [
      'five cache points',
      { messages: [u(...Array.from({ length: 5 }, (_, i) => (i ? { cachePoint: {} } : { text: 'x' })), { cachePoint: {} })] },
    ],
    ['a cache point before anything', { messages: [u({ cachePoint: {} }, { text: 'x' })] }],
    ['a guardrail without a version', { messages: [hi], guardrailConfig: { guardrailIdentifier: 'g' } }],
    ['a temperature', { messages: [hi], inferenceConfig: { temperature: 2 } }],
    ['no tokens', { messages: [hi], inferenceConfig: { maxTokens: 0 } }],
  ];
  test.each(cases)('%s', (_, input) => {
    expect(refusal(input)).toBeTypeOf('string');
  });
  const png = (length: number) => ({ image: { format: 'png', source: { bytes: new Uint8Array(length) } } });
  const json = (schema: object) => ({
    messages: [hi],
    toolConfig: { tools: [spec('a', { inputSchema: { json: { type: 'object', ...schema } } })] },
  });
  const cached = (ttl?: string) => ({ cachePoint: { type: 'default', ...(ttl && { ttl }) } });
  const thoughts = { reasoningContent: { reasoningText: { text: 'hm' } } };
  const families: [string, string, object][] = [
    ['half a pair', 'x', { messages: [u({ text: '\ud83d' })] }],
    ['half a pair as a name', 'x', { messages: [hi, a(use('n', 't', { '\ud83d': 1 })), u(res())], toolConfig }],
    ['an answer begun', 'x', { messages: [hi, a({ text: 'x' })] }],
    ['one id twice', 'x', { messages: [hi, a(use(), use()), u(res())], toolConfig }],
    ['one id twice, far apart', 'x', { messages: [hi, a(use()), u(res()), a(use()), u(res())], toolConfig }],
    ['two results of a call', 'x', { messages: [hi, a(use()), u(res(), res())], toolConfig }],
    ['an empty image', 'x', { messages: [u(png(0))] }],
    ['a large image', 'x', { messages: [u(png(4_000_000))] }],
    ['many images', 'x', { messages: [u(...Array.from({ length: 21 }, () => png(1)))] }],
    ['two cache points in a row', 'x', { messages: [u({ text: 'x' }, cached(), cached())] }],
    ['a longer life after a shorter', 'x', { messages: [u({ text: 'x' }, cached('1h'))], system: [{ text: 'x' }, cached()] }],
    ['an older schema', 'x', json({ properties: { a: { type: 'any' } } })],
    ['a tuple of draft 7', 'x', json({ properties: { a: { items: [{}] } } })],
    ['a reference to nowhere', 'x', json({ properties: { a: { $ref: '#/$defs/x' } } })],
    ['unsigned reasoning', 'anthropic.x', { messages: [hi, a(thoughts, { text: 'x' }), hi] }],
    ['a choice at the top', 'anthropic.x', json({ anyOf: [{}] })],
    ['an argument', 'anthropic.x', json({ properties: { $top: {} } })],
    ['an argument within', 'anthropic.x', json({ properties: { a: { items: { properties: { 'a b': {} } } } } })],
    [
      'a budget, and no thought before',
      'anthropic.x',
      { messages: [hi, a(use()), u(res())], toolConfig, additionalModelRequestFields: { thinking: { type: 'enabled' } } },
    ],
    ['a hyphen', 'amazon.nova-x', { messages: [hi], toolConfig: { tools: [spec('a-b')] } }],
    ['definitions', 'amazon.nova-x', json({ $defs: {} })],
    ['cached tools', 'amazon.nova-x', { messages: [hi], toolConfig: { tools: [spec('a'), cached()] } }],
    ['text beside results', 'meta.llama4-x', { messages: [hi, a(use()), u(res(), { text: 'x' })], toolConfig }],
    [
      'the status of a result',
      'mistral.x',
      { messages: [hi, a(use()), u({ toolResult: { ...res().toolResult, status: 'error' } })], toolConfig },
    ],
    ['an image in a result', 'mistral.x', { messages: [hi, a(use()), u(res('t', [png(1)]))], toolConfig }],
    ['a system prompt', 'mistral.mistral-7b-x', { messages: [hi], system: [{ text: 'x' }] }],
    ['reasoning', 'deepseek.r1-x', { messages: [hi, a(thoughts, { text: 'x' }), hi] }],
    ['tools', 'deepseek.r1-x', { messages: [hi], toolConfig }],
    ['an image', 'deepseek.v3-x', { messages: [u(png(1))] }],
  ];
  test.each(families)('%s (%s)', (_, modelId, input) => {
    expect(refusal({ modelId, ...input })).toBeTypeOf('string');
  });
  test('tools while streaming', () => {
    const input = { modelId: 'us.meta.llama4-x', messages: [hi], toolConfig };
    expect(refusal(input, 'ConverseStream')).toContain('streaming');
    expect(refusal(input)).toBeUndefined();
  });
  test('and what it takes', () => {
    expect(
      refusal({ messages: [hi, a(use()), u(res(), { text: 'x' }, { cachePoint: {} })], toolConfig, system: [{ text: 'x' }] }),
    ).toBeUndefined();
  });
});
