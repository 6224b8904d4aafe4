/** Writes events. Call all of it within a transaction. */
import { RondoError } from '../../errors.ts';
import type { EventRef, MemoryEvent } from '../../ports/memory-store.ts';
import { refused } from './errors.ts';
import { eventId, idsAt } from './event-id.ts';
import type { CheckedEvent } from './event-input.ts';
import { type EventRow, eventAt, eventOf, findEvent } from './event-rows.ts';
import type { Settings } from './settings.ts';

export interface Appended {
  readonly event: MemoryEvent;
  readonly row: EventRow;
  /** False: an event with the key was there before. */
  readonly isNew: boolean;
}

/** How far a new event may be moved behind the newest one of its session, so that events come back in the order in which they were added. */
const MOST_AHEAD = 1_000;

/** @throws RondoError `MEMORY_CONFLICT`, `MEMORY_INPUT_INVALID` */
export function appendEvent(settings: Settings, given: CheckedEvent): Appended {
  const { db, ids } = settings;
  const space = settings.makeSpace();
  const before = given.key === undefined ? undefined : ofKey(settings, space, given);
  if (before) return before;
  const now = settings.now();
  const id = given.session ?? ids.session();
  const session = sessionOf(settings, space, given.actor, id, given.at ?? now);
  const branch = given.branch && branchOf(settings, space, session, given.branch);
  const at = settings.ties ? (given.at ?? now) : freeTime(settings, session, given.at, now);
  const expiry = settings.eventExpiry();
  const { lastInsertRowid } = db
    .prepare(
      `INSERT INTO event (space, session, id, at, items, branch, branch_root, branch_parent, metadata, extract, variables, key, digest, expires_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    )
    .run(
      space,
      session,
      freeId(settings, session, at),
      at,
      given.items,
      branch?.name ?? null,
      branch?.root ?? null,
      branch?.parent ?? null,
      given.metadata ?? null,
      given.extract ? 1 : 0,
      given.variables ?? null,
      given.key ?? null,
      given.digest ?? null,
      expiry === undefined ? null : now + expiry,
    );
  return appended(settings, Number(lastInsertRowid), true);
}

function appended(settings: Settings, nr: number, isNew: boolean): Appended {
  const row = eventAt(settings, nr) as EventRow;
  return { event: eventOf(row), row, isNew };
}

function ofKey(settings: Settings, space: number, given: CheckedEvent): Appended | undefined {
  const { db, now } = settings;
  const found = db.prepare('SELECT nr, digest, expires_at FROM event WHERE space = ? AND key = ?').get(space, given.key as string);
  if (!found) return undefined;
  if (found.expires_at !== null && (found.expires_at as number) <= now()) {
    db.prepare('DELETE FROM event WHERE nr = ?').run(found.nr as number);
    return undefined;
  }
  const first = appended(settings, found.nr as number, false);
  if (found.digest === given.digest) return first;
  const { actor, session, id } = first.event;
  throw new RondoError('MEMORY_CONFLICT', 'An event with this key and other content is there already. Give other content another key.', {
    details: { key: given.key as string, event: { actor, session, id } },
  });
}

function sessionOf({ db }: Settings, space: number, actor: string, id: string, at: number): number {
  const find = db.prepare('SELECT nr FROM session WHERE space = ? AND actor = ? AND id = ?');
  const known = find.get(space, actor, id);
  if (known) return known.nr as number;
  const { lastInsertRowid } = db
    .prepare('INSERT INTO session (space, actor, id, created_at) VALUES (?, ?, ?, ?)')
    .run(space, actor, id, at);
  return Number(lastInsertRowid);
}

/** The root of a branch, and the branch of that event. They are those of the branch's first event. */
function branchOf(settings: Settings, space: number, session: number, { name, root }: NonNullable<CheckedEvent['branch']>) {
  const { db } = settings;
  const wrong = (why: string) =>
    refused('branch.root', why, root !== undefined && isOfOther(settings, space, session, root) ? { reason: 'other-session' } : {});
  const known = db.prepare('SELECT branch_root, branch_parent FROM event WHERE session = ? AND branch = ? LIMIT 1').get(session, name);
  if (known) {
    if (root !== undefined && root !== known.branch_root)
      throw wrong(`the branch ${name} began at another event, ${known.branch_root}; leave the root out`);
    return { name, root: known.branch_root as string, parent: known.branch_parent as string | null };
  }
  if (root === undefined) throw refused('branch.root', `the branch ${name} is new: give the id of the last event that it shares`);
  const shared = db.prepare('SELECT branch FROM event WHERE session = ? AND id = ?').get(session, root);
  if (!shared) throw wrong(`the session has no event ${root}`);
  return { name, root, parent: shared.branch as string | null };
}

/** Whether an event is of another session, for which AgentCore has a reason. */
function isOfOther({ db }: Settings, space: number, session: number, event: string): boolean {
  const found = db.prepare('SELECT 1 FROM session s JOIN event e ON e.session = s.nr AND e.id = ? WHERE s.space = ? AND s.nr <> ?');
  return found.get(event, space, session) !== undefined;
}

/** The first free millisecond of the session: from the given time, or after its newest event. */
function freeTime({ db }: Settings, session: number, given: number | undefined, now: number): number {
  let at = given ?? now;
  if (given === undefined) {
    const newest = db.prepare('SELECT at FROM event WHERE session = ? ORDER BY id DESC LIMIT 1').get(session)?.at as number | undefined;
    if (newest !== undefined && newest >= now && newest < now + MOST_AHEAD) at = newest + 1;
  }
  const taken = db.prepare('SELECT 1 FROM event WHERE session = ? AND id >= ? AND id < ?');
  while (taken.get(session, ...idsAt(at))) at++;
  return at;
}

function freeId({ db, ids }: Settings, session: number, at: number): string {
  const taken = db.prepare('SELECT 1 FROM event WHERE session = ? AND id = ?');
  for (;;) {
    const id = eventId(at, ids.event().toLowerCase());
    if (!taken.get(session, id)) return id;
  }
}

/** @returns whether there was one. */
export function removeEvent(settings: Settings, ref: EventRef): boolean {
  const found = findEvent(settings, ref);
  if (!found) return false;
  settings.db.prepare('DELETE FROM event WHERE nr = ?').run(found.nr);
  removeEmptySessions(settings, found.session);
  return true;
}

/** @param session only this one. */
export function removeEmptySessions({ db, space }: Settings, session?: number): void {
  db.prepare(
    'DELETE FROM session WHERE space = ? AND (? IS NULL OR nr = ?) AND NOT EXISTS (SELECT 1 FROM event WHERE event.session = session.nr)',
  ).run(space(), session ?? null, session ?? null);
}
