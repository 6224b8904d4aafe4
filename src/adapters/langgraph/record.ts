/**
 * The entries that the saver stores in a journal. One `put` or `putWrites` of LangGraph is one entry, so it is stored whole or not at
 * all.
 */
import type { Entry } from '../../journal/entries.ts';

/** A serialised value: JSON as text, anything else in base64, or the change to the same channel's value in entry `from`. */
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
  /** Channels that neither it nor its parent holds, and the entry that holds them: those of a copy. */
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
