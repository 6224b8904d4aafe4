/** Asks the checks of a run, and bounds what they may cost. */
import { messageOf } from '../reliability/classify.ts';
import type { Check, Checked, GradedRun, Verdict } from './check.ts';
import type { Purse } from './purse.ts';

/** @returns a verdict for each check, in their order. A check that fails or cannot be paid is one that does not pass. */
export async function judged(
  checks: readonly Check[],
  run: GradedRun,
  o: { purse: Purse; running: number; signal: AbortSignal },
): Promise<Checked[]> {
  const verdicts: Checked[] = [];
  for (const [i, check] of checks.entries()) verdicts.push(await ask(check, check.name || `check ${i + 1}`, run, o));
  return verdicts;
}

async function ask(
  check: Check,
  name: string,
  run: GradedRun,
  { purse, running, signal }: { purse: Purse; running: number; signal: AbortSignal },
): Promise<Checked> {
  const asks = typeof check !== 'function' && check.asks === true;
  const share = asks ? await purse.reserve(undefined, running) : undefined;
  if (asks && !share)
    return { name, pass: false, score: 0, costUsd: 0, failed: true, reason: 'The budget is used up, so the judge was not asked.' };
  let spent: number | null = null;
  try {
    const o = { signal, ...(share?.usd !== undefined && { costUsd: share.usd }) };
    const verdict = verdictOf(await (typeof check === 'function' ? check(run, o) : check.grade(run, o)));
    spent = verdict.costUsd;
    return { name, ...verdict };
  } catch (error) {
    return { name, pass: false, score: 0, costUsd: asks ? null : 0, failed: true, reason: `The check failed: ${messageOf(error)}` };
  } finally {
    share?.settle(spent);
  }
}

/** @throws Error if it is neither a boolean nor a verdict. */
function verdictOf(value: unknown): Required<Verdict> {
  if (typeof value === 'boolean') return { pass: value, score: value ? 1 : 0, reason: '', costUsd: 0 };
  const { pass, score = pass ? 1 : 0, reason = '', costUsd = 0 } = (value ?? {}) as Partial<Verdict>;
  if (typeof pass !== 'boolean') throw new Error('it returned neither a boolean nor { pass: boolean }');
  if (typeof score !== 'number' || !(score >= 0 && score <= 1)) throw new Error(`its score is ${score}; a score is a number from 0 to 1`);
  return {
    pass,
    score,
    reason: String(reason),
    costUsd: costUsd === null || (typeof costUsd === 'number' && costUsd >= 0) ? costUsd : null,
  };
}
