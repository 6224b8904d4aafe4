import assert from 'node:assert/strict';
import { RondoError } from '../../errors.ts';
import type { Journal } from '../../journal/port.ts';
import type { Case } from './kit.ts';
import { all, entries, entry, head, headOf, plain, read, refused, same, start } from './kit.ts';

/** Tests that open the storage again: what survives, and concurrent writers. */
export const storageCases: readonly Case[] = [
  [
    'acknowledged appends are there after the store was closed and opened again',
    async (journal, another) => {
      const large = 'large '.repeat(10_000);
      const leaseUntil = Date.now() + 600_000;
      await start(journal, 'r', 3, { session: 's', tenant: 't', owner: 'ana', leaseUntil });
      await journal.append('r', 3, [entry(3, large)], head('r', { session: 's', tenant: 't', owner: 'ana', leaseUntil, unknowns: 2 }));
      await start(journal, 'paused', 1, { status: 'paused', wakeAt: 7 });
      await journal.close?.();
      const again = await another(journal);
      same(await read(again, 'r'), [...entries(0, 3), entry(3, large)]);
      assert.deepEqual(await headOf(again, 'r'), plain(head('r', { session: 's', tenant: 't', owner: 'ana', leaseUntil, unknowns: 2 })));
      assert.deepEqual(await headOf(again, 'paused'), plain(head('paused', { status: 'paused', wakeAt: 7 })));
      assert.equal(await again.renew('r', 'ben', leaseUntil), false);
      await refused('SESSION_BUSY', () => start(again, 'second', 1, { session: 's', tenant: 't' }));
      await refused('JOURNAL_CONFLICT', () => again.append('r', 3, [entry(3)], head('r')));
      await again.append('r', 4, [entry(4)], head('r'));
      assert.equal((await read(again, 'r')).length, 5);
    },
  ],
  [
    'an append through one handle is seen by the other',
    async (journal, another) => {
      const other = await another();
      await start(journal, 'r', 2);
      same(await read(other, 'r'), entries(0, 2));
      await other.append('r', 2, [entry(2)], head('r', { status: 'paused' }));
      same(await read(journal, 'r', 1), [entry(2)]);
      assert.deepEqual(await headOf(journal, 'r'), plain(head('r', { status: 'paused' })));
    },
  ],
  [
    'a handle that missed an append of the other is refused, reads it, and can append',
    async (journal, another) => {
      const other = await another();
      await start(journal, 'r');
      await journal.append('r', 1, [entry(1)], head('r'));
      await other.append('r', 2, [entry(2, 'foreign')], head('r'));
      await refused('JOURNAL_CONFLICT', () => journal.append('r', 2, [entry(2)], head('r')));
      same(await read(journal, 'r', 1), [entry(2, 'foreign')]);
      await journal.append('r', 3, [entry(3)], head('r'));
      await journal.append('r', 4, [entry(4)], head('r'));
      await refused('JOURNAL_CONFLICT', () => other.append('r', 3, [entry(3)], head('r')));
      same(await read(other, 'r'), [entry(0), entry(1), entry(2, 'foreign'), entry(3), entry(4)]);
    },
  ],
  [
    'the next append replaces a head that the other handle changed, even if its own head is unchanged',
    async (journal, another) => {
      const other = await another();
      await start(journal, 'r');
      await journal.append('r', 1, [entry(1)], head('r'));
      await other.append('r', 2, [entry(2)], head('r', { wakeAt: 5, unknowns: 1 }));
      await journal.append('r', 3, [entry(3)], head('r'));
      assert.deepEqual(await headOf(other, 'r'), plain(head('r')));
    },
  ],
  [
    'of two appends that both handles make at once, exactly one is stored',
    async (journal, another) => {
      const other = await another();
      await start(journal, 'r');
      for (let seq = 1; seq <= 10; seq++) {
        const results = await Promise.allSettled([
          (async () => journal.append('r', seq, [entry(seq, 'first')], head('r')))(),
          (async () => other.append('r', seq, [entry(seq, 'second')], head('r')))(),
        ]);
        assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
        for (const result of results)
          if (result.status === 'rejected') assert.ok(RondoError.is(result.reason, 'JOURNAL_CONFLICT'), result.reason);
      }
      assert.deepEqual(
        (await read(other, 'r')).map(({ seq }) => seq),
        entries(0, 11).map(({ seq }) => seq),
      );
    },
  ],
  [
    'if both handles start a run, open a session or take a lease at once, exactly one succeeds',
    async (journal, another) => {
      const other = await another();
      const now = Date.now();
      const outcome = async (attempt: () => unknown) => {
        try {
          return (await attempt()) === false ? 'refused' : 'stored';
        } catch (error) {
          return (error as { code?: string }).code;
        }
      };
      const both = async (attempt: (store: Journal, i: number) => unknown) =>
        (await Promise.all([journal, other].map((store, i) => outcome(() => attempt(store, i))))).sort();
      for (let round = 0; round < 10; round++) {
        const session = `s${round}`;
        assert.deepEqual(await both((store) => start(store, `r${round}`)), ['JOURNAL_CONFLICT', 'stored']);
        assert.deepEqual(await both((store, i) => start(store, `${session} ${i}`, 1, { session })), ['SESSION_BUSY', 'stored']);
        assert.deepEqual(await both((store, i) => store.renew(`r${round}`, `owner ${i}`, now + 600_000)), ['refused', 'stored']);
      }
    },
  ],
  [
    'a session has one open run across both handles',
    async (journal, another) => {
      const other = await another();
      await start(journal, 'r', 1, { session: 's' });
      const error = await refused('SESSION_BUSY', () => start(other, 'second', 1, { session: 's' }));
      assert.equal((error.details as { runId: string }).runId, 'r');
      await journal.append('r', 1, [entry(1)], head('r', { session: 's', status: 'completed' }));
      await start(other, 'second', 1, { session: 's' });
      assert.equal((await all(journal.heads({ session: 's', status: 'running' }))).length, 1);
    },
  ],
  [
    'a lease is refused to the other handle until it expires',
    async (journal, another) => {
      const other = await another();
      const now = Date.now();
      await start(journal, 'r');
      assert.equal(await journal.renew('r', 'ana', now + 600_000), true);
      assert.equal(await other.renew('r', 'ben', now + 600_000), false);
      assert.equal(await journal.renew('r', 'ana', now - 1), true);
      assert.equal(await other.renew('r', 'ben', now + 600_000), true);
      assert.equal(await journal.renew('r', 'ana', now + 600_000), false);
    },
  ],
  [
    'a handle that missed an append of the other is refused, even if runs were removed in between',
    async (journal, another) => {
      const other = await another();
      await start(journal, 'r');
      await journal.append('r', 1, [entry(1)], head('r'));
      await start(other, 'between', 3);
      await other.append('r', 2, [entry(2, 'foreign')], head('r'));
      await other.remove('between');
      await refused('JOURNAL_CONFLICT', () => journal.append('r', 2, [entry(2)], head('r')));
      same(await read(journal, 'r'), [entry(0), entry(1), entry(2, 'foreign')]);
    },
  ],
  [
    'a run that the other handle removed and restarted accepts appends only at its new end',
    async (journal, another) => {
      const other = await another();
      // the old run was written as entry 0, then entries 1 and 2; the new one with equal, fewer or other appends
      for (const counts of [[1], [2], [1, 1], [2, 1], [1, 3]]) {
        await start(journal, 'r');
        await journal.append('r', 1, entries(1, 2), head('r'));
        await other.remove('r');
        let seq = 0;
        for (const count of counts) {
          await other.append('r', seq, entries(seq, count), head('r'));
          seq += count;
        }
        if (seq !== 3) await refused('JOURNAL_CONFLICT', () => journal.append('r', 3, [entry(3)], head('r')));
        same(await read(journal, 'r'), entries(0, seq), `${counts}`);
        await journal.append('r', seq, [entry(seq)], head('r'));
        same(await read(other, 'r'), entries(0, seq + 1), `${counts}`);
        await journal.remove('r');
      }
    },
  ],
  [
    'a run that the other handle removed accepts no appends',
    async (journal, another) => {
      const other = await another();
      await start(journal, 'r', 2);
      await journal.append('r', 2, [entry(2)], head('r'));
      await other.remove('r');
      await refused('JOURNAL_CONFLICT', () => journal.append('r', 3, [entry(3)], head('r')));
      same(await read(journal, 'r'), []);
    },
  ],
  [
    'of an append and a removal at the same place at once, exactly one happens',
    async (journal, another) => {
      const other = await another();
      for (let round = 0; round < 20; round++) {
        const runId = `r${round}`;
        await start(journal, runId, 2, { status: 'stopped' });
        const append = async () => journal.append(runId, 2, [entry(2)], head(runId));
        const remove = async () => other.remove(runId, 2);
        const writes = round % 2 === 0 ? [append, remove] : [remove, append];
        const results = await Promise.allSettled(writes.map((write) => write()));
        const refusals = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
        assert.equal(refusals.length, 1);
        assert.ok(RondoError.is(refusals[0], 'JOURNAL_CONFLICT'), refusals[0]);
        assert.ok([0, 3].includes((await read(journal, runId)).length));
      }
    },
  ],
];

/** The test of a store whose last append the suite can damage. */
export const damageCase = (damageLast: (journal: Journal, runId: string) => void | Promise<void>): Case => [
  'a damaged last append is detected, or ignored if the store declares that',
  async (journal) => {
    await start(journal, 'r', 2);
    await start(journal, 'other');
    await journal.append('r', 2, [entry(2)], head('r', { seq: 3 }));
    await damageLast(journal, 'r');
    if (journal.tornTail === 'last-append') {
      same(await read(journal, 'r'), entries(0, 2));
      await journal.append('r', 2, [entry(2, 'again')], head('r'));
      same(await read(journal, 'r'), [...entries(0, 2), entry(2, 'again')]);
    } else {
      await refused('JOURNAL_DAMAGED', () => read(journal, 'r'));
      await refused('JOURNAL_DAMAGED', () => read(journal, 'r', 1));
    }
    same(await read(journal, 'other'), [entry(0)]);
  },
];
