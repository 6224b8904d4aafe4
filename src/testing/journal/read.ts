import assert from 'node:assert/strict';
import { needs } from '../suite.ts';
import type { Case } from './kit.ts';
import { entries, entry, head, read, same, start } from './kit.ts';

export const readCases: readonly Case[] = [
  [
    'a run that was never started has no entries',
    async (journal) => {
      await start(journal, 'r');
      for (const after of [undefined, -1, 0, 7]) same(await read(journal, 'unknown', after), []);
    },
  ],
  [
    'reading after a number returns the later entries, even from the middle of an append',
    async (journal) => {
      let seq = 0;
      for (const count of [1, 3, 2, 5, 1]) {
        await journal.append('r', seq, entries(seq, count), head('r'));
        // another run writes in between
        await journal.append('other', seq, entries(seq, count), head('other'));
        seq += count;
      }
      const whole = entries(0, seq);
      same(await read(journal, 'r'), whole);
      for (let after = -1; after < seq + 2; after++) same(await read(journal, 'r', after), whole.slice(after + 1));
    },
  ],
  [
    'a long run is read whole, from the beginning and near the end',
    async (journal) => {
      const long = 3_000;
      for (let seq = 0; seq < long; seq += 3) {
        const done = journal.append('r', seq, entries(seq, 3), head('r'));
        if (done) await done;
      }
      same(await read(journal, 'r'), entries(0, long));
      same(await read(journal, 'r', long - 5), entries(long - 4, 4));
    },
  ],
  [
    'reading changes nothing, and two readers do not disturb each other',
    async (journal) => {
      await start(journal, 'r', 5);
      const seen: unknown[] = [];
      for await (const first of journal.read('r')) {
        seen.push(first);
        same(await read(journal, 'r', first.seq), entries(first.seq + 1, 4 - first.seq));
      }
      assert.deepEqual(seen, entries(0, 5));
      same(await read(journal, 'r'), entries(0, 5));
    },
  ],
  [
    'a reader may append while it reads, and stop early',
    async (journal) => {
      await start(journal, 'r', 3);
      for await (const { seq } of journal.read('r')) {
        if (seq === 1) {
          await journal.append('r', 3, [entry(3)], head('r'));
          break;
        }
      }
      await journal.append('r', 4, [entry(4)], head('r'));
      same(await read(journal, 'r'), entries(0, 5));
    },
  ],
  [
    'an append that was not awaited is read completely or not at all',
    async (journal) => {
      await start(journal, 'r');
      const done = (async () => journal.append('r', 1, entries(1, 3), head('r')))();
      const seen = await read(journal, 'r');
      assert.ok(seen.length === 1 || seen.length === 4, `${seen.length} entries`);
      await done;
      same(await read(journal, 'r'), entries(0, 4));
    },
  ],
  [
    'the clock of the store, if it has one, is right and does not go back',
    async (journal) => {
      needs(journal, 'now');
      const first = await journal.now();
      const second = await journal.now();
      assert.ok(Math.abs(first - Date.now()) < 3_600_000, `the store says ${first}`);
      assert.ok(second >= first);
    },
  ],
];
