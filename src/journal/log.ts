/**
 * The only writer of a run's journal in this process.
 *
 * I1. The run's fold holds what the store holds: an entry is applied to it after the store took the entry, never before.
 * I2. The head of an append is that of the fold with its entries, by the same `apply` that a replay uses. Entries that change nothing in a head
 *     are told apart by `keepsHead`, and not folded ahead.
 * I3. Entries that begin, end or settle something, and that the fold refuses, are never written.
 * I4. An append that the store refuses leaves no trace: the next one starts from what the store holds.
 * I5. One append is under way at a time; those that come meanwhile go together in the next, in the order they came.
 * I6. Entries that others may append are taken over, and the append is made again; any other entry ends it with `RUN_BUSY`.
 * I7. An append that was reported as failed, and that the store holds all the same, counts as written and is not written twice.
 */
import { RondoError } from '../errors.ts';
import { copyOf } from './copy.ts';
import { type Draft, type Entry, FOREIGN, VERSION } from './entries.ts';
import { apply, emptyFold } from './fold.ts';
import { headOf, keepsHead, type Lease } from './head.ts';
import type { Journal } from './port.ts';
import type { RunFold } from './state.ts';

/**
 * Makes the entries of an append; an empty list cancels it. Called again after a conflict, since call ids contain the sequence number.
 * The drafts become the entries, so each call must return new objects. @param seq of the first entry.
 */
export type Make = (seq: number) => readonly Draft[];

/** An append that came while another one was under way. */
interface Waiting {
  make: Make;
  fsync: boolean;
  resolve(): void;
  reject(error: unknown): void;
}

export class Log {
  /** The run as the store has it. */
  readonly run: RunFold;
  /** The lease of this process; undefined where it does not drive the run, and where it gave the run back. */
  lease: Lease | undefined;
  /** Does not drive the run, and so takes over every entry that others append. */
  guest: boolean;
  /** The number of the newest batch: drafts made in the same batch are appended together or not at all. */
  stamped = 0;
  readonly #journal: Journal;
  readonly #committed: (entry: Entry) => void;
  /** The run with the entries of the append that is under way. Undefined: to be copied from `run`. */
  #ahead: RunFold | undefined;
  #busy = false;
  #waiting: Waiting[] = [];

  /** @param committed is called for each entry that was written or taken over, when `run` has just taken it. */
  constructor(journal: Journal, run: RunFold, lease: Lease | undefined, committed: (entry: Entry) => void, guest = false) {
    this.guest = guest;
    this.#journal = journal;
    this.run = run;
    this.lease = lease;
    this.#committed = committed;
  }

  /**
   * Appends entries, as one atomic unit. Returns a promise only where the store does, or while another append is under way.
   * @param fsync whether the entries must survive a loss of power, not only of this process.
   * @throws RondoError `RUN_BUSY` where another process took the run over, `RUN_EXISTS` where a new run finds entries, or what the store
   *   throws. Nothing was written then.
   */
  append(make: Make, fsync = false): void | Promise<void> {
    if (this.#busy) return new Promise<void>((resolve, reject) => this.#waiting.push({ make, fsync, resolve, reject }));
    const entries = this.#stamp(make);
    if (entries.length === 0) return undefined;
    let pending: void | Promise<void>;
    try {
      pending = this.#write(entries, fsync);
    } catch (error) {
      if (!RondoError.is(error, 'JOURNAL_CONFLICT')) throw error;
      pending = Promise.reject(error);
    }
    if (pending === undefined) return this.#commit(entries);
    this.#busy = true;
    return this.#settle(pending, entries, make, fsync);
  }

  /**
   * Appends what may come at any time and from anyone, also after another process took the run over.
   * @throws RondoError as `append`, except `RUN_BUSY`.
   */
  async add(make: (run: RunFold) => readonly Draft[]): Promise<void> {
    try {
      await this.append(() => make(this.run));
    } catch (error) {
      if (!RondoError.is(error, 'RUN_BUSY')) throw error;
      const { runId, started } = this.run;
      const run = emptyFold(runId, started.agent);
      for await (const entry of this.#journal.read(runId)) apply(run, entry);
      await new Log(this.#journal, run, undefined, () => undefined, true).append(() => make(run));
    }
  }

  /**
   * Reads and takes over what others appended, once no append is under way.
   * @throws RondoError `RUN_BUSY` where another process claimed the run.
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

  /** Turns drafts into entries, in place: `make` returned them for this append alone. */
  #stamp(make: Make): readonly Entry[] {
    this.stamped++;
    const at = Date.now();
    let seq = this.run.next;
    const entries = make(seq) as readonly Entry[];
    for (const entry of entries) {
      entry.v = VERSION;
      entry.seq = seq++;
      entry.at = at;
    }
    return entries;
  }

  #write(entries: readonly Entry[], fsync: boolean): void | Promise<void> {
    const { run, lease } = this;
    const sync = fsync ? POWER : undefined;
    if (!this.#ahead && keepsHead(run, entries))
      return this.#journal.append(run.runId, run.next, entries, headOf(run, lease, run.next + entries.length), sync);
    const ahead = this.#ahead ?? (run.next === 0 ? emptyFold(run.runId, run.root.agent, run.root.messages) : copyOf(run));
    // put back by the commit alone: after anything else it is ahead of the store
    this.#ahead = undefined;
    for (const entry of entries) apply(ahead, entry);
    const pending = this.#journal.append(run.runId, run.next, entries, headOf(ahead, lease), sync);
    // with an unknown outcome every end of a call may change the head: a copy for each would cost more than to keep this one
    if (ahead.unknowns.size > 0) this.#ahead = ahead;
    return pending;
  }

  /** Waits for an append, and repeats it after a conflict. */
  async #settle(pending: Promise<void>, entries: readonly Entry[], make: Make, fsync: boolean): Promise<void> {
    try {
      for (let refusals = 0; ; ) {
        try {
          await pending;
          return this.#commit(entries);
        } catch (error) {
          this.#ahead = undefined;
          if (!RondoError.is(error, 'JOURNAL_CONFLICT')) throw error;
          const { next } = this.run;
          if (await this.#adopt(entries)) return;
          // the store refuses, and holds nothing new that would explain it
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

  /** Sends everything that waited as one append. */
  #next(): void {
    const group = this.#waiting;
    this.#waiting = [];
    const make: Make = (seq) => {
      const drafts: Draft[] = [];
      for (const w of group) drafts.push(...w.make(seq + drafts.length));
      return drafts;
    };
    const done = () => {
      for (const w of group) w.resolve();
    };
    const failed = (error: unknown) => {
      for (const w of group) w.reject(error);
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
  }

  /** @returns whether what was found begins with `ours`: an append that was reported as failed had come through. */
  async #adopt(ours: readonly Entry[] = []): Promise<boolean> {
    const { runId, next } = this.run;
    const found: Entry[] = [];
    for await (const entry of this.#journal.read(runId, next - 1)) found.push(entry);
    if (found.length > 0) this.#ahead = undefined;
    const through = next > 0 && ours.length > 0 && ours.every((entry, i) => same(entry, found[i]));
    // as the store has them: another process may have written the same at another moment
    if (through) this.#commit(found.slice(0, ours.length));
    for (const entry of found) {
      if (entry.seq < this.run.next) continue;
      if (next === 0)
        throw new RondoError('RUN_EXISTS', `there is a run ${runId} already. Use another id, or resume or watch that run.`, {
          details: { runId },
        });
      if (!this.guest && !FOREIGN.has(entry.type))
        throw new RondoError('RUN_BUSY', `run ${runId} was taken over by another process; watch it there.`, { details: { runId } });
      this.#commit([entry]);
    }
    return through;
  }

  /** The store holds these entries. */
  #commit(entries: readonly Entry[]): void {
    for (const entry of entries) {
      apply(this.run, entry);
      this.#committed(entry);
    }
  }
}

const same = (a: Entry, b: Entry | undefined) => b !== undefined && JSON.stringify({ ...a, at: 0 }) === JSON.stringify({ ...b, at: 0 });

/** Conflicts in a row in which no other entries were found. */
const MAX_REFUSALS = 3;

const POWER = { sync: 'power' } as const;
