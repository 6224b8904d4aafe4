/** Asks the checks of a run, and bounds what they may cost. */
import { askCheck, type Check, type Checked, type GradedRun } from '../engine/evaluate/check.ts';
import type { Purse } from './purse.ts';

/**
 * @returns a verdict for each check, in their order, up to the one at which the benchmark was stopped. A check that fails or cannot be paid is one that
 *   does not pass.
 */
export async function judged(
  checks: readonly Check[],
  run: GradedRun,
  o: { purse: Purse; running: number; signal: AbortSignal },
): Promise<Checked[]> {
  const verdicts: Checked[] = [];
  for (const [i, check] of checks.entries()) {
    if (o.signal.aborted) break;
    verdicts.push(await paid(check, check.name || `check ${i + 1}`, run, o));
  }
  return verdicts;
}

const UNPAID = { pass: false, score: 0, costUsd: 0, failed: true, reason: 'The budget is used up, so the judge was not asked.' } as const;

async function paid(
  check: Check,
  name: string,
  run: GradedRun,
  { purse, running, signal }: { purse: Purse; running: number; signal: AbortSignal },
): Promise<Checked> {
  if (typeof check === 'function' || !check.asks) return askCheck(check, name, run, { signal });
  const share = await purse.reserve(undefined, running);
  if (!share) return { name, ...UNPAID };
  const verdict = await askCheck(check, name, run, { signal, ...(share.usd !== undefined && { costUsd: share.usd }) });
  share.settle(verdict.costUsd);
  return verdict;
}
