import { RondoError, ToolError } from '../../../errors.ts';
import { classify } from '../../../reliability/classify.ts';

export interface RetryOptions {
  /** Attempts of one extraction, 1 to 20. Default 5. */
  attempts?: number;
  /** Milliseconds before the second attempt, doubled with each, up to an hour. Default 1,000. */
  delay?: number;
}

/** Milliseconds. */
const LONGEST_DELAY = 3_600_000;
const LONGEST_REASON = 500;

/** What becomes of an attempt that failed. The reason has a message only of an error that was thrown on purpose: others may quote the conversation. */
export function afterFailure(
  error: unknown,
  attempts: number,
  now: number,
  o: Required<RetryOptions>,
): { dueAt: number | undefined; reason: string } {
  const { code, message, retryable, retryAfter = 0 } = classify(error, 'MEMORY_FAILED');
  const told = ToolError.is(error) || RondoError.is(error);
  const said =
    code === 'MEMORY_FAILED' && !told ? `EXTRACTION_FAILED: the extraction threw ${kindOf(error)}` : `${code}${told ? `: ${message}` : ''}`;
  const final = (ToolError.is(error) && !retryable) || attempts >= o.attempts;
  const delay = Math.min(LONGEST_DELAY, Math.max(retryAfter, o.delay * 2 ** (attempts - 1)));
  return { dueAt: final ? undefined : now + delay, reason: said.slice(0, LONGEST_REASON) };
}

const kindOf = (error: unknown) =>
  error instanceof Error && /^\w{1,60}$/.test(error.name) ? `a ${error.name}` : 'a value that is not an Error';
