import { type ErrorCode, RondoError } from '../errors.ts';
import type { Json } from '../json.ts';

/** The HTTP status of each error of the engine. */
export const STATUS: Readonly<Record<ErrorCode, number>> = {
  RUN_NOT_FOUND: 404,
  RUN_BUSY: 409,
  RUN_EXISTS: 409,
  RUN_NOT_COMPLETED: 409,
  RUN_ENDED: 409,
  SESSION_BUSY: 409,
  AGENT_NOT_REGISTERED: 404,
  AGENT_CHANGED: 409,
  CALL_NOT_FOUND: 404,
  APPROVAL_NOT_FOUND: 404,
  APPROVAL_CLOSED: 409,
  APPROVAL_EXPIRED: 410,
  DECISION_INVALID: 400,
  EVENT_CONFLICT: 409,
  LETTER_NOT_FOUND: 404,
  EVENT_REJECTED: 422,
  SIGNATURE_INVALID: 401,
  NOT_PERMITTED: 403,
  INPUT_REFUSED: 422,
  GUARDRAIL_FAILED: 503,
  CONFIG_INVALID: 400,
  JOURNAL_CONFLICT: 503,
  INTENT_CLAIMED: 503,
  JOURNAL_UNAVAILABLE: 503,
  ENGINE_CLOSED: 503,
  SOURCE_UNAVAILABLE: 503,
  MCP_UNAVAILABLE: 503,
  MEMORY_UNAVAILABLE: 503,
  CONSENT_NOT_FOUND: 404,
  CONSENT_MISMATCH: 403,
  CONSENT_DECLINED: 403,
  CONSENT_USED: 409,
  CONSENT_EXPIRED: 410,
  RETURN_URL_REFUSED: 400,
  PROVIDER_UNAVAILABLE: 503,
  VAULT_UNAVAILABLE: 503,
  PROVIDER_REFUSED: 500,
  PROVIDER_ANSWER_INVALID: 500,
  VAULT_KEY_UNAVAILABLE: 500,
  VAULT_DAMAGED: 500,
  MEMORY_CLOSED: 503,
  MEMORY_INPUT_INVALID: 400,
  MEMORY_CONFLICT: 409,
  MEMORY_RECORD_UNKNOWN: 404,
  MEMORY_JOB_UNKNOWN: 404,
  MEMORY_CANNOT_TELL: 501,
  MEMORY_DAMAGED: 500,
  MEMORY_VERSION: 500,
  JOURNAL_DAMAGED: 500,
  JOURNAL_VERSION: 500,
  JOURNAL_KEY_UNAVAILABLE: 500,
  RECORDING_EXISTS: 500,
  RECORDING_NOT_FOUND: 500,
  RECORDING_DAMAGED: 500,
  RECORDING_VERSION: 500,
  INTERNAL: 500,
};

/** By status: the codes of requests that are refused before they reach the engine. */
export const CODES = {
  400: 'BAD_REQUEST',
  401: 'UNAUTHENTICATED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  405: 'METHOD_NOT_ALLOWED',
  408: 'REQUEST_TIMEOUT',
  413: 'BODY_TOO_LARGE',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  422: 'BODY_TOO_DEEP',
  503: 'UNAVAILABLE',
} as const;

/** A request that is refused before it reaches the engine. The caller gets the message. */
export class HttpError extends Error {
  readonly status: keyof typeof CODES;
  /** Headers of the answer besides those of each answer. Default: none. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: keyof typeof CODES, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.name = 'HttpError';
    this.status = status;
    this.headers = headers;
  }

  get code(): string {
    return CODES[this.status];
  }
}

/** The error that a caller gets. `details` is plain JSON for programs. */
export interface Problem {
  /** The code of a RondoError, or of an HttpError; `INTERNAL` for anything else. */
  code: string;
  message: string;
  details?: Json;
}

const LATER = 'The server cannot do this now. Try again later.';

/** A package that the operator did not install: nothing that the caller sent is wrong. */
const isMissingPackage = (error: unknown): boolean =>
  RondoError.is(error, 'CONFIG_INVALID') && (error.cause as { code?: unknown } | undefined)?.code === 'ERR_MODULE_NOT_FOUND';

/** The message for a caller. That of a run that is not found tells who uses the library to name another principal, which no caller may. */
function wordsOf({ code, message, details }: RondoError): string {
  if (code !== 'RUN_NOT_FOUND') return message;
  const { runId } = (details ?? {}) as { runId?: unknown };
  return runId === undefined ? message : `There is no run ${JSON.stringify(runId)} that this caller may see.`;
}

/**
 * The status and the body for an error. For a server error (5xx) the body has only the code, because the message may expose internals;
 * `tell` gets the whole error.
 */
export function problemOf(error: unknown, tell: (error: unknown) => void): { status: number; problem: Problem } {
  if (error instanceof HttpError) return { status: error.status, problem: { code: error.code, message: error.message } };
  if (isMissingPackage(error)) {
    tell(error);
    return { status: 503, problem: { code: CODES[503], message: LATER } };
  }
  const known = RondoError.is(error) && Object.hasOwn(STATUS, error.code);
  const status = known ? STATUS[error.code] : 500;
  if (known && status < 500) {
    const { code, details } = error;
    return { status, problem: { code, message: wordsOf(error), ...(details !== null && { details }) } };
  }
  tell(error);
  const message = status === 503 ? LATER : 'The server failed. Its operator was told why.';
  return { status, problem: { code: known ? error.code : 'INTERNAL', message } };
}
