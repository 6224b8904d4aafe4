import assert from 'node:assert/strict';
import type { DueFilter, Journal, RunHead } from '../../journal/port.ts';
import { needs } from '../suite.ts';
import type { Case } from './kit.ts';
import { all, entry, head, headOf, paged, plain, start } from './kit.ts';

const NOW = 1_000;
const due = async (journal: Journal, filter: Partial<DueFilter>) =>
  all(journal.due?.({ status: 'running', now: NOW, limit: 100, ...filter }) ?? []);
const ids = async (journal: Journal, filter: Partial<DueFilter>) => (await due(journal, filter)).map(({ runId }) => runId);

/** Listed neither by start time nor by due time, so that a store that does not sort fails. */
const RUNS: readonly Partial<RunHead>[] = [
  { runId: 'unrecorded', status: 'completed', wakeAt: 1 },
  { runId: 'ended', status: 'completed' },
  { runId: 'late', owner: 'o', leaseUntil: NOW - 1, startedAt: 9 },
  { runId: 'alive', owner: 'o', leaseUntil: NOW + 1 },
  { runId: 'early', owner: 'p', leaseUntil: 5, startedAt: 7, session: 's', tenant: 't' },
  { runId: 'exact', owner: 'o', leaseUntil: NOW, startedAt: 5 },
  { runId: 'free', startedAt: 8 },
  { runId: 'decided', status: 'paused', wakeAt: 0 },
  { runId: 'waiting', status: 'paused', wakeAt: NOW + 1 },
  { runId: 'expired', status: 'paused', wakeAt: NOW },
  { runId: 'people', status: 'paused' },
  { runId: 'stopped', status: 'stopped', wakeAt: 2 },
];

async function fill(journal: Journal): Promise<void> {
  for (const run of RUNS) await start(journal, run.runId as string, 1, run);
}

const CASES: readonly Case[] = [
  [
    'due are running runs without a live lease, and paused or completed runs whose wake time has come, longest due first',
    async (journal) => {
      await fill(journal);
      assert.deepEqual(await ids(journal, { status: 'running' }), ['free', 'early', 'late', 'exact']);
      assert.deepEqual(await ids(journal, { status: 'paused' }), ['decided', 'expired']);
      assert.deepEqual(await ids(journal, { status: 'completed' }), ['unrecorded']);
      assert.deepEqual(await ids(journal, { status: 'running', now: 0 }), ['free']);
      assert.deepEqual(await ids(journal, { status: 'paused', now: -1 }), []);
    },
  ],
  [
    'a due run is listed with its complete head',
    async (journal) => {
      await fill(journal);
      const [found] = (await due(journal, { status: 'running' })).filter(({ runId }) => runId === 'early');
      assert.deepEqual(found && plain(found), await headOf(journal, 'early'));
    },
  ],
  [
    'pages of due runs add up to the whole list, even if many are due since the same millisecond',
    async (journal) => {
      for (let i = 0; i < 25; i++) {
        await start(journal, `r${i}`, 1, { owner: 'o', leaseUntil: 10 + Math.floor(i / 10) });
        await start(journal, `p${i}`, 1, { status: 'paused', wakeAt: 10 + Math.floor(i / 10) });
      }
      for (const status of ['running', 'paused'] as const) {
        const whole = await ids(journal, { status });
        assert.equal(new Set(whole).size, 25);
        assert.equal((await ids(journal, { status, limit: 7 })).length, 7);
        for (const limit of [1, 7, 25]) {
          const found = await paged((after) => due(journal, { status, limit, ...(after && { after }) }), whole.length);
          assert.deepEqual(found, whole, `${status}, ${limit} at a time`);
        }
      }
    },
  ],
  [
    'the next page continues after the last one, even if the run it ended with is no longer due or was removed',
    async (journal) => {
      for (const id of ['a', 'b', 'c', 'd']) await start(journal, id, 1, { owner: 'o', leaseUntil: 10 });
      const [, second] = await due(journal, { limit: 2 });
      assert.equal(second?.runId, 'b');
      await journal.renew('b', 'o', NOW + 1);
      assert.deepEqual(await ids(journal, { after: second }), ['c', 'd']);
      await journal.remove('b');
      assert.deepEqual(await ids(journal, { after: second }), ['c', 'd']);
    },
  ],
  [
    'taking or releasing a lease, pausing and ending a run change at once which runs are due',
    async (journal) => {
      await start(journal, 'r');
      assert.deepEqual(await ids(journal, {}), ['r']);
      await journal.renew('r', 'ana', Date.now() + 600_000);
      assert.deepEqual(await ids(journal, { now: Date.now() }), []);
      await journal.renew('r', 'ana', 0);
      assert.deepEqual(await ids(journal, {}), ['r']);
      await journal.append('r', 1, [entry(1)], head('r', { status: 'paused', wakeAt: 20 }));
      assert.deepEqual([await ids(journal, {}), await ids(journal, { status: 'paused' })], [[], ['r']]);
      await journal.append('r', 2, [entry(2)], head('r', { status: 'completed' }));
      assert.deepEqual([await ids(journal, {}), await ids(journal, { status: 'paused' })], [[], []]);
    },
  ],
];

const QUEUE: readonly Partial<RunHead>[] = [
  { runId: 'b1', tenant: 'b', startedAt: 5, session: 's' },
  { runId: 'a2', tenant: 'a', startedAt: 4 },
  { runId: 'none', startedAt: 9, session: 's' },
  { runId: 'b2', tenant: 'b', startedAt: 6, session: 's' },
  { runId: 'a3', tenant: 'a', startedAt: 4 },
  { runId: 'c1', tenant: 'c', startedAt: 1 },
  { runId: 'a1', tenant: 'a', startedAt: 3 },
];

const QUEUE_CASES: readonly Case[] = [
  [
    'queued runs are due at once, by tenant and in the order of their start; several of a session wait side by side',
    async (journal) => {
      for (const run of QUEUE) await start(journal, run.runId as string, 1, { status: 'queued', ...run });
      await start(journal, 'open', 1, { session: 's', tenant: 'b' });
      const whole = ['none', 'a1', 'a2', 'a3', 'b1', 'b2', 'c1'];
      assert.deepEqual(await ids(journal, { status: 'queued', now: 0 }), whole);
      for (const limit of [1, 3])
        assert.deepEqual(await paged((after) => due(journal, { status: 'queued', limit, ...(after && { after }) }), whole.length), whole);
      assert.deepEqual(await ids(journal, { status: 'queued', tenant: 'b' }), ['b1', 'b2']);
      assert.deepEqual(await ids(journal, { status: 'queued', tenant: null }), ['none']);
      assert.deepEqual(await ids(journal, { status: 'queued', tenant: 'z' }), []);
      const [first] = await due(journal, { status: 'queued', tenant: 'a', limit: 1 });
      assert.deepEqual(await ids(journal, { status: 'queued', tenant: 'a', after: first as RunHead }), ['a2', 'a3']);
      assert.deepEqual(first && plain(first), await headOf(journal, 'a1'));
    },
  ],
  [
    'the first queued run of each tenant is listed, page by page',
    async (journal) => {
      for (const run of QUEUE) await start(journal, run.runId as string, 1, { status: 'queued', ...run });
      const firsts = ['none', 'a1', 'b1', 'c1'];
      assert.deepEqual(await ids(journal, { status: 'queued', firsts: true }), firsts);
      for (const limit of [1, 2])
        assert.deepEqual(
          await paged((after) => due(journal, { status: 'queued', firsts: true, limit, ...(after && { after }) }), firsts.length),
          firsts,
        );
    },
  ],
  [
    'a run that is begun, cancelled or removed leaves the queue at once',
    async (journal) => {
      for (const id of ['a', 'b', 'c', 'd']) await start(journal, id, 1, { status: 'queued' });
      await journal.append('a', 1, [entry(1)], head('a', { status: 'running' }));
      await journal.append('b', 1, [entry(1)], head('b', { status: 'cancelled' }));
      await journal.append('d', 1, [entry(1)], head('d', { status: 'queued', seq: 2 }));
      await journal.remove('c');
      assert.deepEqual(await ids(journal, { status: 'queued' }), ['d']);
      assert.deepEqual(
        (await all(journal.heads({ status: 'queued' }))).map(({ runId }) => runId),
        ['d'],
      );
    },
  ],
];

/** Tests of `due`. */
export const dueCases: readonly Case[] = [...CASES, ...QUEUE_CASES].map(([name, check]) => [
  name,
  async (journal, another) => {
    needs(journal, 'due');
    await check(journal, another);
  },
]);
