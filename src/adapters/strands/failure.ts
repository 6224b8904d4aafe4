import { ContextWindowOverflowError, MaxTokensError, ModelError, ModelThrottledError } from '@strands-agents/sdk';
import { RondoError, ToolError } from '../../errors.ts';
import { classify } from '../../reliability/classify.ts';

/**
 * Classifies a failed turn. Once a tool of the agent has started, the turn is never `not-run`: a throttled model call after it must not
 * repeat the whole turn.
 */
export function failure(error: unknown, began: boolean): unknown {
  if (RondoError.is(error)) return error;
  const { code, message, outcome, retryable, retryAfter } = known(error) ?? classify(unwrapped(error), 'TOOL_FAILED');
  return new ToolError(code, message, {
    outcome: began ? 'unknown' : outcome,
    retryable,
    retryAfter,
    cause: error,
  });
}

/** Strands wraps every error of a model. */
const unwrapped = (error: unknown) => (error instanceof ModelError && error.cause !== undefined ? error.cause : error);

function known(
  error: unknown,
): { code: string; message: string; outcome: 'not-run' | 'failed'; retryable: boolean; retryAfter?: number } | undefined {
  if (error instanceof ModelThrottledError) return { code: 'THROTTLING', message: error.message, outcome: 'not-run', retryable: true };
  if (error instanceof ContextWindowOverflowError)
    return { code: 'CONTEXT_TOO_LONG', message: error.message, outcome: 'failed', retryable: false };
  if (error instanceof MaxTokensError) return { code: 'OUTPUT_TOO_LONG', message: error.message, outcome: 'failed', retryable: false };
  return undefined;
}

const STOPPED: { readonly [reason: string]: readonly [code: string, message: string] } = {
  cancelled: ['CANCELLED', 'the Strands agent was cancelled from within.'],
  checkpoint: ['CONFIG_INVALID', 'the Strands agent stops at checkpoints: create it without `checkpointing`.'],
  contentFiltered: ['BLOCKED', 'the content filter of the model blocked the answer.'],
  guardrailIntervened: ['BLOCKED', 'a guardrail blocked the answer.'],
  refusal: ['BLOCKED', 'the model refused to answer.'],
  maxTokens: ['OUTPUT_TOO_LONG', 'the answer was cut at the output limit of the model.'],
  modelContextWindowExceeded: ['CONTEXT_TOO_LONG', 'the conversation is longer than the context window of the model.'],
  limitTurns: ['LIMIT', 'the Strands agent reached its limit of turns.'],
  limitTotalTokens: ['LIMIT', 'the Strands agent reached its limit of tokens.'],
  limitOutputTokens: ['LIMIT', 'the Strands agent reached its limit of output tokens.'],
  pauseTurn: ['INCOMPLETE', 'the model paused its turn without an answer.'],
};

/** A stop without an answer is a failure, not an empty answer. */
export function stopped(reason: string): ToolError | undefined {
  if (reason === 'endTurn' || reason === 'stopSequence' || reason === 'toolUse') return undefined;
  const [code, message] = STOPPED[reason] ?? ['INCOMPLETE', `the Strands agent stopped without an answer: ${reason}.`];
  return new ToolError(code, message);
}
