import { describe, expect, it, vi } from 'vitest';
import { ask } from '../../src/adapters/memory/strategies/ask.ts';
import { RondoError, ToolError } from '../../src/errors.ts';
import { agent, Engine } from '../../src/index.ts';
import type { Model, ModelRequest, ModelResponse } from '../../src/ports/model.ts';
import { CANDIDATES, candidates, fallback, switches } from '../../src/reliability/fallback.ts';

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

  it.each([
    'THROTTLING',
    'QUOTA_EXCEEDED',
    'SERVICE_UNAVAILABLE',
    'INTERNAL_ERROR',
    'STREAM_ERROR',
    'STREAM_BROKEN',
    'TIMEOUT',
    'NETWORK',
    'CIRCUIT_OPEN',
  ])('%s switches', async (code) => {
    const f = fallback([model('a', new ToolError(code, 'x')), model('b')]);
    expect(switches(f, code)).toBe(true);
    expect(await f.generate(request, call())).toMatchObject({ model: 'test/b' });
  });

  it.each(['VALIDATION', 'ACCESS_DENIED', 'UNAUTHENTICATED', 'NOT_FOUND', 'CANCELLED', 'ABORTED', 'MODEL_FAILED', 'CUSTOM'])(
    '%s does not, unless named',
    async (code) => {
      const error = new ToolError(code, 'x');
      const next = model('b');
      const f = fallback([model('a', error), next]);
      expect(switches(f, code)).toBe(false);
      await expect(f.generate(request, call())).rejects.toBe(error);
      expect(next.generate).not.toHaveBeenCalled();
      const named = fallback([model('a', error), next], { on: [code] });
      expect(switches(named, code)).toBe(true);
      expect(await named.generate(request, call())).toMatchObject({ model: 'test/b' });
    },
  );

  it('errors of the SDK are classified, and any that is retryable switches', async () => {
    const aws = Object.assign(new Error('x'), { name: 'ServiceUnavailableException', $metadata: { httpStatusCode: 503 } });
    expect(await fallback([model('a', aws), model('b')]).generate(request, call())).toMatchObject({ model: 'test/b' });
    const custom = new ToolError('CUSTOM', 'x', { retryable: true });
    const f = fallback([model('a', custom), model('b')]);
    expect(await f.generate(request, call())).toMatchObject({ model: 'test/b' });
    expect(switches(f, custom)).toBe(true);
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
  const own = fallback([model('a', denied), model('b', throttled)], { on: ['ACCESS_DENIED'] });
  const a = agent({ name: 'a', instructions: '', model: fallback([own, model('c')]), reliability: { model: { retry: { attempts: 1 } } } });
  expect(await new Engine().run(a, 'hello').output()).toBe('hi');
  for (const each of candidates(own)) expect(each.generate).toHaveBeenCalledTimes(1);
  const json: ModelResponse = { content: [{ type: 'text', text: '{"facts":["tea"]}' }], stop: 'end' };
  const extracting = fallback([model('a', throttled), { ...model('b'), generate: async () => json }]);
  const question = { instructions: '', about: 'I like tea', schema: { type: 'object' } };
  expect(await ask(extracting, question, new AbortController().signal)).toEqual({ facts: ['tea'] });
});
