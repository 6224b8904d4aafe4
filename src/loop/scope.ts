/** The live state of one frame: what its loop reads, and the one way by which it appends. */
import type { Draft, Limits } from '../journal/entries/entries.ts';
import type { Frame, RunFold } from '../journal/fold/fold.ts';
import type { Log, Make } from '../journal/log.ts';
import type { Memory } from '../ports/memory.ts';
import type { ModelRequest } from '../ports/model.ts';
import { CancelSource } from '../reliability/cancel.ts';
import type { Secrets } from '../secrets.ts';
import type { AgentTrace } from '../telemetry/trace.ts';
import { memoryOf, promise } from './remembered.ts';
import { Reserved } from './reserved.ts';
import type { AgentDefinition, Drive, End, Found, Grants, Halt, Host, Plan, Scope, Tools } from './types.ts';

/** What a frame is driven with. The rest of a scope follows from it. */
export interface ScopeOptions {
  drive: Drive;
  frame: Frame;
  agent: AgentDefinition;
  plan: Plan;
  /** Its own ones: those above it hold too, by `parent`. */
  limits: Limits;
  /** Those that the grants allow. */
  tools: Tools;
  trace: AgentTrace | undefined;
  /** Of this frame. The frame above, or the run, cancels it with its own. */
  cancel: CancelSource;
  /** From the root down to this frame's agent. */
  grants: readonly Grants[];
  /** Absent for the root frame. */
  parent?: Scope;
  /** The entries with which this part ends, in the same append as its last answer. */
  closing(end: End): Make;
  /** @see Scope.leaving */
  leaving?: Scope['leaving'];
}

/** @see Scope, where the contracts stand. */
export class LiveScope implements Scope {
  readonly drive: Drive;
  readonly host: Host;
  readonly run: RunFold;
  readonly secrets: Secrets;
  readonly frame: Frame;
  readonly agent: AgentDefinition;
  readonly plan: Plan;
  readonly limits: Limits;
  tools: Tools;
  found: Map<string, Found> | undefined;
  revision: number | undefined;
  readonly trace: AgentTrace | undefined;
  readonly cancel: CancelSource;
  readonly parent: Scope | undefined;
  readonly closing: Scope['closing'];
  readonly leaving: Scope['leaving'];
  readonly grants: readonly Grants[];
  readonly memory: Memory | undefined;
  readonly limitedBy: Scope['limitedBy'];
  readonly reserved = new Reserved();
  request: ModelRequest | undefined;
  readonly #log: Log;
  /** Why this part alone must stop. */
  #halt: Halt | undefined;

  constructor(o: ScopeOptions) {
    this.drive = o.drive;
    this.host = o.drive.host;
    this.#log = o.drive.log;
    this.run = o.drive.log.run;
    this.secrets = o.drive.secrets;
    this.frame = o.frame;
    this.agent = o.agent;
    this.plan = o.plan;
    this.limits = o.limits;
    this.tools = o.tools;
    this.found = undefined;
    this.revision = undefined;
    this.trace = o.trace;
    this.cancel = o.cancel;
    this.parent = o.parent;
    this.leaving = o.leaving;
    this.closing = (end, told = end) => {
      const close = o.closing(told);
      if (!end.ok) return close;
      return (seq) => {
        const due = promise(this);
        return [...due, ...close(seq + due.length)];
      };
    };
    this.grants = o.grants;
    this.memory = memoryOf(o.agent, !o.parent, this.host);
    this.limitedBy = limitedBy(this);
    this.request = undefined;
    this.#halt = undefined;
    for (const { secrets } of o.agent.sources) if (secrets) this.secrets.add(secrets);
  }

  get halt(): Halt | undefined {
    return this.#halt ?? (this.parent ?? this.drive).halt;
  }

  stop(halt: Halt): void {
    if (this.parent) {
      this.#halt ??= halt;
      this.cancel.cancel();
    } else this.drive.stop(halt);
  }

  stopsHere(): boolean {
    if (this.drive.draining) this.drive.halt ??= { why: 'close' };
    return this.halt !== undefined;
  }

  append(make: Make, power = false): void | Promise<void> {
    if (this.frame.id === '') return this.#log.append(make, power);
    return this.#log.append((seq) => {
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

  linkedCancel(): { cancel: CancelSource; unlink: () => void } {
    const cancel = new CancelSource();
    const link = this.cancel.add((reason) => cancel.cancel(reason));
    return { cancel, unlink: () => link?.remove() };
  }
}

/** By limit: this scope, if it has the limit, before those above that have it. Its own comes first, so it is the one that ends. */
function limitedBy(scope: Scope): Scope['limitedBy'] {
  const by: { [limit in keyof Limits]?: readonly Scope[] } = { ...scope.parent?.limitedBy };
  for (const [name, max] of Object.entries(scope.limits) as [keyof Limits, unknown][])
    if (max !== undefined) by[name] = [scope, ...(by[name] ?? [])];
  return by;
}

/** A frame that has ended may still append what a late attempt cost: dollars count, whatever became of the frame. */
const costs = (draft: Draft) => draft.type === 'attempt.failed' && (draft.lost !== undefined || draft.usd !== undefined);
