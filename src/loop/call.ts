/** What becomes of one call between the gate and its end: prepared, then run, then finished. */
import type { Arguments } from '../hitl/arguments.ts';
import type { Verdict } from '../hitl/gate.ts';
import type { Call } from '../journal/fold.ts';
import type { Json } from '../json.ts';
import type { Part } from '../ports/model.ts';
import type { Crossing, ToolDefinition } from './types.ts';

/** A call that the gate let through. `input` is what was written; the first attempt gets `value`, and may change it. */
export interface Ready extends Arguments {
  tool: ToolDefinition;
  input: Json;
  taken?: true;
  /** Its `call.started` was written before, by a process that is gone: no limit counts it again. */
  resumed?: true;
  context: unknown;
  credentials?: Readonly<Record<string, string>>;
  /** When the first of them ends, epoch milliseconds; left out where none does. */
  expiresAt?: number | undefined;
}

export type Startable = { go: 'start' } & Ready;

/** What is to become of a call, once the entry that says so is in the journal. */
export type Prepared =
  | Startable
  /** The end of the call: what a person answered, or what a `check` found. */
  | { go: 'answer'; output: Json; content?: readonly Part[]; cut?: number }
  | Exclude<Verdict<ToolDefinition>, { go: 'start' } | { go: 'answer' }>
  | { go: 'consent'; provider: string; url: string; handle?: string }
  /** Beyond the limit of tool calls: it stays open, for a resume with a higher one. */
  | ({ go: 'hold' } & Crossing);

/** A call to run. `started` once its `call.started` is in the journal: nothing runs before. */
export interface Due {
  call: Call;
  ready: Startable;
  started: boolean;
}

/** Why a part did not come to its end: it waits for people, or for a higher limit. */
export type Blocked = { waiting: true } | Crossing;
