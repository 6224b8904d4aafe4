/** Reads the entries of a run, and its large content. */
import { decode, type StoredBlob } from '../../../journal/codec.ts';
import type { Entry } from '../../../journal/entries.ts';
import { damaged } from '../../../journal/refuse.ts';
import { blobHashes } from '../rows/hashes.ts';
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
  let next = after + 1;
  let at: number | undefined;
  for await (const rows of rowsFrom(access, pk, next)) {
    const blob = await blobsOf(access, pk, rows);
    for (const row of rows) {
      at ??= row.seq;
      const entries = row.seq === at && row.seq <= next ? decode(row, blob) : undefined;
      if (!entries) {
        // it may be removed while it is read
        if ((await look())?.born !== first.born) return;
        throw damaged(runId, at);
      }
      at += entries.length;
      for (const entry of entries)
        if (entry.seq >= next) {
          next = entry.seq + 1;
          yield entry;
        }
      if (next !== at) throw damaged(runId, next);
    }
  }
  if (next < first.held && (await look())?.born === first.born) throw damaged(runId, next);
}
