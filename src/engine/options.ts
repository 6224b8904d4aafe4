import type { Mistake } from '../errors.ts';
import type { Limits } from '../journal/entries.ts';
import type { Journal } from '../journal/port.ts';
import type { Middleware } from '../loop/middleware.ts';
import type { Agent, Reliability } from '../loop/types.ts';
import type { Identity } from '../ports/identity.ts';
import type { Memory } from '../ports/memory.ts';
import type { ToolChoice } from '../ports/model.ts';
import type { Policy } from '../ports/policy.ts';
import type { Principal } from '../ports/principal.ts';
import type { Prices } from '../pricing/prices.ts';
import type { TelemetryOptions } from '../telemetry/spans.ts';
import type { AssertionOption } from './assertion.ts';
import type { RunEvent } from './events.ts';

export interface EngineOptions {
  /** Those that go on with runs of other processes, by their names. `run()` registers nothing. */
  agents?: readonly Agent[];
  /** Default: this process's memory, which does not survive it. */
  journal?: Journal;
  memory?: Memory;
  identity?: Identity;
  policy?: Policy;
  use?: readonly Middleware[];
  /** Where neither the run nor its agent says otherwise. */
  limits?: Limits;
  /** Defaults for all tools and all model calls. */
  reliability?: { tools?: Reliability; model?: Reliability };
  /** Dollars per million tokens, by `provider/id`; before the built-in table. */
  prices?: Prices;
  telemetry?: TelemetryOptions;
  /** Every event of every run of this engine. What it throws is ignored. */
  onEvent?: (event: RunEvent) => void;
}

// biome-ignore lint/complexity/noBannedTypes: `{}` is "needs no context"
type ContextOption<C> = {} extends C ? { context?: C } : { context: C };

/** `C`: the context that the agent's tools ask for. It is kept in the journal: no secrets. */
// biome-ignore lint/complexity/noBannedTypes: `{}` is "needs no context"
export type RunOptions<C = {}> = {
  /** Default: a new one. With an id of your own, a request that comes twice starts one run. */
  id?: string;
  /**
   * Continues the conversation of the session's runs so far. A session is of the user (`by.id`) whose run began it; one that is begun
   * with `shared: true` is of all the tenant. Without `by` it is the application's own.
   */
  session?: string | { id: string; shared?: boolean };
  by?: Principal;
  limits?: Limits;
  signal?: AbortSignal;
  /** As that of an agent, for this run of it; sub-agents keep theirs. */
  toolChoice?: ToolChoice;
  /**
   * The caller's own token, as its request brought it: handed to the engine's identity, and to sources of tools that are opened per
   * caller. It is in no journal, event, span or error, and gone when this drive of the run ends: give it to `resume()` again.
   */
  assertion?: AssertionOption;
  tags?: Record<string, string>;
} & ContextOption<C>;

// biome-ignore lint/complexity/noBannedTypes: `{}` is "needs no context"
export type RunArgs<C> = {} extends C ? [options?: RunOptions<C>] : [options: RunOptions<C>];

/** The input of a run that is given no options; where its tools need a context, what to write. */
// biome-ignore lint/complexity/noBannedTypes: `{}` is "needs no context"
export type WithoutContext<I, C> = {} extends C
  ? I
  : Mistake<'Pass the context that the tools need: engine.run(agent, input, { context })'>;

/** A run without its messages. Times are epoch milliseconds. */
export interface RunSummary {
  runId: string;
  agent: string;
  status: import('../journal/entries.ts').RunStatus;
  session?: string;
  startedAt: number;
  /** When a paused run should be looked at, because an approval expires; 0: now, because one was decided. */
  wakeAt?: number;
  /** Calls whose outcome an operator should settle. */
  unknowns: number;
  /** The journal of the run is damaged, so that the rest may not be true: `inspect()` says where. */
  damaged?: true;
}

export const ENGINE_OPTIONS = {
  agents: 'agents: [support]',
  journal: "journal: sqliteJournal('runs.db')",
  memory: 'memory',
  identity: 'identity',
  policy: 'policy',
  use: 'use: [{ tool: async (call, next) => next() }]',
  limits: 'limits: { costUsd: 1 }',
  reliability: 'reliability: { tools: { timeout: 10_000 } }',
  prices: "prices: { 'openai/gpt-x': { input: 1, output: 4 } }",
  telemetry: 'telemetry: { content: true }',
  onEvent: 'onEvent: (event) => log(event)',
} satisfies Record<keyof EngineOptions, string>;

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
