/** What a model's request has that its conversation does not say. */
import type { Message, Usage } from '../../ports/model.ts';

/** A tool that a search found. `hash` covers what the model sees of it; `source` is the name of its source. */
export interface FoundTool {
  name: string;
  hash: string;
  source: string;
}

/** Tools of a source that a search named without their schemas: the model may ask for them, and not call them yet. */
export interface NamedTools {
  source: string;
  names: readonly string[];
}

/** How a request differs from the conversation. */
export interface Reshaped {
  /** Absent, as `tools`: the request has its own. */
  instructions?: string;
  /** The names of the tools that are left. */
  tools?: readonly string[];
  /** `messages` stand in the place of `replaced` messages, from this index on. Default: from the first one. */
  from?: number;
  /** Default 0. */
  replaced?: number;
  messages?: readonly Message[];
}

/** What the model no longer sees of the conversation. Indexes count all messages of the frame, and the parts of a message. */
export interface LeftOut {
  /** Name of the policy. */
  by: string;
  /** The model had refused the conversation, because it was too long. */
  refused?: true;
  /** Ranges of messages that are left out: from, and up to but not including. Only those that were not left out before. */
  dropped?: readonly (readonly [from: number, to: number])[];
  /** Results that are replaced by a reference. */
  cleared?: readonly (readonly [message: number, part: number])[];
  /** Stands in the place of all that was left out so far. */
  summary?: string;
  /** About how many tokens the request had, and has now. */
  tokens: { before: number; after: number };
  /** `provider/id` of the model that wrote the summary, its usage and cost as in `model.responded`. */
  model?: string;
  standin?: true;
  usage?: Usage;
  usd?: number;
  ms?: number;
  attempts?: number;
}
