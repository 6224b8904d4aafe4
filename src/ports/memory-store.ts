import type { Json } from '../json.ts';

/**
 * Where a memory keeps what was said (events, short term) and what was learned from it (records, long term). Implementations: `sqliteMemory()` in
 * `rondo/memory`, and `agentcoreMemory()` in `rondo/agentcore/memory`. All times are epoch milliseconds. All errors are `RondoError`s with a code of docs/memory.md.
 */
export interface MemoryStore {
  /**
   * Adds an event. If its `key` was used before, in any process, nothing is added, and the first event is returned.
   * @param o.signal ends what comes before the write, and then nothing is written. A write that has begun is finished, so that who waits for it knows what is there.
   * @throws RondoError `MEMORY_CONFLICT` if the key was used with other content, `MEMORY_INPUT_INVALID` if a limit is exceeded; the reason of `signal`.
   */
  append(event: NewEvent, o?: { signal?: AbortSignal }): Promise<MemoryEvent>;
  /** Newest first. An unknown actor or session has none. */
  events(query: EventQuery): Promise<MemoryPage<MemoryEvent>>;
  event(ref: EventRef): Promise<MemoryEvent | undefined>;
  /** @returns whether there was one. */
  removeEvent(ref: EventRef): Promise<boolean>;
  /** Sessions that have events, newest first. */
  sessions(query: PageQuery & { actor: string }): Promise<MemoryPage<{ session: string; actor: string; createdAt: number }>>;
  /** Actors that have events, by name. */
  actors(query: PageQuery): Promise<MemoryPage<{ actor: string }>>;

  /** The records that match a text, best first. */
  search(query: SearchQuery): Promise<MemoryPage<FoundRecord>>;
  /** All records of a namespace, newest first. */
  list(query: RecordQuery): Promise<MemoryPage<MemoryRecord>>;
  record(id: string): Promise<MemoryRecord | undefined>;
  /**
   * Adds records, at most 100. The answers are in the order of `records`; a record that is refused does not stop the others. Pass the same `key` with
   * every attempt: records that were added before are returned and not added again.
   */
  add(records: readonly NewRecord[], o?: { key?: string }): Promise<readonly Written[]>;
  /** Changes records, at most 100. Fields that a change does not name stay. */
  correct(changes: readonly RecordChange[]): Promise<readonly Written[]>;
  /** Deletes records, at most 100. */
  remove(ids: readonly string[]): Promise<readonly Written[]>;

  /** Extractions that failed, newest first. */
  jobs(query?: JobQuery): Promise<MemoryPage<ExtractionJob>>;
  /** Repeats a failed extraction. @throws RondoError `MEMORY_JOB_UNKNOWN`. */
  redeliver(job: string): Promise<void>;
  /** Resolves when all events so far have been extracted, or their extraction has failed for good. */
  settled(o?: { actor?: string; session?: string; signal?: AbortSignal }): Promise<void>;
  /**
   * Explains the result of a search. Absent if the store cannot tell. `among`: the namespaces that the explanation may name, with all below them. Default: all,
   * also those of other users.
   */
  explain?(query: SearchQuery & { among?: readonly string[] }): Promise<Explanation>;
  /** Removes the events of an actor, or of one session, and everything derived from them. Idempotent. */
  forget(whom: { actor: string; session?: string }): Promise<void>;
  close(): Promise<void>;
}

/** The page of a list. */
export interface PageQuery {
  /** Entries of a page, 1 to 100. Default 20. */
  limit?: number;
  /** `next` of the page before. */
  after?: string;
  signal?: AbortSignal;
}

export interface MemoryPage<T> {
  items: readonly T[];
  /** Absent on the last page. */
  next?: string;
}

export type EventItem =
  /** At most 100,000 characters. */
  | { kind: 'text'; role: 'user' | 'assistant' | 'tool' | 'other'; text: string }
  /** Data that extraction may read, at most 100 KB. */
  | { kind: 'json'; value: Json }
  /** Data that extraction never reads. */
  | { kind: 'blob'; value: Json };

export interface NewEvent {
  actor: string;
  /** Default: a new one. */
  session?: string;
  /** When it happened. Two events of a session in one millisecond have no order in AgentCore: the later one gets the next free millisecond. Default: now. */
  at?: number;
  /** At most 100. */
  items: readonly EventItem[];
  /** A branch of the conversation. `root`: the last event that both share; needed for the first event of a branch. */
  branch?: { name: string; root?: string };
  /** At most 15 entries of at most 256 characters. */
  metadata?: Readonly<Record<string, string>>;
  /** False: it is stored, and nothing is learned from it. Default true. */
  extract?: boolean;
  /** Values of a namespace's own variables. */
  variables?: Readonly<Record<string, string>>;
  /** The same for every attempt to add this event. */
  key?: string;
}

export interface MemoryEvent extends Required<Pick<NewEvent, 'actor' | 'session' | 'at' | 'items'>> {
  /** Ids of a session sort as text by time: 19 digits of milliseconds, `#`, 8 hexadecimal digits. */
  id: string;
  branch?: { name: string; root?: string };
  metadata?: Readonly<Record<string, string>>;
}

/** What names an event. */
export interface EventRef {
  actor: string;
  session: string;
  id: string;
}

export interface EventQuery extends PageQuery {
  /** As the events were added with it, letter for letter, like `session`. */
  actor: string;
  session: string;
  /** False: without `items`. Default true. */
  items?: boolean;
  /** One branch. `parents`: also the events before it that it shares with other branches. Default: all events. */
  branch?: { name: string; parents?: boolean };
  /** All must hold. */
  metadata?: readonly EventFilter[];
}

export type EventFilter = { key: string; is: 'equal'; value: string } | { key: string; is: 'present' | 'absent' };

/** Text, a list of texts, a number, or a date in epoch milliseconds. */
export type RecordValue = string | readonly string[] | number | { date: number };

/** All must hold. A record without the key holds only `absent`. */
export type RecordFilter =
  | { key: string; is: 'present' | 'absent' }
  | { key: string; is: 'equal' | 'contains' | 'before' | 'after' | 'greater' | 'at-least' | 'less' | 'at-most'; value: RecordValue };

export interface RecordQuery extends PageQuery {
  /** A whole namespace such as `/facts/ana/`, or with `within` all below it. */
  namespace: string;
  /** Also the namespaces below, by whole segments: `/facts/` has `/facts/ana/`, and not `/factsheet/`. Default true, as AgentCore does. */
  within?: boolean;
  /** By id of a strategy. */
  strategy?: string;
  metadata?: readonly RecordFilter[];
}

export interface SearchQuery extends RecordQuery {
  /** At most 10,000 characters. */
  text: string;
  /** Records in all, 1 to 100. Default 10. */
  top?: number;
}

/** Who said what a record holds. Records of other origins than `user` are never recalled into instructions. */
export type Origin = 'user' | 'assistant' | 'tool' | 'application';

export interface MemoryRecord {
  /** `mem-` and 36 characters or more. */
  id: string;
  namespace: string;
  text: string;
  /** Id of the strategy that it belongs to. Absent: none. */
  strategy?: string;
  metadata?: Readonly<Record<string, RecordValue>>;
  createdAt: number;
  /** When it was last changed. */
  updatedAt?: number;
  /** Default `application`. A store that cannot tell leaves it out. */
  origin?: Origin;
  /** What it was learned from, in the order in which it was learned. */
  from?: readonly Provenance[];
  /** Earlier texts, oldest first. */
  history?: readonly { text: string; until: number }[];
  expiresAt?: number;
}

/** Where a record comes from. */
export interface Provenance {
  actor: string;
  /** Absent: it is not from one session. */
  session?: string;
  /** Ids of events. */
  events?: readonly string[];
  run?: string;
}

export interface FoundRecord extends MemoryRecord {
  /** Higher is better, on the store's own scale. */
  score: number;
}

export interface NewRecord {
  namespace: string;
  /** 1 to 16,000 characters. */
  text: string;
  strategy?: string;
  metadata?: Readonly<Record<string, RecordValue>>;
  /** When it became true. Default: now. */
  at?: number;
  origin?: Origin;
  from?: Provenance;
  expiresAt?: number;
}

export interface RecordChange {
  id: string;
  /** A store that keeps `history` adds the text before to it. */
  text?: string;
  namespace?: string;
  /** Replaces all of it. */
  metadata?: Readonly<Record<string, RecordValue>>;
  /** When it was changed. Default: now. */
  at?: number;
  /** What the change was learned from. It is added to what the record was learned from. */
  from?: Provenance;
  /** When it expires. Null: never. */
  expiresAt?: number | null;
}

/** In the order of the request. */
export type Written = { ok: true; id: string } | { ok: false; id?: string; code: string; message: string };

export interface JobQuery extends PageQuery {
  actor?: string;
  session?: string;
  strategy?: string;
}

/** An extraction that failed, for `redeliver`. */
export interface ExtractionJob {
  id: string;
  strategy: string;
  actor: string;
  session: string;
  status: 'failed';
  /** What went wrong, without the text of the conversation. */
  reason: string;
  /** Which messages: an event, and the position of its item. */
  messages: readonly { event: string; item: number }[];
}

export interface Explanation {
  /** One sentence, such as "No namespace /facts/anna/ has records; /facts/ana/ has 3." */
  why: string;
  /** Namespaces that have records and are near to what was asked, and how many. */
  near: readonly { namespace: string; records: number }[];
  /** How many records were left after each step, in order. */
  steps: readonly { step: 'namespace' | 'strategy' | 'metadata' | 'expired' | 'matched' | 'top'; records: number }[];
}
