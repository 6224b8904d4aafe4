import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { HeadFilter, RunHead } from '../../../journal/port.ts';
import { sessionBusy } from '../../../journal/refuse.ts';

/** A head and the number that stands for its run in the other tables. */
export interface StoredHead {
  readonly run: number;
  readonly head: RunHead;
}

const COLUMNS = [
  ['run_id', 'runId'],
  ['agent', 'agent'],
  ['status', 'status'],
  ['session', 'session'],
  ['tenant', 'tenant'],
  ['owner', 'owner'],
  ['lease_until', 'leaseUntil'],
  ['wake_at', 'wakeAt'],
  ['started_at', 'startedAt'],
  ['unknowns', 'unknowns'],
  ['version', 'version'],
  ['seq', 'seq'],
] as const satisfies readonly (readonly [string, keyof RunHead])[];
const NAMES = COLUMNS.map(([column]) => column).join(', ');
/** The fields of a filter, but for `runId`; each is named as its column. */
const FILTERS = ['agent', 'status', 'session', 'tenant'] as const;

/** Heads read at a time. */
const CHUNK = 500;
const isOpen = ({ status }: RunHead) => status === 'running' || status === 'paused';

type Columns = Record<string, string | number | null>;

export type Heads = ReturnType<typeof heads>;

export function heads(db: DatabaseSync) {
  const byId = db.prepare(`SELECT run, ${NAMES} FROM head WHERE run_id = ?`);
  const insert = db.prepare(`
    INSERT INTO head (run, ${NAMES}) VALUES ((SELECT ifnull(max(run), 0) + 1 FROM head), ${COLUMNS.map(() => '?').join(', ')})
    RETURNING run`);
  // the columns that a run changes as it goes; the others are in indexes that need not be touched then
  const update = db.prepare(
    'UPDATE head SET status = ?, owner = ?, lease_until = ?, wake_at = ?, unknowns = ?, version = ?, seq = ? WHERE run = ?',
  );
  const replace = db.prepare(`UPDATE head SET ${COLUMNS.map(([column]) => `${column} = ?`).join(', ')} WHERE run = ?`);
  const openIn = db.prepare(`
    SELECT run_id FROM head
    WHERE session = ? AND ifnull(tenant, 0) = ifnull(?, 0) AND session IS NOT NULL AND status IN ('running', 'paused')`);
  const lease = db.prepare(`
    UPDATE head SET owner = ?, lease_until = ?
    WHERE run_id = ? AND (owner IS NULL OR owner = ? OR lease_until IS NULL OR lease_until <= ?)`);
  const remove = db.prepare('DELETE FROM head WHERE run = ?');
  const lists = new Map<string, StatementSync>();

  function list(filter: HeadFilter, paged: boolean): StatementSync {
    const fields = FILTERS.filter((field) => filter[field] !== undefined);
    // the index over open runs is used only by a query that says in so many words that it wants no others
    const open = filter.status === 'running' || filter.status === 'paused';
    const key = `${fields.join()} ${open} ${paged}`;
    let found = lists.get(key);
    if (!found) {
      const where = fields.map((field) => `${field} = ?`);
      if (open) where.push("status IN ('running', 'paused')");
      if (paged) where.push('(started_at, run) < (?, ?)');
      const condition = where.length > 0 ? `WHERE ${where.join(' AND ')}` : '';
      found = db.prepare(`SELECT run, ${NAMES} FROM head ${condition} ORDER BY started_at DESC, run DESC LIMIT ?`);
      lists.set(key, found);
    }
    return found;
  }

  function find(runId: string): StoredHead | undefined {
    const found = byId.get(runId) as Columns | undefined;
    return found && { run: found.run as number, head: fromColumns(found) };
  }

  return {
    find,

    /**
     * Makes sure that an open head has its session for itself. `stored` is what the run has by now.
     * @throws RondoError `SESSION_BUSY`, before anything is written.
     */
    place(head: RunHead, stored: StoredHead | undefined): void {
      if (head.session === undefined || !isOpen(head)) return;
      const before = stored?.head;
      if (before && isOpen(before) && before.session === head.session && before.tenant === head.tenant) return;
      const other = openIn.get(head.session, head.tenant ?? null) as { run_id: string } | undefined;
      if (other) throw sessionBusy(head.session, other.run_id);
    },

    insert: (head: RunHead): number => (insert.get(...toColumns(head)) as { run: number }).run,

    /** Replaces `before`, which is what is stored; returns a copy of what is stored then. */
    update(run: number, before: RunHead, head: RunHead): RunHead {
      const kept = withLease(before, head);
      const { status, owner = null, leaseUntil = null, wakeAt = null, unknowns = null, version, seq } = kept;
      const same =
        before.agent === head.agent &&
        before.session === head.session &&
        before.tenant === head.tenant &&
        before.startedAt === head.startedAt;
      if (same) update.run(status, owner, leaseUntil, wakeAt, unknowns, version, seq, run);
      else replace.run(...toColumns(kept), run);
      return kept;
    },

    renew: (runId: string, owner: string, until: number): boolean => lease.run(owner, until, runId, owner, Date.now()).changes === 1,

    *list(filter: HeadFilter): Generator<RunHead, void, undefined> {
      const { runId, limit: wanted = Number.MAX_SAFE_INTEGER } = filter;
      if (runId !== undefined) {
        const head = wanted > 0 ? find(runId)?.head : undefined;
        if (head && FILTERS.every((field) => filter[field] === undefined || filter[field] === head[field])) yield head;
        return;
      }
      const values = FILTERS.map((field) => filter[field]).filter((value) => value !== undefined);
      let last: Columns | undefined;
      for (let given = 0; given < wanted; ) {
        const most = Math.min(CHUNK, wanted - given);
        const from = last ? [last.started_at as number, last.run as number] : [];
        const found = list(filter, last !== undefined).all(...values, ...from, most) as Columns[];
        for (const columns of found) yield fromColumns(columns);
        if (found.length < most) return;
        given += found.length;
        last = found.at(-1);
      }
    },

    remove: (run: number): void => void remove.run(run),
  };
}

/** Whether storing `head` over `before` would change more than `seq`. */
export function differs(before: RunHead, head: RunHead): boolean {
  return (
    before.status !== head.status ||
    before.wakeAt !== head.wakeAt ||
    before.unknowns !== head.unknowns ||
    before.version !== head.version ||
    before.agent !== head.agent ||
    before.session !== head.session ||
    before.tenant !== head.tenant ||
    before.startedAt !== head.startedAt ||
    ((before.owner !== head.owner || before.leaseUntil !== head.leaseUntil) && leaseDiffers(before, withLease(before, head)))
  );
}

const leaseDiffers = (a: RunHead, b: RunHead) => a.owner !== b.owner || a.leaseUntil !== b.leaseUntil;

/** A head that names no owner changes none, and a lease that was renewed meanwhile is not shortened by a head that was made before. */
function withLease(before: RunHead, head: RunHead): RunHead {
  const { owner, leaseUntil } = before;
  if (head.status === 'running' && head.owner === undefined)
    return { ...head, ...(owner !== undefined && { owner }), ...(leaseUntil !== undefined && { leaseUntil }) };
  if (owner === undefined || owner !== head.owner || leaseUntil === undefined || leaseUntil <= (head.leaseUntil ?? 0)) return { ...head };
  return { ...head, leaseUntil };
}

const toColumns = (head: RunHead) => COLUMNS.map(([, field]) => head[field] ?? null);

function fromColumns(columns: Columns): RunHead {
  const head: Record<string, unknown> = {};
  for (const [column, field] of COLUMNS) if (columns[column] !== null) head[field] = columns[column];
  return head as unknown as RunHead;
}
