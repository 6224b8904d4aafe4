import type { Json } from '../json.ts';

/** What may be asked of an append of records. */
export interface RecordAppendOptions {
  /** How many values the key must hold, 0 for a new key. Default: any number. */
  expected?: number;
  /** What the append survives once it is acknowledged: a killed process (the default), or power loss. */
  sync?: 'power' | 'process';
}

/** Where a list of keys begins, and how long it is. */
export interface RecordListOptions {
  /** The last key of the page before. It may be deleted since. */
  after?: string;
  limit?: number;
}

/**
 * Where a store keeps what is not a run. A record is a list of JSON values under a namespace and a key, and only grows until it is
 * deleted. Namespace and key are well-formed texts of 1 to 500 characters. Every implementation must pass `recordsConformance` of
 * `rondo/testing`.
 *
 * Values are stored as JSON and unchanged. They must not be changed after they were given or returned, so a store need not copy them.
 * A method may return a value or a promise.
 */
export interface Records {
  /**
   * Appends all values as one atomic unit, or none. An empty list only checks `expected`.
   * @returns how many values the key then holds.
   * @throws RondoError `JOURNAL_CONFLICT` (details `{ namespace, key, expected, held }`) where the key holds another number than `expected`.
   * @throws RondoError `JOURNAL_UNAVAILABLE` where the store is locked, full or out of reach: nothing was written, a later try may succeed.
   */
  append(namespace: string, key: string, values: readonly Json[], o?: RecordAppendOptions): number | Promise<number>;
  /**
   * The values from an index on (default 0), in order. None for a key that is not there.
   * @throws RondoError `JOURNAL_DAMAGED` where a stored value is not what was written.
   */
  read(namespace: string, key: string, from?: number): Iterable<Json> | AsyncIterable<Json>;
  /** The keys of a namespace that hold values, each once, in an order that depends on the keys alone. */
  list(namespace: string, o?: RecordListOptions): Iterable<string> | AsyncIterable<string>;
  /**
   * Deletes a key with all its values; one that is not there is no error. The values are in none of the store's files when this
   * resolves; `JOURNAL_UNAVAILABLE` where that is not sure yet. A later append begins again with value 0.
   */
  delete(namespace: string, key: string): void | Promise<void>;
}
