/** Whether a gateway streams its answers, and the messages of those that it streams. */

import type { JsonObject } from '../../../../json.ts';
import { isObject } from '../../../../json-schema/keywords.ts';
import type { Encoded } from '../codec/error.ts';
import type { Gateway } from './resources.ts';

/** Where the gateway is configured so, and the client takes a stream. Else an answer is one message. */
export const streams = ({ settings }: Gateway, accept: unknown): boolean =>
  settings.protocolConfiguration?.mcp?.streamingConfiguration?.enableResponseStreaming === true &&
  String(accept).includes('text/event-stream');

export const isStream = ({ headers }: Response): boolean => headers.get('content-type')?.startsWith('text/event-stream') === true;

/** An answer as one message: what was told on the way, such as progress, is left out. @throws Error for a stream that ends without it. */
export async function wholeOf(response: Response, id: string | number | undefined): Promise<Response> {
  if (!isStream(response) || response.body === null) return response;
  const { status } = response;
  const headers = new Headers(response.headers);
  headers.delete('content-type');
  for await (const body of messagesIn(response.body as AsyncIterable<Uint8Array>))
    if (body.id === id && body.method === undefined) return Response.json(body, { status, headers });
  throw new Error('the answer ended without a result');
}

export const eventOf = (body: JsonObject): Uint8Array => Buffer.from(`event: message\ndata: ${JSON.stringify(body)}\n\n`);

/** The messages in a stream of events. What is not a message, such as an event that only opens the stream, is left out. */
export async function* messagesIn(stream: AsyncIterable<Uint8Array>): AsyncGenerator<JsonObject> {
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    const whole = text.split('\n\n');
    text = whole.pop() ?? '';
    for (const event of whole) {
      const data = /^data: ?(.+)$/m.exec(event)?.[1];
      const message: unknown = data === undefined ? undefined : JSON.parse(data);
      if (isObject(message)) yield message as JsonObject;
    }
  }
}

/** Whether an interceptor has made the answer an error. */
export const isRefused = ({ status, body }: Encoded): boolean =>
  status >= 400 || (typeof body === 'string' && body !== '' && 'error' in JSON.parse(body));

/** The same bytes; `end` is called when there are no more, with the error by which they broke off. */
export async function* ended(body: AsyncIterable<Uint8Array>, end: (error?: unknown) => void): AsyncGenerator<Uint8Array> {
  let broken: unknown;
  try {
    yield* body;
  } catch (error) {
    broken = error;
    throw error;
  } finally {
    end(broken);
  }
}
