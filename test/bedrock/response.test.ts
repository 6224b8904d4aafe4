import type { ContentBlock } from '@aws-sdk/client-bedrock-runtime';
import { describe, expect, test } from 'vitest';
import { bedrock } from '../../src/adapters/bedrock/index.ts';
import { type Said, says } from '../wire/bedrock.ts';
import type { Reply } from '../wire/server.ts';
import { ask, ID, MODES, rejection, request, wire } from './setup.ts';

const w = wire();
const model = () => bedrock(ID, { endpoint: w.server.url });

describe.each(MODES)('%s', (mode) => {
  const answer = async (said: Said) => {
    w.server.next(says(said));
    return ask(model(), request(), mode);
  };

  test('text', async () => {
    const { deltas, ...response } = await answer({ content: [{ text: 'Grüße 👋' }], deltas: (t) => [...t] });
    expect(response).toEqual({ content: [{ type: 'text', text: 'Grüße 👋' }], stop: 'end', usage: { input: 11, output: 7 } });
    expect(deltas).toEqual(mode === 'stream' ? [...'Grüße 👋'].map((text) => ({ type: 'text', text })) : []);
  });

  test('every kind of part, in its order', async () => {
    const { content, stop } = await answer({
      content: [
        { reasoningContent: { reasoningText: { text: 'Hm.', signature: 'sig' } } },
        { reasoningContent: { redactedContent: Uint8Array.from([1, 2]) } },
        { text: 'Look:' },
        { image: { format: 'png', source: { bytes: Uint8Array.from([137, 80]) } } },
        { toolUse: { toolUseId: 't1', name: 'look', input: { a: [1, 'x', null] } } },
        { citationsContent: { content: [{ text: 'As it says.' }], citations: [] } },
      ],
    });
    expect(content).toEqual([
      { type: 'reasoning', text: 'Hm.', vendor: { bedrock: { model: ID, signature: 'sig' } } },
      { type: 'reasoning', text: '', vendor: { bedrock: { model: ID, redacted: 'AQI=' } } },
      { type: 'text', text: 'Look:' },
      { type: 'image', mediaType: 'image/png', data: 'iVA=' },
      { type: 'toolCall', id: 't1', name: 'look', input: { a: [1, 'x', null] } },
      { type: 'text', text: 'As it says.' },
    ]);
    expect(stop).toBe('tools');
  });

  test('reasoning is emitted as reasoning', async () => {
    const { deltas } = await answer({
      content: [{ reasoningContent: { reasoningText: { text: 'ab' } } }, { text: 'c' }],
      deltas: (t) => [...t],
    });
    const expected = [
      { type: 'reasoning', text: 'a' },
      { type: 'reasoning', text: 'b' },
      { type: 'text', text: 'c' },
    ];
    expect(deltas).toEqual(mode === 'stream' ? expected : []);
  });

  test('a tool the provider ran itself is not a call', async () => {
    const server = { toolUse: { toolUseId: 's', name: 'nova_grounding', input: {}, type: 'server_tool_use' } } as ContentBlock;
    const { content, stop } = await answer({ content: [server, { text: 'done' }], stopReason: 'end_turn' });
    expect(content).toEqual([{ type: 'text', text: 'done' }]);
    expect(stop).toBe('end');
  });

  test.each([
    ['end_turn', 'end'],
    ['stop_sequence', 'end'],
    ['max_tokens', 'length'],
    ['model_context_window_exceeded', 'context'],
    ['guardrail_intervened', 'blocked'],
    ['content_filtered', 'blocked'],
    ['refusal', 'blocked'],
    ['a_reason_of_tomorrow', 'end'],
  ] as const)('%s means %s', async (stopReason, stop) => {
    expect((await answer({ content: [{ text: 'x' }], stopReason })).stop).toBe(stop);
  });

  test.each(['malformed_model_output', 'malformed_tool_use'])('%s is asked for again', async (stopReason) => {
    w.server.next(says({ content: [{ text: '<tool>look' }], stopReason }));
    expect(await rejection(ask(model(), request(), mode))).toMatchObject({ code: 'STREAM_ERROR', retryable: true, outcome: 'failed' });
  });

  test('calls without ids, or all with one, get ids of their own', async () => {
    const content = ['', '', 'x', 'x', 'call_1'].map((toolUseId) => ({ toolUse: { toolUseId, name: 'look', input: {} } }));
    const ids = (await answer({ content })).content.map((p) => p.type === 'toolCall' && p.id);
    expect(new Set(ids).size).toBe(5);
    expect(ids).not.toContain('');
  });

  test('calls count, whatever reason is given; but a cut or blocked answer is not a request for tools', async () => {
    const content: ContentBlock[] = [{ toolUse: { toolUseId: 't', name: 'look', input: {} } }];
    for (const [stopReason, stop] of [
      ['tool_use', 'tools'],
      ['end_turn', 'tools'],
      ['max_tokens', 'length'],
      ['guardrail_intervened', 'blocked'],
    ] as const)
      expect((await answer({ content, stopReason })).stop).toBe(stop);
  });

  test('usage, with and without a cache', async () => {
    const cached = { inputTokens: 3, outputTokens: 5, totalTokens: 115, cacheReadInputTokens: 100, cacheWriteInputTokens: 7 };
    expect((await answer({ content: [{ text: 'x' }], usage: cached })).usage).toEqual({
      input: 3,
      output: 5,
      cacheRead: 100,
      cacheWrite: 7,
    });
    expect((await answer({ content: [{ text: 'x' }], usage: null })).usage).toBeUndefined();
  });

  test('the model that a prompt router chose', async () => {
    const invokedModelId = 'arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-haiku-4-5-20251001-v1:0';
    const routed = await answer({ content: [{ text: 'x' }], trace: { promptRouter: { invokedModelId } } });
    expect(routed.model).toBe('us.anthropic.claude-haiku-4-5-20251001-v1:0');
    expect(await answer({ content: [{ text: 'x' }] })).not.toHaveProperty('model');
  });

  test('an answer with no content is one', async () => {
    expect(await answer({ content: [] })).toMatchObject({ content: [], stop: 'end' });
    expect((await answer({ content: [{ text: '' }] })).content).toEqual([]);
  });

  test('numbers that no double holds are the doubles JSON gives, and the input is JSON', async () => {
    const raw = '{"big":12345678901234567890,"fine":1.12345678901234567890123,"list":[1e21],"object":{"string":"7","type":"bigDecimal"}}';
    if (mode === 'stream') w.server.next(says({ content: [{ toolUse: { toolUseId: 't', name: 'n', input: {} } }], rawInput: raw }));
    else
      w.server.next({
        status: 200,
        headers: { 'content-type': 'application/json' },
        body: `{"output":{"message":{"role":"assistant","content":[{"toolUse":{"toolUseId":"t","name":"n","input":${raw}}}]}},"stopReason":"tool_use","usage":{"inputTokens":1,"outputTokens":1,"totalTokens":2}}`,
      });
    const [call] = (await ask(model(), request(), mode)).content;
    const input = call?.type === 'toolCall' ? call.input : undefined;
    expect(JSON.parse(JSON.stringify(input))).toEqual(JSON.parse(raw));
    expect(input).toEqual(JSON.parse(raw));
  });
});

test.each([
  ['no message', { output: { stopReason: 'end_turn' } }],
  ['no stop reason', { output: { output: { message: { role: 'assistant', content: [{ text: 'x' }] } } } }],
  ['no JSON', { status: 200, headers: { 'content-type': 'application/json' }, body: '{"output":{"mess' }],
] as [string, Reply][])('an answer with %s is broken', async (_, reply) => {
  w.server.next(reply);
  const error = await rejection(ask(model(), request(), 'one-shot'));
  expect(error).toMatchObject({ code: 'STREAM_BROKEN', retryable: true, outcome: 'failed' });
});
