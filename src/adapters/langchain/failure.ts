import { type Outcome, RondoError, ToolError } from '../../errors.ts';
import { classify } from '../../reliability/classify.ts';

interface Told {
  code: string;
  retryable?: boolean;
  outcome?: Outcome;
  advice: string;
}

/** LangChain's error codes; some of its error classes have their own names. */
const CODES: Readonly<Record<string, Told>> = {
  MODEL_AUTHENTICATION: { code: 'UNAUTHENTICATED', outcome: 'not-run', advice: 'Check the API key of the chat model.' },
  MODEL_NOT_FOUND: { code: 'MODEL_NOT_FOUND', outcome: 'not-run', advice: 'Check the name of the model.' },
  MODEL_RATE_LIMIT: { code: 'THROTTLING', retryable: true, outcome: 'not-run', advice: 'Slow down, or ask for a higher quota.' },
  CONTEXT_OVERFLOW: {
    code: 'CONTEXT_TOO_LONG',
    outcome: 'not-run',
    advice: 'Keep the conversation small (compact), or use a model with a larger context.',
  },
  INVALID_TOOL_RESULTS: { code: 'VALIDATION', outcome: 'not-run', advice: 'Every call needs its result, in the order asked.' },
  INVALID_PROMPT_INPUT: { code: 'VALIDATION', outcome: 'not-run', advice: 'Check the content of the messages.' },
  MESSAGE_COERCION_FAILURE: { code: 'VALIDATION', outcome: 'not-run', advice: 'Check the content of the messages.' },
};
const NAMES: Readonly<Record<string, string>> = { ContextOverflowError: 'CONTEXT_OVERFLOW' };

const SPENT: Told = { code: 'QUOTA_EXCEEDED', advice: 'Waiting does not help: raise the quota, or pay.' };

/** The texts that LangChain adds to errors after which its models give up. */
interface Marked {
  lc_error_code?: unknown;
  /** For a 429: `stop` if the quota is used up, else the wait in ms. */
  rateLimitType?: unknown;
  retryAfterMs?: unknown;
}

/** Classifies a failed call of a chat model. The engine's tables classify the rest: HTTP, AWS and Node errors. */
export function modelFailure(error: unknown, id: string): unknown {
  if (!(error instanceof Error) || error instanceof ToolError || RondoError.is(error)) return error;
  const { lc_error_code, rateLimitType, retryAfterMs } = error as Marked;
  const known = CODES[typeof lc_error_code === 'string' ? lc_error_code : (NAMES[error.name] ?? '')];
  const told = rateLimitType === 'stop' ? SPENT : (known ?? (typeof rateLimitType === 'string' ? CODES.MODEL_RATE_LIMIT : undefined));
  if (!told) return error;
  const [line = ''] = error.message.split('\n\nTroubleshooting');
  const { code, retryable = false, outcome = 'failed', advice } = told;
  const asked = typeof retryAfterMs === 'number' && retryAfterMs >= 0 ? retryAfterMs : classify(error).retryAfter;
  const retryAfter = retryable && asked !== undefined ? { retryAfter: asked } : {};
  return new ToolError(code, `"${id}": ${line.trim()} ${advice}`, { retryable, outcome, ...retryAfter, cause: error });
}

/** An error that a tool threw. The tool's own argument checks precede any effect. */
export function toolFailure(error: unknown, name: string, began: boolean): unknown {
  // that of a tool which it calls comes after it has begun
  if (!began && error instanceof Error && error.constructor.name === 'ToolInputParsingException')
    return new ToolError('INVALID_ARGUMENTS', `${error.message} Correct the arguments and call ${name} again.`, {
      outcome: 'not-run',
      cause: error,
    });
  return error;
}
