import { describe, expect, test } from 'vitest';
import { agent, Engine, fallback, type Limits, type Model, memoryJournal, type Prices, ToolError, tool } from '../../src/index.ts';
import { type Scripted, scripted } from '../../src/testing/scripted.ts';
import { entriesOf, entryOf, headOf, journals } from '../kit/journals.ts';
import { anything, asks, ends, refused } from '../kit/runs.ts';

const from = { source: 'test', date: '2026-11-21' };
/** 10 dollars per million tokens in, 100 out: a thousand tokens out are 10 cents. */
const prices: Prices = {
  'mine/cheap': { input: 10, output: 100, ...from },
  'mine/dear': { input: 100, output: 1_000, ...from },
  'mine/cached': { input: 10, output: 100, cacheRead: 1, cacheWrite: 1_000, ...from },
};
const usage = { input: 1_000, output: 100 };
const cheap = (steps: readonly Scripted[] | (() => Scripted), id = 'cheap') => scripted(steps, { provider: 'mine', id, maxOutput: 1_000 });
const again: Scripted = { ...(asks(['count', {}]) as object), usage };
const count = tool({ name: 'count', description: '', input: anything, effect: 'read', execute: () => 1 });
const quick = { model: { retry: { attempts: 3, initialDelay: 0 } } };
const spending = (model: Model, limits: Limits) =>
  agent({ name: 'a', instructions: '', model, tools: [count], limits, reliability: quick });

describe.each(journals)('dollars on $name', ({ make }) => {
  test('are counted per step and in total, without drift', async () => {
    const { journal } = make();
    const model = cheap([again, again, { text: 'done', usage }]);
    const run = new Engine({ journal, prices }).run(agent({ name: 'a', instructions: '', model, tools: [count] }), 'go');
    expect(await ends(run, 'completed')).toMatchObject({ costUsd: 0.06, usage: { input: 3_000, output: 300 } });
    expect((await entriesOf(journal, run.id)).flatMap((e) => (e.type === 'model.responded' ? [e.usd] : []))).toEqual([0.02, 0.02, 0.02]);
  });

  test('are unknown, never 0, where a price is unknown', async () => {
    const { journal } = make();
    const run = new Engine({ journal, prices }).run(agent({ name: 'a', instructions: '', model: cheap(['done'], 'unheard') }), 'go');
    expect((await ends(run, 'completed')).costUsd).toBeUndefined();
    expect((await entriesOf(journal, run.id)).find((e) => e.type === 'model.responded')).not.toHaveProperty('usd');
  });

  test('stop a run before the call that would cross them, with what it may cost reserved; a higher limit goes on', async () => {
    const { journal } = make();
    const model = cheap(() => again);
    // a first call may cost 0.10 and a little; after one, 0.02 is spent and the next may cost 0.111 and a little
    const engine = new Engine({ journal, prices });
    const run = engine.run(spending(model, { costUsd: 0.13 }), 'go');
    expect(await ends(run, 'stopped')).toMatchObject({ limit: { name: 'costUsd', max: 0.13, used: 0.02 }, costUsd: 0.02 });
    expect(model.requests).toHaveLength(1);
    expect(await ends(engine.resume(run.id, { limits: { costUsd: 0.14 } }), 'stopped')).toMatchObject({ limit: { used: 0.04 } });
    expect(model.requests).toHaveLength(2);
  });

  // holds loop.I3
  test('never go over the limit, however large an answer', async () => {
    const { journal } = make();
    const largest: Scripted = { ...(asks(['count', {}]) as object), usage: { input: 20, output: 1_000 } };
    const result = await ends(
      new Engine({ journal, prices }).run(
        spending(
          cheap(() => largest),
          { costUsd: 0.55 },
        ),
        'go',
      ),
      'stopped',
    );
    expect(result.costUsd).toBeGreaterThan(0.35);
    expect(result.costUsd).toBeLessThanOrEqual(0.55);
  });

  test('are reserved at the dearest rate of the input', async () => {
    const { journal } = make();
    const model = cheap(() => again, 'cached');
    // after the first call its 1,100 tokens may all be written to a cache, for 1.10 dollars
    const result = await ends(new Engine({ journal, prices }).run(spending(model, { costUsd: 1 }), 'go'), 'stopped');
    expect(result).toMatchObject({ limit: { name: 'costUsd' }, steps: 1 });
  });

  test('with an unknown price are refused at the start, and nothing is written', async () => {
    const { journal } = make();
    const engine = new Engine({ journal, prices });
    for (const model of [cheap(['never'], 'unheard'), fallback([cheap(['never']), cheap(['never'], 'unheard')])]) {
      const error = await refused('CONFIG_INVALID', engine.run(spending(model, { costUsd: 1 }), 'go', { id: 'r' }));
      expect(error.message).toContain('mine/unheard');
      expect(error.message).toContain('prices');
      expect(await entriesOf(journal, 'r')).toEqual([]);
    }
  });

  test('given at a resume with an unknown price are refused, and the run stays as it was, free for others', async () => {
    const { journal } = make();
    const model = cheap(() => again, 'unheard');
    const a = spending(model, { steps: 1 });
    const engine = new Engine({ journal });
    const stopped = await ends(engine.run(a, 'go'), 'stopped');
    await refused('CONFIG_INVALID', engine.resume(stopped.runId, { limits: { steps: 2, costUsd: 1 } }));
    expect((await engine.inspect(stopped.runId)).status).toBe('stopped');
    expect((await headOf(journal, stopped.runId))?.leaseUntil ?? 0).toBeLessThanOrEqual(Date.now());
    await ends(new Engine({ journal, agents: [a] }).resume(stopped.runId, { limits: { steps: 2 } }), 'stopped');
    expect(model.requests).toHaveLength(2);
  });

  test('stop the run if a model does not report its usage: an unknown sum is not below the limit', async () => {
    const { journal } = make();
    const silent: Model = {
      provider: 'mine',
      id: 'cheap',
      maxOutput: 10,
      generate: async () => ({ content: [{ type: 'toolCall', id: '1', name: 'count', input: {} }], stop: 'tools' }),
    };
    const result = await ends(new Engine({ journal, prices }).run(spending(silent, { costUsd: 1 }), 'go'), 'stopped');
    expect(result).toMatchObject({ limit: { name: 'costUsd', max: 1 }, steps: 1, costUsd: undefined });
    // a result is plain JSON
    expect(JSON.parse(JSON.stringify(result.limit))).toEqual(result.limit);
  });
});

describe('dollars and failed attempts', () => {
  test('an attempt that may have been charged is charged at its upper bound, and the journal says so', async () => {
    const engine = new Engine({ prices });
    const run = engine.run(spending(cheap([{ error: 'STREAM_BROKEN' }, { text: 'done', usage }]), { costUsd: 1 }), 'go');
    const result = await ends(run, 'completed');
    expect(result.costUsd).toBeGreaterThan(0.02 + 0.1);
    expect(result.costUsd).toBeLessThan(0.13);
    expect(result.usage.input).toBeGreaterThan(2_000);
  });

  test('a retry inside a step does not cross the limit', async () => {
    const model = cheap(() => ({ error: 'STREAM_BROKEN' }));
    // two calls of 0.10 and a little fit, a third does not
    const result = await ends(new Engine({ prices }).run(spending(model, { costUsd: 0.25 }), 'go'), 'stopped');
    expect(result.limit).toMatchObject({ name: 'costUsd', max: 0.25 });
    expect(model.requests).toHaveLength(2);
    expect(result.costUsd).toBeLessThanOrEqual(0.25);
  });

  test('a throttled attempt costs nothing and is tried again within the limit', async () => {
    const model = cheap([{ error: 'THROTTLING' }, { error: 'THROTTLING' }, { text: 'done', usage }]);
    expect(await ends(new Engine({ prices }).run(spending(model, { costUsd: 0.11 }), 'go'), 'completed')).toMatchObject({ costUsd: 0.02 });
  });

  test.each(['ECONNREFUSED', 'ENOTFOUND', 'UND_ERR_CONNECT_TIMEOUT'])('%s costs nothing, however often: nothing was sent', async (code) => {
    let tries = 0;
    const model = cheap(() => {
      if (tries++ < 2) throw Object.assign(new Error('no connection'), { code });
      return { text: 'done', usage };
    });
    const journal = memoryJournal();
    const run = new Engine({ journal, prices }).run(spending(model, { costUsd: 0.11 }), 'go');
    expect(await ends(run, 'completed')).toMatchObject({ costUsd: 0.02, usage: { input: 1_000, output: 100 } });
    const failed = (await entriesOf(journal, run.id)).filter((e) => e.type === 'attempt.failed');
    expect(failed.map((e) => [e.code, e.lost])).toEqual([
      ['NETWORK', undefined],
      ['NETWORK', undefined],
    ]);
  });

  test.each<[string, () => unknown]>([
    ['an answer that makes no sense', () => 'nonsense'],
    [
      'an error that no table lists',
      () => {
        throw new Error('after the answer');
      },
    ],
    [
      'a connection that broke',
      () => {
        throw Object.assign(new Error('reset'), { code: 'ECONNRESET' });
      },
    ],
  ])('%s may have been charged', async (_, answer) => {
    const model = { provider: 'mine', id: 'cheap', maxOutput: 1_000, generate: async () => answer() as never } satisfies Model;
    const a = agent({ name: 'a', instructions: '', model, reliability: { model: { retry: { attempts: 1 } } } });
    expect((await ends(new Engine({ prices }).run(a, 'go'), 'failed')).costUsd).toBeGreaterThanOrEqual(0.1);
  });

  test.each([400, 401, 403, 404, 410, 429, 500, 503])('the status %i costs nothing: the provider did not answer', async (status) => {
    const model: Model = {
      provider: 'mine',
      id: 'cheap',
      maxOutput: 1_000,
      generate: () => Promise.reject(Object.assign(new Error('no'), { status })),
    };
    expect(await ends(new Engine({ prices }).run(spending(model, { costUsd: 0.11 }), 'go'), 'failed')).toMatchObject({ costUsd: 0 });
  });

  test('a run that is cancelled between two attempts is charged for no third', async () => {
    const model: Model = {
      provider: 'mine',
      id: 'cheap',
      maxOutput: 1_000,
      generate: () => Promise.reject(new ToolError('THROTTLING', 'slow down', { outcome: 'not-run', retryAfter: 30_000 })),
    };
    const journal = memoryJournal();
    const engine = new Engine({ journal, prices });
    const run = engine.run(spending(model, {}), 'go');
    await entryOf(journal, run.id, 'attempt.failed');
    await engine.cancel(run.id);
    expect(await ends(run, 'cancelled')).toMatchObject({ costUsd: 0 });
    expect((await entriesOf(journal, run.id)).filter((e) => e.type === 'attempt.failed')).toHaveLength(1);
  });

  test('the dearest candidate of a fallback is reserved, before the first is asked', async () => {
    const first = cheap(['never']);
    const second = cheap(['never'], 'dear');
    // 0.10 would be enough for the first
    const result = await ends(new Engine({ prices }).run(spending(fallback([first, second]), { costUsd: 0.5 }), 'go'), 'stopped');
    expect(result.limit).toMatchObject({ name: 'costUsd', used: 0 });
    expect([first.requests.length, second.requests.length]).toEqual([0, 0]);
  });

  test('a fallback is not asked where what the first may have cost leaves no room for it', async () => {
    const first = cheap(() => ({ error: 'STREAM_BROKEN' }));
    const second = cheap(['never'], 'other');
    const a = agent({
      name: 'a',
      instructions: '',
      model: fallback([first, second]),
      limits: { costUsd: 0.15 },
      reliability: { model: { retry: { attempts: 1 } } },
    });
    const own: Prices = { ...prices, 'mine/other': { input: 10, output: 100, ...from } };
    const result = await ends(new Engine({ prices: own }).run(a, 'go'), 'stopped');
    expect(result.limit.name).toBe('costUsd');
    expect(second.requests).toHaveLength(0);
  });

  test('a switch is in the journal with its reason, and the cost is that of the model that answered', async () => {
    const engine = new Engine({ prices });
    const events: unknown[] = [];
    const model = fallback([cheap([{ error: 'ACCESS_DENIED' }]), cheap([{ text: 'done', usage }], 'dear')]);
    const run = engine.run(agent({ name: 'a', instructions: '', model, reliability: quick }), 'go');
    for await (const e of run) if (e.type === 'attempt.failed') events.push(e);
    expect(events.at(-1)).toMatchObject({ code: 'ACCESS_DENIED', fallback: 'mine/dear' });
    expect(await run).toMatchObject({ status: 'completed', costUsd: 0.2 });
  });
});
