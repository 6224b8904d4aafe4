/** The rows of extraction. Call all of it within a transaction. */
import { randomUUID } from 'node:crypto';
import { RondoError } from '../../../errors.ts';
import type { EventItem, ExtractionJob, JobQuery, MemoryPage } from '../../../ports/memory-store.ts';
import { cursor } from '../cursor.ts';
import type { EventRow } from '../event-rows.ts';
import type { Settings } from '../settings.ts';
import { readOf } from '../strategies/origin.ts';
import type { Strategy } from '../strategies/types.ts';
import { fill } from '../templates.ts';

/** Namespaces of a strategy with the values in place, by name; the main one is ''. */
export type Places = Readonly<Record<string, string>>;

export interface Job {
  readonly nr: number;
  readonly id: string;
  readonly event: number;
  readonly strategy: string;
  readonly places: Places;
  readonly items: readonly number[];
  /** Those that were begun, with this one. */
  readonly attempts: number;
}

/** Adds a row for each strategy that reads something of the event. A strategy whose namespace has a variable without a value is skipped. */
export function addJobs(settings: Settings, strategies: Iterable<Strategy>, event: EventRow): void {
  const { db } = settings;
  const items = JSON.parse(event.items) as EventItem[];
  for (const strategy of strategies) {
    const positions = readOf(items, strategy);
    if (positions.length === 0) continue;
    const { places, missing } = placesOf(strategy, event);
    if (missing.length > 0)
      db.prepare('INSERT INTO extraction_skipped (event, strategy, space, missing) VALUES (?, ?, ?, ?)').run(
        event.nr,
        strategy.name,
        settings.space(),
        JSON.stringify(missing),
      );
    else
      db.prepare(
        'INSERT INTO extraction (space, id, event, session, actor, strategy, places, items, attempts, due_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?)',
      ).run(
        settings.space(),
        `job-${randomUUID()}`,
        event.nr,
        event.session,
        event.actor,
        strategy.name,
        JSON.stringify(places),
        JSON.stringify(positions),
        settings.now(),
      );
  }
}

function placesOf({ name, namespace, others }: Strategy, { actor, session_id, variables }: EventRow) {
  const own = variables === null ? {} : (JSON.parse(variables) as Record<string, string>);
  const values = { ...own, actorId: actor, sessionId: session_id, memoryStrategyId: name };
  const missing = new Set<string>();
  const places: Record<string, string> = {};
  for (const [place, template] of Object.entries({ ...others, '': namespace })) {
    const filled = fill(template, values);
    if ('missing' in filled) for (const variable of filled.missing) missing.add(variable);
    else places[place] = filled.namespace;
  }
  return { places, missing: [...missing].sort() };
}

/** Its parameters: the space, the strategies as JSON. */
const OPEN = 'x.space = ? AND x.reason IS NULL AND x.strategy IN (SELECT value FROM json_each(?))';
/** What comes after another open job of its session and strategy waits for that one. */
const FIRST = `NOT EXISTS (SELECT 1 FROM extraction b WHERE b.space = x.space AND b.actor = x.actor AND b.reason IS NULL
  AND b.nr < x.nr AND b.session = x.session AND b.strategy = x.strategy)`;

/** Begins the next job of an actor that is due: counts its attempt. */
export function beginJob({ db, space, now }: Settings, actor: string, strategies: string): Job | undefined {
  const row = db
    .prepare(
      `SELECT x.nr, x.id, x.event, x.strategy, x.places, x.items, x.attempts FROM extraction x
       WHERE ${OPEN} AND x.actor = ? AND x.due_at <= ? AND ${FIRST} ORDER BY x.nr LIMIT 1`,
    )
    .get(space(), strategies, actor, now()) as Record<string, unknown> | undefined;
  if (!row) return undefined;
  const attempts = (row.attempts as number) + 1;
  db.prepare('UPDATE extraction SET attempts = ? WHERE nr = ?').run(attempts, row.nr as number);
  return {
    nr: row.nr as number,
    id: row.id as string,
    event: row.event as number,
    strategy: row.strategy as string,
    places: JSON.parse(row.places as string),
    items: JSON.parse(row.items as string),
    attempts,
  };
}

export const hasJob = ({ db }: Settings, { nr, id }: Job): boolean =>
  db.prepare('SELECT 1 FROM extraction WHERE nr = ? AND id = ?').get(nr, id) !== undefined;

/** What is under way of an actor writes nothing: it may hold what is forgotten now. It begins again, as another job. */
export function restartJobs({ db, space }: Settings, actor: string): void {
  db.prepare(
    "UPDATE extraction SET id = 'job-' || lower(hex(randomblob(16))), attempts = 0 WHERE space = ? AND actor = ? AND reason IS NULL",
  ).run(space(), actor);
}

/** What a strategy has still to do for an event, or has failed to do. */
export const hasJobFor = ({ db }: Settings, event: number, strategy: string): boolean =>
  db.prepare('SELECT 1 FROM extraction WHERE event = ? AND strategy = ?').get(event, strategy) !== undefined;

export function endJob({ db }: Settings, nr: number): void {
  db.prepare('DELETE FROM extraction WHERE nr = ?').run(nr);
}

/** @param o.dueAt when it is tried again; undefined: it has failed for good. */
export function failJob({ db }: Settings, nr: number, o: { dueAt: number | undefined; reason: string }): void {
  if (o.dueAt === undefined) db.prepare('UPDATE extraction SET reason = ? WHERE nr = ?').run(o.reason, nr);
  else db.prepare('UPDATE extraction SET due_at = ? WHERE nr = ?').run(o.dueAt, nr);
}

/** An attempt that was given up, as this process ends, does not count. */
export function putBack({ db }: Settings, nr: number): void {
  db.prepare('UPDATE extraction SET attempts = max(0, attempts - 1) WHERE nr = ? AND reason IS NULL').run(nr);
}

/** Actors with jobs that are due and that no other process works on, those who wait longest first; and when to look again. */
export function dueActors({ db, space, now }: Settings, strategies: string): { actors: string[]; next: number | undefined } {
  const at = now();
  const rows = db
    .prepare(
      `SELECT x.actor, min(x.nr) AS first, min(max(x.due_at, coalesce(l.until, 0))) AS due FROM extraction x
       LEFT JOIN extraction_lease l ON l.space = x.space AND l.actor = x.actor
       WHERE ${OPEN} AND ${FIRST} GROUP BY x.actor ORDER BY first LIMIT 1000`,
    )
    .all(space(), strategies) as unknown as { actor: string; due: number }[];
  const waits = rows.filter(({ due }) => due > at).map(({ due }) => due);
  return {
    actors: rows.filter(({ due }) => due <= at).map(({ actor }) => actor),
    next: waits.length > 0 ? Math.min(...waits) : undefined,
  };
}

/** The number of the newest row. */
export const newestJob = ({ db, space }: Settings): number =>
  (db.prepare('SELECT max(nr) AS nr FROM extraction WHERE space = ?').get(space())?.nr as number | null) ?? 0;

export const isOpen = ({ db, space }: Settings, strategies: string, upTo: number, o: { actor?: string; session?: string }): boolean =>
  db
    .prepare(
      `SELECT 1 FROM extraction x JOIN session s ON s.nr = x.session
       WHERE ${OPEN} AND x.nr <= ? AND (? IS NULL OR x.actor = ?) AND (? IS NULL OR s.id = ?) LIMIT 1`,
    )
    .get(space(), strategies, upTo, o.actor ?? null, o.actor ?? null, o.session ?? null, o.session ?? null) !== undefined;

/** Failed ones, newest first. */
export function pageOfJobs({ db, space }: Settings, query: JobQuery): MemoryPage<ExtractionJob> {
  const { actor = null, session = null, strategy = null } = query;
  const list = cursor<number>(['jobs', actor, session, strategy], query);
  const rows = db
    .prepare(
      `SELECT x.nr, x.id, x.strategy, x.actor, x.items, x.reason, s.id AS session, e.id AS event
       FROM extraction x JOIN session s ON s.nr = x.session JOIN event e ON e.nr = x.event
       WHERE x.space = ? AND x.reason IS NOT NULL AND x.nr < ? AND (? IS NULL OR x.actor = ?) AND (? IS NULL OR s.id = ?) AND (? IS NULL OR x.strategy = ?)
       ORDER BY x.nr DESC LIMIT ?`,
    )
    .all(
      space(),
      list.after ?? Number.MAX_SAFE_INTEGER,
      actor,
      actor,
      session,
      session,
      strategy,
      strategy,
      list.limit + 1,
    ) as unknown as (Record<'id' | 'strategy' | 'actor' | 'items' | 'reason' | 'session' | 'event', string> & { nr: number })[];
  return list.page(
    rows,
    (last) => last.nr,
    ({ id, event, items, reason, ...row }) => ({
      id,
      strategy: row.strategy,
      actor: row.actor,
      session: row.session,
      status: 'failed',
      reason,
      messages: (JSON.parse(items) as number[]).map((item) => ({ event, item })),
    }),
  );
}

/** @throws RondoError `MEMORY_JOB_UNKNOWN` */
export function reopenJob({ db, space, now }: Settings, id: string): void {
  const { changes } = db
    .prepare('UPDATE extraction SET reason = NULL, attempts = 0, due_at = ? WHERE space = ? AND id = ? AND reason IS NOT NULL')
    .run(now(), space(), id);
  if (changes === 0) throw new RondoError('MEMORY_JOB_UNKNOWN', `There is no failed extraction ${id}.`, { details: { job: id } });
}
