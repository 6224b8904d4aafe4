/** A function that holds an intent may ask for others. Only the intents that it holds itself would wait for themselves. */
import { describe, expect, test } from 'vitest';
import { Engine, type NodeContext } from '../../src/index.ts';
import { working } from '../graph/working.ts';
import { around, journals } from '../kit/journals.ts';
import { ends } from '../kit/runs.ts';
import { deferred } from '../kit/time.ts';

const by = { id: 'ana' };

describe.each(journals)('on $name, a durable step within the function of another one', ({ make }) => {
  /** Two steps of one key at once: the first one ends only once the second one has found it. */
  function twice() {
    const store = make();
    const [found, begun] = [deferred(), deferred()];
    const journal = around(store.journal, {
      async claim(key) {
        const claim = await store.journal.claim?.(key);
        if (key.key === 'k' && claim?.state === 'held') found.resolve();
        return claim;
      },
    });
    let paid = 0;
    const pay = async () => {
      begun.resolve();
      await found.promise;
      return `receipt ${++paid}`;
    };
    const first = ({ durable }: NodeContext) => durable('pay', pay, { key: 'k' });
    const second = ({ durable }: NodeContext) =>
      begun.promise.then(() => durable('second', pay, { key: 'k' })).catch((error: { code?: string }) => error.code);
    return { journal, first, second };
  }

  test('waits for a third one of its key, which runs beside it', async () => {
    const { journal, first, second } = twice();
    const g = working(async (ctx) => (await Promise.all([first(ctx), ctx.durable('outer', () => second(ctx), { key: 'outer' })])).join());
    expect((await ends(new Engine({ journal }).run(g, {}, { by }), 'completed')).output).toEqual({ said: 'receipt 1,receipt 1' });
  });

  test('in a run that it begins waits for one of that run, also where the calls have the same ids', async () => {
    const { journal, first, second } = twice();
    const inner = working(async (ctx) => (await Promise.all([first(ctx), second(ctx)])).join());
    const begins = async () => (await ends(new Engine({ journal }).run(inner, {}, { by }), 'completed')).output;
    const outer = working(async ({ durable }) => JSON.stringify(await durable('pay', begins, { key: 'outer' })));
    expect((await ends(new Engine({ journal }).run(outer, {}, { by }), 'completed')).output).toEqual({
      said: '{"said":"receipt 1,receipt 1"}',
    });
  });

  test('is told at once that it waits for itself, also where a step between them has another key', async () => {
    const { journal } = make();
    const g = working(async ({ durable }) => {
      const inner = () => durable('inner', () => 'paid', { key: 'k', deadline: 2_000 }).catch((error: Error) => error.message);
      return durable('outer', () => durable('middle', inner, { key: 'other' }), { key: 'k' });
    });
    const { output } = await ends(new Engine({ journal }).run(g, {}, { by }), 'completed');
    expect(output).toEqual({ said: expect.stringContaining('waits for this one') });
  });
});
