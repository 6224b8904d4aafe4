import { type Entry, type Journal, memoryJournal, RondoError, type RunHead } from '../../src/index.ts';

interface Recorded {
  runId: string;
  /** The entries as they would lie on a disk. */
  body: string;
  head: RunHead;
  /** Effects in the world when it was committed. */
  effects: number;
}

/** What may go wrong in a store at its n-th append; undefined: nothing does. */
export type Trouble = (n: number) => 'full' | 'late' | 'late-full' | undefined;

export interface TapeOptions {
  /** How many effects the world has seen so far. */
  effects?: () => number;
  trouble?: Trouble;
  /** Gives the lease to the engine that asks for it. */
  blind?: boolean;
}

/**
 * A journal in memory that keeps what it was given as text, so that no one's object is shared, and that remembers every append: a
 * copy may be cut behind any of them, as a crash would.
 */
export class Tape implements Journal {
  readonly durable = true;
  readonly appends: Recorded[] = [];
  readonly #inner = memoryJournal();
  readonly #o: TapeOptions;
  #tries = 0;

  constructor(o: TapeOptions = {}) {
    this.#o = o;
  }

  append(runId: string, expectedSeq: number, entries: readonly Entry[], head: RunHead): void | Promise<void> {
    const trouble = this.#o.trouble?.(this.#tries++);
    const write = () => {
      if (trouble?.endsWith('full')) throw new RondoError('JOURNAL_UNAVAILABLE', 'no space left, says the test');
      const body = JSON.stringify(entries);
      void this.#inner.append(runId, expectedSeq, JSON.parse(body) as Entry[], head);
      this.appends.push({ runId, body, head: { ...head }, effects: this.#o.effects?.() ?? 0 });
    };
    if (!trouble?.startsWith('late')) return write();
    return new Promise((resolve) => setTimeout(resolve, 5)).then(write);
  }

  read(runId: string, after?: number): Iterable<Entry> {
    return JSON.parse(JSON.stringify([...(this.#inner.read(runId, after) as Iterable<Entry>)])) as Entry[];
  }

  heads: Journal['heads'] = (filter) => this.#inner.heads(filter);
  renew: Journal['renew'] = (runId, owner, until) => this.#o.blind === true || this.#inner.renew(runId, owner, until);
  remove: Journal['remove'] = (...args) => this.#inner.remove(...args);

  entries(runId: string): Entry[] {
    return [...this.read(runId)];
  }

  /** What a process finds that takes over after the first `count` appends. */
  cut(count: number, o: TapeOptions = {}): Tape {
    const copy = new Tape(o);
    for (const { runId, body, head, effects } of this.appends.slice(0, count)) {
      const entries = JSON.parse(body) as Entry[];
      void copy.#inner.append(runId, entries[0]?.seq as number, entries, {
        ...head,
        owner: undefined as never,
        leaseUntil: undefined as never,
      });
      copy.appends.push({ runId, body, head, effects });
    }
    return copy;
  }
}
