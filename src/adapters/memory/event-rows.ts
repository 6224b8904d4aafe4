/** Reads events, sessions and actors. Call all of it within a transaction. */
import type { EventFilter, EventQuery, EventRef, MemoryEvent, MemoryPage, PageQuery } from '../../ports/memory-store.ts';
import { name, text } from './checks.ts';
import { cursor } from './cursor.ts';
import { refused } from './errors.ts';
import { LAST_ID } from './event-id.ts';
import { checkedFilters } from './event-input.ts';
import type { Settings } from './settings.ts';

export interface EventRow {
  /** In the order of commits. */
  nr: number;
  id: string;
  at: number;
  actor: string;
  session_id: string;
  session: number;
  items: string;
  branch: string | null;
  branch_root: string | null;
  metadata: string | null;
  extract: number;
  variables: string | null;
}

const FIELDS =
  'e.nr, e.id, e.at, e.session, e.items, e.branch, e.branch_root, e.metadata, e.extract, e.variables, s.actor, s.id AS session_id';
/** An event that has not expired. Its parameter is the time. */
const ALIVE = '(e.expires_at IS NULL OR e.expires_at > ?)';

export const eventOf = (row: EventRow, withItems = true): MemoryEvent => ({
  id: row.id,
  actor: row.actor,
  session: row.session_id,
  at: row.at,
  items: withItems ? JSON.parse(row.items) : [],
  ...(row.branch !== null && { branch: { name: row.branch, ...(row.branch_root !== null && { root: row.branch_root }) } }),
  ...(row.metadata !== null && { metadata: JSON.parse(row.metadata) }),
});

export function findEvent({ db, space, now }: Settings, { actor, session, id }: EventRef): EventRow | undefined {
  return db
    .prepare(
      `SELECT ${FIELDS} FROM session s JOIN event e ON e.session = s.nr WHERE s.space = ? AND s.actor = ? AND s.id = ? AND e.id = ? AND ${ALIVE}`,
    )
    .get(space(), actor, session, id, now()) as EventRow | undefined;
}

/** By the number of its row. */
export const eventAt = ({ db }: Settings, nr: number): EventRow | undefined =>
  db.prepare(`SELECT ${FIELDS} FROM event e JOIN session s ON s.nr = e.session WHERE e.nr = ?`).get(nr) as unknown as EventRow | undefined;

/** Newest first. */
export function pageOfEvents(settings: Settings, query: EventQuery): MemoryPage<MemoryEvent> {
  const { db, space, now } = settings;
  const { actor, session: id, branch, items = true } = query;
  const filters = checkedFilters(query.metadata, checkFilter);
  const list = cursor<string>(['events', actor, id, branch ? { ...branch } : null, filters.map((filter) => ({ ...filter }))], query);
  const session = db.prepare('SELECT nr FROM session WHERE space = ? AND actor = ? AND id = ?').get(space(), actor, id)?.nr as
    | number
    | undefined;
  if (session === undefined) return { items: [] };
  const lines = branch && linesOf(settings, session, branch);
  const where = ['e.session = ?', 'e.id < ?', ALIVE, ...(lines ? [lines.sql] : []), ...filters.map(conditionOf)];
  const rows = db
    .prepare(`SELECT ${FIELDS} FROM event e JOIN session s ON s.nr = e.session WHERE ${where.join(' AND ')} ORDER BY e.id DESC LIMIT ?`)
    .all(session, list.after ?? LAST_ID, now(), ...(lines?.values ?? []), ...filters.flatMap(valuesOf), list.limit + 1);
  return list.page(
    rows as unknown as EventRow[],
    (last) => last.id,
    (row) => eventOf(row, items),
  );
}

function checkFilter(filter: EventFilter, field: string): void {
  if (filter.is === 'equal') text(filter.value, `${field}.value`, 0, 256);
  else if (filter.is !== 'present' && filter.is !== 'absent') throw refused(`${field}.is`, 'give equal, present or absent');
}

const conditionOf = ({ is }: EventFilter): string =>
  `${is === 'absent' ? 'NOT ' : ''}EXISTS (SELECT 1 FROM json_each(e.metadata) m WHERE m.key = ?${is === 'equal' ? ' AND m.value = ?' : ''})`;
const valuesOf = (filter: EventFilter): string[] => (filter.is === 'equal' ? [filter.key, filter.value] : [filter.key]);

/** A branch, and with `parents` each line that it began from, up to the event that is shared. */
function linesOf({ db }: Settings, session: number, branch: { name: string; parents?: boolean }): { sql: string; values: string[] } {
  const root = db.prepare('SELECT branch_root, branch_parent FROM event WHERE session = ? AND branch = ? LIMIT 1');
  const sql: string[] = [];
  const values: string[] = [];
  const seen = new Set<string | null>();
  let line: string | null = branch.name === 'main' ? null : name(branch.name, 'branch.name', 100);
  let upTo = LAST_ID;
  while (!seen.has(line)) {
    seen.add(line);
    sql.push(line === null ? '(e.branch IS NULL AND e.id <= ?)' : '(e.branch = ? AND e.id <= ?)');
    values.push(...(line === null ? [upTo] : [line, upTo]));
    const from = line === null || !branch.parents ? undefined : root.get(session, line);
    if (!from) break;
    line = from.branch_parent as string | null;
    if ((from.branch_root as string) < upTo) upTo = from.branch_root as string;
  }
  return { sql: `(${sql.join(' OR ')})`, values };
}

/** Sessions of an actor that have events, newest first. */
export function pageOfSessions(
  { db, space, now }: Settings,
  query: PageQuery & { actor: string },
): MemoryPage<{ session: string; actor: string; createdAt: number }> {
  const { actor } = query;
  const list = cursor<[number, number]>(['sessions', actor], query);
  const [at, nr] = list.after ?? [Number.MAX_SAFE_INTEGER, 0];
  const rows = db
    .prepare(
      `SELECT s.nr, s.id, s.created_at FROM session s WHERE s.space = ? AND s.actor = ? AND (s.created_at, s.nr) < (?, ?)
       AND EXISTS (SELECT 1 FROM event e WHERE e.session = s.nr AND ${ALIVE}) ORDER BY s.created_at DESC, s.nr DESC LIMIT ?`,
    )
    .all(space(), actor, at, nr, now(), list.limit + 1) as unknown as { nr: number; id: string; created_at: number }[];
  return list.page(
    rows,
    (last) => [last.created_at, last.nr],
    (row) => ({ session: row.id, actor, createdAt: row.created_at }),
  );
}

/** Actors that have events, by name. */
export function pageOfActors({ db, space, now }: Settings, query: PageQuery): MemoryPage<{ actor: string }> {
  const list = cursor<string>(['actors'], query);
  const rows = db
    .prepare(
      `SELECT DISTINCT s.actor FROM session s WHERE s.space = ? AND s.actor > ?
       AND EXISTS (SELECT 1 FROM event e WHERE e.session = s.nr AND ${ALIVE}) ORDER BY s.actor LIMIT ?`,
    )
    .all(space(), list.after ?? '', now(), list.limit + 1) as unknown as { actor: string }[];
  return list.page(
    rows,
    (last) => last.actor,
    (row) => ({ actor: row.actor }),
  );
}
