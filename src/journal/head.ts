import { VERSION } from './entries.ts';
import { unfinishedCalls } from './frame.ts';
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
export function headOf(run: RunFold, lease: Lease | undefined): RunHead {
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
    seq: run.next,
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
