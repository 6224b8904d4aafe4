/** Somebody writes to the SQLite file: what of it is noticed before anything runs. */
import { DatabaseSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { Engine, type Principal, RondoError } from '../../src/index.ts';
import { digest } from '../../src/journal/canonical.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { asks, ends } from '../kit/runs.ts';
import { type Anything, clerk, ledgered, onDisk, settled } from './setup.ts';

interface Row {
  id: number;
  run: number;
  seq: number;
  body: string;
  checksum: number;
}

/** A run that waits for one approval after two steps, approved unless said otherwise, and closed; then `change` gets the file. */
async function tampered(change: (db: DatabaseSync, rows: Row[]) => void, o: { decide?: boolean; edit?: boolean } = {}) {
  const disk = onDisk();
  const read = ledgered({ name: 'read', effect: 'read' });
  const { tool, ledger } = ledgered({ approval: true });
  const steps = [asks(['read', { n: 1 }]), asks(['read', { n: 2 }]), asks(['act', { cents: 5 }]), 'done'];
  const a = clerk(scripted(steps), [read.tool, tool]);
  const engine = new Engine({ journal: disk.open() });
  const { runId, approvals } = await ends(engine.run(a, 'go', { by: { id: 'ana' } }), 'paused');
  const approval = approvals[0].id;
  if (o.edit) await engine.decide(runId, [{ approval, type: 'edit', input: { cents: 4 } }], { by: { id: 'ben' } });
  else if (o.decide !== false) await engine.decide(runId, [{ approval, type: 'approve' }], { by: { id: 'ben' } });
  await engine.close();
  const db = new DatabaseSync(disk.path);
  const rows = db.prepare('SELECT * FROM entry ORDER BY id').all() as unknown as Row[];
  change(db, rows);
  db.close();
  const later = new Engine({ journal: disk.open(), agents: [a] });
  return { result: await settled(later.resume(runId)), again: await settled(later.resume(runId)), ledger, reads: read.ledger };
}

/** Puts another body into a row, with the checksum that fits it, or without. */
function put(db: DatabaseSync, row: Row | undefined, body: string, fix = true): void {
  if (!row) throw new Error('there is no such row');
  expect(body).not.toBe(row.body);
  db.prepare('UPDATE entry SET body = ?, checksum = ? WHERE id = ?').run(body, fix ? crc32(body) : row.checksum, row.id);
}
const holding = (rows: readonly Row[], text: string) => rows.find((r) => r.body.includes(text)) as Row;
/** Changes every row that holds such a text, and fixes the checksums. */
const everywhere = (from: string | RegExp, to: string) => (db: DatabaseSync, rows: Row[]) => {
  for (const row of rows) if (row.body.replace(from, to) !== row.body) put(db, row, row.body.replace(from, to));
};
const flip = (hex: string) => (hex.startsWith('f') ? `e${hex.slice(1)}` : `f${hex.slice(1)}`);
const flipped = (row: Row) => row.body.replace(/"digest":"([0-9a-f]+)"/, (_, hex: string) => `"digest":"${flip(hex)}"`);

test('untouched, it runs what was approved', async () => {
  const { result, ledger } = await tampered(() => undefined);
  expect(result.status).toBe('completed');
  expect(ledger).toEqual([{ cents: 5 }]);
});

describe('is noticed, and nothing runs', () => {
  const attacks: readonly [string, (db: DatabaseSync, rows: Row[]) => void, { decide?: boolean; edit?: boolean }?][] = [
    [
      'the body of a row',
      (db, rows) => put(db, holding(rows, '"cents":5'), holding(rows, '"cents":5').body.replace('"cents":5', '"cents":6'), false),
    ],
    [
      'the result of an earlier call',
      (db, rows) =>
        put(
          db,
          holding(rows, '"output":"done"'),
          holding(rows, '"output":"done"').body.replace('"output":"done"', '"output":"dine"'),
          false,
        ),
    ],
    [
      'the number of an entry, checksum fixed',
      (db, rows) => {
        const row = holding(rows, 'run.settled');
        put(
          db,
          row,
          row.body.replace(/"seq":(\d+)/g, (_, n: string) => `"seq":${Number(n) + 100}`),
        );
      },
    ],
    ['the arguments of the approved call, checksum fixed', everywhere('"cents":5', '"cents":6')],
    ['a key more in them, checksum fixed', everywhere('"cents":5', '"cents":5,"to":"eve"')],
    [
      'the arguments and every digest of them, checksums fixed',
      (db, rows) => {
        for (const row of rows) {
          const body = row.body.replace('"cents":5', '"cents":6').replace(/"digest":"[0-9a-f]+"/, `"digest":"${digest({ cents: 6 })}"`);
          if (body !== row.body) put(db, row, body);
        }
      },
    ],
    ['another tool under the approved arguments, checksums fixed', everywhere('"name":"act"', '"name":"read"')],
    [
      "the digest in the approval's request",
      (db, rows) => put(db, holding(rows, 'approval.requested'), flipped(holding(rows, 'approval.requested'))),
    ],
    ['the digest in the decision', (db, rows) => put(db, holding(rows, 'approval.decided'), flipped(holding(rows, 'approval.decided')))],
    ['the arguments of an edit, checksum fixed', everywhere('"input":{"cents":4}', '"input":{"cents":400}'), { edit: true }],
    [
      'two rows swapped, with their checksums',
      (db, [, a, , b]) => {
        put(db, a, (b as Row).body);
        put(db, b, (a as Row).body);
      },
    ],
    [
      'two rows swapped, with their sequence numbers too',
      (db, [, a, , b]) => {
        const move = db.prepare('UPDATE entry SET seq = ?, body = ?, checksum = ? WHERE id = ?');
        for (const [from, to] of [
          [a, b],
          [b, a],
        ] as [Row, Row][])
          move.run(from.seq, from.body, from.checksum, to.id);
      },
    ],
    ['a row deleted in the middle', (db, rows) => void db.prepare('DELETE FROM entry WHERE id = ?').run((rows[3] as Row).id)],
    [
      'a row deleted in the middle, the others moved up',
      (db, rows) => {
        db.prepare('DELETE FROM entry WHERE id = ?').run((rows[3] as Row).id);
        for (const { id } of rows.slice(4)) db.prepare('UPDATE entry SET id = ? WHERE id = ?').run(id - 1, id);
      },
    ],
    ['the first row deleted', (db, rows) => void db.prepare('DELETE FROM entry WHERE id = ?').run((rows[0] as Row).id)],
    [
      "a row of another run in this one's place",
      (db, rows) => void db.prepare('UPDATE entry SET run = run + 1 WHERE id = ?').run((rows[3] as Row).id),
    ],
    [
      'entries taken out of a row, checksum fixed',
      (db, rows) => {
        const row = holding(rows, 'approval.requested');
        put(db, row, JSON.stringify((JSON.parse(row.body) as { type: string }[]).filter((e) => e.type !== 'approval.requested')));
      },
    ],
    ['an entry that is null', (db, rows) => put(db, rows[3], '[null]')],
    ['a row without entries', (db, rows) => put(db, rows[3], '[]')],
    [
      'a call that no answer made, checksum fixed',
      (db, rows) => {
        const row = holding(rows, 'call.finished');
        put(db, row, row.body.replaceAll(/"call":"[^"]+"/g, '"call":"99.0"'));
      },
    ],
    [
      'an entry of a kind there is not, checksum fixed',
      (db, rows) => {
        const row = holding(rows, 'call.finished');
        put(db, row, row.body.replace('call.finished', 'call.exploded'));
      },
    ],
    [
      'an answer without content, checksum fixed',
      (db, rows) => {
        const row = holding(rows, 'model.responded');
        put(db, row, row.body.replace(/"content":\[.*?\],"stop"/, '"content":null,"stop"'));
      },
    ],
    [
      'a journal that begins with something else',
      (db, rows) => put(db, rows[0], (rows[0] as Row).body.replace('run.started', 'run.claimed')),
    ],
  ];
  test.each(attacks)('%s', async (_, change, o) => {
    const { result, again, ledger, reads } = await tampered(change, o);
    for (const r of [result, again]) {
      if (r.status !== 'rejected') throw new Error(`it went on: ${JSON.stringify(r)}`);
      expect(RondoError.is(r.error, 'JOURNAL_DAMAGED'), String(r.error)).toBe(true);
      expect(r.error.message.length).toBeGreaterThan(40);
    }
    expect(ledger).toEqual([]);
    expect(reads).toHaveLength(2);
  });
});

test('an entry of a newer format is not reported as damage', async () => {
  const { result, ledger } = await tampered((db, rows) => put(db, rows[2], (rows[2] as Row).body.replace(/"v":\d+/, '"v":99')));
  expect(result).toMatchObject({ status: 'rejected', error: { code: 'JOURNAL_VERSION' } });
  expect(ledger).toEqual([]);
});

test.each<[string, (db: DatabaseSync, rows: Row[]) => void]>([
  ['deleted', (db, rows) => void db.prepare('DELETE FROM entry WHERE id = ?').run((rows.at(-1) as Row).id)],
  ['torn', (db, rows) => put(db, rows.at(-1), (rows.at(-1) as Row).body.slice(0, -3), false)],
])('the last row %s, which held the decision: that is damage, and nothing runs', async (_, change) => {
  const { result, ledger } = await tampered(change);
  expect(result).toMatchObject({ status: 'rejected', error: { code: 'JOURNAL_DAMAGED' } });
  expect(ledger).toEqual([]);
});

test('a decision moved to another approval: the call is asked again, and nothing runs meanwhile', async () => {
  const { result, ledger } = await tampered(everywhere(/"id":"ap_[0-9a-f]{20}","decision"/, `"id":"ap_${'0'.repeat(20)}","decision"`));
  expect(result.status).toBe('paused');
  expect(ledger).toEqual([]);
});

test.each([
  ["UPDATE head SET tenant = 'evil'", { id: 'eve', tenant: 'evil' }],
  ["UPDATE head SET status = 'completed'", undefined],
  ["UPDATE head SET agent = 'other'", undefined],
])('the head is only an index, the entries decide: %s', async (sql, by) => {
  const disk = onDisk();
  const { tool, ledger } = ledgered({ approval: true });
  const a = clerk(scripted([asks(['act', {}]), 'done']), [tool]);
  const engine = new Engine({ journal: disk.open() });
  const paused = await ends(engine.run(a, 'go', { by: { id: 'ana', tenant: 'acme' } }), 'paused');
  await engine.close();
  const db = new DatabaseSync(disk.path);
  db.exec(sql);
  db.close();
  const later = new Engine({ journal: disk.open(), agents: [a] });
  if (by) await expect(later.inspect(paused.runId, { by })).rejects.toMatchObject({ code: 'RUN_NOT_FOUND' });
  const ana = { id: 'ana', tenant: 'acme' };
  expect((await later.inspect(paused.runId, { by: ana })).status).toBe('paused');
  await later.decide(paused.runId, [{ approval: paused.approvals[0].id, type: 'approve' }], { by: ana });
  await ends(later.resume(paused.runId, { by: ana }), 'completed');
  expect(ledger as Anything).toHaveLength(1);
});

test.each([
  ['with another status', "UPDATE head SET status = 'completed'"],
  ['moved to another tenant', "UPDATE head SET tenant = 'evil'"],
])('a head %s: the list says what the entries say, to those who may see it', async (_, sql) => {
  const disk = onDisk();
  const ana = { id: 'ana', tenant: 'acme' };
  const a = clerk(scripted([asks(['act', {}]), 'done']), [ledgered({ approval: true }).tool]);
  const engine = new Engine({ journal: disk.open() });
  const paused = await ends(engine.run(a, 'go', { by: ana, session: 's' }), 'paused');
  await engine.close();
  const db = new DatabaseSync(disk.path);
  db.exec(sql);
  const later = new Engine({ journal: disk.open() });
  const list = async (by?: Principal) => {
    const found = [];
    for await (const run of later.runs(by ? { by } : {})) found.push(run);
    return found;
  };
  expect(await list(ana)).toMatchObject([{ runId: paused.runId, status: 'paused', session: 's' }]);
  expect((await list(ana))[0]).not.toHaveProperty('damaged');
  expect(await list({ id: 'eve', tenant: 'evil' })).toEqual([]);
  expect(await list()).toEqual([]);
  // where the entries cannot be read either, that is said
  db.exec(sql.includes('tenant') ? "UPDATE head SET tenant = 'acme'" : 'SELECT 1');
  db.exec("UPDATE entry SET body = body || ' '");
  db.close();
  expect(await list(ana)).toMatchObject([{ runId: paused.runId, damaged: true }]);
});
