import { ToolError } from '../../errors.ts';
import { jsonIn } from '../../json.ts';
import { isObject } from '../../json-schema/keywords.ts';
import { cut } from '../../json-schema/size.ts';
import { classify } from '../../reliability/classify.ts';
import { ofStatus, outcomeOf } from '../../reliability/codes.ts';
import { askedWait } from '../../reliability/retry-after.ts';

export interface Line {
  /** The name of the peer in errors. */
  readonly name: string;
  /** The only origins that are connected to. */
  readonly origins: ReadonlySet<string>;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Most bytes of one response. A stream counts as a whole. */
  readonly maxBytes: number;
}

/** Most characters of an error's body that are read. */
const ERROR_BODY = 65_536;

/**
 * A `fetch` for one peer: it calls only the allowed origins, follows no redirects and limits the size of responses.
 * Throws ToolErrors. Their outcome is `not-run` only if the request certainly never arrived, or was refused before any work.
 */
export function lineTo(line: Line): typeof fetch {
  const { name, origins, signal, maxBytes } = line;
  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    if (!origins.has(url.origin))
      throw refused('A2A_CARD_REJECTED', `agent "${name}" points to ${url.origin}, which is not its own origin.`);
    const headers = new Headers(init?.headers);
    for (const [key, value] of Object.entries(line.headers)) headers.set(key, value);
    let response: Response;
    try {
      response = await fetch(url, { ...init, headers, signal, redirect: 'manual' });
    } catch (error) {
      throw unreached(error, name);
    }
    if (response.status >= 300 && response.status < 400) {
      await response.body?.cancel();
      throw refused('A2A_REDIRECTED', `agent "${name}" points elsewhere (HTTP ${response.status}). Use its address as it is now.`);
    }
    if (!response.ok) return failed(name, response);
    return new Response(response.body?.pipeThrough(counted(name, maxBytes)) ?? null, response);
  };
}

const refused = (code: string, message: string) => new ToolError(code, message, { outcome: 'not-run' });

function unreached(error: unknown, name: string): ToolError {
  if (error instanceof ToolError) return error;
  const { code, message, outcome, retryable } = classify(error);
  return new ToolError(code, `agent "${name}" cannot be reached: ${message.replace(/\.?$/, '.')}`, { outcome, retryable, cause: error });
}

/** @returns a response that holds a protocol error, for the SDK to read. @throws ToolError for any other HTTP error. */
async function failed(name: string, response: Response): Promise<Response> {
  const text = await head(response);
  if (speaksA2A(text, response.status))
    return new Response(text, { status: response.status, headers: { 'content-type': 'application/json' } });
  const { status } = response;
  const known = ofStatus(status);
  const kind = known ?? { code: 'A2A_BAD_RESPONSE', retryable: false };
  const wait = kind.retryable ? askedWait({ headers: response.headers }) : undefined;
  const hint = status === 401 || status === 403 ? ' Check auth, or headers, of a2aAgent().' : '';
  throw new ToolError(kind.code, `agent "${name}" answered HTTP ${status}.${hint}`, {
    outcome: known ? outcomeOf(known, status) : 'unknown',
    retryable: kind.retryable,
    ...(wait !== undefined && { retryAfter: wait }),
  });
}

async function head(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  try {
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk, { stream: true });
      if (text.length > ERROR_BODY) return '';
    }
  } catch {
    return '';
  }
  return text;
}

/** Statuses of who may call, of too many calls, and of proxies: their body need not be the peer's, even if it looks like an error of a protocol. */
const OF_HTTP: ReadonlySet<number> = new Set([401, 403, 407, 429, 502, 503, 504]);

function speaksA2A(text: string, status: number): boolean {
  const said = jsonIn(text);
  const error = isObject(said) ? said.error : undefined;
  if (!isObject(error) || typeof error.code !== 'number' || typeof error.message !== 'string') return false;
  return !OF_HTTP.has(status) || isOwn(error.code) || (Array.isArray(error.details) && error.details.some(isInfo));
}

/** The codes that A2A adds to those of JSON-RPC. */
const isOwn = (code: number) => code <= -32_001 && code >= -32_099;
/** How the binding to HTTP and JSON marks an error of A2A. */
const isInfo = (detail: unknown) => isObject(detail) && detail.domain === 'a2a-protocol.org';

function counted(name: string, max: number): TransformStream<Uint8Array, Uint8Array> {
  let size = 0;
  return new TransformStream({
    transform(chunk, controller) {
      size += chunk.byteLength;
      if (size > max)
        controller.error(new ToolError('A2A_TOO_LARGE', `agent "${name}" answered more than ${max} bytes.`, { outcome: 'unknown' }));
      else controller.enqueue(chunk);
    },
  });
}

/**
 * Classifies an error of the connection or of the protocol.
 * @param sent whether the peer may have started to work.
 * @param mask masks secrets. It is applied before a text is cut.
 */
export function failure(error: unknown, name: string, sent: boolean, mask: (text: string) => string = (text) => text): ToolError {
  const found = toolErrorIn(error) ?? ofProtocol(error, name, mask) ?? strange(error, name, mask);
  // the task had started, so the outcome of a refused request is unknown; only A2A_REJECTED means that the agent will not do it
  if (!sent || found.outcome === 'unknown' || found.code === 'A2A_REJECTED') return found;
  return new ToolError(found.code, found.message, { outcome: 'unknown', retryable: found.retryable, cause: found });
}

function toolErrorIn(error: unknown, depth = 0): ToolError | undefined {
  if (error instanceof ToolError) return error;
  return error instanceof Error && depth < 5 ? toolErrorIn(error.cause, depth + 1) : undefined;
}

/** A2A errors for requests that were refused before any work. */
const REFUSED: ReadonlySet<string> = new Set([
  'TaskNotFoundError',
  'TaskNotCancelableError',
  'PushNotificationNotSupportedError',
  'UnsupportedOperationError',
  'ContentTypeNotSupportedError',
  'ExtendedAgentCardNotConfiguredError',
  'ExtensionSupportRequiredError',
  'VersionNotSupportedError',
  'RequestMalformedError',
]);

function ofProtocol(error: unknown, name: string, mask: (text: string) => string): ToolError | undefined {
  const of = error instanceof Error && /^SSE event contained an error/.test(error.message) ? error.cause : error;
  if (!(of instanceof Error) || !('reason' in of) || !('transport' in of)) return undefined;
  const known = REFUSED.has(of.name.replace(/^(JsonRpc|Rest)/, ''));
  const code = known ? `A2A_${String(of.reason)}`.slice(0, 64) : 'A2A_INTERNAL_ERROR';
  return new ToolError(code, `agent "${name}": ${cut(mask(of.message), 2_000)}`, {
    outcome: known ? 'not-run' : 'unknown',
    retryable: !known,
    cause: error,
  });
}

/** The peer's reason for refusing a message; undefined if the error came from the connection. */
export function refusalOf(error: unknown, mask: (text: string) => string): string | undefined {
  const of = error instanceof Error && /^SSE event contained an error/.test(error.message) ? error.cause : error;
  return of instanceof Error && 'reason' in of && 'transport' in of ? cut(mask(of.message), 1_000) : undefined;
}

function strange(error: unknown, name: string, mask: (text: string) => string): ToolError {
  // an error that the tables do not know came from parsing the response
  if (classify(error).code !== 'TOOL_FAILED') return unreached(error, name);
  const message = error instanceof Error ? cut(mask(error.message), 300) : 'something that is not an error';
  return new ToolError('A2A_BAD_RESPONSE', `agent "${name}" answered with something that is not A2A: ${message}`, {
    outcome: 'unknown',
    cause: error,
  });
}
