import type { Outcome } from '../errors.ts';

/**
 * What a code means unless an error says otherwise. `fault` is for circuit breakers: a `caller` fault is an answer
 * of a service in good health, a `service` fault counts against it.
 *
 * | code | retryable | outcome | fault | thrown as |
 * |---|---|---|---|---|
 * | THROTTLING | yes | not-run | service | 429, Throttling*, TooManyRequests, SlowDown, RequestLimitExceeded |
 * | QUOTA_EXCEEDED | no | failed | service | 402, ServiceQuotaExceeded |
 * | SERVICE_UNAVAILABLE | yes | failed | service | 503, ServiceUnavailable, ModelNotReady |
 * | SERVICE_UNAVAILABLE | yes | unknown | service | 502 |
 * | INTERNAL_ERROR | yes | failed | service | 500, 424 and 5xx, InternalServer, ModelError (501, 505: not retryable) |
 * | STREAM_ERROR | yes | unknown | service | ModelStreamError: the service broke off its answer, and said so |
 * | STREAM_BROKEN | yes | failed | service | a model adapter: the answer ended before it was complete |
 * | TIMEOUT | yes | unknown | service | our own deadline, 408, 504, ModelTimeout, TimeoutError, a socket's ETIMEDOUT, UND_ERR_HEADERS_TIMEOUT |
 * | NETWORK | yes | not-run | service | ECONNREFUSED, ENOTFOUND, EAI_AGAIN, a connect that timed out or found no route, a refused HTTP/2 stream |
 * | NETWORK | yes | unknown | service | ECONNRESET, EPIPE, UND_ERR_SOCKET, a broken stream |
 * | TLS_FAILED | no | failed | service | a certificate that does not verify |
 * | TOO_EARLY | yes | failed | service | 425 |
 * | VALIDATION | no | failed | caller | 400 and other 4xx, Validation, InvalidParameter |
 * | UNAUTHENTICATED | no | failed | caller | 401, ExpiredToken, CredentialsProviderError, UnrecognizedClient, InvalidSignature |
 * | ACCESS_DENIED | no | failed | caller | 403, AccessDenied |
 * | NOT_FOUND | no | failed | caller | 404, 410, ResourceNotFound |
 * | CONFLICT | no | failed | caller | 409, 412, Conflict, ConditionalCheckFailed |
 * | ABORTED | no | unknown | caller | AbortError that is not our cancellation |
 * | CIRCUIT_OPEN | yes | not-run | service | our circuit breaker, or one of opossum inside a tool |
 * | CANCELLED | no | not-run, failed or unknown | caller | our cancellation (only the envelope says so) |
 * | ENGINE_CLOSED | no | not-run | caller | a call after the engine closed its circuits |
 * | CONTEXT_TOO_LONG | no | failed | caller | VALIDATION of a model whose message says so |
 * | TOOL_FAILED, MODEL_FAILED | no | failed | service | anything else that was thrown |
 */
export interface Kind {
  readonly code: string;
  readonly retryable: boolean;
  readonly outcome: Outcome;
  readonly fault: 'caller' | 'service';
}

const kind = (code: string, retryable: boolean, outcome: Outcome, fault: Kind['fault']): Kind => ({ code, retryable, outcome, fault });

const THROTTLING = kind('THROTTLING', true, 'not-run', 'service');
const QUOTA = kind('QUOTA_EXCEEDED', false, 'failed', 'service');
const UNAVAILABLE = kind('SERVICE_UNAVAILABLE', true, 'failed', 'service');
const BAD_GATEWAY = kind('SERVICE_UNAVAILABLE', true, 'unknown', 'service');
const INTERNAL = kind('INTERNAL_ERROR', true, 'failed', 'service');
const NOT_IMPLEMENTED = kind('INTERNAL_ERROR', false, 'failed', 'service');
const STREAM = kind('STREAM_ERROR', true, 'unknown', 'service');
const TIMEOUT = kind('TIMEOUT', true, 'unknown', 'service');
const UNREACHED = kind('NETWORK', true, 'not-run', 'service');
const BROKEN = kind('NETWORK', true, 'unknown', 'service');
const TLS = kind('TLS_FAILED', false, 'failed', 'service');
const TOO_EARLY = kind('TOO_EARLY', true, 'failed', 'service');
const VALIDATION = kind('VALIDATION', false, 'failed', 'caller');
const UNAUTHENTICATED = kind('UNAUTHENTICATED', false, 'failed', 'caller');
const DENIED = kind('ACCESS_DENIED', false, 'failed', 'caller');
const NOT_FOUND = kind('NOT_FOUND', false, 'failed', 'caller');
const CONFLICT = kind('CONFLICT', false, 'failed', 'caller');
const ABORTED = kind('ABORTED', false, 'unknown', 'caller');
const CIRCUIT_OPEN = kind('CIRCUIT_OPEN', true, 'not-run', 'service');

const table = (rows: readonly (readonly [Kind, string])[]): ReadonlyMap<string, Kind> =>
  new Map(rows.flatMap(([k, names]) => names.split(' ').map((name) => [name, k] as const)));

/** Names of errors, without a trailing `Exception`: of AWS services, their SDK, and the web platform. */
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
  [CONFLICT, 'Conflict ConditionalCheckFailed TransactionConflict TransactionInProgress'],
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

/** Happen while connecting, and then nothing was sent; but also on a connection in use, and then nobody knows. */
const ROUTE = new Set(['EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ENETDOWN', 'EADDRNOTAVAIL']);

const STATUS = new Map<number, Kind>([
  [401, UNAUTHENTICATED],
  [402, QUOTA],
  [403, DENIED],
  [404, NOT_FOUND],
  [408, TIMEOUT],
  [409, CONFLICT],
  [410, NOT_FOUND],
  [412, CONFLICT],
  [424, INTERNAL],
  [425, TOO_EARLY],
  [429, THROTTLING],
  [501, NOT_IMPLEMENTED],
  [502, BAD_GATEWAY],
  [503, UNAVAILABLE],
  [504, TIMEOUT],
  [505, NOT_IMPLEMENTED],
]);

/** Each maker of models has words of its own for a conversation that is longer than the model takes. */
const TOO_LONG =
  /(input|prompt|request) is too long|context window|context (limit|length)|context_length_exceeded|too many total text bytes|too many input tokens|input token count.*exceeds|maximum number of (input )?tokens|maximum input tokens|maximum prompt length/i;
export const isTooLong = (message: string): boolean => TOO_LONG.test(message);
export const CONTEXT_TOO_LONG = kind('CONTEXT_TOO_LONG', false, 'failed', 'caller');

export const ofName = (name: string): Kind | undefined =>
  NAMES.get(name) ?? (name.endsWith('Exception') ? NAMES.get(name.slice(0, -9)) : undefined);

/** @param syscall `connect` where the error came from connecting. */
export function ofNodeCode(code: string, syscall: unknown, message: string): Kind | undefined {
  if (code === 'ETIMEDOUT') return syscall === 'connect' ? UNREACHED : TIMEOUT;
  if (ROUTE.has(code)) return syscall === 'connect' ? UNREACHED : BROKEN;
  // RFC 9113, 8.7: a refused stream was not processed in any way
  if (code === 'ERR_HTTP2_STREAM_ERROR' && message.includes('REFUSED_STREAM')) return UNREACHED;
  return NODE.get(code);
}

/** Words of the AWS SDK for an HTTP/2 connection that was lost before an answer; it gives them no code, or calls them a timeout. */
export const ofMessage = (message: string): Kind | undefined =>
  /^HTTP\/2 stream is abnormally aborted|http2 request did not get a response/.test(message) ? BROKEN : undefined;

/** Node cancels an HTTP/2 stream with this code before it was sent, because of the error that is its cause. */
export const NOT_SENT = 'ERR_HTTP2_STREAM_CANCEL';

export function ofStatus(status: number): Kind | undefined {
  if (!Number.isInteger(status) || status < 400 || status > 599) return undefined;
  return STATUS.get(status) ?? (status < 500 ? VALIDATION : INTERNAL);
}

export const throttling = THROTTLING;

const FAULTS: ReadonlyMap<string, Kind['fault']> = new Map([
  ...[...NAMES.values(), ...NODE.values(), ...STATUS.values()].map((k) => [k.code, k.fault] as const),
  ['STREAM_BROKEN', 'service'],
  ['TOOL_FAILED', 'service'],
  ['MODEL_FAILED', 'service'],
]);
/** Whose fault a code of these tables is; undefined for a code of somebody else's. */
export const faultOf = (code: string): Kind['fault'] | undefined => FAULTS.get(code);
