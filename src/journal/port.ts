import type { Entry, RunStatus } from './entries.ts';
import type { Listener, SubscribeOptions } from './listeners.ts';
import type { Records } from './records.ts';

/** The part of a run that is looked up without reading its journal. Can be rebuilt from it, but for the lease. */
export interface RunHead {
  runId: string;
  agent: string;
  status: RunStatus;
  /** Its name among those of the tenant: see `sessionKey`. */
  session?: string;
  tenant?: string;
  /** Id of the principal on whose behalf the run was started. */
  by?: string;
  /** The run this one was forked from. */
  fork?: string;
  /**
   * Who drives the run, while it is `running`. A head that is `running` and names no owner comes from somebody else, such as one
   * who decides: the stored owner and lease stay as they are.
   */
  owner?: string;
  /** The owner's lease, epoch milliseconds. */
  leaseUntil?: number;
  /**
   * When an engine should look at the run, epoch milliseconds. Paused: its first approval expires. Completed: its conversation is not
   * in the memory yet.
   */
  wakeAt?: number;
  /** Epoch milliseconds; lists are newest first. */
  startedAt: number;
  /** Calls whose outcome is unknown, for an operator to settle. */
  unknowns?: number;
  /** Format of the newest entry. */
  version: number;
  /** Entries so far. A store may keep the one of the last head it wrote. */
  seq: number;
  /** Set by a store that finds the head, or the last entry it was written with, changed since: read the run to know. Never stored. */
  doubtful?: true;
}

/** A head that was read, as the place in a list where the next page begins. */
export type HeadCursor = Pick<RunHead, 'runId' | 'startedAt'>;

/** Equality on each given field. */
export type HeadFilter = Partial<Pick<RunHead, 'runId' | 'agent' | 'status' | 'session' | 'tenant' | 'by' | 'fork'>> & {
  /** Heads whose `owner` begins with this text: the owners of one machine. */
  ownerPrefix?: string;
  /** Bounds the answer. */
  limit?: number;
  /**
   * The last head of the page before; the answer goes on behind it. Where that run was removed since, runs that started in the same
   * millisecond may come twice.
   */
  after?: HeadCursor;
};

/** What `Journal.due` looks for. */
export interface DueFilter {
  /** `running`: the lease has ended (`leaseUntil` is `now` or before, or not set). `paused` and `completed`: `wakeAt` is `now` or before. */
  status: 'running' | 'paused' | 'completed';
  /** Epoch milliseconds, by the store's clock. */
  now: number;
  /** Heads at most. */
  limit: number;
  /** The last head of the page before, as it was read; the answer goes on behind it. */
  after?: RunHead;
}

/**
 * Where runs are kept. Every store must pass `journalConformance` of `rondo/testing`.
 * A method may answer at once or with a promise; answering at once is faster.
 */
export interface Journal {
  /** Whether entries survive this process. */
  readonly durable: boolean;
  /**
   * What a crash can leave of the end of a run. `never` (the default): an acknowledged append is whole, so one that is not is damage.
   * `last-append`: the last append may be torn, and is then left out; for files that are appended to without a log of their own.
   */
  readonly tornTail?: 'never' | 'last-append';
  /**
   * Appends as one atomic unit, if and only if the journal holds exactly `expectedSeq` entries, and stores `head`.
   * Resolves when the entries survive a killed process; with `sync: 'power'`, when they survive power loss.
   * @throws RondoError `JOURNAL_CONFLICT` where it holds more or fewer; nothing is written then.
   * @throws RondoError `SESSION_BUSY` (details `{ runId }`) where the head is `running` or `paused` in a session
   *   (of its tenant) that has another run in such a state.
   * @throws RondoError `JOURNAL_UNAVAILABLE` where the store is locked, full or out of reach: nothing was written, a later try may succeed.
   */
  append(
    runId: string,
    expectedSeq: number,
    entries: readonly Entry[],
    head: RunHead,
    o?: { sync?: 'power' | 'process' },
  ): void | Promise<void>;
  /**
   * The entries after a sequence number (default -1, all), in order. None for an unknown run.
   * Damage throws `JOURNAL_DAMAGED`, but for what {@link tornTail} allows; a newer format throws `JOURNAL_VERSION`.
   */
  read(runId: string, after?: number): Iterable<Entry> | AsyncIterable<Entry>;
  /** Newest first, by `startedAt`. */
  heads(filter: HeadFilter): Iterable<RunHead> | AsyncIterable<RunHead>;
  /**
   * The heads of runs that an engine should drive on, those due longest first: by `leaseUntil` or `wakeAt` (see `dueAt`), then by run
   * id. Reads no more than it answers, however many runs the store holds. Without it, an engine lists all heads of that status.
   */
  due?(filter: DueFilter): Iterable<RunHead> | AsyncIterable<RunHead>;
  /**
   * Takes or prolongs the lease on a run: true where no other owner's lease is alive, by the store's clock.
   * Only liveness hangs on it; safety is `append`'s compare-and-set.
   */
  renew(runId: string, owner: string, until: number): boolean | Promise<boolean>;
  /**
   * Forgets a run: entries, head, and blobs that no other run uses. What is forgotten is in none of the store's files when this
   * resolves; `JOURNAL_UNAVAILABLE` where that is not sure yet.
   */
  remove(runId: string): void | Promise<void>;
  /**
   * Puts entries in the place of those of the same numbers, which are forgotten as by `remove`. Used for nothing else: entries of
   * other runs that repeat the words of a forgotten one. Numbers that the run does not hold are ignored; the head stays.
   */
  rewrite?(runId: string, entries: readonly Entry[]): void | Promise<void>;
  /**
   * Calls the listener with the id of a run soon after it was appended to, rewritten or removed: at least once after the last of several
   * changes, and never after `signal` is aborted. What the listener throws is ignored. Resolves once no later change is missed.
   * @returns true where changes of every process are heard; false where only those of this process are, so that callers poll as well.
   *   Without this method callers poll.
   */
  subscribe?(listener: Listener, o: SubscribeOptions): boolean | Promise<boolean>;
  /** What is not a run, such as the checkpoints of LangGraph, in the same storage. No run is listed, changed or removed by it. */
  readonly records?: Records;
  /** The store's clock in epoch milliseconds; default `Date.now()`. Expiry is judged by it. */
  now?(): number | Promise<number>;
  close?(): void | Promise<void>;
}
