/** The records that fit a text best. Call it within a transaction. */
import type { FoundRecord, MemoryPage, SearchQuery } from '../../ports/memory-store.ts';
import { text } from './checks.ts';
import { cursor } from './cursor.ts';
import { refused } from './errors.ts';
import { byWords } from './lexical.ts';
import { all, type Covered, checkedQuery, covered } from './record-filter.ts';
import { RECORD_FIELDS, RECORD_TABLES, type RecordRow, recordOf } from './records.ts';
import type { Settings } from './settings.ts';

/** The number of a record's row, and its score. */
type Ranked = readonly [nr: number, score: number];

export function searchRecords(settings: Settings, query: SearchQuery): MemoryPage<FoundRecord> {
  const said = text(query.text, 'text', 1, 10_000);
  const { top = 10 } = query;
  if (!Number.isInteger(top) || top < 1 || top > 100) throw refused('top', 'give a whole number from 1 to 100');
  const checked = checkedQuery(query);
  // the token holds what is still to come, so that records of other processes do not move the pages
  const list = cursor<Ranked[]>(['search', said, top, JSON.stringify(checked)], query);
  const cover = covered(settings, checked);
  const ranked = list.after ?? byWords(settings, said, cover, top).map((nr, i): Ranked => [nr, 1 / (60 + i + 1)]);
  const found: { row: RecordRow; score: number; rest: Ranked[] }[] = [];
  for (const [i, [nr, score]] of ranked.entries()) {
    const row = rowOf(settings, nr, cover);
    if (row) found.push({ row, score, rest: ranked.slice(i + 1) });
    if (found.length > list.limit) break;
  }
  return list.page(
    found,
    ({ rest }) => rest,
    ({ row, score }) => ({ ...recordOf(settings, row), score }),
  );
}

/** A record, if the query covers it still. */
function rowOf({ db }: Settings, nr: number, { namespace, strategy, metadata, alive }: Covered): RecordRow | undefined {
  const where = all([{ sql: 'r.nr = ?', values: [nr] }, namespace, strategy, metadata, alive]);
  return db.prepare(`SELECT ${RECORD_FIELDS} FROM ${RECORD_TABLES} WHERE ${where.sql}`).get(...where.values) as RecordRow | undefined;
}
