import { invalid } from '../../errors.ts';
import { checkOptions } from '../../options.ts';
import { dueAt, dueOrder } from '../due.ts';
import type { Entry, RunStatus } from '../entries/entries.ts';
import { conflict, sessionBusy } from '../errors.ts';
import { Listeners } from '../listeners.ts';
import type { AppendOptions, DueFilter, HeadCursor, HeadFilter, Journal, RunHead } from '../port.ts';
import { memoryClaims } from './claims.ts';
import { memoryEffects } from './effects.ts';
import { memoryInbox } from './inbox.ts';
import { memoryQueue } from './queue.ts';
import { memoryRecords } from './records.ts';

/**
 * Limits on the runs that are kept. Above them, the runs that ended first are dropped, so their sessions can no longer continue from
 * them. Open runs are never dropped. Records are not counted and stay until they are deleted.
 */
export interface MemoryJournalOptions {
  /** Open runs count too, although only ended ones are dropped. Default: no limit. */
  maxRuns?: number;
  /** UTF-16 characters of all entries as JSON. */
  maxBytes?: number;
}

const OPTIONS = { maxRuns: 'maxRuns: 1_000', maxBytes: 'maxBytes: 100_000_000' } satisfies Record<keyof MemoryJournalOptions, string>;

interface Run {
  /** Characters of its entries as JSON; counted only with `maxBytes`. */
  size: number;
  /** Number of the run in order of creation. It orders runs that started in the same millisecond. */
  readonly nr: number;
  readonly log: Entry[];
  head: RunHead;
}

/**
 * The default journal, in the memory of this process. Appends are synchronous and take time in proportion to the new entries. It stores
 * the given entries without a copy, so do not change them. Settled runs stay until `remove` is called, because sessions continue from them.
 */
export function memoryJournal(o: MemoryJournalOptions = {}): Journal {
  checkOptions(o, OPTIONS, 'memoryJournal()');
  for (const [name, value] of Object.entries(o))
    if (value !== undefined && !(typeof value === 'number' && value > 0)) throw invalid(`memoryJournal(): ${name} is a number above 0.`);
  const { maxRuns = Number.POSITIVE_INFINITY, maxBytes = Number.POSITIVE_INFINITY } = o;
  /** Runs that have ended, oldest end first. */
  const ended = new Set<Run>();
  let size = 0;
  const bounded = Math.min(maxRuns, maxBytes) !== Number.POSITIVE_INFINITY;
  const runs = new Map<string, Run>();
  const byStatus = new Map<RunStatus, Set<Run>>();
  const asking = new Set<Run>();
  /** Each session's runs, in the order of their start. */
  const bySession = new Map<string, Run[]>();
  /** The open run of each session of each tenant. */
  const open = new Map<string, Run>();
  let started = 0;
  const listeners = new Listeners();
  const claims = memoryClaims((runId) => runs.has(runId));
  const queue = memoryQueue();
  const effects = memoryEffects((runId) => runs.get(runId));
  const { assert: assertRecord, ...records } = memoryRecords();
  const inbox = memoryInbox((runId) => {
    const run = runs.get(runId);
    if (run?.head.status !== 'paused') return;
    run.head = { ...run.head, wakeAt: 0 };
    listeners.changed(runId);
  });

  function append(runId: string, expectedSeq: number, entries: readonly Entry[], head: RunHead, o?: AppendOptions): void {
    const run = runs.get(runId);
    const held = run ? run.log.length : 0;
    if (held !== expectedSeq) throw conflict(runId, expectedSeq, held);
    if (o?.record) assertRecord(o.record);
    const claim = o?.claims && claims.prepare(runId, o.claims);
    if (!run) {
      place(undefined, head);
      const fresh: Run = { nr: started++, log: entries.slice(), head: { ...head }, size: 0 };
      runs.set(runId, fresh);
      index(fresh);
      join(fresh);
      claim?.();
      more(fresh, o);
      if (bounded) bound(fresh, entries);
      listeners.changed(runId);
      return;
    }
    const before = run.head;
    if (INDEXED.every((field) => before[field] === head[field])) run.head = kept(before, head);
    else {
      place(run, head);
      const moves = before.session !== head.session || before.startedAt !== head.startedAt;
      unindex(run);
      if (moves) leave(run);
      run.head = kept(before, head);
      index(run);
      if (moves) join(run);
    }
    for (const entry of entries) run.log.push(entry);
    claim?.();
    more(run, o);
    if (bounded) bound(run, entries);
    listeners.changed(runId);
  }

  /** Changes effects, waits and a record. A paused run to which an event is assigned is due at once. */
  function more(run: Run, { effects: changed, waits, record }: AppendOptions = {}): void {
    const { runId, status } = run.head;
    if (changed) effects.change(runId, changed);
    if (record) records.append(record.namespace, record.key, record.values);
    if (waits) inbox.change(runId, waits);
    if (status === 'paused' && inbox.has(runId)) run.head = { ...run.head, wakeAt: 0 };
  }

  /** Drops ended runs until the limits hold, but never the run that was just written. */
  function bound(run: Run, entries: readonly Entry[]): void {
    if (maxBytes !== Number.POSITIVE_INFINITY) {
      const more = JSON.stringify(entries).length;
      run.size += more;
      size += more;
    }
    for (const old of ended) {
      if (runs.size <= maxRuns && size <= maxBytes) return;
      if (old !== run) remove(old.head.runId);
    }
  }

  /** @throws RondoError `SESSION_BUSY` for a second open run of a session. */
  function place(run: Run | undefined, head: RunHead): void {
    if (head.session === undefined || !occupies(head)) return;
    const other = open.get(sessionKey(head.session, head.tenant));
    if (other && other !== run) throw sessionBusy(head.session, other.head.runId);
  }

  function index(run: Run): void {
    const { status, session, tenant } = run.head;
    into(byStatus, status, run);
    if (!isOpen(status) && status !== 'queued') ended.add(run);
    if (session !== undefined && occupies(run.head)) open.set(sessionKey(session, tenant), run);
    if (status === 'queued') queue.add(run);
    if (run.head.asks) asking.add(run);
  }

  function unindex(run: Run): void {
    const { status, session, tenant } = run.head;
    outOf(byStatus, status, run);
    ended.delete(run);
    if (session !== undefined && occupies(run.head)) open.delete(sessionKey(session, tenant));
    if (status === 'queued') queue.delete(run);
    asking.delete(run);
  }

  /** Inserts a run into its session by start time, normally at the end. If a clock was set, or it had waited in a queue, it comes earlier. */
  function join(run: Run): void {
    const { session, startedAt } = run.head;
    if (session === undefined) return;
    const members = bySession.get(session);
    if (!members) return void bySession.set(session, [run]);
    let at = members.length;
    while (at > 0 && (members[at - 1] as Run).head.startedAt > startedAt) at--;
    members.splice(at, 0, run);
  }

  function leave(run: Run): void {
    const { session } = run.head;
    const members = session === undefined ? undefined : bySession.get(session);
    if (session === undefined || !members) return;
    members.splice(members.indexOf(run), 1);
    if (members.length === 0) bySession.delete(session);
  }

  function* ofSession(f: HeadFilter & { session: string }): Generator<RunHead> {
    const members = bySession.get(f.session) ?? [];
    let left = f.limit ?? Number.POSITIVE_INFINITY;
    const isBehind = behind(f.after);
    for (let i = members.length - 1; i >= 0 && left > 0; i--) {
      const run = members[i] as Run;
      const { head } = run;
      if (!matches(f, head) || !isBehind(run)) continue;
      left--;
      yield { ...head };
    }
  }

  /** Whether a run comes after a place in a list of heads. */
  function behind(after: HeadCursor | undefined): (run: Run) => boolean {
    if (!after) return () => true;
    const last = runs.get(after.runId);
    return last ? (run) => newestFirst(last, run) < 0 : (run) => run.head.startedAt <= after.startedAt;
  }

  function heads(f: HeadFilter): Iterable<RunHead> {
    if (f.runId === undefined && f.session !== undefined) return ofSession({ ...f, session: f.session });
    let from: Iterable<Run>;
    if (f.runId !== undefined) {
      const run = runs.get(f.runId);
      from = run ? [run] : [];
    } else if (f.asks) from = asking;
    else if (f.status !== undefined) from = byStatus.get(f.status) ?? [];
    else from = runs.values();
    const found: Run[] = [];
    const isBehind = behind(f.after);
    for (const run of from) if (matches(f, run.head) && isBehind(run)) found.push(run);
    // usually found oldest first, so reversing leaves little to sort
    found.reverse().sort(newestFirst);
    if (f.limit !== undefined && f.limit < found.length) found.length = f.limit;
    return found.map(({ head }) => ({ ...head }));
  }

  function due({ status, now, limit, after, tenant, firsts }: DueFilter): Iterable<RunHead> {
    if (status === 'queued') return queue.list({ limit, after, tenant, firsts });
    const found: RunHead[] = [];
    for (const { head } of byStatus.get(status) ?? [])
      if ((dueAt(head) ?? Number.POSITIVE_INFINITY) <= now && (!after || dueOrder(after, head) < 0)) found.push(head);
    return found
      .sort(dueOrder)
      .slice(0, limit)
      .map((head) => ({ ...head }));
  }

  function remove(runId: string, expectedSeq?: number): void {
    const run = runs.get(runId);
    if (!run) return;
    const held = run.log.length;
    if (expectedSeq !== undefined && held !== expectedSeq) throw conflict(runId, expectedSeq, held);
    unindex(run);
    leave(run);
    runs.delete(runId);
    size -= run.size;
    claims.forget(runId);
    effects.remove(runId);
    inbox.removed(runId);
    listeners.changed(runId);
  }

  return {
    durable: false,
    append,
    read: (runId, after = -1) => section(runs.get(runId)?.log, after + 1),
    heads,
    due,
    renew(runId, owner, until) {
      const run = runs.get(runId);
      if (!run) return false;
      const { owner: holder, leaseUntil } = run.head;
      if (holder !== undefined && holder !== owner && leaseUntil !== undefined && leaseUntil > Date.now()) return false;
      run.head = { ...run.head, owner, leaseUntil: until };
      return true;
    },
    remove,
    rewrite(runId, entries) {
      const log = runs.get(runId)?.log;
      for (const entry of entries) if (log && entry.seq < log.length) log[entry.seq] = entry;
      listeners.changed(runId);
    },
    subscribe(listener, o) {
      listeners.add(listener, o);
      return true;
    },
    claim: claims.find,
    effects: effects.list,
    inbox,
    records,
  };
}

const newestFirst = (a: Run, b: Run) => b.head.startedAt - a.head.startedAt || b.nr - a.nr;

/** The fields by which runs are indexed. */
const INDEXED = ['status', 'aside', 'asks', 'session', 'tenant', 'startedAt'] as const;
const isOpen = (status: RunStatus) => status === 'running' || status === 'paused';
const occupies = ({ status, aside }: RunHead) => isOpen(status) && !aside;
const sessionKey = (session: string, tenant: string | undefined) =>
  tenant === undefined ? `:${session}` : `${tenant.length}:${tenant}${session}`;

const matches = (f: HeadFilter, head: RunHead) =>
  (f.agent === undefined || f.agent === head.agent) &&
  (f.status === undefined || f.status === head.status) &&
  (f.session === undefined || f.session === head.session) &&
  (f.tenant === undefined || f.tenant === head.tenant) &&
  (f.by === undefined || f.by === head.by) &&
  (!f.asks || head.asks === true) &&
  (f.ownerPrefix === undefined || head.owner?.startsWith(f.ownerPrefix) === true) &&
  (f.fork === undefined || f.fork === head.fork);

/**
 * The head to store, as a copy, because the caller may reuse its object. A running head without an owner keeps the stored lease, and an
 * older head does not shorten a lease that was renewed meanwhile.
 */
function kept(before: RunHead, head: RunHead): RunHead {
  const copy = { ...head };
  if (head.status === 'running' && head.owner === undefined) {
    if (before.owner !== undefined) copy.owner = before.owner;
    if (before.leaseUntil !== undefined) copy.leaseUntil = before.leaseUntil;
    return copy;
  }
  if (before.owner !== undefined && before.owner === head.owner && (before.leaseUntil ?? 0) > (head.leaseUntil ?? 0))
    copy.leaseUntil = before.leaseUntil as number;
  return copy;
}

/** The entries from an index up to the current end, without a copy. */
function section(log: readonly Entry[] | undefined, from: number): Iterable<Entry> {
  if (!log) return [];
  return {
    [Symbol.iterator]() {
      let i = from;
      const end = log.length;
      return {
        next: (): IteratorResult<Entry> => (i < end ? { done: false, value: log[i++] as Entry } : { done: true, value: undefined }),
      };
    },
  };
}

function into<K>(map: Map<K, Set<Run>>, key: K, run: Run): void {
  const set = map.get(key);
  if (set) set.add(run);
  else map.set(key, new Set([run]));
}

function outOf<K>(map: Map<K, Set<Run>>, key: K, run: Run): void {
  const set = map.get(key);
  if (set?.delete(run) && set.size === 0) map.delete(key);
}
