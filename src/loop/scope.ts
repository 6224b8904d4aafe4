import type { Failure } from '../errors.ts';
import type { Crossed, Draft, Limits } from '../journal/entries.ts';
import type { Frame, RunFold } from '../journal/fold.ts';
import type { Log, Make } from '../journal/log.ts';
import type { Json } from '../json.ts';
import type { Identity } from '../ports/identity.ts';
import type { Memory } from '../ports/memory.ts';
import type { ModelRequest } from '../ports/model.ts';
import type { Policy } from '../ports/policy.ts';
import type { Breakers } from '../reliability/breaker.ts';
import { CancelSource } from '../reliability/cancel.ts';
import type { Secrets } from '../secrets.ts';
import type { Prices } from '../telemetry/prices.ts';
import type { AgentTrace } from '../telemetry/trace.ts';
import type { AgentDefinition, Grants } from './definition.ts';
import { Flight } from './flight.ts';
import type { Plan } from './plan.ts';
import type { ToolDefinition } from './tool.ts';

export type Tools = ReadonlyMap<string, ToolDefinition>;

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
  toolsOf(agent: AgentDefinition): Tools | Promise<Tools>;
  /** Another value where `toolsOf` would answer something else; undefined where that cannot be told. */
  revisionOf(agent: AgentDefinition): string | undefined;
}

/** Events that are shown while they happen and kept nowhere. */
export type Transient =
  | { type: 'text.delta' | 'reasoning.delta'; text: string; attempt: number }
  | { type: 'tool.progress'; callId: string; data: Json };

/** Why a run that is being driven, or a part of it, should stop at once. */
export type Halt =
  | { why: 'cancel'; reason?: string | undefined }
  | { why: 'close' }
  | { why: 'limit'; limit: Crossed }
  | { why: 'lost'; error: unknown };

/** How an agent's part of a run ended. */
export type End = { ok: true; output: Json } | { ok: false; error: Failure };

/** One run while this process drives it. */
export interface Drive {
  readonly host: Host;
  readonly run: RunFold;
  readonly log: Log;
  /** All that was handed out in this run: masked in whatever a tool, a server or a model of it says. */
  readonly secrets: Secrets;
  /**
   * Makes sure, before an effect, that the run is still this process's: at once where its lease has long to go, else by the store.
   * `waited`: something was waited for since the last append, so the lease alone does not tell.
   * @throws RondoError `RUN_BUSY` where it is not; the run is halted then, and the effect must not begin.
   */
  own(waited: boolean): void | Promise<void>;
  /** The engine is closing: the run ends before its next model call. */
  draining: boolean;
  /** Shows transient events; undefined while nobody listens. */
  emit: ((event: Transient, step: number, path: readonly string[]) => void) | undefined;
}

export interface ScopeOptions {
  drive: Drive;
  frame: Frame;
  agent: AgentDefinition;
  limits: Limits;
  tools: Tools;
  trace: AgentTrace;
  cancel: CancelSource;
  parent?: Scope;
  /** The entries with which this part ends, in the same append as its last answer. */
  closing(end: End): Make;
}

/** One agent's part of a run while this process drives it: the whole of it, or a sub-agent's frame. */
export class Scope {
  readonly drive: Drive;
  readonly frame: Frame;
  readonly agent: AgentDefinition;
  readonly plan: Plan;
  readonly limits: Limits;
  /** What the agent may call in this step, by name. */
  tools: Tools;
  /** Of the sources, when `tools` was asked of them. */
  revision: string | undefined;
  readonly trace: AgentTrace;
  /** Cancelled when this part must stop: then `halt` says why. */
  readonly cancel: CancelSource;
  readonly parent: Scope | undefined;
  readonly closing: (end: End) => Make;
  /** The bounds of all agents on the way down to this one. */
  readonly grants: readonly Grants[];
  /** What is under way in this part and below it, and not in the journal yet. */
  readonly flight = new Flight();
  /** What the model is asked, but for the messages, which grow: made anew when the instructions change. */
  request: ModelRequest | undefined;
  #halt: Halt | undefined;

  constructor(o: ScopeOptions) {
    this.drive = o.drive;
    this.frame = o.frame;
    this.agent = o.agent;
    this.plan = o.drive.host.planOf(o.agent);
    this.limits = o.limits;
    this.tools = o.tools;
    this.revision = undefined;
    this.trace = o.trace;
    this.cancel = o.cancel;
    this.parent = o.parent;
    this.closing = o.closing;
    const above = o.parent?.grants ?? [];
    this.grants = o.agent.grants ? [...above, o.agent.grants] : above;
    this.request = undefined;
    this.#halt = undefined;
    for (const { secrets } of o.agent.sources) if (secrets) o.drive.secrets.add(secrets);
  }

  get host(): Host {
    return this.drive.host;
  }

  get run(): RunFold {
    return this.drive.run;
  }

  /** Undefined while there are none: masking costs nothing then. */
  get secrets(): Secrets | undefined {
    return this.drive.secrets.empty ? undefined : this.drive.secrets;
  }

  get halt(): Halt | undefined {
    return this.#halt ?? this.parent?.halt;
  }

  set halt(halt: Halt) {
    this.#halt ??= halt;
  }

  /**
   * Appends entries of this frame, or of one that they name themselves. What comes when the frame is over changes nothing any more: only what
   * it cost is kept, of whoever goes on. @throws as `Log.append`.
   */
  append(make: Make, power = false): void | Promise<void> {
    if (this.frame.id === '') return this.drive.log.append(make, power);
    return this.drive.log.append((seq) => {
      const drafts = this.frame.ended ? make(seq).filter(costs) : make(seq);
      const id = this.#open().frame.id || undefined;
      for (const draft of drafts) if (this.frame.ended || !('frame' in draft)) draft.frame = id;
      return drafts;
    }, power);
  }

  /** The part of the run that goes on: this one, or one that it is in. */
  #open(): Scope {
    let scope: Scope = this;
    while (scope.frame.ended && scope.parent) scope = scope.parent;
    return scope;
  }

  /** Shows a transient event of this frame; undefined while nobody listens. */
  get emit(): ((event: Transient, step: number) => void) | undefined {
    const { emit } = this.drive;
    return emit && ((event, step) => emit(event, step, this.frame.path));
  }

  /** @see Drive.own */
  own(waited = false): void | Promise<void> {
    return this.drive.own(waited);
  }

  /** A source that is cancelled with this scope's, and can be cancelled by itself. `unlink` lets go of it. */
  linkedCancel(): { cancel: CancelSource; unlink: () => void } {
    const cancel = new CancelSource();
    const link = this.cancel.add((reason) => cancel.cancel(reason));
    return { cancel, unlink: () => link?.remove() };
  }
}

const costs = (draft: Draft) => draft.type === 'attempt.failed' && draft.lost !== undefined;

/** How one drive of an agent's part ended. Nothing of it is in the journal yet, unless `committed`. */
export type Settlement =
  | { status: 'completed'; output: Json; committed: true }
  | { status: 'failed'; error: Failure }
  | { status: 'paused' }
  /** `at`: the scope whose limit it is. */
  | { status: 'stopped'; limit: Crossed; at: Scope };
