import { describe, expect, test } from 'vitest';
import { agent, delegate, Engine, graph, type NodeContext, ToolError } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { working } from '../graph/working.ts';
import { dies, entriesOf, expireLease, journals } from '../kit/journals.ts';
import { asks, ends, shown } from '../kit/runs.ts';
import { listed } from './setup.ts';

const limits = { amounts: { usd: 10 } };

describe.each(journals)('the amount of a durable step, on $name', ({ make }) => {
  test('is in the ledger, and counts in the limits: the step that would cross one is not begun, and the rest is not repeated', async () => {
    const { journal, another } = make();
    const paid: number[] = [];
    const g = working(async ({ durable }) => {
      for (const usd of [6, 4, 0.5]) await durable(`pay-${usd}`, () => paid.push(usd), { amount: { usd } });
      return 'paid';
    });
    const run = new Engine({ journal }).run(g, {}, { limits });
    const stopped = await ends(run, 'stopped');
    expect(stopped.limit).toEqual({ name: 'amounts', unit: 'usd', max: 10, used: 10, needed: 0.5 });
    expect(paid).toEqual([6, 4]);
    const engine = new Engine({ journal: another(), agents: [g] });
    const result = await ends(engine.resume(run.id, { limits: { amounts: { usd: 10.5 } } }), 'completed');
    expect(result.output).toEqual({ said: 'paid' });
    expect(paid).toEqual([6, 4, 0.5]);
    const effects = await listed(engine);
    const told = effects.map(({ tool, kind, amount }) => `${tool} ${kind} ${JSON.stringify(amount)}`);
    expect(told.sort()).toEqual(['pay-0.5 step {"usd":0.5}', 'pay-4 step {"usd":4}', 'pay-6 step {"usd":6}']);
    expect(await engine.effectSums({ tool: 'pay-4' })).toMatchObject([{ done: 1, amounts: { usd: 4 } }]);
  });

  test('stops the run also where the function catches the error, and holds for steps side by side', async () => {
    const { journal } = make();
    const paid: string[] = [];
    const codes: unknown[] = [];
    const g = working(async ({ durable }) => {
      const all = ['a', 'b', 'c'].map((name) => durable(name, () => paid.push(name), { amount: { usd: 4 } }));
      for (const end of await Promise.allSettled(all)) if (end.status === 'rejected') codes.push((end.reason as ToolError).code);
      return 'caught';
    });
    const run = new Engine({ journal }).run(g, {}, { limits });
    expect((await ends(run, 'stopped')).limit).toMatchObject({ name: 'amounts', max: 10, needed: 4 });
    expect([paid, codes]).toEqual([['a', 'b'], ['LIMIT_REACHED']]);
    expect((await entriesOf(journal, run.id)).filter((e) => e.type === 'call.finished' && e.call === '1.0')).toEqual([]);
  });

  test('is given back where the step did not happen, and counts nothing where its key is done', async () => {
    const { journal } = make();
    let tries = 0;
    const work = async ({ durable }: NodeContext) => {
      const fails = () => {
        throw new ToolError('NO', 'refused');
      };
      await durable('refused', fails, { amount: { usd: 9 }, retry: { attempts: 1 } }).catch(() => undefined);
      return durable('pay', () => `paid ${++tries}`, { amount: { usd: 9 }, key: 'one' });
    };
    const engine = new Engine({ journal });
    await ends(engine.run(working(work), {}, { limits }), 'completed');
    expect((await ends(engine.run(working(work), {}, { limits }), 'completed')).output).toEqual({ said: 'paid 1' });
    expect(await engine.effectSums({ tool: 'pay' })).toMatchObject([{ done: 1, amounts: { usd: 9 } }]);
    expect(await engine.effectSums({ tool: 'refused' })).toMatchObject([{ failed: 2, amounts: {} }]);
  });

  test('counts once for a step that a crash interrupted and that runs again', async () => {
    const { journal, another } = make();
    const work = ({ durable }: NodeContext) =>
      durable('pay', () => 'paid', { effect: 'idempotent', amount: { usd: 9 } }).then(async (said) => {
        await durable('tip', () => 'tipped', { amount: { usd: 1 } });
        return said;
      });
    const run = new Engine({ journal: dies(journal, (e) => e.type === 'call.finished') }).run(working(work), {}, { limits });
    await expect(run).rejects.toThrow('gone');
    await expireLease(journal, run.id);
    const engine = new Engine({ journal: another(), agents: [working(work)] });
    await ends(engine.resume(run.id), 'completed');
    expect((await listed(engine)).map(({ tool, amount }) => `${tool} ${amount?.usd}`).sort()).toEqual(['pay 9', 'tip 1']);
  });

  test('in a graph that answers a call, a limit of that graph ends the call and not the run', async () => {
    const { journal } = make();
    const g = graph({
      name: 'pays',
      state: { type: 'object', properties: { task: { type: 'string' } } },
      nodes: { pay: async (_: object, { durable }: NodeContext) => void (await durable('pay', () => 1, { amount: { usd: 11 } })) },
      edges: { start: 'pay', pay: 'end' },
    });
    const model = scripted([asks(['pays', { task: 'x' }]), 'done']);
    const top = agent({ name: 'top', instructions: '', model, agents: [delegate(g, { limits })] });
    await ends(new Engine({ journal }).run(top, 'go'), 'completed');
    expect(JSON.stringify(shown(model.requests.at(-1)))).toContain('amounts.usd 10');
  });

  test.each([{ usd: -1 }, { usd: Number.NaN }, { USD: 1 }, { usd: 1e-7 }, [], 'usd'])(
    '%j is AMOUNT_INVALID, and nothing runs',
    async (amount) => {
      const { journal } = make();
      let paid = 0;
      const g = working(({ durable }) => durable('pay', () => String(++paid), { amount: amount as never }));
      expect((await ends(new Engine({ journal }).run(g, {}), 'failed')).error).toMatchObject({
        code: 'AMOUNT_INVALID',
        outcome: 'not-run',
      });
      expect(paid).toBe(0);
    },
  );
});
