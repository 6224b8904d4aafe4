/** Upgrade to version 4: LangGraph threads, which were stored as runs before, become records. */
import type { DatabaseSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import { heads } from './heads.ts';
import { removal } from './removal.ts';

/** The agent name of those runs, and the prefix of their ids. */
const AGENT = '@langgraph/checkpoints';
const PREFIX = 'langgraph:';
/** The namespace of the records of `journalSaver()` in `rondo/langgraph`. */
const NAMESPACE = 'langgraph';

/** Never a CRC-32, so a value that was damaged before the upgrade stays damaged. */
const DAMAGED = -1;

/** Rows read at a time. */
const PAGE = 500;

type Row = { id: number; run: number; seq: number; body: string; checksum: number };

/** Runs in the transaction of the upgrade. */
export function moveThreads(db: DatabaseSync): void {
  const threads = db.prepare('SELECT run, run_id FROM head WHERE agent = ? AND substr(run_id, 1, ?) = ?');
  const found = threads.all(AGENT, PREFIX.length, PREFIX) as { run: number; run_id: string }[];
  if (found.length === 0) return;
  const create = db.prepare('INSERT INTO record (namespace, key, held) VALUES (?, ?, 0)');
  const insert = db.prepare('INSERT INTO record_value (record, seq, body, checksum) VALUES (?, ?, ?, ?)');
  const grow = db.prepare('UPDATE record SET held = ? WHERE id = ?');
  const records = new Map(
    found.map(({ run, run_id }) => [run, create.run(NAMESPACE, run_id.slice(PREFIX.length)).lastInsertRowid as number]),
  );
  for (const { run, seq, body, checksum } of entries(db)) {
    const record = records.get(run);
    if (record === undefined) continue;
    let next = seq;
    for (const value of valuesOf(body, checksum))
      insert.run(record, next++, value ?? String(body), value === undefined ? DAMAGED : crc32(value));
    grow.run(next, record);
  }
  const { remove } = removal(db);
  const { remove: removeHead } = heads(db, () => true);
  for (const run of records.keys()) {
    remove(run);
    removeHead(run);
  }
}

/** By pages: Node 22 finalises a statement that is iterated when nothing else holds it. */
function* entries(db: DatabaseSync): Generator<Row> {
  const page = db.prepare('SELECT id, run, seq, body, checksum FROM entry WHERE id > ? ORDER BY id LIMIT ?');
  let rows: Row[];
  for (let after = 0; ; after = (rows.at(-1) as Row).id) {
    rows = page.all(after, PAGE) as Row[];
    yield* rows;
    if (rows.length < PAGE) return;
  }
}

/** The saver's values in the entries of an append, as JSON with their time. A damaged append is one undefined value. */
function valuesOf(body: string, checksum: number): (string | undefined)[] {
  if (typeof body !== 'string' || crc32(body) !== checksum) return [undefined];
  return (JSON.parse(body) as { at: number; data: object }[]).map(({ at, data }) => JSON.stringify({ at, ...data }));
}
