import type { Failure } from '../errors.ts';
import type { Json } from '../json.ts';
import type { ModelRequest, ModelResponse } from '../ports/model.ts';

export type ToolOutcome = { ok: true; output: Json } | { ok: false; error: Failure };

/** Wraps model and tool calls: after the gate, around the retries. The first of a list is outermost; the engine's are outside the agent's. */
export interface Middleware {
  model?(request: ModelRequest, next: (request: ModelRequest) => Promise<ModelResponse>): Promise<ModelResponse>;
  /** `next(input)` runs the tool with other arguments, unchecked: a wrapper is trusted code. */
  tool?(call: { name: string; input: Json }, next: (input?: Json) => Promise<ToolOutcome>): Promise<ToolOutcome>;
}
