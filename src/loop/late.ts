/** Results that come when the journal has no place for them any more: after a timeout, or after the run was lost to another process. */
import type { CallId, Draft } from '../journal/entries.ts';
import { type RunFold, unfinishedCalls } from '../journal/fold.ts';
import type { Json } from '../json.ts';
import { messageOf } from '../reliability/classify.ts';
import type { Scope } from './scope.ts';

/** What a call came to after all. */
export type Came = { output: Json } | { failed: string };

export const cameTo = (scope: Scope, error: unknown): Came => ({ failed: messageOf(error, scope.drive.secrets.mask).slice(0, 500) });

/**
 * Writes it down; it changes nothing that anybody has seen.
 * @param epoch of the claim in which the call began.
 */
export function settleLate(scope: Scope, call: CallId, epoch: number, came: Came, failed: 'failed' | 'not-run' = 'failed'): void {
  const entry: Draft = {
    type: 'outcome.settled',
    call,
    source: 'late',
    ...('output' in came ? { outcome: 'done', output: came.output } : { outcome: failed, note: came.failed }),
  };
  // nobody waits for it; what cannot be written stays unknown
  scope.drive.log.add((run) => ('output' in came || isOf(run, call, epoch) ? [{ ...entry }] : [])).catch(() => undefined);
}

/** A failure says nothing of a call that another process has begun again since. */
function isOf(run: RunFold, id: CallId, epoch: number): boolean {
  if (run.epoch === epoch) return true;
  const call = run.unknowns.get(id)?.call ?? unfinishedCalls(run).find((c) => c.id === id);
  return call?.epoch === epoch;
}
