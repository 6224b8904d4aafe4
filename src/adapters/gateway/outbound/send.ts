/** Sends a request of a target, and reads its answer: bounded, with errors by the table of HTTP, and credentials for one origin only. */
import { ToolError } from '../../../errors.ts';
import type { Json } from '../../../json.ts';
import { overLimit } from '../../../json-text.ts';
import { bounded, classify } from '../../../reliability/classify.ts';
import { ofStatus, outcomeOf } from '../../../reliability/codes.ts';
import { askedWait } from '../../../reliability/retry-after.ts';
import { Secrets } from '../../../secrets.ts';
import type { Outgoing } from './auth.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array;
}

export interface Line {
  /** The target in errors. */
  readonly name: string;
  readonly fetch: typeof fetch;
  /** Most bytes of an answer. */
  readonly maxBytes: number;
  /** Whether an error is one of too many requests, with another status than 429. */
  limited?(answer: Answer): boolean;
  /** What the service calls an error. */
  errorName?(answer: Answer): string | undefined;
  /** Adds the credentials to each request, also to one that a redirect led to. */
  authorize(request: Outgoing): Promise<{ request: Outgoing; secrets: readonly (readonly [string, string])[] }>;
}

/** Redirects of a read that are followed, on the same origin. */
const MOST_REDIRECTS = 3;

/**
 * Answers a response of status 2xx, with what masks the secrets in it that the engine does not know. Throws ToolErrors: the code of the status, `retryAfter` by
 * the headers, the outcome `not-run` or `failed` only where the status proves it; `REDIRECTED`, `TOO_LARGE`.
 */
export async function send(line: Line, plain: Outgoing, signal: AbortSignal): Promise<{ answer: Answer; mask: (text: string) => string }> {
  const { name } = line;
  let asked = plain;
  for (let followed = 0; ; followed++) {
    const { request, secrets } = await line.authorize(asked);
    const { mask } = new Secrets(secrets);
    const { method, url, headers, body } = request;
    let response: Response;
    try {
      response = await line.fetch(url, { method, headers, ...(body && { body }), redirect: 'manual', signal } as RequestInit);
    } catch (error) {
      throw unreached(error, name);
    }
    const { status } = response;
    if (status >= 300 && status < 400 && status !== 304) {
      await response.body?.cancel();
      asked = redirected(name, asked, response, followed);
      continue;
    }
    const bytes = method === 'HEAD' ? new Uint8Array() : await read(response, line);
    const answer = { status, headers: response.headers, bytes };
    if (!response.ok) throw failure(line, answer, mask);
    return { answer, mask };
  }
}

/** Credentials are for one origin, and only a read may be sent again. @returns the next request. @throws ToolError `REDIRECTED`. */
function redirected(name: string, asked: Outgoing, { status, headers }: Response, followed: number): Outgoing {
  const location = headers.get('location');
  const to = location !== null && URL.canParse(location, asked.url.href) ? new URL(location, asked.url) : undefined;
  const reads = asked.method === 'GET' || asked.method === 'HEAD';
  if (to && to.origin === asked.url.origin && reads && followed < MOST_REDIRECTS && status !== 304) return { ...asked, url: to };
  throw new ToolError(
    'REDIRECTED',
    `${name} answered HTTP ${status}, and points to ${to?.origin ?? 'no address'}. Use its address as it is now.`,
    {
      outcome: reads ? 'failed' : 'unknown',
    },
  );
}

function unreached(error: unknown, name: string): ToolError {
  if (ToolError.is(error)) return error;
  const { code, message, outcome, retryable } = classify(error);
  // an error that no table lists may quote what was sent: its code, such as ERR_SSL_WRONG_VERSION_NUMBER, does not
  const { code: inner } = ((error as Error).cause ?? {}) as { code?: unknown };
  const told = typeof inner === 'string' && /^[A-Z_]{1,60}$/.test(inner) ? ` (${inner})` : '';
  const why = code === 'TOOL_FAILED' ? `the request could not be made${told}` : message;
  return new ToolError(code === 'TOOL_FAILED' ? 'NETWORK' : code, `${name} cannot be reached: ${why}`, { outcome, retryable });
}

async function read(response: Response, { name, maxBytes }: Line): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of response.body ?? []) {
      size += chunk.byteLength;
      // an error is told by its beginning
      if (size > maxBytes && !response.ok) break;
      if (size > maxBytes)
        throw new ToolError(
          'TOO_LARGE',
          `${name} answered HTTP ${response.status} with more than ${maxBytes} bytes, which were not read. Ask for less.`,
          { outcome: 'unknown' },
        );
      chunks.push(chunk);
    }
  } catch (error) {
    if (response.ok) throw ToolError.is(error) ? error : unreached(error, name);
  }
  return Buffer.concat(chunks);
}

function failure({ name, limited, errorName }: Line, answer: Answer, mask: (text: string) => string): ToolError {
  const { status, headers, bytes } = answer;
  const meant = limited?.(answer) ? 429 : status;
  const known = ofStatus(meant);
  const kind = known ?? { code: 'BAD_RESPONSE', retryable: false };
  const called = errorName?.(answer);
  const said = mask(new TextDecoder().decode(bytes)).trim();
  const wait = kind.retryable ? askedWait({ headers }) : undefined;
  return new ToolError(
    kind.code,
    bounded(`${name} answered HTTP ${status}${called === undefined ? '' : ` ${called}`}${said && !isPage(headers) ? `: ${said}` : '.'}`),
    {
      outcome: known ? outcomeOf(known, meant) : 'unknown',
      retryable: kind.retryable,
      ...(wait !== undefined && { retryAfter: wait }),
    },
  );
}

/** A page for people says nothing to an agent. */
const isPage = (headers: Headers) => /^text\/html/i.test(headers.get('content-type') ?? '');

/** An answer that is neither JSON nor text. The model sees an image as an image. */
export interface Binary {
  readonly mediaType: string;
  readonly base64: string;
}

/** The content of an answer: JSON as it is, text, or bytes. */
export function contentOf({ headers, bytes }: Answer, mask: (text: string) => string): Json {
  const type = (headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  if (bytes.byteLength === 0) return null;
  const isJson = /^application\/(json|[\w.+-]+\+json)$|\+json$/.test(type);
  if (!isJson && !/^text\/|xml$|^application\/(javascript|x-ndjson|yaml|x-yaml|x-www-form-urlencoded|graphql)/.test(type)) {
    const text = type === '' ? decoded(bytes) : undefined;
    return text === undefined
      ? { mediaType: type || 'application/octet-stream', base64: Buffer.from(bytes).toString('base64') }
      : mask(text);
  }
  const charset = /charset="?([\w-]+)/i.exec(headers.get('content-type') ?? '')?.[1];
  const text = mask(new TextDecoder(charset && isCharset(charset) ? charset : 'utf-8').decode(bytes));
  if (!isJson || overLimit(text)) return text;
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

function isCharset(label: string): boolean {
  try {
    return new TextDecoder(label) !== undefined;
  } catch {
    return false;
  }
}

function decoded(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
