import { type Outcome, RondoError, ToolError } from '../../errors.ts';
import { isTooLong, ofNodeCode, outcomeOf } from '../../reliability/codes.ts';
import { askedWait } from '../../reliability/retry-after.ts';
import { broken } from './stream.ts';

interface Raised {
  /** The name of the exception in the service's model, also inside a stream. */
  name: string;
  /** One line that ends with a full stop. */
  message: string;
  status: number | undefined;
}

/**
 * Classifies a failed call, and says what a person can do about it.
 * @param began whether part of an answer had arrived. Then the request did run, whatever ended it.
 */
export function failure(error: unknown, id: string, began: boolean): unknown {
  if (error instanceof ToolError || RondoError.is(error) || !(error instanceof Error)) return error;
  const raised = read(error);
  const local = localFailure(error, raised, began);
  if (local) return local;
  const told = refusal(id, raised) ?? kindOf(id, raised);
  // an answer that started, or an unreadable one with a good status, was cut or damaged in transit
  if (!told && (began || raised.status === 200)) return broken(error);
  const {
    code,
    text,
    retryable = false,
    outcome = 'failed',
  } = told ?? {
    code: 'MODEL_FAILED',
    text: `The call of "${id}" failed: ${raised.name}: ${raised.message}`,
  };
  const retryAfter = retryable ? askedWait(error) : undefined;
  return new ToolError(code, text, {
    outcome: began ? 'failed' : outcome,
    retryable,
    retryAfter,
    cause: error,
  });
}

/** Failures on the client side: no credentials, no region, no connection. */
function localFailure(error: Error, { name, message, status }: Raised, began: boolean): ToolError | undefined {
  const notRun = { outcome: 'not-run' as const, cause: error };
  if (/^(CredentialsProviderError|TokenProviderError)$/.test(name) || /credential is missing|could not load credentials/i.test(message))
    return new ToolError(
      'CREDENTIALS_MISSING',
      `No AWS credentials were found (${message}) Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE (after \`aws sso login\` where it signs in), or AWS_BEARER_TOKEN_BEDROCK with a Bedrock API key, or run under a role.`,
      notRun,
    );
  if (/region is missing/i.test(message))
    return new ToolError('REGION_MISSING', 'No AWS region is set. Pass bedrock(id, { region: "us-east-1" }) or set AWS_REGION.', notRun);
  const lost = began || status !== undefined ? undefined : connection(error);
  if (!lost) return undefined;
  const { code, retryable } = lost;
  const text = `Bedrock could not be reached: ${message} Check the network, the region and the endpoint.`;
  return new ToolError(code, text, { retryable, outcome: outcomeOf(lost, undefined), cause: error });
}

interface Told {
  code: string;
  text: string;
  retryable?: boolean;
  outcome?: Outcome;
}

/** Refusals whose message says more than their name. None of them ran. */
function refusal(id: string, { name, message, status }: Raised): Told | undefined {
  const told = (code: string, text: string): Told => ({ code, text, outcome: 'not-run' });
  if (CREDENTIALS.test(name))
    return told(
      'UNAUTHENTICATED',
      `AWS did not accept the credentials: ${message} Renew them (\`aws sso login\`), or check the keys, and this machine's clock.`,
    );
  if (/use case details have not been submitted/i.test(message))
    return told('ACCESS_DENIED', `No access to "${id}" yet: ${message} The form is in the Bedrock console, in the model catalog.`);
  if (/^(AccessDenied|NotAuthorized|Forbidden)/.test(name) || status === 401 || status === 403)
    return told(
      'ACCESS_DENIED',
      `No access to "${id}": ${message} Enable the model for this account and region in the Bedrock console, and allow the caller bedrock:InvokeModel and bedrock:InvokeModelWithResponseStream on it.`,
    );
  if (/on-demand throughput/i.test(message))
    return told(
      'MODEL_NOT_FOUND',
      `"${id}" is reached only through an inference profile: ${message} Use the profile's id, such as "us.${id}" or "global.${id}".`,
    );
  if (
    /^ResourceNotFound/.test(name) ||
    /model identifier is invalid|could not resolve the foundation model/i.test(message) ||
    status === 404
  )
    return told(
      'MODEL_NOT_FOUND',
      `Bedrock does not know "${id}" here: ${message} Check the id and the region; newer models are reached through an inference profile, whose id begins with "us.", "eu.", "apac." or "global.".`,
    );
  if (/^ServiceQuotaExceeded/.test(name) || /tokens per day/i.test(message))
    return told(
      'QUOTA_EXCEEDED',
      `The account's quota for "${id}" is used up: ${message} Raise it under Service Quotas, wait until it renews, or use another model.`,
    );
  if (isTooLong(message))
    return told(
      'CONTEXT_TOO_LONG',
      `The conversation is too long for "${id}": ${message} Keep it small (compact), bound what tools return (maxBytes), or use a model with a larger context.`,
    );
  return undefined;
}

const CREDENTIALS =
  /^(ExpiredToken|UnrecognizedClient|InvalidSignature|InvalidClientTokenId|SignatureDoesNotMatch|MissingAuthenticationToken|IncompleteSignature|RequestExpired)/;
/** By the error's name, or by the status if a gateway answered instead of the service. */
function kindOf(id: string, { name, message, status = 0 }: Raised): Told | undefined {
  const again = { retryable: true };
  if (/^(Throttling|TooManyRequests)/.test(name) || (status === 429 && !/^ModelNotReady/.test(name)))
    return {
      code: 'THROTTLING',
      text: `Bedrock is throttling "${id}": ${message} Slow down, or ask for a higher quota.`,
      ...again,
      outcome: 'not-run',
    };
  if (/^ModelNotReady/.test(name))
    return { code: 'SERVICE_UNAVAILABLE', text: `"${id}" is not ready yet: ${message} Try again shortly.`, ...again, outcome: 'not-run' };
  if (/^ModelStreamError/.test(name))
    return { code: 'STREAM_ERROR', text: `"${id}" failed while it answered: ${message} Try again.`, ...again };
  if (/^ModelError/.test(name) || status === 424)
    return { code: 'INTERNAL_ERROR', text: `"${id}" failed: ${message} Try again.`, ...again };
  if (/^(ModelTimeout|TimeoutError)/.test(name) || status === 408 || status === 504)
    return {
      code: 'TIMEOUT',
      text: `"${id}" took too long: ${message} Try again, or ask for less with maxTokens.`,
      ...again,
      outcome: 'unknown',
    };
  if (/^ServiceUnavailable/.test(name) || status === 502 || status === 503)
    return {
      code: 'SERVICE_UNAVAILABLE',
      text: `Bedrock could not serve "${id}": ${message} Try again shortly.`,
      ...again,
      outcome: status === 502 ? 'unknown' : 'failed',
    };
  if (/^Internal/.test(name) || status >= 500)
    return { code: 'INTERNAL_ERROR', text: `Bedrock failed on "${id}": ${message} Try again.`, ...again };
  if (/^(Validation|Conflict)/.test(name) || status >= 400)
    return {
      code: 'VALIDATION',
      text: `Bedrock refused the request to "${id}": ${message} Change the option or the content it names.`,
      outcome: 'not-run',
    };
  return undefined;
}

function read(error: Error): Raised {
  const { $metadata, $response } = error as { $metadata?: { httpStatusCode?: number }; $response?: { statusCode?: number } };
  // inside a stream, an exception has the name of its union member, such as throttlingException
  const name = error.name.charAt(0).toUpperCase() + error.name.slice(1);
  const line = (error.message.split('\n', 1)[0] ?? '').trim() || 'no reason was given';
  return { name, message: /[.!?]$/.test(line) ? line : `${line}.`, status: $response?.statusCode ?? $metadata?.httpStatusCode };
}

/** The outcome of a lost connection. Over HTTP/2 only the innermost cause says whether a connection was made. */
function connection(error: Error): ReturnType<typeof ofNodeCode> {
  const chain: Error[] = [];
  for (let e: unknown = error; e instanceof Error && chain.length < 5; e = e.cause) chain.unshift(e);
  for (const { code, syscall, message } of chain as (Error & { code?: unknown; syscall?: unknown })[]) {
    const kind = typeof code === 'string' ? ofNodeCode(code, syscall, message) : undefined;
    if (kind) return kind;
  }
  // the SDK's message for a connection that closed before any answer; the SDK calls it a timeout
  return /did not get a response|abnormally aborted/.test(error.message) ? ofNodeCode('ECONNRESET', undefined, '') : undefined;
}
