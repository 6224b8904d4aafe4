/** Access to a journal file: opens it, waits for locks, and refuses a file that was closed, replaced or deleted. */
import { setTimeout as sleep } from 'node:timers/promises';
import { RondoError } from '../../../errors.ts';
import { explain, isBusy, LOCKED, stillThere } from './errors.ts';
import { File } from './file.ts';
import { rollback } from './open.ts';
import type { Verdict } from './queue.ts';
import { PATIENCE, PAUSE, Queue } from './queue.ts';

/** Called for each transaction, so that a cache over the file can follow it. */
export interface Observer {
  /** A transaction begins. `foreign`: another connection wrote since the last one. */
  began(foreign: boolean): void;
  committed(): void;
  rolledBack(): void;
}

export class Access {
  readonly path: string;
  readonly queue: Queue;
  readonly #observer: Observer;
  #file: File | undefined;
  /** Set once the file was replaced or deleted. From then on nothing is written. */
  #lost: Error | undefined;
  #closed: 'no' | 'soon' | 'yes' = 'no';

  constructor(path: string, observer: Observer) {
    this.path = path;
    this.#observer = observer;
    this.queue = new Queue(
      (fsync, body) => this.#transact(fsync, body),
      (error) => explain(error, path),
    );
  }

  /** The file, if it is open. */
  get file(): File | undefined {
    return this.#file;
  }

  opened(): File {
    if (!this.#file) {
      if (this.#closed === 'yes') this.refuseClosed();
      this.#file = new File(this.path);
    }
    return this.#file;
  }

  /**
   * Reads after all queued writes of this process, synchronously if no lock is in the way. Throws RondoErrors only.
   * @param run the only run whose entries are read: writes of others stay queued, so that they share a transaction.
   */
  read<T>(rows: (file: File) => Iterable<T>, run?: string): Iterable<T> | AsyncIterable<T> {
    this.refuseClosed();
    if ((!this.queue.concerns(run) || this.queue.catchUp()) && this.#isOpen()) return this.#rows(rows);
    const current = async () => {
      await this.queue.idle();
      for (const until = performance.now() + PATIENCE; !this.#isOpen(); await sleep(PAUSE))
        if (performance.now() > until) throw explain(LOCKED, this.path);
    };
    const read = () => this.#rows(rows);
    return (async function* () {
      await current();
      yield* read();
    })();
  }

  /** The same for a single row that an append will check again: synchronously between two fast appends, and checking the paths as seldom. */
  glance<T>(row: (file: File) => T): T | Promise<T> {
    this.refuseClosed();
    const file = this.#file;
    const rows = () => first(this.read((opened) => [row(opened)])) as T | Promise<T>;
    if (!file || !this.queue.empty || file.isDue) return rows();
    try {
      const found = row(file);
      // what was told must not be lost unnoticed
      if (found !== undefined) file.catchUp();
      return found;
    } catch (error) {
      if (isBusy(error)) return rows();
      throw explain(error, this.path);
    }
  }

  *#rows<T>(rows: (file: File) => Iterable<T>): Generator<T, void, undefined> {
    try {
      yield* rows(this.opened());
    } catch (error) {
      throw explain(error, this.path);
    }
  }

  /** Deletes something, and truncates the `-wal` file, which holds older versions of pages. */
  async forget(write: () => void): Promise<void> {
    this.refuseClosed();
    await this.queue.now(false, write);
    for (const until = performance.now() + PATIENCE; ; await sleep(PAUSE)) {
      let cause: unknown;
      try {
        if (this.opened().emptyLog()) return;
      } catch (error) {
        // what was deleted is committed: it is not told as if nothing had been written
        const told = explain(error, this.path);
        if (!RondoError.is(told, 'JOURNAL_UNAVAILABLE')) throw told;
        cause = error;
      }
      if (performance.now() > until) throw stillThere(this.path, cause);
    }
  }

  /** @throws RondoError `JOURNAL_DAMAGED` if the file was replaced or deleted. Every later use of the journal throws it too. */
  assertThere(file: File): void {
    try {
      file.assertThere();
    } catch (error) {
      if (RondoError.is(error)) this.#lost = error;
      throw error;
    }
  }

  refuseClosed(): void {
    if (this.#lost) throw this.#lost;
    if (this.#closed !== 'no')
      throw new RondoError('ENGINE_CLOSED', `The journal ${this.path} was closed. Make a new one with sqliteJournal().`);
  }

  async close(): Promise<void> {
    if (this.#closed !== 'no') return;
    this.#closed = 'soon';
    this.queue.flush();
    await this.queue.idle();
    this.#closed = 'yes';
    this.#file?.close();
    this.#file = undefined;
  }

  #isOpen(): boolean {
    try {
      const file = this.opened();
      this.assertThere(file);
      file.catchUp();
      return true;
    } catch (error) {
      if (isBusy(error)) return false;
      throw explain(error, this.path);
    }
  }

  #transact(fsync: boolean, body: () => void): Verdict {
    let file: File | undefined;
    try {
      const opened = this.opened();
      this.assertThere(opened);
      opened.sync(fsync);
      opened.begin();
      file = opened;
      this.#observer.began(file.foreignWrites());
      body();
      file.commit(fsync);
      this.#observer.committed();
      return 'done';
    } catch (error) {
      if (file) {
        rollback(file.db);
        this.#observer.rolledBack();
      }
      return isBusy(error) ? 'busy' : { error };
    }
  }
}

/** The first row of what was read. */
export function first<T>(rows: Iterable<T> | AsyncIterable<T>): T | undefined | Promise<T | undefined> {
  if (Symbol.iterator in rows) {
    for (const row of rows) return row;
    return undefined;
  }
  return (async () => {
    for await (const row of rows) return row;
    return undefined;
  })();
}
