import assert from 'node:assert/strict';
import type { HeadFilter, Journal, RunHead } from '../../journal/port.ts';
import type { Case } from './kit.ts';
import { all, entry, head, headOf, paged, plain, start } from './kit.ts';

const ids = async (journal: Journal, filter: HeadFilter) => (await all(journal.heads(filter))).map(({ runId }) => runId);

/** Not listed by start time, so that a store that does not sort fails. */
const RUNS: readonly Partial<RunHead>[] = [
  { runId: 'a', startedAt: 30, agent: 'clerk', status: 'completed', session: 's', tenant: 't', by: 'ana' },
  { runId: 'b', startedAt: 10, agent: 'clerk', status: 'running', session: 's', tenant: 't', by: 'ben', fork: 'a' },
  { runId: 'c', startedAt: 50, agent: 'cook', status: 'paused', session: 's', tenant: 'u' },
  { runId: 'd', startedAt: 20, agent: 'cook', status: 'running', tenant: 't', by: 'ana', fork: 'c' },
  { runId: 'e', startedAt: 60, agent: 'clerk', status: 'failed' },
  { runId: 'f', startedAt: 40, agent: 'clerk', status: 'completed', session: 's' },
];

async function fill(journal: Journal): Promise<void> {
  for (const run of RUNS) await start(journal, run.runId as string, 1, run);
}

export const headCases: readonly Case[] = [
  [
    'an empty store has no heads',
    async (journal) => {
      for (const filter of [{}, { runId: 'r' }, { status: 'running' }, { session: 's', limit: 3 }] as const)
        assert.deepEqual(await ids(journal, filter), []);
    },
  ],
  [
    'heads are listed by start time, newest first',
    async (journal) => {
      await fill(journal);
      assert.deepEqual(await ids(journal, {}), ['e', 'c', 'f', 'a', 'd', 'b']);
    },
  ],
  [
    'a filter asks for equality on each of its fields, and keeps the order',
    async (journal) => {
      await fill(journal);
      const expected: readonly (readonly [HeadFilter, readonly string[]])[] = [
        [{ runId: 'c' }, ['c']],
        [{ agent: 'clerk' }, ['e', 'f', 'a', 'b']],
        [{ status: 'running' }, ['d', 'b']],
        [{ status: 'paused' }, ['c']],
        [{ status: 'completed' }, ['f', 'a']],
        [{ status: 'cancelled' }, []],
        [{ session: 's' }, ['c', 'f', 'a', 'b']],
        [{ tenant: 't' }, ['a', 'd', 'b']],
        [{ session: 's', tenant: 't' }, ['a', 'b']],
        [{ session: 's', tenant: 't', status: 'running' }, ['b']],
        [{ runId: 'c', status: 'running' }, []],
        [{ runId: 'c', tenant: 'u', agent: 'cook' }, ['c']],
        [{ agent: 'cook', tenant: 't' }, ['d']],
        [{ session: 'none' }, []],
        [{ by: 'ana' }, ['a', 'd']],
        [{ by: 'ana', session: 's' }, ['a']],
        [{ fork: 'c' }, ['d']],
        [{ fork: 'x' }, []],
      ];
      for (const [filter, found] of expected) assert.deepEqual(await ids(journal, filter), found, JSON.stringify(filter));
    },
  ],
  [
    'a filter ignores fields that are undefined',
    async (journal) => {
      await fill(journal);
      assert.deepEqual(await ids(journal, { agent: 'cook', session: undefined, status: undefined, limit: undefined } as HeadFilter), [
        'c',
        'd',
      ]);
    },
  ],
  [
    'a limit returns only the newest heads',
    async (journal) => {
      await fill(journal);
      for (const limit of [1, 2, 5, 6, 100])
        assert.deepEqual(await ids(journal, { limit }), ['e', 'c', 'f', 'a', 'd', 'b'].slice(0, limit));
      assert.deepEqual(await ids(journal, { session: 's', limit: 1 }), ['c']);
      assert.deepEqual(await ids(journal, { session: 's', tenant: 't', limit: 1 }), ['a']);
      assert.deepEqual(await ids(journal, { status: 'running', limit: 1 }), ['d']);
    },
  ],
  [
    'pages add up to the whole list: each continues after the last head of the previous one',
    async (journal) => {
      await fill(journal);
      for (let i = 0; i < 9; i++) await start(journal, `r${i}`, 1, { startedAt: 35, status: 'completed', session: 's' });
      for (const filter of [{}, { session: 's' }, { status: 'completed' }, { agent: 'clerk', tenant: 't' }] as const) {
        const whole = await ids(journal, filter);
        for (const limit of [1, 4, 100]) {
          const found = await paged((after) => all(journal.heads({ ...filter, limit, ...(after && { after }) })), whole.length);
          assert.deepEqual(found, whole, `${JSON.stringify(filter)}, ${limit} at a time`);
        }
      }
    },
  ],
  [
    'a page continues after a run that was removed meanwhile, and skips none',
    async (journal) => {
      await fill(journal);
      await start(journal, 'twin', 1, { startedAt: 40, status: 'completed' });
      const before = await ids(journal, {});
      const [gone] = await all(journal.heads({ runId: 'twin' }));
      await journal.remove('twin');
      const found = await ids(journal, { after: gone as RunHead });
      const behind = before.slice(before.indexOf('twin') + 1);
      assert.deepEqual(
        behind.filter((id) => !found.includes(id)),
        [],
      );
      assert.deepEqual(await ids(journal, { after: { runId: 'never', startedAt: 25 } }), ['d', 'b']);
    },
  ],
  [
    'owners are found by prefix, whatever characters they have',
    async (journal) => {
      const owners = {
        a: 'host#1/7',
        b: 'host#1/8',
        c: 'host#10/7',
        d: 'host#',
        e: 'Host#1/7',
        f: 'host#1/\u{1f600}',
        g: 'h_st#1/7',
        h: 'a host#1/7',
      };
      for (const [id, owner] of Object.entries(owners)) await start(journal, id, 1, { owner, leaseUntil: 9 });
      await start(journal, 'none');
      const found = async (ownerPrefix: string) => (await ids(journal, { status: 'running', ownerPrefix })).sort();
      assert.deepEqual(await found('host#1/'), ['a', 'b', 'f']);
      assert.deepEqual(await found('host#'), ['a', 'b', 'c', 'd', 'f']);
      assert.deepEqual(await found('h_'), ['g']);
      assert.deepEqual(await found('%'), []);
    },
  ],
  [
    'runs with an open approval are found by their mark, page by page, until they are written without it',
    async (journal) => {
      for (let i = 0; i < 7; i++) {
        await start(journal, `asks${i}`, 1, { status: 'paused', asks: true, startedAt: 100 + (i % 3), tenant: i < 4 ? 't' : 'u' });
        await start(journal, `sleeps${i}`, 1, { status: 'paused', wakeAt: 5, startedAt: 100 + (i % 3), tenant: 't' });
      }
      const found = async (filter: HeadFilter = {}) => (await ids(journal, { status: 'paused', asks: true, ...filter })).sort();
      const named = (...of: number[]) => of.map((i) => `asks${i}`);
      assert.deepEqual(await found(), named(0, 1, 2, 3, 4, 5, 6));
      assert.deepEqual(await found({ tenant: 't' }), named(0, 1, 2, 3));
      assert.deepEqual([await found({ runId: 'asks3' }), await found({ runId: 'sleeps3' })], [['asks3'], []]);
      const page = (after?: RunHead) => all(journal.heads({ status: 'paused', asks: true, limit: 2, ...(after && { after }) }));
      assert.deepEqual((await paged(page, 7)).sort(), named(0, 1, 2, 3, 4, 5, 6));
      const next = (runId: string, seq: number, over: Partial<RunHead>) =>
        journal.append(runId, seq, [entry(seq)], head(runId, { seq: seq + 1, startedAt: 100, ...over }));
      await next('asks0', 1, { status: 'paused', wakeAt: 0, tenant: 't' });
      await next('asks3', 1, {});
      await next('sleeps0', 1, { status: 'paused', asks: true, tenant: 't' });
      await journal.remove('asks6');
      assert.deepEqual(await found(), [...named(1, 2, 4, 5), 'sleeps0']);
      await next('asks3', 2, { status: 'paused', asks: true });
      assert.deepEqual(await found(), [...named(1, 2, 3, 4, 5), 'sleeps0']);
      for (const status of ['stopped', 'failed'] as const) {
        await start(journal, status, 1, { status });
        await start(journal, `${status} and asks`, 1, { status, asks: true });
        assert.deepEqual(await found(), [...named(1, 2, 3, 4, 5), 'sleeps0']);
        assert.deepEqual(await found({ status }), [`${status} and asks`]);
        assert.deepEqual((await ids(journal, { status })).sort(), [status, `${status} and asks`]);
        await journal.append(`${status} and asks`, 1, [entry(1)], head(`${status} and asks`, { status, seq: 2 }));
        assert.deepEqual(await found({ status }), []);
      }
    },
  ],
  [
    'long lists are complete, even if many runs started in the same millisecond',
    async (journal) => {
      const names = Array.from({ length: 1_203 }, (_, i) => `r${i}`);
      await Promise.all(names.map(async (id) => start(journal, id, 1, { startedAt: 5, status: 'completed' })));
      const found = await ids(journal, {});
      assert.equal(found.length, names.length);
      assert.deepEqual(new Set(found), new Set(names));
      assert.equal((await ids(journal, { status: 'completed', limit: 1_001 })).length, 1_001);
    },
  ],
  [
    'every field of a head is returned, and absent fields stay absent',
    async (journal) => {
      const full = head('full', {
        agent: 'cook',
        session: 's',
        tenant: 't',
        by: 'ana',
        fork: 'base',
        owner: 'o',
        leaseUntil: 1_999_999_999_999,
        wakeAt: 1_888_888_888_888,
        startedAt: 1_777_777_777_777,
        unknowns: 3,
        asks: true,
      });
      await start(journal, 'full', 1, full);
      await start(journal, 'bare');
      assert.deepEqual(await headOf(journal, 'full'), plain(full));
      assert.deepEqual(await headOf(journal, 'bare'), plain(head('bare')));
    },
  ],
  [
    'each append replaces the head, including fields that it no longer has',
    async (journal) => {
      const steps: readonly Partial<RunHead>[] = [
        { owner: 'o', leaseUntil: 5, session: 's', tenant: 't' },
        { status: 'paused', wakeAt: 9, session: 's', tenant: 't' },
        { status: 'paused', wakeAt: 9, session: 's', tenant: 't', asks: true },
        { owner: 'p', leaseUntil: 7, unknowns: 1, session: 's', tenant: 't' },
        { owner: 'p', leaseUntil: 7, unknowns: 2, session: 's', tenant: 't' },
        { status: 'stopped', unknowns: 2, session: 's', tenant: 't' },
        { agent: 'cook', status: 'running', owner: 'q', leaseUntil: 8, session: 's2', tenant: 't2', startedAt: 77 },
        { agent: 'cook', status: 'completed', startedAt: 77 },
        // heads that differ from the next one in a single field
        { owner: 'q' },
        { owner: 'q', session: 's' },
        { owner: 'q', session: 's', tenant: 't' },
        { owner: 'q', session: 's', tenant: 't', agent: 'cook' },
        { owner: 'q', session: 's', tenant: 't', agent: 'cook', startedAt: 78 },
        { owner: 'q', session: 's', tenant: 't', agent: 'cook', startedAt: 78, wakeAt: 4 },
        { owner: 'q', session: 's', tenant: 't', agent: 'cook', startedAt: 78, wakeAt: 4, leaseUntil: 6 },
      ];
      for (const [seq, over] of steps.entries()) {
        await journal.append('r', seq, [entry(seq)], head('r', { seq: seq + 1, ...over }));
        assert.deepEqual(await headOf(journal, 'r'), plain(head('r', over)), `after append ${seq}`);
        assert.equal((await ids(journal, {})).length, 1);
        assert.deepEqual(await ids(journal, { status: over.status ?? 'running' }), ['r']);
        assert.deepEqual(await ids(journal, { session: 's' }), over.session === 's' ? ['r'] : []);
      }
    },
  ],
  [
    'an append that changes only seq keeps the other fields of the head',
    async (journal) => {
      const over = { owner: 'o', leaseUntil: 5, wakeAt: 3, unknowns: 1, session: 's' };
      for (let seq = 0; seq < 5; seq++) await journal.append('r', seq, [entry(seq)], head('r', { ...over, seq: seq + 1 }));
      assert.deepEqual(await headOf(journal, 'r'), plain(head('r', over)));
    },
  ],
];
