import type { Failure } from '../errors.ts';
import { bounded, classify } from '../reliability/classify.ts';

/** What was thrown, as the agent above is told of it. */
export function failureOf(thrown: unknown): Failure {
  const { code, message, retryable, outcome } = classify(thrown, 'NODE_FAILED');
  return { code, message: bounded(message), retryable, attempts: 1, outcome };
}
