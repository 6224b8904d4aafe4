/** An id of an event that is used again once it is not remembered any more: both events have one data key. */
import { randomBytes } from 'node:crypto';
import { afterEach, expect, test, vi } from 'vitest';
import { encrypted } from '../../src/adapters/journal/encrypted.ts';
import type { Journal } from '../../src/index.ts';
import { RESERVED } from '../../src/journal/sealed.ts';
import { change, type Listening, open, signal, WEEK } from '../../src/testing/journal/inbox-kit.ts';
import { all } from '../../src/testing/journal/kit.ts';
import { journals } from '../kit/journals.ts';

afterEach(() => {
  vi.useRealTimers();
});

/** A journal with an event of the id `x` that no run took in its days, and the time after that. */
async function expired(make: () => { journal: Journal }) {
  vi.useFakeTimers({ toFake: ['Date'] });
  const inner = make().journal;
  const journal = encrypted(inner, { current: 'k', keys: { k: randomBytes(32) } }) as unknown as Listening;
  await journal.inbox.signal(signal('x', { data: 'first', by: 'ben', now: Date.now() }));
  vi.setSystemTime(Date.now() + WEEK + 1);
  const now = Date.now();
  const dead = async () => (await journal.inbox.dead({ tenant: 't', now, limit: 9 })).map(({ id, data }) => [id, data]);
  const keys = async () => (await all(inner.records?.list(`${RESERVED}/0`) ?? [])).length;
  return { journal, now, dead, keys };
}

test.each(journals)('on $name, the older event can be read once a run has taken the newer one', async ({ make }) => {
  const { journal, now, dead } = await expired(make);
  await change(journal, 'r', [open('1.0', { now })]);
  await journal.inbox.signal(signal('x', { data: 'second', now }));
  await change(journal, 'r', [
    { call: '1.0', to: 'taken', id: 'x' },
    { call: '1.0', to: 'closed', now },
  ]);
  await journal.inbox.signal(signal('x', { data: 'second', now }));
  expect(await dead()).toEqual([['x', 'first']]);
});

test.each(journals)('on $name, the older event can be read once the sender of the newer one is forgotten', async ({ make }) => {
  const { journal, now, dead, keys } = await expired(make);
  await journal.inbox.signal(signal('x', { data: 'second', by: 'ana', now }));
  expect(await journal.inbox.forget({ tenant: 't', by: 'ana', now })).toEqual({ events: 1, runs: [] });
  expect(await dead()).toEqual([['x', 'first']]);
  // the key goes with the last of them, and that of the store is left
  await journal.inbox.forget({ tenant: 't', by: 'ben', now });
  expect([await dead(), await keys()]).toEqual([[], 1]);
});
