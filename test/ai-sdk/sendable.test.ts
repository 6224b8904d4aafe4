import { APICallError } from 'ai';
import { expect, test } from 'vitest';
import { aiSdkModel } from '../../src/adapters/ai-sdk/model.ts';
import { agent, Engine, type ModelRequest } from '../../src/index.ts';
import type { Part } from '../../src/ports/model.ts';
import type { JsonSchema } from '../../src/schema.ts';
import { ends } from '../kit/runs.ts';
import { fakeModel, type Prompted } from './model.ts';

const call = () => ({ signal: new AbortController().signal });
const go = { role: 'user', content: [{ type: 'text', text: 'go' }] } as const;
const asks = (id: string): Part => ({ type: 'toolCall', id, name: 'a b', input: { t: '\ud83d' } });
const answers = (id: string, ...output: Part[]): Part => ({ type: 'toolResult', id, output });
const request = (o: Partial<ModelRequest> = {}): ModelRequest => ({ instructions: '', messages: [go], tools: [], ...o });

test('whatever the journal holds: ids that differ, results of every call, whole characters, no blank text, names that fit', async () => {
  const model = fakeModel([
    [
      { id: '', name: 'a_b', input: {} },
      { id: '', name: 'a_b', input: {} },
    ],
  ]);
  const messages: ModelRequest['messages'] = [
    go,
    { role: 'assistant', content: [{ type: 'text', text: ' ' }, asks('c'), asks('c'), asks('')] },
    {
      role: 'tool',
      content: [answers('c', { type: 'text', text: 'one \ud83d' }), answers('c'), answers('gone', { type: 'text', text: 'late' })],
    },
    { role: 'assistant', content: [] },
    go,
  ];
  const tools = [{ name: 'a b', description: 'd', input: { type: 'object' } }];
  const { content } = await aiSdkModel(model).generate(request({ messages, tools }), call());
  const { prompt, tools: told } = model.doGenerateCalls[0] ?? {};
  expect(JSON.stringify(prompt)).not.toMatch(/\\ud[89a-f]/);
  const alias = told?.[0]?.name as string;
  expect(alias).toMatch(/^a_b_[0-9a-f]{8}$/);
  const parts: Exclude<Prompted[number]['content'], string>[number][] = [];
  for (const { content } of prompt ?? []) if (typeof content !== 'string') parts.push(...content);
  const calls = parts.flatMap((p) => (p.type === 'tool-call' ? [p] : []));
  const results = parts.flatMap((p) => (p.type === 'tool-result' ? [p] : []));
  expect(calls.map((p) => p.toolName)).toEqual([alias, alias, alias]);
  expect(new Set(calls.map((p) => p.toolCallId)).size).toBe(3);
  expect(results.map((p) => p.toolCallId)).toEqual(calls.map((p) => p.toolCallId));
  expect(results.map((p) => (p.output.type === 'text' || p.output.type === 'error-text' ? p.output.value : ''))).toEqual([
    'one \ufffd',
    '(no output)',
    expect.stringContaining('not known'),
  ]);
  expect(parts.some((p) => p.type === 'text' && p.text.trim() === '')).toBe(false);
  expect(JSON.stringify(prompt)).toContain('late');
  // and of the answer
  const ids = content.map((p) => p.type === 'toolCall' && p.id);
  expect(new Set(ids).size).toBe(2);
  expect(ids).not.toContain('');
});

test('Mistral takes ids of nine letters and digits', async () => {
  const model = fakeModel(['ok']);
  Object.defineProperty(model, 'provider', { value: 'mistral.chat' });
  const messages: ModelRequest['messages'] = [
    go,
    { role: 'assistant', content: [asks('toolu_01')] },
    { role: 'tool', content: [answers('toolu_01')] },
  ];
  await aiSdkModel(model).generate(request({ messages }), call());
  expect(JSON.stringify(model.doGenerateCalls[0]?.prompt)).toMatch(/"toolCallId":"[a-z0-9]{9}"/);
});

test('objects of an answer’s schema are closed at every depth, which OpenAI wants; a record stays one', async () => {
  const model = fakeModel(['{}']);
  const output: JsonSchema = {
    type: 'object',
    properties: {
      list: { type: 'array', items: { type: ['object', 'null'], properties: { a: { $ref: '#/$defs/x' } } } },
      r: { type: 'object', additionalProperties: { type: 'string' } },
    },
    $defs: { x: { anyOf: [{ type: 'object', properties: {}, additionalProperties: true }, { type: 'string' }] } },
  };
  await aiSdkModel(model).generate(request({ output }), call());
  expect(model.doGenerateCalls[0]?.responseFormat).toMatchObject({
    schema: {
      additionalProperties: false,
      properties: { list: { items: { additionalProperties: false } }, r: { additionalProperties: { type: 'string' } } },
      $defs: { x: { anyOf: [{ additionalProperties: false }, { type: 'string' }] } },
    },
  });
  expect(output).not.toHaveProperty('additionalProperties');
});

const refused = (message: string, statusCode = 400) => new APICallError({ message, url: 'u', requestBodyValues: {}, statusCode });

test('an image that the provider does not accept becomes text, before or after a refusal', async () => {
  const svg: Part = { type: 'image', mediaType: 'image/svg+xml', data: 'PHN2Zy8+' };
  const zip: Part = { type: 'document', mediaType: 'application/zip', data: 'UEs=', name: 'a.zip' };
  const first = fakeModel(['ok']);
  await aiSdkModel(first).generate(request({ messages: [{ role: 'user', content: [svg] }] }), call());
  expect(JSON.stringify(first.doGenerateCalls[0]?.prompt)).toContain('An image of type image/svg+xml was left out');
  const second = fakeModel([refused('Unsupported file type'), 'ok']);
  const { content } = await aiSdkModel(second).generate(request({ messages: [{ role: 'user', content: [zip] }] }), call());
  expect(content).toEqual([{ type: 'text', text: 'ok' }]);
  expect(JSON.stringify(second.doGenerateCalls[1]?.prompt)).toContain('A document \\"a.zip\\" of type application/zip was left out');
});

test('a conversation that is too long has its own error code', async () => {
  const long = refused("This model's maximum context length is 128000 tokens. However, your messages resulted in 130000 tokens.");
  const a = agent({ name: 'a', instructions: '', model: aiSdkModel(fakeModel([long])) });
  const engine = new Engine();
  const { error } = await ends(engine.run(a, 'go'), 'failed');
  expect(error).toMatchObject({ code: 'CONTEXT_TOO_LONG', retryable: false, message: expect.stringContaining('larger context') });
  await engine.close();
});
