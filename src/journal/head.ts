import { type Entry, type EntryOf, type EntryType, VERSION } from './entries/entries.ts';
import { firstDue } from './entries/outbox.ts';
import { dueOf } from './entries/wait.ts';
import { callIn, everyCallOf, frameOf, openApprovals, openWaits, unfinishedCalls } from './fold/frame.ts';
import type { RunFold } from './fold/state.ts';
import type { RunHead } from './port.ts';
import { sessionKey } from './session.ts';

/** The right of one process to drive a run, until it ends or is renewed. */
export interface Lease {
  /** The id of the engine in its process, unique for each. */
  owner: string;
  /** Epoch milliseconds, by the store's clock. */
  until: number;
  /** The same time on this process's wall clock. */
  wall: number;
  /** The same time on this process's monotonic clock, in milliseconds, because the wall clock may be set. */
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
    startedAt: placeOf(started),
    unknowns: unknowns.size || undefined,
    aside: isAside(run) || undefined,
    asks: asksPeople(run) || undefined,
    version: VERSION,
    seq,
  };
}

/** Whether a run has open approvals and can go on with them: it is paused, stopped at a limit that can be raised, or failed with an error that may pass. */
export function asksPeople(run: RunFold): boolean {
  const { status, settled } = run;
  const goesOn = status === 'paused' || status === 'failed' || (status === 'stopped' && settled?.limit?.name !== 'journal');
  // a run that failed for good has none
  return goesOn && openApprovals(run).length > 0;
}

/** When a run started, for lists: after the runs before it in its session, also if a process whose clock is ahead began those. */
export const placeOf = ({ at, after = -1 }: Pick<EntryOf<'run.started'>, 'at' | 'after'>): number => Math.max(at, after + 1);

/** Whether a run leaves its session to others: it only waits, or it went on after another run of the session had begun. */
export const isAside = (run: RunFold): boolean =>
  run.started.session !== undefined &&
  (run.status === 'paused' || run.status === 'running') &&
  (run.aside === true || (run.status === 'paused' && openWaits(run).length > 0 && openApprovals(run).length === 0));

/** When a paused run is due: at once after a decision, else when its first open approval expires, or what a call waits for is due. */
function wakeAt(run: RunFold): number | undefined {
  let first = Number.POSITIVE_INFINITY;
  for (const { status, approval, wait } of unfinishedCalls(run)) {
    if (status !== 'open') continue;
    // an approval that was given before the call began to wait does not count again
    if (wait) first = Math.min(first, dueOf(wait));
    else if (approval) first = Math.min(first, approval.decided ? 0 : (approval.asked.expiresAt ?? first));
  }
  return first === Number.POSITIVE_INFINITY ? undefined : first;
}

/** Entry types that change only `seq` in the head of a running run without unknown outcomes. */
const KEEPS: ReadonlySet<EntryType> = new Set([
  'model.responded',
  'attempt.failed',
  'context.changed',
  'context.compacted',
  'message.received',
  'call.started',
  'approval.requested',
  'approval.decided',
  'frame.opened',
  'frame.began',
  'state.changed',
  'memory.due',
] satisfies EntryType[]);

/**
 * Whether these entries change only `seq` in the head. This is a fast path for most appends, which then need no copy of the fold. It may
 * return false although the head stays the same, but never true if it changes.
 */
export function keepsHead(run: RunFold, entries: readonly Entry[]): boolean {
  if (run.next === 0 || run.status !== 'running' || run.unknowns.size > 0 || run.listens) return false;
  return entries.every((entry) => {
    if (entry.type === 'call.finished') return endsKnown(run, entry);
    // a wait for an event is in the store's table of waits too
    return entry.type === 'wait.began' ? !entry.event : KEEPS.has(entry.type);
  });
}

/** Whether a call ends with a known outcome and leaves no started call of its sub-agent and no started step of its node. */
function endsKnown(run: RunFold, entry: EntryOf<'call.finished'>): boolean {
  if (entry.error?.outcome === 'unknown') return false;
  const frame = frameOf(run, entry);
  if (!frame) return false;
  // undefined for a call of an answer in the same append, and for a durable step
  const call = callIn(frame, entry.call);
  for (const step of call?.durable?.values() ?? []) if (step.status === 'started') return false;
  for (const below of call?.frame ? everyCallOf(call.frame) : []) if (below.status === 'started') return false;
  return true;
}
