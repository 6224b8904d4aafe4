import type { DatabaseSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import { RondoError } from '../../../errors.ts';
import type { StoredAppend } from '../../../journal/codec.ts';
import { decode } from '../../../journal/codec.ts';
import type { Entry } from '../../../journal/entries.ts';
import { damaged } from '../../../journal/refuse.ts';
import type { StoredHead } from './heads.ts';
import { rollback } from './open.ts';
import { GONE, standsForRemoved } from './schema.ts';

/** The last row of a run: its place in the log, what it says there, and how many entries the run has with it. */
export interface Tail {
  readonly id: number;
  readonly seq: number;
  readonly checksum: number;
  readonly held: number;
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
  const newest = db.prepare('SELECT id, run, seq FROM entry ORDER BY id DESC LIMIT 1');
  const insert = db.prepare('INSERT INTO entry (id, run, seq, body, checksum) VALUES (?, ?, ?, ?, ?)');
  const row = db.prepare('SELECT id, seq, body, checksum FROM entry WHERE id = ? AND run = ?');
  const seqAt = db.prepare('SELECT seq FROM entry WHERE id = ? AND run = ?');
  const rows = db.prepare('SELECT id, seq, body, checksum FROM entry WHERE id >= ? AND id < ? AND run = ? ORDER BY id');
  const extentWith = db.prepare('SELECT seq, id FROM extent WHERE run = ? AND seq <= ? ORDER BY seq DESC LIMIT 1');
  const extentAfter = db.prepare('SELECT seq, id FROM extent WHERE run = ? AND seq > ? ORDER BY seq LIMIT 1');
  const newestTwo = db.prepare('SELECT id FROM entry ORDER BY id DESC LIMIT 2');
  const extentAt = db.prepare('SELECT id FROM extent WHERE run = ? AND seq = ?');
  /** Without an index: asked only where something is wrong. */
  const beginsAt = db.prepare('SELECT 1 FROM extent WHERE id = ? AND run <> ? LIMIT 1');
  const rowFrom = db.prepare('SELECT id, run, seq, checksum FROM entry WHERE id >= ? ORDER BY id LIMIT 1');
  const insertExtent = db.prepare('INSERT INTO extent (run, seq, id) VALUES (?, ?, ?)');
  const blob = db.prepare('SELECT body FROM blob WHERE hash = ?');
  const insertBlob = db.prepare('INSERT INTO blob (hash, body) VALUES (?, ?) ON CONFLICT DO NOTHING');
  const insertUse = db.prepare('INSERT INTO blob_use (hash, run) VALUES (?, ?) ON CONFLICT DO NOTHING');

  const begin = db.prepare('BEGIN');
  const commit = db.prepare('COMMIT');

  /** The end of the log: the id of its newest row, or of the last that a removed stretch had. Known only within a transaction. */
  let top: number | undefined;

  function last(): number {
    const found = newest.get() as { id: number; run: number; seq: number } | undefined;
    return found ? found.id + (found.run === GONE ? found.seq - 1 : 0) : 0;
  }

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

  /**
   * Where a run ends. `least`: a row that it is known to have.
   * @throws RondoError `JOURNAL_DAMAGED` where its last row is not whole, or is not its last: a committed row is never torn.
   */
  function tail(runId: string, run: number, least?: number): Tail {
    const extent = extentWith.get(run, Number.MAX_SAFE_INTEGER) as Extent | undefined;
    if (!extent) {
      if (least !== undefined) throw damaged(runId, 0);
      return NO_TAIL;
    }
    const id = lastRow(run, extent.id);
    const found = whole(run, id);
    if (!found) throw damaged(runId, id === extent.id ? extent.seq : (whole(run, id - 1)?.held ?? extent.seq));
    assertEnd(runId, run, { id: id + 1, seq: found.held }, least);
    return found;
  }

  function whole(run: number, id: number): Tail | undefined {
    const found = row.get(id, run) as Row | undefined;
    const entries = found && decode(found, blobBody);
    return found && entries && { id, seq: found.seq, checksum: found.checksum, held: found.seq + entries.length };
  }

  /** Whether a row is as it was written. */
  function isWhole(run: number, id: number): boolean {
    const found = row.get(id, run) as Row | undefined;
    return found !== undefined && typeof found.body === 'string' && crc32(found.body) === found.checksum;
  }

  /** Whether the log ends with a row. An id that was turned into a smaller one is still where it was written, at the end. */
  function isLast(id: number): boolean {
    const [newest, before] = newestTwo.all() as { id: number }[];
    return newest?.id === id && (before === undefined || before.id < id);
  }

  /**
   * Makes sure that a run ends before a place: what is there begins another run's stretch, or stands for removed rows, or the log ends
   * too. Rows have no gaps, so anything else is a row of this run that is gone, or says that it is another's.
   */
  function assertEnd(runId: string, run: number, { id, seq }: { id: number; seq: number }, least: number | undefined): void {
    const next = rowFrom.get(id) as { id: number; run: number; seq: number; checksum: number } | undefined;
    const ends = next
      ? next.id === id &&
        next.run !== run &&
        (standsForRemoved(next) || (extentAt.get(next.run, next.seq) as { id: number } | undefined)?.id === id)
      : isLast(id - 1);
    if ((ends || (next && next.run !== run && beginsAt.get(id, run))) && (least === undefined || least < id)) return;
    throw damaged(runId, seq);
  }

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

  function page(runId: string, run: number, from: Place, least: number | undefined): { appends: Entry[][]; next?: Place } {
    const appends: Entry[][] = [];
    let { extent, id, seq } = from;
    while (appends.length < CHUNK) {
      const next = extentAfter.get(run, extent) as Extent | undefined;
      // a row holds one entry or more, so the next extent bounds the rows of this one
      const most = next ? Math.min(CHUNK, next.seq - seq) : CHUNK;
      const bound = id + most;
      for (const found of rows.all(id, bound, run) as Row[]) {
        // a row of a later extent
        if (found.id !== id) break;
        const entries = found.seq === seq ? decode(found, blobBody) : undefined;
        if (!entries) throw damaged(runId, seq);
        appends.push(entries);
        seq += entries.length;
        id++;
      }
      if (most > 0 && id === bound) continue;
      if (!next) {
        assertEnd(runId, run, { id, seq }, least);
        return { appends };
      }
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

    last,
    tail,
    isWhole,

    /**
     * Appends to the run that was the last to append, in one statement; undefined where it was not, or where anything else is
     * not as `last` says. That the newest row of the whole log is this run's own proves that no other process appended to the run.
     */
    appendNext(run: number, last: Tail, stored: StoredAppend, count: number): Tail | undefined {
      const { changes } = insertNext.run(last.id + 1, last.id, run, last.seq, last.checksum, last.held, stored.body, stored.checksum);
      return changes === 1 ? { id: last.id + 1, seq: last.held, checksum: stored.checksum, held: last.held + count } : undefined;
    },

    /** Where the next append will be. In a transaction. */
    next(): number {
      top ??= last();
      return top + 1;
    },

    /** Appends behind `tail`, which the caller has made sure of under the write lock. */
    append(run: number, tail: Tail, stored: StoredAppend, count: number): Tail {
      const id = this.next();
      top = id;
      insert.run(id, run, tail.held, stored.body, stored.checksum);
      if (id !== tail.id + 1) insertExtent.run(run, tail.held, id);
      for (const { hash, body } of stored.blobs) {
        insertBlob.run(hash, body);
        insertUse.run(hash, run);
      }
      return { id, seq: tail.held, checksum: stored.checksum, held: tail.held + count };
    },

    /** Whether a run's rows are where its extents say. */
    isSound(runId: string, run: number): boolean {
      try {
        for (let at = locate(run, -1); at; ) at = page(runId, run, at, undefined).next;
        return true;
      } catch (error) {
        if (RondoError.is(error, 'JOURNAL_VERSION')) return true;
        if (RondoError.is(error, 'JOURNAL_DAMAGED')) return false;
        throw error;
      }
    },

    /** The entries after a sequence number, a bounded number of appends at a time; see the port for what becomes of damage. */
    *read(runId: string, find: () => StoredHead | undefined, after: number): Generator<Entry[], void, undefined> {
      let from: { run: number; at: Place } | undefined;
      do {
        const found = snapshot(() => {
          const head = find();
          // a run may be removed while it is read
          if (!head || (from && from.run !== head.run)) return undefined;
          const { run, tail: least } = head;
          const at = from ? from.at : locate(run, after);
          if (!at && least !== undefined) throw damaged(runId, 0);
          return at && { run, ...page(runId, run, at, least) };
        });
        if (!found) return;
        yield* found.appends;
        from = found.next && { run: found.run, at: found.next };
      } while (from);
    },
  };
}
