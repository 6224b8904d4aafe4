import type { Claim, ClaimChange, ClaimKey } from './claims.ts';
import type { EffectChange, EffectFilter, EffectRow } from './effects.ts';
import type { Entry, RunStatus } from './entries/entries.ts';
import type { Inbox, WaitChange } from './inbox.ts';
import type { Listener, SubscribeOptions } from './listeners.ts';
import type { RecordChange, Records } from './records.ts';

/** A summary of a run for lookups without reading its journal. It can be rebuilt from the journal, except for the lease. */
export interface RunHead {
  runId: string;
  /** Name of the top agent. */
  agent: string;
  status: RunStatus;
  /** The session's key within the tenant, see `sessionKey`. */
  session?: string;
  /** The tenant of `by`. Absent: none. */
  tenant?: string;
  /** Id of the principal on whose behalf the run was started. */
  by?: string;
  /** The run this one was forked from. */
  fork?: string;
  /**
   * The process that drives the run, while it is `running`. A `running` head without an owner comes from a process that does not drive
   * the run, for example with a decision. Then the store keeps its owner and lease.
   */
  owner?: string;
  /** The owner's lease, epoch milliseconds. A store keeps a time that has passed too: it may say why the lease ended. */
  leaseUntil?: number;
  /**
   * When the run is due, epoch milliseconds. Paused: its first approval expires, a wait is over, or a decision or an event has come. Completed: a conversation must be
   * recorded in a memory.
   */
  wakeAt?: number;
  /** Epoch milliseconds; lists are newest first. */
  startedAt: number;
  /** Calls whose outcome is unknown, for an operator to settle. */
  unknowns?: number;
  /** The run does not occupy its session: it only waits for a time or an event, or it went on beside another run. */
  aside?: true;
  /** It is paused, stopped at a limit, or failed with an error that may pass, and has an open approval. One that was upgraded from an older file may have the mark without one. */
  asks?: true;
  /** Format of the newest entry. */
  version: number;
  /** Number of entries. A store need not update it if nothing else in the head changes. */
  seq: number;
  /** Set when the head is read, if the store detects damage in it or in the run's last entry. Then the journal is authoritative. Never stored. */
  doubtful?: true;
}

/** The last head of a page, after which the next page starts. */
export type HeadCursor = Pick<RunHead, 'runId' | 'startedAt'>;

/** Equality on each given field. */
export type HeadFilter = Partial<Pick<RunHead, 'runId' | 'agent' | 'status' | 'session' | 'tenant' | 'by' | 'fork'>> & {
  /** Heads whose `owner` begins with this text: the owners of one machine. */
  ownerPrefix?: string;
  /** Only heads with this mark. Its cost must depend on their number only, not on that of the paused runs. */
  asks?: true;
  /** Most heads to return. */
  limit?: number;
  /**
   * The last head of the previous page. If that run was removed since, runs that started in the same millisecond may be returned twice.
   */
  after?: HeadCursor;
};

/** The filter of `Journal.due`. */
export interface DueFilter {
  /**
   * `running`: the lease has expired (`leaseUntil` is `now` or before, or not set). `paused` and `completed`: `wakeAt` is `now` or before.
   * `queued`: always, whatever `now` is.
   */
  status: 'queued' | 'running' | 'paused' | 'completed';
  /** Epoch milliseconds, by the store's clock. */
  now: number;
  /** Most heads to return. */
  limit: number;
  /** The last head of the previous page, as it was returned. */
  after?: RunHead;
  /** With `queued`: only runs of this tenant; null: only those of none. */
  tenant?: string | null;
  /** With `queued`: only the first run of each tenant. `after`: those of the tenants behind that of this head. */
  firsts?: boolean;
}

/** What an append changes in one unit with its entries. */
export interface AppendOptions {
  /** What the append must survive: loss of power, or a killed process (the default). */
  sync?: 'power' | 'process';
  /** Only stores with `claim` get any. At most 25. */
  claims?: readonly ClaimChange[] | undefined;
  /** Only stores with `effects` get any. */
  effects?: readonly EffectChange[] | undefined;
  /** Only stores with `inbox` get any. */
  waits?: readonly WaitChange[] | undefined;
  /** Only stores with `records` get one. */
  record?: RecordChange | undefined;
}

/**
 * The storage of runs. Every implementation must pass `journalConformance` of `rondo/testing`.
 * A method may return its result directly or as a promise; directly is faster.
 */
export interface Journal {
  /** Whether entries survive this process. */
  readonly durable: boolean;
  /** Whether the entries are on a disk of this machine, so that a container loses them with its disk. */
  readonly local?: boolean;
  /**
   * Whether a crash can tear the last append. `never` (the default): every append is complete, so an incomplete one is damage.
   * `last-append`: an incomplete last append is ignored. For files that are appended to without a write-ahead log.
   */
  readonly tornTail?: 'never' | 'last-append';
  /**
   * Appends as one atomic unit, if and only if the journal holds exactly `expectedSeq` entries, and stores `head`.
   * Resolves when the entries survive a killed process; with `sync: 'power'`, when they survive power loss.
   * @throws RondoError `JOURNAL_CONFLICT` if it holds more or fewer; then nothing is written.
   * @throws RondoError `SESSION_BUSY` (details `{ runId }`) if the head is `running` or `paused` in a session
   *   (of its tenant) that has another run in such a state. Heads with `aside` do not count.
   * @param o.claims changed in the same unit, in this order, as `changedClaim` says. Only stores with `claim` get any.
   * @param o.effects changes of the index of effects, made in the same unit, in this order, as `changedEffect` says. Only stores with
   *   `effects` get any.
   * @param o.record appended to a key in the same unit. @throws RondoError `JOURNAL_CONFLICT`, with the details of `Records.append`, if the key
   *   holds more or fewer values than expected; then nothing is written.
   * @throws RondoError `INTENT_CLAIMED` if a claim cannot be taken: nothing of this append is written, and no other append fails with it.
   * @throws RondoError `JOURNAL_UNAVAILABLE` if the store is locked, full or unreachable: nothing was written, and a retry may succeed.
   */
  append(runId: string, expectedSeq: number, entries: readonly Entry[], head: RunHead, o?: AppendOptions): void | Promise<void>;
  /**
   * The entries after a sequence number (default -1, all), in order. None for an unknown run.
   * Damage throws `JOURNAL_DAMAGED`, except for what {@link tornTail} allows; a newer format throws `JOURNAL_VERSION`.
   */
  read(runId: string, after?: number): Iterable<Entry> | AsyncIterable<Entry>;
  /** Newest first, by `startedAt`. */
  heads(filter: HeadFilter): Iterable<RunHead> | AsyncIterable<RunHead>;
  /**
   * The heads of due runs, longest due first: by `leaseUntil`, `wakeAt` or `startedAt` (see `dueAt`), then by run id; queued ones first by
   * tenant, see `dueOrder`. Its cost must depend on the number of returned heads only, not on the number of runs. Without this method an
   * engine lists all heads of that status.
   */
  due?(filter: DueFilter): Iterable<RunHead> | AsyncIterable<RunHead>;
  /**
   * Takes or renews the lease on a run. @returns false if another owner has a live lease, by the store's clock.
   * Only liveness depends on leases. Safety comes from the compare-and-set of `append`.
   */
  renew(runId: string, owner: string, until: number): boolean | Promise<boolean>;
  /**
   * Removes a run: entries, head, and blobs that no other run uses. When this resolves, none of it is in the store's files. Throws
   * `JOURNAL_UNAVAILABLE` if that cannot be guaranteed yet.
   * @param expectedSeq absent: however many entries there are, also if they are damaged. Nothing happens where there is no such run.
   * @throws RondoError `JOURNAL_CONFLICT` if it holds more or fewer; then nothing is removed.
   */
  remove(runId: string, expectedSeq?: number): void | Promise<void>;
  /**
   * Replaces entries with those of the same numbers. The old ones are removed from all files, as by `remove`. Used only to forget content
   * of a removed run that other runs repeat. Numbers that the run does not hold are ignored, and the head stays.
   */
  rewrite?(runId: string, entries: readonly Entry[]): void | Promise<void>;
  /**
   * Calls the listener with the id of a run soon after it was appended to, rewritten or removed: at least once after the last of several
   * changes, and never after `signal` is aborted. Errors of the listener are ignored. Resolves once no later change can be missed.
   * @returns true if changes by every process are reported; false if only those by this process are, so that callers must poll as well.
   *   Without this method callers poll.
   */
  subscribe?(listener: Listener, o: SubscribeOptions): boolean | Promise<boolean>;
  /**
   * What is known of an intent, as the last append left it; undefined for a key that was never claimed. With it `append` changes claims, and
   * `remove` leaves their tombstones (see `tombstone`). Without it, no tool with a `key` can be used.
   */
  claim?(key: ClaimKey): Claim | undefined | Promise<Claim | undefined>;
  /**
   * The index of effects, newest first: by `at`, then in an order of the store's own. With it `append` changes rows, and `remove` removes those
   * of the run. Without it an engine reads whole journals to list effects.
   */
  effects?(filter: EffectFilter): Iterable<EffectRow> | AsyncIterable<EffectRow>;
  /**
   * Events from outside. With it `append` changes waits in the same unit, as `changedWaits` says, and the wake time of a paused run is 0
   * while an event is assigned to it. Without it, no call can wait for an event.
   */
  readonly inbox?: Inbox;
  /** Data other than runs in the same storage, such as LangGraph checkpoints. They do not affect runs. */
  readonly records?: Records;
  /** The store's clock in epoch milliseconds, by which leases and approvals expire. Default `Date.now()`. */
  now?(): number | Promise<number>;
  /** Frees what the store holds. It may be called again, and does nothing then. */
  close?(): void | Promise<void>;
}
