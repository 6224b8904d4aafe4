/** Removes runs. One placeholder row per removed range keeps the ids free of gaps; it holds only the number of removed rows. */
import type { DatabaseSync } from 'node:sqlite';
import { decode, encode } from '../../../journal/entries/codec.ts';
import type { Entry } from '../../../journal/entries/entries.ts';
import { damaged } from '../../../journal/errors.ts';
import { GONE, goneChecksum } from './schema.ts';

type Row = { id: number; seq: number; body: string; checksum: number };

export type Removal = ReturnType<typeof removal>;

export function removal(db: DatabaseSync) {
  const extents = db.prepare('SELECT id FROM extent WHERE run = ? ORDER BY seq');
  const otherAfter = db.prepare('SELECT id FROM entry WHERE id > ? AND run <> ? ORDER BY id LIMIT 1');
  const lastId = db.prepare('SELECT max(id) AS id FROM entry');
  const deleteRows = db.prepare('DELETE FROM entry WHERE id >= ? AND id <= ? AND run = ?');
  const deleteRow = db.prepare('DELETE FROM entry WHERE id = ?');
  const strays = db.prepare('SELECT id FROM entry WHERE run = ?');
  const deleteExtents = db.prepare('DELETE FROM extent WHERE run = ?');
  const rowBefore = db.prepare('SELECT id, run, seq FROM entry WHERE id < ? ORDER BY id DESC LIMIT 1');
  const rowAt = db.prepare('SELECT id, run, seq FROM entry WHERE id = ?');
  const insert = db.prepare('INSERT INTO entry (id, run, seq, body, checksum) VALUES (?, ?, ?, ?, ?)');
  const rows = db.prepare('SELECT id, seq, body, checksum FROM entry WHERE id >= ? AND id <= ? AND run = ? ORDER BY id');
  const update = db.prepare('UPDATE entry SET body = ?, checksum = ? WHERE id = ?');
  const blob = db.prepare('SELECT body FROM blob WHERE hash = ?');
  const insertBlob = db.prepare('INSERT INTO blob (hash, body) VALUES (?, ?) ON CONFLICT DO NOTHING');
  const insertUse = db.prepare('INSERT INTO blob_use (hash, run) VALUES (?, ?) ON CONFLICT DO NOTHING');
  const uses = db.prepare('SELECT hash FROM blob_use WHERE run = ?');
  const deleteUse = db.prepare('DELETE FROM blob_use WHERE hash = ? AND run = ?');
  const deleteBlob = db.prepare('DELETE FROM blob WHERE hash = ? AND NOT EXISTS (SELECT 1 FROM blob_use WHERE blob_use.hash = blob.hash)');

  const blobBody = (hash: string) => (blob.get(hash) as { body: string } | undefined)?.body;

  /** The ranges of consecutive rows of a run. */
  function* stretches(run: number): Generator<{ first: number; last: number }, void, undefined> {
    for (const { id: first } of extents.all(run) as { id: number }[]) {
      const other = otherAfter.get(first, run) as { id: number } | undefined;
      yield { first, last: other ? other.id - 1 : Math.max(first, (lastId.get() as { id: number }).id) };
    }
  }

  /** Inserts the placeholder for a removed range, merged with adjacent placeholders. */
  function bury(first: number, last: number): void {
    const before = rowBefore.get(first) as { id: number; run: number; seq: number } | undefined;
    const after = rowAt.get(last + 1) as { id: number; run: number; seq: number } | undefined;
    let from = first;
    let to = last;
    if (before?.run === GONE && before.id + before.seq === first) {
      from = before.id;
      deleteRow.run(before.id);
    }
    if (after?.run === GONE) {
      to = after.id + after.seq - 1;
      deleteRow.run(after.id);
    }
    insert.run(from, GONE, to - from + 1, '', goneChecksum(from, to - from + 1));
  }

  function release(run: number, kept: ReadonlySet<string>): void {
    for (const { hash } of uses.all(run) as { hash: string }[]) {
      if (kept.has(hash)) continue;
      deleteUse.run(hash, run);
      deleteBlob.run(hash);
    }
  }

  return {
    remove(run: number): void {
      for (const { first, last } of [...stretches(run)]) {
        deleteRows.run(first, last, run);
        bury(first, last);
      }
      deleteExtents.run(run);
      release(run, new Set());
    },

    /** Removes rows of a run that its extents do not cover, after damage. Scans the whole log. */
    removeStrays(run: number): void {
      for (const { id } of strays.all(run) as { id: number }[]) {
        deleteRow.run(id);
        bury(id, id);
      }
    },

    /** @throws RondoError `JOURNAL_DAMAGED` for a damaged row, because it might hold content that must be forgotten. */
    rewrite(runId: string, run: number, entries: readonly Entry[]): void {
      const bySeq = new Map(entries.map((entry) => [entry.seq, entry]));
      const kept = new Set<string>();
      for (const { first, last } of [...stretches(run)])
        for (const row of rows.all(first, last, run) as Row[]) {
          const old = decode(row, blobBody);
          if (!old) throw damaged(runId, row.seq);
          if (old.some(({ seq }) => bySeq.has(seq))) {
            const { body, checksum, blobs } = encode(old.map((entry) => bySeq.get(entry.seq) ?? entry));
            update.run(body, checksum, row.id);
            for (const { hash, body } of blobs) {
              insertBlob.run(hash, body);
              insertUse.run(hash, run);
              kept.add(hash);
            }
          } else
            for (const raw of JSON.parse(row.body) as { blobs?: Record<string, string> }[])
              for (const hash of Object.values(raw.blobs ?? {})) kept.add(hash);
        }
      release(run, kept);
    },
  };
}
