/** The statements on the tables `record` and `record_value`, see schema.ts. */
import type { DatabaseSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import { recordConflict, recordDamaged } from '../../../journal/errors.ts';
import type { RecordListOptions } from '../../../journal/records.ts';
import type { Json } from '../../../json.ts';

type Found = { id: number; held: number };
type Row = { seq: number; body: string; checksum: number };

/** Values read at a time, so that a long record is never completely in memory. */
const CHUNK = 64;

export type RecordTables = ReturnType<typeof recordTables>;

/** Call the writing functions within a transaction. */
export function recordTables(db: DatabaseSync) {
  const find = db.prepare('SELECT id, held FROM record WHERE namespace = ? AND key = ?');
  const create = db.prepare('INSERT INTO record (namespace, key, held) VALUES (?, ?, 0)');
  const insert = db.prepare('INSERT INTO record_value (record, seq, body, checksum) VALUES (?, ?, ?, ?)');
  const grow = db.prepare('UPDATE record SET held = ? WHERE id = ?');
  const rows = db.prepare('SELECT seq, body, checksum FROM record_value WHERE record = ? AND seq >= ? ORDER BY seq LIMIT ?');
  const keys = db.prepare('SELECT key FROM record WHERE namespace = ? AND key > ? ORDER BY key LIMIT ?');
  const deleteValues = db.prepare('DELETE FROM record_value WHERE record = ?');
  const deleteRecord = db.prepare('DELETE FROM record WHERE id = ?');
  const found = (namespace: string, key: string) => find.get(namespace, key) as Found | undefined;

  /** @throws RondoError `JOURNAL_CONFLICT` */
  function assert(namespace: string, key: string, expected: number, held = found(namespace, key)?.held ?? 0): void {
    if (held !== expected) throw recordConflict(namespace, key, expected, held);
  }

  return {
    assert,

    /** @param bodies the values as JSON. @throws RondoError `JOURNAL_CONFLICT`, before anything is written. */
    append(namespace: string, key: string, bodies: readonly string[], expected: number | undefined): number {
      const stored = found(namespace, key);
      const held = stored?.held ?? 0;
      if (expected !== undefined) assert(namespace, key, expected, held);
      if (bodies.length === 0) return held;
      const id = stored?.id ?? (create.run(namespace, key).lastInsertRowid as number);
      for (const [i, body] of bodies.entries()) insert.run(id, held + i, body, crc32(body));
      grow.run(held + bodies.length, id);
      return held + bodies.length;
    },

    *read(namespace: string, key: string, from: number): Generator<Json, void, undefined> {
      const stored = found(namespace, key);
      if (!stored) return;
      for (let next = from; next < stored.held; ) {
        const chunk = rows.all(stored.id, next, Math.min(CHUNK, stored.held - next)) as Row[];
        // the record was deleted while it was read
        if (chunk.length === 0 && found(namespace, key)?.id !== stored.id) return;
        if (chunk.length === 0) throw recordDamaged(namespace, key, next);
        for (const { seq, body, checksum } of chunk) {
          if (seq !== next || typeof body !== 'string' || crc32(body) !== checksum) throw recordDamaged(namespace, key, next);
          next++;
          yield JSON.parse(body);
        }
      }
    },

    *list(namespace: string, { after = '', limit = -1 }: RecordListOptions): Generator<string, void, undefined> {
      for (const row of keys.all(namespace, after, limit)) yield (row as { key: string }).key;
    },

    remove(namespace: string, key: string): void {
      const stored = found(namespace, key);
      if (!stored) return;
      deleteValues.run(stored.id);
      deleteRecord.run(stored.id);
    },
  };
}
