/** Runs a web-standard handler, `Request -> Response`, on Node's HTTP server. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { invalid } from '../errors.ts';
import { checkOptions } from '../options.ts';
import { isAuthority } from './addresses.ts';
import { errorAnswer } from './answer.ts';
import { HttpError } from './errors.ts';
import { report } from './report.ts';

/** `request.signal` is aborted when the caller disconnects, and when the server closes. Then respond with what is there. */
export type Handler = (request: Request) => Response | Promise<Response>;

export interface ListenOptions {
  /** Default 0: a free port. */
  port?: number;
  /** Default 127.0.0.1. */
  host?: string;
  /** The name of the server in errors and warnings. Default `listen()`. */
  where?: string;
}

const OPTIONS = {
  port: 'port: 8080',
  host: "host: '0.0.0.0'",
  where: "where: 'serve()'",
} satisfies Record<keyof ListenOptions, string>;

/** A server that accepts connections. */
export interface Listening extends AsyncDisposable {
  /** For example `http://127.0.0.1:8080`. */
  readonly url: string;
  /** The one that was asked for, or the free one that was found. */
  readonly port: number;
  /**
   * Stops accepting connections, aborts the signal of each open request, and waits for the responses. Connections that are open after
   * `grace` milliseconds (default 5,000) are cut. Runs continue: they belong to the engine.
   */
  close(o?: { grace?: number }): Promise<void>;
}

/** Why the requests that are open when the server closes are aborted. */
const CLOSES = new Error('the server closes');

/** Whether a request was aborted because the server closes, and not because its caller left. */
export const serverCloses = ({ reason }: AbortSignal): boolean => reason === CLOSES;

/** Milliseconds that a request may take to arrive. */
const REQUEST_TIMEOUT = 60_000;
/** Milliseconds for which the rest of a request body is read and discarded after the response. See {@link linger}. */
export const LINGER = 2_000;

/** Milliseconds for which an idle connection is kept: longer than the minute of most proxies and clients, whose next request would else meet one that closes. */
const IDLE_CONNECTION = 65_000;

/** Resolves once the server listens. @throws RondoError `CONFIG_INVALID` if it cannot, with what to do where another program has the port. */
export const bound = (server: Server, { port, host, where }: Required<ListenOptions>): Promise<void> =>
  new Promise((resolve, reject) => {
    server.keepAliveTimeout = IDLE_CONNECTION;
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const remedy = cause.code === 'EADDRINUSE' ? ' End the program that has the port, or pass another port: 0 takes a free one.' : '';
      reject(invalid(`${where}: cannot listen on ${host}:${port}: ${cause.message}.${remedy}`, { cause }));
    });
    server.listen(port, host, resolve);
  });

/** @throws RondoError `CONFIG_INVALID` if it cannot listen. */
export async function listen(handler: Handler, o: ListenOptions = {}): Promise<Listening> {
  checkOptions(o, OPTIONS, o?.where ?? 'listen()');
  const { port = 0, host = '127.0.0.1', where = 'listen()' } = o;
  if (typeof handler !== 'function') throw invalid(`${where} takes a request handler, such as requestHandler(engine, [support]).`);
  const tell = report(where);
  const open = new Map<AbortController, Request | undefined>();
  let closing = false;
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT }, (request, response) => void serve(request, response));
  await bound(server, { port, host, where });
  server.on('error', tell);

  async function serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const gone = new AbortController();
    open.set(gone, undefined);
    outgoing.once('close', () => {
      open.delete(gone);
      gone.abort();
      // the connection becomes idle only after this event
      if (closing) setImmediate(() => server.closeIdleConnections());
    });
    // without a listener, a connection that breaks would crash the process
    incoming.on('error', () => undefined);
    try {
      if (closing) outgoing.setHeader('connection', 'close');
      const request = requestOf(incoming, gone.signal);
      // keeps the request alive: the signal of a garbage-collected Request is never aborted
      open.set(gone, request);
      await send(await handler(request), outgoing);
    } catch (error) {
      if (outgoing.headersSent) tell(error);
      else if (!outgoing.destroyed) await send(errorAnswer(error, tell), outgoing).catch(tell);
    } finally {
      linger(incoming);
    }
  }

  async function close({ grace = 5_000 }: { grace?: number } = {}): Promise<void> {
    closing = true;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const gone of [...open.keys()]) gone.abort(CLOSES);
    const late = setTimeout(() => server.closeAllConnections(), grace);
    await closed;
    clearTimeout(late);
  }

  const listening = server.address() as AddressInfo;
  const url = `http://${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${listening.port}`;
  return { url, port: listening.port, close, [Symbol.asyncDispose]: () => close() };
}

/** @throws HttpError 400 for a `Host` that would be a part of the path. */
export function checkHostHeader(host: string | undefined): void {
  if (host !== undefined && !isAuthority(host))
    throw new HttpError(400, 'The header Host is a name or an address, with a port or without.');
}

/** A request as a handler gets it. @throws HttpError 400 for a wrong `Host`, 404 for a target that is not a path, 405 for a method that `Request` does not allow. */
export function requestOf(incoming: IncomingMessage, signal?: AbortSignal): Request {
  const { method = 'GET', url = '', headers } = incoming;
  checkHostHeader(headers.host);
  const target = `http://${headers.host ?? 'localhost'}${url}`;
  if (!url.startsWith('/') || url.startsWith('//') || !URL.canParse(target)) throw new HttpError(404, 'There is nothing here.');
  const list = new Headers();
  for (const [name, value] of Object.entries(headers)) if (value !== undefined) list.set(name, String(value));
  const body = method === 'GET' || method === 'HEAD' ? undefined : { body: bodyOf(incoming), duplex: 'half' as const };
  try {
    return new Request(target, { method, headers: list, signal, ...body });
  } catch {
    throw new HttpError(405, 'There is no such method here.');
  }
}

/** The body as a stream with backpressure. Cancelling it leaves the rest unread, for {@link linger}. */
function bodyOf(incoming: IncomingMessage): ReadableStream<Uint8Array> {
  let listening = false;
  let over = false;
  const end = (say: () => void) => {
    if (over) return;
    over = true;
    say();
  };
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (!listening) {
          listening = true;
          incoming.on('data', (chunk: Buffer) => {
            if (over) return;
            controller.enqueue(chunk);
            incoming.pause();
          });
          incoming.once('end', () => end(() => controller.close()));
          incoming.once('close', () => end(() => controller.error(new Error('the caller hung up'))));
        }
        incoming.resume();
      },
      cancel() {
        over = true;
      },
    },
    { highWaterMark: 0 },
  );
}

/** Reads and discards the rest of the body for a moment. If the connection closed while the caller still sends, it would lose the response. */
function linger(incoming: IncomingMessage): void {
  if (incoming.complete || incoming.destroyed) return;
  incoming.resume();
  const late = setTimeout(() => incoming.destroy(), LINGER);
  late.unref();
  incoming.once('close', () => clearTimeout(late));
}

async function send(response: Response, outgoing: ServerResponse): Promise<void> {
  const cookies = response.headers.getSetCookie();
  outgoing.writeHead(response.status, { ...Object.fromEntries(response.headers), ...(cookies.length > 0 && { 'set-cookie': cookies }) });
  const reader = response.body?.getReader();
  if (!reader) return void outgoing.end();
  const leave = () => void reader.cancel().catch(() => undefined);
  if (outgoing.destroyed) return leave();
  outgoing.once('close', leave);
  // send the headers now, because the first event may take long
  if (response.headers.get('content-type')?.startsWith('text/event-stream')) outgoing.flushHeaders();
  try {
    for (let item = await reader.read(); !item.done; item = await reader.read()) if (!outgoing.write(item.value)) await drained(outgoing);
    outgoing.end();
  } catch (error) {
    // cut the connection, so that the client does not take a partial response for a complete one
    outgoing.destroy();
    throw error;
  } finally {
    outgoing.off('close', leave);
  }
}

/** Resolves once a response takes more, or its connection is closed. */
export const drained = (outgoing: ServerResponse) =>
  new Promise<void>((resolve) => {
    const done = () => {
      outgoing.off('drain', done);
      outgoing.off('close', done);
      resolve();
    };
    outgoing.once('drain', done);
    outgoing.once('close', done);
    if (outgoing.destroyed) done();
  });
