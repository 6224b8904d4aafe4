import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { expect, test } from 'vitest';
import { aiSdkModel } from '../../src/adapters/ai-sdk/model.ts';
import { checkPrefixes } from '../../src/testing/index.ts';
import { answers, promptOf, TURNS, talk } from '../testing/conversation.ts';
import { fakeModel } from './model.ts';

test(`each of ${TURNS} turns' requests begins with the whole request before it, as a provider gets it`, async () => {
  const model = fakeModel(answers);
  await talk(aiSdkModel(model));
  const sent = [...model.doGenerateCalls, ...model.doStreamCalls];
  expect(sent).toHaveLength(answers.length);
  checkPrefixes(sent.map(({ prompt, tools }) => promptOf({ tools: tools ?? [], messages: prompt })));
});

test('and as a provider of the SDK writes it to the wire', async () => {
  const bodies: { messages: readonly unknown[]; tools: readonly unknown[]; stream?: boolean }[] = [];
  const left = [...answers];
  const fetch = async (_: unknown, init?: { body?: unknown }) => {
    bodies.push(JSON.parse(String(init?.body)));
    const said = left.shift() ?? 'The script has ended.';
    const message =
      typeof said === 'string'
        ? { role: 'assistant', content: said }
        : {
            role: 'assistant',
            content: null,
            tool_calls: said.map(({ id, name, input }, index) => ({
              index,
              id,
              type: 'function',
              function: { name, arguments: JSON.stringify(input) },
            })),
          };
    const finish_reason = typeof said === 'string' ? 'stop' : 'tool_calls';
    const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
    const chunk = { id: 'x', created: 1, model: 'm', choices: [{ index: 0, delta: message, finish_reason }], usage };
    return new Response(`data: ${JSON.stringify(chunk)}\n\ndata: [DONE]\n\n`, { headers: { 'content-type': 'text/event-stream' } });
  };
  const provider = createOpenAICompatible({ name: 'local', baseURL: 'http://127.0.0.1:9/v1', fetch: fetch as typeof globalThis.fetch });
  await talk(aiSdkModel(provider('m')));
  expect(bodies).toHaveLength(answers.length);
  checkPrefixes(bodies.map(({ tools, messages }) => promptOf({ tools, messages })));
});

const ANTHROPIC = { anthropic: { cacheControl: { type: 'ephemeral' } } };
const BEDROCK = { bedrock: { cachePoint: { type: 'default' } } };

test.each([
  ['anthropic.messages', 'claude-x', ANTHROPIC],
  ['googleVertex.anthropic.messages', 'claude-x', ANTHROPIC],
  ['gateway', 'anthropic/claude-x', ANTHROPIC],
  ['amazon-bedrock', 'us.anthropic.claude-x', BEDROCK],
  ['amazon-bedrock', 'us.amazon.nova-pro-v1:0', undefined],
  ['openai.responses', 'gpt-x', undefined],
])('the cache points of %s, %s: the instructions, the end, and the end of the request before', async (provider, modelId, point) => {
  const model = fakeModel(answers);
  Object.assign(model, { provider, modelId });
  await talk(aiSdkModel(model, { cache: true }));
  const sent = [...model.doGenerateCalls, ...model.doStreamCalls].map(({ prompt }) => prompt);
  expect(sent).toHaveLength(answers.length);
  let end: number | undefined;
  for (const prompt of sent) {
    const marked = prompt.flatMap(({ providerOptions }, i) => (providerOptions ? [{ i, providerOptions }] : []));
    expect(marked.map(({ i }) => i)).toEqual(point ? [0, ...(end === undefined ? [] : [end]), prompt.length - 1] : []);
    for (const { providerOptions } of marked) expect(providerOptions).toEqual(point);
    end = prompt.length - 1;
  }
  checkPrefixes(sent.map((prompt) => promptOf({ messages: prompt.map(({ providerOptions: _, ...message }) => message) })));
});

test('no cache points unless they are asked for', async () => {
  const model = fakeModel(answers);
  Object.assign(model, { provider: 'anthropic.messages' });
  await talk(aiSdkModel(model));
  const sent = [...model.doGenerateCalls, ...model.doStreamCalls];
  expect(JSON.stringify(sent.map(({ prompt }) => prompt))).not.toContain('cacheControl');
});
