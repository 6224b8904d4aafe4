/** What an error of a call to AgentCore says: its code, and whether the program may have acted. */
import { type Outcome, ToolError } from '../../../errors.ts';
import { cut } from '../../../json-schema/size.ts';
import { classify } from '../../../reliability/classify.ts';

/** By the name of AWS. `not-run`: the service refused the call before it reached the program. */
const KNOWN: Readonly<Record<string, { code: string; outcome: Outcome; retryable: boolean }>> = {
  ValidationException: { code: 'VALIDATION', outcome: 'not-run', retryable: false },
  UnauthorizedException: { code: 'UNAUTHENTICATED', outcome: 'not-run', retryable: false },
  AccessDeniedException: { code: 'ACCESS_DENIED', outcome: 'not-run', retryable: false },
  ResourceNotFoundException: { code: 'NOT_FOUND', outcome: 'not-run', retryable: false },
  ServiceQuotaExceededException: { code: 'AGENTCORE_QUOTA', outcome: 'not-run', retryable: true },
  // the session is being made or ended
  RetryableConflictException: { code: 'AGENTCORE_SESSION_BUSY', outcome: 'not-run', retryable: true },
  ThrottlingException: { code: 'THROTTLING', outcome: 'not-run', retryable: true },
  ThrottledException: { code: 'THROTTLING', outcome: 'not-run', retryable: true },
  RuntimeClientError: { code: 'AGENTCORE_RUNTIME_FAILED', outcome: 'unknown', retryable: false },
  InternalServerException: { code: 'SERVICE_UNAVAILABLE', outcome: 'unknown', retryable: true },
  ServiceException: { code: 'SERVICE_UNAVAILABLE', outcome: 'unknown', retryable: true },
};
const BY_STATUS: Readonly<Record<number, string>> = {
  400: 'ValidationException',
  401: 'UnauthorizedException',
  402: 'ServiceQuotaExceededException',
  403: 'AccessDeniedException',
  404: 'ResourceNotFoundException',
  409: 'RetryableConflictException',
  424: 'RuntimeClientError',
  429: 'ThrottlingException',
  500: 'InternalServerException',
  503: 'ServiceException',
};

/** The AWS client learns the time of the service from such an answer, and the next call is right. */
const SKEWED = { code: 'CLOCK_SKEW', outcome: 'not-run', retryable: true } as const;
const isSkewed = (name: unknown, message: unknown) =>
  name === 'RequestTimeTooSkewed' || /^Signature (expired|not yet current)/.test(String(message));

/** An HTTP error of a call with a token. @param type the header `x-amzn-ErrorType`. */
export class HttpFailure extends Error {
  readonly status: number;

  constructor(status: number, type: string | null, message: string) {
    super(message);
    this.name = type?.split(':')[0] || (BY_STATUS[status] ?? 'InternalServerException');
    this.status = status;
  }
}

/**
 * @param what was called, such as `agent "desk"`.
 * @param answered whether the answer had begun: then the program has started to work, whatever went wrong since.
 * @param mask masks secrets, before a text is cut.
 */
export function failureOf(error: unknown, what: string, answered: boolean, mask: (text: string) => string): ToolError {
  if (error instanceof ToolError) return error;
  const thrown = (typeof error === 'object' && error !== null ? error : {}) as {
    name?: unknown;
    message?: unknown;
    status?: unknown;
    $metadata?: { httpStatusCode?: unknown };
  };
  const status = Number(thrown.status ?? thrown.$metadata?.httpStatusCode);
  const known = isSkewed(thrown.name, thrown.message) ? SKEWED : (KNOWN[String(thrown.name)] ?? KNOWN[BY_STATUS[status] ?? '']);
  const said = cut(mask(String(thrown.message ?? error)), 1_000);
  const message = `${what} on AgentCore: ${said}`;
  if (answered) return new ToolError(known?.code ?? 'STREAM_BROKEN', message, { outcome: 'unknown', retryable: true, cause: error });
  if (!known) {
    const { code, outcome, retryable } = classify(error);
    return new ToolError(code, message, { outcome, retryable, cause: error });
  }
  return new ToolError(known.code, message, { outcome: known.outcome, retryable: known.retryable, cause: error });
}
