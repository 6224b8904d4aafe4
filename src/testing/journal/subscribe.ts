import assert from 'node:assert/strict';
import type { Journal } from '../../journal/port.ts';
import type { Case } from './kit.ts';
import { entry, head, read, start } from './kit.ts';

/** A store that says nothing would make a test wait for ever. */
const PATIENCE = 2_000;

type Pushing = Journal & Required<Pick<Journal, 'subscribe'>>;
const able = (journal: Journal): journal is Pushing => journal.subscribe !== undefined;

/** What a listener is told, and a way to wait for it. */
async function listen(journal: Pushing, runId?: string) {
  const ending = new AbortController();
  const told: string[] = [];
  let tell = () => {};
  const hearsAll = await journal.subscribe(
    (id) => {
      told.push(id);
      tell();
    },
    { signal: ending.signal, ...(runId !== undefined && { runId }) },
  );
  const hears = (id: string) =>
    new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new assert.AssertionError({ message: `nothing was said of run ${id}` })), PATIENCE);
      tell = () => {
        if (!told.includes(id)) return;
        clearTimeout(timer);
        told.length = 0;
        // what comes next is for the next call
        tell = () => {};
        resolve();
      };
      tell();
    });
  return { told, hears, hearsAll, end: () => ending.abort() };
}

/** Of a store that can push; the others are polled. */
export const subscribeCases: readonly Case[] = [
  [
    'who listens to a run, or to all, hears of its appends once they can be read, of its rewriting and of its removal',
    async (journal) => {
      if (!able(journal)) return;
      await start(journal, 'before');
      const one = await listen(journal, 'r');
      const every = await listen(journal);
      await start(journal, 'r');
      await Promise.all([one.hears('r'), every.hears('r')]);
      assert.equal((await read(journal, 'r')).length, 1);
      for (let seq = 1; seq <= 3; seq++) {
        await journal.append('r', seq, [entry(seq)], head('r'));
        await Promise.all([one.hears('r'), every.hears('r')]);
      }
      await journal.rewrite?.('r', [entry(0, 'new')]);
      if (journal.rewrite) await Promise.all([one.hears('r'), every.hears('r')]);
      await journal.remove('r');
      await Promise.all([one.hears('r'), every.hears('r')]);
      one.end();
      every.end();
    },
  ],
  [
    'who listens to one run hears of no other, and who has ended hears of none',
    async (journal) => {
      if (!able(journal)) return;
      const ended = await listen(journal);
      const other = await listen(journal, 'other');
      const every = await listen(journal);
      ended.end();
      await start(journal, 'r');
      await every.hears('r');
      await start(journal, 'other');
      await Promise.all([other.hears('other'), every.hears('other')]);
      await start(journal, 'r2');
      await every.hears('r2');
      assert.deepEqual([ended.told, other.told], [[], []]);
      other.end();
      every.end();
    },
  ],
  [
    'a listener that throws disturbs no append and no other listener',
    async (journal) => {
      if (!able(journal)) return;
      const ending = new AbortController();
      const fails = () => {
        throw new Error('the listener fails');
      };
      await journal.subscribe(fails, { signal: ending.signal });
      const every = await listen(journal);
      await start(journal, 'r');
      await every.hears('r');
      assert.equal((await read(journal, 'r')).length, 1);
      ending.abort();
      every.end();
    },
  ],
];

/** With the storage opened once more. */
export const pushCases: readonly Case[] = [
  [
    'who is told of every process hears of what another one appends',
    async (journal, another) => {
      if (!able(journal)) return;
      const every = await listen(journal);
      const other = await another();
      await start(other, 'r');
      if (every.hearsAll) await every.hears('r');
      every.end();
    },
  ],
];
