/** Results that come too late for `call.finished`: after a timeout, after a halt, or after another process took the run over. */

import type { Failure } from '../errors.ts';
import type { CallId, Draft } from '../journal/entries.ts';
import { type RunFold, unfinishedCalls } from '../journal/fold.ts';
import type { Json } from '../json.ts';
import type { Effect } from '../ports/tool.ts';
import { asSeen, classify } from '../reliability/classify.ts';
import type { Scope } from './types.ts';

export type Came = { output: Json } | Pick<Failure, 'outcome' | 'message'>;

/** What a late error says of the effect. */
export const cameTo = (scope: Scope, error: unknown, effect: Effect): Came =>
  asSeen(classify(error, 'TOOL_FAILED', scope.drive.secrets.mask), effect);

/**
 * Appends a late result. It changes nothing that the model or a node has seen; it tells the next claim, and an operator, what is known.
 * @param epoch of the claim in which the call began.
 */
export function settleLate(scope: Scope, call: CallId, epoch: number, came: Came): void {
  let said: { outcome: 'done'; output: Json } | { outcome: 'failed' | 'not-run'; note: string };
  if ('output' in came) said = { outcome: 'done', output: came.output };
  // a call that gave up because it was told to leaves its effect as unknown as it was
  else if (came.outcome === 'unknown') return;
  else said = { outcome: came.outcome, note: came.message.slice(0, 500) };
  const entry: Draft = { type: 'outcome.settled', call, source: 'late', ...said };
  // the append is not awaited; where it fails, the outcome stays unknown
  scope.drive.log.add((run) => (said.outcome === 'done' || isOf(run, call, epoch) ? [{ ...entry }] : [])).catch(() => undefined);
}

/** A late failure says nothing of a call that another claim has begun again. */
function isOf(run: RunFold, id: CallId, epoch: number): boolean {
  if (run.epoch === epoch) return true;
  const call = run.unknowns.get(id)?.call ?? unfinishedCalls(run).find((c) => c.id === id);
  return call?.epoch === epoch;
}

/** The end of a call that could not be appended, because another process had taken the run over. */
export function endedLate(scope: Scope, call: CallId, epoch: number, { output = null, error }: { output?: Json; error?: Failure }): void {
  settleLate(scope, call, epoch, error ?? { output });
}
