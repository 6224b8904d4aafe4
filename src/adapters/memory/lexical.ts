/** The full-text index: records by BM25. Call it within a transaction. */
import { all, type Covered } from './record-filter.ts';
import type { Settings } from './settings.ts';
import { placeOf, wordsOf } from './terms.ts';

/** Most namespaces that the index is asked for by name. With more, it finds in all, and the rest is left out afterwards. */
const MOST_PLACES = 50;

/** Numbers of records that have one of the words of a text, best first. */
export function byWords({ db }: Settings, text: string, covered: Covered, most: number): number[] {
  const words = wordsOf(text);
  const { namespaces } = covered;
  if (words.length === 0 || namespaces.length === 0) return [];
  const terms = `terms : (${words.map((word) => `"${word}"`).join(' OR ')})`;
  const places = `place : (${namespaces.map((nr) => `"${placeOf(nr)}"`).join(' OR ')})`;
  const match = namespaces.length > MOST_PLACES ? terms : `${terms} AND ${places}`;
  const where = all([covered.namespace, covered.strategy, covered.metadata, covered.alive]);
  return db
    .prepare(
      `SELECT f.rowid AS nr FROM record_text f JOIN record r ON r.nr = f.rowid
       WHERE record_text MATCH ? AND ${where.sql} ORDER BY bm25(record_text, 1, 0), f.rowid DESC LIMIT ?`,
    )
    .all(match, ...where.values, most)
    .map(({ nr }) => nr as number);
}
