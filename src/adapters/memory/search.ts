/** The records that fit a text best. Call it within a transaction. */
import type { FoundRecord, MemoryPage, SearchQuery } from '../../ports/memory-store.ts';
import { text } from './checks.ts';
import { cursor } from './cursor.ts';
import { refused } from './errors.ts';
import { byWords } from './lexical.ts';
import { type Ranked, type Ranking, ranked } from './ranking.ts';
import { all, type CheckedQuery, type Covered, checkedQuery, covered } from './record-filter.ts';
import { RECORD_FIELDS, RECORD_TABLES, type RecordRow, recordOf } from './records.ts';
import type { Settings } from './settings.ts';
import { wordsOf } from './terms.ts';
import type { VectorIndex } from './vectors.ts';

export interface CheckedSearch extends CheckedQuery {
  readonly text: string;
  readonly top: number;
}

/** How a search ranks. `vector` is that of its text; without it, words alone count. */
export interface SearchBy {
  readonly ranking: Ranking;
  readonly vectors?: { readonly index: VectorIndex; readonly vector: Float32Array } | undefined;
}

/** @throws RondoError `MEMORY_INPUT_INVALID` */
export function checkedSearch(query: SearchQuery): CheckedSearch {
  const { top = 10 } = query;
  if (!Number.isInteger(top) || top < 1 || top > 100) throw refused('top', 'give a whole number from 1 to 100');
  return { ...checkedQuery(query), text: text(query.text, 'text', 1, 10_000), top };
}

export function searchRecords(settings: Settings, query: SearchQuery, by: SearchBy): MemoryPage<FoundRecord> {
  const checked = checkedSearch(query);
  // the token holds what is still to come, so that records of other processes do not move the pages
  const list = cursor<Ranked[]>(['search', JSON.stringify(checked)], query);
  const cover = covered(settings, checked);
  const order = list.after ?? best(settings, checked, cover, by).ranked;
  const found: { row: RecordRow; score: number; rest: Ranked[] }[] = [];
  for (const [i, [nr, score]] of order.entries()) {
    const row = rowOf(settings, nr, cover);
    if (row) found.push({ row, score, rest: order.slice(i + 1) });
    if (found.length > list.limit) break;
  }
  return list.page(
    found,
    ({ rest }) => rest,
    ({ row, score }) => ({ ...recordOf(settings, row), score }),
  );
}

/** Candidates of each way to find them: more than are asked for, as their orders differ. */
const most = (top: number) => 40 + 4 * top;

export function best(settings: Settings, { text, top }: CheckedSearch, cover: Covered, { ranking, vectors }: SearchBy) {
  const weight = vectors ? ranking.vectors : 0;
  // also where the embedder fails
  const words = weight > 0 ? ranking.words : ranking.words || 1;
  const lexical = words > 0 ? byWords(settings, text, cover, most(top)) : [];
  const near = vectors && weight > 0 ? nearest(settings, cover, vectors, most(top)) : [];
  const places = new Map<number, { byWords?: number; byVector?: number }>();
  for (const [i, nr] of lexical.entries()) places.set(nr, { byWords: i + 1 });
  for (const [i, nr] of near.entries()) places.set(nr, { ...places.get(nr), byVector: i + 1 });
  const rows = settings.db
    .prepare('SELECT nr, text, created_at FROM record WHERE nr IN (SELECT value FROM json_each(?))')
    .all(JSON.stringify([...places.keys()])) as unknown as { nr: number; text: string; created_at: number }[];
  const candidates = rows.map(({ nr, created_at }) => ({
    nr,
    byWords: places.get(nr)?.byWords,
    byVector: places.get(nr)?.byVector,
    createdAt: created_at,
  }));
  const likeness = likenessOf(new Map(rows.map((row) => [row.nr, row.text])), weight > 0 ? vectors?.index : undefined);
  return {
    matched: candidates.length,
    ranked: ranked(candidates, { ...ranking, words, vectors: weight }, { now: settings.now(), top, likeness }),
  };
}

/** Filters that the index does not know are asked of the table first. */
function nearest({ db }: Settings, cover: Covered, { index, vector }: NonNullable<SearchBy['vectors']>, most: number): number[] {
  const { namespace, strategy, metadata } = cover;
  const where = all([namespace, strategy, metadata]);
  const only =
    strategy || metadata
      ? new Set(
          db
            .prepare(`SELECT r.nr FROM record r WHERE ${where.sql}`)
            .all(...where.values)
            .map(({ nr }) => nr as number),
        )
      : undefined;
  return index.nearest(vector, cover.namespaces, most, only).map(({ nr }) => nr);
}

/** How alike two records are: the cosine of their vectors, or the share of words that both have. */
function likenessOf(texts: ReadonlyMap<number, string>, index: VectorIndex | undefined): (a: number, b: number) => number {
  const sets = new Map<number, ReadonlySet<string>>();
  const wordsIn = (nr: number) => {
    const known = sets.get(nr) ?? new Set(wordsOf(texts.get(nr) ?? ''));
    sets.set(nr, known);
    return known;
  };
  return (a, b) => {
    const cosine = index?.similarity(a, b);
    if (cosine !== undefined) return Math.min(1, Math.max(0, cosine));
    const [one, other] = [wordsIn(a), wordsIn(b)];
    let shared = 0;
    for (const word of one) if (other.has(word)) shared++;
    return shared === 0 ? 0 : shared / (one.size + other.size - shared);
  };
}

/** A record, if the query covers it still. */
function rowOf({ db }: Settings, nr: number, { namespace, strategy, metadata, alive }: Covered): RecordRow | undefined {
  const where = all([{ sql: 'r.nr = ?', values: [nr] }, namespace, strategy, metadata, alive]);
  return db.prepare(`SELECT ${RECORD_FIELDS} FROM ${RECORD_TABLES} WHERE ${where.sql}`).get(...where.values) as RecordRow | undefined;
}
