import { describe, expect, test } from 'vitest';
import { agent, Engine, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { all, entriesOf, journals } from '../kit/journals.ts';
import { anything, asks, ends, failure, refused, shown } from '../kit/runs.ts';
import { actor, acts } from './setup.ts';

type Pay = { readonly usd: number; readonly then?: string };
const amount = ({ usd }: Pay) => ({ usd });
const pay = (usd: number, then = 'done') => ['pay', { usd, then }] as const;
const steps = (...calls: ReturnType<typeof pay>[]) => JSON.stringify(calls.map((call) => [call]));
const limits = { amounts: { usd: 10 } };

describe.each(journals)('a limit of amounts, on $name', ({ make }) => {
  test('stops before the call that would cross it is started, exactly, and goes on with a higher one', async () => {
    const { journal, another } = make();
    const a = actor([acts('pay', { amount })]);
    const run = new Engine({ journal }).run(a, steps(pay(9.8), pay(0.1), pay(0.1), pay(0.000001)), { limits });
    const stopped = await ends(run, 'stopped');
    expect(stopped.limit).toEqual({ name: 'amounts', unit: 'usd', max: 10, used: 10, needed: 0.000001 });
    const started = async () => (await entriesOf(journal, run.id)).filter((e) => e.type === 'call.started').length;
    expect(await started()).toBe(3);
    const engine = new Engine({ journal: another(), agents: [a] });
    await ends(engine.resume(run.id, { limits: { amounts: { usd: 10.000001 } } }), 'completed');
    expect(await started()).toBe(4);
  });

  test('is taken without the rounding error of a sum, such as used + needed', async () => {
    const { journal } = make();
    const a = actor([acts('pay', { amount })]);
    const engine = new Engine({ journal, agents: [a] });
    const run = steps(pay(0.1), pay(0.1), pay(0.1), pay(0.1));
    const { runId, limit } = await ends(engine.run(a, run, { limits: { amounts: { usd: 0.25 } } }), 'stopped');
    expect(limit).toMatchObject({ used: 0.2, needed: 0.1 });
    const usd = (limit.used as number) + (limit.needed as number);
    expect(usd).not.toBe(0.3);
    const again = await ends(engine.resume(runId, { limits: { amounts: { usd } } }), 'stopped');
    expect(again.limit).toMatchObject({ max: 0.3, used: 0.3, needed: 0.1 });
    await ends(engine.run(a, steps(pay(1)), { limits: { amounts: { usd: 1.1 * 3 } } }), 'completed');
  });

  test('counts what is unknown, and gives back what is known not to have happened', async () => {
    const { journal } = make();
    const engine = new Engine({ journal, limits });
    const a = actor([acts('pay', { amount })]);
    await ends(engine.run(a, steps(pay(8, 'not-run'), pay(8, 'failed'), pay(8))), 'completed');
    expect(await ends(engine.run(a, steps(pay(8, 'unknown'), pay(8))), 'stopped')).toMatchObject({ limit: { used: 8, needed: 8 } });
  });

  test('gives back what an operator says did not happen', async () => {
    const { journal } = make();
    const a = actor([acts('pay', { amount })]);
    const engine = new Engine({ journal, agents: [a], limits });
    const { runId } = await ends(engine.run(a, steps(pay(8, 'unknown'), pay(8))), 'stopped');
    const { unknowns } = await engine.inspect(runId);
    await engine.settle(runId, unknowns[0]?.callId ?? '', { outcome: 'not-run', by: { id: 'lead' } });
    await ends(engine.resume(runId, { limits: { steps: 60 } }), 'completed');
  });

  test('gives back what an operator says of a call that may run twice', async () => {
    const { journal, another } = make();
    const a = actor([acts('pay', { amount, effect: 'idempotent' })]);
    const engine = new Engine({ journal, agents: [a], limits });
    const { runId } = await ends(engine.run(a, steps(pay(8, 'unknown'), pay(8))), 'stopped');
    const [row] = await all(engine.effects());
    await engine.settle(runId, row?.callId ?? '', { outcome: 'not-run', by: { id: 'lead' } });
    const next = new Engine({ journal: another(), agents: [a], limits });
    await ends(next.resume(runId, { limits: { steps: 60 } }), 'completed');
  });

  test('counts nothing for what was done before', async () => {
    const { journal } = make();
    const engine = new Engine({ journal, limits });
    await ends(engine.run(actor([acts('pay', { amount, key: () => 'one' })]), steps(pay(8), pay(8))), 'completed');
  });

  test('holds for calls that run side by side, and for the whole tree', async () => {
    const { journal } = make();
    let paid = 0;
    const pays = tool({ name: 'pay', description: '', input: anything, amount: () => ({ usd: 6 }), execute: () => ++paid });
    const below = agent({ name: 'below', instructions: '', tools: [pays], model: scripted([asks(['pay', {}], ['pay', {}]), 'done']) });
    await ends(new Engine({ journal }).run(below, 'go', { limits }), 'stopped');
    expect(paid).toBe(1);
    const each = agent({ name: 'each', instructions: '', tools: [pays], model: scripted(() => asks(['pay', {}])) });
    const model = scripted([asks(['each', { task: 'go' }]), 'done']);
    const top = agent({ name: 'top', instructions: '', agents: [each], model });
    expect(await ends(new Engine({ journal }).run(top, 'go', { limits: { amounts: { usd: 13 } } }), 'stopped')).toMatchObject({
      limit: { name: 'amounts', unit: 'usd', used: 12, needed: 6 },
    });
    expect(paid).toBe(3);
  });

  test('of a unit that no tool of the tree may have is refused', async () => {
    const { journal } = make();
    const engine = new Engine({ journal });
    const a = actor([acts('pay', { amount, units: ['usd'] }), acts('act')]);
    await refused('CONFIG_INVALID', engine.run(a, steps(), { limits: { amounts: { eur: 5 } } }));
    await refused('CONFIG_INVALID', engine.run(actor([acts('act')]), steps(), { limits }));
    await ends(engine.run(a, steps(), { limits }), 'completed');
    for (const amounts of [
      { usd: -1 },
      { usd: Number.NaN },
      { USD: 1 },
      { usd: 0.0000001 },
      { usd: 0.3000001 },
      { usd: 9e9 },
      { usd: 2 ** 53 },
      5,
    ])
      await refused('CONFIG_INVALID', () => engine.run(a, steps(), { limits: { amounts } as never }));
  });

  test('is given a number of at most 6 decimals, of a unit of the tool', async () => {
    const odd = [-1, Number.NaN, Number.POSITIVE_INFINITY, 0.0000001, 1.1 * 3, 9e9, 2 ** 53].map(
      (usd): Record<string, number> => ({ usd }),
    );
    for (const wrong of [...odd, { USD: 1 }, { '1st': 1 }, { u: 1, ['u'.repeat(33)]: 1 }]) {
      const { journal } = make();
      const model = scripted([asks(['pay', {}]), 'done']);
      const pays = acts('pay', { amount: () => wrong });
      await ends(new Engine({ journal }).run(agent({ name: 'a', instructions: '', model, tools: [pays] }), 'go'), 'completed');
      expect(failure(shown(model.requests.at(-1))[0])).toMatchObject({
        code: 'AMOUNT_INVALID',
        message: expect.stringContaining('Math.round(n * 1e6) / 1e6'),
        outcome: 'not-run',
      });
    }
    const { journal } = make();
    const most = { usd: 8_999_999_999.5, ['u'.repeat(32)]: 0 };
    await ends(new Engine({ journal }).run(actor([acts('pay', { amount: () => most })]), steps(pay(0))), 'completed');
    expect(await all(new Engine({ journal }).effects())).toMatchObject([{ outcome: 'done', amount: most }]);
    const model = scripted([asks(['pay', {}]), 'done']);
    const pays = acts('pay', { units: ['usd'], amount: () => ({ eur: 1 }) });
    await ends(new Engine({ journal }).run(agent({ name: 'a', instructions: '', model, tools: [pays] }), 'go'), 'completed');
    expect(failure(shown(model.requests.at(-1))[0])).toMatchObject({ code: 'AMOUNT_INVALID' });
  });

  test('is taken from a plain object alone: what another object holds would count for nothing', async () => {
    class Money {
      get usd() {
        return 50;
      }
    }
    const odd = [
      async () => ({ usd: 50 }),
      async () => Promise.reject(new Error('no rate')),
      () => new Map([['usd', 50]]),
      () => new Money(),
    ];
    for (const told of [...odd, () => Object.create({ usd: 50 })]) {
      const { journal } = make();
      const model = scripted([asks(['pay', {}]), 'done']);
      const a = agent({ name: 'a', instructions: '', model, tools: [acts('pay', { amount: told })] });
      const { runId } = await ends(new Engine({ journal }).run(a, 'go', { limits }), 'completed');
      expect(failure(shown(model.requests.at(-1))[0])).toMatchObject({ code: 'AMOUNT_INVALID', outcome: 'not-run' });
      expect((await entriesOf(journal, runId)).filter((e) => e.type === 'call.started')).toEqual([]);
    }
  });

  test('approval rules see amount, key and effect', async () => {
    const { journal } = make();
    const told: object[] = [];
    const approval = (_: unknown, { amount, key, effect }: { amount: unknown; key: unknown; effect: unknown }) => {
      told.push({ amount, key, effect });
      return false;
    };
    await ends(new Engine({ journal }).run(actor([acts('pay', { amount, key: () => 'k', approval })]), steps(pay(1))), 'completed');
    expect(told).toEqual([{ amount: { usd: 1 }, key: 'k', effect: 'once' }]);
  });
});
