/** Reads the entries of a run. */
import { decode } from '../../../journal/entries/codec.ts';
import type { Entry } from '../../../journal/entries/entries.ts';
import { damaged } from '../../../journal/errors.ts';
import { blobHashes } from '../rows/hashes.ts';
import { entriesOfRow } from '../rows/reading.ts';
import type { Access } from './access.ts';
import type { Query } from './client.ts';
import type { Names } from './schema.ts';

export interface EntryRow {
  seq: number;
  body: string;
  checksum: number;
}

/** Appends read at a time. */
const CHUNK = 64;

/** The blobs of rows, by hash. */
export async function blobsOf(query: Query, { of }: Names, rows: readonly EntryRow[]): Promise<(hash: string) => string | undefined> {
  const hashes = blobHashes(rows);
  if (hashes.size === 0) return () => undefined;
  const found = await query<{ hash: string; body: string }>(`SELECT hash, body FROM ${of('blob')} WHERE hash = ANY($1::text[])`, [
    [...hashes],
  ]);
  const byHash = new Map(found.map(({ hash, body }) => [hash, body]));
  return (hash) => byHash.get(hash);
}

/**
 * The entries after a number, by pages. The head says how many there are, so a missing row is found.
 * @throws RondoError `JOURNAL_DAMAGED`
 */
export async function* readEntries({ query, names }: Access, runId: string, after: number): AsyncGenerator<Entry, void, undefined> {
  const { of } = names;
  const PAGE = `
    SELECT h.run, h.held, e.seq, e.body, e.checksum FROM ${of('head')} AS h LEFT JOIN LATERAL (
      SELECT seq, body, checksum FROM ${of('entry')} WHERE run = h.run AND $2 < h.held
        AND seq >= coalesce((SELECT max(seq) FROM ${of('entry')} WHERE run = h.run AND seq <= $2), 0)
      ORDER BY seq LIMIT ${CHUNK}) AS e ON true
    WHERE h.run_id = $1 ORDER BY e.seq`;
  const SAME = `
    SELECT 1 FROM ${of('entry')} AS e JOIN ${of('head')} AS h ON h.run = e.run
    WHERE h.run_id = $1 AND e.run = $2 AND e.seq = $3 AND e.checksum = $4`;
  let run: number | undefined;
  const reading = { at: 0, next: after + 1 };
  for (;;) {
    const { next } = reading;
    const rows = await query<EntryRow & { run: number; held: number }>(PAGE, [runId, next]);
    const [first] = rows;
    // a run may be removed while it is read
    if (!first || (run !== undefined && first.run !== run)) return;
    run = first.run;
    if (next >= first.held) return;
    if (first.seq === null) throw damaged(runId, next);
    const blob = await blobsOf(query, names, rows);
    reading.at = first.seq;
    if (first.seq > next) throw damaged(runId, next);
    for (const row of rows) {
      const { at } = reading;
      const entries = row.seq === at ? decode(row, blob) : undefined;
      if (!entries) {
        // its blobs may have gone since
        if ((await query(SAME, [runId, run, row.seq, row.checksum])).length > 0 || row.seq !== at) throw damaged(runId, at);
        break;
      }
      yield* entriesOfRow(runId, entries, reading);
    }
  }
}
