/** Another call may take an intent over from a process that did nothing for too long. Then that process must not begin. */
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { agent, Engine, type EngineOptions } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { around, entriesOf, expireLease, journals } from '../kit/journals.ts';
import { asks, ends } from '../kit/runs.ts';
import { deferred, settle, until } from '../kit/time.ts';
import { asked, caller, endsOf, order, refunds } from './setup.ts';

const by = { id: 'ana', tenant: 'acme' };

describe.each(journals)('a once call that another one took the intent over from before it began is not made, on $name', ({ make }) => {
  function world() {
    const store = make();
    const paid: string[] = [];
    const check = () => ({ outcome: 'not-run' as const });
    const pays = (who: string) => refunds({ effect: 'once', check, execute: () => `receipt ${paid.push(who)}` });
    /** The lease runs out, and the next call of the key is told that nothing happened. */
    const taken = async (runId: string) => {
      await expireLease(store.journal, runId);
      const { calls } = await asked(store.another(), [pays('other')], order('7'), { by });
      expect(calls).toMatchObject([{ ok: true, output: 'receipt 1' }]);
    };
    return { ...store, paid, pays, taken };
  }
  const busy = [{ ok: false, error: { code: 'INTENT_BUSY', outcome: 'not-run' } }];

  test('where a wrapper took its time', async () => {
    const { journal, paid, pays, taken } = world();
    const use: EngineOptions['use'] = [
      {
        tool: async (_call, next, { runId }) => {
          await taken(runId);
          return next();
        },
      },
    ];
    const a = agent({ name: 'slow', instructions: '', model: caller(), tools: [pays('slow')] });
    const { runId } = await ends(new Engine({ journal, use }).run(a, JSON.stringify(order('7')), { by }), 'completed');
    expect(endsOf(await entriesOf(journal, runId))).toMatchObject(busy);
    expect(paid).toEqual(['other']);
  });

  test('where the process slept once its start was written', async () => {
    const { journal, paid, pays, taken } = world();
    const clock = performance.now.bind(performance);
    let slept = 0;
    const spied = vi.spyOn(performance, 'now').mockImplementation(() => clock() + slept);
    onTestFinished(() => spied.mockRestore());
    const sleeping = around(journal, {
      async append(runId, ...rest) {
        await journal.append(runId, ...rest);
        if (slept > 0 || !rest[1].some((entry) => entry.type === 'call.started')) return;
        await taken(runId);
        slept = 25_000;
      },
    });
    const { calls } = await asked(sleeping, [pays('slow')], order('7'), { by });
    expect(calls).toMatchObject(busy);
    expect(paid).toEqual(['other']);
  });
});

describe.each(journals)('a call that a crash cut off, on $name', ({ make }) => {
  test('is waited for by another one of its run, and its check is asked once', async () => {
    const { journal, another } = make();
    const [begun, looked] = [deferred(), deferred()];
    let checks = 0;
    const pays = refunds({
      effect: 'once',
      execute: () => (begun.resolve(), new Promise<never>(() => {})),
      check: async () => {
        checks++;
        await looked.promise;
        return { outcome: 'done', output: 'receipt' };
      },
    });
    const task = JSON.stringify(order('7'));
    const top = () => {
      const below = (name: string) => agent({ name, instructions: '', model: caller(), tools: [pays] });
      return agent({
        name: 'top',
        instructions: '',
        model: scripted(({ messages }) => (messages.length > 1 ? 'done' : asks(['first', { task }], ['second', { task }]))),
        agents: [below('first'), below('second')],
      });
    };
    const run = new Engine({ journal }).run(top(), 'go', { by });
    run.catch(() => undefined);
    await begun.promise;
    await until(async () => (await entriesOf(journal, run.id)).filter((e) => e.type === 'model.responded').length === 3);
    await expireLease(journal, run.id);
    const inner = another();
    const looking = around(inner, {
      async claim(key) {
        const claim = await inner.claim?.(key);
        void settle(100).then(() => looked.resolve());
        return claim;
      },
    });
    await ends(new Engine({ journal: looking, agents: [top()] }).resume(run.id, { by }), 'completed');
    const calls = endsOf(await entriesOf(inner, run.id)).filter(({ frame }) => frame !== undefined);
    expect(calls).toMatchObject([
      { ok: true, output: 'receipt' },
      { ok: true, output: 'receipt', repeated: {} },
    ]);
    expect(checks).toBe(1);
  });
});
