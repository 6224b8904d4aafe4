import { type Entry, VERSION } from './entries.ts';
import { type Call, type Frame, type RunFold, unfinishedCalls } from './fold.ts';
import { everyCallOf } from './frame.ts';
import { isCutOff } from './frames.ts';
import type { RunHead } from './port.ts';
import { sessionKey } from './session.ts';

export interface Lease {
  owner: string;
  /** Epoch milliseconds. */
  until: number;
  /** The same by this process's monotonic clock, ms: a wall clock may jump. */
  monotonic: number;
}

/** The head of a run as it will be once `entries`, which follow the fold's state, are appended. */
export function headAfter(run: RunFold, entries: readonly Entry[], lease: Lease | undefined): RunHead {
  const first = entries[0] as Entry;
  const started = first.type === 'run.started' ? first : run.started;
  const head: RunHead = {
    runId: run.runId,
    agent: started.agent,
    status: run.status,
    session: sessionKey(started),
    tenant: started.by?.tenant,
    by: started.by?.id,
    fork: started.fork?.run,
    owner: lease?.owner,
    leaseUntil: lease?.until,
    wakeAt: undefined,
    startedAt: started.at,
    unknowns: undefined,
    version: VERSION,
    seq: (entries[entries.length - 1] as Entry).seq + 1,
  };
  for (const entry of entries) {
    if (entry.type === 'run.claimed') head.status = 'running';
    else if (entry.type === 'run.settled') head.status = entry.status;
  }
  const unknowns = unknownsAfter(run, entries);
  if (unknowns > 0) head.unknowns = unknowns;
  if (head.status !== 'running') {
    head.owner = undefined;
    head.leaseUntil = undefined;
  }
  if (head.status === 'paused') head.wakeAt = firstExpiry(run, entries);
  return head;
}

/** How many outcomes are unknown then: what the fold will make of the entries. */
function unknownsAfter(run: RunFold, entries: readonly Entry[]): number {
  // most entries change nothing of it, and a look at all calls is not for every append
  if (!entries.some((entry) => tells(run, entry) || (run.unknowns.size > 0 && settles(run, entry)))) return run.unknowns.size;
  const unknown = new Set(run.unknowns.keys());
  const ended = new Set<string>();
  const calls = unfinishedCalls(run);
  for (const entry of entries) {
    if (entry.type === 'call.finished') {
      ended.add(entry.call);
      const call = calls.find((c) => c.id === entry.call);
      const once = call?.effect === 'once';
      if (once && entry.error?.outcome === 'unknown') unknown.add(entry.call);
      else unknown.delete(entry.call);
      for (const step of stepsOf(run, entry)?.values() ?? []) if (isCutOff(step)) unknown.add(step.id);
      for (const { id } of call?.frame ? cutOffIn(call.frame) : []) if (!ended.has(id)) unknown.add(id);
    } else if (entry.type === 'outcome.settled') unknown.delete(entry.call);
    else if (entry.type === 'run.settled') {
      for (const { id, status, effect } of calls) if (status === 'started' && effect === 'once' && !ended.has(id)) unknown.add(id);
    } else if (entry.type === 'run.claimed') for (const { id, status } of calls) if (status === 'started') unknown.delete(id);
  }
  return unknown.size;
}

/** Calls in a part of the run, which ends before they do. */
function* cutOffIn(frame: Frame): Generator<Call, void, undefined> {
  for (const call of everyCallOf(frame)) {
    if (call.frame) yield* cutOffIn(call.frame);
    else if (call.status === 'started' && call.effect === 'once') yield call;
  }
}

/** Whether an entry may make an outcome unknown: also where it ends a sub-agent that was in the middle of something. */
const tells = (run: RunFold, entry: Entry) =>
  entry.type === 'run.settled' || (entry.type === 'call.finished' && (!entry.ok || stepsOf(run, entry) !== undefined));

/** What the function of a node that ends did under names of its own. */
const stepsOf = (run: RunFold, { frame, call }: { frame?: string | undefined; call: string }) =>
  (frame === undefined ? run.root : run.frames.get(frame))?.tasks?.get(call)?.durable;

/** Whether an entry may make one that is unknown known. */
const settles = (run: RunFold, entry: Entry) =>
  entry.type === 'run.claimed' || ((entry.type === 'outcome.settled' || entry.type === 'call.finished') && run.unknowns.has(entry.call));

/** When the first open approval expires. */
function firstExpiry(run: RunFold, entries: readonly Entry[]): number | undefined {
  let first = Number.POSITIVE_INFINITY;
  const ended = new Set<string>();
  for (const entry of entries) if (entry.type === 'call.finished') ended.add(entry.call);
  for (const { id, status, approval } of unfinishedCalls(run)) {
    if (status !== 'open' || !approval || ended.has(id)) continue;
    // one that was decided makes the run due at once: somebody should resume it
    if (approval.decided) first = 0;
    else if (approval.asked.expiresAt) first = Math.min(first, approval.asked.expiresAt);
  }
  for (const entry of entries) {
    if (entry.type === 'approval.requested' && entry.expiresAt) first = Math.min(first, entry.expiresAt);
    else if (entry.type === 'approval.decided') first = 0;
  }
  return first === Number.POSITIVE_INFINITY ? undefined : first;
}
