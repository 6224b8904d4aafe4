import type { Outcome } from '../errors.ts';

/**
 * What an error proves about the effect of a call. `answered`: the call failed, if the error has the status of a service that refused it
 * (a 4xx); otherwise unknown.
 */
export type Known = 'not-run' | 'answered' | 'unknown';

/**
 * Whose fault an error is, for circuit breakers. `caller`: the service is healthy and answered. `service`: counts as a failure. `none`: no
 * evidence.
 */
export type Fault = 'caller' | 'service' | 'none';

/** The meaning of an error code. docs/reliability.md has the same table, and a test compares the two. */
export interface Kind {
  readonly code: string;
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;
  readonly known: Known;
  readonly fault: Fault;
}

const kind = (code: string, retryable: boolean, known: Known, fault: Fault): Kind => ({ code, retryable, known, fault });

const THROTTLING = kind('THROTTLING', true, 'not-run', 'service');
/** gRPC's RESOURCE_EXHAUSTED: too many requests, or a response that is too long for the client. */
const EXHAUSTED = kind('THROTTLING', true, 'unknown', 'service');
const QUOTA = kind('QUOTA_EXCEEDED', false, 'answered', 'none');
const UNAVAILABLE = kind('SERVICE_UNAVAILABLE', true, 'answered', 'service');
const INTERNAL = kind('INTERNAL_ERROR', true, 'answered', 'service');
const NOT_IMPLEMENTED = kind('INTERNAL_ERROR', false, 'answered', 'service');
const STREAM = kind('STREAM_ERROR', true, 'unknown', 'service');
const TIMEOUT = kind('TIMEOUT', true, 'unknown', 'service');
const UNREACHED = kind('NETWORK', true, 'not-run', 'service');
const BROKEN = kind('NETWORK', true, 'unknown', 'service');
const TLS = kind('TLS_FAILED', false, 'unknown', 'service');
const TOO_EARLY = kind('TOO_EARLY', true, 'answered', 'none');
const VALIDATION = kind('VALIDATION', false, 'answered', 'caller');
const UNAUTHENTICATED = kind('UNAUTHENTICATED', false, 'answered', 'caller');
const DENIED = kind('ACCESS_DENIED', false, 'answered', 'caller');
const NOT_FOUND = kind('NOT_FOUND', false, 'answered', 'caller');
const PRECONDITION = kind('CONFLICT', false, 'answered', 'caller');
/** The conflict may be with an earlier attempt that took effect. */
const CONFLICT = kind('CONFLICT', false, 'unknown', 'caller');
const ABORTED = kind('ABORTED', false, 'unknown', 'none');
const CIRCUIT_OPEN = kind('CIRCUIT_OPEN', true, 'not-run', 'none');

const table = (rows: readonly (readonly [Kind, string])[]): ReadonlyMap<string, Kind> =>
  new Map(rows.flatMap(([k, names]) => names.split(' ').map((name) => [name, k] as const)));

/** Error names of AWS services, the AWS SDK and the web platform, without a trailing `Exception`. */
const NAMES = table([
  [THROTTLING, 'Throttling Throttled EC2Throttled RequestThrottled TooManyRequests RequestLimitExceeded SlowDown BandwidthLimitExceeded'],
  [THROTTLING, 'ProvisionedThroughputExceeded LimitExceeded PriorRequestNotComplete'],
  [QUOTA, 'ServiceQuotaExceeded'],
  [UNAVAILABLE, 'ServiceUnavailable ServiceUnavailableError ModelNotReady'],
  [
    INTERNAL,
    'InternalServer InternalServerError InternalFailure InternalService InternalServiceError InternalError ModelError RuntimeClientError',
  ],
  [STREAM, 'ModelStreamError'],
  [TIMEOUT, 'ModelTimeout RequestTimeout TimeoutError'],
  [VALIDATION, 'Validation ValidationError InvalidParameter InvalidParameterValue InvalidRequest BadRequest SerializationException'],
  [UNAUTHENTICATED, 'CredentialsProviderError TokenProviderError ExpiredToken UnrecognizedClient InvalidClientTokenId InvalidSignature'],
  [UNAUTHENTICATED, 'MissingAuthenticationToken IncompleteSignature SignatureDoesNotMatch Unauthorized RequestExpired'],
  [DENIED, 'AccessDenied Forbidden NotAuthorized'],
  [NOT_FOUND, 'ResourceNotFound NotFound NoSuchKey NoSuchBucket'],
  [CONFLICT, 'Conflict TransactionInProgress'],
  [PRECONDITION, 'ConditionalCheckFailed TransactionConflict'],
  [ABORTED, 'AbortError'],
]);

/** The `code` of errors of Node, undici and opossum. */
const NODE = table([
  [UNREACHED, 'ECONNREFUSED ENOTFOUND EAI_AGAIN EAI_NODATA EAI_NONAME UND_ERR_CONNECT_TIMEOUT'],
  [BROKEN, 'ECONNRESET EPIPE ECONNABORTED ESHUTDOWN ENOTCONN ERR_STREAM_PREMATURE_CLOSE ERR_STREAM_DESTROYED ERR_SOCKET_CLOSED'],
  [BROKEN, 'ERR_HTTP2_STREAM_ERROR ERR_HTTP2_SESSION_ERROR ERR_HTTP2_GOAWAY_SESSION ERR_HTTP2_INVALID_SESSION ERR_HTTP2_STREAM_CANCEL'],
  [
    BROKEN,
    'UND_ERR_SOCKET UND_ERR_DESTROYED UND_ERR_CLOSED UND_ERR_RES_CONTENT_LENGTH_MISMATCH UND_ERR_RES_EXCEEDED_MAX_SIZE HPE_INVALID_CONSTANT',
  ],
  [TIMEOUT, 'UND_ERR_HEADERS_TIMEOUT UND_ERR_BODY_TIMEOUT ERR_SOCKET_CONNECTION_TIMEOUT'],
  [TLS, 'CERT_HAS_EXPIRED CERT_NOT_YET_VALID DEPTH_ZERO_SELF_SIGNED_CERT SELF_SIGNED_CERT_IN_CHAIN ERR_TLS_CERT_ALTNAME_INVALID'],
  [TLS, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE UNABLE_TO_GET_ISSUER_CERT UNABLE_TO_GET_ISSUER_CERT_LOCALLY'],
  [ABORTED, 'ABORT_ERR UND_ERR_ABORTED'],
  [VALIDATION, 'ERR_INVALID_URL UND_ERR_INVALID_ARG'],
  [CIRCUIT_OPEN, 'EOPENBREAKER'],
]);

/** During connect, nothing was sent. They also occur on an established connection, and then the outcome is unknown. */
const ROUTE = new Set(['EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ENETDOWN', 'EADDRNOTAVAIL']);

const STATUS = new Map<number, Kind>([
  [401, UNAUTHENTICATED],
  [402, QUOTA],
  [403, DENIED],
  [404, NOT_FOUND],
  [408, TIMEOUT],
  [409, CONFLICT],
  [410, NOT_FOUND],
  [412, PRECONDITION],
  [424, INTERNAL],
  [425, TOO_EARLY],
  [429, THROTTLING],
  [501, NOT_IMPLEMENTED],
  [502, UNAVAILABLE],
  [503, UNAVAILABLE],
  [504, TIMEOUT],
  [505, NOT_IMPLEMENTED],
]);

/** The messages of providers for a conversation that exceeds the model's context. */
const TOO_LONG =
  /(input|prompt|request) is too long|context window|context (limit|length)|context_length_exceeded|too many total text bytes|too many input tokens|input token count.*exceeds|maximum number of (input )?tokens|maximum input tokens|maximum prompt length/i;
/** Whether the message of a provider says that the conversation does not fit into the context of the model. */
export const isTooLong = (message: string): boolean => TOO_LONG.test(message);

/** By the name of an error, with or without `Exception` at its end. Undefined for a name that is not listed. */
export const ofName = (name: string): Kind | undefined =>
  NAMES.get(name) ?? (name.endsWith('Exception') ? NAMES.get(name.slice(0, -9)) : undefined);

/** @param syscall `connect` if the error occurred while connecting. */
export function ofNodeCode(code: string, syscall: unknown, message: string): Kind | undefined {
  if (code === 'ETIMEDOUT') return syscall === 'connect' ? UNREACHED : TIMEOUT;
  if (ROUTE.has(code)) return syscall === 'connect' ? UNREACHED : BROKEN;
  // RFC 9113, 8.7: a refused stream was not processed in any way
  if (code === 'ERR_HTTP2_STREAM_ERROR' && message.includes('REFUSED_STREAM')) return UNREACHED;
  return NODE.get(code);
}

/** Messages of the AWS SDK for an HTTP/2 connection that broke before a response. They have no code, or that of a timeout. */
export const ofMessage = (message: string): Kind | undefined =>
  /^HTTP\/2 stream is abnormally aborted|http2 request did not get a response/.test(message) ? BROKEN : undefined;

/** Node's code for an HTTP/2 stream that was cancelled before it was sent. The reason is its cause. */
export const NOT_SENT = 'ERR_HTTP2_STREAM_CANCEL';

/** By HTTP status. A 4xx that is not listed is `VALIDATION`, a 5xx `INTERNAL_ERROR`; undefined for any other status. */
export function ofStatus(status: number): Kind | undefined {
  if (!Number.isInteger(status) || status < 400 || status > 599) return undefined;
  return STATUS.get(status) ?? (status < 500 ? VALIDATION : INTERNAL);
}

/** By gRPC status, 0 to 16. UNKNOWN (2) is left unclassified, like a plain error. */
const GRPC: readonly (Kind | undefined)[] = [
  undefined,
  ABORTED,
  undefined,
  VALIDATION,
  TIMEOUT,
  NOT_FOUND,
  CONFLICT,
  DENIED,
  EXHAUSTED,
  PRECONDITION,
  CONFLICT,
  VALIDATION,
  NOT_IMPLEMENTED,
  INTERNAL,
  UNAVAILABLE,
  INTERNAL,
  UNAUTHENTICATED,
];

/** @param details the `details` of a gRPC error: only with this text is a numeric code one of gRPC. */
export const ofGrpc = (code: unknown, details: unknown): Kind | undefined =>
  typeof code === 'number' && typeof details === 'string' ? GRPC[code] : undefined;

/** The outcome that an error of this kind proves. @param status the HTTP status of the response, if there was one. */
export function outcomeOf({ known }: Kind, status: number | undefined): Outcome {
  if (known !== 'answered') return known;
  // 429 means throttled, whatever the error's name
  if (status === 429) return 'not-run';
  return status !== undefined && status >= 400 && status < 500 && status !== 408 && status !== 409 ? 'failed' : 'unknown';
}

/** The meaning of an error that a service marks as throttled, whatever its name. */
export const throttling = THROTTLING;

const FAULTS: ReadonlyMap<string, Fault> = new Map([
  ...[...NAMES.values(), ...NODE.values(), ...STATUS.values()].map((k) => [k.code, k.fault] as const),
  ['STREAM_BROKEN', 'service'],
  ['CONTEXT_TOO_LONG', 'caller'],
  ['CANCELLED', 'none'],
  // of a gateway's door: its target was not asked, or not at fault
  ['GATEWAY_RATE_LIMITED', 'none'],
  ['INTERCEPTOR_FAILED', 'none'],
  ['INTERCEPTOR_REFUSED', 'none'],
]);
/** The fault of a code in these tables; undefined for any other code. */
export const faultOf = (code: string): Fault | undefined => FAULTS.get(code);
