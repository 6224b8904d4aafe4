/**
 * What the saver keeps in a journal. One `put` or `putWrites` of LangGraph is one entry, so it is there in whole or not at all.
 */
import type { Entry } from '../../journal/entries.ts';

/** A serialised value: JSON as text, anything else in base64, or the change to what entry `from` holds of the same channel. */
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
  /** The channels that are new in it. The others are those of its parent, as far as the versions are the same. */
  values: { readonly [channel: string]: Kept };
  /** Channels that it has neither from itself nor from its parent, and the entry that holds them: those of a copy. */
  from?: { readonly [channel: string]: number };
}

export interface WritesRecord {
  kind: 'writes';
  ns: string;
  id: string;
  task: string;
  /** Where the task stands among those of its step. Versions of LangGraph that do not pass it left it out. */
  path?: string;
  /** Place, channel, value. A negative place is overwritten, another one is kept as it was first written. */
  writes: readonly (readonly [number, string, Kept])[];
}

export type CheckpointData = CheckpointRecord | WritesRecord;

/** An entry of a thread. Only this adapter reads it; to the core it is opaque. */
export interface CheckpointEntry {
  v: 1;
  seq: number;
  at: number;
  type: 'checkpoint.put';
  saver: 'langgraph';
  data: CheckpointData;
}

export function asEntry(seq: number, at: number, data: CheckpointData): Entry {
  const entry: CheckpointEntry = { v: 1, seq, at, type: 'checkpoint.put', saver: 'langgraph', data };
  return entry as unknown as Entry;
}

export function dataOf(entry: Entry): CheckpointData | undefined {
  const { type, saver, data } = entry as unknown as CheckpointEntry;
  return type === 'checkpoint.put' && saver === 'langgraph' ? data : undefined;
}
