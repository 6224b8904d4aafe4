import assert from 'node:assert/strict';
import { RondoError } from '../../errors.ts';
import type { Case } from './kit.ts';
import { all, entries, entry, head, headOf, plain, read, refused, same, start } from './kit.ts';

export const appendCases: readonly Case[] = [
  [
    'a new run begins at 0 and reads back as it was appended',
    async (journal) => {
      await journal.append('r', 0, [entry(0)], head('r', { seq: 1 }));
      same(await read(journal, 'r'), [entry(0)]);
    },
  ],
  [
    'appends follow one another, of one entry or of many, and keep their order',
    async (journal) => {
      let seq = 0;
      for (const count of [1, 3, 1, 40, 2]) {
        await journal.append('r', seq, entries(seq, count), head('r', { seq: seq + count }));
        seq += count;
      }
      same(await read(journal, 'r'), entries(0, seq));
    },
  ],
  [
    'an append before the end is refused and changes nothing, even if it would reach past the end',
    async (journal) => {
      await start(journal, 'r', 2);
      await journal.append('r', 2, [entry(2), entry(3)], head('r', { seq: 4 }));
      for (const [at, count] of [
        [0, 1],
        [1, 1],
        [2, 1],
        [2, 2],
        [2, 7],
        [3, 1],
        [3, 5],
      ] as const)
        await refused('JOURNAL_CONFLICT', () =>
          journal.append('r', at, entries(at, count), head('r', { status: 'failed', agent: 'intruder' })),
        );
      same(await read(journal, 'r'), entries(0, 4));
      assert.deepEqual(await headOf(journal, 'r'), plain(head('r')));
    },
  ],
  [
    'an append that would leave a gap is refused and changes nothing',
    async (journal) => {
      await start(journal, 'r', 2);
      await refused('JOURNAL_CONFLICT', () => journal.append('r', 3, [entry(3)], head('r', { status: 'failed' })));
      await refused('JOURNAL_CONFLICT', () => journal.append('unknown', 1, [entry(1)], head('unknown')));
      same(await read(journal, 'r'), entries(0, 2));
      assert.deepEqual(await headOf(journal, 'r'), plain(head('r')));
      same(await read(journal, 'unknown'), []);
      assert.equal(await headOf(journal, 'unknown'), undefined);
    },
  ],
  [
    'a refused append does not affect the next one',
    async (journal) => {
      await start(journal, 'r');
      await refused('JOURNAL_CONFLICT', () => journal.append('r', 0, [entry(0, 'again')], head('r')));
      await journal.append('r', 1, [entry(1)], head('r'));
      await refused('JOURNAL_CONFLICT', () => journal.append('r', 5, [entry(5)], head('r')));
      await journal.append('r', 2, [entry(2)], head('r'));
      same(await read(journal, 'r'), entries(0, 3));
    },
  ],
  [
    'of appends made at once at the same position, exactly one is stored, complete, with its head',
    async (journal) => {
      await start(journal, 'r');
      const attempts = Array.from({ length: 20 }, (_, i) => ({
        entries: Array.from({ length: 1 + (i % 3) }, (_, k) => entry(1 + k, `writer ${i}`)),
        head: head('r', { agent: `writer ${i}` }),
      }));
      const results = await Promise.allSettled(attempts.map(async (a) => journal.append('r', 1, a.entries, a.head)));
      const winners = attempts.filter((_, i) => results[i]?.status === 'fulfilled');
      assert.equal(winners.length, 1, `${winners.length} appends were acknowledged`);
      for (const result of results)
        if (result.status === 'rejected') assert.ok(RondoError.is(result.reason, 'JOURNAL_CONFLICT'), result.reason);
      same(await read(journal, 'r'), [entry(0), ...(winners[0]?.entries ?? [])]);
      assert.deepEqual(await headOf(journal, 'r'), plain(winners[0]?.head as ReturnType<typeof head>));
    },
  ],
  [
    'of first appends made at once, exactly one starts the run',
    async (journal) => {
      const results = await Promise.allSettled(
        Array.from({ length: 10 }, async (_, i) => journal.append('r', 0, [entry(0, `writer ${i}`)], head('r', { agent: `writer ${i}` }))),
      );
      const winner = results.findIndex(({ status }) => status === 'fulfilled');
      assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
      for (const result of results)
        if (result.status === 'rejected') assert.ok(RondoError.is(result.reason, 'JOURNAL_CONFLICT'), result.reason);
      same(await read(journal, 'r'), [entry(0, `writer ${winner}`)]);
      assert.equal((await all(journal.heads({}))).length, 1);
    },
  ],
  [
    'many runs append at once, and each has its own entries',
    async (journal) => {
      const runs = Array.from({ length: 40 }, (_, i) => `r${i}`);
      const mark = (runId: string, seq: number) => entry(seq, `${runId} ${seq}`);
      await Promise.all(
        runs.map(async (runId, i) => {
          // some appends yield first, so that they interleave in different ways
          for (let seq = 0; seq < 8; seq += 2) {
            if ((i + seq) % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
            await journal.append(runId, seq, [mark(runId, seq), mark(runId, seq + 1)], head(runId));
          }
        }),
      );
      for (const runId of runs)
        same(
          await read(journal, runId),
          Array.from({ length: 8 }, (_, seq) => mark(runId, seq)),
        );
    },
  ],
  [
    'a refused append does not fail others made at the same time',
    async (journal) => {
      await start(journal, 'taken', 3);
      await start(journal, 'open', 1, { session: 's' });
      const results = await Promise.allSettled([
        (async () => journal.append('a', 0, entries(0, 2), head('a')))(),
        (async () => journal.append('taken', 1, [entry(1)], head('taken')))(),
        (async () => journal.append('b', 0, entries(0, 2), head('b')))(),
        (async () => journal.append('second', 0, [entry(0)], head('second', { session: 's' })))(),
        (async () => journal.append('c', 0, entries(0, 2), head('c')))(),
      ]);
      assert.deepEqual(
        results.map((r) => (r.status === 'fulfilled' ? 'stored' : r.reason.code)),
        ['stored', 'JOURNAL_CONFLICT', 'stored', 'SESSION_BUSY', 'stored'],
      );
      for (const runId of ['a', 'b', 'c']) same(await read(journal, runId), entries(0, 2));
      same(await read(journal, 'second'), []);
    },
  ],
  [
    'appends that must survive power loss can be mixed with others',
    async (journal) => {
      for (let seq = 0; seq < 6; seq++)
        await journal.append('r', seq, [entry(seq)], head('r'), { sync: seq % 2 === 0 ? 'power' : 'process' });
      await Promise.all(
        ['a', 'b', 'c'].map(async (id, i) => journal.append(id, 0, [entry(0)], head(id), i === 1 ? { sync: 'power' } : {})),
      );
      same(await read(journal, 'r'), entries(0, 6));
      for (const id of ['a', 'b', 'c']) same(await read(journal, id), [entry(0)]);
    },
  ],
];
