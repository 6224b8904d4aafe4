import assert from 'node:assert/strict';
import type { Case } from './kit.ts';
import { all, entries, entry, head, headOf, read, refused, same, start } from './kit.ts';

const LARGE = 'large '.repeat(10_000);

export const removeCases: readonly Case[] = [
  [
    'a removed run leaves nothing behind',
    async (journal) => {
      await start(journal, 'r', 3, { session: 's' });
      await journal.append('r', 3, [entry(3)], head('r', { session: 's' }));
      await journal.remove('r');
      same(await read(journal, 'r'), []);
      assert.equal(await headOf(journal, 'r'), undefined);
      for (const filter of [{}, { session: 's' }, { status: 'running' }, { agent: 'clerk' }] as const)
        assert.deepEqual(await all(journal.heads(filter)), []);
      await refused('JOURNAL_CONFLICT', () => journal.append('r', 4, [entry(4)], head('r')));
      await start(journal, 'next', 1, { session: 's' });
    },
  ],
  [
    'a run is removed at the expected number of entries only, or at any if none is given',
    async (journal) => {
      await start(journal, 'r', 2, { status: 'stopped' });
      await journal.append('r', 2, [entry(2)], head('r', { status: 'stopped' }));
      for (const expected of [0, 2, 4]) await refused('JOURNAL_CONFLICT', () => journal.remove('r', expected));
      same(await read(journal, 'r'), entries(0, 3));
      await journal.append('r', 3, [entry(3)], head('r'));
      await refused('JOURNAL_CONFLICT', () => journal.remove('r', 3));
      await journal.remove('r', 4);
      same(await read(journal, 'r'), []);
      assert.equal(await headOf(journal, 'r'), undefined);
      await journal.remove('r', 4);
      await start(journal, 'r', 1);
      await journal.remove('r');
      same(await read(journal, 'r'), []);
    },
  ],
  [
    'the id of a removed run can be used again, from 0',
    async (journal) => {
      await start(journal, 'r', 5);
      await journal.remove('r');
      await journal.append('r', 0, [entry(0, 'new')], head('r'));
      await journal.append('r', 1, [entry(1, 'new')], head('r'));
      same(await read(journal, 'r'), [entry(0, 'new'), entry(1, 'new')]);
    },
  ],
  [
    'other runs are unaffected, whatever content they share',
    async (journal) => {
      const runs = ['a', 'b', 'c'];
      for (let seq = 0; seq < 3; seq++) for (const id of runs) await journal.append(id, seq, [entry(seq, LARGE)], head(id));
      const whole = [entry(0, LARGE), entry(1, LARGE), entry(2, LARGE)];
      await journal.remove('b');
      for (const id of ['a', 'c']) same(await read(journal, id), whole);
      await journal.remove('a');
      same(await read(journal, 'c'), whole);
      await journal.append('c', 3, [entry(3)], head('c'));
      same(await read(journal, 'c'), [...whole, entry(3)]);
    },
  ],
  [
    'after a removal, appends to other runs lose no entry',
    async (journal) => {
      await start(journal, 'kept');
      await start(journal, 'gone', 4);
      await journal.remove('gone');
      await journal.append('kept', 1, [entry(1)], head('kept'));
      await start(journal, 'new', 4);
      await journal.append('kept', 2, [entry(2)], head('kept'));
      same(await read(journal, 'kept'), entries(0, 3));
      same(await read(journal, 'new'), entries(0, 4));
    },
  ],
  [
    'removing a run that does not exist is not an error',
    async (journal) => {
      await journal.remove('unknown');
      await start(journal, 'r');
      await journal.remove('r');
      await journal.remove('r');
    },
  ],
];
