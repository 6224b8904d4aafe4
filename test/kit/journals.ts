import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import { type Entry, type EntryOf, type EntryType, type Journal, memoryJournal, type RunEvent, type RunHead } from '../../src/index.ts';
import type { ClaimChange } from '../../src/journal/claims.ts';
import type { EffectChange } from '../../src/journal/effects.ts';
import type { Inbox } from '../../src/journal/inbox.ts';
import type { Records } from '../../src/journal/records.ts';

import { until } from './time.ts';

export interface Store {
  readonly journal: Journal;
  /** The same storage, as another process would open it. */
  another(): Journal;
}
export interface Kind {
  readonly name: string;
  make(): Store;
}

/** Every kind of journal the engine must work on. Call `make` inside a test: it cleans up after it. */
export const journals: readonly Kind[] = [
  {
    name: 'memory',
    make() {
      const journal = memoryJournal();
      return { journal, another: () => journal };
    },
  },
  {
    name: 'memory, answering later',
    make() {
      const journal = later(memoryJournal());
      return { journal, another: () => journal };
    },
  },
  {
    name: 'sqlite',
    make() {
      const folder = mkdtempSync(join(tmpdir(), 'rondo-'));
      const opened: Journal[] = [];
      const another = () => {
        const journal = sqliteJournal(join(folder, 'runs.db'));
        opened.push(journal);
        return journal;
      };
      onTestFinished(async () => {
        for (const journal of opened) await journal.close?.();
        rmSync(folder, { recursive: true });
      });
      return { journal: another(), another };
    },
  },
];

/** A journal whose process dies before it writes an entry that `at` picks. */
export function dies(journal: Journal, at: (entry: { type: string; call?: string; ok?: boolean }) => boolean | undefined): Journal {
  let dead = false;
  return around(journal, {
    append(...args) {
      dead ||= args[2].some((entry) => at(entry) === true);
      if (dead) throw new Error('the process is gone');
      return journal.append(...args);
    },
    renew: (...args) => (dead ? true : journal.renew(...args)),
  });
}

/** A journal with some of its methods replaced. */
export function around(inner: Journal, over: Partial<Journal>): Journal {
  const outer: Journal = {
    durable: inner.durable,
    append: (...a) => inner.append(...a),
    read: (...a) => inner.read(...a),
    heads: (f) => inner.heads(f),
    due: inner.due && ((f) => inner.due?.(f) ?? []),
    renew: (...a) => inner.renew(...a),
    remove: (...a) => inner.remove(...a),
    rewrite: (...a) => inner.rewrite?.(...a),
    ...(inner.claim && { claim: (key) => inner.claim?.(key) }),
    ...(inner.effects && { effects: (f) => inner.effects?.(f) ?? [] }),
    ...(inner.inbox && { inbox: inner.inbox }),
    ...(inner.records && { records: inner.records }),
    now: () => inner.now?.() ?? Date.now(),
    close: () => inner.close?.(),
  };
  return Object.assign(outer, over);
}

const laterRecords = (inner: Records): Records => ({
  append: async (...a) => {
    await setImmediate();
    return inner.append(...a);
  },
  read: async function* (...a) {
    await setImmediate();
    yield* inner.read(...a);
  },
  list: async function* (...a) {
    await setImmediate();
    yield* inner.list(...a);
  },
  delete: async (...a) => {
    await setImmediate();
    await inner.delete(...a);
  },
});

const laterInbox = (inner: Inbox): Inbox => {
  const after = async <T>(answer: () => T | Promise<T>) => {
    await setImmediate();
    return answer();
  };
  return {
    signal: (event) => after(() => inner.signal(event)),
    assigned: (runId) => after(() => inner.assigned(runId)),
    waits: (topic) => after(() => inner.waits(topic)),
    list: (...o) => after(() => inner.list(...o)),
    dead: (filter) => after(() => inner.dead(filter)),
    bury: (tenant, nr, change) => after(() => inner.bury(tenant, nr, change)),
    forget: (sender) => after(() => inner.forget(sender)),
  };
};

/** A journal that answers nothing at once, as one over a network does. */
export function later(inner: Journal): Journal {
  return around(inner, {
    ...(inner.records && { records: laterRecords(inner.records) }),
    ...(inner.inbox && { inbox: laterInbox(inner.inbox) }),
    append: async (...a) => {
      await setImmediate();
      return inner.append(...a);
    },
    read: async function* (...a) {
      for await (const entry of inner.read(...a)) {
        await setImmediate();
        yield entry;
      }
    },
    heads: async function* (f) {
      await setImmediate();
      yield* inner.heads(f);
    },
    due: async function* (f) {
      await setImmediate();
      yield* inner.due?.(f) ?? [];
    },
    renew: async (...a) => {
      await setImmediate();
      return inner.renew(...a);
    },
    ...(inner.claim && {
      claim: async (key) => {
        await setImmediate();
        return inner.claim?.(key);
      },
    }),
    ...(inner.effects && {
      effects: async function* (f) {
        await setImmediate();
        yield* inner.effects?.(f) ?? [];
      },
    }),
    remove: async (...a) => {
      await setImmediate();
      return inner.remove(...a);
    },
    now: async () => {
      await setImmediate();
      return inner.now?.() ?? Date.now();
    },
  });
}

/** One append as the engine made it. */
export interface Appended {
  readonly runId: string;
  readonly seq: number;
  readonly entries: readonly Entry[];
  readonly head: RunHead;
  readonly sync: 'power' | 'process' | undefined;
  readonly claims?: readonly ClaimChange[] | undefined;
  readonly effects?: readonly EffectChange[] | undefined;
}

/** A journal that keeps a list of what was appended. */
export function recording(inner: Journal): { journal: Journal; appends: Appended[] } {
  const appends: Appended[] = [];
  const journal = around(inner, {
    async append(runId, seq, entries, head, o) {
      await inner.append(runId, seq, entries, head, o);
      appends.push({
        runId,
        seq,
        entries: structuredClone(entries),
        head: structuredClone(head),
        sync: o?.sync,
        claims: o?.claims,
        effects: o?.effects,
      });
    },
  });
  return { journal, appends };
}

/** What a process that died left: some appends, and a lease that no one prolongs. */
export async function leftBehind(appends: readonly Appended[], journal: Journal = memoryJournal()): Promise<Journal> {
  for (const { runId, seq, entries, head, claims, effects } of appends)
    await journal.append(runId, seq, structuredClone(entries), structuredClone(head), { claims, effects });
  for (const runId of new Set(appends.map((a) => a.runId))) await expireLease(journal, runId);
  return journal;
}

export async function expireLease(journal: Journal, runId: string): Promise<void> {
  const head = await headOf(journal, runId);
  if (head?.owner !== undefined) await journal.renew(runId, head.owner, 0);
}

export async function headOf(journal: Journal, runId: string): Promise<RunHead | undefined> {
  for await (const head of journal.heads({ runId })) return head;
  return undefined;
}

export async function all<T>(items: Iterable<T> | AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** All that a journal holds of its runs, as one text. */
export async function everythingIn(journal: Journal): Promise<string> {
  const runs = await all(journal.heads({}));
  return JSON.stringify(await Promise.all(runs.map(({ runId }) => entriesOf(journal, runId))));
}

export const entriesOf = (journal: Journal, runId: string): Promise<Entry[]> => all(journal.read(runId));
export const typesOf = (items: readonly { type: string }[]) => items.map((item) => item.type);
/** Events that are entries: what a replay shows too. */
export const kept = (events: readonly RunEvent[]) => events.filter((e) => e.seq !== undefined);

/** The first entry of a kind, as soon as it is in the journal. */
export const entryOf = <T extends EntryType>(journal: Journal, runId: string, type: T): Promise<EntryOf<T>> =>
  until(async () => (await entriesOf(journal, runId)).find((e): e is EntryOf<T> => e.type === type));
