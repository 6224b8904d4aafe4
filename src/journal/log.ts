/**
 * The only writer of a run's journal in this process.
 *
 * I1. The fold equals the store: an entry is applied only after the store has accepted it.
 * I2. The head of an append is computed from the fold with the new entries applied, by the same `apply` that a replay uses. If
 *     `keepsHead` says that they change nothing but `seq`, this is skipped.
 * I3. Entries that start, end or settle something are never written if the fold refuses them.
 * I4. An append that the store refuses changes nothing: the next one starts from the stored state.
 * I5. One append runs at a time. Those that arrive meanwhile are combined into the next one, in order.
 * I6. After a conflict, entries that other processes may append are adopted and the append is repeated. Any other entry means `RUN_BUSY`.
 * I7. An append that was reported as failed but is in the store counts as written and is not written twice.
 */
import { RondoError } from '../errors.ts';
import { claimChanges, claimsIn } from './changes/claims.ts';
import { effectChanges } from './changes/effects.ts';
import { waitChanges } from './changes/waits.ts';
import { MOST_CLAIMS } from './claims.ts';
import { type Draft, type Entry, type EntryOf, FOREIGN, VERSION } from './entries/entries.ts';
import { isRecordConflict, removed } from './errors.ts';
import { copyOf } from './fold/copy.ts';
import { apply, emptyFold } from './fold/fold.ts';
import type { RunFold } from './fold/state.ts';
import { headOf, keepsHead, type Lease, placeOf } from './head.ts';
import type { AppendOptions, Journal } from './port.ts';
import type { RecordChange } from './records.ts';

/**
 * Makes the entries of an append; an empty list cancels it. Called again after a conflict, since call ids contain the sequence number.
 * The drafts become the entries, so each call must return new objects. @param seq of the first entry.
 */
export type Make = (seq: number) => readonly Draft[];

/** An append that waits for the current one. */
interface Waiting {
  make: Make;
  fsync: boolean;
  resolve(): void;
  reject(error: unknown): void;
}

/** Told of each entry that was written or adopted, after it was applied to the fold. */
interface Committed {
  committed(run: RunFold, entry: Entry): void;
}

/** One for each run that this process writes to. While it drives the run, the log holds the lease. */
export class Log {
  /** The fold of all stored entries. */
  readonly run: RunFold;
  /** The lease of this process; undefined if it does not drive the run, or has released it. */
  lease: Lease | undefined;
  /** This process does not drive the run, so it adopts entries of every type. */
  guest: boolean;
  /** Goes into each append. Set it only for the first one of a run that is not driven here. */
  record: RecordChange | undefined;
  /** The number of the newest batch: drafts made in the same batch are appended together or not at all. */
  stamped = 0;
  readonly #journal: Journal;
  readonly #listener: Committed | undefined;
  /** A fold that includes the entries of the current append, kept for the next one. Undefined: copy `run`. */
  #ahead: RunFold | undefined;
  #busy = false;
  #waiting: Waiting[] = [];

  constructor(journal: Journal, run: RunFold, lease: Lease | undefined, listener: Committed | undefined, guest = false) {
    this.guest = guest;
    this.#journal = journal;
    this.run = run;
    this.lease = lease;
    this.#listener = listener;
  }

  /**
   * Appends entries as one atomic unit. Returns a promise only if the store does, or while another append runs.
   * @param fsync whether the entries must survive power loss, not only a killed process.
   * @throws RondoError `RUN_BUSY` if another process claimed the run, `RUN_EXISTS` if a new run finds entries, `RUN_NOT_FOUND` if the run
   *   was removed, or an error of the store. Then nothing was written.
   */
  append(make: Make, fsync = false): void | Promise<void> {
    if (this.#busy) return new Promise<void>((resolve, reject) => this.#waiting.push({ make, fsync, resolve, reject }));
    const entries = this.#stamp(make);
    if (entries.length === 0) return undefined;
    let pending: void | Promise<void>;
    try {
      pending = this.#write(entries, fsync);
    } catch (error) {
      if (!RondoError.is(error, 'JOURNAL_CONFLICT') || isRecordConflict(error)) throw error;
      pending = Promise.reject(error);
    }
    if (pending === undefined) return this.#commit(entries);
    this.#busy = true;
    return this.#settle(pending, entries, make, fsync);
  }

  /**
   * Appends entries of a type that any process may append, even after another process claimed the run. Nothing is appended once the run was
   * removed, also if another one has its id now.
   * @throws RondoError as `append`, except `RUN_BUSY`.
   */
  async add(make: (run: RunFold) => readonly Draft[]): Promise<void> {
    if (!(await this.#isThere())) return;
    try {
      await this.append(() => make(this.run));
    } catch (error) {
      if (!RondoError.is(error, 'RUN_BUSY')) throw error;
      const { runId, started } = this.run;
      const run = emptyFold(runId, started.agent);
      for await (const entry of this.#journal.read(runId)) apply(run, entry);
      if (!isSameRun(started, run.started)) return;
      await new Log(this.#journal, run, undefined, undefined, true).append(() => make(run));
    }
  }

  /**
   * Waits for running appends, then reads and applies the entries that others appended.
   * @throws RondoError `RUN_BUSY` if another process claimed the run.
   */
  async adopt(): Promise<void> {
    while (this.#busy) await new Promise<void>((resolve, reject) => this.#waiting.push({ make: () => [], fsync: false, resolve, reject }));
    this.#busy = true;
    try {
      await this.#adopt();
    } finally {
      this.#free();
    }
  }

  /** Whether the stored run is still this one. */
  async #isThere(): Promise<boolean> {
    for await (const first of this.#journal.read(this.run.runId)) return isSameRun(this.run.started, first);
    return false;
  }

  /** Turns the drafts into entries in place. `make` returns new objects for each call. */
  #stamp(make: Make): readonly Entry[] {
    this.stamped++;
    const { next, started } = this.run;
    let seq = next;
    const entries = make(seq) as readonly Entry[];
    const [first] = entries;
    // no entry is older than its run, although the clock of this process may be behind
    let at = next > 0 ? Math.max(Date.now(), placeOf(started)) : Date.now();
    if ((first?.type === 'run.started' || first?.type === 'run.claimed') && first.after !== undefined) at = Math.max(at, first.after + 1);
    for (const entry of entries) {
      entry.v = VERSION;
      entry.seq = seq++;
      entry.at = at;
    }
    return entries;
  }

  #write(entries: readonly Entry[], fsync: boolean): void | Promise<void> {
    const { run, lease } = this;
    const claims = claimChanges(run, entries);
    const effects = this.#journal.effects && effectChanges(run, entries);
    let o: AppendOptions | undefined = fsync ? POWER : undefined;
    if (claims || effects) o = { ...o, claims, effects };
    if (!this.#ahead && keepsHead(run, entries))
      return this.#journal.append(run.runId, run.next, entries, headOf(run, lease, run.next + entries.length), o);
    const ahead = this.#ahead ?? (run.next === 0 ? emptyFold(run.runId, run.root.agent, run.root.messages) : copyOf(run));
    // cleared first: if the append fails, this fold is ahead of the store and must not be reused
    this.#ahead = undefined;
    for (const entry of entries) apply(ahead, entry);
    const waits = waitChanges(run, ahead, entries, () => this.#journal.now?.() ?? Date.now());
    if (waits) o = { ...o, waits };
    if (this.record) o = { ...o, record: this.record };
    const pending = this.#journal.append(run.runId, run.next, entries, headOf(ahead, lease), o);
    // then `keepsHead` fails for every append, so this fold is kept to avoid a copy each time
    if (ahead.unknowns.size > 0 || ahead.listens) this.#ahead = ahead;
    return pending;
  }

  /** Waits for an append and repeats it after a conflict. */
  async #settle(pending: Promise<void>, entries: readonly Entry[], make: Make, fsync: boolean): Promise<void> {
    try {
      for (let refusals = 0; ; ) {
        try {
          await pending;
          return this.#commit(entries);
        } catch (error) {
          this.#ahead = undefined;
          if (!RondoError.is(error, 'JOURNAL_CONFLICT') || isRecordConflict(error)) throw error;
          const { next } = this.run;
          if (await this.#adopt(entries)) return;
          if (this.run.next === next && (await this.#isRemoved())) throw removed(this.run.runId);
          // the store reports a conflict but has no new entries
          if (this.run.next === next && ++refusals > MAX_REFUSALS) throw error;
          entries = this.#stamp(make);
          if (entries.length === 0) return;
          const again = entries;
          pending = (async () => this.#write(again, fsync))();
        }
      }
    } finally {
      this.#free();
    }
  }

  #free(): void {
    this.#busy = false;
    if (this.#waiting.length > 0) this.#next();
  }

  /** Combines all waiting appends into one. */
  #next(): void {
    let group = this.#waiting;
    this.#waiting = [];
    const make: Make = (seq) => {
      const drafts: Draft[] = [];
      let claims = 0;
      for (const [i, w] of group.entries()) {
        const own = w.make(seq + drafts.length);
        claims += claimsIn(this.run, own);
        // the rest goes in the next append, made again
        if (i > 0 && claims > MOST_CLAIMS) {
          this.#waiting.unshift(...group.slice(i));
          group = group.slice(0, i);
          break;
        }
        drafts.push(...own);
      }
      return drafts;
    };
    const done = () => {
      for (const w of group) w.resolve();
    };
    const failed = (error: unknown) => {
      // the claim that is refused concerns one of them
      if (group.length > 1 && RondoError.is(error, 'INTENT_CLAIMED'))
        for (const w of group)
          Promise.resolve()
            .then(() => this.append(w.make, w.fsync))
            .then(w.resolve, w.reject);
      else for (const w of group) w.reject(error);
    };
    try {
      const pending = this.append(
        make,
        group.some((w) => w.fsync),
      );
      if (pending) pending.then(done, failed);
      else done();
    } catch (error) {
      failed(error);
    }
    if (!this.#busy && this.#waiting.length > 0) this.#next();
  }

  /** Applies new entries of the store. @returns whether they start with `ours`: the append was reported as failed, but was stored. */
  async #adopt(ours: readonly Entry[] = []): Promise<boolean> {
    const { runId, next } = this.run;
    const found: Entry[] = [];
    for await (const entry of this.#journal.read(runId, next - 1)) found.push(entry);
    const through = next > 0 && ours.length > 0 && ours.every((entry, i) => same(entry, found[i]));
    // the stored entries, not `ours`: their times may differ
    if (through) this.#commit(found.slice(0, ours.length));
    for (const entry of found) {
      if (entry.seq < this.run.next) continue;
      if (next === 0)
        throw new RondoError('RUN_EXISTS', `there is a run ${runId} already. Use another id, or resume or watch that run.`, {
          details: { runId },
        });
      if (!this.guest && !FOREIGN.has(entry.type))
        throw new RondoError('RUN_BUSY', `run ${runId} was taken over by another process; watch it there.`, { details: { runId } });
      // it is kept only between appends, and then equals `run`
      if (this.#ahead) apply(this.#ahead, entry);
      this.#commit([entry]);
    }
    return through;
  }

  /** Whether the run was begun, and its journal is gone. */
  async #isRemoved(): Promise<boolean> {
    if (this.run.next === 0) return false;
    for await (const _ of this.#journal.read(this.run.runId)) return false;
    return true;
  }

  /** Applies entries that are in the store. */
  #commit(entries: readonly Entry[]): void {
    for (const entry of entries) {
      apply(this.run, entry);
      this.#listener?.committed(this.run, entry);
    }
  }
}

/** By who started it, and when: an id that the caller chose may be used again for another run. */
const isSameRun = ({ at, owner }: EntryOf<'run.started'>, first: Entry | undefined): boolean =>
  first?.type === 'run.started' && first.at === at && first.owner === owner;

const same = (a: Entry, b: Entry | undefined) => b !== undefined && JSON.stringify({ ...a, at: 0 }) === JSON.stringify({ ...b, at: 0 });

/** Consecutive conflicts without new entries before an append fails. */
const MAX_REFUSALS = 3;

const POWER = { sync: 'power' } as const;
