import { AIMessage, type ToolMessage } from '@langchain/core/messages';
import { expect, test } from 'vitest';
import { langchainModel } from '../../src/adapters/langchain/model.ts';
import { agent, Engine, type ModelRequest } from '../../src/index.ts';
import type { Part } from '../../src/ports/model.ts';
import { ends } from '../kit/runs.ts';
import { asking, Talker } from './model.ts';

const call = () => ({ signal: new AbortController().signal });
const go = { role: 'user', content: [{ type: 'text', text: 'go' }] } as const;
const asks = (id: string): Part => ({ type: 'toolCall', id, name: 'a b', input: { t: '\ud83d' } });
const answers = (id: string, ...output: Part[]): Part => ({ type: 'toolResult', id, output });
const request = (o: Partial<ModelRequest> = {}): ModelRequest => ({ instructions: '', messages: [go], tools: [], ...o });

test('whatever the journal holds: ids that differ, results of every call, whole characters, no blank text, names that fit', async () => {
  const talker = new Talker([new AIMessage('ok')]);
  const messages: ModelRequest['messages'] = [
    go,
    { role: 'assistant', content: [asks('c'), asks('c'), asks('')] },
    {
      role: 'tool',
      content: [answers('c', { type: 'text', text: 'one \ud83d' }), answers('c'), answers('gone', { type: 'text', text: 'late' })],
    },
    { role: 'assistant', content: [{ type: 'text', text: ' ' }] },
    go,
  ];
  await langchainModel(talker).generate(request({ messages, tools: [{ name: 'a b', description: 'd', input: {} }] }), call());
  const seen = talker.seen[0] ?? [];
  expect(seen.map((m) => m.getType())).toEqual(['human', 'ai', 'tool', 'tool', 'tool', 'human', 'human']);
  const asked = (seen[1] as AIMessage).tool_calls ?? [];
  expect(new Set(asked.map(({ id }) => id)).size).toBe(3);
  expect(asked.map(({ args }) => args.t)).toEqual(['\ufffd', '\ufffd', '\ufffd']);
  const told = seen.slice(2, 5) as ToolMessage[];
  expect(told.map((m) => m.tool_call_id)).toEqual(asked.map(({ id }) => id));
  expect(told.map((m) => m.text)).toEqual(['one \ufffd', '(no output)', expect.stringContaining('not known')]);
  expect(seen[5]?.text).toContain('late');
  const [spec] = talker.bound[0] as { function: { name: string } }[];
  expect(asked.map(({ name }) => name)).toEqual(Array(3).fill(spec?.function.name));
  expect(spec?.function.name).toMatch(/^a_b_[0-9a-f]{8}$/);
});

test('a call comes back under the tool’s own name', async () => {
  const tools = [{ name: 'orders.find', description: 'd', input: {} }];
  const first = new Talker([new AIMessage('x')]);
  await langchainModel(first).generate(request({ tools }), call());
  const [spec] = first.bound[0] as { function: { name: string } }[];
  const talker = new Talker([asking({ id: 'c', name: spec?.function.name as string, args: {} })]);
  const { content } = await langchainModel(talker).generate(request({ tools }), call());
  expect(content).toMatchObject([{ type: 'toolCall', name: 'orders.find' }]);
});

test('an image that the provider does not accept becomes text, before or after a refusal', async () => {
  const refused = Object.assign(new Error('400 Invalid MIME type. Only image types are supported.'), { status: 400 });
  const talker = new Talker([refused, new AIMessage('ok')]);
  const content: Part[] = [
    { type: 'image', mediaType: 'image/svg+xml', data: 'PHN2Zy8+' },
    { type: 'document', mediaType: 'application/zip', data: 'UEs=' },
  ];
  const answer = await langchainModel(talker).generate(request({ messages: [{ role: 'user', content }] }), call());
  expect(answer.content).toEqual([{ type: 'text', text: 'ok' }]);
  const [first, second] = talker.seen.map(([m]) => JSON.stringify(m?.content));
  expect(first).toMatch(/An image of type image\/svg\+xml was left out.*UEs=/);
  expect(second).toContain('A document of type application/zip was left out');
});

test.each([
  ['malformed_tool_use', { code: 'STREAM_ERROR', retryable: true }],
  ['MALFORMED_FUNCTION_CALL', { code: 'STREAM_ERROR', retryable: true }],
])('%s is asked for again', async (stopReason, failure) => {
  const talker = new Talker([new AIMessage({ content: '<x>', response_metadata: { stopReason } })]);
  await expect(langchainModel(talker).generate(request(), call())).rejects.toMatchObject(failure);
});

test('a conversation that is too long has its own error code', async () => {
  const long = Object.assign(new Error('400 prompt is too long: 210000 tokens > 200000 maximum'), { status: 400 });
  const cut = new AIMessage({ content: 'half', response_metadata: { stop_reason: 'model_context_window_exceeded' } });
  for (const said of [long, cut]) {
    const engine = new Engine();
    const a = agent({ name: 'a', instructions: '', model: langchainModel(new Talker([said])) });
    const { error } = await ends(engine.run(a, 'go'), 'failed');
    expect(error).toMatchObject({ code: 'CONTEXT_TOO_LONG', message: expect.stringContaining('larger context') });
    await engine.close();
  }
});
