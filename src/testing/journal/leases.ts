import assert from 'node:assert/strict';
import type { Journal } from '../../journal/port.ts';
import type { Case } from './kit.ts';
import { all, entries, entry, head, read, same, start } from './kit.ts';

/** Milliseconds. Longer than any test takes. */
const LONG = 600_000;
const clock = async (journal: Journal) => (journal.now ? journal.now() : Date.now());

async function lease(journal: Journal, runId: string) {
  const [found] = await all(journal.heads({ runId }));
  return { owner: found?.owner, until: found?.leaseUntil };
}

export const leaseCases: readonly Case[] = [
  [
    'a free lease can be taken, and the head has its owner and expiry',
    async (journal) => {
      await start(journal, 'r');
      const until = (await clock(journal)) + LONG;
      assert.equal(await journal.renew('r', 'ana', until), true);
      assert.deepEqual(await lease(journal, 'r'), { owner: 'ana', until });
    },
  ],
  [
    'a live lease is refused to all but its owner, who can renew it',
    async (journal) => {
      await start(journal, 'r');
      const now = await clock(journal);
      await journal.renew('r', 'ana', now + LONG);
      assert.equal(await journal.renew('r', 'ben', now + 3 * LONG), false);
      assert.deepEqual(await lease(journal, 'r'), { owner: 'ana', until: now + LONG });
      assert.equal(await journal.renew('r', 'ana', now + 2 * LONG), true);
      assert.deepEqual(await lease(journal, 'r'), { owner: 'ana', until: now + 2 * LONG });
    },
  ],
  [
    'an expired lease goes to the next owner that asks',
    async (journal) => {
      const now = await clock(journal);
      await start(journal, 'r', 1, { owner: 'ana', leaseUntil: now - 1 });
      assert.equal(await journal.renew('r', 'ben', now + LONG), true);
      assert.equal(await journal.renew('r', 'ana', now + LONG), false);
      assert.equal((await lease(journal, 'r')).owner, 'ben');
    },
  ],
  [
    'an append can take a lease, and a run that is no longer running releases it',
    async (journal) => {
      const now = await clock(journal);
      await start(journal, 'r', 1, { owner: 'ana', leaseUntil: now + LONG });
      assert.equal(await journal.renew('r', 'ben', now + LONG), false);
      await journal.append('r', 1, [entry(1)], head('r', { status: 'paused' }));
      assert.deepEqual(await lease(journal, 'r'), { owner: undefined, until: undefined });
      assert.equal(await journal.renew('r', 'ben', now + LONG), true);
    },
  ],
  [
    'an append whose running head names no owner keeps owner and lease, and stores the other fields',
    async (journal) => {
      const now = await clock(journal);
      await start(journal, 'r', 1, { owner: 'ana', leaseUntil: now + LONG });
      await journal.append('r', 1, [entry(1)], head('r', { unknowns: 1 }));
      await journal.append('r', 2, [entry(2)], head('r', { unknowns: 1 }));
      assert.deepEqual(await lease(journal, 'r'), { owner: 'ana', until: now + LONG });
      assert.equal((await all(journal.heads({ runId: 'r' })))[0]?.unknowns, 1);
      assert.equal(await journal.renew('r', 'ben', now + LONG), false);
      await journal.append('r', 3, [entry(3)], head('r', { owner: 'cem', leaseUntil: now + 2 * LONG }));
      assert.deepEqual(await lease(journal, 'r'), { owner: 'cem', until: now + 2 * LONG });
    },
  ],
  [
    'a lease that its owner ends has the end that it was given, also after an append of a process that does not drive the run',
    async (journal) => {
      await start(journal, 'r', 1, { owner: 'ana', leaseUntil: (await clock(journal)) + LONG });
      assert.equal(await journal.renew('r', 'ana', 1), true);
      await journal.append('r', 1, [entry(1)], head('r'));
      assert.deepEqual(await lease(journal, 'r'), { owner: 'ana', until: 1 });
    },
  ],
  [
    'each run has its own lease',
    async (journal) => {
      const now = await clock(journal);
      await start(journal, 'a');
      await start(journal, 'b');
      await journal.renew('a', 'ana', now + LONG);
      assert.equal(await journal.renew('b', 'ben', now + LONG), true);
      assert.equal((await lease(journal, 'a')).owner, 'ana');
    },
  ],
  [
    'of several owners that take a free lease at once, exactly one gets it',
    async (journal) => {
      await start(journal, 'r');
      const until = (await clock(journal)) + LONG;
      const taken = await Promise.all(Array.from({ length: 10 }, async (_, i) => journal.renew('r', `taker ${i}`, until)));
      assert.equal(taken.filter(Boolean).length, 1);
      assert.equal((await lease(journal, 'r')).owner, `taker ${taken.indexOf(true)}`);
    },
  ],
  [
    'a lease does not block appends: only the sequence number does',
    async (journal) => {
      await start(journal, 'r', 2);
      await journal.renew('r', 'ana', (await clock(journal)) + LONG);
      await journal.append('r', 2, [entry(2)], head('r', { owner: 'ben' }));
      same(await read(journal, 'r'), entries(0, 3));
    },
  ],
];
