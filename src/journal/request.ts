/** What a model's request has that its conversation does not say. */
import type { Message } from '../ports/model.ts';

/** A tool that a search found. `hash` covers what the model sees of it; `source` is the name of its source. */
export interface FoundTool {
  name: string;
  hash: string;
  source: string;
}

/** How a request differs from the conversation. */
export interface Reshaped {
  instructions?: string;
  /** The names of the tools that are left. */
  tools?: readonly string[];
  /** The first `replaced` messages are replaced by `messages`. */
  replaced?: number;
  messages?: readonly Message[];
}
