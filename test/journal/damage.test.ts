import { copyFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, onTestFinished, test } from 'vitest';
import { RondoError } from '../../src/errors.ts';
import type { Journal } from '../../src/journal/port.ts';
import { all, entries, entry, head, read, refused, start } from '../../src/testing/journal/kit.ts';
import { file, folder } from './setup.ts';

/** The same file, without rondo: for doing harm. */
function raw(path: string): DatabaseSync {
  const db = new DatabaseSync(path);
  onTestFinished(() => db.close());
  return db;
}

/** Three appends of 2, 1 and 3 (or so many) entries; with `guests`, other runs write in between, so that each row is an extent of its own. */
async function fill(journal: Journal, runId: string, guests: boolean, last = 3): Promise<void> {
  for (const [seq, count] of [
    [0, 2],
    [2, 1],
    [3, last],
  ] as const) {
    await journal.append(runId, seq, entries(seq, count), head(runId));
    if (guests) await start(journal, `guest ${seq} of ${runId}`);
  }
}

const rowsOf = (db: DatabaseSync, runId: string) =>
  db.prepare('SELECT entry.id, entry.seq, body FROM entry JOIN head USING (run) WHERE run_id = ? ORDER BY id').all(runId) as {
    id: number;
    seq: number;
    body: string;
  }[];

describe.each([
  ['a run alone', false],
  ['a run among others', true],
] as const)('the last row of %s', (_, guests) => {
  test('cut or turned at any byte, it is reported, and nothing is appended behind it', async () => {
    const { path, open } = file();
    const journal = open({ durability: 'process' });
    const db = raw(path);
    await fill(journal, 'r', guests, 1);
    const bytes = Buffer.from(rowsOf(db, 'r').at(-1)?.body as string);
    const set = db.prepare('UPDATE entry SET body = CAST(? AS TEXT) WHERE id = ?');
    for (let at = 0; at < bytes.length; at++) {
      const turned = Buffer.from(bytes);
      turned[at] = (turned[at] as number) ^ (1 << (at % 8));
      for (const [how, hurt] of [
        ['cut', bytes.subarray(0, at)],
        ['turned', turned],
      ] as const) {
        const runId = `${how} ${at}`;
        await fill(journal, runId, guests, 1);
        set.run(hurt, rowsOf(db, runId).at(-1)?.id as number);
        expect((await refused('JOURNAL_DAMAGED', () => read(journal, runId))).details, runId).toEqual({ runId, seq: 3 });
        await refused('JOURNAL_DAMAGED', () => read(journal, runId, 3));
        // this process wrote the row and knows where the run ended; one that opens the file later does not
        if (at % 20 !== 0) continue;
        const later = open();
        await refused('JOURNAL_DAMAGED', () => read(later, runId));
        for (const seq of [3, 4]) await refused('JOURNAL_DAMAGED', () => later.append(runId, seq, [entry(seq, 'again')], head(runId)));
      }
    }
    expect(await read(journal, 'r')).toEqual(entries(0, 4));
  });

  test.each([
    'DELETE FROM entry',
    'UPDATE entry SET run = 777',
    'UPDATE entry SET run = 1',
    'UPDATE entry SET run = 0',
    'UPDATE entry SET seq = 70',
    'UPDATE entry SET id = id + 4096',
    'UPDATE entry SET checksum = checksum + 1',
    "UPDATE entry SET body = ''",
  ])('gone, or no longer saying whose or which it is (%s), it is reported as well', async (change) => {
    const { path, open } = file();
    const journal = open();
    await start(journal, 'first', 1, { status: 'completed' });
    await fill(journal, 'r', guests);
    // the process that comes next does not hide it
    await start(journal, 'next');
    const db = raw(path);
    db.exec(`${change} WHERE id = ${rowsOf(db, 'r').at(-1)?.id}`);
    for (const reader of [journal, open()]) {
      await refused('JOURNAL_DAMAGED', () => read(reader, 'r'));
      for (const seq of [3, 6]) await refused('JOURNAL_DAMAGED', async () => open().append('r', seq, [entry(seq, 'again')], head('r')));
      expect(await read(reader, 'first')).toEqual([entry(0)]);
    }
  });

  test('of a settled run, gone with all that finds it, it is missed, and the listing says so', async () => {
    const { path, open } = file();
    const journal = open();
    await fill(journal, 'r', true);
    await journal.append('r', 6, [entry(6)], head('r', { status: 'completed', seq: 7 }));
    raw(path).exec('DELETE FROM entry WHERE id = (SELECT max(id) FROM entry); DELETE FROM extent WHERE seq = 6');
    await refused('JOURNAL_DAMAGED', () => read(journal, 'r'));
    await refused('JOURNAL_DAMAGED', async () => open().append('r', 6, [entry(6)], head('r')));
    expect((await all(journal.heads({ runId: 'r' })))[0]).toMatchObject({ status: 'completed', doubtful: true });
  });

  test('the only row of a run is not an exception', async () => {
    const { path, open } = file();
    await open().append('r', 0, entries(0, 2), head('r'));
    raw(path).exec("UPDATE entry SET body = 'x'");
    const journal = open();
    for (const attempt of [
      () => read(journal, 'r'),
      () => journal.append('r', 0, [entry(0, 'again')], head('r')),
      () => journal.append('r', 2, [entry(2)], head('r')),
    ])
      expect((await refused('JOURNAL_DAMAGED', attempt)).details).toEqual({ runId: 'r', seq: 0 });
  });
});

test('any bit of the last row turned in the file: what is read is right, or refused', async () => {
  const { path, open } = file();
  const journal = open();
  for (let i = 0; i < 3; i++) await start(journal, `guest ${i}`, 2, { status: 'completed' });
  await start(journal, 'r', 2);
  await journal.append('r', 2, [entry(2, 'the last row')], head('r'));
  await journal.close?.();
  const whole = readFileSync(path);
  const copy = join(folder(), 'copy.db');
  const body = whole.indexOf(JSON.stringify([entry(2, 'the last row')]));
  let reported = 0;
  // the head of the record, with its id, and the beginning of its text
  for (let at = body - 14; at < body + 8; at++)
    for (let bit = 0; bit < 8; bit++) {
      const turned = Buffer.from(whole);
      turned[at] = (turned[at] as number) ^ (1 << bit);
      writeFileSync(copy, turned, { mode: 0o600 });
      const reopened = file(copy).open();
      try {
        expect(await read(reopened, 'r'), `byte ${at - body}, bit ${bit}`).toEqual([...entries(0, 2), entry(2, 'the last row')]);
      } catch (error) {
        if (!RondoError.is(error, 'JOURNAL_DAMAGED')) throw error;
        reported++;
      }
      await reopened.close?.();
    }
  expect(reported).toBeGreaterThan(100);
});

describe('a head', () => {
  test('that was changed in any field is listed as doubtful, until it is written again', async () => {
    const { path, open } = file();
    const journal = open();
    const full = { session: 's', tenant: 't', by: 'ana', fork: 'x', wakeAt: 5, unknowns: 1, status: 'paused' } as const;
    const db = raw(path);
    for (const change of [
      "agent = 'x'",
      "status = 'failed'",
      "session = 'S'",
      "tenant = 'u'",
      "by_id = 'ben'",
      "fork = 'y'",
      'wake_at = 6',
      'started_at = 7',
      'unknowns = NULL',
      'aside = 1',
      'asks = 1',
      'version = 9',
      'seq = 9',
      'tail = 1',
      'checksum = 1',
      'checksum = NULL',
    ]) {
      await start(journal, change, 1, { ...full, session: change });
      expect((await all(journal.heads({ runId: change })))[0]?.doubtful).toBeUndefined();
      db.prepare(`UPDATE head SET ${change} WHERE run_id = ?`).run(change);
      for (const filter of [{ runId: change }, {}])
        expect(
          (await all(journal.heads(filter))).filter((h) => h.doubtful).map((h) => h.runId),
          change,
        ).toEqual([change]);
      // entries can be read all the same, unless the last of them is in doubt
      expect(await read(journal, change)).toEqual([entry(0)]);
      await open().append(change, 1, [entry(1)], head(change, { ...full, session: change }));
      expect((await all(journal.heads({ runId: change })))[0]).toEqual({ ...head(change, { ...full, session: change }) });
    }
  });

  test('that names the rows of another run is refused', async () => {
    const { path, open } = file();
    const journal = open();
    await start(journal, 'a', 2);
    await start(journal, 'b', 2);
    raw(path).exec("UPDATE head SET run = 9 WHERE run_id = 'a'; UPDATE head SET run = 1 WHERE run_id = 'b'");
    const later = open();
    for (const runId of ['a', 'b']) {
      await refused('JOURNAL_DAMAGED', () => read(later, runId));
      await refused('JOURNAL_DAMAGED', () => later.append(runId, 2, [entry(2)], head(runId)));
      await refused('JOURNAL_DAMAGED', () => later.remove(runId));
    }
    expect((await all(later.heads({}))).every((h) => h.doubtful)).toBe(true);
  });

  test('whose last row is damaged is doubtful', async () => {
    const { path, open } = file();
    const journal = open();
    await fill(journal, 'r', false);
    await journal.append('r', 6, [entry(6)], head('r', { status: 'completed' }));
    raw(path).exec("UPDATE entry SET body = replace(body, 'ok', 'ko') WHERE id = (SELECT max(id) FROM entry)");
    expect(await all(journal.heads({}))).toMatchObject([{ runId: 'r', status: 'completed', doubtful: true }]);
  });

  test('whose run was removed comes back with nothing of it', async () => {
    const { path, open } = file();
    const journal = open();
    for (const order of [
      ['a', 'b', 'c'],
      ['b', 'a', 'c'],
      ['c', 'b', 'a'],
      ['b', 'c', 'a'],
    ]) {
      for (const [i, runId] of ['a', 'b', 'c'].entries()) await start(journal, runId, 1 + i);
      for (const runId of ['a', 'c']) await journal.append(runId, runId === 'a' ? 1 : 3, entries(runId === 'a' ? 1 : 3, 2), head(runId));
      for (const runId of order) {
        await journal.remove(runId);
        for (const kept of order.slice(order.indexOf(runId) + 1))
          expect((await read(open(), kept)).length).toBe({ a: 3, b: 2, c: 5 }[kept]);
      }
      // neighbours become one
      expect(raw(path).prepare('SELECT count(*) AS n, min(run) AS run FROM entry').get()).toEqual({ n: 1, run: 0 });
    }
  });
});

describe.each([
  ['a run alone', false],
  ['a run among others', true],
] as const)('a row in the middle of %s', (_, guests) => {
  test('damaged in any way, it is reported with its run and number', async () => {
    const { path, open } = file();
    const journal = open();
    const db = raw(path);
    const changes = [
      "UPDATE entry SET body = replace(body, 'ok', 'ko')",
      'UPDATE entry SET body = substr(body, 1, length(body) - 1)',
      "UPDATE entry SET body = ''",
      'UPDATE entry SET checksum = checksum + 1',
      'UPDATE entry SET run = 777',
      // another row of the run, whole, in its place
      'UPDATE entry SET (seq, body, checksum) = (SELECT seq, body, checksum FROM entry AS other WHERE run = entry.run AND seq = 3)',
      'DELETE FROM entry',
    ];
    for (const change of changes)
      for (const [row, seq] of [
        [0, 0],
        [1, 2],
      ] as const) {
        const runId = `${change} ${row}`;
        await fill(journal, runId, guests);
        db.exec(`${change} WHERE id = ${rowsOf(db, runId)[row]?.id}`);
        const error = await refused('JOURNAL_DAMAGED', () => read(open(), runId));
        expect(error.details, runId).toEqual({ runId, seq });
        expect(error.message).toContain(runId);
        expect(error.message).toContain(`entry ${seq}`);
        // what lies behind the damage can be read by itself
        if (seq === 0) expect(await read(open(), runId, 2), runId).toEqual(entries(3, 3));
      }
  });

  test('gone with the place that finds it, it is reported as well, and no torn row after it is replaced', async () => {
    const { path, open } = file();
    await fill(open(), 'r', true);
    const [, second, third] = rowsOf(raw(path), 'r');
    raw(path).exec(`DELETE FROM extent WHERE seq = 2; DELETE FROM entry WHERE id = ${second?.id}`);
    expect((await refused('JOURNAL_DAMAGED', () => read(open(), 'r'))).details).toEqual({ runId: 'r', seq: 2 });
    raw(path).exec(`UPDATE entry SET body = 'x' WHERE id = ${third?.id}`);
    for (const seq of [2, 3]) await refused('JOURNAL_DAMAGED', () => open().append('r', seq, [entry(seq)], head('r')));
  });

  test('far from the next one of its run, it is reported as well', async () => {
    const { path, open } = file();
    const journal = open();
    await start(journal, 'r');
    for (let i = 0; i < 100; i++) await start(journal, `guest ${i}`);
    await journal.append('r', 1, [entry(1)], head('r'));
    raw(path).exec("UPDATE entry SET body = 'x' WHERE id = 1");
    expect((await refused('JOURNAL_DAMAGED', () => read(journal, 'r'))).details).toEqual({ runId: 'r', seq: 0 });
  });

  test('two damaged rows at the end are reported at the first', async () => {
    const { path, open } = file();
    await fill(open(), 'r', guests);
    const db = raw(path);
    for (const { id } of rowsOf(db, 'r').slice(1)) db.exec(`UPDATE entry SET body = 'x' WHERE id = ${id}`);
    const journal = open();
    expect((await refused('JOURNAL_DAMAGED', () => read(journal, 'r'))).details).toEqual({ runId: 'r', seq: 2 });
    await refused('JOURNAL_DAMAGED', () => journal.append('r', 3, [entry(3)], head('r')));
  });

  test('other runs are not concerned', async () => {
    const { path, open } = file();
    const journal = open();
    await fill(journal, 'r', guests);
    await fill(journal, 'well', guests);
    raw(path).exec("UPDATE entry SET body = 'x' WHERE id = 1");
    expect(await read(journal, 'well')).toEqual(entries(0, 6));
    await journal.append('well', 6, [entry(6)], head('well'));
  });
});

test('a blob that is gone or changed damages the append it belongs to', async () => {
  const { path, open } = file();
  const journal = open();
  const db = raw(path);
  const large = 'x'.repeat(20_000);
  await journal.append('r', 0, [entry(0, large)], head('r'));
  db.exec(`UPDATE blob SET body = '"short"'`);
  expect((await refused('JOURNAL_DAMAGED', () => read(journal, 'r'))).details).toEqual({ runId: 'r', seq: 0 });
  await journal.remove('r');
  await journal.append('r', 0, [entry(0)], head('r'));
  await journal.append('r', 1, [entry(1, `${large}y`)], head('r'));
  await journal.append('r', 2, [entry(2)], head('r'));
  db.exec('DELETE FROM blob');
  expect((await refused('JOURNAL_DAMAGED', () => read(journal, 'r'))).details).toEqual({ runId: 'r', seq: 1 });
});

test('an entry of a newer format is refused, and nothing is appended behind it', async () => {
  const { path, open } = file();
  await open().append('r', 0, [entry(0), { ...entry(1), v: entry(1).v + 1 }], head('r'));
  const journal = file(path).open();
  expect((await refused('JOURNAL_VERSION', () => read(journal, 'r'))).message).toContain('Upgrade rondo');
  await refused('JOURNAL_VERSION', () => journal.append('r', 2, [entry(2)], head('r')));
});

test('the log of writes cut anywhere in its last transaction: all before it is there, whole', async () => {
  const { path, open } = file();
  const journal = open();
  for (let seq = 0; seq < 12; seq++) await journal.append('r', seq, [entry(seq, 'x'.repeat(300))], head('r'));
  const before = readFileSync(`${path}-wal`).length;
  // a row over several pages, so that the transaction has several frames
  await journal.append(
    'r',
    12,
    [
      entry(
        12,
        Array.from({ length: 12 }, (_, i) => `${i}`.repeat(800)),
      ),
    ],
    head('r'),
  );
  const after = readFileSync(`${path}-wal`).length;
  expect(after - before).toBeGreaterThan(3 * 4_096);
  const copy = join(folder(), 'copy.db');
  const whole = Array.from({ length: 12 }, (_, seq) => entry(seq, 'x'.repeat(300)));
  for (let length = before; length < after; length += 397) {
    copyFileSync(path, copy);
    copyFileSync(`${path}-wal`, `${copy}-wal`);
    truncateSync(`${copy}-wal`, length);
    const reopened = file(copy).open();
    expect(await read(reopened, 'r'), `${length - before} bytes of it`).toEqual(whole);
    await reopened.append('r', 12, [entry(12)], head('r'));
    expect(await read(reopened, 'r', 11)).toEqual([entry(12)]);
    await reopened.close?.();
  }
});

test('a file that SQLite itself calls damaged is reported as such', async () => {
  const { path, open } = file();
  const journal = open();
  for (let i = 0; i < 30; i++) await journal.append(`r${i}`, 0, [entry(0, 'x'.repeat(3_000))], head(`r${i}`));
  await journal.close?.();
  const bytes = readFileSync(path);
  bytes.fill(0xa5, 4_096);
  writeFileSync(path, bytes);
  const error = await refused('JOURNAL_DAMAGED', () => read(file(path).open(), 'r1'));
  expect(error.message).toContain(path);
  expect(error.message).toContain('.recover');
});
