/** Results that are too late for `call.finished`: after a timeout, a halt, or a claim by another process. */

import type { Failure } from '../../errors.ts';
import type { CallId, Draft } from '../../journal/entries/entries.ts';
import type { Charge, Used } from '../../journal/entries/intent.ts';
import { type RunFold, unfinishedCalls } from '../../journal/fold/fold.ts';
import type { Json } from '../../json.ts';
import type { Judged } from '../../ports/guardrail.ts';
import type { Effect } from '../../ports/tool.ts';
import { asSeen, classify } from '../../reliability/classify.ts';
import type { Scope } from '../types.ts';

/** What came too late, with what guardrails said of it. */
export type Kept = { output: Json } & Judged;

/** What is known of a call that settled too late: its result with its cost, or the outcome that its error proves. */
export type Came = (Kept & Charge & Used) | Pick<Failure, 'outcome' | 'message'>;

/** The outcome that a late error proves. */
export const cameTo = (scope: Scope, error: unknown, effect: Effect): Came =>
  asSeen(classify(error, 'TOOL_FAILED', scope.secrets.mask), effect);

/**
 * Appends a late result. It does not change what the model or a node has seen, but the next claim and an operator know the outcome.
 * @param epoch the number of the claim in which the call started.
 */
export function settleLate(scope: Scope, call: CallId, epoch: number, came: Came): void {
  let said: ({ outcome: 'done'; output: Json } & Charge & Used & Judged) | { outcome: 'failed' | 'not-run'; note: string };
  if ('output' in came) {
    const { output, usd, unpriced, usage, unmetered, verdicts } = came;
    said = {
      outcome: 'done',
      output,
      ...(usd !== undefined && { usd }),
      ...(unpriced && { unpriced }),
      ...(usage && { usage }),
      ...(unmetered && { unmetered }),
      ...(verdicts && { verdicts }),
    };
  }
  // the error proves nothing, for example because the call was aborted
  else if (came.outcome === 'unknown') return;
  else said = { outcome: came.outcome, note: came.message.slice(0, 500) };
  const entry: Draft = { type: 'outcome.settled', call, source: 'late', ...said };
  // not awaited: if the append fails, the outcome stays unknown
  scope.drive.log.add((run) => (said.outcome === 'done' || isOf(run, call, epoch) ? [{ ...entry }] : [])).catch(() => undefined);
}

/** Whether the call has not been started again by a later claim. A late failure of the earlier start would say nothing about the new one. */
function isOf(run: RunFold, id: CallId, epoch: number): boolean {
  if (run.epoch === epoch) return true;
  const call = run.unknowns.get(id)?.call ?? unfinishedCalls(run).find((c) => c.id === id);
  return call?.epoch === epoch;
}

/** Appends the end of a call as a late result, because another process has claimed the run. */
export function endedLate(
  scope: Scope,
  call: CallId,
  epoch: number,
  { error, output = null, ...came }: { output?: Json; error?: Failure } & Charge & Used & Judged,
): void {
  settleLate(scope, call, epoch, error ?? { output, ...came });
}
