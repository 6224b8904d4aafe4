import { copyFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Journal } from '../../src/journal/port.ts';
import { entries, entry, head, read, refused, start } from '../../src/testing/journal/kit.ts';
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
  test('cut or turned at any byte, it is left out, and the next append takes its place', async () => {
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
        // this process wrote the row and knows where the run ended; one that opens the file later does not
        const reader = at % 20 === 0 ? open() : journal;
        expect(await read(reader, runId), runId).toEqual(entries(0, 3));
        expect(await read(reader, runId, 3), runId).toEqual([]);
        await reader.append(runId, 3, [entry(3, 'again')], head(runId));
        await reader.append(runId, 4, [entry(4, 'again')], head(runId));
        expect(await read(reader, runId), runId).toEqual([...entries(0, 3), entry(3, 'again'), entry(4, 'again')]);
      }
    }
    expect(await read(journal, 'r')).toEqual(entries(0, 4));
  });

  test('gone, or no longer saying whose or which it is, it is left out as well', async () => {
    const { path, open } = file();
    const journal = open();
    const db = raw(path);
    for (const change of [
      'DELETE FROM entry',
      'UPDATE entry SET run = 777',
      'UPDATE entry SET seq = 70',
      'UPDATE entry SET checksum = checksum + 1',
      "UPDATE entry SET body = ''",
    ]) {
      await fill(journal, change, guests);
      db.exec(`${change} WHERE id = ${rowsOf(db, change).at(-1)?.id}`);
      const reader = open();
      expect(await read(reader, change), change).toEqual(entries(0, 3));
      await reader.append(change, 3, [entry(3, 'again')], head(change));
      expect(await read(reader, change), change).toEqual([...entries(0, 3), entry(3, 'again')]);
    }
  });

  test('the only row of a run may be torn: the run begins anew', async () => {
    const { path, open } = file();
    await open().append('r', 0, entries(0, 2), head('r'));
    raw(path).exec("UPDATE entry SET body = 'x'");
    const journal = open();
    expect(await read(journal, 'r')).toEqual([]);
    await refused('JOURNAL_CONFLICT', () => journal.append('r', 2, [entry(2)], head('r')));
    await journal.append('r', 0, [entry(0, 'again')], head('r'));
    expect(await read(journal, 'r')).toEqual([entry(0, 'again')]);
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

  test('two damaged rows at the end are more than a torn append', async () => {
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
  expect(await read(journal, 'r')).toEqual([]);
  await journal.append('r', 0, [entry(0)], head('r'));
  await journal.append('r', 1, [entry(1, `${large}y`)], head('r'));
  await journal.append('r', 2, [entry(2)], head('r'));
  db.exec('DELETE FROM blob');
  expect((await refused('JOURNAL_DAMAGED', () => read(journal, 'r'))).details).toEqual({ runId: 'r', seq: 1 });
});

test('an entry of a newer format is refused, and nothing is appended behind it', async () => {
  const { path, open } = file();
  await open().append('r', 0, [entry(0), { ...entry(1), v: 2 as 1 }], head('r'));
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
