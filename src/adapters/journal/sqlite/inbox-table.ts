/** The statements on the tables `event`, `event_wait` and `event_use`, see schema.ts. Call the writing functions within a transaction. */
import type { DatabaseSync } from 'node:sqlite';
import { RondoError } from '../../../errors.ts';
import type { CallId } from '../../../journal/entries/entries.ts';
import { eventDamaged } from '../../../journal/errors.ts';
import { type DeadFilter, type InboxRows, inboxOver, KEPT, PURGE, type StoredEvent, withoutWaits } from '../../../journal/inbox.ts';
import {
  deadOf,
  type EventRow,
  eventOf,
  eventRowOf,
  isListedDead,
  isSound,
  listedOf,
  listOf,
  newestDead,
  type UseRow,
  useOf,
  useSum,
  type WaitRow,
  waitOf,
  waitSum,
} from '../rows/event.ts';

/** A list of dead events of one state, which its own index finds. */
export const deadQuery = (state: 'rejected' | 'waiting') => `
  SELECT * FROM event WHERE ifnull(tenant, 0) = ifnull(?, 0) AND state = '${state}' AND (at, nr) < (?, ?) AND at >= ?
  ORDER BY at DESC, nr DESC LIMIT ?`;
export const LISTED_EVENTS = `
  SELECT * FROM event WHERE ifnull(tenant, 0) = ifnull(?, 0) AND state <> 'taken' ORDER BY nr DESC LIMIT ?`;

export type InboxTable = ReturnType<typeof inboxTable>;

/** @param wake sets the wake time of a paused run to 0. */
export function inboxTable(db: DatabaseSync, wake: (run: string) => void) {
  const byId = db.prepare('SELECT * FROM event WHERE id = ? AND ifnull(tenant, 0) = ifnull(?, 0) AND until > ? ORDER BY nr DESC LIMIT 1');
  const byNr = db.prepare('SELECT * FROM event WHERE nr = ?');
  const bySender = db.prepare('SELECT nr FROM event WHERE sender = ? AND ifnull(tenant, 0) = ifnull(?, 0) ORDER BY nr');
  const oldest = db.prepare("SELECT * FROM event WHERE topic = ? AND state = 'waiting' AND until > ? ORDER BY nr LIMIT 1");
  // the number is in the checksum, so it must be known before
  const lastNr = db.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'event'");
  const put = db.prepare(
    'INSERT OR REPLACE INTO event (nr, tenant, id, topic, state, at, until, sender, body, checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
  );
  const update = db.prepare('UPDATE event SET topic = ?, state = ?, until = ?, sender = ?, body = ?, checksum = ? WHERE nr = ?');
  const remove = db.prepare('DELETE FROM event WHERE nr = ?');
  const purge = db.prepare(`
    DELETE FROM event WHERE nr IN (SELECT nr FROM event WHERE until < ? AND state <> 'assigned' ORDER BY until LIMIT ${PURGE})`);
  const list = db.prepare(LISTED_EVENTS);
  const dead = { rejected: db.prepare(deadQuery('rejected')), waiting: db.prepare(deadQuery('waiting')) };
  const waits = db.prepare('SELECT * FROM event_wait WHERE topic = ? ORDER BY nr');
  const waitsOf = db.prepare('SELECT call FROM event_wait WHERE run = ? ORDER BY nr');
  const addWait = db.prepare('INSERT OR REPLACE INTO event_wait (run, call, topic, checksum) VALUES (?, ?, ?, ?)');
  const dropWait = db.prepare('DELETE FROM event_wait WHERE run = ? AND call = ?');
  const assigned = db.prepare('SELECT * FROM event_use WHERE run = ? ORDER BY event');
  const uses = db.prepare('SELECT * FROM event_use WHERE event = ?');
  const assign = db.prepare('INSERT INTO event_use (event, run, call, checksum) VALUES (?, ?, ?, ?)');
  const unassign = db.prepare('DELETE FROM event_use WHERE event = ? AND run = ? AND call = ?');

  /** @param whole writes every column, not only those that change. */
  function store(event: StoredEvent, whole: boolean): void {
    const { nr, tenant, id, topic, state, at, until, sender, body, checksum } = eventRowOf(event);
    if (whole) put.run(nr, tenant, id, topic, state, at, until, sender, body, checksum);
    else update.run(topic, state, until, sender, body, checksum, nr);
  }
  const found = (row: unknown) => (row === undefined ? undefined : eventOf(row as EventRow));
  const usesIn = (found: unknown) => (found as UseRow[]).map(useOf);

  const rows: InboxRows = {
    find: (tenant, id, now) => found(byId.get(id, tenant ?? null, now)),
    event(nr) {
      const row = byNr.get(nr) as EventRow | undefined;
      if (!row) throw eventDamaged(nr);
      return eventOf(row);
    },
    listed(nr) {
      const row = byNr.get(nr) as EventRow | undefined;
      return row && listedOf(row);
    },
    oldest: (topic, now) => found(oldest.get(topic, now)),
    insert(event) {
      const nr = ((lastNr.get() as { seq: number } | undefined)?.seq ?? 0) + 1;
      store({ ...event, nr }, true);
      return nr;
    },
    update: (event) => store(event, event.doubtful === true),
    delete: (nr) => void remove.run(nr),
    sentBy: (tenant, by) => (bySender.all(by, tenant ?? null) as { nr: number }[]).map(({ nr }) => nr),
    purge: (before) => void purge.run(before),
    waits: (topic) => (waits.all(topic) as unknown as WaitRow[]).map(waitOf),
    addWait: (run, call, topic) => void addWait.run(run, call, topic, waitSum(run, call, topic)),
    dropWait: (run, call) => void dropWait.run(run, call),
    assigned: (run) => usesIn(assigned.all(run)).map(({ call, event }) => ({ call, event })),
    assignedTo: (event) => usesIn(uses.all(event)).map(({ run, call }) => ({ run, call })),
    assign: (event, run, call) => void assign.run(event, run, call, useSum(event, run, call)),
    unassign: (event, run, call) => void unassign.run(event, run, call),
    wake,
  };

  /** The newest dead events of one state. */
  function newest(
    state: 'rejected' | 'waiting',
    { tenant, now, event, since = Number.MIN_SAFE_INTEGER, after, limit }: DeadFilter,
  ): StoredEvent[] {
    const found: StoredEvent[] = [];
    // none that waits is older than its arrival says
    const last = state === 'waiting' ? now - KEPT : Number.MAX_SAFE_INTEGER;
    let from = after && after.at <= last ? after : { at: last, nr: Number.MAX_SAFE_INTEGER };
    for (;;) {
      const page = dead[state].all(tenant ?? null, from.at, from.nr, since, limit) as unknown as EventRow[];
      for (const row of page) {
        const listed = listedOf(row);
        if (isListedDead(listed, { now, event })) found.push(listed);
      }
      if (found.length >= limit || page.length < limit) return found.slice(0, limit);
      from = page.at(-1) as EventRow;
    }
  }

  const savepoint = db.prepare('SAVEPOINT inbox');
  const back = db.prepare('ROLLBACK TO inbox');
  const release = db.prepare('RELEASE inbox');
  /** Damage may be found after something was written, and other writes of the transaction go on. */
  const whole =
    <A extends unknown[], T>(write: (...args: A) => T) =>
    (...args: A): T => {
      savepoint.run();
      let result: T;
      try {
        result = write(...args);
      } catch (error) {
        // after any other error the whole transaction is rolled back
        if (RondoError.is(error)) {
          back.run();
          release.run();
        }
        throw error;
      }
      release.run();
      return result;
    };

  const { signal, change, bury, forget, ...reading } = inboxOver(rows);
  return {
    ...reading,
    signal: whole(signal),
    change: whole(change),
    bury: whole(bury),
    forget: whole(forget),

    list: (tenant: string | undefined, limit: number, nr?: number): StoredEvent[] =>
      nr === undefined ? (list.all(tenant ?? null, limit) as unknown as EventRow[]).map(listedOf) : listOf(rows.listed(nr), tenant, limit),

    dead(filter: DeadFilter): StoredEvent[] {
      if (filter.nr !== undefined) return deadOf(rows.listed(filter.nr), filter);
      return newestDead([newest('rejected', filter), newest('waiting', filter)], filter);
    },

    /** Whether an event is assigned to a call of the run. */
    has: (run: string): boolean => assigned.get(run) !== undefined,

    /** The run is removed. What is damaged does not keep it: a damaged assignment goes, and its event stays as it is. */
    removed: whole((run: string): void => {
      for (const use of assigned.all(run) as unknown as UseRow[]) if (!isSound(use)) unassign.run(use.event, use.run, use.call);
      const calls = (waitsOf.all(run) as { call: CallId }[]).map(({ call }) => call);
      withoutWaits(rows, run, calls);
    }),
  };
}
