/** A request to the program of a session, whose answer is read as it comes. */
import { type IncomingHttpHeaders, type IncomingMessage, request as send } from 'node:http';
import { sessionFailed } from './process.ts';

export interface Asked {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  readonly signal?: AbortSignal;
}

export interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Must be read to its end or left by `return`, else the connection stays open. */
  readonly body: IncomingMessage;
}

/** @throws ToolError `SESSION_FAILED` if the program does not answer. */
export function ask(port: number, { method, path, headers, body, signal }: Asked): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? undefined : { 'content-length': String(Buffer.byteLength(body)) };
    // one connection for each request: a program that closes an idle one loses no request
    const request = send({
      host: '127.0.0.1',
      port,
      method,
      path,
      headers: { ...headers, ...length },
      agent: false,
      ...(signal && { signal }),
    });
    request.once('error', (error) => {
      const cause = signal?.reason instanceof Error ? signal.reason : error;
      reject(sessionFailed(`The program did not answer ${method} ${path}: ${cause.message}.`, cause));
    });
    request.once('response', (answer) => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: answer }));
    request.end(body);
  });
}

/** The text of an answer. @throws Error if it has more than `largest` bytes. */
export async function textOf({ body }: Answered, largest: number): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > largest) throw new Error(`the answer has more than ${largest} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
