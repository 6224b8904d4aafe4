/** The records of a run's trace, computed from its entries alone. */
import { type CallId, type Entry, type EntryOf, FOREIGN } from '../../journal/entries/entries.ts';
import { apply, type Call, emptyFold, type Frame, type RunFold, unfinishedCalls } from '../../journal/fold/fold.ts';
import { argumentsOf, callNamed, openFrames } from '../../journal/fold/frame.ts';
import { costUsd } from '../../journal/fold/spent.ts';
import { type Json, toldJson } from '../../json.ts';
import { parseTraceparent } from '../../telemetry/traceparent.ts';
import { compaction, summaryFailed } from './compaction.ts';
import { type Fields, kindOf, textIn } from './kind.ts';
import type { TraceRecord } from './trace-record.ts';
import { waitFields } from './wait-record.ts';

type Ended = EntryOf<'call.finished'>;

/** Folds a run, and tells the records of each entry. */
export class Tracer {
  readonly run: RunFold;
  readonly #content: boolean;
  readonly #traceId: string;
  /** When the current attempt began, by call, and when the last entry was written, by frame. Epoch milliseconds. */
  readonly #begun = new Map<CallId, number>();
  readonly #written = new Map<string, number>();
  /** Calls that failed: an attempt that was given up may end when their turn is over. */
  readonly #failed = new Map<CallId, Call>();
  /** The attempts that are over, by call, or by frame for its model call. */
  readonly #over = new Map<string, { before: number; last: number; model?: string | undefined }>();

  constructor(runId: string, started: EntryOf<'run.started'>, content: boolean) {
    this.run = emptyFold(runId, started.agent);
    this.#content = content;
    this.#traceId = parseTraceparent(started.trace)?.traceId ?? runId;
  }

  /** Takes the next entry. @throws RondoError `JOURNAL_DAMAGED` */
  take(entry: Entry): readonly TraceRecord[] {
    const { run } = this;
    const frame = this.#frame(entry);
    // an entry may end what it names, so that is read before
    const records = this.#before(entry, frame);
    const interrupted = entry.type === 'run.claimed' && run.status === 'running' ? this.#interrupted(entry) : [];
    apply(run, entry);
    if (entry.type === 'run.claimed') this.#begun.clear();
    else if (entry.type === 'call.started') this.#begun.set(entry.call, entry.at);
    else if (entry.type === 'run.settled' && entry.status !== 'paused') records.push(this.#final(entry, frame));
    const waits = entry.type === 'attempt.failed' ? (entry.retryIn ?? 0) : 0;
    if (!FOREIGN.has(entry.type)) this.#written.set(frame.id, entry.at + waits);
    return [...interrupted, ...records];
  }

  #frame({ frame }: Pick<Entry, 'frame'>): Frame {
    return (frame === undefined ? undefined : this.run.frames.get(frame)) ?? this.run.root;
  }

  #before(entry: Entry, frame: Frame): TraceRecord[] {
    switch (entry.type) {
      case 'model.responded':
        return [this.#answered(entry, frame)];
      case 'attempt.failed':
        if (entry.of === 'summary')
          return [
            this.#record(
              entry,
              frame,
              entry.step,
              summaryFailed(entry, (told) => this.#told(told)),
            ),
          ];
        return entry.of === 'model' ? this.#modelFailed(entry, frame) : this.#callFailed(entry, frame);
      case 'context.compacted':
        return [
          this.#record(
            entry,
            frame,
            frame.step + 1,
            compaction(entry, (told) => this.#told(told)),
          ),
        ];
      case 'call.finished':
        return [...this.#wait(entry, frame), this.#finished(entry, frame)];
      case 'wait.began':
      case 'event.rejected':
        return this.#wait(entry, frame);
      case 'approval.requested':
      case 'approval.decided':
        return this.#approval(entry, frame);
      case 'outcome.settled': {
        const { call, source, outcome, output, usd, unpriced } = entry;
        const known = callNamed(this.run, entry) ?? this.#failed.get(call);
        const own = {
          type: 'OUTCOME',
          toolName: known?.name ?? '',
          callId: call,
          source,
          outcome,
          costUsd: usd,
          costError: unpriced?.code,
          ...this.#told({ output }),
        } as const;
        return [this.#record(entry, this.#holder(known) ?? frame, known?.step ?? frame.step, own)];
      }
      case 'context.changed':
        if (!entry.memory) return [];
        return [
          this.#record(entry, frame, frame.step + 1, {
            type: 'MEMORY_OPERATION',
            operation: 'RECALL',
            facts: entry.memory.length,
            status: entry.memoryError === undefined ? 'SUCCEEDED' : 'FAILED',
            errorCode: entry.memoryError,
          }),
        ];
      case 'memory.recorded':
        return [this.#recorded(entry, frame)];
      case 'run.evaluated': {
        const { name, pass, score, reason, usd, failed, ms } = entry;
        const status = failed ? 'FAILED' : pass ? 'PASSED' : 'MISSED';
        const own = { type: 'EVALUATION', grader: name, status, score, costUsd: usd, durationMs: ms, ...this.#told({ reason }) } as const;
        return [this.#record(entry, frame, frame.step, own)];
      }
      default:
        return [];
    }
  }

  #answered(entry: EntryOf<'model.responded'>, frame: Frame): TraceRecord {
    const { model, usage, usd, ms, attempts = 1, content, step, at } = entry;
    const { before } = this.#attempts(frame.id);
    this.#over.delete(frame.id);
    const names = content.flatMap((part) => (part.type === 'toolCall' ? [part.name] : []));
    const spoken = textIn(content, 'text');
    return this.#record(entry, frame, step, {
      type: 'MODEL_INVOCATION',
      model,
      attempt: before + attempts,
      status: 'SUCCEEDED',
      durationMs: attempts > 1 ? this.#asked(frame, at) : ms,
      usage,
      costUsd: usd,
      toolNames: names.length > 0 ? names : undefined,
      ...this.#told({
        reason: names.length > 0 ? textIn(content, 'reasoning') || spoken || undefined : undefined,
        text: spoken || undefined,
      }),
    });
  }

  #modelFailed(entry: EntryOf<'attempt.failed'>, frame: Frame): TraceRecord[] {
    const { step, attempt, code, message, retryIn, fallback, model, at } = entry;
    const crashed = code === 'CRASHED';
    const over = this.#attempts(frame.id);
    const number = crashed ? over.last + 1 : over.before + attempt;
    // a switch to another model repeats the failure of the last attempt
    const repeats = fallback !== undefined && number <= over.last;
    if (repeats && model === over.model) return [];
    this.#over.set(frame.id, { before: crashed ? number : over.before, last: number, model });
    return [
      this.#record(entry, frame, step, {
        type: 'MODEL_INVOCATION',
        model,
        attempt: repeats ? 0 : number,
        status: crashed ? 'INTERRUPTED' : repeats ? 'NOT_RUN' : 'FAILED',
        errorCode: code,
        durationMs: crashed || repeats ? undefined : this.#asked(frame, at),
        retryScheduledInMs: retryIn,
        ...this.#told({ message }),
      }),
    ];
  }

  #callFailed(entry: EntryOf<'attempt.failed'>, frame: Frame): TraceRecord[] {
    const { of: id, step, attempt, code, message, retryIn, at, usd } = entry;
    const call = callNamed(this.run, { type: entry.type, call: id });
    const { before } = this.#attempts(id);
    const began = this.#begun.get(id);
    this.#over.set(id, { before, last: before + attempt });
    this.#begun.set(id, at + (retryIn ?? 0));
    return [
      this.#record(entry, frame, step, {
        ...kindOf(frame, call, id),
        attempt: before + attempt,
        status: 'FAILED',
        errorCode: code,
        durationMs: began === undefined ? undefined : Math.max(0, at - began),
        retryScheduledInMs: retryIn,
        costUsd: usd,
        callId: id,
        ...this.#told({ input: call && argumentsOf(call), message }),
      }),
    ];
  }

  #finished(entry: Ended, frame: Frame): TraceRecord {
    const { call: id, ok, error, attempts, ms, at, repeated, cached, usage, usd, unpriced } = entry;
    const call = callNamed(this.run, entry);
    const { before } = this.#attempts(id);
    const began = this.#begun.get(id);
    this.#over.delete(id);
    this.#begun.delete(id);
    // a call that did not start again after a crash made no further attempt
    const further = before > 0 && began === undefined && !ok ? 0 : attempts;
    const turn = frame.kind === 'foreign';
    if (call && !ok) this.#failed.set(id, call);
    return this.#record(entry, frame, call?.step ?? frame.step, {
      ...kindOf(frame, call, id),
      attempt: before + further,
      status: ok ? 'SUCCEEDED' : attempts === 0 && error?.outcome === 'not-run' ? 'NOT_RUN' : 'FAILED',
      errorCode: error?.code,
      durationMs: attempts > 1 && began !== undefined ? Math.max(0, at - began) : ms,
      callId: id,
      outcome: error?.outcome,
      repeated,
      ...(turn && { usage }),
      costUsd: usd,
      costError: unpriced?.code,
      cached,
      ...this.#told({
        input: call && argumentsOf(call),
        output: entry.output ?? (entry.state as Json | undefined),
        message: error?.message,
      }),
    });
  }

  /** The begin of a wait, its end, or an event that did not fit. */
  #wait(entry: EntryOf<'wait.began' | 'event.rejected'> | Ended, frame: Frame): TraceRecord[] {
    const call = callNamed(this.run, entry.type === 'call.finished' ? entry : { type: entry.type, call: entry.call });
    const began = entry.type === 'wait.began' ? entry : call?.wait?.began;
    // a copied wait of a fork may have ended before
    if (!began || (call?.status !== 'open' && entry.type !== 'wait.began')) return [];
    const { fields, key, message } = waitFields(entry, began, call?.name ?? '');
    return [this.#record(entry, frame, call?.step ?? frame.step, { ...fields, ...this.#told({ key, message }) })];
  }

  #approval(entry: EntryOf<'approval.requested' | 'approval.decided'>, frame: Frame): TraceRecord[] {
    const approval = this.run.approvals.get(entry.id);
    if (entry.type === 'approval.decided' && !approval) return [];
    const asked = entry.type === 'approval.requested' ? entry : (approval?.asked as EntryOf<'approval.requested'>);
    const call = approval?.call ?? callNamed(this.run, { type: entry.type, call: asked.call });
    const decided = entry.type === 'approval.decided' ? entry : undefined;
    return [
      this.#record(entry, approval?.frame ?? frame, call?.step ?? frame.step, {
        type: 'APPROVAL',
        status: decided ? 'DECIDED' : 'REQUESTED',
        approvalId: asked.id,
        kind: asked.kind,
        toolName: asked.tool,
        callId: asked.call,
        decision: decided?.decision.type,
        durationMs: decided && Math.max(0, decided.at - asked.at),
        ...this.#told({ reason: asked.question ?? asked.reason, by: decided?.by.id }),
      }),
    ];
  }

  #recorded(entry: EntryOf<'memory.recorded'>, frame: Frame): TraceRecord {
    const { attempt, error, retryIn, key } = entry;
    const record = this.#record(entry, frame, frame.step, {
      type: 'MEMORY_OPERATION',
      operation: 'RECORD',
      attempt,
      status: error ? 'FAILED' : 'SUCCEEDED',
      errorCode: error?.code,
      retryScheduledInMs: retryIn,
      ...this.#told({ message: error?.message }),
    });
    return { ...record, path: this.run.outbox.get(key)?.path ?? record.path };
  }

  /** What a crash interrupted: calls that had started, and the top agent's model call. Those of sub-agents have entries of their own. */
  #interrupted(entry: EntryOf<'run.claimed'>): TraceRecord[] {
    const crashed = { status: 'INTERRUPTED', errorCode: 'CRASHED' } as const;
    const records = unfinishedCalls(this.run).flatMap((call) => {
      if (call.status !== 'started' || call.frame || call.settled) return [];
      const frame = this.#holder(call) ?? this.run.root;
      const attempt = this.#attempts(call.id).last + 1;
      this.#over.set(call.id, { before: attempt, last: attempt });
      const paid = { costUsd: call.paid?.usd };
      const own = {
        ...kindOf(frame, call, call.id),
        attempt,
        ...crashed,
        ...paid,
        callId: call.id,
        ...this.#told({ input: argumentsOf(call) }),
      };
      return [this.#record(entry, frame, call.step, own)];
    });
    if (!entry.lost) return records;
    const { root } = this.run;
    const attempt = this.#attempts(root.id).last + 1;
    this.#over.set(root.id, { before: attempt, last: attempt });
    return [...records, this.#record(entry, root, root.step + 1, { type: 'MODEL_INVOCATION', attempt, ...crashed })];
  }

  #final(entry: EntryOf<'run.settled'>, frame: Frame): TraceRecord {
    const { run } = this;
    const { status, error, limit, output, reason } = entry;
    return this.#record(entry, frame, frame.step, {
      type: 'FINAL_RESPONSE',
      status: status === 'completed' ? 'SUCCEEDED' : status.toUpperCase(),
      errorCode: error?.code,
      limit: limit?.name,
      durationMs: run.workMs,
      usage: { ...run.usage },
      costUsd: costUsd(run),
      ...this.#told({ output, message: error?.message ?? reason }),
    });
  }

  #attempts(of: string) {
    return this.#over.get(of) ?? { before: 0, last: 0 };
  }

  /** Milliseconds of a model's attempt that ends now. */
  #asked(frame: Frame, at: number): number {
    return Math.max(0, at - Math.max(this.#written.get(frame.id) ?? frame.startedAt, this.run.claimedAt));
  }

  /** The frame that a call belongs to. */
  #holder(call: Call | undefined): Frame | undefined {
    if (!call) return undefined;
    const task = call.id.split('/')[0];
    return openFrames(this.run).find((f) => f.calls.includes(call) || (f.tasks?.has(task ?? '') ?? false));
  }

  /** Fields that are content. */
  #told(fields: { [field: string]: Json | undefined }) {
    return this.#content ? fields : {};
  }

  /** A record, as a copy, so that no reader changes the journal. */
  #record({ at, seq }: Entry, { path, id }: Frame, step: number, { type, ...own }: Fields): TraceRecord {
    const { run } = this;
    const copied = seq <= run.inherited && seq > 0 ? true : undefined;
    const sessionId = run.started.session;
    return toldJson({
      traceId: this.#traceId,
      sessionId,
      step,
      type,
      ...own,
      runId: run.runId,
      path,
      frame: id || undefined,
      at,
      seq,
      copied,
    }).json as unknown as TraceRecord;
  }
}
