import type { Json } from '../json.ts';

/** The options of an append. */
export interface RecordAppendOptions {
  /** How many values the key must hold, 0 for a new key. Default: any number. */
  expected?: number;
  /** What the append survives once it is acknowledged: a killed process (the default), or power loss. */
  sync?: 'power' | 'process';
}

/** Values that are appended to a key in the same unit as entries of a run. */
export interface RecordChange {
  namespace: string;
  key: string;
  /** Appended in this order. */
  values: readonly Json[];
  /** How many values the key must hold, 0 for a new key. */
  expected: number;
}

/** The page of a list of keys. */
export interface RecordListOptions {
  /** The last key of the previous page. It may have been deleted since. */
  after?: string;
  /** Most keys. Default: all. */
  limit?: number;
}

/**
 * The storage of data other than runs. A record is a list of JSON values under a namespace and a key. It only grows until it is deleted.
 * Namespace and key are well-formed texts of 1 to 500 characters. Every implementation must pass `recordsConformance` of
 * `rondo/testing`.
 *
 * Values are stored as JSON and unchanged. They must not be changed after they were given or returned, so a store need not copy them.
 * A method may return a value or a promise.
 */
export interface Records {
  /**
   * Appends all values as one atomic unit, or none. An empty list only checks `expected`.
   * @returns the number of values that the key holds now.
   * @throws RondoError `JOURNAL_CONFLICT` (details `{ namespace, key, expected, held }`) if the key does not hold `expected` values.
   * @throws RondoError `JOURNAL_UNAVAILABLE` if the store is locked, full or unreachable: nothing was written, and a retry may succeed.
   */
  append(namespace: string, key: string, values: readonly Json[], o?: RecordAppendOptions): number | Promise<number>;
  /**
   * The values from an index on (default 0), in order. None for an unknown key.
   * @throws RondoError `JOURNAL_DAMAGED` if a stored value is damaged.
   */
  read(namespace: string, key: string, from?: number): Iterable<Json> | AsyncIterable<Json>;
  /** The keys of a namespace that hold values, each once, in a stable order. */
  list(namespace: string, o?: RecordListOptions): Iterable<string> | AsyncIterable<string>;
  /**
   * Deletes a key with all its values. An unknown key is not an error. When this resolves, the values are in none of the store's files.
   * Throws `JOURNAL_UNAVAILABLE` if that cannot be guaranteed yet. A later append starts again with value 0.
   */
  delete(namespace: string, key: string): void | Promise<void>;
}
