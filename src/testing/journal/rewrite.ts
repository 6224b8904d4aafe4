import assert from 'node:assert/strict';
import { needs } from '../suite.ts';
import type { Case } from './kit.ts';
import { entries, entry, head, headOf, read, same, start } from './kit.ts';

const LARGE = 'large '.repeat(10_000);

/** Tests of `rewrite`. Without it, content that later runs repeat cannot be forgotten. */
export const rewriteCases: readonly Case[] = [
  [
    'rewritten entries replace those with the same numbers, and nothing else changes',
    async (journal) => {
      needs(journal, 'rewrite');
      let seq = 0;
      for (const count of [1, 3, 2]) {
        await journal.append('r', seq, entries(seq, count), head('r'));
        await start(journal, `other ${seq}`);
        seq += count;
      }
      const before = await headOf(journal, 'r');
      await journal.rewrite('r', [entry(0, 'new'), entry(2, LARGE), entry(99)]);
      same(await read(journal, 'r'), [entry(0, 'new'), entry(1), entry(2, LARGE), ...entries(3, 3)]);
      same(await read(journal, 'r', 1), [entry(2, LARGE), ...entries(3, 3)]);
      assert.deepEqual(await headOf(journal, 'r'), before);
      await journal.append('r', 6, [entry(6)], head('r'));
      same(await read(journal, 'r', 4), entries(5, 2));
      same(await read(journal, 'other 0'), [entry(0)]);
    },
  ],
  [
    'content that a rewritten entry shared with other entries stays in those',
    async (journal) => {
      needs(journal, 'rewrite');
      for (const runId of ['a', 'b']) for (let seq = 0; seq < 3; seq++) await journal.append(runId, seq, [entry(seq, LARGE)], head(runId));
      await journal.rewrite('a', [entry(1, 'short')]);
      same(await read(journal, 'a'), [entry(0, LARGE), entry(1, 'short'), entry(2, LARGE)]);
      await journal.rewrite('a', [entry(0, 'short'), entry(2, 'short')]);
      same(await read(journal, 'a'), [entry(0, 'short'), entry(1, 'short'), entry(2, 'short')]);
      same(await read(journal, 'b'), [entry(0, LARGE), entry(1, LARGE), entry(2, LARGE)]);
    },
  ],
  [
    'rewriting a run that does not exist is not an error',
    async (journal) => {
      needs(journal, 'rewrite');
      await journal.rewrite('unknown', [entry(0)]);
      same(await read(journal, 'unknown'), []);
      await start(journal, 'r');
      await journal.rewrite('r', []);
      same(await read(journal, 'r'), [entry(0)]);
    },
  ],
];
