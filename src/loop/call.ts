/** What becomes of one call, from the gate to its end. */
import type { Arguments } from '../hitl/arguments.ts';
import type { Verdict } from '../hitl/gate.ts';
import type { Call } from '../journal/fold.ts';
import type { Json } from '../json.ts';
import type { Crossing, ToolDefinition } from './types.ts';

/** A call that the gate let through. `input` is what was written; the first attempt gets `value`, and may change it. */
export interface Ready extends Arguments {
  tool: ToolDefinition;
  input: Json;
  taken?: true;
  /** The attempt that was entered last; 0 while none was. */
  entered?: number;
  context: unknown;
  credentials?: Readonly<Record<string, string>>;
}

/** What is to become of a call, once the entry that says so is in the journal. */
export type Staged =
  | ({ go: 'start' } & Ready)
  | Exclude<Verdict<ToolDefinition>, { go: 'start' }>
  | { go: 'consent'; provider: string; url: string }
  /** Beyond the limit of tool calls: it stays open, for a resume with a higher one. */
  | ({ go: 'hold' } & Crossing);

/** A call to run; `intended` once its `call.started` is in the journal. */
export interface Due {
  call: Call;
  ready: Ready;
  intended: boolean;
}
