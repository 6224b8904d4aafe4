import { readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Journal } from '../../src/journal/port.ts';
import { all, entry, head, headOf, plain, read, start } from '../../src/testing/journal/kit.ts';
import { file } from './setup.ts';

/** What has been written, read off SQLite's log of writes: transactions, and pages. */
function written(path: string): { transactions: number; pages: number } {
  const wal = readFileSync(`${path}-wal`);
  const frame = 24 + wal.readUInt32BE(8);
  const salt = wal.toString('hex', 16, 24);
  let transactions = 0;
  let pages = 0;
  for (let at = 32; at + frame <= wal.length && wal.toString('hex', at + 8, at + 16) === salt; at += frame) {
    pages++;
    // the last frame of a transaction has the size of the file
    if (wal.readUInt32BE(at + 4) > 0) transactions++;
  }
  return { transactions, pages };
}

async function during(path: string, work: () => Promise<unknown>) {
  const before = written(path);
  await work();
  const after = written(path);
  return { transactions: after.transactions - before.transactions, pages: after.pages - before.pages };
}

describe('transactions', () => {
  test('appends of many runs in one tick share one', async () => {
    const { path, open } = file();
    const journal = open();
    const runs = Array.from({ length: 100 }, (_, i) => `r${i}`);
    // heads that would be seen if they were written again
    const agent = 'x'.repeat(500);
    await Promise.all(runs.map((id) => start(journal, id, 1, { agent })));
    for (let seq = 1; seq < 4; seq++) {
      const { transactions, pages } = await during(path, () =>
        Promise.all(runs.map(async (id) => journal.append(id, seq, [entry(seq)], head(id, { agent })))),
      );
      expect(transactions).toBe(1);
      // 100 rows of some 150 bytes, and the places of the runs: not a page for each, and no heads
      expect(pages).toBeLessThan(10);
    }
    for (const id of runs) expect(await read(journal, id)).toHaveLength(4);
  });

  test('reading another run leaves them together, and reading one of them sees its append', async () => {
    const { path, open } = file();
    const journal = open();
    for (const id of ['a', 'b', 'other']) await start(journal, id);
    const append = (id: string, seq: number) => journal.append(id, seq, [entry(seq)], head(id));
    const apart = await during(path, async () => {
      const first = append('a', 1);
      expect(await read(journal, 'other')).toHaveLength(1);
      await Promise.all([first, append('b', 1)]);
    });
    expect(apart.transactions).toBe(1);
    const [a, b] = [append('a', 2), append('b', 2)];
    expect([...(journal.read('b') as Iterable<unknown>)]).toHaveLength(3);
    await Promise.all([a, b]);
  });

  test('refused appends of the same tick do not affect it', async () => {
    const { path, open } = file();
    const journal = open();
    await start(journal, 'taken');
    const { transactions } = await during(path, () =>
      Promise.allSettled([start(journal, 'a'), start(journal, 'taken'), start(journal, 'b'), start(journal, 'taken')]),
    );
    expect(transactions).toBe(1);
    expect((await all(journal.heads({}))).map(({ runId }) => runId)).toEqual(['b', 'a', 'taken']);
  });

  test('a single run is written synchronously, without a promise', async () => {
    const { path, open } = file();
    const journal = open();
    await start(journal, 'r');
    const { transactions } = await during(path, async () => {
      for (let seq = 1; seq < 10; seq++) expect(journal.append('r', seq, [entry(seq)], head('r'))).toBeUndefined();
    });
    expect(transactions).toBe(9);
  });
});

describe('bytes', () => {
  test('a head is not written again if only its seq changed: an append is one page', async () => {
    const { path, open } = file();
    const journal = open();
    const same = { session: 's', owner: 'me', leaseUntil: Date.now() + 60_000 };
    await start(journal, 'r', 1, same);
    const append = async (seq: number, over = {}) => journal.append('r', seq, [entry(seq)], head('r', { seq: seq + 1, ...same, ...over }));
    const quiet = await during(path, async () => {
      for (let seq = 1; seq <= 20; seq++) await append(seq);
    });
    // 20 rows of 150 bytes fill less than one page, so at most one is split on the way
    expect(quiet.transactions).toBe(20);
    expect(quiet.pages).toBeLessThanOrEqual(24);
    const loud = await during(path, async () => {
      for (let seq = 21; seq <= 40; seq++) await append(seq, { unknowns: seq });
    });
    expect(loud.pages).toBeGreaterThanOrEqual(40);
    expect(await headOf(journal, 'r')).toMatchObject({ unknowns: 40 });
  });

  test('a caller may reuse its head object: changes in it are written', async () => {
    const journal = file().open();
    const reused = head('r', { session: 's' });
    for (let seq = 0; seq < 3; seq++) await journal.append('r', seq, [entry(seq)], Object.assign(reused, { unknowns: seq + 1 }));
    expect(await headOf(journal, 'r')).toEqual(plain(head('r', { session: 's', unknowns: 3 })));
    await journal.append('r', 3, [entry(3)], Object.assign(reused, { status: 'paused' }));
    expect(await headOf(journal, 'r')).toEqual(plain(head('r', { session: 's', unknowns: 3, status: 'paused' })));
  });

  test('a renewed lease does not make the next appends write the head', async () => {
    const { path, open } = file();
    const journal = open();
    const now = Date.now();
    const old = { owner: 'me', leaseUntil: now + 1_000 };
    await start(journal, 'r', 1, old);
    await journal.append('r', 1, [entry(1)], head('r', old));
    await journal.renew('r', 'me', now + 60_000);
    const { pages } = await during(path, async () => journal.append('r', 2, [entry(2)], head('r', old)));
    expect(pages).toBe(1);
    expect(await headOf(journal, 'r')).toEqual(plain(head('r', { ...old, leaseUntil: now + 60_000 })));
  });

  test('a settled run is not cached: changes of its head by another process are seen', async () => {
    const { path, open } = file();
    const journal = open();
    await start(journal, 'r');
    await journal.append('r', 1, [entry(1)], head('r', { status: 'paused', wakeAt: 5 }));
    const db = new DatabaseSync(path);
    db.exec('UPDATE head SET wake_at = 7');
    db.close();
    await journal.append('r', 2, [entry(2)], head('r', { status: 'paused', wakeAt: 5 }));
    expect(await headOf(journal, 'r')).toEqual(plain(head('r', { status: 'paused', wakeAt: 5 })));
  });

  test('content that several entries and runs share is stored once, and removed with the last of them', async () => {
    const { path, open } = file();
    const journal = open();
    const large = 'x'.repeat(200_000);
    await journal.append('a', 0, [entry(0, large), entry(1, large)], head('a'));
    await journal.append('b', 0, [entry(0, large)], head('b'));
    await journal.append('b', 1, [entry(1, `${large}b`)], head('b'));
    const db = new DatabaseSync(path);
    const count = (table: string) => (db.prepare(`SELECT count(*) AS n FROM ${table}`).get() as { n: number }).n;
    expect(count('blob')).toBe(2);
    await journal.remove('b');
    expect(count('blob')).toBe(1);
    expect(await read(journal, 'a')).toEqual([entry(0, large), entry(1, large)]);
    await journal.remove('a');
    for (const table of ['blob', 'blob_use', 'extent', 'head']) expect(count(table), table).toBe(0);
    // one row says how many rows there were
    expect(db.prepare('SELECT id, run, seq, body FROM entry').all()).toEqual([{ id: 1, run: 0, seq: 3, body: '' }]);
    db.close();
  });
});

describe('durability', () => {
  let db: DatabaseSync;
  const level = () => (db.prepare('PRAGMA synchronous').get() as { synchronous: number }).synchronous;
  const [NORMAL, FULL] = [1, 2];

  // gets hold of the journal's own connection, whose setting it is
  beforeEach(() => {
    const { exec } = DatabaseSync.prototype;
    vi.spyOn(DatabaseSync.prototype, 'exec').mockImplementation(function (this: DatabaseSync, sql) {
      db = this;
      return exec.call(this, sql);
    });
  });
  afterEach(() => vi.restoreAllMocks());

  async function levels(journal: Journal): Promise<(number | undefined)[]> {
    const found: number[] = [];
    let seq = 0;
    for (const sync of ['process', 'power', 'power', undefined, 'power', 'process'] as const) {
      await journal.append('r', seq, [entry(seq)], head('r', seq === 5 ? { status: 'paused' } : {}), sync && { sync });
      found.push(level());
      seq++;
    }
    return found;
  }

  test('by default each append has what it asks for', async () => {
    expect(await levels(file().open())).toEqual([NORMAL, FULL, FULL, NORMAL, FULL, NORMAL]);
  });

  test('for power, each survives power loss', async () => {
    expect(new Set(await levels(file().open({ durability: 'power' })))).toEqual(new Set([FULL]));
  });

  test('for process, none waits for the disk', async () => {
    expect(new Set(await levels(file().open({ durability: 'process' })))).toEqual(new Set([NORMAL]));
  });

  test('records have what they ask for, unless the journal says otherwise', async () => {
    const of = async ({ records }: Journal) => {
      const found: number[] = [];
      for (const sync of ['process', 'power', undefined, 'power'] as const) {
        await records?.append('n', 'k', [1], sync && { sync });
        found.push(level());
      }
      return found;
    };
    expect(await of(file().open())).toEqual([NORMAL, FULL, NORMAL, FULL]);
    expect(new Set(await of(file().open({ durability: 'power' })))).toEqual(new Set([FULL]));
    expect(new Set(await of(file().open({ durability: 'process' })))).toEqual(new Set([NORMAL]));
  });

  test('one append that asks for power has it for its whole group', async () => {
    const journal = file().open();
    await start(journal, 'first');
    const done = ['a', 'b', 'c'].map(async (id) => journal.append(id, 0, [entry(0)], head(id), { sync: id === 'b' ? 'power' : 'process' }));
    await Promise.all(done);
    expect(level()).toBe(FULL);
    await Promise.all(['d', 'e'].map((id) => start(journal, id)));
    expect(level()).toBe(NORMAL);
  });
});
