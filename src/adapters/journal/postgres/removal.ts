/** Removes runs, and replaces entries. */
import { decode, encode } from '../../../journal/entries/codec.ts';
import type { Entry } from '../../../journal/entries/entries.ts';
import { conflict, damaged } from '../../../journal/errors.ts';
import { rowOf } from '../rows/claim.ts';
import { type Access, CLOCK } from './access.ts';
import type { Claims } from './claims.ts';
import type { Query } from './client.ts';
import type { Inboxes } from './inbox.ts';
import { blobsOf, type EntryRow } from './log.ts';

export function removal(access: Access, claims: Claims, inboxes: Inboxes) {
  const { names } = access;
  const { of, channel } = names;
  const TAKE = `SELECT run, held FROM ${of('head')} WHERE run_id = $1 FOR UPDATE`;
  const ROWS = `SELECT seq, body, checksum FROM ${of('entry')} WHERE run = $1 ORDER BY seq`;
  const TOMBSTONE = `
    UPDATE ${of('claim')} SET state = $2, run = NULL, call = NULL, digest = NULL, since = $3, until = $4, generation = $5, revision = $6,
      checksum = $7
    WHERE mac = $1`;
  const USED = `SELECT hash FROM ${of('blob_use')} WHERE run = $1 ORDER BY hash`;
  const HOLD = `SELECT hash FROM ${of('blob')} WHERE hash = ANY($1::text[]) ORDER BY hash FOR UPDATE`;
  const UNUSE = `DELETE FROM ${of('blob_use')} WHERE run = $1 AND hash = ANY($2::text[])`;
  const DROP = `
    DELETE FROM ${of('blob')} AS b WHERE hash = ANY($1::text[]) AND NOT EXISTS (SELECT 1 FROM ${of('blob_use')} AS u WHERE u.hash = b.hash)`;
  const BLOB = `INSERT INTO ${of('blob')} (hash, body) VALUES ($1, $2) ON CONFLICT (hash) DO UPDATE SET hash = excluded.hash`;
  const USE = `INSERT INTO ${of('blob_use')} (hash, run) VALUES ($1, $2) ON CONFLICT DO NOTHING`;
  const CHANGED = `UPDATE ${of('head')} SET changed_at = ${CLOCK} WHERE run = $1`;
  const TELL = 'SELECT pg_notify($1::text, $2::text)';

  /** An append locks the blobs that it uses, so they are locked here before it is looked who uses them. */
  async function release(tx: Query, run: number, kept: ReadonlySet<string>): Promise<void> {
    const hashes = (await tx<{ hash: string }>(USED, [run])).flatMap(({ hash }) => (kept.has(hash) ? [] : [hash]));
    if (hashes.length === 0) return;
    await tx(HOLD, [hashes]);
    await tx(UNUSE, [run, hashes]);
    await tx(DROP, [hashes]);
  }

  async function remove(runId: string, expectedSeq?: number): Promise<void> {
    await access.transact('power', async (tx) => {
      await inboxes.lock(tx);
      const [found] = await tx<{ run: number; held: number }>(TAKE, [runId]);
      if (!found) return;
      const { run, held } = found;
      if (expectedSeq !== undefined && held !== expectedSeq) throw conflict(runId, expectedSeq, held);
      await inboxes.removed(tx, runId);
      const made = await claims.tombstones(tx, runId);
      claims.lost(made);
      for (const { mac, claim } of made) {
        const { state, since, until, generation, revision, checksum } = rowOf(mac, claim);
        await tx(TOMBSTONE, [mac, state, since, until, generation, revision, checksum]);
      }
      await tx(`DELETE FROM ${of('entry')} WHERE run = $1`, [run]);
      await tx(`DELETE FROM ${of('effect')} WHERE run = $1`, [run]);
      await release(tx, run, new Set());
      await tx(`DELETE FROM ${of('head')} WHERE run = $1`, [run]);
      await tx(TELL, [channel, runId]);
    });
  }

  /** @throws RondoError `JOURNAL_DAMAGED` for a damaged row, because it might hold content that must be forgotten. */
  async function rewrite(runId: string, entries: readonly Entry[]): Promise<void> {
    const bySeq = new Map(entries.map((entry) => [entry.seq, entry]));
    await access.transact('power', async (tx) => {
      const [found] = await tx<{ run: number }>(TAKE, [runId]);
      if (!found) return;
      const { run } = found;
      const rows = await tx<EntryRow>(ROWS, [run]);
      const blob = await blobsOf(tx, names, rows);
      const kept = new Set<string>();
      for (const row of rows) {
        const old = decode(row, blob);
        if (!old) throw damaged(runId, row.seq);
        if (!old.some(({ seq }) => bySeq.has(seq))) {
          for (const raw of JSON.parse(row.body) as { blobs?: Record<string, string> }[])
            for (const hash of Object.values(raw.blobs ?? {})) kept.add(hash);
          continue;
        }
        const { body, checksum, blobs } = encode(old.map((entry) => bySeq.get(entry.seq) ?? entry));
        await tx(`UPDATE ${of('entry')} SET body = $3, checksum = $4 WHERE run = $1 AND seq = $2`, [run, row.seq, body, checksum]);
        for (const { hash, body } of [...blobs].sort((a, b) => (a.hash < b.hash ? -1 : 1))) {
          await tx(BLOB, [hash, body]);
          await tx(USE, [hash, run]);
          kept.add(hash);
        }
      }
      await release(tx, run, kept);
      await tx(CHANGED, [run]);
      await tx(TELL, [channel, runId]);
    });
  }

  return { remove, rewrite };
}
