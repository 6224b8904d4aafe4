/**
 * Start: the one place where the model's answer and the starts of its calls are written, in one append and before any effect.
 *
 * I1. No call runs before its `call.started` is in the journal.
 * I2. The answer that asks for calls is in the journal together with the first of their starts, or, where the run is halted, alone.
 * I3. At most `parallel` calls are started at once; the others start when one has ended.
 */
import { request } from '../hitl/approvals.ts';
import type { Asked } from '../hitl/gate.ts';
import type { CallId, Draft } from '../journal/entries.ts';
import type { Call } from '../journal/fold.ts';
import { argumentsOf } from '../journal/frame.ts';
import type { Make } from '../journal/log.ts';
import { isSameJson } from '../json.ts';
import type { ToolCallPart } from '../ports/model.ts';
import { Halted, unlessHalted } from '../reliability/patience.ts';
import { type Reservation, reserveToolCall } from './budget.ts';
import type { Due, Prepared, Ready } from './call.ts';
import { held } from './held.ts';
import { prepare } from './prepare.ts';
import type { Scope } from './types.ts';

export type Responded = Extract<Draft, { type: 'model.responded' }>;

/** An answer of the model that asks for calls, not in the journal yet. */
export interface Answer {
  entry: Responded;
  calls: readonly ToolCallPart[];
  /** It was cut off at the output limit, so none of its calls is made. */
  cut: boolean;
}

/** Writes the answer, and starts its calls as far as they may. @returns the calls to run, in the order asked. */
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
    // the calls wait for the next claim
    if (error instanceof Halted && scope.halt?.why !== 'lost') await scope.append(() => [entry]);
    throw error;
  }
  const { started } = await write(scope, calls, prepared, entry);
  return dueOf(scope.frame.calls, prepared, started);
}

/**
 * Starts calls of the journal as far as they may.
 * @returns the calls to run, in the order asked, and what was found; `wrote` tells whether anything changed.
 */
export async function reopened(
  scope: Scope,
  calls: readonly Call[],
): Promise<{ due: readonly Due[]; prepared: readonly Prepared[]; wrote: boolean }> {
  const now = calls.some((call) => call.approval) ? await scope.host.now() : 0;
  const prepared = await unlessHalted(Promise.resolve(prepare(scope, calls, now)), scope.cancel);
  const { started, wrote } = await write(scope, calls, prepared);
  return { due: dueOf(calls, prepared, started), prepared, wrote };
}

/** Starts a call that waited for a place, in one append with the end of the call that made it. @returns whether a limit let it start. */
export async function startNext(scope: Scope, due: Due, finished: Draft | undefined): Promise<boolean> {
  const { started } = await write(scope, [due.call], [due.ready], finished);
  due.started = started.has(0);
  return due.started;
}

/** The arguments of a call in an answer that was cut off may be a part of what was meant. */
const TRUNCATED: Prepared = {
  go: 'refuse',
  error: {
    code: 'OUTPUT_TRUNCATED',
    message: 'Your answer was cut off at the output limit, so this call was not made. Answer in less.',
    retryable: true,
    attempts: 0,
    outcome: 'not-run',
  },
};

/**
 * Writes `before`, an answer or the end of a call, with what becomes of the calls.
 * @returns the indexes of the calls that are started now, and whether anything was written or started.
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
  // a lost start of a `once` call could be followed by a second effect: it must survive power loss
  let power = false;
  for (const p of prepared) {
    asks ||= p.go === 'ask' || p.go === 'consent';
    power ||= p.go === 'start' && p.tool.effect === 'once';
  }
  const now = asks ? await scope.host.now() : 0;
  const answer = before?.type === 'model.responded';
  const make: Make = (seq) => {
    // made again where another process appended meanwhile
    for (const reservation of reserved.splice(0)) reservation.release();
    started.clear();
    const drafts: Draft[] = before ? [before] : [];
    for (let i = 0; i < prepared.length; i++) {
      const p = prepared[i] as Prepared;
      const call = calls[i] as Asked & Partial<Pick<Call, 'id'>>;
      if (p.go === 'start') {
        if (started.size >= parallel) continue;
        const place = p.resumed ? undefined : reserveToolCall(scope);
        if (place) reserved.push(place);
        else if (!p.resumed) continue;
        started.add(i);
      }
      const draft = entryOf(scope, answer ? `${seq}.${i}` : (call.id as CallId), call, p, now);
      if (draft) drafts.push(draft);
    }
    // a sub-agent that goes on where it was has no entry
    wrote = drafts.length > 0 || started.size > 0;
    return drafts;
  };
  try {
    // the end of a call has happened already, so it must not be lost
    const append = before && !answer ? held(scope, make, power) : scope.append(make, power);
    if (append) await append;
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

/** The entry that a prepared call begins with, or ends with where it does not run. */
function entryOf(scope: Scope, id: CallId, call: Asked, prepared: Prepared, now: number): Draft | undefined {
  const asking = { id, name: call.name, input: call.input, asked: call.asked ?? 0 };
  switch (prepared.go) {
    case 'start':
      return startEntry(id, call, prepared);
    case 'ask':
      return request(scope.run.runId, asking, { ...prepared, hash: prepared.tool.hash }, now);
    case 'consent':
      return request(scope.run.runId, asking, { rule: {}, consent: consentOf(prepared) }, now);
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

/** The start of a call, with what its tool gets where no other entry says so. Undefined for a sub-agent that goes on where it was. */
function startEntry(id: CallId, call: Asked, { tool, shown, resumed }: Ready): Draft | undefined {
  if (resumed && tool.delegate) return undefined;
  const entry: Draft = { type: 'call.started', call: id, effect: tool.effect };
  const known = argumentsOf(call);
  if (shown !== known && !isSameJson(shown, known)) entry.input = shown;
  return entry;
}

/** As it is kept: the handle only where the identity gave one. */
const consentOf = ({ provider, url, handle }: Prepared & { go: 'consent' }) => ({ provider, url, ...(handle !== undefined && { handle }) });
