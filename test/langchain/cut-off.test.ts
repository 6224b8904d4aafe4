import { AIMessageChunk } from '@langchain/core/messages';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { langchainModel } from '../../src/adapters/langchain/index.ts';
import { agent, Engine, type ModelRequest, type ModelResponse, tool } from '../../src/index.ts';
import { ends } from '../kit/runs.ts';
import { Talker } from './model.ts';

const request: ModelRequest = {
  instructions: '',
  messages: [{ role: 'user', content: [{ type: 'text', text: 'go' }] }],
  tools: [{ name: 'refund', description: '', input: { type: 'object' } }],
};

/** A call as it streams: its arguments, in one chunk for each text. */
const refund = (...texts: readonly string[]) =>
  texts.map(
    (args, i) =>
      new AIMessageChunk({
        content: '',
        tool_call_chunks: [{ index: 0, args, ...(i === 0 && { id: 'c1', name: 'refund' }), type: 'tool_call_chunk' }],
      }),
  );
const ended = (response_metadata: Record<string, unknown>) => new AIMessageChunk({ content: '', response_metadata });

/** The answer as it streams, and in one piece. */
async function answers(chunks: readonly AIMessageChunk[]): Promise<ModelResponse[]> {
  const all: ModelResponse[] = [];
  for (const emit of [() => undefined, undefined])
    all.push(await langchainModel(new Talker([chunks])).generate(request, { signal: new AbortController().signal, ...(emit && { emit }) }));
  return all;
}

describe('a call that was not written to its end', () => {
  test.each([['{"cents":10'], ['']])('a stream that ends in it without a reason is broken, and nothing of it is kept: %j', async (text) => {
    await expect(answers(refund(text))).rejects.toMatchObject({ code: 'STREAM_BROKEN', retryable: true });
  });

  test('with a reason, its arguments are the text that was written', async () => {
    for (const { content } of await answers([...refund('{"cents"', ':10'), ended({ finish_reason: 'tool_calls' })]))
      expect(content).toEqual([{ type: 'toolCall', id: 'c1', name: 'refund', input: '{"cents":10' }]);
  });

  test('a whole call is one, with and without a reason; so is one without arguments', async () => {
    for (const chunks of [refund('{"cents":', '10}'), [...refund('{"cents":', '10}'), ended({ stop_reason: 'tool_use' })]])
      for (const { content } of await answers(chunks)) expect(content).toMatchObject([{ input: { cents: 10 } }]);
    for (const { content } of await answers([...refund(''), ended({ stop_reason: 'tool_use' })]))
      expect(content).toMatchObject([{ input: {} }]);
  });

  test('the tool is not called with half an amount: the model is asked again', async () => {
    const paid: number[] = [];
    const talker = new Talker([refund('{"cents":10'), refund('{"cents":1000}'), [new AIMessageChunk('Done.')]]);
    const clerk = agent({
      name: 'clerk',
      instructions: '',
      model: langchainModel(talker),
      tools: [
        tool({ name: 'refund', description: '', input: z.object({ cents: z.number() }), execute: ({ cents }) => void paid.push(cents) }),
      ],
    });
    await using engine = new Engine();
    const run = engine.run(clerk, 'go');
    for await (const _ of run);
    await ends(run, 'completed');
    expect(paid).toEqual([1000]);
  });
});

test.each([
  [{ messageStop: { stopReason: 'max_tokens' } }, 'length'],
  [{ messageStop: { stopReason: 'guardrail_intervened' } }, 'blocked'],
  [{ messageStop: { stopReason: 'tool_use' } }, 'tools'],
  [{ done_reason: 'length' }, 'length'],
] as const)('where ChatBedrockConverse and ChatOllama say why they stopped: %j is %s', async (metadata, stop) => {
  for (const answer of await answers([...refund('{}'), ended(metadata)])) expect(answer.stop).toBe(stop);
});
