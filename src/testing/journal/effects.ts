import assert from 'node:assert/strict';
import type { EffectChange, EffectFilter, EffectRow } from '../../journal/effects.ts';
import type { Journal } from '../../journal/port.ts';
import { needs } from '../suite.ts';
import { all, type Case, entries, head, refused, start } from './kit.ts';

const START = 1_750_000_000_000;

const ended = (call: string, over: Partial<Extract<EffectChange, { to: 'ended' }>> = {}): EffectChange => ({
  to: 'ended',
  call,
  at: START,
  tool: 'refund',
  outcome: 'done',
  ...over,
});

/** Appends an entry with changes of the index. @param held how many entries the run has. */
const change = async (journal: Journal, runId: string, held: number, ...effects: EffectChange[]) =>
  journal.append(runId, held, entries(held, 1), head(runId, { seq: held + 1 }), { effects });

const list = async (journal: Journal, filter: Partial<EffectFilter> = {}): Promise<EffectRow[]> =>
  JSON.parse(JSON.stringify(await all(journal.effects?.({ tenant: undefined, limit: 100, ...filter }) ?? [])));
const calls = async (journal: Journal, filter: Partial<EffectFilter> = {}) =>
  (await list(journal, filter)).map(({ run, call }) => `${run} ${call}`);

/** Guarantees of a store that keeps an index of effects. */
const kept: readonly Case[] = [
  [
    'keeps the row of an effect as it was appended, and its newest state',
    async (journal) => {
      await start(journal, 'a');
      await change(journal, 'a', 1, ended('3.0', { amount: { usd: 12.5, mails: 0 }, outcome: 'unknown', open: true }));
      const row = { run: 'a', call: '3.0', at: START, tool: 'refund', amount: { usd: 12.5, mails: 0 }, again: 0 };
      assert.deepEqual(await list(journal), [{ ...row, outcome: 'unknown', open: true }]);
      await change(journal, 'a', 2, { to: 'dismissed', call: '3.0' });
      assert.deepEqual(await list(journal), [{ ...row, outcome: 'unknown' }]);
      await change(journal, 'a', 3, { to: 'settled', call: '3.0', outcome: 'done' });
      assert.deepEqual(await list(journal), [{ ...row, outcome: 'done' }]);
      await change(journal, 'a', 4, { to: 'settled', call: '3.0', outcome: 'not-run' });
      assert.deepEqual(await list(journal), [{ ...row, outcome: 'done' }], 'what is done stays done');
      await change(journal, 'a', 5, { to: 'settled', call: '9.0', outcome: 'done' });
      assert.equal((await list(journal)).length, 1, 'nothing is known of a call without a row');
    },
  ],
  [
    'writes no row of an append that it refuses',
    async (journal) => {
      await start(journal, 'a');
      await refused('JOURNAL_CONFLICT', () => change(journal, 'a', 5, ended('3.0')));
      assert.deepEqual(await list(journal), []);
    },
  ],
  [
    'lists effects newest first, page by page',
    async (journal) => {
      await start(journal, 'a');
      await start(journal, 'b');
      await change(journal, 'a', 1, ended('3.0'), ended('10.0'), ended('5.0', { at: START + 2 }));
      await change(journal, 'b', 1, ended('3.0', { at: START + 1 }));
      const expected = ['a 5.0', 'b 3.0', 'a 10.0', 'a 3.0'];
      assert.deepEqual(await calls(journal), expected);
      const paged: string[] = [];
      for (let after: EffectRow | undefined; paged.length <= expected.length; ) {
        const [row] = await list(journal, { limit: 1, after });
        if (!row) break;
        paged.push(`${row.run} ${row.call}`);
        after = row;
      }
      assert.deepEqual(paged, expected);
    },
  ],
  [
    'filters effects by tenant, run, tool, outcome, time and what is open',
    async (journal) => {
      await start(journal, 'a');
      await start(journal, 'b', 1, { tenant: 't' });
      await change(journal, 'a', 1, ended('3.0'), ended('4.0', { tool: 'mail', outcome: 'failed', open: true, at: START + 5 }));
      await journal.append('b', 1, entries(1, 1), head('b', { seq: 2, tenant: 't' }), { effects: [ended('3.0', { at: START + 9 })] });
      assert.deepEqual(await calls(journal), ['a 4.0', 'a 3.0']);
      assert.deepEqual(await calls(journal, { tenant: 't' }), ['b 3.0', 'a 4.0', 'a 3.0']);
      assert.deepEqual(await calls(journal, { tenant: 'other' }), ['a 4.0', 'a 3.0']);
      assert.deepEqual(await calls(journal, { tenant: 't', run: 'b' }), ['b 3.0']);
      assert.deepEqual(await calls(journal, { tool: 'mail' }), ['a 4.0']);
      assert.deepEqual(await calls(journal, { outcome: 'done' }), ['a 3.0']);
      assert.deepEqual(await calls(journal, { since: START + 5 }), ['a 4.0']);
      assert.deepEqual(await calls(journal, { open: true }), ['a 4.0']);
    },
  ],
  [
    'counts the calls that got the result of an effect, and lists them not',
    async (journal) => {
      await start(journal, 'a');
      await start(journal, 'b');
      await change(journal, 'a', 1, ended('3.0'));
      for (const call of ['3.0', '5.0'])
        await change(journal, 'b', call === '3.0' ? 1 : 2, { to: 'repeated', call, at: START + 1, first: { run: 'a', call: '3.0' } });
      assert.deepEqual(
        (await list(journal)).map((row) => [row.run, row.again]),
        [['a', 2]],
      );
      await journal.remove('b');
      assert.deepEqual(
        (await list(journal)).map((row) => [row.run, row.again]),
        [['a', 0]],
      );
    },
  ],
  [
    'removes the effects of a run with it, and writes them again where they are rebuilt',
    async (journal) => {
      await start(journal, 'a');
      await start(journal, 'b');
      await change(journal, 'a', 1, ended('3.0'));
      await change(journal, 'b', 1, ended('3.0'), ended('4.0'));
      await journal.append('b', 2, [], head('b', { seq: 2 }), { effects: [{ to: 'rebuilt' }, ended('7.0')] });
      assert.deepEqual((await calls(journal)).sort(), ['a 3.0', 'b 7.0']);
      assert.equal((await all(journal.read('b'))).length, 2);
      await journal.remove('a');
      assert.deepEqual(await calls(journal), ['b 7.0']);
    },
  ],
];

export const effectCases: readonly Case[] = kept.map(([name, check]) => [
  name,
  async (journal, another) => {
    needs(journal, 'effects');
    await check(journal, another);
  },
]);
