/** Tests of the events that no wait will get, and of forgetting events. */
import assert from 'node:assert/strict';
import type { DeadFilter, StoredEvent } from '../../journal/inbox.ts';
import { needs } from '../suite.ts';
import { change, headOf, ids, type Listening, NOW, open, signal, states, TOPIC, WEEK } from './inbox-kit.ts';
import type { Case } from './kit.ts';

const dead = async ({ inbox }: Listening, more: Partial<DeadFilter> = {}) =>
  (await inbox.dead({ tenant: 't', now: NOW, limit: 9, ...more })).map(({ id }) => id);
const nrOf = async ({ inbox }: Listening, id: string) => ((await inbox.list('t', 99)).find((e) => e.id === id) as StoredEvent).nr;

const CASES: readonly (readonly [string, (journal: Listening) => Promise<void>])[] = [
  [
    'rejected and expired events of a tenant are listed, newest first, page by page',
    async (journal) => {
      const times = { e0: -WEEK - 5, e1: -WEEK, e2: -WEEK + 1, e3: -50, e4: -40, e5: -40, e6: 0 };
      for (const [id, ago] of Object.entries(times))
        await journal.inbox.signal(
          signal(id, { now: NOW + ago, event: id < 'e4' ? 'reply' : 'other', ...(id > 'e2' && id < 'e6' && { problem: 'no' }) }),
        );
      await journal.inbox.signal(signal('u', { tenant: 'u', problem: 'no' }));
      await journal.inbox.signal(signal('none', { tenant: undefined, problem: 'no' }));
      const whole = ['e5', 'e4', 'e3', 'e1', 'e0'];
      assert.deepEqual(await dead(journal), whole);
      assert.deepEqual(await dead(journal, { now: NOW + WEEK }), ['e6', 'e5', 'e4', 'e3', 'e2', 'e1', 'e0']);
      assert.deepEqual([await dead(journal, { tenant: 'u' }), await dead(journal, { tenant: undefined })], [['u'], ['none']]);
      for (const limit of [1, 2, 3]) {
        const found: string[] = [];
        for (let after: StoredEvent | undefined; ; ) {
          const page = await journal.inbox.dead({ tenant: 't', now: NOW, limit, ...(after && { after }) });
          if (page.length === 0) break;
          assert.ok(found.length < whole.length, 'the list goes on behind its end');
          found.push(...page.map(({ id }) => id));
          after = page.at(-1);
        }
        assert.deepEqual(found, whole, `${limit} at a time`);
      }
      assert.deepEqual(await dead(journal, { event: 'reply' }), ['e3', 'e1', 'e0']);
      assert.deepEqual(await dead(journal, { event: 'reply', limit: 2 }), ['e3', 'e1']);
      assert.deepEqual(await dead(journal, { since: NOW - 40 }), ['e5', 'e4']);
      assert.deepEqual(await dead(journal, { nr: await nrOf(journal, 'e3') }), ['e3']);
      assert.deepEqual(await dead(journal, { nr: await nrOf(journal, 'e6') }), []);
      assert.deepEqual(await dead(journal, { nr: 9_999 }), []);
    },
  ],
  [
    'an event that is tried again goes to the oldest wait with the data that it is given, or waits once more, or stays rejected',
    async (journal) => {
      const { inbox } = journal;
      for (const id of ['e1', 'e2', 'e3']) await inbox.signal(signal(id, { problem: 'no' }));
      await inbox.signal(signal('old', { now: NOW - WEEK }));
      await change(journal, 'r', [open('1.0')], { status: 'paused', wakeAt: 9 });
      const again = async (id: string, more: object = {}) => inbox.bury('t', await nrOf(journal, id), { to: 'again', now: NOW, ...more });
      const given = await again('e2', { data: { n: 'right' } });
      assert.deepEqual([given?.state, given?.data, given?.problem], ['assigned', { n: 'right' }, undefined]);
      assert.deepEqual(await ids(journal, 'r'), [['1.0', 'e2']]);
      assert.equal((await headOf(journal, 'r'))?.wakeAt, 0);
      // what was sent is known again
      assert.equal((await inbox.signal(signal('e2'))).state, 'assigned');
      const waits = await again('old');
      assert.deepEqual([waits?.state, waits?.until], ['waiting', NOW + WEEK]);
      const refused = await again('e1', { problem: 'still not' });
      assert.deepEqual([refused?.state, refused?.problem], ['rejected', 'still not']);
      assert.deepEqual(await dead(journal), ['e3', 'e1']);
      assert.equal(await again('e2'), undefined, 'one that a run has is not given to another');
      assert.equal(await inbox.bury('u', await nrOf(journal, 'e3'), { to: 'again', now: NOW }), undefined, 'it is of another tenant');
      await change(journal, 's', [open('1.0')]);
      assert.deepEqual(await ids(journal, 's'), [['1.0', 'old']]);
    },
  ],
  [
    'an event that is dismissed is not listed as dead again, and says who dismissed it and why',
    async (journal) => {
      const { inbox } = journal;
      for (const id of ['e1', 'e2']) await inbox.signal(signal(id, { problem: 'no' }));
      await inbox.signal(signal('kept'));
      const dismiss = async (id: string, tenant: string | undefined = 't') =>
        inbox.bury(tenant, await nrOf(journal, id), { to: 'dismissed', now: NOW + 3, by: 'lead', reason: 'old' });
      assert.equal(await dismiss('e1', 'u'), undefined, 'it is of another tenant');
      assert.equal(await dismiss('kept'), undefined, 'a wait may get it');
      assert.deepEqual((await dismiss('e1'))?.dismissed, { by: 'lead', at: NOW + 3, reason: 'old' });
      assert.equal(await dismiss('e1'), undefined, 'it was dismissed before');
      assert.deepEqual(await dead(journal), ['e2']);
      assert.deepEqual(await states(journal), [
        ['kept', 'waiting'],
        ['e2', 'rejected'],
        ['e1', 'dismissed'],
      ]);
      assert.equal((await inbox.signal(signal('e1'))).state, 'dismissed', 'the same event sent again has no effect');
    },
  ],
  [
    'what a forgotten principal sent is erased, unless a run has taken it; its waits get the next events',
    async (journal) => {
      const { inbox } = journal;
      for (const run of ['r', 's', 'taker']) await change(journal, run, [open('1.0')], { status: 'paused', wakeAt: 9 });
      for (const id of ['e1', 'e2', 'taken']) await inbox.signal(signal(id));
      await inbox.signal(signal('bens', { by: 'ben' }));
      await inbox.signal(signal('free'));
      await inbox.signal(signal('bad', { problem: 'no' }));
      await inbox.signal(signal('other', { tenant: 'u', problem: 'no' }));
      const took = [
        { call: '1.0', to: 'taken', id: 'taken' },
        { call: '1.0', to: 'closed', now: NOW },
      ] as const;
      await change(journal, 'taker', took);
      const { events, runs } = await inbox.forget({ tenant: 't', by: 'ana', now: NOW });
      assert.equal(events, 4);
      assert.deepEqual([...runs].sort(), ['r', 's']);
      assert.deepEqual([await ids(journal, 'r'), await ids(journal, 's')], [[['1.0', 'bens']], []]);
      assert.deepEqual(await states(journal), [['bens', 'assigned']]);
      assert.deepEqual(await states(journal, 'u'), [['other', 'rejected']]);
      const taken = await inbox.signal(signal('taken'));
      assert.deepEqual([taken.state, taken.by], ['taken', ''], 'what was taken is not taken twice, and its sender is gone');
      assert.equal((await inbox.signal(signal('e2', { by: 'ben' }))).state, 'assigned', 'an erased event may be sent once more');
      assert.deepEqual(await ids(journal, 's'), [['1.0', 'e2']]);
      assert.deepEqual(await inbox.forget({ tenant: 't', by: 'ana', now: NOW }), { events: 0, runs: [] });
      assert.deepEqual(await inbox.waits(TOPIC), [
        { run: 'r', call: '1.0' },
        { run: 's', call: '1.0' },
      ]);
    },
  ],
];

export const deadEventCases: readonly Case[] = CASES.map(([name, check]) => [
  name,
  async (journal) => {
    needs(journal, 'inbox');
    await check(journal);
  },
]);
