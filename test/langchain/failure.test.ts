import { AIMessage, AIMessageChunk } from '@langchain/core/messages';
import { describe, expect, test } from 'vitest';
import { langchainModel } from '../../src/adapters/langchain/index.ts';
import { agent, Engine, fallback, type ModelRequest, ToolError } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { ends } from '../kit/runs.ts';
import { Talker } from './model.ts';

const request: ModelRequest = { instructions: '', messages: [{ role: 'user', content: [{ type: 'text', text: 'go' }] }], tools: [] };
const call = () => ({ signal: new AbortController().signal });
const http = (status: number, message: string, o: object = {}) => Object.assign(new Error(message), { status, ...o });
const coded = (lc_error_code: string, message = 'it said no') =>
  Object.assign(new Error(`${message}\n\nTroubleshooting URL: https://x.example/\n`), { lc_error_code });

describe('failures, as what they are', () => {
  test.each<[string, Error, object]>([
    [
      'a 429 with a wait',
      http(429, 'slow down', { headers: { 'retry-after': '2' } }),
      { code: 'THROTTLING', retryable: true, retryAfter: 2_000 },
    ],
    ['a 429 with a wait in words', http(429, 'Please try again in 90s'), { code: 'THROTTLING', retryable: true, retryAfter: 90_000 }],
    ['a 429 alone', http(429, 'slow down'), { code: 'THROTTLING', retryable: true, outcome: 'not-run' }],
    ['a quota that is used up', http(429, 'You exceeded your current quota'), { code: 'QUOTA_EXCEEDED', retryable: false }],
    ['the same by its code', http(429, 'no', { code: 'insufficient_quota' }), { code: 'QUOTA_EXCEEDED', retryable: false }],
    ["LangChain's word for it", coded('MODEL_RATE_LIMIT'), { code: 'THROTTLING', retryable: true, outcome: 'not-run' }],
    ['a key', coded('MODEL_AUTHENTICATION'), { code: 'UNAUTHENTICATED', retryable: false }],
    ['a model', coded('MODEL_NOT_FOUND'), { code: 'MODEL_NOT_FOUND' }],
    [
      'a conversation that is too long',
      Object.assign(new Error('too long'), { name: 'ContextOverflowError' }),
      { code: 'CONTEXT_TOO_LONG' },
    ],
    ['results that do not fit', coded('INVALID_TOOL_RESULTS'), { code: 'VALIDATION' }],
  ])('%s', async (_, error, told) => {
    for (const emit of [undefined, () => undefined]) {
      const failed = await langchainModel(new Talker([error]))
        .generate(request, { ...call(), ...(emit && { emit }) })
        .catch((e) => e);
      expect(failed).toBeInstanceOf(ToolError);
      expect(failed).toMatchObject(told);
      expect(failed.message).toContain('"talker-1": ');
      expect(failed.message).not.toContain('http');
    }
  });

  test("errors that LangChain does not know are classified by the engine's tables", async () => {
    const engine = new Engine();
    for (const [error, code] of [
      [http(503, 'overloaded'), 'SERVICE_UNAVAILABLE'],
      [Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }), 'NETWORK'],
      [http(403, 'no'), 'ACCESS_DENIED'],
      [new Error('odd'), 'MODEL_FAILED'],
    ] as const) {
      const a = agent({
        name: 'a',
        instructions: '',
        model: langchainModel(new Talker([error])),
        reliability: { model: { retry: { attempts: 1 } } },
      });
      expect((await ends(engine.run(a, 'go'), 'failed')).error).toMatchObject({ code });
    }
    await engine.close();
  });

  test('the engine tries again, and falls back; with its retries off LangChain does neither', async () => {
    const engine = new Engine();
    const talker = new Talker([
      http(503, 'overloaded'),
      http(429, 'slow down', { headers: { 'retry-after': '0' } }),
      new AIMessage('at last'),
    ]);
    const patient = { model: { retry: { attempts: 3, initialDelay: 1 } } };
    const a = agent({ name: 'a', instructions: '', model: langchainModel(talker), reliability: patient });
    expect(await ends(engine.run(a, 'go'), 'completed')).toMatchObject({ output: 'at last', steps: 1 });
    expect(talker.requests).toBe(3);
    const spent = langchainModel(new Talker([http(429, 'You exceeded your current quota')]));
    const b = agent({ name: 'b', instructions: '', model: fallback([spent, scripted(['the other'])]), reliability: patient });
    expect(await ends(engine.run(b, 'go'), 'completed')).toMatchObject({ output: 'the other' });
    await engine.close();
  });

  test('no bindTools, no message, and a stream that ends before it began', async () => {
    const tools = [{ name: 't', description: '', input: {} }];
    const plain = Object.assign(new Talker([]), { bindTools: undefined });
    await expect(langchainModel(plain as never).generate({ ...request, tools }, call())).rejects.toMatchObject({ code: 'VALIDATION' });
    const empty = { invoke: async () => undefined, stream: async () => (async function* () {})() };
    for (const emit of [undefined, () => undefined])
      await expect(langchainModel(empty).generate(request, { ...call(), ...(emit && { emit }) })).rejects.toMatchObject({
        code: 'STREAM_BROKEN',
        retryable: true,
      });
  });
});

test.each([['in one piece'], ['streamed']])('an abort ends the call with its own reason, at once (%s)', async (how) => {
  const controller = new AbortController();
  const talker = new Talker(['never']);
  const emit = how === 'streamed' ? { emit: () => undefined } : {};
  const answer = langchainModel(talker).generate(request, { signal: controller.signal, ...emit });
  const reason = new Error('enough');
  await expect.poll(() => talker.requests).toBe(1);
  controller.abort(reason);
  await expect(answer).rejects.toBe(reason);
  await expect(langchainModel(talker).generate(request, { signal: controller.signal })).rejects.toBe(reason);
  expect(talker.requests).toBe(1);
});

test('a stream that an abort ends silently, or with another error, is not an answer', async () => {
  for (const rude of [false, true]) {
    const controller = new AbortController();
    async function* stream() {
      for (const word of ['a ', 'long ', 'answer']) {
        if (controller.signal.aborted && rude) throw coded('MODEL_RATE_LIMIT');
        if (controller.signal.aborted) return;
        yield new AIMessageChunk(word);
      }
    }
    const model = langchainModel({ invoke: async () => new AIMessage(''), stream: async () => stream() });
    const words: string[] = [];
    const emit = ({ text }: { text: string }) => {
      if (words.push(text) === 2) controller.abort('enough');
    };
    await expect(model.generate(request, { signal: controller.signal, emit })).rejects.toBe('enough');
    expect(words).toEqual(['a ', 'long ']);
  }
});

test('cancelling the run stops the model', async () => {
  const engine = new Engine();
  const talker = new Talker(['never']);
  const run = engine.run(agent({ name: 'a', instructions: '', model: langchainModel(talker) }), 'go');
  await expect.poll(() => talker.requests).toBe(1);
  await engine.cancel(run.id);
  await ends(run, 'cancelled');
  await engine.close();
});

test('an error of a listener is not an error of the model', async () => {
  const oops = Object.assign(new Error('oops'), { lc_error_code: 'MODEL_RATE_LIMIT' });
  const emit = () => {
    throw oops;
  };
  await expect(langchainModel(new Talker([[new AIMessageChunk('x')]])).generate(request, { ...call(), emit })).rejects.toBe(oops);
});
