import type { Failure } from '../errors.ts';
import type { Json } from '../json.ts';
import type { ModelRequest, ModelResponse } from '../ports/model.ts';

export type ToolOutcome = { ok: true; output: Json } | { ok: false; error: Failure };

/** What a `step` wrapper is told of the step. */
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
   * Changes what the model is asked in a step: other instructions, fewer or other messages (compaction), fewer tools. Asked before each step,
   * for at most 30 seconds; the first of a list is asked first. What it changes is written to the journal when it changes, and the
   * conversation itself stays as it is. It returns a request and changes nothing in the one that it gets.
   */
  step?(request: ModelRequest, info: StepInfo): ModelRequest | Promise<ModelRequest>;
  model?(request: ModelRequest, next: (request: ModelRequest) => Promise<ModelResponse>): Promise<ModelResponse>;
  /** `next(input)` runs the tool with other arguments, unchecked: a wrapper is trusted code. */
  tool?(call: { name: string; input: Json }, next: (input?: Json) => Promise<ToolOutcome>): Promise<ToolOutcome>;
}
