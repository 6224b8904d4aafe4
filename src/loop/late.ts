/** Results that come when the journal has no place for them any more: after a timeout, or after the run was lost to another process. */

import type { CallId, Draft } from '../journal/entries.ts';
import { type RunFold, unfinishedCalls } from '../journal/fold.ts';
import type { Json } from '../json.ts';
import type { Effect } from '../ports/tool.ts';
import { asSeen, classify } from '../reliability/classify.ts';
import type { Scope } from './types.ts';

/** What a call came to after all. */
export type Came = { output: Json } | { outcome: 'failed' | 'not-run'; note: string };

/** Undefined where the error says nothing of the effect: a call that gave up because it was told to leaves it as unknown as it was. */
export function cameTo(scope: Scope, error: unknown, effect: Effect = 'once'): Came | undefined {
  const { outcome, message } = asSeen(classify(error, 'TOOL_FAILED', scope.drive.secrets.mask), effect);
  return outcome === 'unknown' ? undefined : { outcome, note: message.slice(0, 500) };
}

/**
 * Writes it down; it changes nothing that anybody has seen.
 * @param epoch of the claim in which the call began.
 */
export function settleLate(scope: Scope, call: CallId, epoch: number, came: Came | undefined): void {
  if (!came) return;
  const done = 'output' in came;
  const entry: Draft = { type: 'outcome.settled', call, source: 'late', ...(done ? { outcome: 'done', output: came.output } : came) };
  // nobody waits for it; what cannot be written stays unknown
  scope.drive.log.add((run) => (done || isOf(run, call, epoch) ? [{ ...entry }] : [])).catch(() => undefined);
}

/** A failure says nothing of a call that another process has begun again since. */
function isOf(run: RunFold, id: CallId, epoch: number): boolean {
  if (run.epoch === epoch) return true;
  const call = run.unknowns.get(id)?.call ?? unfinishedCalls(run).find((c) => c.id === id);
  return call?.epoch === epoch;
}
