import type { Entry } from '../journal/entries.ts';
import type { RunFold } from '../journal/fold.ts';
import type { Log } from '../journal/log.ts';
import type { Halt, Scope, Transient } from '../loop/types.ts';

import { CancelSource } from '../reliability/cancel.ts';
import type { AgentTrace } from '../telemetry/trace.ts';
import { eventOf, type RunEvent } from './events.ts';
import { EventStream } from './stream.ts';

/** A run that this process drives, or is about to: who listens to it, and how to stop it. */
export class Active {
  readonly runId: string;
  /** What the run was asked for, and whose it is; undefined until that is known. */
  asked: { tenant: string | undefined; agent: string; session: string | undefined } | undefined;
  readonly cancel = new CancelSource();
  log: Log | undefined;
  /** The first entry of this drive: what its own readers begin with. */
  from = 0;
  trace: AgentTrace | undefined;
  scope: Scope | undefined;
  /** Whether a lease was taken for it, which is given back where the run does not end here. */
  leased = false;
  draining = false;
  /** When the claim was made, by the clock that does not jump. */
  began = performance.now();
  /** Settles with the drive. */
  done: Promise<unknown> | undefined;
  /** Resolves once the first entry of this drive is committed, or the drive has ended without one. */
  readonly opened: Promise<void>;
  #open: () => void = () => {};
  #over: { error?: unknown } | undefined;
  #halt: Halt | undefined;
  readonly #streams = new Set<EventStream>();
  readonly #onEvent: ((event: RunEvent) => void) | undefined;

  constructor(runId: string, onEvent: ((event: RunEvent) => void) | undefined) {
    this.runId = runId;
    this.#onEvent = onEvent;
    this.opened = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  get halted(): Halt | undefined {
    return this.#halt;
  }

  /** Milliseconds since the claim: the wall clock may have been set meanwhile. */
  worked(): number {
    return Math.round(performance.now() - this.began);
  }

  /** Stops the run as soon as it can be stopped. The first reason counts. */
  halt(halt: Halt): void {
    if (this.#halt) return;
    this.#halt = halt;
    if (this.scope) this.scope.halt = halt;
    this.cancel.cancel();
  }

  /** Lets the calls under way end, and stops before the next model call. */
  drain(): void {
    this.draining = true;
    if (this.scope) this.scope.drive.draining = true;
  }

  /** Takes note of a committed entry. */
  committed(run: RunFold, entry: Entry): void {
    this.#open();
    if (entry.type === 'approval.requested') this.trace?.approvalRequested(entry, entry.at);
    else if (entry.type === 'wait.began') this.trace?.waitBegan(entry, entry.at);
    else if (entry.type === 'approval.decided') this.trace?.approvalDecided(entry, entry.at);
    else if (entry.type === 'message.received' && entry.kind === 'cancel') this.halt({ why: 'cancel' });
    // a late result may still be written down after the end; by then another drive may be telling what happens
    if (this.#over || (this.#streams.size === 0 && !this.#onEvent)) return;
    let event: RunEvent | undefined;
    try {
      event = eventOf(run, entry);
    } catch {
      // the entry is committed: nothing that serves readers may undo it
    }
    if (event) this.#tell(event);
  }

  /** A reader from now on. `begin` puts before the next committed entry what it has missed. */
  join(begin?: (stream: EventStream) => void): EventStream {
    const stream: EventStream = new EventStream(() => {
      this.#streams.delete(stream);
      this.listen();
    });
    begin?.(stream);
    if (this.#over) this.#close(stream, this.#over);
    else this.#streams.add(stream);
    this.listen();
    return stream;
  }

  /** Tells the model adapters and tools whether anybody listens. */
  listen(): void {
    if (this.scope && !this.#over) this.scope.drive.emit = this.#streams.size > 0 || this.#onEvent ? this.#emit : undefined;
  }

  readonly #emit = (event: Transient, step: number, path: readonly string[]): void => {
    this.#tell({ ...event, runId: this.runId, path, step, at: Date.now() });
  };

  #tell(event: RunEvent): void {
    for (const stream of this.#streams) stream.push(event);
    if (!this.#onEvent) return;
    try {
      const answer: unknown = this.#onEvent(event);
      if (answer instanceof Promise) answer.catch(() => undefined);
    } catch {
      // a listener that throws never disturbs a run, now or later
    }
  }

  /** The drive has ended; with `error`, the engine could not go on. A later reader gets the events so far, and the same end. */
  end(over: { error?: unknown }): void {
    this.#over = over;
    this.#open();
    if (this.scope) this.scope.drive.emit = undefined;
    for (const stream of this.#streams) this.#close(stream, over);
    this.#streams.clear();
  }

  #close(stream: EventStream, over: { error?: unknown }): void {
    if ('error' in over) stream.fail(over.error);
    else stream.end();
  }
}
