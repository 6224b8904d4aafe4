import type { DatabaseSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import { RondoError } from '../../../errors.ts';
import type { StoredAppend } from '../../../journal/entries/codec.ts';
import { decode } from '../../../journal/entries/codec.ts';
import type { Entry } from '../../../journal/entries/entries.ts';
import { damaged } from '../../../journal/errors.ts';
import type { StoredHead } from './heads.ts';
import { rollback } from './open.ts';
import { GONE, standsForRemoved } from './schema.ts';

/** The last row of a run: its id in the log, its first entry's number, its checksum, and the number of entries up to its end. */
export interface Tail {
  readonly id: number;
  readonly seq: number;
  readonly checksum: number;
  readonly held: number;
}
/** The tail of a run without rows. */
export const NO_TAIL: Tail = { id: -1, seq: -1, checksum: 0, held: 0 };

type Extent = { seq: number; id: number };
/** The position of a reader: the first sequence number of its extent, and the id and the first sequence number of its row. */
interface Place {
  extent: number;
  id: number;
  seq: number;
}
type Row = { id: number; seq: number; body: string; checksum: number };

/** Rows read at a time. */
const CHUNK = 64;

export type Log = ReturnType<typeof log>;

/** The log of all runs, one row per append, and the extents that locate the rows of a run. See schema.ts. */
export function log(db: DatabaseSync) {
  // inserts nothing unless the newest row of the log is the expected one: otherwise `run` would be null, which OR IGNORE skips
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
  /** Not indexed, because it runs only if the log may be damaged. */
  const beginsAt = db.prepare('SELECT 1 FROM extent WHERE id = ? AND run <> ? LIMIT 1');
  const rowFrom = db.prepare('SELECT id, run, seq, checksum FROM entry WHERE id >= ? ORDER BY id LIMIT 1');
  const insertExtent = db.prepare('INSERT INTO extent (run, seq, id) VALUES (?, ?, ?)');
  const blob = db.prepare('SELECT body FROM blob WHERE hash = ?');
  const insertBlob = db.prepare('INSERT INTO blob (hash, body) VALUES (?, ?) ON CONFLICT DO NOTHING');
  const insertUse = db.prepare('INSERT INTO blob_use (hash, run) VALUES (?, ?) ON CONFLICT DO NOTHING');

  const begin = db.prepare('BEGIN');
  const commit = db.prepare('COMMIT');

  /** The highest id in use, counting removed rows. Valid only within a transaction. */
  let top: number | undefined;

  function last(): number {
    const found = newest.get() as { id: number; run: number; seq: number } | undefined;
    return found ? found.id + (found.run === GONE ? found.seq - 1 : 0) : 0;
  }

  const blobBody = (hash: string) => (blob.get(hash) as { body: string } | undefined)?.body;

  /** The last row of the extent that starts at row `start`, up to a sequence number. Found by exponential and then binary search. */
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
   * The last row of a run. @param least a row that the run is known to have.
   * @throws RondoError `JOURNAL_DAMAGED` if that row is damaged, or later rows are missing. A committed row is never torn.
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

  /** Whether a row exists and matches its checksum. */
  function isWhole(run: number, id: number): boolean {
    const found = row.get(id, run) as Row | undefined;
    return found !== undefined && typeof found.body === 'string' && crc32(found.body) === found.checksum;
  }

  /** Whether a row is the last of the log. A damaged id that became smaller is detected by its neighbour. */
  function isLast(id: number): boolean {
    const [newest, before] = newestTwo.all() as { id: number }[];
    return newest?.id === id && (before === undefined || before.id < id);
  }

  /**
   * Checks that a run ends before row `id`: that row starts another run's extent or stands for removed rows, or the log ends there. Ids
   * have no gaps, so anything else means that a row of this run is missing or was assigned to another run.
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

  /** Runs several reads on one consistent state of the file. */
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
      // each row holds at least one entry, so the start of the next extent bounds the rows of this one
      const most = next ? Math.min(CHUNK, next.seq - seq) : CHUNK;
      const bound = id + most;
      for (const found of rows.all(id, bound, run) as Row[]) {
        // this row belongs to a later extent
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
    /** Call it at the start of a transaction. */
    begin(): void {
      top = undefined;
    },

    last,
    tail,
    isWhole,

    /**
     * Appends in one statement, if `last` is still the newest row of the whole log; otherwise returns undefined. That row proves that no
     * other process has appended to the run.
     */
    appendNext(run: number, last: Tail, stored: StoredAppend, count: number): Tail | undefined {
      const { changes } = insertNext.run(last.id + 1, last.id, run, last.seq, last.checksum, last.held, stored.body, stored.checksum);
      return changes === 1 ? { id: last.id + 1, seq: last.held, checksum: stored.checksum, held: last.held + count } : undefined;
    },

    /** The id of the next row. Call it within a transaction. */
    next(): number {
      top ??= last();
      return top + 1;
    },

    /** Appends after `tail`, which the caller has read under the write lock. */
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

    /** Whether all rows of a run are undamaged and match its extents. */
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

    /** The entries after a sequence number, read in chunks. See the port for how damage is reported. */
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
