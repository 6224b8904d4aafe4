import { afterEach, describe, expect, test } from 'vitest';
import { mcpTools } from '../../src/adapters/mcp/index.ts';
import { agent, Engine, type Journal, type Json, type Prices, type Tool, ToolError, type ToolOptions, tool } from '../../src/index.ts';
import { type Scripted, scripted } from '../../src/testing/scripted.ts';
import { all, dies, entriesOf, entryOf, expireLease, journals } from '../kit/journals.ts';
import { anything, asks, ends, refused, shown } from '../kit/runs.ts';
import { deferred, until } from '../kit/time.ts';
import { registerMetrics, registerSpans, unregister } from '../telemetry/sdk.ts';
import { actor } from './setup.ts';

afterEach(unregister);

/** An answer of 1,000 tokens in and 100 out costs 2 cents. */
const prices: Prices = { 'mine/cheap': { input: 10, output: 100, source: 'test', date: '2026-11-29' } };
const usage = { input: 1_000, output: 100 };
const priced = (steps: readonly Scripted[]) =>
  scripted(
    steps.map((step) => ({ ...(typeof step === 'string' ? { text: step } : step), usage })),
    { provider: 'mine', id: 'cheap', maxOutput: 1_000 },
  );

// biome-ignore lint/suspicious/noExplicitAny: tools of any output
type Options = Partial<ToolOptions<string, typeof anything, any, never, any>>;
/** A tool that reads, unless it says otherwise, and whose model costs nothing. */
const paid = (name: string, o: Options): Tool =>
  tool({ name, description: '', input: anything, effect: 'read', retry: { attempts: 3, initialDelay: 0 }, execute: () => name, ...o });
/** Calls one after another, or side by side in one step. */
const calls = (n: number, name = 'search') => JSON.stringify(Array.from({ length: n }, (_, i) => [[name, { i }]]));
const beside = (n: number, name = 'search') => JSON.stringify([Array.from({ length: n }, (_, i) => [name, { i }])]);
const finishedOf = async (journal: Journal, runId: string) =>
  (await entriesOf(journal, runId)).flatMap((e) => (e.type === 'call.finished' ? [e] : []));
/** The dollars of the records of a trace, which are those of the run. */
const traced = async (engine: Engine, runId: string) => {
  let sum = 0;
  for await (const record of engine.exportTrace(runId))
    if (record.type !== 'FINAL_RESPONSE' && 'costUsd' in record) sum += record.costUsd ?? 0;
  return Number(sum.toFixed(9));
};

describe.each(journals)('the cost of a tool, on $name', ({ make }) => {
  test('is counted beside the models, exactly, over a tree of agents', async () => {
    const { journal, another } = make();
    const search = paid('search', { cost: 0.005 });
    const lambda = paid('lambda', {
      execute: ({ ms }: { readonly [k: string]: Json }) => ({ ms }),
      cost: ({ ms }: { ms: number }) => ms * 1e-4,
    });
    const below = agent({
      name: 'below',
      instructions: '',
      tools: [lambda],
      model: priced([asks(['lambda', { ms: 3 }], ['lambda', { ms: 7 }]), 'done']),
    });
    const model = priced([asks(['search', {}], ['below', { task: 'x' }]), 'done']);
    const top = agent({ name: 'top', instructions: '', tools: [search], agents: [below], model });
    const engine = new Engine({ journal, prices });
    const result = await ends(engine.run(top, 'go', { limits: { costUsd: 1 } }), 'completed');
    // two answers of each agent for 2 cents; a search for 0.5 cents; 3 and 7 ms for 0.01 cents each
    expect(result.costUsd).toBe(0.086);
    const { costUsd, tree } = await new Engine({ journal: another(), agents: [top], prices }).inspect(result.runId);
    expect([costUsd, tree.costUsd, tree.agents[0]?.costUsd]).toEqual([0.086, 0.086, 0.041]);
    expect(await traced(engine, result.runId)).toBe(0.086);
  });

  test('counts each attempt that ran, over a crash too', async () => {
    const { journal, another } = make();
    const a = actor([paid('search', { cost: 0.005 })]);
    const run = new Engine({ journal: dies(journal, (e) => e.type === 'call.finished') }).run(a, calls(2));
    await expect(run).rejects.toThrow('gone');
    await expireLease(journal, run.id);
    const engine = new Engine({ journal: another(), agents: [a] });
    // the interrupted one may have run
    expect((await ends(engine.resume(run.id), 'completed')).costUsd).toBe(0.015);
    const again = new Engine({ journal: another(), agents: [a] });
    expect((await again.inspect(run.id)).costUsd).toBe(0.015);
    expect(await traced(again, run.id)).toBe(0.015);
  });

  test('of an attempt that is known not to have run is nothing', async () => {
    const { journal } = make();
    const ends_: (ToolError | string)[] = [
      new ToolError('BUSY', 'no', { retryable: true }),
      new ToolError('THROTTLING', 'no', { retryable: true, outcome: 'not-run' }),
      'found',
      new ToolError('BUSY', 'no', { retryable: true }),
      new ToolError('LATER', 'no', { outcome: 'not-run' }),
      new ToolError('LATER', 'no', { outcome: 'not-run' }),
    ];
    const execute = () => {
      const end = ends_.shift();
      if (typeof end !== 'string') throw end;
      return end;
    };
    const engine = new Engine({ journal });
    const run = engine.run(actor([paid('search', { cost: 0.005, execute })]), calls(3));
    const told = (await all(run)).flatMap((e) => (e.type === 'tool.finished' || e.type === 'attempt.failed' ? [e.costUsd] : []));
    expect(told).toEqual([0.005, undefined, 0.005, 0.005, 0, 0]);
    const { runId, costUsd } = await ends(run, 'completed');
    expect(ends_).toEqual([]);
    expect((await entriesOf(journal, runId)).flatMap((e) => (e.type === 'attempt.failed' ? [e.usd] : []))).toEqual([
      0.005,
      undefined,
      0.005,
    ]);
    expect((await finishedOf(journal, runId)).map(({ usd }) => usd)).toEqual([0.005, 0, 0]);
    expect(costUsd).toBe(0.015);
    expect(await traced(engine, runId)).toBe(0.015);
  });

  test('of an attempt that was cancelled before it began is nothing', async () => {
    const { journal } = make();
    const execute = () => {
      throw new ToolError('BUSY', 'come again in a minute', { retryAfter: 50_000 });
    };
    const engine = new Engine({ journal });
    const run = engine.run(actor([paid('search', { cost: 0.005, execute })]), calls(1));
    await entryOf(journal, run.id, 'attempt.failed');
    await engine.cancel(run.id);
    expect((await ends(run, 'cancelled')).costUsd).toBe(0.005);
    expect(await finishedOf(journal, run.id)).toMatchObject([{ error: { code: 'CANCELLED' }, usd: 0 }]);
  });

  test('counts what is unknown, until it is known that it did not run', async () => {
    const { journal, another } = make();
    const a = actor([paid('pay', { effect: 'once', cost: 2 })]);
    const run = new Engine({ journal: dies(journal, (e) => e.type === 'call.finished') }).run(a, calls(1, 'pay'));
    await expect(run).rejects.toThrow('gone');
    await expireLease(journal, run.id);
    const engine = new Engine({ journal: another(), agents: [a] });
    expect((await ends(engine.resume(run.id), 'completed')).costUsd).toBe(2);
    const [unknown] = (await engine.inspect(run.id)).unknowns;
    await engine.settle(run.id, unknown?.callId ?? '', { outcome: 'not-run', by: { id: 'ben' } });
    expect((await engine.inspect(run.id)).costUsd).toBe(0);
  });

  test('a check that finds the result out tells its cost', async () => {
    const { journal, another } = make();
    const check = () => ({ outcome: 'done' as const, output: { ms: 30 } });
    const a = actor([paid('pay', { effect: 'once', execute: () => ({ ms: 1 }), check, cost: ({ ms }: { ms: number }) => ms })]);
    const run = new Engine({ journal: dies(journal, (e) => e.type === 'call.finished') }).run(a, calls(1, 'pay'));
    await expect(run).rejects.toThrow('gone');
    await expireLease(journal, run.id);
    expect((await ends(new Engine({ journal: another(), agents: [a] }).resume(run.id), 'completed')).costUsd).toBe(30);
  });

  test('of what was done before, and of a copy in a fork, is nothing', async () => {
    const { journal } = make();
    const a = actor([paid('pay', { effect: 'once', key: () => 'one', cost: 0.5 })]);
    const engine = new Engine({ journal, agents: [a] });
    const { runId, costUsd } = await ends(engine.run(a, calls(2, 'pay')), 'completed');
    expect(costUsd).toBe(0.5);
    const last = (await entriesOf(journal, runId)).findLast((e) => e.type === 'call.finished');
    expect((await ends(engine.fork(runId, { at: last?.seq ?? 0 }), 'completed')).costUsd).toBe(0);
  });

  test.each<[string, unknown]>([
    ['negative', () => -1],
    ['NaN', () => Number.NaN],
    ['infinite', () => Number.POSITIVE_INFINITY],
    ['a text', () => '5'],
    ['a promise', async () => 5],
    [
      'thrown',
      () => {
        throw new Error('no bill');
      },
    ],
  ])('that is %s is unknown, and the result stays', async (_, cost) => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const a = actor([paid('search', { cost: cost as never })]);
    const run = engine.run(a, calls(1));
    const told = (await all(run)).flatMap((e) => (e.type === 'tool.finished' ? [e.outcome.ok, e.costError?.code] : []));
    expect(told).toEqual([true, 'COST_INVALID']);
    expect((await ends(run, 'completed')).costUsd).toBeUndefined();
    expect(await finishedOf(journal, run.id)).toMatchObject([{ ok: true, output: 'search', unpriced: { code: 'COST_INVALID' } }]);
    expect(await all(engine.exportTrace(run.id))).toContainEqual(
      expect.objectContaining({ toolName: 'search', costError: 'COST_INVALID' }),
    );
    // an unknown sum keeps no limit, as an unknown price does
    const stopped = await ends(engine.run(a, calls(1), { limits: { costUsd: 9 } }), 'stopped');
    expect(stopped.limit).toEqual({ name: 'costUsd', max: 9, used: null });
  });

  test('what the function does to the output changes no result', async () => {
    const { journal } = make();
    const cost = (output: { n: number }) => {
      output.n = 9;
      return 1;
    };
    const run = new Engine({ journal }).run(actor([paid('search', { execute: () => ({ n: 1 }), cost })]), calls(1));
    expect((await ends(run, 'completed')).costUsd).toBe(1);
    expect(await finishedOf(journal, run.id)).toMatchObject([{ output: { n: 1 }, usd: 1 }]);
  });

  test('of a late result counts once it comes', async () => {
    const { journal } = make();
    const late = deferred<{ ms: number }>();
    const slow = paid('slow', { timeout: 5, retry: { attempts: 1 }, execute: () => late.promise, cost: ({ ms }: { ms: number }) => ms });
    const settled: (runId: string) => Promise<unknown> = (runId) =>
      until(async () => (await entriesOf(journal, runId)).some((e) => e.type === 'outcome.settled'));
    let id = '';
    const model = scripted(async (_, n) => {
      if (n === 0) return asks(['slow', {}]);
      late.resolve({ ms: 7 });
      await settled(id);
      return 'done';
    });
    const engine = new Engine({ journal });
    const run = engine.run(agent({ name: 'a', instructions: '', model, tools: [slow] }), 'go');
    id = run.id;
    expect((await ends(run, 'completed')).costUsd).toBe(7);
    expect(await traced(engine, run.id)).toBe(7);
  });

  test('a wrapper pays for each call of next, and for none that it does not make', async () => {
    const { journal } = make();
    let times = 2;
    const use = [
      {
        tool: async (_: unknown, next: () => Promise<unknown>) => {
          for (let i = 1; i < times; i++) await next();
          return times === 0 ? { ok: true as const, output: 'mine' } : next();
        },
      },
    ];
    const a = (cost: Options['cost']) =>
      agent({
        name: 'a',
        instructions: '',
        model: scripted([asks(['search', {}]), 'done']),
        tools: [paid('search', { cost: cost as never })],
        use: use as never,
      });
    const engine = new Engine({ journal });
    expect((await ends(engine.run(a(0.5), 'go'), 'completed')).costUsd).toBe(1);
    expect(
      (
        await ends(
          engine.run(
            a(() => 0.25),
            'go',
          ),
          'completed',
        )
      ).costUsd,
    ).toBe(0.5);
    times = 0;
    expect((await ends(engine.run(a(0.5), 'go'), 'completed')).costUsd).toBe(0);
  });

  test.each<[string, Options['cost']]>([
    ['a number', 0.5],
    ['a function', () => 0.5],
  ])('that is %s counts where a wrapper answers while the call still runs', async (_, cost) => {
    const { journal } = make();
    const go = deferred<string>();
    const hasty = async (_call: unknown, next: () => Promise<unknown>) => {
      void next();
      return { ok: true as const, output: 'early' };
    };
    let id = '';
    const model = scripted(async (__, n) => {
      if (n === 0) return asks(['search', {}]);
      go.resolve('late');
      await until(async () => (await entriesOf(journal, id)).some((e) => e.type === 'outcome.settled'));
      return 'done';
    });
    const tools = [paid('search', { cost: cost as never, execute: () => go.promise })];
    const run = new Engine({ journal }).run(agent({ name: 'a', instructions: '', model, tools, use: [{ tool: hasty as never }] }), 'go');
    id = run.id;
    expect((await ends(run, 'completed')).costUsd).toBe(0.5);
  });

  test('counts nothing for a call that only finds out what an earlier one did', async () => {
    const { journal } = make();
    const o: Options = { effect: 'once', key: () => 'one', cost: 0.5, retry: { attempts: 1 } };
    const fails = () => {
      throw new Error('socket hang up');
    };
    const engine = new Engine({ journal });
    expect((await ends(engine.run(actor([paid('pay', { ...o, execute: fails })]), calls(1, 'pay')), 'completed')).costUsd).toBe(0.5);
    for (const found of [{ outcome: 'unknown' as const }, { outcome: 'done' as const, output: 'paid' }]) {
      const a = actor([paid('pay', { ...o, execute: fails, check: () => found })]);
      expect((await ends(engine.run(a, calls(1, 'pay')), 'completed')).costUsd).toBe(0);
    }
  });
});

describe.each(journals)('a dollar limit and the cost of tools, on $name', ({ make }) => {
  test('stops before the call that would cross it is started, exactly, and goes on with a higher one', async () => {
    const { journal, another } = make();
    const a = actor([paid('search', { cost: 0.1 })]);
    const run = new Engine({ journal }).run(a, beside(4), { limits: { costUsd: 0.3 } });
    const stopped = await ends(run, 'stopped');
    expect(stopped.limit).toEqual({ name: 'costUsd', max: 0.3, used: 0.3, needed: 0.1 });
    expect(await finishedOf(journal, run.id)).toHaveLength(3);
    const engine = new Engine({ journal: another(), agents: [a] });
    expect((await ends(engine.resume(run.id, { limits: { costUsd: 0.4 } }), 'completed')).costUsd).toBe(0.4);
  });

  test('lets a call begin whose cost is known only afterwards, unless it is reached', async () => {
    const { journal } = make();
    const a = actor([paid('search', { cost: () => 0.6 })]);
    const run = new Engine({ journal }).run(a, calls(3), { limits: { costUsd: 1 } });
    expect((await ends(run, 'stopped')).limit).toMatchObject({ name: 'costUsd', max: 1, used: 1.2 });
    expect(await finishedOf(journal, run.id)).toHaveLength(2);
    const exact = new Engine({ journal }).run(actor([paid('search', { cost: () => 1 })]), beside(1), { limits: { costUsd: 1 } });
    expect((await ends(exact, 'completed')).costUsd).toBe(1);
  });

  test('allows no further attempt that would cross it', async () => {
    const { journal } = make();
    let ran = 0;
    const execute = () => {
      ran++;
      throw new ToolError('BUSY', 'come again', { retryable: true });
    };
    const model = scripted([asks(['search', {}]), 'done']);
    const a = agent({ name: 'a', instructions: '', model, tools: [paid('search', { cost: 0.1, execute })] });
    const result = await ends(new Engine({ journal }).run(a, 'go', { limits: { costUsd: 0.25 } }), 'completed');
    expect([ran, result.costUsd]).toEqual([2, 0.2]);
    expect(shown(model.requests.at(-1))[0]?.text).toContain('not tried again: it would cross a limit: costUsd 0.25');
  });

  test('is kept by a call that runs again after a crash', async () => {
    const { journal, another } = make();
    let ran = 0;
    const a = actor([paid('search', { cost: 0.1, execute: () => ++ran })]);
    const limits = { costUsd: 0.1 };
    const run = new Engine({ journal: dies(journal, (e) => e.type === 'call.finished') }).run(a, calls(1), { limits });
    await expect(run).rejects.toThrow('gone');
    await expireLease(journal, run.id);
    const engine = new Engine({ journal: another(), agents: [a] });
    expect((await ends(engine.resume(run.id), 'stopped')).limit).toMatchObject({ name: 'costUsd', used: 0.1, needed: 0.1 });
    expect(ran).toBe(1);
    expect((await ends(engine.resume(run.id, { limits: { costUsd: 0.2 } }), 'completed')).costUsd).toBe(0.2);
    expect(ran).toBe(2);
  });

  test('holds for agents side by side', async () => {
    const { journal } = make();
    let ran = 0;
    const search = paid('search', { cost: 0.1, execute: () => ++ran });
    const one = (name: string) =>
      agent({ name, instructions: '', tools: [search], model: scripted([asks(['search', {}], ['search', {}]), 'done']) });
    const model = scripted([asks(['a', { task: '' }], ['b', { task: '' }]), 'done']);
    const top = agent({ name: 'top', instructions: '', agents: [one('a'), one('b')], model });
    const stopped = await ends(new Engine({ journal }).run(top, 'go', { limits: { costUsd: 0.35 } }), 'stopped');
    expect([ran, stopped.costUsd]).toEqual([3, 0.3]);
  });

  test('waits for a model call that may leave room', async () => {
    const { journal } = make();
    const begun = deferred();
    const go = deferred();
    const thinks = scripted(
      async () => {
        begun.resolve();
        await go.promise;
        return { text: 'done', usage };
      },
      { provider: 'mine', id: 'cheap', maxOutput: 1_000 },
    );
    const looks = scripted(async (_, n) => {
      if (n > 0) return 'done';
      await begun.promise;
      // its call is looked at while the other agent's model, which reserves 10 cents, answers
      setTimeout(go.resolve, 20);
      return asks(['search', {}]);
    });
    const thinker = agent({ name: 'thinker', instructions: '', model: thinks });
    const looker = agent({ name: 'looker', instructions: '', model: looks, tools: [paid('search', { cost: 0.08 })] });
    const model = scripted([asks(['thinker', { task: '' }], ['looker', { task: '' }]), 'done']);
    const top = agent({ name: 'top', instructions: '', agents: [thinker, looker], model });
    const run = new Engine({ journal, prices }).run(top, 'go', { limits: { costUsd: 0.15 } });
    expect((await ends(run, 'completed')).costUsd).toBe(0.1);
  });
});

test.each([-1, Number.NaN, Number.POSITIVE_INFINITY, 2e9, '5', null])('a cost that is %s is refused where it is declared', async (cost) => {
  await refused('CONFIG_INVALID', () => paid('search', { cost: cost as never }));
  await refused('CONFIG_INVALID', () => mcpTools({ command: 'x', intents: { search: { cost: cost as never } } }));
});

test('spans and metrics have what all attempts of a call cost', async () => {
  const { named } = registerSpans();
  const { collect } = registerMetrics();
  let ran = 0;
  const execute = () => {
    if (++ran === 1) throw new ToolError('BUSY', 'no', { retryable: true });
    return 'found';
  };
  const engine = new Engine();
  await ends(engine.run(actor([paid('search', { cost: 0.25, execute })]), calls(1)), 'completed');
  expect(named('execute_tool search').attributes).toMatchObject({ 'rondo.cost.usd': 0.5 });
  expect(named('invoke_agent actor').attributes).toMatchObject({ 'rondo.cost.usd': 0.5 });
  const points = (await collect()).get('rondo.cost.usd');
  expect(points?.filter(({ attributes }) => attributes['gen_ai.tool.name'] === 'search')).toMatchObject([{ value: 0.5 }]);
  await engine.close();
});
