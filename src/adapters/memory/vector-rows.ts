/** Vectors of records, as the file has them. Call all of it within a transaction. */
import type { Settings } from './settings.ts';

export interface Unembedded {
  readonly nr: number;
  readonly text: string;
}

/** Records that have no vector of this embedder, oldest first. */
export function unembedded({ db, space }: Settings, embedder: string, most: number): Unembedded[] {
  return db
    .prepare(
      `SELECT nr, text FROM record WHERE nr IN (
         SELECT nr FROM record WHERE space = :space AND embedder IS NULL
         UNION ALL SELECT nr FROM record WHERE space = :space AND embedder < :embedder
         UNION ALL SELECT nr FROM record WHERE space = :space AND embedder > :embedder LIMIT :most)`,
    )
    .all({ space: space(), embedder, most }) as unknown as Unembedded[];
}

/** Stores the vector of a text, unless the record has another text by now. */
export function putVector(settings: Settings, embedder: string, { nr, text }: Unembedded, vector: Float32Array): void {
  const { db, space } = settings;
  const { changes } = db.prepare('UPDATE record SET embedder = ? WHERE nr = ? AND text = ?').run(embedder, nr, text);
  if (!changes) return;
  removeRow(settings, nr);
  db.prepare(
    'INSERT INTO vector (record, revision, space, embedder, value) SELECT ?, coalesce(max(revision), 0) + 1, ?, ?, ? FROM vector',
  ).run(nr, space(), embedder, new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength));
}

/** The vector of a record whose text has changed, or that is removed. */
export function removeVector(settings: Settings, record: number): void {
  if (removeRow(settings, record)) settings.db.prepare('UPDATE record SET embedder = NULL WHERE nr = ?').run(record);
}

function removeRow(settings: Settings, record: number): boolean {
  const { changes } = settings.db.prepare('DELETE FROM vector WHERE record = ?').run(record);
  if (changes) vectorsChanged(settings);
  return changes !== 0;
}

/** Caches read all vectors of the space again. */
export function vectorsChanged({ db, space }: Settings): void {
  db.prepare('UPDATE space SET vectors = vectors + 1 WHERE nr = ?').run(space());
}
