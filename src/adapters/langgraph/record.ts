/**
 * The values that the saver stores in the record of a thread. One `put` or `putWrites` of LangGraph is one value, so it is stored whole or
 * not at all.
 */
import type { Json } from '../../json.ts';

/** A serialised value: JSON as text, anything else in base64, or the change to the same channel's value in value `from` of the record. */
export type Kept = { json: string } | { type: string; base64: string } | { from: number; head: number; tail: number; json: string };

export type Versions = { readonly [channel: string]: number | string };

export interface CheckpointRecord {
  kind: 'checkpoint';
  ns: string;
  id: string;
  parent?: string;
  /** Without its channels. */
  checkpoint: Kept;
  metadata: Kept;
  versions: Versions;
  /** The channels that changed in it. The others are its parent's, if their versions are equal. */
  values: { readonly [channel: string]: Kept };
  /** Channels that neither it nor its parent holds, and the index of the value that holds them: those of a copy. */
  from?: { readonly [channel: string]: number };
}

export interface WritesRecord {
  kind: 'writes';
  ns: string;
  id: string;
  task: string;
  /** The task's position in its step. Versions of LangGraph that do not pass it left it out. */
  path?: string;
  /** Index, channel, value. A write with a negative index is overwritten; others keep their first value. */
  writes: readonly (readonly [number, string, Kept])[];
}

export type CheckpointData = CheckpointRecord | WritesRecord;

/** `at`: when it was written, epoch milliseconds. It tells a value from one of a deleted thread of the same id. */
export type ThreadValue = CheckpointData & { at: number };

/** The namespace of all threads. The key is the thread's id. */
export const NAMESPACE = 'langgraph';

export const asValue = (at: number, data: CheckpointData): Json => ({ at, ...data }) as unknown as Json;

/** Undefined for a value that is not the saver's. */
export function threadValue(json: Json): ThreadValue | undefined {
  const value = json as unknown as Partial<ThreadValue> | null;
  return value?.kind === 'checkpoint' || value?.kind === 'writes' ? (value as ThreadValue) : undefined;
}
