/** Removes runs, and replaces entries. A removal is many writes: lists have the run until all of it is gone, so it can be made again. */
import { decode, encode } from '../../../journal/entries/codec.ts';
import type { Entry } from '../../../journal/entries/entries.ts';
import { conflict, damaged } from '../../../journal/errors.ts';
import { nonceOf } from '../rows/nonce.ts';
import type { Access } from './access.ts';
import { type ContentRow, rowOf, rowsFrom } from './content.ts';
import { Refused } from './errors.ts';
import { headItem, pointerWrites, type StoredHead } from './head-item.ts';
import type { Heads } from './heads.ts';
import { headKey, runKey } from './keys.ts';
import { blobKey, blobPuts, blobsOf } from './log.ts';

/** What a removal does between the last append that a run accepts and the end of its items. */
export type Releasing = (runId: string) => Promise<void>;

export function removal(access: Access, heads: Heads, releasing: readonly Releasing[]) {
  /** Writes the head as `change` makes it of what is stored. @returns it as it was; undefined if there is none. */
  async function changed(runId: string, change: (stored: StoredHead) => StoredHead): Promise<StoredHead | undefined> {
    for (;;) {
      const stored = await heads.look(runId);
      if (!stored) return undefined;
      try {
        await access.write([{ put: headItem({ ...change(stored), rev: nonceOf() }), if: { equal: { rev: stored.rev } } }]);
        return stored;
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
      }
    }
  }

  async function remove(runId: string, expectedSeq?: number): Promise<void> {
    access.refuseClosed();
    const pk = runKey(runId);
    heads.forget(runId);
    const stored = await changed(runId, (found) => {
      // a removal that was cut off is completed
      if (expectedSeq !== undefined && !found.gone && found.held !== expectedSeq) throw conflict(runId, expectedSeq, found.held);
      return { ...found, gone: true };
    });
    if (stored) for (const release of releasing) await release(runId);
    // an append that did not come may have left content, even of a run that was never begun
    await access.purge(pk, 'head');
    for (let before = await heads.look(runId); before?.gone; before = await heads.look(runId)) {
      const { writes } = pointerWrites(before.head, undefined);
      try {
        await access.write([{ delete: headKey(runId), if: { equal: { rev: before.rev } } }, ...writes]);
        return;
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
      }
    }
  }

  /** @throws RondoError `JOURNAL_DAMAGED` for a damaged row, because it might hold content that must be forgotten. */
  async function rewrite(runId: string, entries: readonly Entry[]): Promise<void> {
    access.refuseClosed();
    const stored = await heads.look(runId);
    if (!stored || stored.gone) return;
    const pk = runKey(runId);
    const bySeq = new Map(entries.map((entry) => [entry.seq, entry]));
    for await (const rows of rowsFrom(access, pk, 0)) {
      const blob = await blobsOf(access, pk, rows);
      for (const row of rows) {
        const old = decode(row, blob);
        if (!old) throw damaged(runId, row.seq);
        if (old.some(({ seq }) => bySeq.has(seq)))
          await replace(
            pk,
            row,
            old.map((entry) => bySeq.get(entry.seq) ?? entry),
          );
      }
    }
    await sweep(runId, pk);
  }

  async function replace(pk: string, { seq, count, nonce }: ContentRow, entries: readonly Entry[]): Promise<void> {
    const { body, checksum, blobs } = encode(entries);
    const { row, parts } = rowOf(pk, { seq, count, nonce, body, checksum }, String(nonceOf()));
    await access.writeAll([...blobPuts(pk, blobs), ...parts]);
    // another one may remove the run meanwhile
    const still = { equal: { nonce } };
    await access.write([{ put: row.put, if: still }]).catch(async (error) => {
      if (!(error instanceof Refused)) throw error;
      await access.purge(pk, 'head');
    });
  }

  /** Deletes large content and parts that no row names any more. An append changes the head, and what it names is looked for again. */
  async function sweep(runId: string, pk: string): Promise<void> {
    for (;;) {
      const stored = await heads.look(runId);
      if (!stored) return;
      const named = new Set<string>();
      for await (const rows of rowsFrom(access, pk, 0))
        for (const { body } of rows)
          for (const raw of JSON.parse(body) as { blobs?: Record<string, string> }[])
            for (const hash of Object.values(raw.blobs ?? {})) named.add(hash);
      const unused: { delete: { pk: string; sk: string } }[] = [];
      const partNames = new Set(named);
      for await (const { part } of access.query({ pk, from: 'e#', to: 'f' })) if (part !== undefined) partNames.add(String(part));
      for await (const { sk } of access.query({ pk, from: 'b#', to: 'c' }))
        if (!named.has(sk.slice(blobKey('').length))) unused.push({ delete: { pk, sk } });
      for await (const { sk } of access.query({ pk, from: 'p#', to: 'q' }))
        if (!partNames.has(sk.split('#')[1] ?? '')) unused.push({ delete: { pk, sk } });
      if (unused.length === 0) return;
      // appends wait for this write, and then see that it was made
      try {
        const next = { ...stored, rev: nonceOf() };
        await access.write([{ put: headItem(next), if: { equal: { rev: stored.rev } } }, ...unused.slice(0, 90)]);
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
      }
      heads.forget(runId);
    }
  }

  return { remove, rewrite };
}
