import assert from 'node:assert/strict';
import type { Case } from './kit.ts';
import { all, entry, head, headOf, read, refused, same, start } from './kit.ts';

const SETTLED = ['completed', 'failed', 'cancelled', 'stopped'] as const;

export const sessionCases: readonly Case[] = [
  [
    'a session has one open run: a second one is refused with the id of the first, and leaves no trace',
    async (journal) => {
      for (const first of ['running', 'paused'] as const)
        for (const second of ['running', 'paused'] as const) {
          const session = `${first} ${second}`;
          await start(journal, `${session} 1`, 1, { session, status: first });
          const error = await refused('SESSION_BUSY', () => start(journal, `${session} 2`, 1, { session, status: second }));
          assert.equal((error.details as { runId: string }).runId, `${session} 1`);
          same(await read(journal, `${session} 2`), []);
          assert.equal(await headOf(journal, `${session} 2`), undefined);
        }
    },
  ],
  [
    'of several runs started at once in one session, exactly one opens',
    async (journal) => {
      const results = await Promise.allSettled(Array.from({ length: 10 }, async (_, i) => start(journal, `r${i}`, 1, { session: 's' })));
      assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
      for (const result of results) if (result.status === 'rejected') assert.equal(result.reason.code, 'SESSION_BUSY');
    },
  ],
  [
    'a run does not block itself: it can append, pause and be claimed again',
    async (journal) => {
      const session = 's';
      await start(journal, 'r', 1, { session });
      for (const [i, status] of (['running', 'paused', 'paused', 'running'] as const).entries())
        await journal.append('r', i + 1, [entry(i + 1)], head('r', { session, status }));
      assert.equal((await read(journal, 'r')).length, 5);
    },
  ],
  [
    'a settled run frees its session, however it ended',
    async (journal) => {
      for (const [i, status] of SETTLED.entries()) {
        await start(journal, `r${i}`, 1, { session: 's' });
        await journal.append(`r${i}`, 1, [entry(1)], head(`r${i}`, { session: 's', status }));
      }
      await start(journal, 'last', 1, { session: 's', status: 'paused' });
      await start(journal, 'settled at once', 1, { session: 's', status: 'completed' });
    },
  ],
  [
    'a settled run cannot open again while its session has another one',
    async (journal) => {
      await start(journal, 'old', 1, { session: 's', status: 'stopped' });
      await start(journal, 'new', 1, { session: 's' });
      const error = await refused('SESSION_BUSY', () => journal.append('old', 1, [entry(1)], head('old', { session: 's' })));
      assert.equal((error.details as { runId: string }).runId, 'new');
      same(await read(journal, 'old'), [entry(0)]);
      await journal.append('new', 1, [entry(1)], head('new', { session: 's', status: 'completed' }));
      await journal.append('old', 1, [entry(1)], head('old', { session: 's' }));
    },
  ],
  [
    'sessions of one name in different tenants, or in none, are different sessions',
    async (journal) => {
      for (const tenant of [undefined, 'a', 'b', '0', '']) await start(journal, `of ${tenant}`, 1, { session: 's', tenant } as object);
      for (const tenant of [undefined, 'a', 'b', '0', '']) {
        const error = await refused('SESSION_BUSY', () => start(journal, 'second', 1, { session: 's', tenant } as object));
        assert.equal((error.details as { runId: string }).runId, `of ${tenant}`);
      }
      await start(journal, 'x', 1, { session: 'bs', tenant: 'a' });
      await start(journal, 'y', 1, { session: 's', tenant: 'ab' });
    },
  ],
  [
    'a run whose start is put later, because it waited in a queue, moves in the list of its session',
    async (journal) => {
      for (const [i, runId] of ['queued', 'between', 'last'].entries())
        await start(journal, runId, 1, { session: 's', startedAt: 100 + i, status: runId === 'queued' ? 'queued' : 'completed' });
      await journal.append('queued', 1, [entry(1)], head('queued', { session: 's', startedAt: 103, seq: 2 }));
      assert.deepEqual(
        (await all(journal.heads({ session: 's' }))).map(({ runId }) => runId),
        ['queued', 'last', 'between'],
      );
    },
  ],
  [
    'runs without a session do not exclude each other',
    async (journal) => {
      await start(journal, 'a');
      await start(journal, 'b', 1, { status: 'paused' });
      await start(journal, 'c', 1, { tenant: 't' });
      await start(journal, 'd', 1, { tenant: 't' });
    },
  ],
];
