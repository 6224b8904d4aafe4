import type { Failure } from '../errors.ts';
import { bounded, classify, type FallbackCode } from '../reliability/classify.ts';

/** What was thrown, as the agent above is told of it. `node`: named where the error has no code of its own. */
export function failureOf(thrown: unknown, o: { code?: FallbackCode; node?: string } = {}): Failure {
  const fallback = o.code ?? 'NODE_FAILED';
  const { code, message, retryable, outcome } = classify(thrown, fallback);
  const said = o.node !== undefined && code === fallback ? `node "${o.node}" failed: ${message}` : message;
  return { code, message: bounded(said), retryable, attempts: 1, outcome };
}
