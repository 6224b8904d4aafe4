import { afterEach, describe, expect, test, vi } from 'vitest';
import { type Benchmark, benchmark, rubric, summarised } from '../../src/bench/index.ts';
import { agent, approve, Engine, type Model, type ModelResponse, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { anything, asks } from '../kit/runs.ts';
import { deferred } from '../kit/time.ts';

afterEach(() => vi.restoreAllMocks());

const echo = (execute: (n: number) => unknown = (n) => n) =>
  tool({ name: 'echo', description: '', input: anything, effect: 'read', execute: (i) => execute(Number(i.n)) });

/** A clock that only advances when it is told to, so that times are exact on any machine. */
function clockwork() {
  let now = 1_000;
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  return {
    pass: (ms: number) => {
      now += ms;
    },
  };
}

/** A model that takes `ms` of the clockwork for each answer. */
function taking(clock: { pass(ms: number): void }, ms: number, steps: Parameters<typeof scripted>[0]): Model {
  const model = scripted(steps);
  return {
    ...model,
    async generate(request, call) {
      clock.pass(ms);
      return model.generate(request, call);
    },
  };
}

const oneCall = (): Benchmark => ({
  agent: (model) => agent({ name: 'a', instructions: '', model, tools: [echo()] }),
  model: () => scripted([asks(['echo', { n: 1 }]), 'done']),
  scenarios: [{ name: 'go', input: 'go' }],
  runs: 3,
});

describe('times', () => {
  test('a model of 20 ms and a tool of 30 ms are reported as such, and the rest is the engine', async () => {
    const clock = clockwork();
    const slow = echo((n) => {
      clock.pass(30);
      return n;
    });
    const report = await benchmark({
      ...oneCall(),
      agent: (model) => agent({ name: 'a', instructions: '', model, tools: [slow] }),
      model: () => taking(clock, 20, [asks(['echo', { n: 1 }]), 'done']),
    });
    expect(report.runs).toHaveLength(3);
    for (const run of report.runs) {
      expect(run).toMatchObject({ ok: true, ms: 70, modelMs: 40, callMs: 30, engineMs: 0, modelCalls: 2, toolCalls: 1, retries: 0 });
      expect(run.steps).toMatchObject([
        { step: 1, at: 0, observeMs: 0, thinkMs: 20, actMs: 30, engineMs: 0 },
        { step: 2, at: 50, observeMs: 0, thinkMs: 20, actMs: 0, engineMs: 0 },
      ]);
      expect(run.calls).toMatchObject([{ kind: 'tool', name: 'echo', agent: 'a', step: 1, at: 20, ms: 30, ok: true, attempts: 1 }]);
    }
    expect(summarised(report)).toMatchObject([
      { variant: 'default', scenario: 'go', runs: 3, passed: 3, run: { ms: { p50: 70, p99: 70 } } },
    ]);
  });

  test('calls of one step that run at the same time count once, and each of them whole', async () => {
    const clock = clockwork();
    let waiting = 0;
    let release: () => void = () => {};
    const both = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow = tool({
      name: 'echo',
      description: '',
      input: anything,
      effect: 'read',
      execute: async () => {
        if (++waiting === 2) {
          clock.pass(30);
          release();
        }
        await both;
        return 1;
      },
    });
    const { runs } = await benchmark({
      ...oneCall(),
      agent: (model) => agent({ name: 'a', instructions: '', model, tools: [slow] }),
      model: () => scripted([asks(['echo', { n: 1 }], ['echo', { n: 2 }]), 'done']),
      runs: 1,
      warmUp: 0,
    });
    expect(runs).toMatchObject([{ ms: 30, callMs: 30, engineMs: 0, toolCalls: 2, calls: [{ ms: 30 }, { ms: 30 }] }]);
  });

  test('the steps of a sub-agent are its own, and no share of the engine in the step of its parent', async () => {
    const clock = clockwork();
    const inner = agent({
      name: 'inner',
      instructions: '',
      model: taking(clock, 7, (_, n) => (n % 2 === 0 ? asks(['echo', { n: 1 }]) : 'done')),
      tools: [echo()],
    });
    const { runs } = await benchmark({
      ...oneCall(),
      agent: (model) => agent({ name: 'outer', instructions: '', model, agents: [inner] }),
      model: () => taking(clock, 5, [asks(['inner', { task: 'go' }]), 'done']),
      runs: 1,
    });
    const [run] = runs;
    expect(run).toMatchObject({ ok: true, ms: 24, modelMs: 24, engineMs: 0, modelCalls: 4 });
    const steps = run?.steps.map(({ path, step, thinkMs, actMs, engineMs }) => ({ path: path.join('/'), step, thinkMs, actMs, engineMs }));
    expect(steps).toEqual([
      { path: 'outer', step: 1, thinkMs: 5, actMs: 14, engineMs: 0 },
      { path: 'outer/inner', step: 1, thinkMs: 7, actMs: 0, engineMs: 0 },
      { path: 'outer/inner', step: 2, thinkMs: 7, actMs: 0, engineMs: 0 },
      { path: 'outer', step: 2, thinkMs: 5, actMs: 0, engineMs: 0 },
    ]);
    expect(summarised({ runs, variants: ['default'], scenarios: ['go'] })[0]?.agents).toMatchObject([
      { name: 'outer', count: 2 },
      { name: 'inner', count: 2 },
    ]);
  });

  test('the first piece of the answer is timed from the start of its model call, and from the start of the run', async () => {
    const clock = clockwork();
    const streaming: Model = {
      provider: 'scripted',
      id: 'streaming',
      async generate(_, { emit }): Promise<ModelResponse> {
        clock.pass(3);
        emit?.({ type: 'text', text: 'do' });
        clock.pass(8);
        emit?.({ type: 'text', text: 'ne' });
        return { content: [{ type: 'text', text: 'done' }], stop: 'end', usage: { input: 1, output: 1 } };
      },
    };
    const { runs } = await benchmark({ ...oneCall(), model: streaming, runs: 1 });
    expect(runs).toMatchObject([{ firstTokenMs: 3, modelMs: 11, steps: [{ firstTokenMs: 3, thinkMs: 11 }] }]);
  });

  test('the first pieces of two calls of one sub-agent are told apart', async () => {
    const clock = clockwork();
    let asked = 0;
    const both = deferred();
    const streaming: Model = {
      provider: 'scripted',
      id: 'streaming',
      async generate(_, { emit }): Promise<ModelResponse> {
        const second = ++asked === 2;
        clock.pass(second ? 50 : 3);
        emit?.({ type: 'text', text: 'done' });
        if (second) both.resolve();
        await both.promise;
        return { content: [{ type: 'text', text: 'done' }], stop: 'end', usage: { input: 1, output: 1 } };
      },
    };
    const inner = agent({ name: 'inner', description: '', instructions: '', model: streaming });
    const outer = (model: Model) => agent({ name: 'outer', instructions: '', model, agents: [inner] });
    const model = () => scripted([asks(['inner', { task: 'a' }], ['inner', { task: 'b' }]), 'done']);
    const { runs } = await benchmark({ ...oneCall(), agent: outer, model, runs: 1, warmUp: 0 });
    const first = runs[0]?.steps.filter(({ agent }) => agent === 'inner').map(({ firstTokenMs }) => firstTokenMs);
    expect(first?.sort()).toEqual([3, 50]);
  });

  test('the time until an approval is answered is not counted', async () => {
    const clock = clockwork();
    const pay = tool({ name: 'pay', description: '', input: anything, approval: true, execute: () => clock.pass(4) });
    const { runs } = await benchmark({
      ...oneCall(),
      agent: (model) => agent({ name: 'a', instructions: '', model, tools: [pay] }),
      model: () => taking(clock, 5, [asks(['pay', {}]), 'done']),
      scenarios: [
        {
          name: 'go',
          input: 'go',
          decide: (approval) => {
            clock.pass(60_000);
            return approve(approval);
          },
        },
      ],
      runs: 1,
    });
    expect(runs).toMatchObject([{ ok: true, ms: 14, modelMs: 10, callMs: 4, engineMs: 0, steps: [{ actMs: 4 }, { actMs: 0 }] }]);
  });
});

describe('what fails', () => {
  test('runs that fail are reported and kept out of the percentiles', async () => {
    let n = 0;
    const report = await benchmark({
      ...oneCall(),
      model: () => (n++ % 2 === 0 ? scripted(['done']) : scripted([{ error: 'REFUSED' }])),
      runs: 4,
      warmUp: 0,
    });
    expect(summarised(report)).toMatchObject([
      {
        runs: 4,
        passed: 2,
        failures: { REFUSED: 2 },
        passRate: { value: 0.5 },
        run: { ms: { n: 2 } },
        passAt: { 2: { value: 1 - 1 / 6 } },
      },
    ]);
  });

  test('a run whose approval has no answer fails, and says what to do', async () => {
    const pay = tool({ name: 'pay', description: '', input: anything, approval: true, execute: () => 1 });
    const { runs } = await benchmark({
      ...oneCall(),
      agent: (model) => agent({ name: 'a', instructions: '', model, tools: [pay] }),
      model: () => scripted([asks(['pay', {}]), 'done']),
      runs: 1,
    });
    expect(runs).toMatchObject([{ ok: false, status: 'paused', error: { code: 'PAUSED', message: expect.stringContaining('decide') } }]);
  });

  test('a check that throws, or returns rubbish, passes nothing and says so', async () => {
    const report = await benchmark({
      ...oneCall(),
      runs: 1,
      checks: [
        function throws() {
          throw new Error('no such field');
        },
        { name: 'rubbish', grade: () => ({ pass: 'yes' }) as never },
        ({ output }) => output === 'done',
      ],
    });
    expect(report.runs[0]).toMatchObject({
      ok: false,
      checks: [
        { name: 'throws', pass: false, failed: true, reason: 'The check failed: no such field' },
        { name: 'rubbish', pass: false, failed: true },
        { name: 'check 3', pass: true, score: 1, costUsd: 0 },
      ],
    });
    expect(summarised(report)[0]).toMatchObject({ failures: { throws: 1, rubbish: 1 } });
  });

  test('an engine that ignores its options is refused', async () => {
    const refusal = benchmark({ ...oneCall(), engine: () => new Engine() });
    await expect(refusal).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('new Engine({ ...o') });
  });

  test.each<[string, (b: Benchmark) => unknown, string]>([
    ['no scenarios', (b) => ({ ...b, scenarios: [] }), 'has no scenarios'],
    ['an unknown option', (b) => ({ ...b, rounds: 3 }), 'has no option "rounds"'],
    ['a misspelt option', (b) => ({ ...b, warmup: 3 }), 'Did you mean "warmUp"'],
    ['two scenarios of one name', (b) => ({ ...b, scenarios: [...b.scenarios, ...b.scenarios] }), 'two scenarios named "go"'],
    ['no agent', (b) => ({ ...b, agent: undefined }), 'has no agent'],
    ['something else than an agent', (b) => ({ ...b, agent: {} }), 'not an agent'],
    ['half a run', (b) => ({ ...b, runs: 0.5 }), 'runs is 0.5'],
    ['a budget of nothing', (b) => ({ ...b, budget: 0 }), 'the budget is 0'],
    ['a budget smaller than one run', (b) => ({ ...b, budget: 0.1, limits: { costUsd: 0.2 } }), 'smaller than one run'],
    [
      'a model that would not be asked',
      (b) => ({ ...b, agent: agent({ name: 'a', instructions: '', model: scripted([]) }) }),
      'would not be asked',
    ],
    ['no model', (b) => ({ ...b, model: undefined }), 'scenario "go" has none'],
    ['an unknown limit', (b) => ({ ...b, limits: { dollars: 1 } }), 'no limit "dollars"'],
    ['nothing', () => undefined, 'takes its options as an object'],
  ])('%s is refused before anything runs', async (_, change, why) => {
    await expect(benchmark(change(oneCall()) as Benchmark)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(why),
    });
  });
});

describe('variants', () => {
  test('are interleaved in every round, in turning order', async () => {
    const order: string[] = [];
    const named = (name: string) => ({
      model: () => {
        order.push(name);
        return scripted(['done']);
      },
    });
    const report = await benchmark({ ...oneCall(), variants: { a: named('a'), b: named('b') }, runs: 2, warmUp: 1 });
    expect(order).toEqual(['b', 'a', 'a', 'b', 'b', 'a']);
    expect(report.runs.map(({ variant, run }) => `${variant}${run}`)).toEqual(['a1', 'b1', 'b2', 'a2']);
  });
});

describe('dollars', () => {
  const PRICES = { 'scripted/*': { input: 1, output: 10, cacheRead: 0.1, cacheWrite: 2, source: 'test', date: '2026-11-29' } };
  const priced: Benchmark['engine'] = (o) => new Engine({ ...o, prices: PRICES });

  test('tokens and dollars of three transcripts are those of a hand computation', async () => {
    const usages = [
      // 1000 * 1 + 200 * 10 = 3,000 a million
      [{ input: 1_000, output: 200 }, 0.003],
      // 100 * 1 + 900 * 0.1 + 50 * 2 + 20 * 10 = 490
      [{ input: 100, output: 20, cacheRead: 900, cacheWrite: 50 }, 0.00049],
      // 10 * 1 + 300 * 10 (of which 250 reasoning) = 3,010
      [{ input: 10, output: 300, reasoning: 250 }, 0.00301],
    ] as const;
    const report = await benchmark({
      ...oneCall(),
      engine: priced,
      model: undefined as never,
      scenarios: usages.map(([usage], i) => ({
        name: `${i}`,
        input: 'go',
        model: () =>
          scripted([
            { ...(asks(['echo', { n: 1 }]) as object), usage },
            { text: 'done', usage },
          ]),
      })),
      runs: 2,
      warmUp: 0,
    });
    for (const [i, [usage, usd]] of usages.entries()) {
      const run = report.runs.find(({ scenario }) => scenario === `${i}`);
      expect(run?.usage).toEqual(Object.fromEntries(Object.entries(usage).map(([name, tokens]) => [name, 2 * tokens])));
      expect(run?.costUsd).toBe(2 * usd);
      expect(run?.steps.map(({ costUsd }) => costUsd)).toEqual([usd, usd]);
    }
    expect(report.spentUsd).toBe(0.026);
    expect(summarised(report)[0]?.models).toMatchObject([
      { name: 'scripted/script', count: 12, costUsd: 0.026, inputTokens: 4_440, cachedTokens: 3_600 },
    ]);
  });

  test('the share of the prefix is shown beside the highest possible, and what was read from a cache', async () => {
    const usages = [
      { input: 1_000, output: 10 },
      { input: 200, output: 10, cacheRead: 1_000 },
      { input: 1_400, output: 10 },
    ];
    const report = await benchmark({
      ...oneCall(),
      // the second request moves the whole prefix
      agent: (model) => {
        let n = 0;
        return agent({ name: 'a', instructions: () => (++n === 3 ? 'Other.' : 'Same.'), model, tools: [echo()] });
      },
      model: () => scripted(usages.map((usage, i) => ({ ...(i < 2 ? (asks(['echo', { n: 1 }]) as object) : { text: 'done' }), usage }))),
      runs: 1,
      warmUp: 0,
    });
    const [run] = report.runs;
    expect(run?.prefix).toMatchObject({ input: 3_600, highest: 2_200, read: 1_000, unmetered: 0 });
    // the tools come before the instructions, and are a small part of the third request's prefix
    expect(run?.prefix.prefix).toBeGreaterThanOrEqual(1_000);
    expect(run?.prefix.prefix).toBeLessThan(2_200);
    expect(summarised(report)[0]?.prefix).toMatchObject({ highest: 2_200 / 3_600, read: 1_000 / 3_600 });
  });

  test('what tools cost themselves, and what their caches save, is in the report', async () => {
    const search = tool({
      name: 'search',
      description: '',
      input: anything,
      effect: 'read',
      cost: 0.01,
      cache: { ttl: 60_000 },
      execute: () => 'found',
    });
    const report = await benchmark({
      ...oneCall(),
      agent: (model) => agent({ name: 'a', instructions: '', model, tools: [search] }),
      model: () => scripted([asks(['search', { q: 1 }]), asks(['search', { q: 1 }]), 'done']),
      runs: 1,
      warmUp: 0,
    });
    expect(report.runs[0]?.calls).toMatchObject([{ costUsd: 0.01 }, { costUsd: 0, cached: true }]);
    expect(report.runs[0]?.costUsd).toBe(0.01);
    expect(summarised(report)[0]?.tools).toMatchObject([{ name: 'search', count: 2, costUsd: 0.01, cache: { hits: 1, savedUsd: 0.01 } }]);
  });

  test('a model without a price has an unknown cost, and never 0', async () => {
    const unpriced = () => ({ ...scripted(['done']), provider: 'acme', id: 'new' });
    const report = await benchmark({ ...oneCall(), model: unpriced, runs: 1 });
    expect(report.runs).toMatchObject([{ ok: true, costUsd: null, steps: [{ costUsd: null }] }]);
    expect(summarised(report)[0]?.run.costUsd).toBeUndefined();
    expect(summarised(report)[0]?.models).toMatchObject([{ costUsd: null }]);
  });

  // holds purse.I1
  test('what is spent and reserved never exceeds the budget, and the runs that it does not pay are missing', async () => {
    let running = 0;
    let most = 0;
    let asked = 0;
    const model: Model = {
      provider: 'scripted',
      id: 'script',
      maxOutput: 100,
      async generate() {
        asked++;
        most = Math.max(most, ++running);
        await new Promise((resolve) => setTimeout(resolve, 1));
        running--;
        return { content: [{ type: 'text', text: 'done' }], stop: 'end', usage: { input: 0, output: 100 } };
      },
    };
    // each answer costs 0.001, and each run may cost 0.0025; of ten runs at once, the budget lets two run
    const report = await benchmark({
      ...oneCall(),
      engine: priced,
      model,
      runs: 20,
      warmUp: 0,
      concurrency: 10,
      limits: { costUsd: 0.0025 },
      budget: 0.0055,
    });
    expect(most).toBe(2);
    // after three, 0.0025 are left: a fourth fits, and a fifth does not
    expect(asked).toBe(4);
    expect(report).toMatchObject({ incomplete: 'budget', spentUsd: 0.004, runs: { length: 4 } });
  });

  test('without a limit a run gets a share of what is left, and a run that this share stops is not counted', async () => {
    const model = () => scripted([{ text: 'done', usage: { input: 0, output: 100 } }], { maxOutput: 100 });
    const report = await benchmark({ ...oneCall(), engine: priced, model, runs: 20, warmUp: 0, budget: 0.0041 });
    expect(report.incomplete).toBe('budget');
    expect(report.spentUsd).toBeLessThanOrEqual(0.0041);
    expect(report.runs.length).toBeGreaterThan(0);
    expect(report.runs.every(({ ok }) => ok)).toBe(true);
  });

  test('a budget does not raise the dollar limit of the agent or of its engine, and such a limit is not the end of the budget', async () => {
    const step = { ...(asks(['echo', { n: 1 }]) as object), usage: { input: 0, output: 1_000 } };
    const model = () => scripted(() => step, { maxOutput: 1_000 });
    const limited = (m: Model) => agent({ name: 'a', instructions: '', model: m, tools: [echo()], limits: { costUsd: 0.025 } });
    const byEngine: Benchmark['engine'] = (e) => new Engine({ ...e, prices: PRICES, limits: { costUsd: 0.015 } });
    const stopped = (usd: number) => ({ spentUsd: usd, runs: [{ ok: false, costUsd: usd, error: { code: 'LIMIT_REACHED' } }] });
    for (const budget of [undefined, 5]) {
      const o: Benchmark = { ...oneCall(), engine: priced, model, runs: 1, warmUp: 0, ...(budget && { budget }) };
      const reports = [await benchmark({ ...o, agent: limited }), await benchmark({ ...o, engine: byEngine })];
      expect(reports).toMatchObject([stopped(0.02), stopped(0.01)]);
      expect(reports.map(({ incomplete }) => incomplete)).toEqual([undefined, undefined]);
    }
  });

  test('a judge that cannot even be asked costs nothing', async () => {
    const unpriced = { ...scripted(['{}']), provider: 'acme', id: 'new' };
    const model = () => scripted([{ text: 'done', usage: { input: 0, output: 100 } }], { maxOutput: 100 });
    const checks = [rubric({ model: unpriced, criteria: ['it is right'] })];
    const report = await benchmark({ ...oneCall(), engine: priced, model, runs: 2, warmUp: 0, checks, budget: 5 });
    expect(report).toMatchObject({ spentUsd: 0.002, runs: [{ checks: [{ failed: true }] }, { checks: [{ failed: true }] }] });
  });

  test('runs at the same time share what is left equally, so that each can run', async () => {
    const model = () => scripted([{ text: 'done', usage: { input: 0, output: 100 } }], { maxOutput: 100 });
    // one run costs 0.001 and needs a little more; eight at a time have 0.00125 each
    const report = await benchmark({ ...oneCall(), engine: priced, model, runs: 8, warmUp: 0, concurrency: 8, budget: 0.01 });
    expect(report.incomplete).toBeUndefined();
    expect(report.runs).toHaveLength(8);
  });

  test('a judge is paid from the budget, and not asked once it is used up', async () => {
    const asked: (number | undefined)[] = [];
    const judge = {
      name: 'judge',
      asks: true as const,
      grade: (_: unknown, { costUsd = 0 }: { costUsd?: number }) => {
        asked.push(costUsd);
        return { pass: true, costUsd: Math.min(costUsd, 0.002) };
      },
    };
    const model = () => scripted([{ text: 'done', usage: { input: 0, output: 100 } }], { maxOutput: 100 });
    const limits = { costUsd: 0.0015 };
    const report = await benchmark({
      ...oneCall(),
      engine: priced,
      model,
      runs: 2,
      warmUp: 0,
      checks: [judge, judge],
      limits,
      budget: 0.0035,
    });
    expect(asked).toEqual([0.0025, 0.0005]);
    expect(report).toMatchObject({ incomplete: 'budget', spentUsd: 0.0035, runs: { length: 1 } });
  });

  test('a judge that the budget does not pay any more fails its check, and is not asked', async () => {
    const judge = { name: 'judge', asks: true as const, grade: () => ({ pass: true }) };
    const model = () => scripted([{ text: 'done', usage: { input: 0, output: 150 } }], { maxOutput: 100 });
    const report = await benchmark({
      ...oneCall(),
      engine: priced,
      model,
      runs: 1,
      warmUp: 0,
      checks: [judge],
      limits: { costUsd: 0.0015 },
      budget: 0.0015,
    });
    expect(report).toMatchObject({
      spentUsd: 0.0015,
      runs: [{ ok: false, checks: [{ failed: true, reason: expect.stringContaining('budget') }] }],
    });
  });
});

test('a cancelled benchmark keeps what was measured', async () => {
  const stop = new AbortController();
  const report = await benchmark(
    { ...oneCall(), runs: 10, warmUp: 0 },
    { signal: stop.signal, onProgress: ({ done }) => done === 2 && stop.abort() },
  );
  expect(report).toMatchObject({ incomplete: 'cancelled', runs: { length: 2 } });
});
