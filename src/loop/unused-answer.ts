import { totalOf } from '../journal/spent.ts';
import type { Answered, Asking } from './answer.ts';
import { costOf, modelKey } from './estimate.ts';
import type { LoopScope } from './types.ts';

/** Charges an answer that is not used, as a failed attempt. Without a usage it counts at the most that it can have used. */
export async function chargeUnused(
  scope: LoopScope,
  { of, bound }: Asking,
  { response, model, attempts }: Answered,
  why: { code: string; message: string },
): Promise<void> {
  const { usage } = response;
  const most = usage ? undefined : bound();
  const lost = { tokens: usage ? totalOf(usage) : (most?.tokens ?? 0), usd: usage ? costOf(scope, model, response) : most?.usd };
  const step = scope.frame.step + 1;
  await scope.append(() => [{ type: 'attempt.failed', of, step, attempt: attempts, ...why, model: modelKey(model), lost }]);
}
