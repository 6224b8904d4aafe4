/** Requests to addresses that come from outside: only what is public is connected to, wherever a name resolves to or a redirect leads. */
import * as http from 'node:http';
import * as https from 'node:https';
import { Readable } from 'node:stream';
import { invalid, ToolError } from '../errors.ts';
import { checkOptions } from '../options.ts';
import { isInside, publicOnly } from './addresses.ts';
import { type Decoder, decoded, decodersOf } from './codings.ts';

export interface PublicFetchOptions {
  /** Origins that may be called even if they are not public, such as `http://127.0.0.1:9000`. */
  allow?: readonly string[];
  /** Most milliseconds without a byte: until the headers, and between two parts of the body. Default 30,000. */
  timeout?: number;
  /** Most bytes of a body, after decompression. Default 10,000,000. */
  maxBytes?: number;
  /** Most redirects that are followed. Each one is checked. Default 5. */
  redirects?: number;
}

/** A request of one hop, whose address was not checked yet. */
export interface Hop {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly timeout?: number;
}

const OPTIONS = {
  allow: "allow: ['http://127.0.0.1:9000']",
  timeout: 'timeout: 30_000',
  maxBytes: 'maxBytes: 10_000_000',
  redirects: 'redirects: 5',
} satisfies Record<keyof PublicFetchOptions, string>;
const WHERE = 'publicFetch()';

/** What a request to another origin keeps of its headers after a redirect: any other may be a credential. */
const HARMLESS: ReadonlySet<string> = new Set(['accept', 'accept-language', 'content-type', 'user-agent', 'range']);
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** Milliseconds of silence until the system asks whether the other side is still there. */
const KEEP_ALIVE = 60_000;
const WITHOUT_BODY: ReadonlySet<number> = new Set([204, 205, 304]);

/** Nothing was sent, and a retry would not help. */
const refused = (why: string) => new ToolError('ADDRESS_REFUSED', why, { outcome: 'not-run' });

/** Why a URL is not called; undefined if it may be. A name is resolved, and its addresses are checked, when the connection is made. */
export function addressProblem(url: URL, allow: ReadonlySet<string>): string | undefined {
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return `An address begins with https: or http:, and not with ${url.protocol}`;
  if (url.username || url.password) return 'An address holds no credentials.';
  if (allow.has(url.origin)) return undefined;
  // the parser of URLs has brought every spelling of an IPv4 address into its usual form
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const literal = /^[\d.]+$|:/.test(host);
  if ((literal && isInside(host)) || /(^|\.)localhost\.?$/i.test(host)) return `${host} is not a public address`;
  return undefined;
}

/** @throws RondoError `CONFIG_INVALID` */
export function originsOf(allow: unknown, where: string): ReadonlySet<string> {
  const wrong = (what: unknown) =>
    invalid(`${where}allow is a list of origins such as ["http://127.0.0.1:9000"]; ${JSON.stringify(what)} is none.`);
  if (!Array.isArray(allow)) throw wrong(allow);
  return new Set(
    allow.map((origin) => {
      if (typeof origin !== 'string' || !URL.canParse(origin)) throw wrong(origin);
      const url = new URL(origin);
      // with a path it would seem that no more is let in
      if (!/^https?:$/.test(url.protocol) || url.href !== `${url.origin}/`) throw wrong(origin);
      return url.origin;
    }),
  );
}

/**
 * Sends one request, and follows no redirect. It connects to the address that was checked: a second resolution cannot give another one.
 * @throws ToolError `ADDRESS_REFUSED`; otherwise rejects as Node does.
 */
export async function hop(
  url: URL,
  allow: ReadonlySet<string>,
  { method, headers, body, signal, timeout }: Hop,
): Promise<http.IncomingMessage> {
  const why = addressProblem(url, allow);
  if (why) throw refused(why);
  const { request: send, Agent, globalAgent } = url.protocol === 'https:' ? https : http;
  // a connection of its own: one of a pool would skip the check of the address. A proxy would too, so only what is allowed goes through the environment's
  const way = allow.has(url.origin) ? { agent: new Agent(proxyOf(globalAgent)) } : { agent: false, lookup: publicOnly };
  const options = { method, headers, ...(signal && { signal }), ...way };
  return new Promise((resolve, reject) => {
    let answer: http.IncomingMessage | undefined;
    const request = send(url, options, (got) => {
      answer = got;
      resolve(got);
    });
    request.on('error', reject);
    // an answer may take minutes to begin, and what is between must not forget the connection
    request.setSocketKeepAlive(true, KEEP_ALIVE);
    if (timeout !== undefined)
      request.setTimeout(timeout, () => {
        const silent = new ToolError('TIMEOUT', `${url.host} sent nothing for ${timeout} ms.`, { outcome: 'unknown', retryable: true });
        (answer ?? request).destroy(silent);
      });
    request.end(body);
  });
}

/** The proxies that Node takes from the environment for its own requests, as `fetch` does: `NODE_USE_ENV_PROXY`, in versions that know it. */
function proxyOf(agent: http.Agent & { options?: http.AgentOptions }): http.AgentOptions {
  const proxyEnv = agent.options?.proxyEnv;
  return proxyEnv ? { proxyEnv } : {};
}

/**
 * A `fetch` for URLs that come from outside: from models, users, documents, other servers. It refuses addresses that are not public, in every spelling,
 * after resolution and at each redirect; other schemes; and URLs with credentials. After a redirect to another origin it sends only headers that
 * are no credentials. The body of a request is read as a whole before it is sent. `redirect: 'manual'` and `'error'` are as in `fetch`; there are
 * no caches and no cookies.
 *
 * Rejects with ToolError `ADDRESS_REFUSED` (nothing was sent to that address), `REDIRECTED`, `TOO_LARGE`, `BAD_RESPONSE`, `TIMEOUT`; with the reason
 * of a signal that was aborted, also while the body is read; otherwise as Node does.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function publicFetch(o: PublicFetchOptions = {}): typeof fetch {
  checkOptions(o, OPTIONS, WHERE);
  const allow = originsOf(o.allow ?? [], `${WHERE}: `);
  const { timeout = 30_000, maxBytes = 10_000_000, redirects = 5 } = o;
  for (const [name, value] of Object.entries({ timeout, maxBytes, redirects }))
    if (!Number.isInteger(value) || value < (name === 'redirects' ? 0 : 1)) throw invalid(`${WHERE}: ${name} is ${value}: a whole number.`);

  return async (input, init) => {
    const asked = requestOf(input, init);
    const { signal, redirect } = asked;
    let { method } = asked;
    let body = asked.body ? Buffer.from(await asked.arrayBuffer()) : undefined;
    let headers: Record<string, string> = { 'accept-encoding': 'gzip, br, deflate', ...Object.fromEntries(asked.headers) };
    let url = new URL(asked.url);
    for (let followed = 0; ; followed++) {
      const length = body && { 'content-length': String(body.byteLength) };
      const answer = await hop(url, allow, { method, headers: { ...headers, ...length }, body, signal, timeout }).catch((error) => {
        throw signal.aborted ? signal.reason : error;
      });
      const { statusCode: status = 0, headers: told } = answer;
      const next = REDIRECTS.has(status) && redirect !== 'manual' ? told.location : undefined;
      if (next === undefined) return responseOf(answer, { url, method, signal, maxBytes, redirected: followed > 0 });
      answer.destroy();
      if (redirect === 'error') throw stopped(url, 'it redirects.');
      if (followed === redirects) throw stopped(url, `it redirects more than ${redirects} times.`);
      const to = URL.canParse(next, url.href) ? new URL(next, url) : undefined;
      if (!to) throw stopped(url, 'it redirects to something that is not a URL.');
      if (url.protocol === 'https:' && to.protocol === 'http:') throw stopped(url, 'it redirects from https to http.');
      if (turnsToGet(status, method)) {
        method = 'GET';
        body = undefined;
        headers = without(headers, (name) => name.startsWith('content-'));
      }
      if (to.origin !== url.origin) headers = without(headers, (name) => !HARMLESS.has(name) && name !== 'accept-encoding');
      url = to;
    }
  };
}

function requestOf(input: string | URL | Request, init: RequestInit | undefined): Request {
  try {
    return new Request(input, init);
  } catch (cause) {
    // with credentials in it, or not a URL at all
    throw unspoken(input, cause);
  }
}

/** Node's own message has the whole address, and an address may hold a password or a token. */
const unspoken = (input: string | URL | Request, cause: unknown) => {
  const text = input instanceof Request ? input.url : String(input);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const of = url ? ` of ${url.host}` : '';
  const why = !url
    ? 'it is not a URL'
    : url.username || url.password
      ? 'an address holds no credentials. Send them in a header'
      : 'fetch does not take it';
  return new ToolError('ADDRESS_REFUSED', `The address${of} cannot be called: ${why}.`, { outcome: 'not-run', cause });
};

const stopped = (url: URL, why: string) => new ToolError('REDIRECTED', `${url.host} was called, and ${why}`, { outcome: 'unknown' });

/** As browsers do, which RFC 9110 allows. */
const turnsToGet = (status: number, method: string) =>
  (status === 303 && method !== 'HEAD') || ((status === 301 || status === 302) && method === 'POST');

const without = (headers: Record<string, string>, drop: (name: string) => boolean) =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !drop(name)));

interface Asked {
  readonly url: URL;
  readonly method: string;
  readonly signal: AbortSignal;
  readonly maxBytes: number;
  readonly redirected: boolean;
}

function responseOf(answer: http.IncomingMessage, asked: Asked): Response {
  const { statusCode: status = 0, statusMessage: statusText = '' } = answer;
  const { url, method, redirected } = asked;
  try {
    if (status < 200 || status > 599) throw new Error(`its status is ${status}`);
    const empty = WITHOUT_BODY.has(status);
    // the headers of an answer to HEAD are about a body that does not come
    const decoders = empty || method === 'HEAD' ? [] : decodersOf(answer.headers['content-encoding']);
    const headers = new Headers();
    for (const [name, values] of Object.entries(answer.headersDistinct))
      if (!(decoders.length > 0 && (name === 'content-encoding' || name === 'content-length')))
        for (const value of values ?? []) headers.append(name, value);
    // what comes after all, as a body of a 205 may, is not read: it may have no end
    if (empty) answer.destroy();
    const response = new Response(empty ? null : counted(answer, decoders, asked), { status, statusText, headers });
    return Object.defineProperties(response, { url: { value: url.href }, redirected: { value: redirected } });
  } catch (cause) {
    answer.destroy();
    const why = `${url.host} gave an answer of HTTP that cannot be read: ${(cause as Error).message}.`;
    throw new ToolError('BAD_RESPONSE', why, { outcome: 'unknown', cause });
  }
}

/** Counted after decompression, and only as far as it is read: a small body may become a huge one. */
function counted(
  answer: http.IncomingMessage,
  decoders: readonly Decoder[],
  { url: { host }, signal, maxBytes }: Asked,
): ReadableStream<Uint8Array> {
  async function* parts() {
    let size = 0;
    try {
      for await (const chunk of decoded(answer, decoders)) {
        size += chunk.byteLength;
        if (size > maxBytes) throw new ToolError('TOO_LARGE', `${host} answered more than ${maxBytes} bytes.`, { outcome: 'unknown' });
        yield chunk;
      }
    } catch (error) {
      // Node would say that the connection was reset
      throw signal.aborted ? signal.reason : error;
    }
  }
  return Readable.toWeb(Readable.from(parts(), { objectMode: false })) as ReadableStream<Uint8Array>;
}
