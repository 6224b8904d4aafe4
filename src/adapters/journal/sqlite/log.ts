import type { DatabaseSync } from 'node:sqlite';
import type { StoredAppend } from '../../../journal/codec.ts';
import { decode } from '../../../journal/codec.ts';
import type { Entry } from '../../../journal/entries.ts';
import { damaged } from '../../../journal/refuse.ts';
import { rollback } from './open.ts';

/** The last row of a run: its place in the log, what it says there, and how many entries the run has with it. */
export interface Tail {
  readonly id: number;
  readonly seq: number;
  readonly checksum: number;
  readonly held: number;
  /** A row behind it that is not whole, to be replaced by the next append. */
  readonly torn?: number;
}
/** Of a run without rows. */
export const NO_TAIL: Tail = { id: -1, seq: -1, checksum: 0, held: 0 };

type Extent = { seq: number; id: number };
/** Where reading goes on: in the extent that begins with one sequence number, at a row that begins with another. */
interface Place {
  extent: number;
  id: number;
  seq: number;
}
type Row = { id: number; seq: number; body: string; checksum: number };

/** Rows read at a time. */
const CHUNK = 64;

export type Log = ReturnType<typeof log>;

/** The rows of all runs, in the order of their appends, and the extents that find a run's rows among them. See schema.ts. */
export function log(db: DatabaseSync) {
  // no row where the newest of the log is not the one expected: `run` may not be null then
  const insertNext = db.prepare(`
    INSERT OR IGNORE INTO entry (id, run, seq, body, checksum) VALUES (?, (
      SELECT run FROM (SELECT id, run, seq, checksum FROM entry ORDER BY id DESC LIMIT 1)
      WHERE id = ? AND run = ? AND seq = ? AND checksum = ?), ?, ?, ?)`);
  const newest = db.prepare('SELECT ifnull(max(id), 0) AS id FROM entry');
  const insert = db.prepare('INSERT INTO entry (id, run, seq, body, checksum) VALUES (?, ?, ?, ?, ?)');
  const row = db.prepare('SELECT id, seq, body, checksum FROM entry WHERE id = ? AND run = ?');
  const seqAt = db.prepare('SELECT seq FROM entry WHERE id = ? AND run = ?');
  const rows = db.prepare('SELECT id, seq, body, checksum FROM entry WHERE id >= ? AND id < ? AND run = ? ORDER BY id');
  const deleteRows = db.prepare('DELETE FROM entry WHERE id >= ? AND id <= ? AND run = ?');
  const extentWith = db.prepare('SELECT seq, id FROM extent WHERE run = ? AND seq <= ? ORDER BY seq DESC LIMIT 1');
  const extentAfter = db.prepare('SELECT seq, id FROM extent WHERE run = ? AND seq > ? ORDER BY seq LIMIT 1');
  const extents = db.prepare('SELECT seq, id FROM extent WHERE run = ? ORDER BY seq');
  const insertExtent = db.prepare('INSERT INTO extent (run, seq, id) VALUES (?, ?, ?)');
  const deleteExtent = db.prepare('DELETE FROM extent WHERE run = ? AND seq >= ?');
  const blob = db.prepare('SELECT body FROM blob WHERE hash = ?');
  const insertBlob = db.prepare('INSERT INTO blob (hash, body) VALUES (?, ?) ON CONFLICT DO NOTHING');
  const insertUse = db.prepare('INSERT INTO blob_use (hash, run) VALUES (?, ?) ON CONFLICT DO NOTHING');
  const deleteBlobs = db.prepare(`
    DELETE FROM blob WHERE hash IN (SELECT hash FROM blob_use WHERE run = ?)
    AND NOT EXISTS (SELECT 1 FROM blob_use WHERE blob_use.hash = blob.hash AND blob_use.run <> ?)`);
  const deleteUses = db.prepare('DELETE FROM blob_use WHERE run = ?');

  const begin = db.prepare('BEGIN');
  const commit = db.prepare('COMMIT');

  /** The id of the newest row, known only within a transaction. */
  let top: number | undefined;

  const blobBody = (hash: string) => (blob.get(hash) as { body: string } | undefined)?.body;

  /** The last row of an extent that begins at `start`, and is not past a sequence number, found by doubling and halving. */
  function lastRow(run: number, start: number, seq = Number.MAX_SAFE_INTEGER): number {
    const within = (id: number) => {
      const found = seqAt.get(id, run) as { seq: number } | undefined;
      return found !== undefined && found.seq <= seq;
    };
    let step = 1;
    while (within(start + step)) step *= 2;
    let low = start + Math.floor(step / 2);
    let high = start + step;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (within(middle)) low = middle;
      else high = middle;
    }
    return low;
  }

  /** Where a run ends. A torn last row does not count: the next append takes its place. */
  function tail(runId: string, run: number): Tail {
    const extent = extentWith.get(run, Number.MAX_SAFE_INTEGER) as Extent | undefined;
    if (!extent) return NO_TAIL;
    const id = lastRow(run, extent.id);
    const last = whole(run, id);
    if (last) return last;
    // only the last append can be torn: what it followed must be whole
    if (id > extent.id) {
      const before = whole(run, id - 1);
      if (before) return { ...before, torn: id };
      throw damaged(runId, (seqAt.get(id - 1, run) as { seq: number }).seq);
    }
    if (extent.seq === 0) return { ...NO_TAIL, torn: id };
    const earlier = extentWith.get(run, extent.seq - 1) as Extent | undefined;
    const before = earlier && whole(run, lastRow(run, earlier.id, extent.seq - 1));
    if (before?.held === extent.seq) return { ...before, torn: id };
    throw damaged(runId, earlier?.seq ?? 0);
  }

  function whole(run: number, id: number): Tail | undefined {
    const found = row.get(id, run) as Row | undefined;
    const entries = found && decode(found, blobBody);
    return found && entries && { id, seq: found.seq, checksum: found.checksum, held: found.seq + entries.length };
  }

  /** Whether the run goes on behind a row that does not fit. A few places are looked at, since a neighbour may be hurt as well. */
  const goesOn = (run: number, seq: number, id: number) =>
    extentAfter.get(run, seq) !== undefined || rows.all(id + 1, id + CHUNK, run).length > 0;

  /** Several reads of one state of the file. */
  function snapshot<T>(read: () => T): T {
    begin.run();
    try {
      const found = read();
      commit.run();
      return found;
    } catch (error) {
      rollback(db);
      throw error;
    }
  }

  function locate(run: number, after: number): Place | undefined {
    const extent = extentWith.get(run, after + 1) as Extent | undefined;
    if (!extent) return undefined;
    const id = after + 1 > extent.seq ? lastRow(run, extent.id, after + 1) : extent.id;
    const seq = id === extent.id ? extent.seq : (seqAt.get(id, run) as { seq: number }).seq;
    return { extent: extent.seq, id, seq };
  }

  function page(runId: string, run: number, from: Place): { appends: Entry[][]; next?: Place } {
    const appends: Entry[][] = [];
    let { extent, id, seq } = from;
    const end = () => {
      if (goesOn(run, seq, id)) throw damaged(runId, seq);
      return { appends };
    };
    while (appends.length < CHUNK) {
      const next = extentAfter.get(run, extent) as Extent | undefined;
      // a row holds one entry or more, so the next extent bounds the rows of this one
      const most = next ? Math.min(CHUNK, next.seq - seq) : CHUNK;
      const bound = id + most;
      for (const found of rows.all(id, bound, run) as Row[]) {
        // a row of a later extent
        if (found.id !== id) break;
        const entries = found.seq === seq ? decode(found, blobBody) : undefined;
        if (!entries) return end();
        appends.push(entries);
        seq += entries.length;
        id++;
      }
      if (most > 0 && id === bound) continue;
      if (!next) return end();
      if (next.seq !== seq) throw damaged(runId, seq);
      extent = seq;
      id = next.id;
    }
    return { appends, next: { extent, id, seq } };
  }

  return {
    /** To be called where a transaction begins. */
    begin(): void {
      top = undefined;
    },

    tail,

    /**
     * Appends to the run that was the last to append, in one statement; undefined where it was not, or where anything else is
     * not as `last` says. That the newest row of the whole log is this run's own proves that nobody appended to the run.
     */
    appendNext(run: number, last: Tail, stored: StoredAppend, count: number): Tail | undefined {
      const { changes } = insertNext.run(last.id + 1, last.id, run, last.seq, last.checksum, last.held, stored.body, stored.checksum);
      return changes === 1 ? { id: last.id + 1, seq: last.held, checksum: stored.checksum, held: last.held + count } : undefined;
    },

    /** Appends behind `last`, which the caller has made sure of under the write lock. */
    append(run: number, last: Tail, stored: StoredAppend, count: number): Tail {
      if (last.torn !== undefined) {
        deleteRows.run(last.torn, last.torn, run);
        deleteExtent.run(run, last.held);
        top = undefined;
      }
      const id = (top ?? (newest.get() as { id: number }).id) + 1;
      top = id;
      insert.run(id, run, last.held, stored.body, stored.checksum);
      if (id !== last.id + 1) insertExtent.run(run, last.held, id);
      for (const { hash, body } of stored.blobs) {
        insertBlob.run(hash, body);
        insertUse.run(hash, run);
      }
      return { id, seq: last.held, checksum: stored.checksum, held: last.held + count };
    },

    /** The entries after a sequence number, a bounded number of appends at a time; see the port for what becomes of damage. */
    *read(runId: string, run: number, after: number): Generator<Entry[], void, undefined> {
      let at = snapshot(() => locate(run, after));
      while (at) {
        const from: Place = at;
        const { appends, next } = snapshot(() => page(runId, run, from));
        yield* appends;
        at = next;
      }
    },

    remove(run: number): void {
      top = undefined;
      for (const { id } of extents.all(run) as Extent[]) deleteRows.run(id, lastRow(run, id), run);
      deleteExtent.run(run, 0);
      deleteBlobs.run(run, run);
      deleteUses.run(run);
    },
  };
}
