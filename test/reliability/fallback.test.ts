import { describe, expect, it, vi } from 'vitest';
import { ask } from '../../src/adapters/memory/strategies/ask.ts';
import { RondoError, ToolError } from '../../src/errors.ts';
import { agent, Engine, keepLast } from '../../src/index.ts';
import type { Model, ModelRequest, ModelResponse } from '../../src/ports/model.ts';
import { CANDIDATES, candidates, fallback, switches } from '../../src/reliability/fallback.ts';
import { settle } from '../kit/time.ts';

const request: ModelRequest = { instructions: '', messages: [], tools: [] };
const answer: ModelResponse = { content: [{ type: 'text', text: 'hi' }], stop: 'end' };
const call = () => ({ signal: new AbortController().signal });
const model = (id: string, error?: unknown, more: Partial<Model> = {}) => {
  const generate = vi.fn<Model['generate']>(async () => {
    if (error !== undefined) throw error;
    return answer;
  });
  return { provider: 'test', id, ...more, generate };
};
const throttled = new ToolError('THROTTLING', 'slow down', { outcome: 'not-run', retryAfter: 500 });

describe('generate', () => {
  it('the first that answers', async () => {
    const [a, b] = [model('a'), model('b')];
    expect(await fallback([a, b]).generate(request, call())).toBe(answer);
    expect(b.generate).not.toHaveBeenCalled();
  });

  it('the next where one is throttled; the answer says who gave it', async () => {
    const emit = vi.fn();
    const o = { ...call(), emit };
    const [a, b, c] = [model('a', throttled), model('b'), model('c')];
    expect(await fallback([a, b, c]).generate(request, o)).toEqual({ ...answer, model: 'test/b' });
    expect(b.generate).toHaveBeenCalledWith(request, o);
    expect(c.generate).not.toHaveBeenCalled();
  });

  it.each(['THROTTLING', 'QUOTA_EXCEEDED', 'TIMEOUT', 'VALIDATION', 'CONTEXT_TOO_LONG', 'UNAUTHENTICATED', 'MODEL_FAILED', 'CUSTOM'])(
    '%s switches, unless others are named',
    async (code) => {
      const error = new ToolError(code, 'x');
      const f = fallback([model('a', error), model('b')]);
      expect(switches(f, code)).toBe(true);
      expect(await f.generate(request, call())).toMatchObject({ model: 'test/b' });
      const next = model('b');
      const named = fallback([model('a', error), next], { on: ['OTHER'] });
      expect(switches(named, code)).toBe(false);
      await expect(named.generate(request, call())).rejects.toBe(error);
      expect(next.generate).not.toHaveBeenCalled();
      expect(switches(fallback([model('a', error), next], { on: [code] }), code)).toBe(true);
    },
  );

  it.each(['RECORDING_MISMATCH', 'RECORDING_FAILED', 'SCRIPT_ENDED'])('%s does not: it is a mistake of a test', async (code) => {
    const error = new ToolError(code, 'x');
    await expect(fallback([model('a', error), model('b')]).generate(request, call())).rejects.toBe(error);
  });

  it('errors of the SDK are classified', async () => {
    const aws = Object.assign(new Error('x'), { name: 'ServiceUnavailableException', $metadata: { httpStatusCode: 503 } });
    const named = { on: ['SERVICE_UNAVAILABLE'] };
    expect(await fallback([model('a', aws), model('b')], named).generate(request, call())).toMatchObject({ model: 'test/b' });
  });

  it('none: the last code, and what each said', async () => {
    const last = new ToolError('TIMEOUT', 'too slow', { outcome: 'unknown', retryable: true });
    const error = await fallback([model('a', throttled), model('b', last)])
      .generate(request, call())
      .catch((e) => e);
    expect(error).toMatchObject({ name: 'ToolError', code: 'TIMEOUT', outcome: 'unknown', retryable: true, cause: last });
    expect(error.message).toBe('No model answered. test/a: THROTTLING, slow down; test/b: TIMEOUT, too slow');
  });

  it('a cancelled call goes to no other model', async () => {
    const controller = new AbortController();
    const a = model('a');
    a.generate.mockImplementation(async () => {
      controller.abort(new Error('stop'));
      throw throttled;
    });
    const b = model('b');
    await expect(fallback([a, b]).generate(request, { signal: controller.signal })).rejects.toBe(throttled);
    await expect(fallback([b, a]).generate(request, { signal: controller.signal })).rejects.toThrow('stop');
    expect(b.generate).not.toHaveBeenCalled();
  });
});

describe('in a run', () => {
  const http = (status: number) => Object.assign(new Error(`status ${status}`), { status });
  const once = { model: { retry: { attempts: 2, initialDelay: 0 } } };
  const asking = (first: Model, more: object = {}) => {
    const second = model('second');
    return { second, a: agent({ name: 'a', instructions: '', model: fallback([first, second]), reliability: once, ...more }) };
  };

  it.each<[string, unknown]>([
    ...[400, 401, 402, 403, 404, 408, 410, 422, 429, 500, 503].map((status): [string, unknown] => [`the status ${status}`, http(status)]),
    ['a refused connection', Object.assign(new Error('x'), { code: 'ECONNREFUSED' })],
    ['a plain error', new Error('x')],
    ['a ToolError of its own', new ToolError('OTHER', 'x')],
    ['a missing key', new ToolError('CREDENTIALS_MISSING', 'x', { outcome: 'not-run' })],
    ['a conversation that is too long for it', new ToolError('CONTEXT_TOO_LONG', 'x', { outcome: 'not-run' })],
  ])('the second model is asked after %s, and the switch is in the events', async (_, error) => {
    const { a } = asking(model('first', error));
    const run = new Engine().run(a, 'x');
    const events = [];
    for await (const event of run) if (event.type === 'attempt.failed') events.push(event);
    expect(await run).toMatchObject({ status: 'completed', output: 'hi' });
    expect(events.at(-1)).toMatchObject({ fallback: 'test/second' });
  });

  it.each(['blocked', 'context'] as const)('an answer that is %s is an answer: no other model is asked', async (stop) => {
    const { a, second } = asking({ ...model('first'), generate: async () => ({ ...answer, stop }) });
    expect(await new Engine().run(a, 'x')).toMatchObject({ status: 'failed' });
    expect(second.generate).not.toHaveBeenCalled();
  });

  it('a conversation that is too long is made smaller by the policies of the agent, and the first model is asked again', async () => {
    let calls = 0;
    const first: Model = {
      ...model('first'),
      async generate() {
        if (++calls === 2) throw new ToolError('CONTEXT_TOO_LONG', 'too long', { outcome: 'not-run' });
        return answer;
      },
    };
    const { a, second } = asking(first, { compact: [keepLast(2, { over: 1e9 })] });
    const engine = new Engine();
    await engine.run(a, 'one', { session: 's' });
    expect(await engine.run(a, 'two', { session: 's' })).toMatchObject({ status: 'completed', output: 'hi' });
    expect([calls, second.generate.mock.calls.length]).toEqual([3, 0]);
  });

  it('a cancelled run asks no other model', async () => {
    const { a, second } = asking({ ...model('first'), generate: () => new Promise(() => undefined) });
    const engine = new Engine();
    const run = engine.run(a, 'x');
    await settle();
    await engine.cancel(run.id);
    expect(await run).toMatchObject({ status: 'cancelled' });
    expect(second.generate).not.toHaveBeenCalled();
  });

  it('where none answers, the error has the code of the last and says what each said', async () => {
    const a = agent({ name: 'a', instructions: '', model: fallback([model('a', http(400)), model('b', http(401))]), reliability: once });
    const { error } = (await new Engine().run(a, 'x')) as { error: { code: string; message: string } };
    expect(error.code).toBe('UNAUTHENTICATED');
    expect(error.message).toBe('No model answered. test/a: VALIDATION, status 400; test/b: UNAUTHENTICATED, status 401');
  });

  it('a model that may have been paid for nothing is charged before the next is asked, and the limit holds', async () => {
    const price = { input: 0, output: 1_000, source: 'test', date: '2026-11-21' };
    const first = model('first', new Error('after the answer'), { maxOutput: 1_000 });
    const second = model('second', undefined, { maxOutput: 1_000 });
    const a = agent({ name: 'a', instructions: '', model: fallback([first, second]), reliability: once, limits: { costUsd: 1.5 } });
    const engine = new Engine({ prices: { 'test/first': price, 'test/second': price } });
    expect(await engine.run(a, 'x')).toMatchObject({ status: 'stopped', limit: { name: 'costUsd', used: 1 }, costUsd: 1 });
    expect(second.generate).not.toHaveBeenCalled();
  });
});

describe('as a model', () => {
  it('has the name of the first, the largest output, and is a stand-in where one may be', () => {
    expect(fallback([model('a'), model('b')])).toMatchObject({ provider: 'test', id: 'a' });
    expect(fallback([model('a'), model('b')]).maxOutput).toBeUndefined();
    expect(fallback([model('a', undefined, { maxOutput: 100 }), model('b')]).maxOutput).toBe(4_096);
    expect(fallback([model('a', undefined, { maxOutput: 100 }), model('b', undefined, { maxOutput: 9_000 })]).maxOutput).toBe(9_000);
    expect(fallback([model('a'), model('b')]).standin).toBeUndefined();
    expect(fallback([model('a'), model('b', undefined, { standin: true })]).standin).toBe(true);
  });

  it('carries its candidates; a plain model is its own, and never switches', () => {
    const [a, b, c] = [model('a'), model('b'), model('c')];
    expect(candidates(fallback([a, b]))).toEqual([a, b]);
    expect([CANDIDATES in fallback([a, b]), CANDIDATES in a]).toEqual([true, false]);
    expect(candidates(a)).toEqual([a]);
    expect(switches(a, 'THROTTLING')).toBe(false);
    expect(candidates(fallback([fallback([a, b]), c]))).toEqual([a, b, c]);
    const own = fallback([a, b], { on: ['ACCESS_DENIED'] });
    expect(candidates(fallback([own, c]))).toEqual([own, c]);
  });

  it.each([[[]], [undefined], [[{}]], [[null]]])('%j is refused', (models) => {
    let error: unknown;
    try {
      fallback(models as never);
    } catch (e) {
      error = e;
    }
    expect(RondoError.is(error, 'CONFIG_INVALID')).toBe(true);
  });
});

it('is asked as one model where an engine does not ask the candidates: within another fallback, and by a memory that extracts facts', async () => {
  const denied = new ToolError('ACCESS_DENIED', 'not this one', { outcome: 'not-run' });
  const own = fallback([model('a', denied), model('b', throttled)], { on: ['ACCESS_DENIED', 'OTHER'] });
  const a = agent({ name: 'a', instructions: '', model: fallback([own, model('c')]), reliability: { model: { retry: { attempts: 1 } } } });
  expect(await new Engine().run(a, 'hello').output()).toBe('hi');
  for (const each of candidates(own)) expect(each.generate).toHaveBeenCalledTimes(1);
  const json: ModelResponse = { content: [{ type: 'text', text: '{"facts":["tea"]}' }], stop: 'end' };
  const extracting = fallback([model('a', throttled), { ...model('b'), generate: async () => json }]);
  const question = { instructions: '', about: 'I like tea', schema: { type: 'object' } };
  expect(await ask(extracting, question, new AbortController().signal)).toEqual({ facts: ['tea'] });
});
