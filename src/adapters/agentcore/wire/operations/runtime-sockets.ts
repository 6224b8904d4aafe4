/** The WebSocket connections of Runtime: to the program's own `/ws`, and to shells in its session. */
import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Duplex } from 'node:stream';
import type { RawData, WebSocket } from 'ws';
import { PREFIX, SESSION } from '../../headers.ts';
import type { Host } from '../../sessions/host.ts';
import { openShell, type ShellClient } from '../../sessions/shell.ts';
import type { Caller, World } from '../call.ts';
import { AwsError, invalidInput } from '../codec/error.ts';
import type { Upgrade } from '../server.ts';
import { headersFor } from './runtime.ts';
import { namedOf, sessionError, type Targets } from './runtime-target.ts';

/** Bytes of a message, and messages a second. */
const LARGEST = 65_536;
const PER_SECOND = 250;
/** Milliseconds in which the program must take a connection. */
const HANDSHAKE = 30_000;
/** Milliseconds between looks whether a connection that is not read is still there. */
const LOOK = 1_000;
const SHELL = 'X-Amzn-Bedrock-AgentCore-Shell-Id';
/** A page of a browser cannot send headers: it sends its token, in base64url, as the name of a protocol. */
const BEARER = 'base64UrlBearerAuthorization';
/** Codes of a close. */
const TOO_FAST = 1008;
const FAILED = 1011;
const KICKED = 4000;

const [STDIN, STATUS, HEARTBEAT, CLOSE] = [0, 3, 5, 0xff];

type Library = typeof import('ws');

async function library(): Promise<Library> {
  try {
    return await import('ws');
  } catch {
    throw new AwsError('InternalServerException', 'WebSocket connections need the package "ws": npm install ws.');
  }
}

/** @returns whether the path is one of these. Throws AwsError. */
export function sockets(world: World, host: Host, targets: Targets): (upgrade: Upgrade) => Promise<boolean> {
  const { clock } = world;
  return async ({ request, socket, head, path, query, caller }) => {
    const [, label, shells] = /^\/runtimes\/([^/]+)\/ws(\/shells)?$/.exec(path) ?? [];
    if (label === undefined) return false;
    const own = String(request.headers.host ?? 'localhost');
    const protocols = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
    const target = await targets.of(namedOf(label, query), withSubprotocol(caller, protocols), own);
    const { gone, stay } = left(socket);
    // what a browser cannot send as a header is in the query, which a signed URL covers
    const inQuery = [...query].map(([name, value]) => [name.toLowerCase(), value] as const).filter(([name]) => name.startsWith(PREFIX));
    // a token that came as a protocol is the caller's as one in a header is
    const { authorization = target.userToken === undefined ? undefined : `Bearer ${target.userToken}` } = request.headers;
    const headers: IncomingHttpHeaders = { ...request.headers, authorization, ...Object.fromEntries(inQuery) };
    const id = checked(String(headers[SESSION] ?? randomUUID()), 'runtimeSessionId', 33, 256);
    const { WebSocket, WebSocketServer } = await library();
    const one = (name: string) => [request.headers[name]].flat()[0];
    const traced = {
      traceParent: one('traceparent'),
      traceState: one('tracestate'),
      baggage: one('baggage'),
      traceId: one('x-amzn-trace-id'),
    };
    const passed = headersFor(world, target, id, { headers, id: randomUUID() }, traced);
    const lease = await host.enter(targets.wanted(target, id, own)).catch((error) => Promise.reject(sessionError(error)));
    let upstream: WebSocket | undefined;
    try {
      const shellId = shells === undefined ? undefined : checked(query.get('shellId') ?? randomUUID(), 'shellId', 1, 256);
      if (shellId === undefined) {
        upstream = new WebSocket(`ws://127.0.0.1:${lease.session.port}/ws`, {
          headers: { ...passed, ...lease.session.known },
          maxPayload: LARGEST,
          perMessageDeflate: false,
          handshakeTimeout: HANDSHAKE,
        });
        await Promise.race([opened(upstream), gone]);
      }
      const shell = shellId === undefined ? undefined : await openShell(lease.session, shellId, clock.after);
      const server = new WebSocketServer({
        noServer: true,
        maxPayload: LARGEST,
        handleProtocols: (given) => (given.has(BEARER) ? BEARER : false),
      });
      server.on('headers', (lines) => {
        lines.push(`${SESSION}: ${id}`);
        if (shellId !== undefined) lines.push(`${SHELL}: ${shellId}`);
      });
      const client = await Promise.race([
        new Promise<WebSocket>((resolve) => {
          stay();
          server.handleUpgrade(request, socket, head, resolve);
        }),
        gone,
      ]);
      client.once('close', lease.done).on('error', () => undefined);
      if (upstream) relay(client, upstream, clock.now);
      else if (shell) attach(client, shell, shellId as string);
      return true;
    } catch (error) {
      upstream?.terminate();
      lease.done();
      throw sessionError(error);
    }
  };
}

function checked(text: string, name: string, min: number, max: number): string {
  if (text.length < min || text.length > max) throw invalidInput([{ name, message: `Member must have length between ${min} and ${max}` }]);
  return text;
}

/** A browser cannot set headers: its token is a subprotocol. */
function withSubprotocol(caller: Caller, protocols: readonly string[]): Caller {
  const encoded = protocols.find((name) => name.startsWith(`${BEARER}.`))?.slice(BEARER.length + 1);
  if (caller.kind !== 'none' || encoded === undefined) return caller;
  return { kind: 'bearer', token: Buffer.from(encoded, 'base64url').toString('utf8') };
}

/** Rejects when the client leaves before `stay` is called: at once if it is gone already. */
function left(socket: Duplex): { gone: Promise<never>; stay(): void } {
  let leave: () => void = () => undefined;
  const gone = new Promise<never>((_, reject) => {
    leave = () => reject(new AwsError('ValidationException', 'The connection broke.'));
  });
  gone.catch(() => undefined);
  // a socket that is not read does not tell that the client has closed it
  const look = () => void (socket.readableLength === 0 && socket.read());
  if (socket.destroyed) leave();
  socket.once('close', leave).once('end', leave).on('readable', look);
  return { gone, stay: () => void socket.off('readable', look).off('end', leave) };
}

function opened(socket: WebSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('open', () => {
      // what it says at once waits until there is a client
      socket.pause();
      resolve();
    });
    // stays: a connection that is given up before it is open has an error too
    socket.on('error', (cause) => {
      reject(new AwsError('RuntimeClientError', `The program takes no WebSocket connection at /ws: ${cause.message}.`));
    });
  });
}

/**
 * Holds a connection: it is not read until all that hold it have let it go. What is not read does not tell that it was closed, but then takes no ping
 * either.
 */
function holding(socket: WebSocket): () => () => void {
  let held = 0;
  let look: NodeJS.Timeout | undefined;
  const stop = () => clearInterval(look);
  socket.once('close', stop);
  return () => {
    if (held++ === 0) {
      socket.pause();
      look = setInterval(() => socket.ping(), LOOK);
    }
    return () => {
      if (--held > 0) return;
      stop();
      socket.resume();
    };
  };
}

/** Hands messages on, one at a time, so that a side that does not read holds the other back. */
function relay(client: WebSocket, program: WebSocket, now: () => number): void {
  const pass = (from: WebSocket, to: WebSocket, admits: () => boolean) => {
    const hold = holding(from);
    from.on('message', (data: RawData, binary: boolean) => {
      if (!admits()) return void from.close(TOO_FAST, `more than ${PER_SECOND} messages in a second`);
      to.send(data as Buffer, { binary }, hold());
    });
    from.on('error', () => undefined);
    from.once('close', (code: number, reason: Buffer) => {
      // these are not sent: the connection was closed without a code, or broke
      if (code === 1005) to.close();
      else if (code === 1006) to.close(FAILED);
      else to.close(code, reason);
    });
  };
  let second = 0;
  let count = 0;
  pass(client, program, () => {
    const at = Math.floor(now() / 1000);
    count = at === second ? count + 1 : 1;
    second = at;
    return count <= PER_SECOND;
  });
  pass(program, client, () => true);
  program.resume();
}

function attach(client: WebSocket, shell: Awaited<ReturnType<typeof openShell>>, shellId: string): void {
  const send = (channel: number, bytes: Uint8Array, sent?: () => void) =>
    client.send(Buffer.concat([Buffer.from([channel]), bytes]), () => sent?.());
  const status = (body: object) => send(STATUS as number, Buffer.from(JSON.stringify({ kind: 'Status', apiVersion: 'v1', ...body })));
  const own: ShellClient = {
    output: send,
    exited(code) {
      if (code === 0) status({ metadata: {}, status: 'Success' });
      else
        status({
          metadata: {},
          status: 'Failure',
          reason: 'NonZeroExitCode',
          details: { causes: [{ reason: 'ExitCode', message: String(code) }] },
        });
      client.close(1000);
    },
    kicked: () => client.close(KICKED, 'another client took the shell'),
  };
  const { reconnected, dropped, begin } = shell.attach(own);
  status({ metadata: { shellId, reconnected, ...(dropped > 0 && { bytesDropped: dropped }) }, status: 'Success' });
  begin();
  const hold = holding(client);
  client.on('message', (data: RawData, binary: boolean) => {
    const bytes = Buffer.concat([data as Buffer].flat());
    if (!binary || bytes.length === 0) return void client.close(1003, 'frames are binary, and begin with the channel');
    const [channel] = bytes;
    if (channel === STDIN) shell.write(bytes.subarray(1), hold());
    else if (channel === HEARTBEAT) send(HEARTBEAT, new Uint8Array());
    else if (channel === CLOSE) {
      send(CLOSE, new Uint8Array());
      shell.detach(own);
      shell.kill();
      client.close(1000);
    }
  });
  client.once('close', () => shell.detach(own));
}
