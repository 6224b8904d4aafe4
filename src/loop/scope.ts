import type { Failure } from '../errors.ts';
import type { Crossed, Limits } from '../journal/entries.ts';
import type { RunFold } from '../journal/fold.ts';
import type { Log } from '../journal/log.ts';
import type { Json } from '../json.ts';
import type { Identity } from '../ports/identity.ts';
import type { Memory } from '../ports/memory.ts';
import type { ModelRequest } from '../ports/model.ts';
import type { Policy } from '../ports/policy.ts';
import type { Breakers } from '../reliability/breaker.ts';
import type { CancelSource } from '../reliability/cancel.ts';
import type { Prices } from '../telemetry/prices.ts';
import type { AgentTrace } from '../telemetry/trace.ts';
import type { AgentDefinition } from './agent.ts';
import type { Plan } from './plan.ts';
import type { ToolDefinition } from './tool.ts';

/** What a run can use of the engine that drives it. */
export interface Host {
  readonly memory: Memory | undefined;
  readonly identity: Identity | undefined;
  readonly policy: Policy | undefined;
  readonly prices: Prices;
  readonly breakers: Breakers;
  /** The store's clock, epoch milliseconds. */
  now(): number | Promise<number>;
}

/** Events that are shown while they happen and kept nowhere. */
export type Transient =
  | { type: 'text.delta' | 'reasoning.delta'; text: string; attempt: number }
  | { type: 'tool.progress'; callId: string; data: Json };

/** Why a run that is being driven should stop at once. */
export type Halt =
  | { why: 'cancel'; reason?: string | undefined }
  | { why: 'close' }
  | { why: 'limit'; limit: Crossed }
  | { why: 'lost'; error: unknown };

/** One run while this process drives it. */
export interface Scope {
  readonly host: Host;
  readonly agent: AgentDefinition;
  readonly plan: Plan;
  readonly run: RunFold;
  readonly log: Log;
  readonly limits: Limits;
  /** What the agent may call in this claim, by name. */
  readonly tools: ReadonlyMap<string, ToolDefinition>;
  readonly trace: AgentTrace;
  /** Cancelled when the run must stop: then `halt` says why. */
  readonly cancel: CancelSource;
  halt: Halt | undefined;
  /** The engine is closing: the run ends before its next model call. */
  draining: boolean;
  /** The step number shown with transient events; undefined while nobody listens. */
  emit: ((event: Transient, step: number) => void) | undefined;
  /** What the model is asked, but for the messages, which grow: made anew when the instructions change. */
  request: ModelRequest | undefined;
}

/** How one drive of a run ended. Nothing of it is in the journal yet, unless `committed`. */
export type Settlement =
  | { status: 'completed'; output: Json; committed: true }
  | { status: 'failed'; error: Failure }
  | { status: 'paused' }
  | { status: 'stopped'; limit: Crossed };
