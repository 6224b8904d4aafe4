/** When a run that no process drives is due. Every store sorts by it. */
import type { RunHead } from './port.ts';

/**
 * Epoch milliseconds from which a run is due: the end of its lease while it is `running` (0 without one), its wake time while it is
 * `paused`, or `completed` with a conversation to record. Undefined for a run that waits for people only, and for any other that has ended.
 */
export function dueAt({ status, leaseUntil, wakeAt }: Pick<RunHead, 'status' | 'leaseUntil' | 'wakeAt'>): number | undefined {
  if (status === 'running') return leaseUntil ?? 0;
  return status === 'paused' || status === 'completed' ? wakeAt : undefined;
}
