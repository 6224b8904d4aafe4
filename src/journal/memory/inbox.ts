import type { CallId } from '../entries/entries.ts';
import {
  type Inbox,
  type InboxRows,
  inboxOver,
  isDead,
  PURGE,
  type StoredEvent,
  topicOf,
  type WaitChange,
  withoutWaits,
} from '../inbox.ts';

/** The events and waits of a journal in memory. */
export interface MemoryInbox extends Inbox {
  change(run: string, changes: readonly WaitChange[]): void;
  /** Whether an event is assigned to a call of the run. */
  has(run: string): boolean;
  /** The events that it was to take go to other waits. */
  removed(run: string): void;
}

/** @param wake sets the wake time of a paused run to 0. */
export function memoryInbox(wake: (run: string) => void): MemoryInbox {
  /** By number. */
  const events = new Map<number, StoredEvent>();
  /** By tenant and id: the number of the newest. */
  const ids = new Map<string, number>();
  /** Numbers of the events in state `waiting`, and the waits, in order, by topic. */
  const free = new Map<string, Set<number>>();
  const waits = new Map<string, Map<string, { run: string; call: CallId }>>();
  /** The topic of each wait, by run and call. */
  const topics = new Map<string, Map<CallId, string>>();
  /** Assigned events by run. */
  const assigned = new Map<string, { call: CallId; event: number }[]>();
  const uses = new Map<number, { run: string; call: CallId }[]>();
  let last = 0;

  const idOf = (tenant: string | undefined, id: string) => JSON.stringify([tenant ?? null, id]);
  function file(event: StoredEvent): void {
    events.set(event.nr, event);
    const topic = topicOf(event);
    if (event.state === 'waiting') into(free, topic, () => new Set<number>()).add(event.nr);
    else outOf(free, topic, event.nr);
  }

  function drop(event: StoredEvent): void {
    outOf(free, topicOf(event), event.nr);
    events.delete(event.nr);
    const id = idOf(event.tenant, event.id);
    if (ids.get(id) === event.nr) ids.delete(id);
  }

  const rows: InboxRows = {
    find(tenant, id, now) {
      const event = events.get(ids.get(idOf(tenant, id)) ?? -1);
      return event && event.until > now ? event : undefined;
    },
    event: (nr) => events.get(nr) as StoredEvent,
    listed: (nr) => events.get(nr),
    oldest(topic, now) {
      // a set keeps the order in which numbers were added, and one that became free again comes last
      let found: StoredEvent | undefined;
      for (const nr of free.get(topic) ?? []) {
        const event = events.get(nr) as StoredEvent;
        if (event.until > now && (!found || nr < found.nr)) found = event;
      }
      return found;
    },
    insert(event) {
      const nr = ++last;
      file({ ...event, nr });
      ids.set(idOf(event.tenant, event.id), nr);
      return nr;
    },
    update(event) {
      outOf(free, topicOf(events.get(event.nr) as StoredEvent), event.nr);
      file(event);
    },
    delete(nr) {
      const event = events.get(nr);
      if (event) drop(event);
    },
    sentBy: (tenant, by) => [...events.values()].flatMap((event) => (event.tenant === tenant && event.by === by ? [event.nr] : [])),
    purge(before) {
      let looked = 0;
      for (const event of events.values()) {
        if (event.until > before || ++looked > PURGE) return;
        if (event.state !== 'assigned') drop(event);
      }
    },
    waits: (topic) => [...(waits.get(topic)?.values() ?? [])],
    addWait(run, call, topic) {
      into(waits, topic, () => new Map()).set(`${run}/${call}`, { run, call });
      into(topics, run, () => new Map()).set(call, topic);
    },
    dropWait(run, call) {
      const topic = topics.get(run)?.get(call);
      if (topic === undefined) return;
      outOf(waits, topic, `${run}/${call}`);
      outOf(topics, run, call);
    },
    assigned: (run) => [...(assigned.get(run) ?? [])],
    assignedTo: (event) => [...(uses.get(event) ?? [])],
    assign(event, run, call) {
      into(assigned, run, () => []).push({ call, event });
      into(uses, event, () => []).push({ run, call });
    },
    unassign(event, run, call) {
      const left = (assigned.get(run) ?? []).filter((a) => a.call !== call || a.event !== event);
      if (left.length > 0) assigned.set(run, left);
      else assigned.delete(run);
      const used = (uses.get(event) ?? []).filter((u) => u.run !== run || u.call !== call);
      if (used.length > 0) uses.set(event, used);
      else uses.delete(event);
    },
    wake,
  };

  return {
    ...inboxOver(rows),
    list: (tenant, limit, nr) =>
      (nr === undefined ? [...events.values()].reverse() : [events.get(nr) ?? []].flat())
        .filter((event) => event.tenant === tenant && event.state !== 'taken')
        .slice(0, limit),
    dead({ tenant, now, nr, event: name, since = Number.MIN_SAFE_INTEGER, after, limit }) {
      const found: StoredEvent[] = [];
      for (const event of events.values())
        if (event.tenant === tenant && isDead(event, now) && event.at >= since && (nr ?? event.nr) === event.nr)
          if ((name ?? event.event) === event.event && (!after || newestFirst(after, event) < 0)) found.push(event);
      return found.sort(newestFirst).slice(0, limit);
    },
    has: (run) => assigned.has(run),
    removed: (run) => withoutWaits(rows, run, [...(topics.get(run)?.keys() ?? [])]),
  };
}

const newestFirst = (a: Pick<StoredEvent, 'at' | 'nr'>, b: Pick<StoredEvent, 'at' | 'nr'>) => b.at - a.at || b.nr - a.nr;

function into<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const found = map.get(key) ?? make();
  map.set(key, found);
  return found;
}

function outOf<K, I>(map: Map<K, { delete(item: I): boolean; readonly size: number }>, key: K, item: I): void {
  const found = map.get(key);
  if (found?.delete(item) && found.size === 0) map.delete(key);
}
