import { ContextWindowOverflowError, MaxTokensError, ModelError, ModelThrottledError } from '@strands-agents/sdk';
import { RondoError, ToolError } from '../../errors.ts';
import { classify } from '../../reliability/classify.ts';

/**
 * What a failed turn is told as. Once a tool of the agent began, nothing can prove that the turn did not happen: a throttled
 * model call behind it must not send the whole turn again.
 */
export function failure(error: unknown, began: boolean): unknown {
  if (RondoError.is(error)) return error;
  const { code, message, outcome, retryable, retryAfter } = known(error) ?? classify(unwrapped(error), 'TOOL_FAILED');
  return new ToolError(code, message, {
    outcome: began ? 'unknown' : outcome,
    retryable,
    ...(retryAfter !== undefined && { retryAfter }),
    cause: error,
  });
}

/** Strands wraps whatever a model threw. */
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

/** A stop without an answer must not pass for an empty one. */
export function stopped(reason: string): ToolError | undefined {
  if (reason === 'endTurn' || reason === 'stopSequence' || reason === 'toolUse') return undefined;
  const [code, message] = STOPPED[reason] ?? ['INCOMPLETE', `the Strands agent stopped without an answer: ${reason}.`];
  return new ToolError(code, message);
}
