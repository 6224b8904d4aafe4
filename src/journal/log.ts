import { RondoError } from '../errors.ts';
import { type Draft, type Entry, FOREIGN, VERSION } from './entries.ts';
import { apply, emptyFold, type RunFold } from './fold.ts';
import { headAfter, type Lease } from './head.ts';
import type { Journal } from './port.ts';

/** Entries to append; made anew where somebody else appended first, because call ids hang on the sequence number. */
export type Make = (seq: number) => readonly Draft[];

interface Waiting {
  make: Make;
  power: boolean;
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * The one writer of a run's journal in this process. Appends wait for each other; those that come while one is under
 * way go together in the next. An append that meets entries of others adopts decisions and requests to cancel, and
 * tries again; it stops for good where another process claimed the run.
 */
export class Log {
  readonly run: RunFold;
  readonly #journal: Journal;
  readonly #committed: (entry: Entry) => void;
  /** Undefined for one who only adds a decision to a run of nobody's, or of another process. */
  lease: Lease | undefined;
  /** One who does not drive the run, and takes whatever others append. */
  guest: boolean;
  /** How often entries were stamped: those of one time are appended together, or not at all. */
  stamped = 0;
  #busy = false;
  #waiting: Waiting[] = [];

  constructor(journal: Journal, run: RunFold, lease: Lease | undefined, committed: (entry: Entry) => void, guest = false) {
    this.guest = guest;
    this.#journal = journal;
    this.run = run;
    this.lease = lease;
    this.#committed = committed;
  }

  /**
   * Appends, and applies to the fold what was committed. Answers at once where the store does.
   * @throws RondoError `RUN_BUSY` where another process took the run over, or whatever the store throws; nothing was written then.
   */
  append(make: Make, power = false): void | Promise<void> {
    if (this.#busy) return new Promise<void>((resolve, reject) => this.#waiting.push({ make, power, resolve, reject }));
    const entries = this.#stamp(make);
    if (entries.length === 0) return undefined;
    let pending: void | Promise<void>;
    try {
      pending = this.#write(entries, power);
    } catch (error) {
      if (!RondoError.is(error, 'JOURNAL_CONFLICT')) throw error;
      pending = Promise.reject(error);
    }
    if (pending === undefined) return this.#commit(entries);
    this.#busy = true;
    return this.#finish(pending, entries, make, power);
  }

  /**
   * Appends what may come at any time, from whoever: also where another process has taken the run over since.
   * @throws RondoError as `append`, but for `RUN_BUSY`.
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

  async #finish(pending: Promise<void>, entries: readonly Entry[], make: Make, power: boolean): Promise<void> {
    try {
      await this.#settle(pending, entries, make, power);
    } finally {
      this.#free();
    }
  }

  #free(): void {
    this.#busy = false;
    if (this.#waiting.length > 0) this.#next();
  }

  async #settle(pending: Promise<void>, entries: readonly Entry[], make: Make, power: boolean): Promise<void> {
    for (let fruitless = 0; ; ) {
      try {
        await pending;
        return this.#commit(entries);
      } catch (error) {
        if (!RondoError.is(error, 'JOURNAL_CONFLICT')) throw error;
        const { next } = this.run;
        if (await this.#adopt(entries)) return;
        // a store that refuses, and has nothing to show for it
        if (this.run.next === next && ++fruitless > MAX_FRUITLESS) throw error;
        entries = this.#stamp(make);
        if (entries.length === 0) return;
        const again = entries;
        pending = (async () => this.#write(again, power))();
      }
    }
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
        group.some((w) => w.power),
      );
      if (pending) pending.then(done, failed);
      else done();
    } catch (error) {
      failed(error);
    }
  }

  /**
   * Reads and applies what others appended, when no append of ours is under way.
   * @throws RondoError `RUN_BUSY` where another process claimed the run.
   */
  async adopt(): Promise<void> {
    while (this.#busy) await new Promise<void>((resolve, reject) => this.#waiting.push({ make: () => [], power: false, resolve, reject }));
    this.#busy = true;
    try {
      await this.#adopt();
    } finally {
      this.#free();
    }
  }

  /** @returns whether what was found begins with `ours`: an append that was reported as failed had come through. */
  async #adopt(ours: readonly Entry[] = []): Promise<boolean> {
    const { runId, next } = this.run;
    const found: Entry[] = [];
    for await (const entry of this.#journal.read(runId, next - 1)) found.push(entry);
    const through = next > 0 && ours.length > 0 && ours.every((entry, i) => same(entry, found[i]));
    // as the store has them: somebody else may have written the same at another moment
    if (through) this.#commit(found.slice(0, ours.length));
    for (const entry of found) {
      if (entry.seq < this.run.next) continue;
      if (next === 0)
        throw new RondoError('RUN_EXISTS', `there is a run ${runId} already. Use another id, or resume or watch that run.`, {
          details: { runId },
        });
      if (!this.guest && !FOREIGN.has(entry.type))
        throw new RondoError('RUN_BUSY', `run ${runId} was taken over by another process; watch it there.`, { details: { runId } });
      this.#apply(entry);
    }
    return through;
  }

  /** Makes entries of drafts, in place: they are ours, and fresh. */
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

  #write(entries: readonly Entry[], power: boolean): void | Promise<void> {
    const { run } = this;
    return this.#journal.append(run.runId, run.next, entries, headAfter(run, entries, this.lease), power ? POWER : undefined);
  }

  #commit(entries: readonly Entry[]): void {
    for (const entry of entries) this.#apply(entry);
  }

  #apply(entry: Entry): void {
    apply(this.run, entry);
    this.#committed(entry);
  }
}

const same = (a: Entry, b: Entry | undefined) => b !== undefined && JSON.stringify({ ...a, at: 0 }) === JSON.stringify({ ...b, at: 0 });

/** Conflicts in a row in which nobody else had appended anything. */
const MAX_FRUITLESS = 3;

const POWER = { sync: 'power' } as const;
