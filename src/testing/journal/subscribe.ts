import assert from 'node:assert/strict';
import type { Journal } from '../../journal/port.ts';
import { needs } from '../suite.ts';
import type { Case } from './kit.ts';
import { entry, head, read, start } from './kit.ts';

/** Milliseconds to wait for a notification. */
const PATIENCE = 2_000;

type Pushing = Journal & Required<Pick<Journal, 'subscribe'>>;

/** Subscribes. `told` has the run ids of the notifications so far; `hears` waits for one of a run. */
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
        // later notifications are for the next call of hears()
        tell = () => {};
        resolve();
      };
      tell();
    });
  return { told, hears, hearsAll, end: () => ending.abort() };
}

/** Tests of `subscribe`. */
export const subscribeCases: readonly Case[] = [
  [
    'a listener to one run, or to all, is notified of appends once they can be read, of rewrites and of removals',
    async (journal) => {
      needs(journal, 'subscribe');
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
    'a listener to one run is not notified of others, and after its end of none',
    async (journal) => {
      needs(journal, 'subscribe');
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
    'a listener that throws, or whose promise is rejected, affects neither appends nor other listeners',
    async (journal) => {
      needs(journal, 'subscribe');
      const ending = new AbortController();
      const fails = () => {
        throw new Error('the listener fails');
      };
      await journal.subscribe(fails, { signal: ending.signal });
      await journal.subscribe(async () => fails(), { signal: ending.signal });
      const every = await listen(journal);
      await start(journal, 'r');
      await every.hears('r');
      assert.equal((await read(journal, 'r')).length, 1);
      ending.abort();
      every.end();
    },
  ],
];

/** Tests of `subscribe` that open the storage again. */
export const pushCases: readonly Case[] = [
  [
    'if the store reports every process, a listener is notified of appends through another handle',
    async (journal, another) => {
      needs(journal, 'subscribe');
      const every = await listen(journal);
      const other = await another();
      await start(other, 'r');
      if (every.hearsAll) await every.hears('r');
      every.end();
    },
  ],
];
