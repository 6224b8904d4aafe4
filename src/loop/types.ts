/**
 * The types of the loop, apart from its behaviour: what an agent and a tool are once declared, and what a run lends to the code
 * that drives one agent's part of it. No file that is imported here imports the loop.
 */
import type { Failure } from '../errors.ts';
import type { Crossed, Limits } from '../journal/entries.ts';
import type { Frame, RunFold } from '../journal/fold.ts';
import type { Log, Make } from '../journal/log.ts';
import type { Json } from '../json.ts';
import type { Assertion, Identity } from '../ports/identity.ts';
import type { Memory } from '../ports/memory.ts';
import type { Message, Model, ModelRequest, ToolChoice, ToolSpec } from '../ports/model.ts';
import type { Policy } from '../ports/policy.ts';
import type { Principal } from '../ports/principal.ts';
import type { Question, Tool, ToolOptions, ToolSource } from '../ports/tool.ts';
import type { Prices } from '../pricing/prices.ts';
import type { Breakers } from '../reliability/breaker.ts';
import type { CancelSource } from '../reliability/cancel.ts';
import type { BreakerPolicy, EnvelopePolicy, ReliabilityOptions } from '../reliability/policy.ts';
import type { JsonSchema, Schema } from '../schema.ts';
import type { Secrets } from '../secrets.ts';
import type { AgentTrace } from '../telemetry/trace.ts';
import type { Middleware } from './middleware.ts';
import type { Reserved } from './reserved.ts';

declare const agentType: unique symbol;
/** A declaration, plain data. The type parameters are for the compiler only. */
// biome-ignore lint/suspicious/noExplicitAny: a list of agents holds agents of every type
export interface Agent<I = any, O = any, Ctx = any> {
  readonly name: string;
  readonly description?: string | undefined;
  readonly [agentType]: { input: (i: I) => void; output: O; context: (c: Ctx) => void };
}

/** How tools or model calls are guarded. The nearest declaration wins: tool, then agent, then engine. */
export type Reliability = Omit<ReliabilityOptions, 'effect'>;

/**
 * The most that an agent and all agents below it may use, whatever they declare. A field that is left out sets no bound. The bounds of
 * all agents on the way down apply together.
 */
export interface Grants {
  /** Names of tools, those that stand for sub-agents included. */
  readonly tools?: readonly string[];
  /** Scopes by the name of the provider whose credentials they are of. */
  readonly credentials?: { readonly [provider: string]: readonly string[] };
}

/** What a sub-agent sees of its parent's conversation besides its task: nothing, all of it as text, or what a function picks. */
export type Share = 'task' | 'history' | ((messages: readonly Message[]) => readonly Message[]);

// biome-ignore lint/suspicious/noExplicitAny: inside, a declaration's types are gone
export type AnyToolOptions = ToolOptions<string, Schema, Schema, string, any>;

/** A tool as the engine holds it. Every run shares it; nothing in it changes. */
export interface ToolDefinition extends Tool {
  readonly options: Omit<AnyToolOptions, 'input'> & { input: Schema };
  readonly spec: ToolSpec;
  /** Hash of `spec`: it tells whether what the model is told has changed. */
  readonly hash: string;
  /** Set for a tool that stands for a sub-agent. */
  readonly delegate?: Delegate;
  /** Set for a tool that a person answers. */
  readonly ask?: (input: Json) => Question;
  /** Why a tool that a source offers must not be called for now. */
  readonly held?: string;
  /** The model is not told of it. */
  readonly hidden?: true;
}

export type Tools = ReadonlyMap<string, ToolDefinition>;

/** The sub-agent that a tool stands for. */
export interface Delegate {
  readonly agent: AgentDefinition;
  readonly share: Share;
  readonly limits: Limits;
  /** The sub-agent's answer is its parent's. */
  readonly handoff: boolean;
}

/**
 * An agent as the engine holds it, of whatever kind: a loop around a model, a graph, an agent of another framework. Every run shares
 * it; nothing in it changes.
 */
export interface AgentDefinition extends Agent {
  readonly kind: 'loop' | 'graph' | 'foreign';
  /** The schema of its input. Without it, the input is a text or parts. */
  readonly input?: { schema: Schema; json: JsonSchema };
  /** The tools declared by themselves, by name. */
  readonly tools: Tools;
  readonly sources: readonly ToolSource[];
  /** The agents that it may hand work to. */
  readonly agents: readonly AgentDefinition[];
  /** Its long-term memory. `false`: none. Left out: the engine's for the agent at the top of a run, none for a sub-agent. */
  readonly memory?: Memory | false;
  readonly limits: Limits;
  readonly use: readonly Middleware[];
  readonly reliability: { tools?: Reliability; model?: Reliability };
  /** How many calls of one step may run at the same time. */
  readonly parallel: number;
  readonly grants?: Grants;
  /** Hash of what shapes a run: name, model, instructions, tools, output. */
  readonly fingerprint: string;
  /** The agent behind a call of this name, so that a frame finds its own again. */
  child(name: string): AgentDefinition | undefined;
  /** Drives its part of a run to its next end; undefined where it was halted (`scope.halt`). */
  drive(scope: Scope): Promise<Settlement | undefined>;
  /** What to do once the run is cancelled, where this part of it waits for people. It returns at once, and throws nothing. */
  letGo?(run: RunFold, frame: Frame): (() => void) | undefined;
}

/** A loop around a model. */
export interface LoopDefinition extends AgentDefinition {
  readonly kind: 'loop';
  readonly model: Model;
  readonly instructions: string | ((ctx: { context: unknown; session: string | undefined }) => string | Promise<string>);
  readonly output: { schema: Schema; json: JsonSchema } | undefined;
  readonly toolChoice?: ToolChoice;
}

export type ResolvedPolicy = EnvelopePolicy & { breaker: BreakerPolicy };

/** What follows from an agent's declaration and its engine's, worked out once: which envelope and which wrappers apply. */
export interface Plan {
  readonly model: ResolvedPolicy;
  readonly stepWrappers: readonly NonNullable<Middleware['step']>[];
  readonly modelWrappers: readonly NonNullable<Middleware['model']>[];
  readonly toolWrappers: readonly NonNullable<Middleware['tool']>[];
  tool(tool: ToolDefinition): ResolvedPolicy;
  /** The same for an effect that is declared where it runs, such as a durable step. @throws RondoError `CONFIG_INVALID`. */
  policy(options: ReliabilityOptions & { name?: string }): ResolvedPolicy;
}

/** What a run can use of the engine that drives it. */
export interface Host {
  readonly memory: Memory | undefined;
  readonly identity: Identity | undefined;
  readonly policy: Policy | undefined;
  readonly prices: Prices;
  readonly breakers: Breakers;
  /** The store's clock, epoch milliseconds. */
  now(): number | Promise<number>;
  planOf(agent: AgentDefinition): Plan;
  /** What an agent may call: its declared tools, and those its sources list now. */
  toolsOf(agent: AgentDefinition, caller: Caller): Tools | Promise<Tools>;
  /** Changes when `toolsOf` would answer something else; undefined where that cannot be told. */
  revisionOf(agent: AgentDefinition, caller: Caller): number | undefined;
}

/** Events that are shown while they happen, and not kept. */
export type Transient =
  | { type: 'text.delta' | 'reasoning.delta'; text: string; attempt: number }
  | { type: 'tool.delta'; id: string; tool: string; text: string; attempt: number }
  | { type: 'tool.progress'; callId: string; data: Json };

/** Why a run that is being driven, or a part of it, should stop at once. */
export type Halt =
  | { why: 'cancel'; reason?: string | undefined }
  | { why: 'close' }
  | { why: 'limit'; limit: Crossed }
  | { why: 'lost'; error: unknown };

/** How an agent's part of a run ended. */
export type End = { ok: true; output: Json } | { ok: false; error: Failure };

/** For whom a run is driven. `by` started the run; `assertion` is the token of the caller who started or resumed it here. */
export interface Caller {
  readonly runId: string;
  readonly by: Principal | undefined;
  readonly session: string | undefined;
  readonly assertion: Assertion | undefined;
}

/** One run while this process drives it. */
export interface Drive {
  readonly host: Host;
  readonly run: RunFold;
  readonly log: Log;
  /** Every credential that was handed out in this run. They are masked in all that its tools, servers and models say. */
  readonly secrets: Secrets;
  /** For whom the run is driven here. */
  readonly caller: Caller;
  /**
   * Makes sure, before an effect, that the run is still this process's: at once where its lease has long to go, else by the store.
   * `waited`: something was waited for since the last append, so the lease alone does not tell.
   * @throws RondoError `RUN_BUSY` where it is not; the run is halted then, and the effect must not begin.
   */
  own(waited: boolean): void | Promise<void>;
  /** The engine is closing: the run ends before its next model call. */
  draining: boolean;
  /** Shows transient events; undefined while there is no listener. */
  emit: ((event: Transient, step: number, path: readonly string[]) => void) | undefined;
}

/** One agent's part of a run while this process drives it: the whole of it, or a sub-agent's frame. */
export interface Scope {
  readonly drive: Drive;
  readonly host: Host;
  readonly run: RunFold;
  readonly frame: Frame;
  readonly agent: AgentDefinition;
  readonly plan: Plan;
  readonly limits: Limits;
  /** What the agent may call in this step, by name. */
  tools: Tools;
  /** The sources' revision when `tools` was listed. */
  revision: number | undefined;
  readonly trace: AgentTrace;
  /** Cancelled when this part must stop: then `halt` says why. */
  readonly cancel: CancelSource;
  readonly parent: Scope | undefined;
  /** The bounds of all agents on the way down to this one. */
  readonly grants: readonly Grants[];
  /** Reservations of this part, and of all parts below it. */
  readonly reserved: Reserved;
  /** What the model is asked. The list of messages in it grows; the rest is made again when it changes. */
  request: ModelRequest | undefined;
  /** Undefined while there are none: masking costs nothing then. */
  readonly secrets: Secrets | undefined;
  /** Why this part must stop: its own reason, or its parent's. The first reason that is set counts. */
  halt: Halt | undefined;
  /** Shows a transient event of this frame; undefined while there is no listener. */
  readonly emit: ((event: Transient, step: number) => void) | undefined;
  /** The entries with which this part ends, in the same append as its last answer. */
  closing(end: End): Make;
  /**
   * Appends entries of this frame, or of the frame that an entry names itself. After the frame has ended, entries are dropped, except
   * charges, which go to the nearest open ancestor. @throws as `Log.append`.
   */
  append(make: Make, power?: boolean): void | Promise<void>;
  /** @see Drive.own */
  own(waited?: boolean): void | Promise<void>;
  /** A source that is cancelled with this scope's, and can be cancelled by itself. `unlink` releases it. */
  linkedCancel(): { cancel: CancelSource; unlink: () => void };
}

export type LoopScope = Scope & { readonly agent: LoopDefinition };

/** A limit that would be crossed, and the part of the run whose limit it is. */
export interface Crossing {
  crossed: Crossed;
  at: Scope;
}

/** How one drive of an agent's part ended. It is not in the journal yet, unless `committed`. */
export type Settlement =
  | { status: 'completed'; output: Json; committed: true }
  | { status: 'failed'; error: Failure }
  | { status: 'paused' }
  /** `at`: the scope whose limit it is. */
  | { status: 'stopped'; limit: Crossed; at: Scope };
