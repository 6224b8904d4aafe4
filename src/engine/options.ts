import type { Mistake } from '../errors.ts';
import type { Limits } from '../journal/entries/entries.ts';
import type { Journal } from '../journal/port.ts';
import type { Middleware } from '../loop/middleware.ts';
import { checkLayers, checkPorts, checkUse } from '../loop/ports.ts';
import type { Agent, Reliability } from '../loop/types.ts';
import { checkOptions } from '../options.ts';
import type { Compaction } from '../ports/compaction.ts';
import type { Guardrail } from '../ports/guardrail.ts';
import type { Identity } from '../ports/identity.ts';
import type { Memory } from '../ports/memory.ts';
import type { Message, ToolChoice } from '../ports/model.ts';
import type { Policy } from '../ports/policy.ts';
import type { Principal } from '../ports/principal.ts';
import type { Prices } from '../pricing/prices.ts';
import type { TelemetryOptions } from '../telemetry/telemetry.ts';
import type { AssertionOption } from './drive/assertion.ts';
import type { EvaluateOptions } from './evaluate/options.ts';
import type { RunEvent } from './read/run-event.ts';

/** The services and defaults of an engine, for all of its runs. */
export interface EngineOptions {
  /** Agents to register, so that this engine can resume runs of other processes. `run()` registers nothing. */
  agents?: readonly Agent[];
  /** Default: in memory, which does not survive the process. */
  journal?: Journal;
  /** For the top agents of runs, unless they have one of their own or `false`. Default: none. */
  memory?: Memory;
  /** Gets the credentials of tools. Without one, a tool that declares some ends with `CONFIG_INVALID`. */
  identity?: Identity;
  /** Asked about calls, access and content. What it has no method for is allowed. Default: everything is allowed. */
  policy?: Partial<Policy>;
  /** Asked in this order about inputs, answers and results of tools. */
  guardrails?: readonly Guardrail[];
  /** Wrappers for all agents, outside those of the agents. The first is outermost. */
  use?: readonly Middleware[];
  /** Default limits. Those of a run and of its agent override them. */
  limits?: Limits;
  /** Policies that keep conversations small, for agents without their own `compact`. Default: none. */
  compact?: readonly Compaction[];
  /** Messages that no policy leaves out, for agents without their own `pin`. */
  pin?: (message: Message) => boolean;
  /** Defaults for all tools and all model calls. */
  reliability?: { tools?: Reliability; model?: Reliability };
  /** US dollars per million tokens, by `provider/id`. They override the built-in table. */
  prices?: Prices;
  /** Spans and metrics of OpenTelemetry. They go to its global providers, unless a tracer or a meter is given. */
  telemetry?: TelemetryOptions;
  /** Called for every event of every run of this engine. An error of it is ignored. */
  onEvent?: (event: RunEvent) => void;
  /** Scores runs after their end, in the background. */
  evaluate?: EvaluateOptions;
}

/** The context of a run: required where the tools of its agent need one. */
// biome-ignore lint/complexity/noBannedTypes: `{}` is "needs no context"
export type ContextOption<C> = {} extends C ? { context?: C } : { context: C };

/** `C`: the context that the agent's tools need. It is journaled, so it must not contain secrets. */
// biome-ignore lint/complexity/noBannedTypes: `{}` is "needs no context"
export type RunOptions<C = {}> = {
  /** Default: a new id. With an id of your own, a request that is sent twice starts one run. */
  id?: string;
  /**
   * Continues the conversation of the session's earlier runs. A session belongs to the user (`by.id`) who started it; if started with
   * `shared: true`, to the whole tenant. Without `by` it belongs to the application.
   */
  session?: string | { id: string; shared?: boolean };
  /** On whose behalf the run works, from authentication. Absent: on that of the application, and callers of every tenant may see it. */
  by?: Principal;
  /** They override those of the agent and the engine, one by one. */
  limits?: Limits;
  /** Cancels the run once it is aborted. The message of its reason is the reason of the cancellation. */
  signal?: AbortSignal;
  /** Overrides the agent's `toolChoice` for this run. Sub-agents keep theirs. */
  toolChoice?: ToolChoice;
  /**
   * The caller's own token, from its request. The engine's identity gets it, and tool sources that are opened per caller. It never appears
   * in a journal, event, span or error. It is dropped when the run ends or pauses, so pass it to `resume()` again.
   */
  assertion?: AssertionOption;
  /** Texts by name, journaled with the run. */
  tags?: Record<string, string>;
} & ContextOption<C>;

// biome-ignore lint/complexity/noBannedTypes: `{}` is "needs no context"
export type RunArgs<C> = {} extends C ? [options?: RunOptions<C>] : [options: RunOptions<C>];

/** Of `enqueue()`. A token cannot be stored, and there is no run yet that a signal could abort: `cancel()` ends it. */
// biome-ignore lint/complexity/noBannedTypes: `{}` is "needs no context"
export type EnqueueOptions<C = {}> = Omit<RunOptions<C>, 'signal' | 'assertion'>;

// biome-ignore lint/complexity/noBannedTypes: `{}` is "needs no context"
export type EnqueueArgs<C> = {} extends C ? [options?: EnqueueOptions<C>] : [options: EnqueueOptions<C>];

/** The context that the tools of an agent, or of several, need: an intersection. `unknown` where none needs any. */
export type ContextFor<A> = (A extends readonly (infer E)[] ? Wanting<E> : Wanting<A>) extends (c: infer C) => void
  ? keyof C extends never
    ? unknown
    : C
  : unknown;
// biome-ignore lint/suspicious/noExplicitAny: matches an agent of any type
// biome-ignore lint/complexity/noBannedTypes: `{}` is "needs no context"
type Wanting<A> = A extends Agent<any, any, infer C> ? (c: unknown extends C ? {} : C) => void : never;

/** The options of what starts runs for others: needed, with `context`, where the tools of its agents need one. */
// biome-ignore lint/complexity/noBannedTypes: `{}` is "needs no context"
export type ServingArgs<C, O extends { context?: unknown }> = {} extends C
  ? [options?: O]
  : [options: O & { context: NonNullable<O['context']> }];

/** Agents that are served without options; if their tools need a context, a type error that says what to write. */
export type ServedWithoutContext<A> =
  // biome-ignore lint/complexity/noBannedTypes: `{}` is "needs no context"
  {} extends ContextFor<A> ? A : Mistake<'Say which context the tools get: pass { context: (by) => ({ ... }) }'>;

/** The input of a run without options; if its tools need a context, a type error that says what to write. */
// biome-ignore lint/complexity/noBannedTypes: `{}` is "needs no context"
export type WithoutContext<I, C> = {} extends C
  ? I
  : Mistake<'Pass the context that the tools need: engine.run(agent, input, { context })'>;

/** A run without its messages. Times are epoch milliseconds. */
export interface RunSummary {
  runId: string;
  /** Name of the top agent. */
  agent: string;
  status: import('../journal/entries/entries.ts').RunStatus;
  /** As the application named it. */
  session?: string;
  startedAt: number;
  /**
   * When a run is due without a person: an approval expires, a wait ends, or a conversation must be recorded. 0: now, because a decision or
   * an event has come.
   */
  wakeAt?: number;
  /** Number of calls whose outcome an operator should settle. */
  unknowns: number;
  /** The run's journal is damaged, so the other fields may be wrong. `inspect()` says where. */
  damaged?: true;
}

const ENGINE_OPTIONS = {
  agents: 'agents: [support]',
  journal: "journal: sqliteJournal('runs.db')",
  memory: 'memory',
  identity: 'identity',
  policy: 'policy',
  guardrails: 'guardrails: [piiGuardrail()]',
  use: 'use: [{ tool: async (call, next) => next() }]',
  limits: 'limits: { costUsd: 1 }',
  compact: 'compact: [clearToolResults(), summarise()]',
  pin: "pin: (message) => message.role === 'user'",
  reliability: 'reliability: { tools: { timeout: 10_000 } }',
  prices: "prices: { 'openai/gpt-x': { input: 1, output: 4 } }",
  telemetry: 'telemetry: { content: true }',
  onEvent: 'onEvent: (event) => log(event)',
  evaluate: 'evaluate: { sample: 0.1, graders: [grounded({ model })] }',
} satisfies Record<keyof EngineOptions, string>;

/** @throws RondoError `CONFIG_INVALID`. */
export function checkEngine(o: EngineOptions): void {
  const where = 'new Engine()';
  checkOptions(o, ENGINE_OPTIONS, where, { agents: 'list', onEvent: 'function' });
  checkPorts(o, where);
  checkUse(o.use, where);
  checkLayers(o.reliability, where);
  if (o.telemetry !== undefined) checkOptions(o.telemetry, TELEMETRY, `${where}: telemetry`, { content: 'flag' });
}

const TELEMETRY = {
  content: 'content: true',
  tracer: "tracer: trace.getTracer('app')",
  meter: "meter: metrics.getMeter('app')",
} satisfies Record<keyof TelemetryOptions, string>;

export const RUN_OPTIONS = {
  id: 'id: requestId',
  session: "session: 'ana'",
  by: "by: { id: 'ana' }",
  limits: 'limits: { steps: 20 }',
  signal: 'signal: request.signal',
  toolChoice: "toolChoice: 'none'",
  assertion: 'assertion: token',
  tags: "tags: { team: 'x' }",
  context: "context: { tenant: 'acme' }",
} satisfies Record<keyof RunOptions, string>;

const { signal: _, assertion: _a, ...ENQUEUE } = RUN_OPTIONS;
export const ENQUEUE_OPTIONS = ENQUEUE;
