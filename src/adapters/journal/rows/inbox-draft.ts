/**
 * The rules of the inbox are written for rows that are there at once. Here they run on what was read so far: if they ask for more, that is
 * read, and they run again. What they change is kept aside, for a store to write once they have ended.
 */
import type { CallId } from '../../../journal/entries/entries.ts';
import { eventDamaged } from '../../../journal/errors.ts';
import type { InboxRows, StoredEvent } from '../../../journal/inbox.ts';
import { type EventRow, eventOf, eventRowOf, listedOf, type UseRow, useOf, type WaitRow, waitOf } from './event.ts';

/** The rows of a store, as they are before anything is changed. Nothing else may change them until the changes are written, or those fail. */
export interface InboxReader {
  find(tenant: string | undefined, id: string, now: number): Promise<EventRow | undefined>;
  event(nr: number): Promise<EventRow | undefined>;
  /** @param but events that are not meant. */
  oldest(topic: string, now: number, but: readonly number[]): Promise<EventRow | undefined>;
  sentBy(tenant: string | undefined, by: string): Promise<readonly number[]>;
  /** In the order in which they began. */
  waits(topic: string): Promise<readonly WaitRow[]>;
  /** In the order of event, run and call. */
  uses(of: 'run' | 'event', value: string | number): Promise<readonly UseRow[]>;
  /** The number of the event that is kept as the i-th of these changes, from 0. */
  number(i: number): Promise<number>;
}

/** Which event is assigned to which call. */
export interface Use {
  event: number;
  run: string;
  call: CallId;
}

/** What the rules have changed. Changes of waits and of uses are in order. */
export interface InboxChanges {
  /** By number; undefined where it is deleted. */
  events: Map<number, StoredEvent | undefined>;
  /** `topic`: undefined where the call waits no more. */
  waits: { run: string; call: CallId; topic: string | undefined }[];
  uses: (Use & { added: boolean })[];
  /** Runs that are due at once, if they are paused. */
  woken: Set<string>;
  /** Some of the events that have expired before this time are to be deleted. */
  purge: number | undefined;
}

/** Thrown where something was not read yet. */
class Missing extends Error {
  readonly load: () => Promise<void>;
  constructor(load: () => Promise<void>) {
    super('not read yet');
    this.load = load;
  }
}

/** An event as it will be read. */
const stored = (event: StoredEvent): StoredEvent => eventOf(eventRowOf(event));

const isOf = (use: Use, { event, run, call }: Use) => use.event === event && use.run === run && use.call === call;

export function inboxDraft(reader: InboxReader) {
  const known = new Map<string, unknown>();
  let changes: InboxChanges = { events: new Map(), waits: [], uses: [], woken: new Set(), purge: undefined };
  let inserted = 0;

  function got<T>(what: string, value: unknown, read: () => Promise<T>): T {
    const key = JSON.stringify([what, value]);
    if (!known.has(key))
      throw new Missing(async () => {
        known.set(key, await read());
      });
    return known.get(key) as T;
  }

  const row = (nr: number) => got('row', nr, () => reader.event(nr));
  const usesBy = (column: 'run' | 'event', value: string | number): Use[] => {
    let found: Use[] = got(`uses by ${column}`, value, () => reader.uses(column, value)).map(useOf);
    for (const use of changes.uses.filter((use) => use[column] === value))
      if (use.added) found.push(use);
      else found = found.filter((other) => !isOf(other, use));
    return found;
  };

  const rows: InboxRows = {
    find(tenant, id, now) {
      const found = got('find', [tenant ?? null, id, now], () => reader.find(tenant, id, now));
      return found && eventOf(found);
    },
    event(nr) {
      const changed = changes.events.get(nr);
      if (changed) return changed;
      const found = row(nr);
      if (!found) throw eventDamaged(nr);
      return eventOf(found);
    },
    listed(nr) {
      if (changes.events.has(nr)) return changes.events.get(nr);
      const found = row(nr);
      return found && listedOf(found);
    },
    oldest(topic, now) {
      const touched = [...changes.events.keys()];
      const free = got('oldest', [topic, now, touched], () => reader.oldest(topic, now, touched));
      let found = free && eventOf(free);
      for (const changed of changes.events.values())
        if (changed?.state === 'waiting' && changed.until > now && eventRowOf(changed).topic === topic)
          if (!found || changed.nr < found.nr) found = changed;
      return found;
    },
    insert(made) {
      const i = inserted++;
      const nr = got('number', i, () => reader.number(i));
      changes.events.set(nr, stored({ ...made, nr }));
      return nr;
    },
    update: (changed) => void changes.events.set(changed.nr, stored(changed)),
    delete: (nr) => void changes.events.set(nr, undefined),
    sentBy: (tenant, by) => got('sentBy', [tenant ?? null, by], () => reader.sentBy(tenant, by)),
    purge: (before) => {
      changes.purge = before;
    },
    waits(topic) {
      const found = got('waits', topic, () => reader.waits(topic)).map(waitOf);
      const gone = (run: string, call: CallId) => changes.waits.some((wait) => wait.run === run && wait.call === call);
      const kept = found.filter(({ run, call }) => !gone(run, call));
      return [...kept, ...changes.waits.flatMap((wait) => (wait.topic === topic ? [{ run: wait.run, call: wait.call }] : []))];
    },
    addWait(run, call, topic) {
      rows.dropWait(run, call);
      changes.waits.push({ run, call, topic });
    },
    dropWait(run, call) {
      changes.waits = changes.waits.filter((wait) => wait.run !== run || wait.call !== call);
      changes.waits.push({ run, call, topic: undefined });
    },
    assigned: (run) => usesBy('run', run).map(({ call, event }) => ({ call, event })),
    assignedTo: (nr) => usesBy('event', nr).map(({ run, call }) => ({ run, call })),
    assign: (nr, run, call) => void changes.uses.push({ event: nr, run, call, added: true }),
    unassign: (nr, run, call) => void changes.uses.push({ event: nr, run, call, added: false }),
    wake: (run) => void changes.woken.add(run),
  };

  /** Runs rules until they have all they ask for. Their changes are added to those of rules that ran before. */
  async function settled<T>(rules: (rows: InboxRows) => T): Promise<T> {
    const before = changes;
    const count = inserted;
    for (;;) {
      changes = {
        ...before,
        events: new Map(before.events),
        waits: [...before.waits],
        uses: [...before.uses],
        woken: new Set(before.woken),
      };
      inserted = count;
      try {
        return rules(rows);
      } catch (error) {
        if (!(error instanceof Missing)) throw error;
        await error.load();
      }
    }
  }

  return { settled, changes: (): InboxChanges => changes };
}
