/** Reads the entries of a run, and its large content. */
import { decode, type StoredBlob } from '../../../journal/entries/codec.ts';
import type { Entry } from '../../../journal/entries/entries.ts';
import { damaged } from '../../../journal/errors.ts';
import { blobHashes } from '../rows/hashes.ts';
import { entriesOfRow } from '../rows/reading.ts';
import type { Access } from './access.ts';
import { bodiesOf, type ContentRow, type Put, rowsFrom, split } from './content.ts';
import { storedHead } from './head-item.ts';
import { headKey, runKey } from './keys.ts';

/** A run has its own copy of large content, so that it goes with the run. */
export const blobKey = (hash: string) => `b#${hash}`;

/** The items of large content, of which nothing is read before an entry names it. */
export function blobPuts(pk: string, blobs: readonly StoredBlob[]): Put[] {
  const distinct = new Map(blobs.map(({ hash, body }) => [hash, body]));
  return [...distinct].flatMap(([hash, body]) => {
    const { fields, parts } = split(pk, hash, body);
    return [...parts, { put: { pk, sk: blobKey(hash), ...fields } }];
  });
}

export async function blobsOf(access: Access, pk: string, rows: readonly ContentRow[]): Promise<(hash: string) => string | undefined> {
  const hashes = blobHashes(rows);
  if (hashes.size === 0) return () => undefined;
  const items = await access.getAll([...hashes].map((hash) => ({ pk, sk: blobKey(hash) })));
  const bodies = await bodiesOf(access, items);
  const byKey = new Map(items.map(({ sk }, i) => [sk, bodies[i]]));
  return (hash) => byKey.get(blobKey(hash));
}

/**
 * The entries after a number. The head says how many there are, so a missing row is found.
 * @throws RondoError `JOURNAL_DAMAGED`
 */
export async function* readEntries(access: Access, runId: string, after: number): AsyncGenerator<Entry, void, undefined> {
  const pk = runKey(runId);
  const look = async () => {
    const item = await access.get(headKey(runId));
    const stored = item && storedHead(item);
    return stored?.gone ? undefined : stored;
  };
  const first = await look();
  if (!first || after + 1 >= first.held) return;
  const reading = { at: Number.NaN, next: after + 1 };
  for await (const rows of rowsFrom(access, pk, reading.next)) {
    const blob = await blobsOf(access, pk, rows);
    for (const row of rows) {
      // the first row says where it begins
      if (Number.isNaN(reading.at)) reading.at = row.seq;
      const entries = row.seq === reading.at && row.seq <= reading.next ? decode(row, blob) : undefined;
      if (!entries) {
        // it may be removed while it is read
        if ((await look())?.born !== first.born) return;
        throw damaged(runId, reading.at);
      }
      yield* entriesOfRow(runId, entries, reading);
    }
  }
  if (reading.next < first.held && (await look())?.born === first.born) throw damaged(runId, reading.next);
}
