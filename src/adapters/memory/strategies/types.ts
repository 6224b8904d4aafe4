/** What a strategy is: how records are made from what was said. */
import type { MemoryRecord, Origin, RecordValue } from '../../../ports/memory-store.ts';
import type { Model } from '../../../ports/model.ts';

/** What was said in one event, as far as the strategy reads it: texts, and data as JSON text. */
export interface Talk {
  readonly actor: string;
  readonly session: string;
  /** The id of the event. */
  readonly event: string;
  /** Epoch milliseconds. */
  readonly at: number;
  /** Of the event. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly lines: readonly Line[];
}

export interface Line {
  readonly origin: Origin;
  readonly text: string;
}

/** A record to be, as an extraction answers it. */
export interface Found {
  /** 1 to 16,000 characters. */
  readonly text: string;
  readonly metadata?: Readonly<Record<string, RecordValue>>;
  /** One of the strategy's other namespaces, by its name. Default: its `namespace`. */
  readonly into?: string;
}

/** What was found, and the records that it is compared with, the most similar first. */
export interface Candidate extends Found {
  readonly similar: readonly MemoryRecord[];
}

/** What becomes of what was found. `id` is that of one of the similar records; its text so far is kept as history. */
export type Merge =
  | { readonly do: 'add' }
  | { readonly do: 'update'; readonly id: string; readonly text: string }
  | { readonly do: 'skip' };

/** What extraction and consolidation may use. */
export interface Learning {
  /** The strategy's model, else the memory's. */
  readonly model: Model | undefined;
  /** Aborted after 5 minutes, when another process took over, and when the memory is closed. */
  readonly signal: AbortSignal;
  /** The newest records of the namespace that this event is for, newest first. */
  known(o?: { into?: string; limit?: number }): Promise<readonly MemoryRecord[]>;
}

/**
 * How to merge: `compare` with similar records, and add, update or skip; `append` adds each that is not there word for word; `replace`
 * keeps one record in a namespace and changes its text.
 */
export type MergeRule = 'compare' | 'append' | 'replace';

/** Made by `facts()`, `preferences()`, `summary()`, `episodes()` and `strategy()`. Plain data and two functions. */
export interface Strategy {
  /** Its id, in records and jobs. */
  readonly name: string;
  /** A template of a namespace, such as `/facts/{actorId}/`. */
  readonly namespace: string;
  /** Templates of further namespaces, by name. */
  readonly others: Readonly<Record<string, string>>;
  /** Whose words are read. */
  readonly origins: readonly Origin[];
  readonly merge: MergeRule;
  /** Milliseconds after which a record of it goes, from its last change. Undefined: the memory's, if it has one for the namespace. */
  readonly expires: number | undefined;
  readonly model: Model | undefined;
  /** It cannot do without a model. */
  readonly asks: boolean;
  extract(talk: Talk, learning: Learning): Promise<readonly Found[]>;
  /** Decides for each candidate, in their order. Called with those that have similar records. Absent: each is added. */
  consolidate?: ((found: readonly Candidate[], learning: Learning) => Promise<readonly Merge[]>) | undefined;
}
