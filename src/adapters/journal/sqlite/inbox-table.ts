/** The statements on the tables `event`, `event_wait` and `event_use`, see schema.ts. Call the writing functions within a transaction. */
import type { DatabaseSync } from 'node:sqlite';
import type { CallId } from '../../../journal/entries.ts';
import { type InboxRows, inboxOver, PURGE, type StoredEvent, topicOf, withoutWaits } from '../../../journal/inbox.ts';
import type { Json } from '../../../json.ts';

interface Row {
  nr: number;
  tenant: string | null;
  id: string;
  topic: string;
  state: StoredEvent['state'];
  at: number;
  until: number;
  body: string;
}
/** The rest of an event, as JSON. */
type Body = Pick<StoredEvent, 'event' | 'key' | 'by' | 'digest' | 'problem'> & { data?: Json };

export type InboxTable = ReturnType<typeof inboxTable>;

/** @param wake sets the wake time of a paused run to 0. */
export function inboxTable(db: DatabaseSync, wake: (run: string) => void) {
  const byId = db.prepare('SELECT * FROM event WHERE id = ? AND ifnull(tenant, 0) = ifnull(?, 0) AND until > ? ORDER BY nr DESC LIMIT 1');
  const byNr = db.prepare('SELECT * FROM event WHERE nr = ?');
  const oldest = db.prepare("SELECT * FROM event WHERE topic = ? AND state = 'waiting' AND until > ? ORDER BY nr LIMIT 1");
  const insert = db.prepare('INSERT INTO event (tenant, id, topic, state, at, until, body) VALUES (?, ?, ?, ?, ?, ?, ?)');
  const update = db.prepare('UPDATE event SET topic = ?, state = ?, body = ? WHERE nr = ?');
  const purge = db.prepare(`
    DELETE FROM event WHERE nr IN (SELECT nr FROM event WHERE until < ? AND state <> 'assigned' ORDER BY until LIMIT ${PURGE})`);
  const list = db.prepare(`
    SELECT * FROM event WHERE ifnull(tenant, 0) = ifnull(?, 0) AND state <> 'taken' ORDER BY nr DESC LIMIT ?`);
  const waits = db.prepare('SELECT run, call FROM event_wait WHERE topic = ? ORDER BY nr');
  const waitsOf = db.prepare('SELECT call FROM event_wait WHERE run = ? ORDER BY nr');
  const addWait = db.prepare('INSERT OR REPLACE INTO event_wait (run, call, topic) VALUES (?, ?, ?)');
  const dropWait = db.prepare('DELETE FROM event_wait WHERE run = ? AND call = ?');
  const assigned = db.prepare('SELECT call, event FROM event_use WHERE run = ? ORDER BY event');
  const uses = db.prepare('SELECT count(*) AS n FROM event_use WHERE event = ?');
  const assign = db.prepare('INSERT INTO event_use (event, run, call) VALUES (?, ?, ?)');
  const unassign = db.prepare('DELETE FROM event_use WHERE event = ? AND run = ? AND call = ?');

  const eventOf = ({ nr, tenant, id, state, at, until, body }: Row): StoredEvent => ({
    ...(JSON.parse(body) as Body),
    nr,
    tenant: tenant ?? undefined,
    id,
    state,
    at,
    until,
  });
  const found = (row: unknown) => (row === undefined ? undefined : eventOf(row as Row));
  const bodyOf = ({ event, key, data, by, digest, problem }: Omit<StoredEvent, 'nr'>) =>
    JSON.stringify({ event, key, data, by, digest, problem } satisfies { [F in keyof Body]: unknown });

  const rows: InboxRows = {
    find: (tenant, id, now) => found(byId.get(id, tenant ?? null, now)),
    event: (nr) => eventOf(byNr.get(nr) as unknown as Row),
    oldest: (topic, now) => found(oldest.get(topic, now)),
    insert(event) {
      const { tenant = null, id, state, at, until } = event;
      return Number(insert.run(tenant, id, topicOf(event), state, at, until, bodyOf(event)).lastInsertRowid);
    },
    update: (event) => void update.run(topicOf(event), event.state, bodyOf(event), event.nr),
    purge: (before) => void purge.run(before),
    waits: (topic) => (waits.all(topic) as { run: string; call: CallId }[]).map(({ run, call }) => ({ run, call })),
    addWait: (run, call, topic) => void addWait.run(run, call, topic),
    dropWait: (run, call) => void dropWait.run(run, call),
    assigned: (run) => assigned.all(run) as unknown as { call: CallId; event: number }[],
    assignedTo: (event) => (uses.get(event) as { n: number }).n,
    assign: (event, run, call) => void assign.run(event, run, call),
    unassign: (event, run, call) => void unassign.run(event, run, call),
    wake,
  };

  return {
    ...inboxOver(rows),
    list: (tenant: string | undefined, limit: number): StoredEvent[] => (list.all(tenant ?? null, limit) as unknown as Row[]).map(eventOf),
    /** Whether an event is assigned to a call of the run. */
    has: (run: string): boolean => assigned.get(run) !== undefined,
    forget: (run: string): void =>
      withoutWaits(
        rows,
        run,
        (waitsOf.all(run) as { call: CallId }[]).map(({ call }) => call),
      ),
  };
}
