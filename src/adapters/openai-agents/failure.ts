import {
  InputGuardrailTripwireTriggered,
  MaxTurnsExceededError,
  ModelRefusalError,
  OutputGuardrailTripwireTriggered,
  ToolCallError,
  ToolInputGuardrailTripwireTriggered,
  ToolOutputGuardrailTripwireTriggered,
} from '@openai/agents-core';
import { RondoError, ToolError } from '../../errors.ts';
import { classify } from '../../reliability/classify.ts';

const GUARDRAILS = [
  InputGuardrailTripwireTriggered,
  OutputGuardrailTripwireTriggered,
  ToolInputGuardrailTripwireTriggered,
  ToolOutputGuardrailTripwireTriggered,
];

/**
 * Classifies a failed run. Once a tool has started, the turn is never `not-run`: a throttled model call after it must not repeat the
 * whole turn.
 */
export function failure(error: unknown, began: boolean): unknown {
  if (RondoError.is(error)) return error;
  const cause = error instanceof ToolCallError ? error.error : error;
  const known = knownCode(cause);
  if (known) return new ToolError(known, (cause as Error).message, { cause: error });
  const { code, message, outcome, retryable, retryAfter } = classify(cause, 'TOOL_FAILED');
  return new ToolError(code, message, {
    outcome: began ? 'unknown' : outcome,
    retryable,
    retryAfter,
    cause: error,
  });
}

function knownCode(error: unknown): string | undefined {
  if (error instanceof MaxTurnsExceededError) return 'LIMIT';
  return error instanceof ModelRefusalError || GUARDRAILS.some((kind) => error instanceof kind) ? 'BLOCKED' : undefined;
}
