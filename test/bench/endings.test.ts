/** How a benchmark ends where something fails or hangs that is not a run. */
import { describe, expect, test, vi } from 'vitest';
import { type Benchmark, benchmark } from '../../src/bench/index.ts';
import { askCheck } from '../../src/engine/evaluate/check.ts';
import { agent, Engine, type GradedRun, memoryJournal } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { deferred } from '../kit/time.ts';

const plain = (): Benchmark => ({
  agent: (model) => agent({ name: 'a', instructions: '', model }),
  model: () => scripted(['done']),
  scenarios: [{ name: 'go', input: 'go' }],
  runs: 2,
  warmUp: 0,
});

describe('a check that hangs', () => {
  test('is given up some seconds after it was told to stop; one that says what it has spent in that time is heard', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const stop = new AbortController();
      const deaf = askCheck(() => new Promise<never>(() => undefined), 'deaf', {} as GradedRun, { signal: stop.signal });
      const hears = askCheck(
        (_, { signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve({ pass: false, costUsd: 0.5 }))),
        'hears',
        {} as GradedRun,
        { signal: stop.signal },
      );
      stop.abort();
      expect(await hears).toMatchObject({ costUsd: 0.5 });
      await vi.advanceTimersByTimeAsync(5_000);
      expect(await deaf).toMatchObject({ pass: false, failed: true });
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  test('no check is asked once the benchmark was stopped', async () => {
    const stop = new AbortController();
    const asked: string[] = [];
    const stops = () => {
      asked.push('first');
      stop.abort();
      return true;
    };
    const report = await benchmark({ ...plain(), checks: [stops, () => asked.push('second') > 0] }, { signal: stop.signal });
    expect({ asked, incomplete: report.incomplete, runs: report.runs }).toEqual({ asked: ['first'], incomplete: 'cancelled', runs: [] });
  });
});

test.each([
  [
    'throws',
    () => {
      throw new Error('a closed terminal');
    },
  ],
  ['rejects', () => Promise.reject(new Error('a closed socket')) as unknown as undefined],
])('what was paid for is reported, though a listener %s and a journal cannot be closed', async (_, onProgress) => {
  const journal = {
    ...memoryJournal(),
    close: () => {
      throw new Error('it is gone');
    },
  };
  const declared = { ...plain(), engine: (o: ConstructorParameters<typeof Engine>[0]) => new Engine({ ...o, journal }) };
  const report = await benchmark(declared, { onProgress });
  expect(report.runs).toHaveLength(2);
});

test.each([[undefined], [1.005]])('a run that reaches its own limit says nothing about the budget, with the budget %s', async (budget) => {
  const price = { input: 1, output: 5, source: 'test', date: '2026-01-01' };
  const declared: Benchmark = {
    ...plain(),
    model: () =>
      scripted(() => ({ toolCalls: [{ name: 'none', input: {} }], usage: { input: 500_000, output: 1 } }), {
        provider: 'test',
        id: 'm',
        maxOutput: 10,
      }),
    engine: (o) => new Engine({ ...o, prices: { 'test/m': price } }),
    // times 1e9 it is a little less than 1,005,000,000
    limits: { costUsd: 1.005 },
    runs: 1,
    ...(budget !== undefined && { budget }),
  };
  const report = await benchmark(declared);
  expect(report.incomplete).toBeUndefined();
  expect(report.runs).toMatchObject([{ status: 'stopped', error: { code: 'LIMIT_REACHED' } }]);
});

test('an engine that was made is closed if another one cannot be', async () => {
  const close = vi.fn();
  const first = (o: ConstructorParameters<typeof Engine>[0]) => new Engine({ ...o, journal: { ...memoryJournal(), close } });
  const second = () => {
    throw new Error('no database');
  };
  await expect(benchmark({ ...plain(), variants: { first: { engine: first }, second: { engine: second } } })).rejects.toThrow(
    'no database',
  );
  expect(close).toHaveBeenCalledOnce();
});

test('once a declared function has failed, no worker begins another run', async () => {
  let made = 0;
  const failed = deferred<void>();
  const declared: Benchmark = {
    ...plain(),
    runs: 10,
    concurrency: 2,
    agent: (model) => {
      made++;
      if (made === 1) return agent({ name: 'a', instructions: '', model });
      failed.resolve();
      throw new Error('no agent');
    },
    model: () => ({
      provider: 'test',
      id: 'm',
      generate: () => failed.promise.then(() => ({ content: [{ type: 'text', text: 'done' }], stop: 'end' })),
    }),
  };
  await expect(benchmark(declared)).rejects.toThrow('no agent');
  expect(made).toBe(2);
});

describe('a declaration that cannot be run is refused before anything is spent', () => {
  test.each([
    ['an engine that is none', { engine: {} }, 'engine is a function'],
    [
      'an engine that is a promise',
      { engine: async (o: ConstructorParameters<typeof Engine>[0]) => new Engine(o) },
      'a function that returns it',
    ],
    [
      'a limit of a scenario, which would bound nothing',
      { scenarios: [{ name: 's', input: '', options: { limits: { steps: 1 } } }] },
      '"limits"',
    ],
    ['an answer that is not a function', { scenarios: [{ name: 's', input: '', decide: 'approve' }] }, 'decide is a function'],
  ])('%s', async (_, more, message) => {
    await expect(benchmark({ ...plain(), ...more } as Benchmark)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(message),
    });
  });
});
