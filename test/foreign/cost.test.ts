import { describe, expect, test } from 'vitest';
import { agent, Engine, foreignAgent, type Limits, type Prices, ToolError, type TurnResult } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { entryOf, expireLease, journals } from '../kit/journals.ts';
import { asks, ends } from '../kit/runs.ts';
import { deferred, settle, until } from '../kit/time.ts';

const prices: Prices = { 'mine/free': { input: 0, output: 0, source: 'test', date: '2026-11-21' } };
const done = (spent: object = {}) => ({ status: 'completed', output: 'x', ...spent }) as TurnResult<string>;
const dear = { usage: { input: 100, output: 100 }, costUsd: 10 };

/** An agent whose turns end when they are told to, below one that asks it again and again. */
function slow(o: { effect?: 'once' | 'idempotent' | 'read'; attempts?: number; timeout?: number; turns?: number; limits?: Limits } = {}) {
  const { effect = 'idempotent', attempts = 1, timeout = 20, turns = 5, limits = {} } = o;
  const begun: ReturnType<typeof deferred<TurnResult<string>>>[] = [];
  const alien = foreignAgent({
    name: 'alien',
    effect,
    timeout,
    retry: { attempts, initialDelay: 0 },
    turn() {
      const turn = deferred<TurnResult<string>>();
      begun.push(turn);
      return turn.promise;
    },
  });
  const model = scripted(
    ({ messages }) => {
      const n = messages.filter(({ role }) => role === 'assistant').length;
      return n < turns ? asks(['alien', { task: `${n}` }]) : 'done';
    },
    { provider: 'mine', id: 'free', maxOutput: 1 },
  );
  return { begun, model, top: agent({ name: 'top', instructions: '', model, agents: [alien], limits }) };
}

describe.each(journals)('a turn that was given up, on $name', ({ make }) => {
  test.each(['once', 'idempotent', 'read'] as const)(
    '(%s) stops a run with a dollar limit, which goes on once it is known',
    async (effect) => {
      const { journal } = make();
      const { begun, top } = slow({ effect, turns: 3 });
      const engine = new Engine({ journal, prices });
      const limits = { costUsd: 25 };
      const run = engine.run(top, 'go', { limits });
      const stopped = await ends(run, 'stopped');
      expect(stopped.limit).toMatchObject({ name: 'costUsd', max: 25, used: null });
      expect(stopped).not.toHaveProperty('costUsd', 0);
      for (const cost of [10, 20]) {
        begun.at(-1)?.resolve(done(dear));
        await until(async () => (await engine.inspect(run.id)).costUsd === cost);
        expect(await ends(engine.resume(run.id, { limits }), 'stopped')).toMatchObject({ limit: { name: 'costUsd', used: null } });
      }
      begun.at(-1)?.resolve(done(dear));
      await until(async () => (await engine.inspect(run.id)).costUsd === 30);
      expect(await ends(engine.resume(run.id, { limits }), 'stopped')).toMatchObject({ limit: { used: 30 }, costUsd: 30 });
      expect(begun).toHaveLength(3);
    },
  );

  test('stops a run with a limit of tokens too, and its tokens count', async () => {
    const { journal } = make();
    const { begun, top } = slow({ turns: 1 });
    const engine = new Engine({ journal, prices });
    const run = engine.run(top, 'go', { limits: { tokens: 1e6 } });
    expect(await ends(run, 'stopped')).toMatchObject({ limit: { name: 'tokens', used: null } });
    begun[0]?.resolve(done({ usage: { input: 7_000, output: 300 } }));
    await entryOf(journal, run.id, 'outcome.settled');
    expect((await ends(engine.resume(run.id, { limits: { tokens: 1e6 } }), 'completed')).usage).toMatchObject({
      input: expect.any(Number),
    });
    const { usage } = await engine.inspect(run.id);
    expect(usage.input).toBeGreaterThanOrEqual(7_000);
    expect(usage.output).toBeGreaterThanOrEqual(300);
  });

  test('without a limit leaves the cost of the run unknown, never 0, until it has ended', async () => {
    const { journal } = make();
    const { begun, top } = slow({ turns: 1 });
    const engine = new Engine({ journal, prices });
    const { runId, costUsd } = await ends(engine.run(top, 'go'), 'completed');
    expect(costUsd).toBeUndefined();
    begun[0]?.resolve(done({ costUsd: 3 }));
    await until(async () => (await engine.inspect(runId)).costUsd === 3);
  });

  test.each<[string, (turn: ReturnType<typeof slow>['begun'][0]) => void]>([
    ['and used more than it says', (turn) => turn.resolve(done({ usage: dear.usage, unmetered: true }))],
    ['and fails in the end', (turn) => turn.reject(new ToolError('LATE', 'late'))],
  ])('%s: what it used stays unknown', async (_, end) => {
    const { journal } = make();
    const { begun, top } = slow({ turns: 1 });
    const engine = new Engine({ journal, prices });
    const { runId } = await ends(engine.run(top, 'go'), 'completed');
    end(begun[0] as ReturnType<typeof slow>['begun'][0]);
    await entryOf(journal, runId, 'outcome.settled');
    expect((await engine.inspect(runId)).costUsd).toBeUndefined();
  });

  test('before another attempt counts beside that one', async () => {
    const { journal } = make();
    const { begun, top } = slow({ attempts: 2, turns: 1, timeout: 50 });
    const engine = new Engine({ journal, prices });
    const run = engine.run(top, 'go');
    await until(() => begun.length === 2);
    begun[1]?.resolve(done(dear));
    await ends(run, 'completed');
    begun[0]?.resolve(done({ costUsd: 5 }));
    await until(async () => (await engine.inspect(run.id)).costUsd === 15);
  });

  test('by a crash is never told of: a run with a limit of dollars goes on, by what the next attempt says', async () => {
    for (const effect of ['once', 'idempotent'] as const) {
      const { journal, another } = make();
      const first = slow({ effect, turns: 1, timeout: 1e9 });
      const run = new Engine({ journal, prices }).run(first.top, 'go');
      await until(() => first.begun.length === 1);
      await settle();
      await expireLease(journal, run.id);
      const next = slow({ effect, turns: 1, timeout: 1e9 });
      const engine = new Engine({ journal: another(), prices, agents: [next.top] });
      const resumed = engine.resume(run.id, { limits: { costUsd: 100 } });
      if (effect === 'idempotent') {
        await until(() => next.begun.length === 1);
        next.begun[0]?.resolve(done(dear));
      }
      expect((await ends(resumed, 'completed')).costUsd).toBe(effect === 'once' ? 0 : 10);
    }
  });

  test('by cancel() leaves it unknown, and one that says that it did not run does not', async () => {
    const { journal } = make();
    const { begun, top } = slow({ effect: 'once', turns: 1, timeout: 1e9 });
    const engine = new Engine({ journal, prices });
    const run = engine.run(top, 'go');
    await until(() => begun.length === 1);
    await engine.cancel(run.id);
    expect((await ends(run, 'cancelled')).costUsd).toBeUndefined();
    const [unknown] = (await engine.inspect(run.id)).unknowns;
    await engine.settle(run.id, unknown?.callId as string, { outcome: 'not-run', by: { id: 'ben' } });
    expect((await engine.inspect(run.id)).costUsd).toBe(0);
  });
});

test('a turn that fails in time counts nothing, as before', async () => {
  const alien = foreignAgent({ name: 'alien', turn: () => Promise.reject(new Error('no')) });
  expect(await ends(new Engine().run(alien, 'x'), 'failed')).toMatchObject({ costUsd: 0 });
});
