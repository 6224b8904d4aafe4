import { resolve } from 'node:path';
import { invalid, RondoError } from '../../errors.ts';
import type { Claim, ClaimKey } from '../../journal/claims.ts';
import type { EffectFilter, EffectRow } from '../../journal/effects.ts';
import type { StoredAppend } from '../../journal/entries/codec.ts';
import { encode } from '../../journal/entries/codec.ts';
import type { Entry } from '../../journal/entries/entries.ts';
import { conflict } from '../../journal/errors.ts';
import type { Inbox } from '../../journal/inbox.ts';
import { type Listener, Listeners, type SubscribeOptions } from '../../journal/listeners.ts';
import type { AppendOptions, DueFilter, HeadFilter, Journal, RunHead } from '../../journal/port.ts';
import type { Records } from '../../journal/records.ts';
import { checkOptions } from '../../options.ts';
import { Access } from './sqlite/access.ts';
import { explain, isBusy } from './sqlite/errors.ts';
import { differs } from './sqlite/heads.ts';
import { sqliteInbox } from './sqlite/inbox.ts';
import { NO_TAIL, type Tail } from './sqlite/log.ts';
import { sqliteRecords } from './sqlite/records.ts';

export interface SqliteJournalOptions {
  /**
   * What an acknowledged append survives. By default the engine decides for each: power loss for what must not be lost (the start of a
   * `once` effect, a decision, a claim), a killed process for the rest. `power` or `process` applies to all appends.
   */
  durability?: 'power' | 'process';
}

/**
 * A journal in one SQLite file, for any number of processes on one machine. The file and its directory are created at the first use.
 * @param path the path of the file. While it is open, there are `-wal` and `-shm` files beside it.
 */
export function sqliteJournal(path: string, o: SqliteJournalOptions = {}): Journal {
  if (typeof path !== 'string' || path === '' || path.startsWith(':memory:'))
    throw invalid('sqliteJournal() takes the path of a file. For a journal in memory, use memoryJournal().');
  checkOptions(o, { durability: "durability: 'power'" }, 'sqliteJournal()', { durability: ['power', 'process'] });
  return new SqliteJournal(path, o.durability);
}

/** A cached run that this process writes: its last row, and its head as stored. */
interface Live {
  readonly run: number;
  tail: Tail;
  head: RunHead;
}

/** Most cached runs. The oldest is evicted, which costs its next append a few look-ups. */
const MOST_LIVE = 20_000;

/** By path: the listeners of this process. They are shared by all journals on one file. */
const LISTENERS = new Map<string, Listeners>();

class SqliteJournal implements Journal {
  readonly durable = true;
  readonly local = true;
  readonly records: Records;
  readonly inbox: Inbox;
  readonly #access: Access;
  readonly #key: string;
  readonly #durability: 'power' | 'process' | undefined;
  readonly #live = new Map<string, Live>();
  /** Runs that the current transaction has written to. */
  #touched: string[] = [];
  /** The run of the previous append. */
  #lastRun: string | undefined;

  constructor(path: string, durability: 'power' | 'process' | undefined) {
    this.#key = resolve(path);
    this.#durability = durability;
    this.#access = new Access(path, {
      began: (foreign) => {
        if (foreign) this.#live.clear();
        const { touched } = this.#access.opened();
        touched.length = 0;
        this.#touched = touched;
      },
      committed: () => {
        for (const runId of this.#touched) this.#changed(runId);
      },
      // the transaction may have cached tails that were not written
      rolledBack: () => this.#live.clear(),
    });
    this.records = sqliteRecords(this.#access, durability);
    this.inbox = sqliteInbox(this.#access);
  }

  append(runId: string, expectedSeq: number, entries: readonly Entry[], head: RunHead, o?: AppendOptions): void | Promise<void> {
    this.#access.refuseClosed();
    const fsync = (this.#durability ?? o?.sync) === 'power';
    const stored = encode(entries);
    // a run that appends twice in a row is probably alone: waiting to share a transaction would gain nothing
    const alone = runId === this.#lastRun && this.#access.queue.empty;
    this.#lastRun = runId;
    if (alone && !o?.waits && !o?.record && this.#appendNext(runId, expectedSeq, entries.length, stored, head, fsync, o)) return;
    const write = () => this.#append(runId, expectedSeq, entries.length, stored, head, o);
    return alone ? this.#access.queue.now(fsync, write, runId) : this.#access.queue.add(fsync, write, runId);
  }

  /**
   * The fast path for most appends: one statement, and a few more for claims and effects. @returns false if it does not apply; then nothing was
   * written.
   */
  #appendNext(
    runId: string,
    expectedSeq: number,
    count: number,
    stored: StoredAppend,
    head: RunHead,
    fsync: boolean,
    { claims, effects }: AppendOptions = {},
  ): boolean {
    const live = this.#live.get(runId);
    const { file } = this.#access;
    if (!live || !file || live.tail.held !== expectedSeq || count === 0 || stored.blobs.length > 0 || differs(live.head, head))
      return false;
    try {
      if (fsync && file.isDue) this.#access.assertThere(file);
      file.sync(fsync);
      const insert = () => file.log.appendNext(live.run, live.tail, stored, count);
      const more = () => {
        if (claims && !file.claims.changeSeen(runId, claims)) return false;
        if (effects) file.effects.change(live.run, effects);
        return true;
      };
      const tail = claims || effects ? file.together(insert, more) : insert();
      if (!tail) return false;
      file.appended(tail.id, fsync);
      live.tail = tail;
      this.#changed(runId);
      return true;
    } catch (error) {
      this.#live.delete(runId);
      // what was seen of a claim may be out of date
      if (isBusy(error) || RondoError.is(error)) return false;
      throw explain(error, this.#access.path);
    }
  }

  /** Call it within a transaction. */
  #append(runId: string, expectedSeq: number, count: number, stored: StoredAppend, given: RunHead, o: AppendOptions = {}): void {
    const file = this.#access.opened();
    const { log, heads, claims, effects } = file;
    const { record } = o;
    const known = this.#live.get(runId) ?? this.#find(runId);
    const held = known?.tail.held ?? 0;
    if (held !== expectedSeq) throw conflict(runId, expectedSeq, held);
    heads.place(given, known);
    if (record) file.records.assert(record.namespace, record.key, record.expected);
    const claim = o.claims && claims.prepare(runId, o.claims);
    // it may find damage, and then nothing may be written
    if (o.waits) file.inbox.change(runId, o.waits);
    claim?.();
    if (record)
      file.records.append(
        record.namespace,
        record.key,
        record.values.map((value) => JSON.stringify(value)),
        undefined,
      );
    // a paused run to which an event is assigned is due at once
    const head = given.status === 'paused' && file.inbox.has(runId) ? { ...given, wakeAt: 0 } : given;
    this.#touched.push(runId);
    const live: Live = known ?? { run: heads.nextRun(), tail: NO_TAIL, head: { ...head } };
    if (count > 0) live.tail = log.append(live.run, live.tail, stored, count);
    const tail = live.tail === NO_TAIL ? null : live.tail.id;
    if (!known) heads.insert(live.run, head, tail);
    else if (differs(known.head, head)) live.head = heads.update(known.run, known.head, head, tail);
    if (o.effects) effects.change(live.run, o.effects);
    if (head.status === 'running') this.#remember(runId, live);
    else this.#live.delete(runId);
  }

  #find(runId: string): Live | undefined {
    const { log, heads } = this.#access.opened();
    const stored = heads.find(runId);
    return stored && { ...stored, tail: log.tail(runId, stored.run, stored.tail) };
  }

  #remember(runId: string, live: Live): void {
    if (this.#live.size >= MOST_LIVE && !this.#live.has(runId)) this.#live.delete(this.#live.keys().next().value as string);
    this.#live.set(runId, live);
  }

  read(runId: string, after = -1): Iterable<Entry> | AsyncIterable<Entry> {
    return this.#access.read(function* ({ log, heads }) {
      for (const entries of log.read(runId, () => heads.find(runId), after))
        for (const entry of entries) if (entry.seq > after) yield entry;
    }, runId);
  }

  heads(filter: HeadFilter): Iterable<RunHead> | AsyncIterable<RunHead> {
    return this.#access.read(({ heads }) => heads.list(filter));
  }

  due(filter: DueFilter): Iterable<RunHead> | AsyncIterable<RunHead> {
    return this.#access.read(({ heads }) => heads.due(filter));
  }

  claim(key: ClaimKey): Claim | undefined | Promise<Claim | undefined> {
    return this.#access.glance(({ claims }) => claims.find(key));
  }

  effects(filter: EffectFilter): Iterable<EffectRow> | AsyncIterable<EffectRow> {
    return this.#access.read(({ effects }) => effects.list(filter));
  }

  renew(runId: string, owner: string, until: number): boolean | Promise<boolean> {
    this.#access.refuseClosed();
    return this.#access.queue.now(false, () => {
      const renewed = this.#access.opened().heads.renew(runId, owner, until);
      const live = this.#live.get(runId);
      if (renewed && live) live.head = { ...live.head, owner, leaseUntil: until };
      return renewed;
    });
  }

  remove(runId: string, expectedSeq?: number): Promise<void> {
    return this.#forget(() => {
      const { log, heads, removal, claims, effects, inbox } = this.#access.opened();
      const run = heads.find(runId)?.run;
      if (run === undefined) return;
      const held = expectedSeq === undefined ? undefined : this.#find(runId)?.tail.held;
      if (expectedSeq !== held) throw conflict(runId, expectedSeq as number, held as number);
      inbox.removed(runId);
      claims.forget(runId);
      const isSound = log.isSound(runId, run);
      removal.remove(run);
      effects.remove(run);
      if (!isSound) removal.removeStrays(run);
      heads.remove(run);
    }, runId);
  }

  rewrite(runId: string, entries: readonly Entry[]): Promise<void> {
    return this.#forget(() => {
      const { heads, removal } = this.#access.opened();
      const stored = heads.find(runId);
      if (stored) removal.rewrite(runId, stored.run, entries);
    }, runId);
  }

  #forget(write: () => void, runId: string): Promise<void> {
    return this.#access.forget(() => {
      this.#live.delete(runId);
      write();
      this.#touched.push(runId);
    });
  }

  /** Notifies of writes by this process. SQLite has no notifications across processes. */
  subscribe(listener: Listener, o: SubscribeOptions): boolean {
    const listeners = LISTENERS.get(this.#key) ?? new Listeners();
    LISTENERS.set(this.#key, listeners);
    listeners.add(listener, o);
    return false;
  }

  #changed(runId: string): void {
    if (LISTENERS.size > 0) LISTENERS.get(this.#key)?.changed(runId);
  }

  async close(): Promise<void> {
    await this.#access.close();
    this.#live.clear();
  }
}
