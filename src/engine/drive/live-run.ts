import type { Entry } from '../../journal/entries/entries.ts';
import type { RunFold } from '../../journal/fold/fold.ts';
import { heard } from '../../journal/heard.ts';
import type { Log } from '../../journal/log.ts';
import type { AgentDefinition, Caller, Drive, Halt, Host } from '../../loop/types.ts';
import type { Principal } from '../../ports/principal.ts';
import { CancelSource } from '../../reliability/cancel.ts';
import { messageOf } from '../../reliability/classify.ts';
import { warnOnce } from '../../reliability/warn.ts';
import { Secrets } from '../../secrets.ts';
import type { AgentTrace } from '../../telemetry/trace.ts';
import { eventOf } from '../read/events.ts';
import type { RunEvent } from '../read/run-event.ts';
import { EventStream } from '../read/stream.ts';

/** A run that this process drives, or is about to drive: the only place of its live state. Scopes hold it as their `Drive`. */
export class LiveRun implements Drive {
  readonly runId: string;
  readonly host: Host;
  /** What the run was asked to be; undefined until it is known. */
  asked: { by: Principal | undefined; agent: string; session: string | undefined } | undefined;
  caller: Caller;
  readonly secrets = new Secrets();
  readonly cancel = new CancelSource();
  draining = false;
  readonly driven = new Map<string, number>();
  halt: Halt | undefined;
  own: Drive['own'] = () => undefined;
  /** The agent that it is driven with; undefined until it is about to be claimed. */
  agent: AgentDefinition | undefined;
  /** The first entry since this process drives the run. Its own readers start there. */
  from = 0;
  /** Whether this process holds a lease for it. The lease is released if the run does not end here. */
  leased = false;
  /** The end of the lease with which the process before gave the run back, 0 where it did not; undefined once the run is claimed here. */
  givenBack: number | undefined;
  /** When the claim was made, by the clock that does not jump. */
  claimedAt = performance.now();
  /** Settles with the drive. */
  done: Promise<unknown> | undefined;
  /** Resolves once the first entry of this drive is committed, or the drive has ended without one. */
  readonly opened: Promise<void>;
  #open: () => void = () => {};
  #over: { error?: unknown } | undefined;
  #log: Log | undefined;
  #trace: AgentTrace | undefined;
  readonly #streams = new Set<EventStream>();
  readonly #onEvent: ((event: RunEvent) => void) | undefined;

  constructor(runId: string, host: Host, onEvent: ((event: RunEvent) => void) | undefined) {
    this.runId = runId;
    this.host = host;
    this.#onEvent = onEvent;
    this.caller = { runId, by: undefined, session: undefined, assertion: undefined };
    this.opened = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  /** The run is about to be claimed. */
  begin(agent: AgentDefinition, log: Log, trace: AgentTrace | undefined, own: Drive['own']): void {
    this.agent = agent;
    this.from = log.run.next;
    this.#log = log;
    this.#trace = trace;
    this.own = own;
  }

  /** Whether there is a log: not before the tools of the agent are listed. */
  get begun(): boolean {
    return this.#log !== undefined;
  }

  /** Whether the first entry of this drive is committed, once that is known. */
  async accepted(): Promise<boolean> {
    await this.opened;
    return this.#log !== undefined && this.#log.run.next > this.from;
  }

  get log(): Log {
    if (!this.#log) throw new Error(`run ${this.runId} has not begun`);
    return this.#log;
  }

  stop(halt: Halt): void {
    this.halt ??= halt;
    this.cancel.cancel();
  }

  /** Milliseconds since the claim: the wall clock may have been set meanwhile. */
  worked(): number {
    return Math.round(performance.now() - this.claimedAt);
  }

  /** Takes note of a committed entry. */
  committed(run: RunFold, entry: Entry): void {
    this.#open();
    if (entry.type === 'approval.requested') this.#trace?.approvalRequested(entry, entry.at);
    else if (entry.type === 'wait.began') this.#trace?.waitBegan(entry, entry.at);
    else if (entry.type === 'approval.decided') this.#trace?.approvalDecided(entry, entry.at);
    else if (entry.type === 'message.received' && entry.kind === 'cancel') this.stop({ why: 'cancel' });
    if (entry.verdicts)
      for (const verdict of entry.verdicts)
        this.#trace?.guardrailRuled('call' in entry ? { ...verdict, call: entry.call } : verdict, entry.at);
    // a late result may still be written down after the end; by then another drive may be telling what happens
    if (!this.emit) return;
    let event: RunEvent | undefined;
    try {
      event = eventOf(run, entry);
    } catch {
      // the entry is committed: nothing that serves readers may undo it
    }
    if (event) this.#tell(event);
  }

  /** A reader of the entries from now on. `begin` adds the entries that it missed, before the next one. */
  join(begin?: (stream: EventStream) => void): EventStream {
    const stream: EventStream = new EventStream(() => this.#streams.delete(stream));
    begin?.(stream);
    if (this.#over) this.#close(stream, this.#over);
    else this.#streams.add(stream);
    return stream;
  }

  get emit(): Drive['emit'] {
    return !this.#over && (this.#streams.size > 0 || this.#onEvent) ? this.#emit : undefined;
  }

  readonly #emit: NonNullable<Drive['emit']> = (event, step, { id, path }) => {
    this.#tell({ ...event, runId: this.runId, path, ...(id !== '' && { frame: id }), step, at: Date.now() });
  };

  #tell(event: RunEvent): void {
    for (const stream of this.#streams) stream.push(event);
    const listener = this.#onEvent;
    if (!listener) return;
    // a listener that throws never disturbs a run, now or later
    heard(listener, [event], (error) => this.#failed(listener, event, error));
  }

  #failed(listener: object, { type }: RunEvent, error: unknown): void {
    const why = `onEvent failed for "${type}" of run ${this.runId}: ${messageOf(error)}. Later errors of it are not told.`;
    warnOnce(listener, 'throws', why);
  }

  /** The drive has ended; with `error`, the engine could not go on. A later reader gets the events so far, and the same end. */
  end(over: { error?: unknown }): void {
    this.#over = over;
    this.#open();
    for (const stream of this.#streams) this.#close(stream, over);
    this.#streams.clear();
  }

  #close(stream: EventStream, over: { error?: unknown }): void {
    if ('error' in over) stream.fail(over.error);
    else stream.end();
  }
}
