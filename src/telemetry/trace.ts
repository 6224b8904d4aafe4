import type { Failure } from '../errors.ts';
import type { Decision, RunStatus } from '../journal/entries/entries.ts';
import type { Json } from '../json.ts';
import type { GuardrailVerdict } from '../ports/guardrail.ts';
import type { Model, ModelRequest, Part, Usage } from '../ports/model.ts';
import type { Principal } from '../ports/principal.ts';

/**
 * The interface between the loop and telemetry. Each argument type is a subset of a journal entry, so that the entry itself can be passed.
 * Times (`at`) are epoch milliseconds of the journal's clock. Default: now, by this process's clock. Nothing here throws.
 */
interface Traced {
  /** W3C traceparent of this span, for the journal or another process; undefined without a trace. */
  readonly traceparent: string | undefined;
  /** Runs user code with this span as its parent. Returns and throws what `fn` does. */
  run<T>(fn: () => T): T;
}

/** One claim of a run: an `invoke_agent` span. */
export interface AgentTrace extends Traced {
  /** Starts a `chat` span, with `summary` for the call that writes one. Call it before the model call. Without content capture only the output format of `request` is read. */
  chat(step: number, model: TracedModel, request?: ModelRequest, at?: number, summary?: boolean): ChatTrace;
  /** Starts an `execute_tool` span. Call it before the first attempt. */
  tool(step: number, call: ToolStart, at?: number): ToolTrace;
  /** Starts the span of a graph node. Call it before the node's function. */
  node(step: number, node: { call: string; name: string }, at?: number): NodeTrace;
  /** Starts the `invoke_agent` span of a sub-agent, under this one. */
  agent(o: { agent: string; description?: string; path: readonly string[] }, at?: number): AgentTrace | undefined;
  approvalRequested(a: { id: string; kind: string; tool: string; call?: string }, at?: number): void;
  /** A call began to wait, until a time in epoch milliseconds. */
  waitBegan(w: { call: string; until: number }, at?: number): void;
  /** The model sees less of the conversation from now on. `dropped` and `cleared` count messages and results. */
  contextCompacted(c: { policy: string; dropped: number; cleared: number; tokens: { before: number; after: number } }, at?: number): void;
  approvalDecided(a: { id: string; decision: Pick<Decision, 'type'>; by?: Principal }, at?: number): void;
  /** A guardrail ruled on an input, an output, or the result of a call. */
  guardrailRuled(v: GuardrailVerdict & { call?: string | undefined }, at?: number): void;
  /** A grader's score of the run, after its end. */
  evaluated(score: { name: string; pass: boolean; score: number; reason?: string; usd?: number; failed?: true }): void;
  /** Ends the span. Spans of calls and nodes that are still open end with the error `UNFINISHED`. */
  end(settled: Settled, totals?: Totals, at?: number): void;
}

/** One model call with all its attempts and fallbacks. End it after the answer is committed. */
export interface ChatTrace extends Traced {
  /** Records that the answer arrived. @param firstChunk seconds from the request to the first chunk of a streamed answer. */
  answered(id: string | undefined, firstChunk?: number): void;
  failedAttempt(a: FailedAttempt, at?: number): void;
  end(o: ChatEnd, at?: number): void;
}

/** One tool call with all its attempts. End it after the result is committed. */
export interface ToolTrace extends Traced {
  failedAttempt(a: FailedAttempt, at?: number): void;
  end(o: ToolEnd, at?: number): void;
}

/** One call of a node's function. End it after its result or failure is committed. */
export interface NodeTrace extends Traced {
  end(o: Pick<ToolEnd, 'error'>, at?: number): void;
}

export type TracedModel = Pick<Model, 'provider' | 'id' | 'standin' | 'maxOutput' | 'settings'>;

/** What a circuit breaker guards. Not the name of a step, which may contain an id and be new in every run, but that of its node. */
export type BreakerTarget = { model: Pick<TracedModel, 'provider' | 'id' | 'standin'> } | { tool: string } | { node: string };

export interface AgentStart {
  agent: string;
  description?: string;
  runId: string;
  session?: string;
  /** Exported only if content capture is on, because it identifies a person. */
  by?: Principal;
  /** Number of the claim, from 1. */
  epoch?: number;
  /** traceparent of the run's first `invoke_agent` span. Default, for the first claim: the caller's active span. */
  parent?: string;
  /** traceparent of the previous claim. */
  link?: string;
  at?: number;
}

export interface ToolStart {
  /** Rondo's id of the call, `<seq>.<index>`. */
  call: string;
  /** The name of a declared tool. Do not start a span for a name that the model invented: it is content. */
  name: string;
  description?: string;
  effect?: string;
  /** The provider's id of the call, if it has one. */
  id?: string;
  /** Read only if content capture is on. */
  input?: Json;
}

export interface FailedAttempt {
  attempt: number;
  code: string;
  message?: string;
  /** Milliseconds until the next attempt. Absent if there is none. */
  retryIn?: number;
  /** The model that is asked next, `provider/id`. */
  fallback?: string;
  /** US dollars that the attempt of a tool cost. */
  usd?: number;
}

export interface ChatEnd {
  /** `provider/id` of the model that answered. */
  model?: string;
  stop?: 'end' | 'tools' | 'length' | 'context' | 'blocked';
  usage?: Usage;
  usd?: number;
  attempts?: number;
  content?: readonly Part[];
  error?: Pick<Failure, 'code'> & Partial<Failure>;
}

export interface ToolEnd {
  attempts?: number;
  /** US dollars of the last attempt. */
  usd?: number;
  /** The result is that of another call. */
  cached?: object;
  output?: Json;
  error?: Pick<Failure, 'code'> & Partial<Failure>;
}

export interface Settled {
  /** Absent if this process lost the run before it had a result. */
  status?: Exclude<RunStatus, 'queued' | 'running'>;
  error?: Pick<Failure, 'code'> & Partial<Failure>;
  limit?: { name: string; max: number; used: number | null; needed?: number };
}

/** Totals of the whole run so far. */
export interface Totals {
  usage?: Usage;
  usd?: number;
}
