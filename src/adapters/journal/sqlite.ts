import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RondoError } from '../../errors.ts';
import type { StoredAppend } from '../../journal/codec.ts';
import { encode } from '../../journal/codec.ts';
import type { Entry } from '../../journal/entries.ts';
import { type Listener, Listeners, type SubscribeOptions } from '../../journal/listeners.ts';
import type { DueFilter, HeadFilter, Journal, RunHead } from '../../journal/port.ts';
import { conflict } from '../../journal/refuse.ts';
import { explain, isBusy, LOCKED, stillThere } from './sqlite/errors.ts';
import { File } from './sqlite/file.ts';
import { differs, type Heads } from './sqlite/heads.ts';
import { NO_TAIL, type Tail } from './sqlite/log.ts';
import { rollback } from './sqlite/open.ts';
import type { Verdict } from './sqlite/queue.ts';
import { PATIENCE, PAUSE, Queue } from './sqlite/queue.ts';

export interface SqliteJournalOptions {
  /**
   * What an acknowledged append survives. By default what the engine asks for it: power loss for what must not be lost (an
   * effect that happens at most once, a decision, a claim), a killed process for the rest. `power` or `process` is for all alike.
   */
  durability?: 'power' | 'process';
}

/**
 * A journal in one SQLite file, for any number of processes on one machine. The file and its directory are made when first used.
 * @param path of the file; `-wal` and `-shm` files lie beside it while it is open.
 */
export function sqliteJournal(path: string, o: SqliteJournalOptions = {}): Journal {
  if (typeof path !== 'string' || path === '' || path.startsWith(':memory:'))
    throw new RondoError('CONFIG_INVALID', 'sqliteJournal() takes the path of a file. For a journal in memory, use memoryJournal().');
  return new SqliteJournal(path, o.durability);
}

/** A run that this process writes: where it ends, and its head as it is stored. */
interface Live {
  readonly run: number;
  tail: Tail;
  head: RunHead;
}

/** Above this, the run that was remembered first is forgotten: it costs that run a few look-ups, no more. */
const MOST_LIVE = 20_000;

/** Of this process, by the path of the file: journals of one file hear each other. */
const LISTENERS = new Map<string, Listeners>();

class SqliteJournal implements Journal {
  readonly durable = true;
  readonly #path: string;
  readonly #key: string;
  readonly #durability: 'power' | 'process' | undefined;
  readonly #queue: Queue;
  readonly #live = new Map<string, Live>();
  #file: File | undefined;
  /** Runs that the transaction under way has written to. */
  #touched: string[] = [];
  /** The run of the append before. */
  #lastRun: string | undefined;
  /** Set once the file was replaced or deleted: nothing is written any more. */
  #lost: Error | undefined;
  #closed: 'no' | 'soon' | 'yes' = 'no';

  constructor(path: string, durability: 'power' | 'process' | undefined) {
    this.#path = path;
    this.#key = resolve(path);
    this.#durability = durability;
    this.#queue = new Queue(
      (power, body) => this.#transact(power, body),
      (error) => explain(error, path),
    );
  }

  append(
    runId: string,
    expectedSeq: number,
    entries: readonly Entry[],
    head: RunHead,
    o?: { sync?: 'power' | 'process' },
  ): void | Promise<void> {
    this.#refuseClosed();
    const power = (this.#durability ?? o?.sync) === 'power';
    const stored = encode(entries);
    // a run that appends twice in a row is alone: nothing is gained by waiting for others
    const alone = runId === this.#lastRun && this.#queue.empty;
    this.#lastRun = runId;
    if (alone && this.#appendNext(runId, expectedSeq, entries.length, stored, head, power)) return;
    const write = () => this.#append(runId, expectedSeq, entries.length, stored, head);
    return alone ? this.#queue.now(power, write) : this.#queue.add(power, write);
  }

  /** The short way, one statement, for what most appends are; false where it does not apply, and nothing was written. */
  #appendNext(runId: string, expectedSeq: number, count: number, stored: StoredAppend, head: RunHead, power: boolean): boolean {
    const live = this.#live.get(runId);
    if (!live || !this.#file || live.tail.held !== expectedSeq || count === 0 || stored.blobs.length > 0 || differs(live.head, head))
      return false;
    try {
      if (power && this.#file.isDue) this.#assertThere(this.#file);
      this.#file.sync(power);
      const tail = this.#file.log.appendNext(live.run, live.tail, stored, count);
      if (!tail) return false;
      this.#file.appended(tail.id, power);
      live.tail = tail;
      this.#changed(runId);
      return true;
    } catch (error) {
      this.#live.delete(runId);
      if (isBusy(error)) return false;
      throw explain(error, this.#path);
    }
  }

  /** In a transaction. */
  #append(runId: string, expectedSeq: number, count: number, stored: StoredAppend, head: RunHead): void {
    const { log, heads } = this.#opened();
    const known = this.#live.get(runId) ?? this.#find(runId);
    const held = known?.tail.held ?? 0;
    if (held !== expectedSeq) throw conflict(runId, expectedSeq, held);
    heads.place(head, known);
    this.#touched.push(runId);
    const live: Live = known ?? { run: heads.nextRun(), tail: NO_TAIL, head: { ...head } };
    if (count > 0) live.tail = log.append(live.run, live.tail, stored, count);
    const tail = live.tail === NO_TAIL ? null : live.tail.id;
    if (!known) heads.insert(live.run, head, tail);
    else if (differs(known.head, head)) live.head = heads.update(known.run, known.head, head, tail);
    if (head.status === 'running') this.#remember(runId, live);
    else this.#live.delete(runId);
  }

  #find(runId: string): Live | undefined {
    const { log, heads } = this.#opened();
    const stored = heads.find(runId);
    return stored && { ...stored, tail: log.tail(runId, stored.run, stored.tail) };
  }

  #remember(runId: string, live: Live): void {
    if (this.#live.size >= MOST_LIVE && !this.#live.has(runId)) this.#live.delete(this.#live.keys().next().value as string);
    this.#live.set(runId, live);
  }

  read(runId: string, after = -1): Iterable<Entry> | AsyncIterable<Entry> {
    return this.#current(() => this.#read(runId, after));
  }

  *#read(runId: string, after: number): Generator<Entry, void, undefined> {
    try {
      const { log, heads } = this.#opened();
      for (const entries of log.read(runId, () => heads.find(runId), after))
        for (const entry of entries) if (entry.seq > after) yield entry;
    } catch (error) {
      throw explain(error, this.#path);
    }
  }

  heads(filter: HeadFilter): Iterable<RunHead> | AsyncIterable<RunHead> {
    return this.#current(() => this.#heads((heads) => heads.list(filter)));
  }

  due(filter: DueFilter): Iterable<RunHead> | AsyncIterable<RunHead> {
    return this.#current(() => this.#heads((heads) => heads.due(filter)));
  }

  *#heads(list: (heads: Heads) => Iterable<RunHead>): Generator<RunHead, void, undefined> {
    try {
      yield* list(this.#opened().heads);
    } catch (error) {
      throw explain(error, this.#path);
    }
  }

  renew(runId: string, owner: string, until: number): boolean | Promise<boolean> {
    this.#refuseClosed();
    return this.#queue.now(false, () => {
      const renewed = this.#opened().heads.renew(runId, owner, until);
      const live = this.#live.get(runId);
      if (renewed && live) live.head = { ...live.head, owner, leaseUntil: until };
      return renewed;
    });
  }

  remove(runId: string): Promise<void> {
    return this.#forget(() => {
      const { log, heads, removal } = this.#opened();
      const run = heads.find(runId)?.run;
      if (run === undefined) return;
      const isSound = log.isSound(runId, run);
      removal.remove(run);
      if (!isSound) removal.removeStrays(run);
      heads.remove(run);
    }, runId);
  }

  rewrite(runId: string, entries: readonly Entry[]): Promise<void> {
    return this.#forget(() => {
      const { heads, removal } = this.#opened();
      const stored = heads.find(runId);
      if (stored) removal.rewrite(runId, stored.run, entries);
    }, runId);
  }

  /** Does away with something, in the log of writes too, where older versions of pages are. */
  async #forget(write: () => void, runId: string): Promise<void> {
    this.#refuseClosed();
    await this.#queue.now(false, () => {
      this.#live.delete(runId);
      write();
      this.#touched.push(runId);
    });
    for (const until = performance.now() + PATIENCE; !this.#opened().emptyLog(); await sleep(PAUSE))
      if (performance.now() > until) throw stillThere(this.#path);
  }

  /** Tells of what this process writes to the file. Of other processes SQLite tells nothing. */
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
    if (this.#closed !== 'no') return;
    this.#closed = 'soon';
    this.#queue.flush();
    await this.#queue.idle();
    this.#closed = 'yes';
    this.#live.clear();
    this.#file?.close();
    this.#file = undefined;
  }

  /** Reads after what this process has appended; where a lock is in the way, once it is gone. */
  #current<T>(read: () => Iterable<T>): Iterable<T> | AsyncIterable<T> {
    this.#refuseClosed();
    if (this.#queue.catchUp() && this.#isOpen()) return read();
    const current = async () => {
      await this.#queue.idle();
      for (const until = performance.now() + PATIENCE; !this.#isOpen(); await sleep(PAUSE))
        if (performance.now() > until) throw explain(LOCKED, this.#path);
    };
    return (async function* () {
      await current();
      yield* read();
    })();
  }

  #isOpen(): boolean {
    try {
      const file = this.#opened();
      this.#assertThere(file);
      file.catchUp();
      return true;
    } catch (error) {
      if (isBusy(error)) return false;
      throw explain(error, this.#path);
    }
  }

  #transact(power: boolean, body: () => void): Verdict {
    let file: File | undefined;
    try {
      const opened = this.#opened();
      this.#assertThere(opened);
      opened.sync(power);
      opened.begin();
      file = opened;
      if (file.foreignWrites()) this.#live.clear();
      this.#touched = [];
      body();
      file.commit(power);
      for (const runId of this.#touched) this.#changed(runId);
      return 'done';
    } catch (error) {
      if (file) {
        rollback(file.db);
        // what was remembered during the transaction did not happen
        this.#live.clear();
      }
      return isBusy(error) ? 'busy' : { error };
    }
  }

  #opened(): File {
    if (!this.#file) {
      if (this.#closed === 'yes') this.#refuseClosed();
      this.#file = new File(this.#path);
    }
    return this.#file;
  }

  /** @throws RondoError `JOURNAL_DAMAGED`, from then on whenever the journal is used. */
  #assertThere(file: File): void {
    try {
      file.assertThere();
    } catch (error) {
      if (RondoError.is(error)) this.#lost = error;
      throw error;
    }
  }

  #refuseClosed(): void {
    if (this.#lost) throw this.#lost;
    if (this.#closed !== 'no')
      throw new RondoError('ENGINE_CLOSED', `The journal ${this.#path} was closed. Make a new one with sqliteJournal().`);
  }
}
