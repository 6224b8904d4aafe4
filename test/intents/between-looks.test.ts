/** The look at a claim and the look at the run that holds it are two reads of the store. Here the test decides what happens between them. */
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { agent, Engine, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { around, journals } from '../kit/journals.ts';
import { anything, asks, ends, failure } from '../kit/runs.ts';
import { deferred } from '../kit/time.ts';
import { asked, order, refunds } from './setup.ts';

const ana = { id: 'ana', tenant: 'acme' };
const ben = { id: 'ben', tenant: 'acme' };
const wire = tool({ name: 'wire', description: 'Wires', input: anything, approval: true, execute: () => 'wired' });

describe.each(journals)('a call whose intent was held when its claim was read, on $name', ({ make }) => {
  // the holder's run ends, or pauses because something else in it waits for a person
  test.each([
    ['completed', []],
    ['paused', [['wire', {}]]],
  ] as const)('gets the receipt where the holder was done before its run was looked at, which is %s then', async (status, beside) => {
    const { journal, another } = make();
    const [begun, go] = [deferred(), deferred<string>()];
    let paid = 0;
    const pays = refunds({ effect: 'once', execute: () => (paid++, begun.resolve(), go.promise) });
    const holder = agent({
      name: 'holder',
      instructions: '',
      model: scripted([asks(['refund', { ...order('7') }], ...beside.map(([name, input]) => [name, { ...input }] as const)), 'done']),
      tools: [pays, wire],
    });
    const first = new Engine({ journal }).run(holder, 'go', { by: ana });
    await begun.promise;

    const inner = another();
    const states: string[] = [];
    const between = around(inner, {
      async claim(key) {
        const claim = await inner.claim?.(key);
        states.push(claim?.state ?? 'none');
        if (states.length === 1) {
          go.resolve('receipt 7');
          await ends(first, status);
        }
        return claim;
      },
    });
    const { calls } = await asked(between, [pays], order('7'), { by: ben });
    expect(states.slice(0, 2)).toEqual(['held', 'done']);
    expect(calls).toMatchObject([{ ok: true, output: 'receipt 7', attempts: 0, repeated: { run: (await first).runId } }]);
    expect(paid).toBe(1);
  });

  test('waits a minute where its tool has no deadline, and is told how long', async () => {
    const { journal, another } = make();
    const [begun, go] = [deferred(), deferred<string>()];
    const pays = refunds({ effect: 'once', execute: () => (begun.resolve(), go.promise) });
    const first = asked(journal, [pays], order('7'), { by: ana });
    await begun.promise;

    const clock = performance.now.bind(performance);
    let passed = 0;
    const spied = vi.spyOn(performance, 'now').mockImplementation(() => clock() + passed);
    onTestFinished(() => spied.mockRestore());
    const inner = another();
    const looks: number[] = [];
    const looking = around(inner, {
      claim(key) {
        looks.push(passed);
        // half of it, then the rest
        if (looks.length % 3 === 0) passed = Math.min(passed + 30_000, 60_000);
        return inner.claim?.(key);
      },
    });
    const { told } = await asked(looking, [pays], order('7'), { by: ben });
    expect(failure(told.at(-1))).toMatchObject({ code: 'INTENT_BUSY', message: expect.stringContaining('has not ended in 60000 ms') });
    expect(looks).toContain(30_000);
    go.resolve('receipt 7');
    await first;
  });
});
