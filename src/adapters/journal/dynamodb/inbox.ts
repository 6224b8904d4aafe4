/**
 * Events from outside, see `src/journal/inbox.ts`. Each change names the state of the inbox that it read, and is made again on another one: so the
 * changes of all processes happen one after the other.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { RondoError } from '../../../errors.ts';
import {
  type DeadFilter,
  type Erased,
  type Inbox,
  type InboxRows,
  inboxOver,
  KEPT,
  PURGE,
  type StoredEvent,
  topicOf,
  withoutWaits,
} from '../../../journal/inbox.ts';
import {
  deadOf,
  eventRowOf,
  isListedDead,
  isSound,
  listedOf,
  listOf,
  newestDead,
  type UseRow,
  useSum,
  type WaitRow,
  waitOf,
} from '../rows/event.ts';
import { type InboxChanges, type InboxReader, inboxDraft, type Use } from '../rows/inbox-draft.ts';
import { nonceOf } from '../rows/nonce.ts';
import { burying } from '../rows/repeated.ts';
import type { Access, Write } from './access.ts';
import { Refused } from './errors.ts';
import { headItem, type StoredHead } from './head-item.ts';
import type { Heads } from './heads.ts';
import {
  arrivalOf,
  changedRunWaits,
  type EventItem,
  EXPIRING,
  eventKey,
  eventsOf,
  eventWrites,
  freeKey,
  INBOX,
  idsKey,
  listedKey,
  sentKey,
  stateKey,
  waitRow,
  waitsKey,
  waitWrites,
} from './inbox-items.ts';
import { LAST, ordered } from './keys.ts';
import type { Part, Waiting } from './write.ts';

/** How often a change is made again because the inbox has changed, and most milliseconds before each but the first two. */
const TRIES = 100;
const PATIENT = { from: 2, most: 50 };
/** Most events of a sender that are erased at a time: each takes several writes of a transaction. */
const ERASED_AT_ONCE = 4;
/** Events of a list read at a time. */
const CHUNK = 100;

const isFor = (use: Use, other: Use) => use.event === other.event && use.run === other.run && use.call === other.call;
/** Assignments as changes leave them. */
function changedUses(before: readonly UseRow[], changes: InboxChanges['uses']): UseRow[] {
  let uses = [...before];
  for (const { added, event, run, call } of changes) {
    uses = uses.filter((use) => !isFor(use, { event, run, call }));
    if (added) uses.push({ event, run, call, checksum: useSum(event, run, call) });
  }
  return uses;
}

/** The waits of a topic, in the order in which they began. */
async function waitsOf(access: Access, topic: string): Promise<WaitRow[]> {
  const found: WaitRow[] = [];
  for await (const item of access.query({ pk: waitsKey(topic) })) found.push(waitRow(item));
  return found;
}

/** The inbox as one change reads it, and what it writes. */
async function draftOf(access: Access, heads: Heads, sentAtOnce = Number.MAX_SAFE_INTEGER) {
  const state = (await access.get(INBOX)) as { rev: number; nr: number } | undefined;
  const events = new Map<number, EventItem | undefined>();
  const stored = new Map<string, StoredHead | undefined>();

  async function event(nr: number): Promise<EventItem | undefined> {
    if (!events.has(nr)) {
      const item = await access.get(eventKey(nr));
      events.set(nr, item && (await eventsOf(access, [item]))[0]);
    }
    return events.get(nr);
  }
  async function head(run: string): Promise<StoredHead | undefined> {
    if (!stored.has(run)) stored.set(run, await heads.look(run));
    return stored.get(run);
  }
  /** The first item of a partition whose event expires later than `now`. */
  async function firstOf(pk: string, now: number, last: boolean, but: readonly number[] = []) {
    for await (const item of access.query({ pk, last, page: CHUNK })) {
      if ((item.until as number) <= now || but.includes(item.nr as number)) continue;
      const found = await event(item.nr as number);
      if (found) return found.row;
    }
    return undefined;
  }

  const reader: InboxReader = {
    find: (tenant, id, now) => firstOf(idsKey(tenant, id), now, true),
    event: async (nr) => (await event(nr))?.row,
    oldest: (topic, now, but) => firstOf(freeKey(topic), now, false, but),
    async sentBy(tenant, by) {
      const found: number[] = [];
      for await (const { nr } of access.query({ pk: sentKey(tenant, by), page: CHUNK })) {
        if (found.length === sentAtOnce) break;
        found.push(nr as number);
      }
      return found;
    },
    waits: (topic) => waitsOf(access, topic),
    async uses(of, value) {
      const uses = of === 'run' ? (await head(value as string))?.uses : (await event(value as number))?.uses;
      return [...(uses ?? [])].sort((a, b) => a.event - b.event || (a.run < b.run ? -1 : a.run > b.run ? 1 : a.call < b.call ? -1 : 1));
    },
    number: async (i) => (state?.nr ?? 0) + 1 + i,
  };
  const draft = inboxDraft(reader);

  /** @param own the run that an append is for: it writes the head of the run itself. */
  async function writes(own?: string): Promise<{ writes: Write[]; touched: string[]; own: Waiting | undefined }> {
    const changes = draft.changes();
    let last = Math.max(state?.nr ?? 0, ...changes.events.keys());
    const out: Write[] = [];
    for (const nr of new Set([...changes.events.keys(), ...changes.uses.map((use) => use.event)])) {
      const before = await event(nr);
      const uses = changedUses(
        before?.uses ?? [],
        changes.uses.filter((use) => use.event === nr),
      );
      const changed = changes.events.get(nr);
      const row = changes.events.has(nr) ? changed && eventRowOf(changed) : before?.row;
      out.push(...eventWrites(before, row && { row, uses }));
    }
    const touched: string[] = [];
    let waiting: Waiting | undefined;
    for (const run of new Set([...changes.uses, ...changes.waits].map((one) => one.run).concat(...changes.woken))) {
      const before = await head(run);
      const uses = changedUses(
        before?.uses ?? [],
        changes.uses.filter((use) => use.run === run),
      );
      const waits = changedRunWaits(run, before?.waits ?? [], changes.waits, last);
      last = waits.last;
      out.push(...waitWrites(run, before?.waits ?? [], waits.waits));
      if (run === own) waiting = { uses, waits: waits.waits };
      else if (before) {
        out.push({
          put: headItem(woken({ ...before, uses, waits: waits.waits, rev: nonceOf() }, changes.woken.has(run))),
          if: { equal: { rev: before.rev } },
        });
        touched.push(run);
      }
    }
    if (out.length > 0) out.push({ put: { ...INBOX, rev: nonceOf(), nr: last }, if: state ? { equal: { rev: state.rev } } : 'absent' });
    return { writes: out, touched, own: waiting ?? (own === undefined ? undefined : await head(own)) };
  }

  return { settled: draft.settled, changes: draft.changes, writes };
}

/** A paused run is due at once. */
function woken(stored: StoredHead, wake: boolean): StoredHead {
  const { sum: _, ...rest } = stored;
  const { head } = stored;
  return wake && head.status === 'paused' && !head.doubtful && !stored.gone ? { ...rest, head: { ...head, wakeAt: 0 } } : stored;
}

export function inboxOf(access: Access, heads: Heads) {
  const forgotten = (runs: readonly string[]) => {
    for (const run of runs) heads.forget(run);
  };

  /** Runs the rules and writes what they change, alone. */
  async function alone<T>(rules: (rows: InboxRows) => T, sentAtOnce?: number): Promise<{ result: T; purge: number | undefined }> {
    access.refuseClosed();
    for (let tries = 0; tries < TRIES; tries++) {
      if (tries >= PATIENT.from) await sleep(PATIENT.most * Math.random());
      const draft = await draftOf(access, heads, sentAtOnce);
      const result = await draft.settled(rules);
      const { writes, touched } = await draft.writes();
      forgotten(touched);
      try {
        await access.write(writes);
        return { result, purge: draft.changes().purge };
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
      }
    }
    throw new RondoError('JOURNAL_UNAVAILABLE', 'The events of the table change all the time. Nothing was written; try again.', {
      details: { table: access.table },
    });
  }

  /** Deletes some of the events that have expired before a time. Another process may do the same. */
  async function purge(before: number): Promise<void> {
    const old: number[] = [];
    for await (const { nr } of access.query({ pk: EXPIRING, to: ordered(before), page: PURGE })) {
      old.push(nr as number);
      if (old.length === PURGE) break;
    }
    for (const nr of old)
      await alone((rows) => {
        const event = rows.listed(nr);
        if (event && event.state !== 'assigned' && event.until < before) rows.delete(nr);
      });
  }

  /** Events of a list of an index, backwards. The index only says where to look. */
  async function* backwards(pk: string, index: 'list' | 'due', range: { from?: string; to?: string }): AsyncGenerator<StoredEvent> {
    let keys: { pk: string; sk: string }[] = [];
    const given = async () => {
      const items = new Map((await access.getAll(keys)).map((item) => [item.pk, item]));
      const found = await eventsOf(
        access,
        keys.flatMap((key) => items.get(key.pk) ?? []),
      );
      keys = [];
      return found.map(({ row }) => listedOf(row));
    };
    for await (const item of access.query({ pk, index, ...range, last: true, page: CHUNK })) {
      keys.push({ pk: item.pk, sk: item.sk });
      if (keys.length === CHUNK) yield* await given();
    }
    yield* await given();
  }

  async function dead(state: 'rejected' | 'waiting', { tenant, now, event, since, after, limit }: DeadFilter): Promise<StoredEvent[]> {
    // none that waits is older than its arrival says
    const last = state === 'waiting' ? `${ordered(now - KEPT)}#${LAST}` : LAST;
    const below = after && arrivalOf(after);
    const found: StoredEvent[] = [];
    const to = below !== undefined && below < last ? below : last;
    const range = { to, ...(since !== undefined && { from: ordered(since) }) };
    for await (const one of backwards(stateKey(tenant, state), 'list', range)) {
      if (found.length === limit) break;
      if ((below !== undefined && arrivalOf(one) >= below) || one.tenant !== tenant) continue;
      if (one.doubtful || (one.state === state && isListedDead(one, { now, event }))) found.push(one);
    }
    return found;
  }

  async function numbered(nr: number): Promise<StoredEvent | undefined> {
    const item = await access.get(eventKey(nr));
    const [found] = item ? await eventsOf(access, [item]) : [];
    return found && listedOf(found.row);
  }

  const inbox: Inbox = {
    async signal(event) {
      const { result, purge: before } = await alone((rows) => inboxOver(rows).signal(event));
      if (before !== undefined) await purge(before);
      return result;
    },
    bury: async (tenant, nr, change) => (await alone(burying(tenant, nr, change))).result,
    async forget(sender) {
      const all: Erased = { events: 0, runs: [] };
      const runs = new Set<string>();
      for (;;) {
        const { result } = await alone((rows) => {
          const some = rows.sentBy(sender.tenant, sender.by).length;
          return { some, ...inboxOver(rows).forget(sender) };
        }, ERASED_AT_ONCE);
        all.events += result.events;
        for (const run of result.runs) runs.add(run);
        if (result.some < ERASED_AT_ONCE) return { events: all.events, runs: [...runs] };
      }
    },

    assigned: async (runId) => (await draftOf(access, heads)).settled((rows) => inboxOver(rows).assigned(runId)),

    waits: async (topic) => (await waitsOf(access, topicOf(topic))).map(waitOf),

    async list(tenant, limit, nr) {
      if (nr !== undefined) return listOf(await numbered(nr), tenant, limit);
      const found: StoredEvent[] = [];
      for await (const event of backwards(listedKey(tenant), 'due', {})) {
        if (found.length === limit) break;
        if (event.tenant === tenant && event.state !== 'taken') found.push(event);
      }
      return found;
    },

    async dead(filter) {
      const { nr } = filter;
      if (nr === undefined) return newestDead([await dead('rejected', filter), await dead('waiting', filter)], filter);
      return deadOf(await numbered(nr), filter);
    },
  };

  /** The waits of an append. */
  const change: Part = async (runId, { waits }) => {
    if (!waits) return undefined;
    const draft = await draftOf(access, heads);
    await draft.settled((rows) => inboxOver(rows).change(runId, waits));
    const { writes, touched, own } = await draft.writes(runId);
    return { writes, ...(own && { inbox: own }), stored: () => forgotten(touched) };
  };

  /** The run is removed. What is damaged does not keep it: a damaged assignment goes, and its event stays as it is. */
  async function release(runId: string): Promise<void> {
    let stored = await heads.look(runId);
    while (stored && !stored.uses.every(isSound)) {
      const sound: StoredHead = { ...stored, uses: stored.uses.filter(isSound), rev: nonceOf() };
      try {
        await access.write([{ put: headItem(sound), if: { equal: { rev: stored.rev } } }]);
        stored = sound;
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        stored = await heads.look(runId);
      }
    }
    const calls = stored?.waits.map(({ call }) => call) ?? [];
    if (calls.length > 0) await alone((rows) => withoutWaits(rows, runId, calls));
  }

  return { inbox, change, release };
}
