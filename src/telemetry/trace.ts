import type { Failure } from '../errors.ts';
import type { Decision, RunStatus } from '../journal/entries.ts';
import type { Json } from '../json.ts';
import type { Model, ModelRequest, Part, Usage } from '../ports/model.ts';
import type { Principal } from '../ports/principal.ts';

/**
 * What the loop tells telemetry. Every shape below is a subset of a journal entry's, so that an entry itself can be passed.
 * Times (`at`) are epoch milliseconds by the journal's clock; left out, this process's clock is taken. Nothing here throws.
 */
interface Traced {
  /** W3C traceparent of this span, for a journal or another process; undefined where there is no trace. */
  readonly traceparent: string | undefined;
  /** Runs user code with this span as its parent. Returns and throws what `fn` does. */
  run<T>(fn: () => T): T;
}

/** One claim of a run: an `invoke_agent` span. */
export interface AgentTrace extends Traced {
  /** Starts a `chat` span: before the model call. Of `request` only what form it asks for is read where content capture is off. */
  chat(step: number, model: TracedModel, request?: ModelRequest, at?: number): ChatTrace;
  /** Starts an `execute_tool` span: before the first attempt. */
  tool(step: number, call: ToolStart, at?: number): ToolTrace;
  /** Starts the span of a graph's node: before its function is called. */
  node(step: number, node: { call: string; name: string }, at?: number): NodeTrace;
  /** Starts the `invoke_agent` span of a sub-agent, under this one. */
  agent(o: { agent: string; description?: string; path: readonly string[] }, at?: number): AgentTrace;
  approvalRequested(a: { id: string; kind: string; tool: string; call?: string }, at?: number): void;
  approvalDecided(a: { id: string; decision: Pick<Decision, 'type'>; by?: Principal }, at?: number): void;
  /** Ends the span, and every span of a call or a node still open with the error `UNFINISHED`. */
  end(settled: Settled, totals?: Totals, at?: number): void;
}

/** One model call with all its attempts and fallbacks. End it after the answer is committed. */
export interface ChatTrace extends Traced {
  /** The answer is there. @param firstChunk seconds from the question to the first piece of a streamed answer. */
  answered(id: string | undefined, firstChunk?: number): void;
  failedAttempt(a: FailedAttempt, at?: number): void;
  end(o: ChatEnd, at?: number): void;
}

/** One tool call with all its attempts. End it after the result is committed. */
export interface ToolTrace extends Traced {
  failedAttempt(a: FailedAttempt, at?: number): void;
  end(o: ToolEnd, at?: number): void;
}

/** One call of a node's function. End it after what it came to is committed. */
export interface NodeTrace extends Traced {
  end(o: Pick<ToolEnd, 'error'>, at?: number): void;
}

export type TracedModel = Pick<Model, 'provider' | 'id' | 'standin' | 'maxOutput' | 'settings'>;

export interface AgentStart {
  agent: string;
  description?: string;
  runId: string;
  session?: string;
  /** Exported only where content capture is on: it names a person. */
  by?: Principal;
  /** Number of the claim, from 1. */
  epoch?: number;
  /** traceparent of the run's first `invoke_agent` span. Left out (the first claim), the caller's active span is the parent. */
  parent?: string;
  /** traceparent of the claim before this one. */
  link?: string;
  at?: number;
}

export interface ToolStart {
  /** Our id, `<seq>.<index>`. */
  call: string;
  /** Of a declared tool. A name that a model made up is content: open no span for it. */
  name: string;
  description?: string;
  effect?: string;
  /** The provider's id of the call, where there is one. */
  id?: string;
  /** Read only where content capture is on. */
  input?: Json;
}

export interface FailedAttempt {
  attempt: number;
  code: string;
  message?: string;
  /** Milliseconds until the next attempt; left out where there is none. */
  retryIn?: number;
  /** The model that takes over, `provider/id`. */
  fallback?: string;
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
  output?: Json;
  error?: Pick<Failure, 'code'> & Partial<Failure>;
}

export interface Settled {
  /** Left out where this process lost the run before it was settled. */
  status?: Exclude<RunStatus, 'running'>;
  error?: Pick<Failure, 'code'> & Partial<Failure>;
  limit?: { name: string; max: number; used: number | null; needed?: number };
}

/** Of the whole run so far. */
export interface Totals {
  usage?: Usage;
  usd?: number;
}
