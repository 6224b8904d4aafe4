/** Bodies in, JSON and Server-Sent Events out. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { formatSSEErrorEvent, formatSSEEvent, SSE_HEADERS } from '@a2a-js/sdk';

/** Milliseconds between comments that keep proxies from closing a quiet connection. */
const KEEP_ALIVE = 15_000;

export class HttpError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** @throws HttpError 413, 415, or 400 for what is no JSON. */
export async function bodyOf(request: IncomingMessage, max: number): Promise<unknown> {
  const type = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase();
  // a page of some other origin cannot send these without asking first
  if (type !== 'application/json' && type !== 'application/a2a+json') throw new HttpError(415, 'The body is application/json.');
  if (Number(request.headers['content-length'] ?? 0) > max) throw new HttpError(413, `The body has at most ${max} bytes.`);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > max) throw new HttpError(413, `The body has at most ${max} bytes.`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new HttpError(400, 'The body is no JSON.');
  }
}

export function sendJson(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  if (response.headersSent) return void response.end();
  const text = body === undefined ? '' : JSON.stringify(body);
  response.writeHead(status, {
    ...(body !== undefined && { 'content-type': 'application/json' }),
    'cache-control': 'no-store',
    ...headers,
  });
  response.end(text);
}

/**
 * Sends events one by one, as fast as the reader takes them, and stops asking for more where it leaves.
 * An error before the first is thrown: nothing was sent. One after it ends the stream with an event `error`.
 */
export async function sendEvents(
  response: ServerResponse,
  events: AsyncGenerator<unknown, void, undefined>,
  problem: (error: unknown) => unknown,
): Promise<void> {
  let item = await events.next();
  let gone = false;
  const leave = () => {
    gone = true;
    void events.return();
  };
  response.once('close', leave);
  response.writeHead(200, SSE_HEADERS);
  const beat = setInterval(() => response.write(': keep-alive\n\n'), KEEP_ALIVE);
  try {
    for (; !item.done && !gone; item = await events.next()) {
      if (!response.write(formatSSEEvent(item.value))) await drained(response);
    }
  } catch (error) {
    if (!gone) response.write(formatSSEErrorEvent(problem(error)));
  } finally {
    clearInterval(beat);
    response.off('close', leave);
    response.end();
  }
}

const drained = (response: ServerResponse) =>
  new Promise<void>((resolve) => {
    const done = () => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.once('drain', done);
    response.once('close', done);
    if (response.destroyed) done();
  });
