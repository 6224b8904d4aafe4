/**
 * The types of the loop: declared agents and tools, and the services of a run for the code that drives one frame. No file that is
 * imported here imports the loop.
 */
import type { Failure } from '../errors.ts';
import type { Points } from '../hitl/content.ts';
import type { Claim, ClaimKey, Holder } from '../journal/claims.ts';
import type { Crossed, Limits } from '../journal/entries/entries.ts';
import type { Frame, RunFold } from '../journal/fold/fold.ts';
import type { Inbox } from '../journal/inbox.ts';
import type { Log, Make } from '../journal/log.ts';
import type { Json } from '../json.ts';
import type { Compaction } from '../ports/compaction.ts';
import type { Guardrail } from '../ports/guardrail.ts';
import type { Assertion, Identity } from '../ports/identity.ts';
import type { Memory } from '../ports/memory.ts';
import type { Message, Model, ModelRequest, Part, ToolChoice, ToolResultPart, ToolSpec } from '../ports/model.ts';
import type { Policy } from '../ports/policy.ts';
import type { Principal } from '../ports/principal.ts';
import type { OpenedSource, Question, Tool, ToolOptions, ToolSource } from '../ports/tool.ts';
import type { Prices } from '../pricing/prices.ts';
import type { Breakers } from '../reliability/breaker.ts';
import type { CancelSource } from '../reliability/cancel.ts';
import type { BreakerPolicy, EnvelopePolicy, ReliabilityOptions } from '../reliability/policy.ts';
import type { JsonSchema, Schema } from '../schema.ts';
import type { Secrets } from '../secrets.ts';
import type { AgentTrace } from '../telemetry/trace.ts';
import type { Door, End } from './call/passage.ts';
import type { ResultCache } from './call/result-cache.ts';
import type { WaitFor } from './call/wait.ts';
import type { Middleware } from './middleware.ts';
import type { Reserved } from './reserved.ts';

declare const agentType: unique symbol;
/** A declaration, for `run()`, `register()` and `agents`. `[agentType]` and the type parameters are for the compiler only. */
// biome-ignore lint/suspicious/noExplicitAny: a list of agents holds agents of every type
export interface Agent<I = any, O = any, Ctx = any> {
  /** 1 to 64 letters, digits, `_` and `-`. A run is resumed by the agent that is registered under this name. */
  readonly name: string;
  /** What the model of another agent is told of it. */
  readonly description?: string | undefined;
  readonly [agentType]: { input: (i: I) => void; output: O; context: (c: Ctx) => void };
}

/** Timeouts, retries and breaker of tools or model calls. The nearest declaration wins: tool, then agent, then engine. */
export type Reliability = Omit<ReliabilityOptions, 'effect'>;

/** What an agent and all agents below it may use, whatever they declare. An absent field restricts nothing. All grants on the path apply. */
export interface Grants {
  /** Names of tools, including those of sub-agents. */
  readonly tools?: readonly string[];
  /** Scopes, by the provider of the credentials. */
  readonly credentials?: { readonly [provider: string]: readonly string[] };
}

/** What a sub-agent sees of its parent's conversation besides its task: nothing, all of it as text, or what a function picks. */
export type Share = 'task' | 'history' | ((messages: readonly Message[]) => readonly Message[]);

// biome-ignore lint/suspicious/noExplicitAny: inside, a declaration's types are gone
export type AnyToolOptions = ToolOptions<string, Schema, Schema, string, any>;

/** A declared tool, as the engine uses it. Immutable and shared by all runs. `options.usual` holds where the tool, its agent and the engine declare nothing. */
export interface ToolDefinition extends Tool {
  readonly options: Omit<AnyToolOptions, 'input'> & { input: Schema; usual?: Reliability };
  readonly spec: ToolSpec;
  /** Hash of `spec`. It changes if the model's view of the tool changes. */
  readonly hash: string;
  /** Set if a sub-agent answers the tool's calls. */
  readonly delegate?: Delegate;
  /** Set if a person answers the tool's calls. */
  readonly ask?: (input: Json) => Question;
  /** Set if its calls wait without a process, in place of a body. */
  readonly waits?: Waits;
  /** Why a tool that a source offers must not be called for now. */
  readonly held?: string;
  /** The gateways that it came through, the outermost first. */
  readonly doors?: readonly Door[];
  /** The tool is not offered to the model. */
  readonly hidden?: true;
  /** Set for the two tools by which a model reaches what its sources find: see tools/finding.ts. */
  readonly finding?: 'find' | 'call';
  /** Set for the tool by which a model reads a cleared result back: see context/read-result.ts. */
  readonly reads?: true;
}

/** How the calls of a tool wait. */
export interface Waits {
  of(input: Json): WaitFor;
  /** Milliseconds. */
  longest: number;
  /** The event that ends the wait before its time. */
  event?: { name: string; key(input: Json): unknown; schema: { schema: Schema; json: JsonSchema } };
}

export type Tools = ReadonlyMap<string, ToolDefinition>;

/** A tool that was found, and the name of its source. */
export interface Found {
  readonly tool: ToolDefinition;
  readonly source: string;
}

/** An opened source that has `search` and `find`. */
export interface Searchable {
  /** One source of an agent has it. */
  readonly name: string;
  readonly opened: OpenedSource;
}

/** The sub-agent that answers a tool's calls. */
export interface Delegate {
  readonly agent: AgentDefinition;
  readonly share: Share;
  readonly limits: Limits;
  /** The sub-agent's answer is also its parent's answer. */
  readonly handoff: boolean;
}

/**
 * A declared agent of any kind: a loop around a model, a graph, an agent of another framework. Immutable and shared by all runs.
 */
export interface AgentDefinition extends Agent {
  readonly kind: 'loop' | 'graph' | 'foreign';
  /** The schema of its input. Without it, the input is a text or parts. */
  readonly input?: { schema: Schema; json: JsonSchema };
  /** Tools of the declaration, without those of sources, by name. */
  readonly tools: Tools;
  readonly sources: readonly ToolSource[];
  /** The agents that it may call. */
  readonly agents: readonly AgentDefinition[];
  /** Long-term memory. `false`: none. Absent: the engine's for the top agent of a run, none for a sub-agent. */
  readonly memory?: Memory | false;
  readonly limits: Limits;
  readonly use: readonly Middleware[];
  readonly reliability: { tools?: Reliability; model?: Reliability };
  /** Most calls of one step that run at the same time. */
  readonly parallel: number;
  readonly grants?: Grants;
  /** It has no model that searches: a program names the tool, and may name whatever its sources find. See direct.ts. */
  readonly direct?: true;
  /** Hash of the declaration: name, model, instructions, tools, output. */
  readonly fingerprint: string;
  /** The agent that answers calls of this name, to find the agent of a frame. */
  child(name: string): AgentDefinition | undefined;
  /** Drives its frame until it ends, pauses or stops; undefined if it was halted (`scope.halt`). */
  drive(scope: Scope): Promise<Settlement | undefined>;
  /** A function to call after the run was cancelled; undefined if the frame does not wait for people. It returns at once and never throws. */
  onCancelled?(run: RunFold, frame: Frame): (() => void) | undefined;
}

/** A loop around a model. */
export interface LoopDefinition extends AgentDefinition {
  readonly kind: 'loop';
  readonly model: Model;
  readonly instructions: string | ((ctx: { context: unknown; session: string | undefined }) => string | Promise<string>);
  readonly output: { schema: Schema; json: JsonSchema } | undefined;
  readonly toolChoice?: ToolChoice;
  /** In place of those of the engine. */
  readonly compact?: readonly Compaction[];
  readonly pin?: (message: Message) => boolean;
}

export type ResolvedPolicy = EnvelopePolicy & { breaker: BreakerPolicy };

/** The resolved options of an agent and its engine: reliability policies and wrappers. Computed once. */
export interface Plan {
  readonly model: ResolvedPolicy;
  /** The models to ask, in order: more than one for a `fallback()`, none for an agent without a model. */
  readonly models: readonly Model[];
  /** The policies that keep the conversation small, in order. */
  readonly compact: readonly Compaction[];
  /** The messages that they never leave out. */
  readonly pin: ((message: Message) => boolean) | undefined;
  readonly stepWrappers: readonly NonNullable<Middleware['step']>[];
  readonly modelWrappers: readonly NonNullable<Middleware['model']>[];
  readonly toolWrappers: readonly NonNullable<Middleware['tool']>[];
  tool(tool: ToolDefinition): ResolvedPolicy;
  /** The policy of an effect that is declared where it runs, such as a durable step. @throws RondoError `CONFIG_INVALID`. */
  policy(options: ReliabilityOptions & { name?: string; usual?: Reliability }): ResolvedPolicy;
}

/** What a call that holds an intent was called with, and what it gave. */
export interface HeldCall {
  readonly input?: Json;
  readonly output?: Json;
  readonly content?: readonly Part[] | undefined;
  readonly cut?: number | undefined;
  /** The caller may not see the run of the call, so nothing is told of it. */
  readonly hidden?: true;
}

/** What the store knows of intents: see `key` of a tool. */
export interface Intents {
  /** The store keeps claims. */
  readonly kept: boolean;
  find(key: ClaimKey): Claim | undefined | Promise<Claim | undefined>;
  /** Whether a process drives the run now, the run waits for somebody, or neither. */
  stateOf(runId: string): Promise<'live' | 'waits' | 'gone'>;
  /** The call that did it; undefined where its run is gone. */
  read(holder: Holder, by: Principal | undefined): Promise<HeldCall | undefined>;
  /** Resolves when the run may have changed, after `ms`, or once the wait is cancelled. */
  changed(runId: string, ms: number, cancel: CancelSource): Promise<void>;
  /** Writes what was found out about a call whose outcome is unknown. */
  settle(holder: Holder, found: { outcome: 'done'; output: Json } | { outcome: 'not-run' }): Promise<void>;
}

/** The services of an engine for its runs. */
export interface Host {
  readonly memory: Memory | undefined;
  readonly identity: Identity | undefined;
  readonly policy: Partial<Policy> | undefined;
  readonly guardrails: readonly Guardrail[];
  /** What policy and guardrails are asked about. */
  readonly checks: Points;
  /** In place of the known ones. */
  readonly prices: Prices | undefined;
  readonly breakers: Breakers;
  readonly intents: Intents;
  readonly results: ResultCache;
  /** Events from outside; undefined for a store that keeps none. */
  readonly inbox: Inbox | undefined;
  /** The store's clock, epoch milliseconds. */
  now(): number | Promise<number>;
  planOf(agent: AgentDefinition): Plan;
  /** A result that a run has cleared, by its reference; undefined where the run or the result is gone. */
  clearedResult(runId: string, ref: string): Promise<ToolResultPart | undefined>;
  /** The tools that an agent may call: those it declares, and those that its sources list now. */
  toolsOf(agent: AgentDefinition, caller: Caller): Tools | Promise<Tools>;
  /** The agent's sources that are searched, in the order declared. */
  searchable(agent: AgentDefinition, caller: Caller): Promise<readonly Searchable[]>;
  /** Changes if `toolsOf` would return other tools; undefined for an agent whose sources cannot tell. */
  revisionOf(agent: AgentDefinition, caller: Caller): number | undefined;
}

/** Events that are emitted live and not journaled. */
export type Transient =
  | { type: 'text.delta' | 'reasoning.delta'; text: string; attempt: number }
  | { type: 'tool.delta'; id: string; tool: string; text: string; attempt: number }
  | { type: 'tool.progress'; callId: string; data: Json };

/** Why a running run, or one of its frames, must stop at once. */
export type Halt =
  | { why: 'cancel'; reason?: string | undefined }
  | { why: 'close' }
  | { why: 'limit'; limit: Crossed }
  | { why: 'lost'; error: unknown };

export type { End };

/** The caller of a run. `by` started the run; `assertion` is the token of the caller who started or resumed it in this process. */
export interface Caller {
  readonly runId: string;
  readonly by: Principal | undefined;
  readonly session: string | undefined;
  readonly assertion: Assertion | undefined;
}

/** A run while this process drives it. */
export interface Drive {
  readonly host: Host;
  readonly log: Log;
  /** Every credential that was handed out in this run. They are masked in all output of its tools, servers and models. */
  readonly secrets: Secrets;
  /** The caller who started or resumed the run in this process. */
  readonly caller: Caller;
  /** Cancelled when the run must stop at once: then `halt` says why. */
  readonly cancel: CancelSource;
  /** Why the run must stop. The first reason that is set counts; setting it cancels nothing that is under way. */
  halt: Halt | undefined;
  /** The engine is closing: the run ends before its next model call. */
  readonly draining: boolean;
  /** Milliseconds that frames with a time limit were driven in this claim, by their id: that of a sub-agent is driven again after a decision. */
  readonly driven: Map<string, number>;
  /** Emits transient events; undefined while there is no listener. */
  readonly emit: ((event: Transient, step: number, frame: Pick<Frame, 'id' | 'path'>) => void) | undefined;
  /** Sets `halt`, and cancels what is under way. */
  stop(halt: Halt): void;
  /**
   * Checks before an effect that this process still owns the run: synchronously if the lease is valid for long enough, else by the store.
   * @param waited time has passed since the last append, so the lease alone does not prove it.
   * @throws RondoError `RUN_BUSY` if another process owns the run. Then the run is halted, and the effect must not start.
   */
  readonly own: (waited?: boolean) => void | Promise<void>;
}

/** A frame while this process drives it: the root frame, or that of a sub-agent. */
export interface Scope {
  readonly drive: Drive;
  readonly host: Host;
  readonly run: RunFold;
  readonly frame: Frame;
  readonly agent: AgentDefinition;
  readonly plan: Plan;
  readonly limits: Limits;
  /** The tools that the agent may call in this step, by name. */
  tools: Tools;
  /** Tools that were found, as last looked up, by name; undefined where none was, and where a source has told of a change since. */
  found: Map<string, Found> | undefined;
  /** The sources' revision when `tools` was listed. */
  revision: number | undefined;
  /** Undefined if nothing is recorded. */
  readonly trace: AgentTrace | undefined;
  /** Cancelled when this frame must stop. Then `halt` says why. */
  readonly cancel: CancelSource;
  readonly parent: Scope | undefined;
  /** The grants of all agents from the root down to this one. */
  readonly grants: readonly Grants[];
  /** The agent's long-term memory. */
  readonly memory: Memory | undefined;
  /** By limit: the scopes that have it, this one and those above, from here upwards. Absent where none has it. */
  readonly limitedBy: { readonly [limit in keyof Limits]?: readonly Scope[] };
  /** The reservations of this frame and all frames below it. */
  readonly reserved: Reserved;
  /** The current model request. Its list of messages grows; if anything else changes, it is made again. */
  request: ModelRequest | undefined;
  /** Those of the run. `secrets.active` is undefined while there are none, so that masking costs nothing. */
  readonly secrets: Secrets;
  /** Why this frame must stop: its own reason, or that of its parent or the run. */
  readonly halt: Halt | undefined;
  /** Where a gateway stands between this frame and what is above: what the frame's end becomes. To be asked before `closing`. */
  readonly leaving: ((end: End) => Promise<End>) | undefined;
  /** The entries that end this frame, for the append with its last answer. @param told what `leaving` has made of its end. */
  closing(end: End, told?: End): Make;
  /**
   * Appends entries of this frame, or of the frame that an entry names itself. After the frame has ended, entries are dropped, except
   * charges, which go to the nearest open ancestor. @throws as `Log.append`.
   */
  append(make: Make, fsync?: boolean): void | Promise<void>;
  /** Whether this frame stops between two of its steps, as it does where the engine is closing. Nothing of it may be under way. */
  stopsHere(): boolean;
  /** A source that is cancelled with this scope's `cancel`, and can be cancelled separately. `unlink` removes its listener. */
  linkedCancel(): { cancel: CancelSource; unlink: () => void };
}

export type LoopScope = Scope & { readonly agent: LoopDefinition };

/** A limit that would be crossed, and the scope of the frame that it belongs to. */
export interface Crossing {
  crossed: Crossed;
  at: Scope;
}

/** How the drive of a frame ended. It is not in the journal yet, unless `committed`. */
export type Settlement =
  | { status: 'completed'; output: Json; committed: true }
  | { status: 'failed'; error: Failure }
  | { status: 'paused' }
  /** `at`: the scope that the limit belongs to. */
  | { status: 'stopped'; limit: Crossed; at: Scope };
