/**
 * Events from outside, and the calls that wait for them. A store keeps events until they are taken, and assigns each to a wait. It writes
 * no entry: the run's owner takes an assigned event in the append that ends the call.
 *
 * I1. An event is assigned to the oldest wait of its topic that has none, by the order of arrival at the store.
 * I2. A wait has at most one assigned event at a time. If its run takes or rejects that event, or stops waiting, the assignment ends.
 * I3. An assigned event that was neither taken nor rejected goes to the next wait of its topic. One that was sent to all, and that some have taken, does
 *     not: it would be taken twice.
 * I4. A run that rejects an event, or stops waiting, hands on no event that has expired.
 */
import { RondoError } from '../errors.ts';
import type { Json } from '../json.ts';
import { digest } from './canonical.ts';
import type { CallId } from './entries/entries.ts';
import { eventDamaged } from './errors.ts';

/** What an event is about. Only waits of the same tenant, name and key get it. */
export interface Topic {
  /** That of the sender, and of the run that waits. Undefined: of none. */
  tenant: string | undefined;
  /** The name of the event. */
  event: string;
  /** What the event is about. Empty in a stored event that was taken. */
  key: string;
}

/** An event as it is sent. */
export interface Signal extends Topic {
  /** Unique within the tenant, for as long as the event is kept. */
  id: string;
  data: Json;
  /** Id of the principal that sent it. */
  by: string;
  /** All waits that are open get it, in place of the oldest one. */
  all?: boolean;
  /** Epoch milliseconds, by the store's clock. */
  now: number;
  /** Why no wait may have it. Then it is only listed. */
  problem?: string | undefined;
  /** What says the same has the same. Default: SHA-256 of event, key and data. An encrypted journal gives its own. */
  digest?: string | undefined;
}

/**
 * `waiting`: for a wait. `assigned`: the owner of a run is to take it. `taken`: a run has it. `rejected`: it did not fit. `dismissed`: an
 * operator needs no more of it.
 */
export type EventState = 'waiting' | 'assigned' | 'taken' | 'rejected' | 'dismissed';

/** An event as a store keeps it. One that was taken has neither key nor data. */
export interface StoredEvent extends Topic {
  /** Its number, in the order of arrival. */
  nr: number;
  id: string;
  /** Undefined once it was taken. */
  data?: Json | undefined;
  /** Id of the principal that sent it; empty in an event that was taken, once its sender was forgotten. */
  by: string;
  /** SHA-256 of what it says, to know it again. */
  digest: string;
  /** When it arrived, and from when on no wait gets it, epoch milliseconds by the store's clock. */
  at: number;
  until: number;
  state: EventState;
  /** It was sent to all, and one of them has taken it: it goes to no other wait than those that were open then. */
  had?: true | undefined;
  /** Why it was rejected. */
  problem?: string | undefined;
  /** Who dismissed it, when by the store's clock, and why. */
  dismissed?: { by: string; at: number; reason: string } | undefined;
  /** Set in lists, if the store detects damage in it: then only `nr`, `at` and `state` are given, and no wait gets it. Never stored. */
  doubtful?: true;
}

/** Which events no wait will get any more: rejected ones, and those that have expired. Newest first, by arrival. */
export interface DeadFilter {
  /** Undefined: events of no tenant. Those of another one are never listed. */
  tenant: string | undefined;
  /** Epoch milliseconds, by the store's clock. */
  now: number;
  /** Only this one. */
  nr?: number | undefined;
  /** The name of the event. */
  event?: string | undefined;
  /** Events that arrived at this time or later, epoch milliseconds. */
  since?: number | undefined;
  /** The last event of the previous page. */
  after?: Pick<StoredEvent, 'at' | 'nr'> | undefined;
  /** Most events. */
  limit: number;
}

/** What is done with such an event. `again`: it waits once more, with other data if it is given, or stays rejected for a problem. */
export type DeadChange =
  | { to: 'again'; now: number; data?: Json | undefined; problem?: string | undefined }
  | { to: 'dismissed'; now: number; by: string; reason: string };

/** An event that is assigned to a call. */
export interface Delivery {
  call: CallId;
  event: StoredEvent;
}

/** A change of the waits of a run, in the append of the entry that says so. `now`: epoch milliseconds, by the store's clock where it tells it at once. */
export type WaitChange = { call: CallId } & (
  | ({ to: 'open'; now: number } & Topic)
  | { to: 'closed'; now: number }
  | { to: 'taken'; id: string }
  | { to: 'rejected'; id: string; problem: string; now: number }
);

/** The events and waits of a store. A method may return its result directly or as a promise. */
export interface Inbox {
  /**
   * Keeps an event and assigns it, in one unit with the wake time (0) of each paused run that gets it. An event that is kept already has
   * no effect. @returns the event as it is now. @throws RondoError `EVENT_CONFLICT` for one of the same id that says something else.
   */
  signal(event: Signal): StoredEvent | Promise<StoredEvent>;
  /** The events that are assigned to calls of a run. */
  assigned(runId: string): readonly Delivery[] | Promise<readonly Delivery[]>;
  /** The calls that wait for a topic, oldest first. */
  waits(topic: Topic): readonly { run: string; call: CallId }[] | Promise<readonly { run: string; call: CallId }[]>;
  /** The events of a tenant that were not taken, newest first. @param nr only this one, at the cost of one. */
  list(tenant: string | undefined, limit: number, nr?: number): readonly StoredEvent[] | Promise<readonly StoredEvent[]>;
  /** The cost of a page must depend on its size only. */
  dead(filter: DeadFilter): readonly StoredEvent[] | Promise<readonly StoredEvent[]>;
  /** @returns the event as it is then; undefined if the tenant has no such event that no wait will get. */
  bury(tenant: string | undefined, nr: number, change: DeadChange): StoredEvent | undefined | Promise<StoredEvent | undefined>;
  /**
   * Erases what a principal sent, apart from what runs have taken, of which the sender is erased. When this resolves, none of it is in the
   * store's files. @returns how many events it erased, and the runs to which one was assigned.
   */
  forget(sender: { tenant: string | undefined; by: string; now: number }): Erased | Promise<Erased>;
}

/** What became of the events of a sender that is forgotten. */
export interface Erased {
  events: number;
  /** Ids of the runs that were to take one. Each waits on, or got the next event of the topic. */
  runs: readonly string[];
}

/** Milliseconds that an event waits for a wait, and that its id is remembered. */
export const KEPT = 7 * 86_400_000;
/** Milliseconds that an event that was rejected or that has expired is listed. */
const LISTED = 30 * 86_400_000;

/** The rows of a store, for the rules that all stores share. */
export interface InboxRows {
  /** The newest event of this id that has not expired. */
  find(tenant: string | undefined, id: string, now: number): StoredEvent | undefined;
  /** @throws RondoError `JOURNAL_DAMAGED` */
  event(nr: number): StoredEvent;
  /** The same, marked as `doubtful` where it is damaged; undefined if there is none. */
  listed(nr: number): StoredEvent | undefined;
  /** The oldest event of a topic in state `waiting` that expires after `now`. */
  oldest(topic: string, now: number): StoredEvent | undefined;
  /** @returns its number. */
  insert(event: Omit<StoredEvent, 'nr'>): number;
  /** @param event marked as `doubtful` where all of its row must be written. */
  update(event: StoredEvent): void;
  delete(nr: number): void;
  /** Numbers of the events that a principal sent. */
  sentBy(tenant: string | undefined, by: string): readonly number[];
  /** Deletes some of the events that have expired before a time. */
  purge(before: number): void;
  /** Those of a topic, in the order in which they were added. */
  waits(topic: string): readonly { run: string; call: CallId }[];
  addWait(run: string, call: CallId, topic: string): void;
  dropWait(run: string, call: CallId): void;
  /** Numbers of the assigned events of a run, with their calls; and the calls to which an event is assigned. */
  assigned(run: string): readonly { call: CallId; event: number }[];
  /** More than one only for an event that was sent to all. */
  assignedTo(event: number): readonly { run: string; call: CallId }[];
  assign(event: number, run: string, call: CallId): void;
  unassign(event: number, run: string, call: CallId): void;
  /** Sets the wake time of a paused run to 0. */
  wake(run: string): void;
}

/** Most events that are looked at for deletion at a time. */
export const PURGE = 10;

/** What every store does with its rows: the inbox itself, but for its lists, and the changes of an append. */
export const inboxOver = (rows: InboxRows) => ({
  signal: (event: Signal): StoredEvent => signalled(rows, event),
  assigned: (run: string): Delivery[] => rows.assigned(run).map(({ call, event }) => ({ call, event: rows.event(event) })),
  waits: (topic: Topic) => rows.waits(topicOf(topic)),
  bury: (tenant: string | undefined, nr: number, change: DeadChange) => buried(rows, tenant, nr, change),
  forget: (sender: { tenant: string | undefined; by: string; now: number }): Erased => erased(rows, sender),
  change: (run: string, changes: readonly WaitChange[]): void => changedWaits(rows, run, changes),
});

/** How a store names a topic. */
export const topicOf = ({ tenant, event, key }: Topic): string => JSON.stringify([tenant ?? null, event, key]);

/** An event of the id is kept that says something else. */
export const eventConflict = ({ id, event }: Signal) =>
  new RondoError('EVENT_CONFLICT', `an event of the id ${id} came before, and it says something else. Give each event an id of its own.`, {
    details: { id, event },
  });

/** What a signal does to the rows of a store, within one transaction. @throws RondoError `EVENT_CONFLICT`, before anything is written. */
function signalled(rows: InboxRows, signal: Signal): StoredEvent {
  const { tenant, event, key, id, data, by, now, problem } = signal;
  const { digest: says = digest([event, key, data]) } = signal;
  const known = rows.find(tenant, id, now);
  if (known && known.digest !== says) throw eventConflict(signal);
  if (known) return known;
  rows.purge(now - LISTED);
  const state: EventState = problem === undefined ? 'waiting' : 'rejected';
  const nr = rows.insert({ tenant, event, key, id, data, by, digest: says, at: now, until: now + KEPT, state, problem });
  if (problem === undefined) offer(rows, rows.event(nr), now, signal.all === true);
  return rows.event(nr);
}

/** Assigns an event to the oldest wait without one, or to all of them. */
function offer(rows: InboxRows, event: StoredEvent, now: number, all = false): void {
  if (event.until <= now) return;
  for (const { run, call } of rows.waits(topicOf(event))) {
    if (rows.assigned(run).some((a) => a.call === call)) continue;
    give(rows, event.nr, run, call);
    if (!all) return;
  }
}

function give(rows: InboxRows, nr: number, run: string, call: CallId): void {
  rows.assign(nr, run, call);
  rows.update({ ...rows.event(nr), state: 'assigned' });
  rows.wake(run);
}

/** What the changes of an append do to the rows of a store, within its transaction. */
function changedWaits(rows: InboxRows, run: string, changes: readonly WaitChange[]): void {
  for (const change of changes) {
    const { call } = change;
    if (change.to === 'open') {
      const topic = topicOf(change);
      rows.addWait(run, call, topic);
      next(rows, topic, change.now, run, call);
    } else if (change.to === 'closed') closed(rows, run, call, change.now);
    else {
      const nr = rows.assigned(run).find((a) => a.call === call && rows.event(a.event).id === change.id)?.event;
      if (nr === undefined) continue;
      rows.unassign(nr, run, call);
      const more = rows.assignedTo(nr).length > 0;
      const event = rows.event(nr);
      if (change.to === 'rejected') {
        if (!more) rows.update({ ...event, state: 'rejected', problem: change.problem });
        next(rows, topicOf(event), change.now, run, call);
      } else rows.update(more ? { ...event, had: true } : takenOf(event));
    }
  }
}

const takenOf = ({ had: _, ...event }: StoredEvent): StoredEvent => ({ ...event, state: 'taken', key: '', data: undefined });

/** Gives a wait the oldest event that is kept for it. */
function next(rows: InboxRows, topic: string, now: number, run: string, call: CallId): void {
  const event = rows.oldest(topic, now);
  if (event) give(rows, event.nr, run, call);
}

/** A wait ends without an event, or after its event was taken. */
function closed(rows: InboxRows, run: string, call: CallId, now: number): void {
  rows.dropWait(run, call);
  for (const { call: to, event: nr } of rows.assigned(run)) {
    if (to !== call) continue;
    rows.unassign(nr, run, call);
    // a damaged one stays as it is, for lists to tell
    if (rows.assignedTo(nr).length > 0 || rows.listed(nr)?.doubtful) continue;
    const event = rows.event(nr);
    rows.update(event.had ? takenOf(event) : { ...event, state: 'waiting' });
    if (!event.had) offer(rows, rows.event(nr), now);
  }
}

/** Whether no wait will get an event any more. */
export const isDead = ({ state, until }: Pick<StoredEvent, 'state' | 'until'>, now: number): boolean =>
  state === 'rejected' || (state === 'waiting' && until <= now);

function buried(rows: InboxRows, tenant: string | undefined, nr: number, change: DeadChange): StoredEvent | undefined {
  const event = rows.listed(nr);
  if (!event || event.tenant !== tenant || !(event.doubtful || isDead(event, change.now))) return undefined;
  const { doubtful } = event;
  if (change.to === 'dismissed') {
    const { by, now: at, reason } = change;
    for (const { run, call } of doubtful ? rows.assignedTo(nr) : []) rows.unassign(nr, run, call);
    rows.update({ ...event, state: 'dismissed', dismissed: { by, at, reason } });
    return rows.event(nr);
  }
  if (doubtful) throw eventDamaged(nr);
  const { now, problem, data = event.data } = change;
  // the digest stays that of what was sent: so the same event sent again has no effect
  const { had: _, ...rest } = event;
  rows.update({ ...rest, data, problem, state: problem === undefined ? 'waiting' : 'rejected', until: now + KEPT });
  if (problem === undefined) offer(rows, rows.event(nr), now);
  return rows.event(nr);
}

function erased(rows: InboxRows, { tenant, by, now }: { tenant: string | undefined; by: string; now: number }): Erased {
  const runs = new Set<string>();
  let events = 0;
  for (const nr of rows.sentBy(tenant, by)) {
    const event = rows.listed(nr);
    if (!event) continue;
    // its id and digest stay, so that it is not taken twice
    if (event.state === 'taken' && !event.doubtful) {
      rows.update({ ...event, by: '' });
      continue;
    }
    const waits = rows.assignedTo(nr);
    for (const { run, call } of waits) rows.unassign(nr, run, call);
    if (event.had) rows.update({ ...takenOf(event), by: '' });
    else rows.delete(nr);
    events++;
    for (const { run, call } of waits) {
      runs.add(run);
      if (!event.doubtful) next(rows, topicOf(event), now, run, call);
    }
  }
  return { events, runs: [...runs] };
}

/** A run is removed: the events that it did not take go to others. @param calls that still wait. */
export function withoutWaits(rows: InboxRows, run: string, calls: readonly CallId[]): void {
  // a removal tells no time
  for (const call of calls) closed(rows, run, call, 0);
}
