import { simulateReadableStream } from 'ai';
import { MockLanguageModelV4 } from 'ai/test';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { aiSdkModel } from '../../src/adapters/ai-sdk/model.ts';
import { agent, Engine, type ModelRequest, tool } from '../../src/index.ts';
import { ends } from '../kit/runs.ts';

type Options = NonNullable<ConstructorParameters<typeof MockLanguageModelV4>[0]>;
type Streamed = Awaited<ReturnType<Extract<Options['doStream'], (...a: never[]) => unknown>>>;
type Chunk = Streamed['stream'] extends ReadableStream<infer C> ? C : never;

const request: ModelRequest = {
  instructions: '',
  messages: [{ role: 'user', content: [{ type: 'text', text: 'go' }] }],
  tools: [{ name: 'refund', description: '', input: { type: 'object' } }],
};
const NONE = {
  inputTokens: { total: undefined, noCache: undefined, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: undefined, text: undefined, reasoning: undefined },
};
const finish = (unified: 'other' | 'stop', raw?: string): Chunk => ({ type: 'finish', finishReason: { unified, raw }, usage: NONE });
const text = (delta: string): Chunk[] => [
  { type: 'text-start', id: 't' },
  { type: 'text-delta', id: 't', delta },
  { type: 'text-end', id: 't' },
];
const refund: Chunk = { type: 'tool-call', toolCallId: 'c1', toolName: 'refund', input: '' };

/** A model whose answers stream as the chunks of one list after another. */
const streams = (...answers: readonly (readonly Chunk[])[]) => {
  const left = [...answers];
  return new MockLanguageModelV4({
    provider: 'fake.chat',
    modelId: 'm1',
    doStream: async () => ({ stream: simulateReadableStream({ chunks: [...(left.shift() ?? [])] }) }),
  });
};

test.each<[string, Chunk[]]>([
  ['within a text', text('Your refund of').slice(0, 2)],
  ['within a text, which the provider closes', [...text('Your refund of'), finish('other')]],
  ['before the arguments of a call, which the provider closes', [refund, finish('other')]],
  ['before anything', []],
])('a stream that ends %s is broken, and gives no answer', async (_, chunks) => {
  const model = aiSdkModel(streams(chunks));
  await expect(model.generate(request, { signal: new AbortController().signal, emit: () => undefined })).rejects.toMatchObject({
    code: 'STREAM_BROKEN',
    retryable: true,
  });
});

test('a reason that the SDK has no word for, and usage without a reason, are the end of an answer', async () => {
  const counted = { ...NONE, inputTokens: { ...NONE.inputTokens, total: 1 }, outputTokens: { ...NONE.outputTokens, total: 1 } };
  for (const end of [
    finish('other', 'pause_turn'),
    { type: 'finish', finishReason: { unified: 'other', raw: undefined }, usage: counted },
  ]) {
    const model = aiSdkModel(streams([...text('Done.'), end as Chunk]));
    expect(await model.generate(request, { signal: new AbortController().signal, emit: () => undefined })).toMatchObject({
      content: [{ type: 'text', text: 'Done.' }],
      stop: 'end',
    });
  }
});

test('what a provider has run itself is not run again by the tool of that name', async () => {
  const provided = { toolCallId: 'c1', toolName: 'search', providerExecuted: true, dynamic: true } as const;
  const model = streams([
    { type: 'tool-call', ...provided, input: '{"q":"x"}' },
    { type: 'tool-result', ...provided, result: 'found' },
    ...text('Found.'),
    finish('stop', 'stop'),
  ]);
  const searched: string[] = [];
  const search = tool({ name: 'search', description: '', input: z.object({ q: z.string() }), execute: ({ q }) => void searched.push(q) });
  await using engine = new Engine();
  const run = engine.run(agent({ name: 'a', instructions: '', model: aiSdkModel(model), tools: [search] }), 'go');
  for await (const _ of run);
  expect(await ends(run, 'completed')).toMatchObject({ output: 'Found.', steps: 1 });
  expect(searched).toEqual([]);
});
