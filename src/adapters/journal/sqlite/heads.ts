import type { DatabaseSync } from 'node:sqlite';
import { damaged, sessionBusy } from '../../../journal/errors.ts';
import type { RunHead } from '../../../journal/port.ts';
import { COLUMNS, type Columns, checksum, fromColumns, identity, markOf, NAMES, ROW, toColumns } from '../rows/head.ts';
import { lists } from './lists.ts';

/** A head, and the number of its run in the other tables. */
export interface StoredHead {
  readonly run: number;
  readonly head: RunHead;
  /** The last row of the run when the head was written; undefined if unknown. */
  readonly tail: number | undefined;
}

/** Whether a run occupies its session. */
const occupies = ({ status, aside }: RunHead) => (status === 'running' || status === 'paused') && !aside;

export type Heads = ReturnType<typeof heads>;

/** The statements on heads. @param isWhole whether a row of the log is undamaged. */
export function heads(db: DatabaseSync, isWhole: (run: number, row: number) => boolean) {
  const byId = db.prepare(`SELECT ${ROW} FROM head WHERE run_id = ?`);
  const nextRun = db.prepare('SELECT ifnull(max(run), 0) + 1 AS run FROM head');
  const insert = db.prepare(`
    INSERT INTO head (run, ${NAMES}, tail, identity, checksum) VALUES (?, ${COLUMNS.map(() => '?').join(', ')}, ?, ?, ?)`);
  // only the columns that change while a run goes on, so that the indexes on the others are not touched
  const update = db.prepare(`
    UPDATE head SET status = ?, owner = ?, lease_until = ?, wake_at = ?, unknowns = ?, version = ?, seq = ?, aside = ?, asks = ?, tail = ?,
      checksum = ?
    WHERE run = ?`);
  const replace = db.prepare(`
    UPDATE head SET ${COLUMNS.map(([column]) => `${column} = ?`).join(', ')}, tail = ?, identity = ?, checksum = ? WHERE run = ?`);
  const openIn = db.prepare(`
    SELECT run_id FROM head
    WHERE session = ? AND ifnull(tenant, 0) = ifnull(?, 0) AND session IS NOT NULL AND status IN ('running', 'paused') AND aside IS NULL`);
  const lease = db.prepare(`
    UPDATE head SET owner = ?, lease_until = ?
    WHERE run_id = ? AND (owner IS NULL OR owner = ? OR lease_until IS NULL OR lease_until <= ?)`);
  const remove = db.prepare('DELETE FROM head WHERE run = ?');
  /** @throws RondoError `JOURNAL_DAMAGED` if the run number does not belong to this run. */
  function find(runId: string): StoredHead | undefined {
    const found = byId.get(runId) as Columns | undefined;
    if (!found) return undefined;
    if (found.identity !== identity(found.run as number, runId)) throw damaged(runId, 0);
    return { run: found.run as number, head: fromColumns(found), tail: (found.tail as number | null) ?? undefined };
  }

  return {
    find,

    /**
     * Checks that the session of an open head has no other open run. @param stored the run's stored head.
     * @throws RondoError `SESSION_BUSY`, before anything is written.
     */
    place(head: RunHead, stored: { readonly head: RunHead } | undefined): void {
      if (head.session === undefined || !occupies(head)) return;
      const before = stored?.head;
      if (before && occupies(before) && before.session === head.session && before.tenant === head.tenant) return;
      const other = openIn.get(head.session, head.tenant ?? null) as { run_id: string } | undefined;
      if (other) throw sessionBusy(head.session, other.run_id);
    },

    nextRun: (): number => (nextRun.get() as { run: number }).run,

    insert: (run: number, head: RunHead, tail: number | null): void =>
      void insert.run(run, ...toColumns(head), tail, identity(run, head.runId), checksum(head, tail)),

    /** Replaces the stored head `before`. @param tail the run's last row. @returns a copy of the head that is stored now. */
    update(run: number, before: RunHead, head: RunHead, tail: number | null): RunHead {
      const kept = withLease(before, head);
      const { status, owner = null, leaseUntil = null, wakeAt = null, unknowns = null, version, seq } = kept;
      const same =
        !before.doubtful &&
        before.agent === head.agent &&
        before.session === head.session &&
        before.tenant === head.tenant &&
        before.by === head.by &&
        before.fork === head.fork &&
        before.startedAt === head.startedAt;
      const sum = checksum(kept, tail);
      if (same)
        update.run(status, owner, leaseUntil, wakeAt, unknowns, version, seq, markOf(kept.aside), markOf(kept.asks), tail, sum, run);
      else replace.run(...toColumns(kept), tail, identity(run, kept.runId), sum, run);
      return kept;
    },

    renew: (runId: string, owner: string, until: number): boolean => lease.run(owner, until, runId, owner, Date.now()).changes === 1,

    ...lists(db, isWhole),

    /** A paused run is due at once. */
    wake(runId: string): void {
      const stored = find(runId);
      if (stored?.head.status !== 'paused' || stored.head.doubtful) return;
      this.update(stored.run, stored.head, { ...stored.head, wakeAt: 0 }, stored.tail ?? null);
    },

    remove: (run: number): void => void remove.run(run),

    /** Adds checksums to heads that were written before there were any. */
    seal(): void {
      for (const found of db.prepare(`SELECT ${ROW} FROM head WHERE identity IS NULL`).all() as Columns[]) {
        const head = fromColumns(found);
        const run = found.run as number;
        replace.run(...toColumns(head), null, identity(run, head.runId), checksum(head, null), run);
      }
    },

    /** Marks the paused runs of an older file: any of them may have an open approval. */
    markPaused(): void {
      const set = db.prepare('UPDATE head SET asks = 1, checksum = ? WHERE run = ?');
      for (const found of db.prepare(`SELECT ${ROW} FROM head WHERE status = 'paused'`).all() as Columns[]) {
        const head = fromColumns(found);
        // a damaged one stays so
        const sum = head.doubtful ? (found.checksum ?? null) : checksum({ ...head, asks: true }, found.tail as number | null);
        set.run(sum, found.run as number);
      }
    },
  };
}

/** Whether storing `head` over `before` would change more than `seq`. */
export function differs(before: RunHead, head: RunHead): boolean {
  return (
    before.doubtful === true ||
    before.status !== head.status ||
    before.wakeAt !== head.wakeAt ||
    before.unknowns !== head.unknowns ||
    before.aside !== head.aside ||
    before.asks !== head.asks ||
    before.version !== head.version ||
    before.agent !== head.agent ||
    before.session !== head.session ||
    before.tenant !== head.tenant ||
    before.by !== head.by ||
    before.fork !== head.fork ||
    before.startedAt !== head.startedAt ||
    ((before.owner !== head.owner || before.leaseUntil !== head.leaseUntil) && leaseDiffers(before, withLease(before, head)))
  );
}

const leaseDiffers = (a: RunHead, b: RunHead) => a.owner !== b.owner || a.leaseUntil !== b.leaseUntil;

/** A running head without an owner keeps the stored lease, and an older head does not shorten a lease that was renewed meanwhile. */
function withLease(before: RunHead, head: RunHead): RunHead {
  const { owner, leaseUntil } = before;
  if (head.status === 'running' && head.owner === undefined)
    return { ...head, ...(owner !== undefined && { owner }), ...(leaseUntil !== undefined && { leaseUntil }) };
  if (owner === undefined || owner !== head.owner || leaseUntil === undefined || leaseUntil <= (head.leaseUntil ?? 0)) return { ...head };
  return { ...head, leaseUntil };
}
