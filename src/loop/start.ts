/**
 * Start: the only place that appends a model's answer with the starts of its calls, in one append and before any effect.
 *
 * I1. No call runs before its `call.started` is in the journal.
 * I2. An answer with calls is appended together with the first starts. If the run is halted, it is appended alone.
 * I3. A call with an intent claims it in the same append as its start. If another call was faster, it stays open.
 * I4. At most `parallel` calls are started at once. The others start when one has ended.
 */
import { detailOf, notRun } from '../errors.ts';
import { request } from '../hitl/approvals.ts';
import type { Asked } from '../hitl/gate.ts';
import { MOST_CLAIMS } from '../journal/claims.ts';
import type { CallId, Draft } from '../journal/entries/entries.ts';
import type { Call } from '../journal/fold/fold.ts';
import { argumentsOf } from '../journal/fold/frame.ts';
import type { Make } from '../journal/log.ts';
import { isSameJson } from '../json.ts';
import { Halted, unlessHalted } from '../reliability/patience.ts';
import { appendWithRetry } from './append-with-retry.ts';
import { type Reservation, reserveToolCall } from './budget.ts';
import type { Due, Prepared, Ready, Startable } from './call/call.ts';
import { prepare } from './call/prepare.ts';
import type { Scope } from './types.ts';

/** A model's answer before it has a number, as it goes into the journal. */
export type Responded = Extract<Draft, { type: 'model.responded' }>;

/** An answer with calls that is not in the journal yet. */
export interface Answer {
  entry: Responded;
  /** In the order of the answer. A call through `call_tool` stands here as the call of the tool that it names. */
  calls: readonly Asked[];
  /** It was cut off at the output limit, so none of its calls is made. */
  cut: boolean;
}

/** Appends the answer and starts those of its calls that may start. @returns the calls to run, in order. */
export async function answered(scope: Scope, { entry, calls, cut }: Answer): Promise<readonly Due[]> {
  const { halt } = scope;
  if (halt) {
    await scope.append(() => [entry]);
    return [];
  }
  const pending = cut ? calls.map(() => TRUNCATED) : prepare(scope, calls, 0);
  let prepared: readonly Prepared[];
  try {
    prepared = pending instanceof Promise ? await unlessHalted(pending, scope.cancel) : pending;
  } catch (error) {
    // halted while preparing: the answer is journaled, and the next claim starts its calls
    if (error instanceof Halted && scope.halt?.why !== 'lost') await scope.append(() => [entry]);
    throw error;
  }
  const { started } = await write(scope, calls, prepared, entry);
  return dueOf(scope.frame.calls, prepared, started);
}

/**
 * Starts those calls of the journal that may start.
 * @returns the calls to run, in order, and all prepared calls. `wrote`: whether anything was appended or started.
 */
export async function reopened(
  scope: Scope,
  calls: readonly Call[],
): Promise<{ due: readonly Due[]; prepared: readonly Prepared[]; wrote: boolean }> {
  const now = calls.some((call) => call.approval || call.wait) ? await scope.host.now() : 0;
  const prepared = await unlessHalted(Promise.resolve(prepare(scope, calls, now)), scope.cancel);
  const { started, wrote } = await write(scope, calls, prepared);
  return { due: dueOf(calls, prepared, started), prepared, wrote };
}

/** Starts a queued call in one append with the end of another. @returns whether a limit allowed it. */
export async function startNext(scope: Scope, due: Due, finished: Draft | undefined): Promise<boolean> {
  const { started } = await write(scope, [due.call], [due.ready], finished);
  due.started = started.has(0);
  return due.started;
}

/** Calls of an answer that was cut off are not made, because their arguments may be incomplete. */
const TRUNCATED: Prepared = {
  go: 'refuse',
  error: notRun('OUTPUT_TRUNCATED', 'Your answer was cut off at the output limit, so this call was not made. Answer in less.', true),
};

/**
 * Appends `before` (an answer or the end of a call) with one entry for each call: its start, an approval request, or its end.
 * @returns the indexes of the calls that are started now, and whether anything was appended or started.
 */
async function write(
  scope: Scope,
  calls: readonly (Asked & Partial<Pick<Call, 'id'>>)[],
  prepared: readonly Prepared[],
  before?: Draft,
): Promise<{ started: ReadonlySet<number>; wrote: boolean }> {
  const { parallel } = scope.agent;
  const started = new Set<number>();
  const reserved: Reservation[] = [];
  let wrote = false;
  let asks = false;
  // the start of a `once` call must survive power loss: if it were lost, the effect could run twice
  let fsync = false;
  for (const p of prepared) {
    asks ||= p.go === 'ask' || p.go === 'consent';
    fsync ||= p.go === 'start' && p.tool.effect === 'once';
  }
  const now = asks ? await scope.host.now() : 0;
  const answer = before?.type === 'model.responded';
  // calls whose intent another call has claimed since it was looked up: they stay open, and are looked at again
  const lost = new Set<CallId>();
  const make: Make = (seq) => {
    // called again after a conflict, so reset the state of the first call
    for (const reservation of reserved.splice(0)) reservation.release();
    started.clear();
    // the end of a call, written before, may change one too
    let claims = before && !answer ? 1 : 0;
    const drafts: Draft[] = before ? [before] : [];
    for (let i = 0; i < prepared.length; i++) {
      const p = prepared[i] as Prepared;
      const call = calls[i] as Asked & Partial<Pick<Call, 'id' | 'amount'>>;
      const id = answer ? `${seq}.${i}` : (call.id as CallId);
      if (p.go === 'start') {
        // after the first refusal those that were not looked up stay open too, and all are looked at together
        if (started.size >= parallel || lost.has(id) || (lost.size > 0 && p.unseen) || (p.intent && claims >= MOST_CLAIMS)) continue;
        const place = reserveToolCall(scope, p, seq + drafts.length, p.resumed, call.amount !== undefined);
        if (!place) continue;
        reserved.push(place);
        started.add(i);
        if (p.intent) claims++;
      }
      // decided since it was found to have expired: it is looked at again
      if (p.go === 'refuse' && p.error.code === 'APPROVAL_EXPIRED' && call.approval?.decided) continue;
      const draft = p.go === 'start' ? startEntry(id, call, p) : entryOf(scope, id, call, p, now);
      if (draft) drafts.push(draft);
    }
    // a resumed sub-agent is started without an entry
    wrote = drafts.length > 0 || started.size > 0 || lost.size > 0;
    return drafts;
  };
  try {
    for (let claimed = true; claimed; ) {
      try {
        // the end of a call records an effect, so it must not be lost
        const appending = before && !answer ? appendWithRetry(scope, make, fsync) : scope.append(make, fsync);
        if (appending) await appending;
        claimed = false;
      } catch (error) {
        // the call whose intent was claimed by another one in the last moment
        const other = detailOf(error, 'INTENT_CLAIMED', 'call');
        if (other === undefined || lost.has(other)) throw error;
        lost.add(other);
      }
    }
  } finally {
    for (const reservation of reserved) reservation.release();
  }
  return { started, wrote };
}

function dueOf(calls: readonly Call[], prepared: readonly Prepared[], started: ReadonlySet<number>): readonly Due[] {
  const due: Due[] = [];
  for (let i = 0; i < prepared.length; i++) {
    const p = prepared[i] as Prepared;
    if (p.go === 'start') due.push({ call: calls[i] as Call, ready: p, started: started.has(i) });
  }
  return due;
}

/** The entry of a prepared call that does not start: an approval request, or its end. */
function entryOf(scope: Scope, id: CallId, call: Asked, prepared: Exclude<Prepared, Startable>, now: number): Draft | undefined {
  const asking = { id, name: call.name, input: call.input, asked: call.asked ?? 0 };
  switch (prepared.go) {
    case 'ask':
      return request(scope.run.runId, asking, { ...prepared, hash: prepared.tool.hash, effect: prepared.tool.effect }, now);
    case 'consent':
      return request(scope.run.runId, asking, { rule: {}, consent: consentOf(prepared) }, now);
    case 'sleep': {
      const { go: _, ...began } = prepared;
      return { type: 'wait.began', call: id, ...began };
    }
    case 'reject':
      return { type: 'event.rejected', call: id, id: prepared.id, problem: prepared.problem };
    case 'refuse':
      return { type: 'call.finished', call: id, ok: false, error: prepared.error, attempts: 0, ms: 0 };
    case 'answer': {
      const { go: _, ...seen } = prepared;
      return { type: 'call.finished', call: id, ok: true, ...seen, attempts: 0, ms: 0 };
    }
    default:
      return undefined;
  }
}

/** The start of a call, with the tool's arguments if no earlier entry has them. Undefined for a resumed sub-agent. */
function startEntry(id: CallId, call: Asked, { tool, shown, resumed, intent, amount, handedOut }: Ready): Draft | undefined {
  if (resumed && tool.delegate) return undefined;
  const entry: Draft = { type: 'call.started', call: id, effect: tool.effect };
  if (intent) entry.intent = intent;
  if (amount) entry.amount = amount;
  if (handedOut) entry.credentials = handedOut;
  if (typeof tool.options.cost === 'number') entry.usd = tool.options.cost;
  const known = argumentsOf(call);
  if (shown !== known && !isSameJson(shown, known)) entry.input = shown;
  return entry;
}

/** The journaled form of a consent. `handle` only if the identity gave one. */
const consentOf = ({ provider, url, handle }: Prepared & { go: 'consent' }) => ({ provider, url, handle });
