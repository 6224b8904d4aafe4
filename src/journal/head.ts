import { type Entry, type EntryOf, type EntryType, VERSION } from './entries.ts';
import { callIn, everyCallOf, unfinishedCalls } from './frame.ts';
import { firstDue } from './outbox.ts';
import type { RunHead } from './port.ts';
import { sessionKey } from './session.ts';
import type { RunFold } from './state.ts';

/** The right of one process to drive a run, until it ends or is renewed. */
export interface Lease {
  /** Names the process: unique for each engine. */
  owner: string;
  /** Epoch milliseconds: what the store judges by. */
  until: number;
  /** The same moment by the monotonic clock of this process, in milliseconds: the wall clock may be set. */
  monotonic: number;
}

/** The head of a run in this state. Without a lease it names no owner, and the store keeps the one it has. */
export function headOf(run: RunFold, lease: Lease | undefined, seq = run.next): RunHead {
  const { started, status, unknowns } = run;
  const driven = status === 'running' ? lease : undefined;
  return {
    runId: run.runId,
    agent: started.agent,
    status,
    session: sessionKey(started),
    tenant: started.by?.tenant,
    by: started.by?.id,
    fork: started.fork?.run,
    owner: driven?.owner,
    leaseUntil: driven?.until,
    wakeAt: status === 'paused' ? wakeAt(run) : status === 'completed' ? firstDue(run.outbox) : undefined,
    startedAt: started.at,
    unknowns: unknowns.size || undefined,
    version: VERSION,
    seq,
  };
}

/** When a paused run is due: at once after a decision, so that it is resumed; else when its first open approval expires. */
function wakeAt(run: RunFold): number | undefined {
  let first = Number.POSITIVE_INFINITY;
  for (const { status, approval } of unfinishedCalls(run)) {
    if (status !== 'open' || !approval) continue;
    first = Math.min(first, approval.decided ? 0 : (approval.asked.expiresAt ?? first));
  }
  return first === Number.POSITIVE_INFINITY ? undefined : first;
}

/** Of these, a run that is running and has no unknown outcome keeps its head, but for `seq`. */
const KEEPS: ReadonlySet<EntryType> = new Set([
  'model.responded',
  'attempt.failed',
  'context.changed',
  'message.received',
  'call.started',
  'approval.requested',
  'approval.decided',
  'frame.opened',
  'frame.began',
  'state.changed',
] satisfies EntryType[]);

/**
 * Whether the head after these entries is the present one but for `seq`: so it is for most appends, whose cost counts. It may say no where
 * the head stays the same, never yes where it does not.
 */
export function keepsHead(run: RunFold, entries: readonly Entry[]): boolean {
  if (run.next === 0 || run.status !== 'running' || run.unknowns.size > 0) return false;
  for (const entry of entries) if (!KEEPS.has(entry.type) && !(entry.type === 'call.finished' && endsKnown(run, entry))) return false;
  return true;
}

/** Whether a call ends with a known outcome, and no call of a sub-agent, or step of a node, is left open by it. */
function endsKnown({ root, frames }: RunFold, { frame: id, call: ended, error }: EntryOf<'call.finished'>): boolean {
  if (error?.outcome === 'unknown') return false;
  const frame = id === undefined ? root : frames.get(id);
  if (!frame) return false;
  // without one: it was asked for by an answer in the same append, or is a step of a node
  const call = callIn(frame, ended);
  for (const step of call?.durable?.values() ?? []) if (step.status === 'started') return false;
  for (const below of call?.frame ? everyCallOf(call.frame) : []) if (below.status === 'started') return false;
  return true;
}
