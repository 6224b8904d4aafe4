import assert from 'node:assert/strict';
import type { Signal, WaitChange } from '../../journal/inbox.ts';
import type { RunHead } from '../../journal/port.ts';
import { needs } from '../suite.ts';
import { change, headOf, ids, type Listening, NOW, open, signal, states, TOPIC, WEEK } from './inbox-kit.ts';
import type { Case } from './kit.ts';
import { entry, head, start } from './kit.ts';

const CASES: readonly (readonly [string, (journal: Listening) => Promise<void>])[] = [
  [
    'an event goes to the oldest wait of its tenant, name and key that has none, and a paused run is due at once',
    async (journal) => {
      await change(journal, 'b', [open('1.0'), open('1.1')], { status: 'paused', wakeAt: 9 });
      await change(journal, 'a', [open('1.0')], { status: 'paused', wakeAt: 9 });
      await change(journal, 'c', [open('1.0', { tenant: 'u' }), open('1.1', { event: 'x' }), open('1.2', { key: 'x' })], {
        status: 'paused',
        wakeAt: 9,
      });
      for (const id of ['e1', 'e2', 'e3']) assert.equal((await journal.inbox.signal(signal(id))).state, 'assigned');
      assert.equal((await journal.inbox.signal(signal('e4'))).state, 'waiting');
      assert.deepEqual(await ids(journal, 'b'), [
        ['1.0', 'e1'],
        ['1.1', 'e2'],
      ]);
      assert.deepEqual(await ids(journal, 'a'), [['1.0', 'e3']]);
      assert.deepEqual(await ids(journal, 'c'), []);
      assert.deepEqual(
        [(await headOf(journal, 'a'))?.wakeAt, (await headOf(journal, 'b'))?.wakeAt, (await headOf(journal, 'c'))?.wakeAt],
        [0, 0, 9],
      );
      assert.deepEqual(await journal.inbox.waits(TOPIC), [
        { run: 'b', call: '1.0' },
        { run: 'b', call: '1.1' },
        { run: 'a', call: '1.0' },
      ]);
    },
  ],
  [
    'an event without a wait is kept in order of arrival, until it expires',
    async (journal) => {
      for (const id of ['e1', 'e2']) await journal.inbox.signal(signal(id));
      await journal.inbox.signal(signal('late', { now: NOW + WEEK }));
      await change(journal, 'r', [open('1.0', { now: NOW + WEEK - 1 })]);
      await change(journal, 's', [open('1.0', { now: NOW + WEEK })]);
      assert.deepEqual([await ids(journal, 'r'), await ids(journal, 's')], [[['1.0', 'e1']], [['1.0', 'late']]]);
    },
  ],
  [
    'the same event again has no effect, and the same id with other content is refused',
    async (journal) => {
      const first = await journal.inbox.signal(signal('e'));
      assert.deepEqual(await journal.inbox.signal(signal('e', { now: NOW + 5 })), first);
      const other = (more: Partial<Signal>) =>
        assert.rejects(async () => journal.inbox.signal(signal('e', more)), { code: 'EVENT_CONFLICT' });
      await other({ data: 1 });
      await other({ key: 'x' });
      await other({ event: 'x' });
      assert.equal((await journal.inbox.signal(signal('e', { tenant: undefined, data: 1 }))).state, 'waiting');
      assert.deepEqual(await states(journal), [['e', 'waiting']]);
      await journal.inbox.signal(signal('e', { data: 2, now: NOW + WEEK }));
    },
  ],
  [
    'an event that a run takes is gone, one that it rejects is listed, and one that it leaves goes to the next wait',
    async (journal) => {
      await change(journal, 'r', [open('1.0')]);
      await change(journal, 's', [open('1.0')], { status: 'paused' });
      await journal.inbox.signal(signal('e1'));
      await change(journal, 'r', [{ call: '1.0', to: 'rejected', id: 'e1', problem: 'no', now: NOW }]);
      assert.deepEqual(await ids(journal, 'r'), []);
      await journal.inbox.signal(signal('e2'));
      await change(journal, 'r', [{ call: '1.0', to: 'closed', now: NOW }]);
      assert.deepEqual([await ids(journal, 'r'), await ids(journal, 's')], [[], [['1.0', 'e2']]]);
      assert.equal((await headOf(journal, 's'))?.wakeAt, 0);
      await change(journal, 's', [
        { call: '1.0', to: 'taken', id: 'e2' },
        { call: '1.0', to: 'closed', now: NOW },
      ]);
      const [rejected, ...rest] = await journal.inbox.list('t', 9);
      assert.deepEqual([rejected?.id, rejected?.state, rejected?.problem, rest], ['e1', 'rejected', 'no', []]);
      const taken = await journal.inbox.signal(signal('e2'));
      assert.deepEqual([taken.state, taken.data, taken.key], ['taken', undefined, '']);
    },
  ],
  [
    'a wait that is left with nothing is given no event that has expired',
    async (journal) => {
      const late = NOW + WEEK;
      await change(journal, 'r', [open('1.0')]);
      await change(journal, 's', [open('1.0')]);
      for (const id of ['e1', 'e2', 'e3']) await journal.inbox.signal(signal(id));
      // e1 and e2 are assigned, and e3 waits until it has expired
      await change(journal, 'r', [{ call: '1.0', to: 'rejected', id: 'e1', problem: 'no', now: late }]);
      assert.deepEqual(await ids(journal, 'r'), []);
      await change(journal, 's', [{ call: '1.0', to: 'closed', now: late }]);
      assert.deepEqual([await ids(journal, 'r'), await ids(journal, 's')], [[], []]);
      assert.deepEqual(await states(journal), [
        ['e3', 'waiting'],
        ['e2', 'waiting'],
        ['e1', 'rejected'],
      ]);
    },
  ],
  [
    'an event is listed by its number for its tenant, until it is taken',
    async (journal) => {
      await change(journal, 'r', [open('1.0')]);
      const [first, second] = [await journal.inbox.signal(signal('e1')), await journal.inbox.signal(signal('e2'))];
      const listed = async (nr: number, tenant = 't', limit = 9) => (await journal.inbox.list(tenant, limit, nr)).map(({ id }) => id);
      assert.deepEqual([await listed(first.nr), await listed(second.nr)], [['e1'], ['e2']]);
      assert.deepEqual([await listed(first.nr, 'other'), await listed(first.nr, 't', 0), await listed(second.nr + 1_000)], [[], [], []]);
      await change(journal, 'r', [
        { call: '1.0', to: 'taken', id: 'e1' },
        { call: '1.0', to: 'closed', now: NOW },
      ]);
      assert.deepEqual([await listed(first.nr), await listed(second.nr)], [[], ['e2']]);
    },
  ],
  [
    'an event for all goes to each open wait, and is gone once the last has taken it',
    async (journal) => {
      for (const run of ['r', 's']) await change(journal, run, [open('1.0')]);
      await journal.inbox.signal(signal('e', { all: true }));
      assert.deepEqual([await ids(journal, 'r'), await ids(journal, 's')], [[['1.0', 'e']], [['1.0', 'e']]]);
      const take: readonly WaitChange[] = [
        { call: '1.0', to: 'taken', id: 'e' },
        { call: '1.0', to: 'closed', now: NOW },
      ];
      await change(journal, 'r', take);
      assert.deepEqual(await states(journal), [['e', 'assigned']]);
      await change(journal, 's', take);
      assert.deepEqual(await states(journal), []);
    },
  ],
  [
    'an event for all that one run has taken is not given to a wait that began later, whatever becomes of the others',
    async (journal) => {
      const take: readonly WaitChange[] = [
        { call: '1.0', to: 'taken', id: 'e' },
        { call: '1.0', to: 'closed', now: NOW },
      ];
      for (const run of ['r', 's', 't']) await change(journal, run, [open('1.0')]);
      await journal.inbox.signal(signal('e', { all: true }));
      await change(journal, 'r', take);
      await change(journal, 'r', [open('2.0')]);
      await change(journal, 's', [{ call: '1.0', to: 'closed', now: NOW }]);
      assert.deepEqual([await ids(journal, 'r'), await ids(journal, 't')], [[], [['1.0', 'e']]]);
      await journal.remove('t');
      assert.deepEqual([await ids(journal, 'r'), await states(journal)], [[], []]);
      assert.equal((await journal.inbox.signal(signal('e', { all: true, now: NOW + 1 }))).state, 'taken', 'it is known for its days');
      // one that none has taken goes to the next wait
      await change(journal, 's', [open('2.0')]);
      await journal.inbox.signal(signal('f', { all: true }));
      for (const [run, call] of [
        ['r', '2.0'],
        ['s', '2.0'],
      ] as const)
        await change(journal, run, [{ call, to: 'closed', now: NOW }]);
      await change(journal, 'r', [open('3.0')]);
      assert.deepEqual(await ids(journal, 'r'), [['3.0', 'f']]);
    },
  ],
  [
    'a sender that is forgotten takes back an event for all from those that have not taken it, and it stays known',
    async (journal) => {
      for (const run of ['r', 's']) await change(journal, run, [open('1.0')]);
      const sent = await journal.inbox.signal(signal('e', { all: true }));
      await change(journal, 'r', [
        { call: '1.0', to: 'taken', id: 'e' },
        { call: '1.0', to: 'closed', now: NOW },
      ]);
      assert.deepEqual(await journal.inbox.forget({ tenant: 't', by: sent.by, now: NOW }), { events: 1, runs: ['s'] });
      assert.deepEqual([await ids(journal, 's'), await states(journal)], [[], []]);
      assert.equal((await journal.inbox.signal(signal('e', { all: true }))).state, 'taken');
    },
  ],
  [
    'a run that pauses while an event is assigned to it is due at once, and an append that is refused changes no wait',
    async (journal) => {
      await change(journal, 'r', [open('1.0')]);
      await journal.inbox.signal(signal('e'));
      await assert.rejects(
        async () => journal.append('r', 5, [entry(5)], head('r'), { waits: [{ call: '1.0', to: 'closed', now: NOW }] }),
        {
          code: 'JOURNAL_CONFLICT',
        },
      );
      await change(journal, 'r', [], { status: 'paused', wakeAt: 99 });
      assert.equal((await headOf(journal, 'r'))?.wakeAt, 0);
      await change(
        journal,
        'r',
        [
          { call: '1.0', to: 'taken', id: 'e' },
          { call: '1.0', to: 'closed', now: NOW },
        ],
        { status: 'paused', wakeAt: 99 },
      );
      assert.equal((await headOf(journal, 'r'))?.wakeAt, 99);
    },
  ],
  [
    'a removed run waits no more, and its event goes to the next wait',
    async (journal) => {
      for (const run of ['r', 's']) await change(journal, run, [open('1.0')]);
      await journal.inbox.signal(signal('e'));
      await journal.remove('r');
      assert.deepEqual([await ids(journal, 'r'), await ids(journal, 's')], [[], [['1.0', 'e']]]);
    },
  ],
  [
    'an event with a problem is only listed',
    async (journal) => {
      await change(journal, 'r', [open('1.0')]);
      assert.equal((await journal.inbox.signal(signal('e', { problem: 'no' }))).state, 'rejected');
      assert.deepEqual([await ids(journal, 'r'), await states(journal)], [[], [['e', 'rejected']]]);
    },
  ],
];

/** Tests of `inbox`. */
export const inboxCases: readonly Case[] = CASES.map(([name, check]) => [
  name,
  async (journal) => {
    needs(journal, 'inbox');
    await check(journal);
  },
]);

/** Runs that leave their session to others. */
export const asideCases: readonly Case[] = [
  [
    'a run with `aside` does not occupy its session, and takes it again only if it is free',
    async (journal) => {
      await start(journal, 'waits', 1, { session: 's', status: 'paused', aside: true });
      await start(journal, 'next', 1, { session: 's' });
      assert.equal((await headOf(journal, 'waits'))?.aside, true);
      const claim = async (more: Partial<RunHead>) =>
        journal.append('waits', 1, [entry(1)], head('waits', { session: 's', seq: 2, ...more }));
      await assert.rejects(() => claim({}), { code: 'SESSION_BUSY' });
      await claim({ aside: true });
      await journal.append('next', 1, [entry(1)], head('next', { session: 's', status: 'completed' }));
      await journal.append('waits', 2, [entry(2)], head('waits', { session: 's' }));
      await assert.rejects(() => start(journal, 'third', 1, { session: 's' }), { code: 'SESSION_BUSY' });
    },
  ],
];

/** What another process sees of the inbox. */
export const inboxStorageCases: readonly Case[] = [
  [
    'events and waits are seen by another process, and survive',
    async (journal, another) => {
      needs(journal, 'inbox');
      await change(journal, 'r', [open('1.0')], { status: 'paused', wakeAt: 9 });
      const other = (await another()) as Listening;
      await other.inbox.signal(signal('e'));
      assert.deepEqual(await ids(journal as Listening, 'r'), [['1.0', 'e']]);
      assert.equal((await headOf(journal, 'r'))?.wakeAt, 0);
      await journal.close?.();
      assert.deepEqual(await states((await another()) as Listening), [['e', 'assigned']]);
    },
  ],
];
