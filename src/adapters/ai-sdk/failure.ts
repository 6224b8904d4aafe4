import { APICallError, RetryError } from 'ai';
import { RondoError, ToolError } from '../../errors.ts';
import { classify } from '../../reliability/classify.ts';
import { askedWait } from '../../reliability/retry-after.ts';

/**
 * Classifies a failed call. Once a tool has started, the turn is never `not-run`: a throttled model call after it must not repeat the
 * whole turn.
 */
export function failure(error: unknown, began: boolean, fallbackCode: 'TOOL_FAILED' | 'MODEL_FAILED' = 'TOOL_FAILED'): unknown {
  if (RondoError.is(error)) return error;
  // the SDK wraps the error in its own retry error
  const cause = RetryError.isInstance(error) ? error.lastError : error;
  const { code, message, outcome, retryable, retryAfter } = classify(cause, fallbackCode);
  const wait = retryAfter ?? (APICallError.isInstance(cause) && retryable ? askedWait({ headers: cause.responseHeaders }) : undefined);
  return new ToolError(code, message, {
    outcome: began ? 'unknown' : outcome,
    retryable,
    retryAfter: wait,
    cause: error,
  });
}

/** An end without an answer is a failure, not an empty answer. */
export function unanswered(finishReason: string): ToolError | undefined {
  switch (finishReason) {
    case 'stop':
      return undefined;
    case 'length':
      return new ToolError('OUTPUT_TOO_LONG', 'the answer was cut at the output limit of the model.');
    case 'content-filter':
      return new ToolError('BLOCKED', 'the content filter of the model blocked the answer.');
    case 'tool-calls':
      return new ToolError(
        'LIMIT',
        'the agent was stopped between two steps, by its stopWhen. Where that is how it answers, pass output(result), which says what its answer is.',
      );
    default:
      return new ToolError('INCOMPLETE', `the agent ended without an answer (${finishReason}).`);
  }
}
