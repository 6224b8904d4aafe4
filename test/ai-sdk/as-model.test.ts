import { APICallError } from 'ai';
import { MockLanguageModelV4 } from 'ai/test';
import { expect, test, vi } from 'vitest';
import { z } from 'zod';
import { aiSdkModel } from '../../src/adapters/ai-sdk/model.ts';
import { agent, Engine, type ModelRequest, tool } from '../../src/index.ts';
import { ends } from '../kit/runs.ts';
import { fakeModel, results, type Said, USED } from './model.ts';

const desk = (said: readonly Said[], sent: string[] = []) => {
  const model = fakeModel(said);
  const mail = tool({
    name: 'mail',
    description: 'Sends mail',
    input: z.object({ to: z.string() }),
    execute: ({ to }) => {
      if (to === 'no-one') throw new Error('no such person');
      sent.push(to);
      return `sent to ${to}`;
    },
  });
  return { model, clerk: agent({ name: 'clerk', instructions: 'Write.', model: aiSdkModel(model), tools: [mail] }) };
};
const ask: Said = [
  { id: 'c1', name: 'mail', input: { to: 'ana' } },
  { id: 'c2', name: 'mail', input: { to: 'no-one' } },
  { id: 'c3', name: 'mail', input: { nonsense: 1 } },
];

test.each([['in one piece'], ['streamed']])('an SDK model drives a Rondo agent: calls, results and usage (%s)', async (how) => {
  const sent: string[] = [];
  const { model, clerk } = desk([ask, 'All sent.'], sent);
  const run = new Engine().run(clerk, 'go');
  let text = '';
  const written: string[] = [];
  if (how === 'streamed')
    for await (const event of run) {
      if (event.type === 'text.delta') text += event.text;
      if (event.type === 'tool.delta') written.push(`${event.id} ${event.tool} ${event.text}`);
    }
  const result = await ends(run, 'completed');
  expect(result).toMatchObject({ output: 'All sent.', steps: 2, usage: { input: 12, output: 10, cacheRead: 8, reasoning: 2 } });
  expect(sent).toEqual(['ana']);
  const calls = how === 'streamed' ? model.doStreamCalls : model.doGenerateCalls;
  expect(calls).toHaveLength(2);
  if (how === 'streamed') {
    expect(text).toBe('All sent.');
    expect(written).toEqual(
      (ask as readonly { id: string; name: string; input: unknown }[]).flatMap(({ id, name, input }) => [
        `${id} ${name} ${JSON.stringify(input).slice(0, 4)}`,
        `${id} ${name} ${JSON.stringify(input).slice(4)}`,
      ]),
    );
  }
  expect(calls[0]).toMatchObject({
    prompt: [{ role: 'system', content: 'Write.' }, { role: 'user' }],
    tools: [{ name: 'mail', description: 'Sends mail', inputSchema: { type: 'object', required: ['to'] } }],
  });
  expect(results(calls[1]?.prompt)).toMatchObject([
    ['c1', { type: 'text', value: 'sent to ana' }],
    ['c2', { type: 'error-text', value: expect.stringContaining('no such person') }],
    ['c3', { type: 'error-text', value: expect.stringContaining('INVALID') }],
  ]);
  // providers that want the name of the tool with its result get it
  expect(JSON.stringify(calls[1]?.prompt)).toContain('"toolCallId":"c2","toolName":"mail"');
});

const request = (o: Partial<ModelRequest> = {}): ModelRequest => ({
  instructions: '',
  messages: [{ role: 'user', content: [{ type: 'text', text: 'go' }] }],
  tools: [],
  ...o,
});
const call = () => ({ signal: new AbortController().signal });

test('the output schema is passed on, and the model has its name in the price table', async () => {
  const model = fakeModel(['{"n":1}']);
  const ours = aiSdkModel(model, { maxOutput: 100, settings: { temperature: 0.5 } });
  expect(ours).toMatchObject({ provider: 'fake', id: 'm1', maxOutput: 100 });
  const output = { type: 'object', properties: { n: { type: 'number' } }, required: ['n'] };
  expect(await ours.generate(request({ output }), call())).toMatchObject({
    content: [{ type: 'text', text: '{"n":1}' }],
    stop: 'end',
    usage: USED,
  });
  expect(model.doGenerateCalls[0]).toMatchObject({
    responseFormat: { type: 'json', schema: output },
    maxOutputTokens: 100,
    temperature: 0.5,
  });
  // an answer that does not fit is the engine's to refuse
  const bad = aiSdkModel(fakeModel(['no json']));
  expect(await bad.generate(request({ output }), call())).toMatchObject({ content: [{ text: 'no json' }] });
});

test('garbled calls are refused by the loop, and the model gets the error', async () => {
  const sent: string[] = [];
  const garbled: Said = [
    { id: 'c1', name: 'mail', input: { to: 'ana' } },
    { id: 'c2', name: 'delete_all', input: {} },
  ];
  for (const streamed of [false, true]) {
    const { model, clerk } = desk([garbled, [{ id: 'c3', name: 'mail', input: undefined, text: '{"to": ' }], 'Sorry.'], sent);
    const run = new Engine().run(clerk, 'go');
    if (streamed) for await (const _ of run);
    await ends(run, 'completed');
    const calls = streamed ? model.doStreamCalls : model.doGenerateCalls;
    const told = Object.fromEntries(results(calls.at(-1)?.prompt));
    expect(told.c2).toMatchObject({ type: 'error-text', value: expect.stringContaining('TOOL_NOT_FOUND') });
    expect(told.c3).toMatchObject({ type: 'error-text', value: expect.stringContaining('INVALID_ARGUMENTS') });
  }
  expect(sent).toEqual(['ana', 'ana']);
});

test('usage that is not told stays unknown, so that a limit of dollars stops the run; files that it makes are kept', async () => {
  const data = Buffer.from('png').toString('base64');
  const model = new MockLanguageModelV4({
    provider: 'fake.chat',
    modelId: 'm1',
    doGenerate: {
      content: [
        { type: 'text', text: 'Here.' },
        { type: 'file', mediaType: 'image/png', data: { type: 'data', data } },
        { type: 'file', mediaType: 'application/pdf', data: { type: 'data', data } },
        { type: 'tool-call', toolCallId: 'c1', toolName: 'look', input: '{}' },
      ],
      finishReason: { unified: 'tool-calls', raw: undefined },
      usage: {
        inputTokens: { total: undefined, noCache: undefined, cacheRead: undefined, cacheWrite: undefined },
        outputTokens: { total: undefined, text: undefined, reasoning: undefined },
      },
      warnings: [],
    },
  });
  const answer = await aiSdkModel(model).generate(request(), call());
  expect(answer.usage).toBeUndefined();
  expect(answer.content.slice(0, 3)).toEqual([
    { type: 'text', text: 'Here.' },
    { type: 'image', mediaType: 'image/png', data },
    { type: 'document', mediaType: 'application/pdf', data },
  ]);
  const look = tool({ name: 'look', description: '', input: { type: 'object' }, effect: 'read', execute: () => 'x' });
  const a = agent({ name: 'a', instructions: '', model: aiSdkModel(model), tools: [look] });
  const prices = { 'fake/m1': { input: 1, output: 1, source: '', date: '' } };
  const ended = await ends(new Engine({ prices }).run(a, 'go', { limits: { costUsd: 1 } }), 'stopped');
  expect(ended).toMatchObject({ limit: { name: 'costUsd', used: null }, steps: 1 });
});

test('provider metadata of parts is sent back, and that of another adapter is not', async () => {
  const model = new MockLanguageModelV4({
    provider: 'fake.chat',
    doGenerate: {
      content: [
        { type: 'reasoning', text: 'hm', providerMetadata: { fake: { signature: 's1' } } },
        { type: 'text', text: 'ok' },
      ],
      finishReason: { unified: 'stop', raw: undefined },
      usage: {
        inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
        outputTokens: { total: 1, text: 1, reasoning: 0 },
      },
      warnings: [],
    },
  });
  const ours = aiSdkModel(model);
  const first = await ours.generate(request(), call());
  expect(first.content).toEqual([
    { type: 'reasoning', text: 'hm', vendor: { fake: { signature: 's1' } } },
    { type: 'text', text: 'ok' },
  ]);
  const other = { type: 'text', text: 'and', vendor: 'no object' } as const;
  const messages = [...request().messages, { role: 'assistant', content: [...first.content, other] } as const, ...request().messages];
  await ours.generate(request({ messages }), call());
  expect(model.doGenerateCalls[1]?.prompt[1]?.content).toMatchObject([
    { type: 'reasoning', providerOptions: { fake: { signature: 's1' } } },
    { type: 'text', text: 'ok' },
    { type: 'text', text: 'and' },
  ]);
  expect(JSON.stringify(model.doGenerateCalls[1]?.prompt)).not.toContain('no object');
});

test('a failure is reported once, with a code of the engine; an abort is rethrown', async () => {
  const refused = () =>
    new APICallError({ message: 'slow', url: 'u', requestBodyValues: {}, statusCode: 429, responseHeaders: { 'retry-after-ms': '70' } });
  const error = vi.spyOn(console, 'error');
  for (const emit of [undefined, () => undefined]) {
    const model = fakeModel([refused(), 'never']);
    await expect(aiSdkModel(model).generate(request(), { ...call(), ...(emit && { emit }) })).rejects.toMatchObject({
      code: 'THROTTLING',
      retryAfter: 70,
    });
    expect(model.doGenerateCalls.length + model.doStreamCalls.length).toBe(1);
    const controller = new AbortController();
    const aborting = fakeModel(['late'], async (signal) => {
      controller.abort(new Error('enough'));
      signal?.throwIfAborted();
    });
    const attempt = aiSdkModel(aborting).generate(request(), { signal: controller.signal, ...(emit && { emit }) });
    await expect(attempt).rejects.toThrow('enough');
  }
  expect(error).not.toHaveBeenCalled();
  error.mockRestore();
});

test.each([
  ['auto', { type: 'auto' }],
  ['none', { type: 'none' }],
  ['required', { type: 'required' }],
  [{ tool: 'look' }, { type: 'tool', toolName: 'look' }],
] as const)('the choice of a tool: %o', async (toolChoice, sent) => {
  const model = fakeModel(
    ['ok', [{ id: 'c1', name: 'look', input: {} }]].slice(sent.type === 'auto' || sent.type === 'none' ? 0 : 1) as Said[],
  );
  const tools = [{ name: 'look', description: '', input: { type: 'object' } }];
  const { content } = await aiSdkModel(model).generate(request({ tools, toolChoice }), { signal: new AbortController().signal });
  expect(model.doGenerateCalls[0]?.toolChoice).toEqual(sent);
  expect(content).toHaveLength(1);
});
