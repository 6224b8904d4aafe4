import type { Failure } from '../errors.ts';
import type { CallId } from '../journal/entries/entries.ts';
import type { Json } from '../json.ts';
import type { ModelRequest, ModelResponse } from '../ports/model.ts';

/**
 * How a call ended. `output` has secrets masked and is cut at the tool's `maxBytes`. A failure that a wrapper returns needs `code` and
 * `message`; the engine sets `attempts`, and takes `outcome` from the call where it is missing.
 */
export type ToolOutcome = { ok: true; output: Json } | { ok: false; error: Failure };

/** Where a wrapper is called. */
export interface StepInfo {
  readonly runId: string;
  /** The name of the agent whose step it is. */
  readonly agent: string;
  /** The agents from the run's top agent down to this one. */
  readonly path: readonly string[];
  /** The call that this agent answers. Absent for the top agent. */
  readonly frame?: CallId;
  /** From 1. */
  readonly step: number;
  /** The session as the application named it; undefined for a run without one. */
  readonly session: string | undefined;
  /** The run's context, as the application passed it. */
  readonly context: unknown;
}

/** Where a `model` wrapper is called. `summary`: the call writes a summary of the conversation for a policy of `compact`; the step comes after it. */
export interface AskInfo extends StepInfo {
  readonly summary?: true;
}

/** Where a `tool` wrapper is called. `step`: the one whose answer made the call. */
export interface CallInfo extends StepInfo {
  /** As in the journal and in events; not the id that the provider gave the call. */
  readonly callId: CallId;
  /** It is one of the engine's own tools that only read: `find_tools`, `read_result`. */
  readonly builtIn?: true;
}

/** Wraps model and tool calls: after the gate, around the retries. The first of a list is outermost; the engine's are outside the agent's. */
export interface Middleware {
  /**
   * Changes the model request of a step: other instructions, fewer or other messages (compaction), fewer tools. Called before each step,
   * first of the list first, with a timeout of 30 seconds. Its changes are journaled when they change; the conversation itself stays. It
   * returns a request and must not mutate its argument.
   */
  step?(request: ModelRequest, info: StepInfo): ModelRequest | Promise<ModelRequest>;
  /**
   * Wraps a model call with its retries. Each call of `next` asks the model, is checked against the limits, and is charged. The usage in
   * the journal is that of the last one, whatever is returned. A wrapper that throws an error of its own, or takes too long besides `next`,
   * ends the agent with `MIDDLEWARE_FAILED`.
   */
  model?(request: ModelRequest, next: (request: ModelRequest) => Promise<ModelResponse>, info: AskInfo): Promise<ModelResponse>;
  /** `next(input)` runs the tool with other arguments. They are not validated, because a wrapper is trusted code. */
  tool?(call: { name: string; input: Json }, next: (input?: Json) => Promise<ToolOutcome>, info: CallInfo): Promise<ToolOutcome>;
}
