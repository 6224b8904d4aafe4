import type { Failure } from '../errors.ts';
import type { Json } from '../json.ts';
import type { ModelRequest, ModelResponse } from '../ports/model.ts';

export type ToolOutcome = { ok: true; output: Json } | { ok: false; error: Failure };

/** Information about a step for a `step` wrapper. */
export interface StepInfo {
  readonly runId: string;
  readonly agent: string;
  /** From 1. */
  readonly step: number;
  readonly session: string | undefined;
  /** The run's context, as the application passed it. */
  readonly context: unknown;
}

/** Wraps model and tool calls: after the gate, around the retries. The first of a list is outermost; the engine's are outside the agent's. */
export interface Middleware {
  /**
   * Changes the model request of a step: other instructions, fewer or other messages (compaction), fewer tools. Called before each step,
   * first of the list first, with a timeout of 30 seconds. Its changes are journaled when they change; the conversation itself stays. It
   * returns a request and must not mutate its argument.
   */
  step?(request: ModelRequest, info: StepInfo): ModelRequest | Promise<ModelRequest>;
  model?(request: ModelRequest, next: (request: ModelRequest) => Promise<ModelResponse>): Promise<ModelResponse>;
  /** `next(input)` runs the tool with other arguments. They are not validated, because a wrapper is trusted code. */
  tool?(call: { name: string; input: Json }, next: (input?: Json) => Promise<ToolOutcome>): Promise<ToolOutcome>;
}
