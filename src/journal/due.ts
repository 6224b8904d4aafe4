/** When a run that no process drives is due. Every store sorts by it. */
import type { RunHead } from './port.ts';

/**
 * Epoch milliseconds from which a run is due: the end of its lease while it is `running` (0 without one), its wake time while it is
 * `paused`, or `completed` with a conversation to record, its start while it is `queued`. Undefined for a run that waits for people only, and for any other that has ended.
 */
export function dueAt({
  status,
  leaseUntil,
  wakeAt,
  startedAt,
}: Pick<RunHead, 'status' | 'leaseUntil' | 'wakeAt' | 'startedAt'>): number | undefined {
  if (status === 'running') return leaseUntil ?? 0;
  if (status === 'queued') return startedAt;
  return status === 'paused' || status === 'completed' ? wakeAt : undefined;
}

/** The order of due heads: longest due first, then by run id. Queued ones are first by tenant, those of no tenant first. */
export const dueOrder = (a: RunHead, b: RunHead): number =>
  (a.status === 'queued' ? compare(a.tenant ?? '', b.tenant ?? '') : 0) || (dueAt(a) ?? 0) - (dueAt(b) ?? 0) || compare(a.runId, b.runId);

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
