import { AsyncLocalStorage } from 'node:async_hooks';
import { ToolError } from '../../errors.ts';
import { type Secrets, secretsIn } from '../../secrets.ts';
import { type Access, challengeOf, unauthorized } from './auth/access.ts';
import type { McpOptions } from './options.ts';

/** Bytes of one message of a server. Counted before the message is parsed. */
export const LARGEST_MESSAGE = 16 * 1024 * 1024;

/** A message of a server that was not read to its end. */
export class TooLarge extends Error {
  constructor() {
    super(`a message of more than ${LARGEST_MESSAGE} bytes`);
    this.name = 'TooLarge';
  }
}

/** An open request, as its transport sees it. */
export interface Pending {
  /** The server numbers its events, so the SDK itself asks for the rest of a broken stream. */
  resumable: boolean;
  /** The answer can no longer arrive. */
  lost(error: Error): void;
  /** The call that it is of. */
  of?: object | undefined;
  /** Aborted a moment after it has ended, however it did: a server that goes on holding its stream open would keep a connection for each. */
  readonly over: AbortSignal;
}

/** The request that a transport works on: its errors do not say. */
export const current = new AsyncLocalStorage<Pending>();

type Headed = McpOptions['headers'];
export type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>;

export interface Served {
  /** Of the server. */
  name: string;
  secrets: Secrets;
  /** Sends a request. Default: the global `fetch`. */
  fetch?: Fetch | undefined;
  access?: Access | undefined;
}

/**
 * `fetch` with headers that are computed for each request, so that a token can be renewed, and with a size limit on bodies.
 * @param flooded called when a body that does not answer a request exceeds the limit.
 */
export function serverFetch(headers: Headed, to: Served, flooded: (error: TooLarge) => void): Fetch {
  const send = async (url: string | URL, init: RequestInit | undefined, own: Readonly<Record<string, string>>) => {
    const all = new Headers(init?.headers);
    for (const [key, value] of Object.entries(own)) all.set(key, value);
    let at = new URL(url);
    for (let followed = 0; ; followed++) {
      const response = await (to.fetch ?? fetch)(at, { ...init, headers: all, redirect: 'manual' });
      const location = response.status >= 300 && response.status < 400 ? response.headers.get('location') : null;
      if (location === null) return response;
      await response.body?.cancel();
      at = redirected(to.name, at, location, followed, response.status);
    }
  };
  /** With the token that there is. Where the server refuses it, another one is got, a few times. */
  const authorized = async (url: string | URL, init: RequestInit | undefined, access: Access) => {
    for (let tries = 0; ; tries++) {
      const token = await access.token();
      if (token !== undefined) to.secrets.add([['token', token]]);
      const own = { ...(await headersOf(headers, to)), ...(token !== undefined && { authorization: `Bearer ${token}` }) };
      const response = await send(url, init, own);
      const challenge = await challengeOf(response);
      if (!challenge) {
        if (token !== undefined) await access.accepted(token);
        return response;
      }
      await response.body?.cancel();
      if (tries === MOST_TOKENS) throw unauthorized(to.name, 'it refuses each token that is had for it');
      await access.refused(challenge, token);
    }
  };
  const renewing = async (url: string | URL, init: RequestInit | undefined) => {
    const own = await headersOf(headers, to);
    const response = await send(url, init, own);
    if (response.status !== 401 || typeof headers !== 'function') return response;
    // it expired in transit
    const renewed = await headersOf(headers, to);
    if (JSON.stringify(renewed) === JSON.stringify(own)) return response;
    await response.body?.cancel();
    return send(url, init, renewed);
  };
  return async (url, given) => {
    const call = current.getStore();
    const init = call ? { ...given, signal: given?.signal ? AbortSignal.any([given.signal, call.over]) : call.over } : given;
    const response = await (to.access ? authorized(url, init, to.access) : renewing(url, init));
    return watched(response, call, { posted: init?.method === 'POST', flooded });
  };
}

/** Most tokens that are got for one request: a new one, and one with more scopes. */
const MOST_TOKENS = 3;

/** Most redirects that are followed, such as that to the same path with a slash. */
const MOST_REDIRECTS = 3;

/** Headers may be credentials, and the address of a server is chosen by who configured it, so a redirect leads nowhere else. */
function redirected(name: string, from: URL, location: string, followed: number, status: number): URL {
  const to = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  // another status would make a GET of a POST
  const again = status === 307 || status === 308;
  const own = to?.origin === from.origin;
  if (own && again && followed < MOST_REDIRECTS) return to;
  const why =
    own && !again
      ? `answered HTTP ${status}, by which a call would not be sent again. Use the address that it points to, if that is the server's`
      : `points to ${to?.origin ?? 'no address'}. Use its address as it is now`;
  throw new ToolError('MCP_REDIRECTED', `MCP server "${name}" ${why}.`, {
    // by the others a server may say where the result of what it did is
    outcome: again ? 'not-run' : 'unknown',
  });
}

async function headersOf(headers: Headed, { name, secrets }: Served): Promise<Readonly<Record<string, string>>> {
  if (typeof headers !== 'function') return { ...headers };
  try {
    const made = { ...(await headers({})) };
    secrets.add(secretsIn(made));
    return made;
  } catch (cause) {
    const message = `MCP server "${name}" was not asked: the headers of mcpTools() could not be had.`;
    throw new ToolError('UNAUTHENTICATED', message, { outcome: 'not-run', retryable: true, cause });
  }
}

/**
 * When an event stream ends without the answer, for example because the server's process died, the SDK leaves the request open for ever.
 * So the end of the stream is watched here, and its size is counted.
 */
function watched(response: Response, call: Pending | undefined, o: { posted: boolean; flooded: (error: TooLarge) => void }): Response {
  if (!response.body) return response;
  const reader = response.body.getReader();
  const stream = response.headers.get('content-type')?.startsWith('text/event-stream') === true;
  const count = stream ? sizeOfEvent() : sizeOfAll();
  const lost = (error: Error) => stream && call?.lost(error);
  // an answer in the stream is read before this fires
  const over = () =>
    o.posted && setTimeout(() => call?.resumable || lost(new Error('The connection broke before the answer came.')), 50).unref();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (!done) {
          if (count(value) <= LARGEST_MESSAGE) return controller.enqueue(value);
          const error = new TooLarge();
          // asked for the rest, the server would send the same
          if (call) lost(error);
          else o.flooded(error);
          void reader.cancel(error).catch(() => {});
          return controller.error(error);
        }
        controller.close();
      } catch (error) {
        controller.error(error);
      }
      over();
    },
    cancel: (reason) => reader.cancel(reason),
  });
  return new Response(body, { status: response.status, statusText: response.statusText, headers: response.headers });
}

function sizeOfAll(): (chunk: Uint8Array) => number {
  let size = 0;
  return (chunk) => {
    size += chunk.length;
    return size;
  };
}

/** The size of the current event; an empty line ends it. */
function sizeOfEvent(): (chunk: Uint8Array) => number {
  let size = 0;
  let end = '';
  return (chunk) => {
    const text = end + Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('latin1');
    const last = Math.max(text.lastIndexOf('\n\n'), text.lastIndexOf('\n\r\n'), text.lastIndexOf('\r\r'));
    size = last < 0 ? size + chunk.length : text.length - last;
    end = text.slice(-2);
    return size;
  };
}
