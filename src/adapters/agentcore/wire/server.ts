/** The local server: one port of this machine that speaks both planes of AgentCore. */
import { randomBytes, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { invalid } from '../../../errors.ts';
import { isAuthority, isLoopback } from '../../../server/addresses.ts';
import { bound, drained, LINGER } from '../../../server/listen.ts';
import { report } from '../../../server/report.ts';
import { asksForSocket, connectionsOf, refuseUpgrade } from '../../../server/upgrades.ts';
import type { Ended } from '../sessions/session.ts';
import { administer, PREFIX } from './admin.ts';
import { type Answering, answer, type Broken, callerOf, type Received, recordOf, tokenOf } from './answer.ts';
import type { AuthorizationClient } from './authorization/options.ts';
import { bodyOf } from './body.ts';
import type { Caller, Operations, World } from './call.ts';
import { type MovableClock, movableClock, ownTime } from './clock.ts';
import { AwsError, type Encoded, encodeError } from './codec/error.ts';
import { type Fault, faultOf, faults, throttle } from './faults.ts';
import type { Routed } from './gateway/endpoint.ts';
import { type CallRecord, callLog } from './log.ts';
import { ACCOUNT, type Keys, mayBeSigned, type Signed } from './sigv4.ts';
import { openState } from './state.ts';

export interface WireOptions {
  /** Default 0: a free port. */
  port?: number;
  /** Default 127.0.0.1. Another address than one of this machine needs `open: true`. */
  host?: string;
  /** Lets other machines call. Their requests must be signed all the same. */
  open?: boolean;
  /** Default us-east-1. */
  region?: string;
  /** 12 digits. Default 123456789012. */
  account?: string;
  /** The AWS keys that may sign. Default: one that is made at the start, see `AgentCore.env`. */
  keys?: readonly Keys[];
  /** The file of all resources, made with mode 0600. Default: in memory. */
  state?: string;
  /** Default: the real time. */
  clock?: MovableClock;
  /** Such as `throttle=CreateEvent:0.2`. */
  faults?: readonly (string | Fault)[];
  /** Which calls meet a fault. Default 1. */
  seed?: number;
  /** Whether calls are throttled at the rates of AWS. Default true. */
  throttle?: boolean;
  /** A file to which each call is appended as a line of JSON. */
  log?: string;
}

/** A request to speak WebSocket. */
export interface Upgrade {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly caller: Caller;
}

/** What is behind the server. */
export interface Behind {
  readonly operations: Operations;
  /** Routes that the model does not have, such as a metadata document; undefined: there is nothing at this path. */
  route?(received: Received, on: Routed): Promise<Encoded | undefined>;
  /** Answers a request whose body it reads itself; false: there is nothing at this path. */
  handle?(request: IncomingMessage, response: ServerResponse): Promise<boolean>;
  /** How a client of the authorization server is known there. */
  authorization(): AuthorizationClient;
  /** Whether the token of a request is good, before its body is read. */
  admits?(request: Signed, token: string): Promise<boolean>;
  /** Takes over a connection; false: there is nothing at this path. An `AwsError` is answered with its status. */
  upgrade?(upgrade: Upgrade): Promise<boolean>;
  /** Sessions of runtimes. */
  sessions(): Sessions;
  /** What memories told their streams. */
  streams(): Promise<object>;
  /** What of a memory is otherwise than on AWS, and why a search found what it found. */
  explainMemory(id: string, search?: { namespace: string; text: string }): Promise<object>;
  /** Goes on with what the server before this one had begun. Called when this one listens. */
  resume(): void;
  /** Stops what runs. */
  stop(): Promise<void>;
  /** Forgets what is not in the state. */
  clear(): Promise<void>;
}

/** A session of a runtime, in a process of its own. */
export interface RunningSession {
  /** The id of the runtime, and its endpoint. */
  readonly runtime: string;
  readonly id: string;
  /** Epoch milliseconds, by the server's clock. */
  readonly startedAt: number;
  /** It serves, or works on its own. */
  readonly busy: boolean;
  /** The file of what its process said. */
  readonly log: string;
}

export interface Sessions {
  readonly running: readonly RunningSession[];
  /** The newest 1,000, newest last, with the reason. */
  readonly ended: readonly Ended[];
}

export interface AgentCore extends AsyncDisposable {
  /** For example `http://127.0.0.1:4566`. */
  readonly url: string;
  readonly port: number;
  /** For the routes under `/_rondo/`. */
  readonly adminToken: string;
  /** The environment in which unmodified AWS clients and SDKs reach this server. */
  readonly env: Readonly<Record<string, string>>;
  readonly clock: MovableClock;
  /** The authorization server of this server, and the client that is registered there: for credential providers, and to sign users in. */
  readonly authorization: AuthorizationClient;
  /** The newest 1,000 calls, newest last. */
  calls(): readonly CallRecord[];
  sessions(): Sessions;
  close(): Promise<void>;
}

const WHERE = 'startAgentCore()';

export async function listenWire(o: WireOptions, behindOf: (world: World) => Behind): Promise<AgentCore> {
  const { host = '127.0.0.1', port = 0, region = 'us-east-1', account = ACCOUNT } = o;
  if (!isLoopback(host) && o.open !== true)
    throw invalid(`${WHERE}: ${host} is an address that other machines reach. Leave host out, or say open: true if that is meant.`);
  if (!/^\d{12}$/.test(account)) throw invalid(`${WHERE}: account has 12 digits.`);
  if (!/^[a-z]{2}(-[a-z]+)+-\d$/.test(region)) throw invalid(`${WHERE}: region is one such as "us-east-1".`);
  const keys: readonly Keys[] = o.keys ?? [{ accessKeyId: `RONDO${randomHex(8).toUpperCase()}`, secretAccessKey: randomHex(20) }];
  const [first] = keys;
  if (!first) throw invalid(`${WHERE}: keys has at least one key. Leave it out to have one made.`);
  const tell = report(WHERE);
  const clock = o.clock ?? movableClock();
  const state = openState(o.state, clock);
  const time = ownTime(clock);
  const throttled = o.throttle === false ? undefined : throttle(clock);
  const world: World = { state, clock: time, region, account, throttle: throttled, env: () => env };
  const behind = behindOf(world);
  const injected = faults(
    (o.faults ?? []).map((fault) => (typeof fault === 'string' ? faultOf(fault) : fault)),
    o.seed ?? 1,
  );
  const log = callLog(o.log, tell);
  const answering: Answering = {
    ...world,
    keys,
    operations: behind.operations,
    faults: injected,
    log,
    tell,
  };
  const adminToken = randomHex(16);
  const reset = async () => {
    await behind.stop();
    await behind.clear();
    state.clear();
    throttled?.clear();
    log.clear();
  };
  const administered = {
    token: adminToken,
    clock,
    faults: injected,
    log,
    state,
    reset,
    sessions: () => behind.sessions(),
    streams: () => behind.streams(),
    explainMemory: (id: string, search?: { namespace: string; text: string }) => behind.explainMemory(id, search),
  };
  const server = createServer({ shouldUpgradeCallback: asksForSocket }, (request, response) => void respond(request, response));
  server.on('upgrade', (request, socket, head) => void upgraded(request, socket, head).catch(tell));
  const cut = connectionsOf(server);
  await bound(server, { port, host, where: WHERE }).catch((error) => {
    state.close();
    throw error;
  });
  const { port: own } = server.address() as AddressInfo;

  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.once('close', () => gone.abort(new Error('the client hung up')));
    request.on('error', () => undefined);
    // clients sign by the time of the server, if theirs differs
    response.setHeader('date', new Date(clock.now()).toUTCString());
    const { method = 'GET', url = '/', headers } = request;
    const { path, query } = targetOf(url);
    try {
      // a page of a browser that resolves its own name to this machine must not reach it
      if (!isOwnHost(headers.host, host)) throw new AwsError('AccessDeniedException', 'The Host header names another server.');
      if (await behind.handle?.(request, response)) return;
      const signed = { method, path, query, headers, body: new Uint8Array() };
      const token = tokenOf(headers);
      const known = token === undefined ? mayBeSigned(signed, keys, clock.now()) : ((await behind.admits?.(signed, token)) ?? false);
      const body = await bodyOf(request, path, known);
      const result = path.startsWith(PREFIX)
        ? await administer(administered, method, path.slice(PREFIX.length), query, headers.authorization, body)
        : await routed({ method, path, query, headers, body, signal: gone.signal });
      await send(result, response);
    } catch (error) {
      if (!(error instanceof AwsError)) tell(error);
      if (response.headersSent) return void response.destroy();
      const refused = encodeError(error, undefined);
      log.add(recordOf({ method, path }, randomUUID(), clock.now(), refused.status, error));
      await send(refused, response).catch(tell);
    }
  }

  const routed = async (received: Received) => {
    const on = { caller: () => callerOf(answering, received), log: log.add };
    return (await behind.route?.(received, on)) ?? answer(answering, received);
  };

  async function upgraded(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => undefined);
    try {
      if (!asksForSocket(request)) throw new AwsError('ValidationException', 'No upgrade but one to a WebSocket is taken.');
      const { path, query } = targetOf(request.url ?? '/');
      const signed = { method: 'GET', path, query, headers: request.headers, body: new Uint8Array() };
      if (isOwnHost(request.headers.host, host) && behind.upgrade) {
        const caller = callerOf(answering, signed);
        if (await behind.upgrade({ request, socket, head, path, query, caller })) return;
      }
      await refuseUpgrade(socket, new Response(null, { status: 404 }));
    } catch (error) {
      if (!(error instanceof AwsError)) tell(error);
      const { status, headers, body } = encodeError(error, undefined);
      log.add(recordOf({ method: 'GET', path: targetOf(request.url ?? '/').path }, randomUUID(), clock.now(), status, error));
      await refuseUpgrade(socket, new Response(body, { status, headers }));
    }
  }

  const url = `http://${host.includes(':') ? `[${host}]` : host}:${own}`;
  const env: AgentCore['env'] = {
    AWS_ENDPOINT_URL_BEDROCK_AGENTCORE: url,
    AWS_ENDPOINT_URL_BEDROCK_AGENTCORE_CONTROL: url,
    // of the SDK of AgentCore, for WebSocket connections and shells
    BEDROCK_AGENTCORE_DATA_PLANE_ENDPOINT: url,
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
    AWS_ACCESS_KEY_ID: first.accessKeyId,
    AWS_SECRET_ACCESS_KEY: first.secretAccessKey,
    ...(first.sessionToken !== undefined && { AWS_SESSION_TOKEN: first.sessionToken }),
  };
  behind.resume();
  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= (async () => {
      const over = Promise.all([new Promise<void>((resolve) => server.close(() => resolve())), time.end()]);
      await behind.stop();
      server.closeAllConnections();
      // WebSockets of what was stopped end by themselves
      const late = setTimeout(cut, LINGER);
      await over;
      clearTimeout(late);
      // what a last request started meanwhile
      await behind.stop();
      await log.written();
      clock.stop();
      state.close();
    })();
    return closed;
  };
  return {
    url,
    port: own,
    adminToken,
    clock,
    env,
    authorization: behind.authorization(),
    calls: () => log.list(),
    sessions: () => behind.sessions(),
    close,
    [Symbol.asyncDispose]: close,
  };
}

const randomHex = (bytes: number) => randomBytes(bytes).toString('hex');

/** It becomes a part of the URLs that are answered. */
function isOwnHost(given: string | undefined, host: string): boolean {
  const name = given?.replace(/:\d+$/, '') ?? '';
  return isLoopback(host) ? isLoopback(name) : given === undefined || isAuthority(given);
}

export function targetOf(url: string): { path: string; query: URLSearchParams } {
  const mark = url.indexOf('?');
  return mark < 0
    ? { path: url, query: new URLSearchParams() }
    : { path: url.slice(0, mark), query: new URLSearchParams(url.slice(mark + 1)) };
}

async function send({ status, headers, body, breaks }: Encoded & Partial<Broken>, response: ServerResponse): Promise<void> {
  if (breaks === 'before') return void response.destroy();
  response.writeHead(status, headers);
  if (typeof body === 'string' || body instanceof Uint8Array) {
    if (breaks === undefined) return void response.end(body);
    response.write(body.slice(0, Math.ceil(body.length / 2)));
    return void setImmediate(() => response.destroy());
  }
  response.flushHeaders();
  for await (const chunk of body) {
    if (response.destroyed) return;
    if (!response.write(chunk)) await drained(response);
    if (breaks === 'in-stream') return void setImmediate(() => response.destroy());
  }
  response.end();
}
