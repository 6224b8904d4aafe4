/** Lists of heads by filter, and of due runs. They are read in pages, so that no lock is held between two pages. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { dueAt } from '../../../journal/due.ts';
import type { DueFilter, HeadFilter, RunHead } from '../../../journal/port.ts';
import { type Columns, fromColumns, identity, ROW } from '../rows/head.ts';

/** The filter fields that compare for equality, except `runId`, with their columns. */
const FILTERS = { agent: 'agent', status: 'status', session: 'session', tenant: 'tenant', by: 'by_id', fork: 'fork' } as const;
const FIELDS = Object.keys(FILTERS) as (keyof typeof FILTERS)[];

/** Heads read at a time. */
const CHUNK = 500;
/** The highest code point: the end of a range of strings with a common prefix. */
const LAST = '\u{10ffff}';

/** SQLite uses a partial index (`head_lease`, `head_wake`, `head_record`, `head_queue`) only if the query repeats its condition literally. */
export const DUE = {
  running: `
    SELECT ${ROW} FROM head
    WHERE status = 'running' AND ifnull(lease_until, 0) <= ? AND (ifnull(lease_until, 0), run_id) > (?, ?)
    ORDER BY ifnull(lease_until, 0), run_id LIMIT ?`,
  paused: `
    SELECT ${ROW} FROM head
    WHERE status = 'paused' AND wake_at IS NOT NULL AND wake_at <= ? AND (wake_at, run_id) > (?, ?)
    ORDER BY wake_at, run_id LIMIT ?`,
  completed: `
    SELECT ${ROW} FROM head
    WHERE status = 'completed' AND wake_at IS NOT NULL AND wake_at <= ? AND (wake_at, run_id) > (?, ?)
    ORDER BY wake_at, run_id LIMIT ?`,
} as const;

/** `next` finds the tenant behind one in the index, so that the runs between are not read. */
export const QUEUED = {
  tenant: `
    SELECT ${ROW} FROM head
    WHERE status = 'queued' AND ifnull(tenant, '') = ? AND (started_at, run_id) > (?, ?)
    ORDER BY started_at, run_id LIMIT ?`,
  next: `
    SELECT ${ROW} FROM head
    WHERE status = 'queued' AND ifnull(tenant, '') > ?
    ORDER BY ifnull(tenant, ''), started_at, run_id LIMIT 1`,
} as const;

/** The statement that lists heads by a filter. @param paged whether it begins after a place. */
export function headsQuery(filter: HeadFilter, paged: boolean): string {
  const where = FIELDS.filter((field) => filter[field] !== undefined).map((field) => `${FILTERS[field]} = ?`);
  const open = filter.status === 'running' || filter.status === 'paused' || filter.status === 'queued';
  // repeats the condition of a partial index
  if (filter.asks) where.push('asks IS NOT NULL');
  else if (open) where.push("status IN ('queued', 'running', 'paused')");
  if (filter.ownerPrefix !== undefined) where.push('owner >= ? AND owner < ?');
  if (paged) where.push('(started_at, run) < (?, ?)');
  const condition = where.length > 0 ? `WHERE ${where.join(' AND ')}` : '';
  return `SELECT ${ROW} FROM head ${condition} ORDER BY started_at DESC, run DESC LIMIT ?`;
}

/** The statements that list heads. @param isWhole whether a row of the log is undamaged. */
export function lists(db: DatabaseSync, isWhole: (run: number, row: number) => boolean) {
  const byId = db.prepare(`SELECT ${ROW} FROM head WHERE run_id = ?`);
  const due = { running: db.prepare(DUE.running), paused: db.prepare(DUE.paused), completed: db.prepare(DUE.completed) };
  const queued = { tenant: db.prepare(QUEUED.tenant), next: db.prepare(QUEUED.next) };
  const made = new Map<string, StatementSync>();

  function statement(filter: HeadFilter, paged: boolean): StatementSync {
    const query = headsQuery(filter, paged);
    const found = made.get(query) ?? db.prepare(query);
    made.set(query, found);
    return found;
  }

  /** The head of a row, marked as doubtful if its checksum or its run's last row is damaged. */
  function listed(columns: Columns): RunHead {
    const head = fromColumns(columns);
    const { run, tail } = columns as { run: number; tail: number | null };
    if (columns.identity !== identity(run, head.runId) || (tail !== null && !isWhole(run, tail))) head.doubtful = true;
    return head;
  }

  /** The sort key of a head that was read before, from which the list continues. */
  function placeOf({ runId, startedAt }: NonNullable<HeadFilter['after']>): readonly [startedAt: number, run: number] {
    const found = byId.get(runId) as Columns | undefined;
    return found ? [found.started_at as number, found.run as number] : [startedAt, Number.MAX_SAFE_INTEGER];
  }

  function queue({ limit, after, tenant, firsts }: DueFilter): RunHead[] {
    const found: RunHead[] = [];
    const add = (of: string, from: readonly [number, string], most: number) => {
      for (const columns of queued.tenant.all(of, ...from, most) as Columns[]) found.push(listed(columns));
    };
    let of = tenant ?? after?.tenant ?? '';
    const first = [Number.MIN_SAFE_INTEGER, ''] as const;
    if (!(firsts && after)) add(of, after ? [after.startedAt, after.runId] : first, firsts ? Math.min(1, limit) : limit);
    while (tenant === undefined && found.length < limit) {
      const next = queued.next.get(of) as Columns | undefined;
      if (!next) break;
      of = next.tenant as string;
      add(of, first, firsts ? 1 : limit - found.length);
    }
    return found;
  }

  return {
    *list(filter: HeadFilter): Generator<RunHead, void, undefined> {
      const { runId, ownerPrefix, after, limit: wanted = Number.MAX_SAFE_INTEGER } = filter;
      if (runId !== undefined) {
        const found = wanted > 0 ? (byId.get(runId) as Columns | undefined) : undefined;
        const head = found && listed(found);
        if (head && FIELDS.every((field) => filter[field] === undefined || filter[field] === head[field]) && (!filter.asks || head.asks))
          yield head;
        return;
      }
      const values: (string | number)[] = FIELDS.map((field) => filter[field]).filter((value) => value !== undefined);
      if (ownerPrefix !== undefined) values.push(ownerPrefix, ownerPrefix + LAST);
      let from = after ? placeOf(after) : undefined;
      for (let given = 0; given < wanted; ) {
        const most = Math.min(CHUNK, wanted - given);
        const found = statement(filter, from !== undefined).all(...values, ...(from ?? []), most) as Columns[];
        for (const columns of found) yield listed(columns);
        if (found.length < most) return;
        given += found.length;
        const last = found.at(-1) as Columns;
        from = [last.started_at as number, last.run as number];
      }
    },

    due(filter: DueFilter): RunHead[] {
      const { status, now, limit, after } = filter;
      if (status === 'queued') return queue(filter);
      const from = after ? [dueAt(after) ?? 0, after.runId] : [Number.MIN_SAFE_INTEGER, ''];
      return (due[status].all(now, ...from, limit) as Columns[]).map(listed);
    },
  };
}
