import type { Journal, RunResult } from '../../src/index.ts';
import { around } from '../kit/journals.ts';

export const SECOND = 1_000;
export const HOUR = 3_600_000;
export const DAY = 86_400_000;

/** The clock of a store, set by the test. All journals that it is given show the same time, as those of one store do. */
export function clock(start = Date.UTC(2026, 0, 1)) {
  const time = { now: start };
  return { time, on: (inner: Journal): Journal => around(inner, { now: () => time.now }) };
}

type Waits = Extract<RunResult, { status: 'paused'; approvals: readonly [] }>;

/** A run that paused, and waits for no person. */
export async function waits(run: PromiseLike<RunResult>): Promise<Waits> {
  const result = await run;
  if (result.status !== 'paused' || result.approvals.length > 0) throw new Error(`expected a wait, got ${JSON.stringify(result)}`);
  return result as Waits;
}
