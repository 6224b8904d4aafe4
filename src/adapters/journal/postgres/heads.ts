/** Lists of heads by filter, and of due runs, in pages; and leases. The indexes that they use are in schema.ts. */
import { dueAt } from '../../../journal/due.ts';
import type { DueFilter, HeadFilter, RunHead } from '../../../journal/port.ts';
import { type Columns, fromColumns, NAMES } from '../rows/head.ts';
import { type Access, CLOCK } from './access.ts';

/** The columns of a head. The number of entries is in its checksum. */
export const ROW = `run, ${NAMES}, held AS tail, checksum`;

/** The filter fields that compare for equality, except `runId`, with their columns. */
const FILTERS = { agent: 'agent', status: 'status', session: 'session', tenant: 'tenant', by: 'by_id', fork: 'fork' } as const;
const FIELDS = Object.keys(FILTERS) as (keyof typeof FILTERS)[];
/** Heads read at a time. */
const CHUNK = 500;
/** The highest code point: the end of a range of texts with a common prefix. */
const LAST = '\u{10ffff}';

/** The statements of `due`, for the schema's table. */
export const dueQueries = (head: string) => {
  const page = (status: string, at: string) => `
    SELECT ${ROW} FROM ${head} WHERE status = '${status}' AND ${at} <= $1 AND (${at}, run_id) > ($2, $3) ORDER BY ${at}, run_id LIMIT $4`;
  return {
    running: page('running', 'coalesce(lease_until, 0)'),
    paused: page('paused', 'wake_at'),
    completed: page('completed', 'wake_at'),
    tenant: `
      SELECT ${ROW} FROM ${head} WHERE status = 'queued' AND coalesce(tenant, '') = $1 AND (started_at, run_id) > ($2, $3)
      ORDER BY started_at, run_id LIMIT $4`,
    // the tenant behind one, so that the runs between are not read
    next: `
      SELECT ${ROW} FROM ${head} WHERE status = 'queued' AND coalesce(tenant, '') > $1
      ORDER BY coalesce(tenant, ''), started_at, run_id LIMIT 1`,
  };
};

/** The statement that lists heads by a filter, and its values. @param from the place after which it begins. */
export function headsQuery(
  head: string,
  filter: HeadFilter,
  from: readonly [number, number] | undefined,
  limit: number,
): { text: string; values: unknown[] } {
  const values: unknown[] = [];
  const p = (value: unknown) => `$${values.push(value)}`;
  const where = FIELDS.flatMap((field) => (filter[field] === undefined ? [] : [`${FILTERS[field]} = ${p(filter[field])}`]));
  // repeats the condition of a partial index
  if (filter.asks) where.push('asks IS NOT NULL');
  else if (filter.status === 'running' || filter.status === 'paused' || filter.status === 'queued')
    where.push("status IN ('queued', 'running', 'paused')");
  if (filter.ownerPrefix !== undefined) where.push(`owner >= ${p(filter.ownerPrefix)} AND owner < ${p(filter.ownerPrefix + LAST)}`);
  if (from) where.push(`(started_at, run) < (${p(from[0])}, ${p(from[1])})`);
  const condition = where.length > 0 ? `WHERE ${where.join(' AND ')}` : '';
  return { text: `SELECT ${ROW} FROM ${head} ${condition} ORDER BY started_at DESC, run DESC LIMIT ${p(limit)}`, values };
}

export function heads({ names, query }: Access) {
  const head = names.of('head');
  const DUE = dueQueries(head);
  const BY_ID = `SELECT ${ROW} FROM ${head} WHERE run_id = $1`;
  const RENEW = `
    UPDATE ${head} SET owner = $2, lease_until = $3
    WHERE run_id = $1 AND (owner IS NULL OR owner = $2 OR lease_until IS NULL OR lease_until <= ${CLOCK}) RETURNING run`;

  async function queue({ limit, after, tenant, firsts }: DueFilter): Promise<RunHead[]> {
    const found: RunHead[] = [];
    const add = async (of: string, from: readonly [number, string], most: number) => {
      for (const columns of await query<Columns>(DUE.tenant, [of, ...from, most])) found.push(fromColumns(columns));
    };
    let of = tenant ?? after?.tenant ?? '';
    const first = [Number.MIN_SAFE_INTEGER, ''] as const;
    if (!(firsts && after)) await add(of, after ? [after.startedAt, after.runId] : first, firsts ? Math.min(1, limit) : limit);
    while (tenant === undefined && found.length < limit) {
      const [next] = await query<Columns>(DUE.next, [of]);
      if (!next) break;
      of = next.tenant as string;
      await add(of, first, firsts ? 1 : limit - found.length);
    }
    return found;
  }

  return {
    async *list(filter: HeadFilter): AsyncGenerator<RunHead, void, undefined> {
      const { runId, after, limit = Number.MAX_SAFE_INTEGER } = filter;
      if (runId !== undefined) {
        const [found] = limit > 0 ? await query<Columns>(BY_ID, [runId]) : [];
        const one = found && fromColumns(found);
        if (one && FIELDS.every((field) => filter[field] === undefined || filter[field] === one[field]) && (!filter.asks || one.asks))
          yield one;
        return;
      }
      let from: readonly [number, number] | undefined;
      if (after) {
        const [found] = await query<Columns>(BY_ID, [after.runId]);
        from = found ? [found.started_at as number, found.run as number] : [after.startedAt, Number.MAX_SAFE_INTEGER];
      }
      for (let given = 0; given < limit; ) {
        const most = Math.min(CHUNK, limit - given);
        const { text, values } = headsQuery(head, filter, from, most);
        const found = await query<Columns>(text, values);
        for (const columns of found) yield fromColumns(columns);
        if (found.length < most) return;
        given += found.length;
        const last = found.at(-1) as Columns;
        from = [last.started_at as number, last.run as number];
      }
    },

    async *due(filter: DueFilter): AsyncGenerator<RunHead, void, undefined> {
      const { status, now, limit, after } = filter;
      if (status === 'queued') return yield* await queue(filter);
      const from = after ? [dueAt(after) ?? 0, after.runId] : [Number.MIN_SAFE_INTEGER, ''];
      for (const columns of await query<Columns>(DUE[status], [now, ...from, limit])) yield fromColumns(columns);
    },

    async renew(runId: string, owner: string, until: number): Promise<boolean> {
      return (await query(RENEW, [runId, owner, until])).length === 1;
    },
  };
}
