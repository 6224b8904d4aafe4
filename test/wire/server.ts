/**
 * A local HTTP server that answers as an AWS service would, for tests with the unmodified official clients.
 * One port speaks HTTP/1.1 and HTTP/2 (without TLS): the first bytes of a connection tell which.
 */
import { once } from 'node:events';
import { createServer as http1, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as http2, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { Decoded, Operation, Service } from './smithy.ts';

/** Responses that were written to their end. */
const ended = new WeakSet<ServerResponse>();

export interface Call {
  operation: string;
  input: Decoded;
  headers: Record<string, string | string[] | undefined>;
  protocol: 'http/1.1' | 'http/2';
  /** Resolves when the exchange is over: `done`, or `cut` where the other side went away before it had everything. */
  closed: Promise<'done' | 'cut'>;
}

/** One step of an event stream. */
export type Step =
  | { event: Record<string, unknown> }
  /** An exception inside the stream, named as the service's member: `throttlingException`. */
  | { exception: string; message: string }
  | { wait: Promise<unknown> }
  /** A frame with a flipped bit in its body: its checksum no longer fits. */
  | { corrupt: Record<string, unknown> }
  /** The first bytes of a frame; what follows in the script follows on the wire. */
  | { cut: Record<string, unknown>; bytes: number }
  /** A frame of any kind, sound but for what it says. */
  | { frame: Record<string, string>; body: string }
  | { raw: Uint8Array }
  /** The connection is destroyed here. */
  | { destroy: true };

export type Reply =
  | { output: Record<string, unknown>; headers?: Record<string, string> }
  | { error: { name: string; status?: number; message?: string; [member: string]: unknown }; headers?: Record<string, string> }
  | { events: Iterable<Step> | AsyncIterable<Step>; writes?: (bytes: Buffer) => Iterable<Uint8Array> }
  | { status: number; headers?: Record<string, string>; body: string | Uint8Array; destroy?: boolean }
  | { destroy: true }
  | { wait: Promise<unknown>; reply: Reply };

export type Answer = (call: Call) => Reply | Promise<Reply>;

export interface WireServer {
  readonly url: string;
  /** Every request, in the order of arrival. */
  readonly calls: Call[];
  /** Answers for the next requests, first come first served. */
  next(...answers: (Reply | Answer)[]): void;
  /** What answers where nothing is queued. */
  otherwise: Answer;
  /** Forgets the requests and the answers that are queued; how many of those no one asked for. */
  reset(): number;
  /** Sockets open now. */
  readonly connections: number;
  close(): Promise<void>;
}

/**
 * @param o.guard asked before the script: a reply from it is sent and uses nothing up.
 * @param services later ones are asked where earlier ones have no such route.
 */
export async function wireServer(o: { guard?: (call: Call) => Reply | undefined }, ...services: Service[]): Promise<WireServer> {
  const calls: Call[] = [];
  const queue: (Reply | Answer)[] = [];
  const sockets = new Set<Socket>();

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const protocol = request.httpVersionMajor === 2 ? 'http/2' : 'http/1.1';
    const url = new URL(request.url ?? '/', 'http://wire');
    const closed = new Promise<'done' | 'cut'>((resolve) => {
      // over HTTP/2 a response calls itself finished however it ended
      response.once('close', () => resolve(ended.has(response) && response.writableFinished ? 'done' : 'cut'));
    });
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    for (const service of services) {
      const route = service.route(request.method ?? '', url.pathname);
      if (!route) continue;
      const headers = request.headers as Call['headers'];
      const input = await service.decodeInput(route.operation, {
        labels: route.labels,
        query: url.searchParams,
        headers,
        body: Buffer.concat(chunks),
      });
      const call: Call = { operation: route.operation.name, input, headers, protocol, closed };
      calls.push(call);
      const answer = o.guard?.(call) ?? queue.shift() ?? server.otherwise;
      return send(service, route.operation, response, typeof answer === 'function' ? await answer(call) : answer);
    }
    finish(response, 404, { 'x-amzn-errortype': 'UnknownOperationException' }, '{}');
  }

  // a handler's failure must reach the test, so it is sent as an error no classification knows
  const guarded = (request: IncomingMessage, response: ServerResponse): void => {
    handle(request, response).catch((error: unknown) => {
      if (response.headersSent) destroy(response);
      else
        finish(
          response,
          400,
          { 'x-amzn-errortype': 'WireServerFault' },
          JSON.stringify({ message: String((error as Error)?.stack ?? error) }),
        );
    });
  };
  const one = http1(guarded);
  // Node's own compatibility layer: over HTTP/2 the same calls, but for a few this file knows
  const two = http2((request, response) => guarded(request as never, response as never));
  two.on('sessionError', () => {});
  const front = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
    socket.once('readable', () => {
      const first = socket.read() as Buffer | null;
      if (!first) return;
      socket.unshift(first);
      (first.toString('latin1', 0, 3) === 'PRI' ? two : one).emit('connection', socket);
    });
  });
  front.listen(0, '127.0.0.1');
  await once(front, 'listening');

  const server: WireServer = {
    url: `http://127.0.0.1:${(front.address() as AddressInfo).port}`,
    calls,
    next: (...answers) => void queue.push(...answers),
    otherwise: () => ({ error: { name: 'NothingScripted', status: 400, message: 'the test scripted no answer for this request' } }),
    reset() {
      calls.length = 0;
      return queue.splice(0).length;
    },
    get connections() {
      return sockets.size;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      front.close();
      await once(front, 'close');
    },
  };
  return server;
}

async function send(service: Service, operation: Operation, response: ServerResponse, reply: Reply): Promise<void> {
  if ('wait' in reply) {
    await reply.wait;
    return send(service, operation, response, reply.reply);
  }
  if ('output' in reply) {
    const { status, headers, body } = service.encodeOutput(operation, reply.output);
    return finish(response, status, { ...headers, ...reply.headers }, body);
  }
  if ('error' in reply) {
    const { status, headers, body } = service.encodeError(reply.error);
    return finish(response, status, { ...headers, ...reply.headers }, body);
  }
  if ('events' in reply) return stream(service, operation, response, reply);
  if ('status' in reply) {
    if (!reply.destroy) return finish(response, reply.status, reply.headers ?? {}, reply.body);
    response.writeHead(reply.status, reply.headers ?? {});
    response.write(reply.body);
    await soon();
  }
  destroy(response);
}

async function stream(
  service: Service,
  operation: Operation,
  response: ServerResponse,
  reply: Extract<Reply, { events: unknown }>,
): Promise<void> {
  response.writeHead(operation.status, { 'content-type': 'application/vnd.amazon.eventstream' });
  for await (const step of reply.events) {
    if (response.destroyed || response.writableEnded) return;
    if ('wait' in step) await step.wait;
    else if ('destroy' in step) {
      // what was written must leave before the connection goes
      await soon();
      return destroy(response);
    } else {
      const bytes = frame(service, operation, step);
      for (const part of reply.writes?.(bytes) ?? [bytes]) response.write(part);
    }
  }
  end(response);
}

function frame(service: Service, operation: Operation, step: Exclude<Step, { wait: unknown } | { destroy: true }>): Buffer {
  if ('event' in step) return Buffer.from(service.encodeEvent(operation, step.event));
  if ('exception' in step) return Buffer.from(service.encodeException(step.exception, step.message));
  if ('frame' in step) return Buffer.from(service.encodeFrame(step.frame, Buffer.from(step.body)));
  if ('raw' in step) return Buffer.from(step.raw);
  if ('cut' in step) return Buffer.from(service.encodeEvent(operation, step.cut)).subarray(0, step.bytes);
  const bytes = Buffer.from(service.encodeEvent(operation, step.corrupt));
  // the last four bytes are the checksum, the one before belongs to the body
  bytes[bytes.length - 6] = (bytes[bytes.length - 6] ?? 0) ^ 1;
  return bytes;
}

function finish(response: ServerResponse, status: number, headers: Record<string, string>, body: string | Uint8Array): void {
  response.writeHead(status, headers);
  end(response, body);
}

function end(response: ServerResponse, body?: string | Uint8Array): void {
  ended.add(response);
  response.end(body);
}

function destroy(response: ServerResponse): void {
  if ('stream' in response) (response.stream as ServerHttp2Stream | undefined)?.session?.destroy();
  else response.socket?.destroy();
}

const soon = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));
