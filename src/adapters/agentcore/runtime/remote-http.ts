/** Calls with a token, which the official client cannot send: by node:http, which waits for an answer as long as its caller does. */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { ToolError } from '../../../errors.ts';
import { jsonIn } from '../../../json.ts';
import { hop } from '../../../server/egress.ts';
import { HttpFailure } from './remote-errors.ts';

export interface Sending {
  readonly method: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal: AbortSignal;
}

export interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: AsyncGenerator<Uint8Array, void, undefined>;
}

const ERROR_BYTES = 65_536;

/** @throws HttpFailure for an answer that is an error; ToolError `REDIRECTED`, since a redirect would take the token with it. */
export async function request(url: URL, sending: Sending): Promise<Received> {
  const { signal } = sending;
  let answer: IncomingMessage;
  try {
    answer = await hop(url, new Set([url.origin]), sending);
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  }
  const { statusCode = 0, headers } = answer;
  const body = bodyOf(answer, signal);
  if (statusCode >= 200 && statusCode <= 299) return { headers, body };
  if (statusCode >= 300 && statusCode <= 399) {
    answer.destroy();
    throw new ToolError('REDIRECTED', `${url.host} points elsewhere (HTTP ${statusCode}). Set endpoint to its address as it is now.`, {
      outcome: 'unknown',
    });
  }
  throw new HttpFailure(statusCode, [headers['x-amzn-errortype']].flat()[0] ?? null, await messageIn(statusCode, body));
}

/** @param most bytes. A longer one is cut. */
export async function textOf(body: AsyncIterable<Uint8Array>, most: number): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of body) {
    parts.push(part);
    size += part.length;
    if (size >= most) break;
  }
  return Buffer.concat(parts).subarray(0, most).toString('utf8');
}

/** Ends the connection where its reader ends. */
async function* bodyOf(answer: IncomingMessage, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* answer as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  }
}

async function messageIn(status: number, body: AsyncIterable<Uint8Array>): Promise<string> {
  const { message } = (jsonIn(await textOf(body, ERROR_BYTES).catch(() => '')) ?? {}) as { message?: unknown };
  return typeof message === 'string' ? message : `HTTP ${status}`;
}
