import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { A2A_VERSION_HEADER, AGENT_CARD_PATH, AgentCard, Extensions } from '@a2a-js/sdk';
import { LegacyJsonRpcTransportHandler } from '@a2a-js/sdk/compat/v0_3/server';
import { restStatusFor, toJsonRpcError, toRestErrorBody, VersionNotSupportedError } from '@a2a-js/sdk/errors';
import { JsonRpcTransportHandler, ServerCallContext } from '@a2a-js/sdk/server';
import type { Engine } from '../../engine/engine.ts';
import { RondoError } from '../../errors.ts';
import type { Limits } from '../../journal/entries.ts';
import type { Json } from '../../json.ts';
import type { Agent } from '../../loop/types.ts';

import type { Prompt } from '../../ports/model.ts';
import { type Principal, principal, principalProblem } from '../../ports/principal.ts';
import { isLoopback } from '../../server/addresses.ts';
import { report } from '../../server/report.ts';
import { worker } from '../../server/worker.ts';
import { parseTraceparent } from '../../telemetry/traceparent.ts';
import type { Auth } from './auth.ts';
import { type Caller, scopeOf, stateWith } from './caller.ts';
import { type CardOptions, cardOf, legacyCard } from './card.ts';
import { EnvelopeError, envelope } from './envelope.ts';
import { Handler } from './handler.ts';
import { bodyOf, HttpError, sendEvents, sendJson } from './http.ts';
import { Push, type PushOptions } from './push.ts';
import { refusal } from './refuse.ts';
import { rest } from './rest.ts';

export interface ServeOptions<C = unknown> {
  /** Default 0: one that is free. */
  port?: number;
  /** Default 127.0.0.1. For one that stands for all addresses of the machine, such as 0.0.0.0, say where callers are to go: `card.url`. */
  host?: string;
  /** Of JSON-RPC; REST is below it at `rest`, the card at `/.well-known/agent-card.json`. Default `/a2a`. */
  path?: string;
  /**
   * Who calls, such as `bearer({ verify: jwt({ ... }) })`. Without it every caller is the principal `anonymous`, and only this machine
   * is listened to; `'none'` says that this is meant on any host.
   */
  auth?: Auth | 'none';
  /** Whose tasks a caller sees: their own (the default), or those of their tenant. */
  tasks?: 'own' | 'tenant';
  card?: CardOptions;
  /** `true`, or more about them. Default: no push notifications. */
  push?: boolean | PushOptions;
  /** Of every run. */
  limits?: Limits;
  /** What the agent's tools need, made from who calls. */
  context?: (by: Principal) => C;
  /** How many agents may have passed a message on. Default 8. */
  maxDepth?: number;
  /** Bytes of a request. Default 1,000,000. */
  maxBytes?: number;
  /** Whether tasks tell the tokens and dollars they took. Default false. */
  usage?: boolean;
  /**
   * Drives on what was left behind, as `worker()` of `rondo/server` does, now and every 15 seconds. Default true; `false` where the
   * application does it.
   */
  recover?: boolean;
}

export interface A2AServer extends AsyncDisposable {
  /** Of this server: what `a2aAgent()` takes. */
  readonly url: string;
  /** Where it listens. */
  readonly port: number;
  /** Stops listening. Runs go on: they are the engine's. */
  close(): Promise<void>;
}

const ANONYMOUS: Principal = { id: 'anonymous' };
const isAny = (host: string): boolean => /^(0\.0\.0\.0|\[?::\]?)$/.test(host);
const RPC_ERROR = { 400: -32700, 413: -32600, 415: -32005 } as const;

/**
 * Serves an agent over A2A 1.0 (JSON-RPC and REST, on one port), and 0.3 (JSON-RPC). A task is a run: its id is the run's, its
 * context a session, and its state comes from the journal, so it survives a restart.
 * @throws RondoError `CONFIG_INVALID`.
 */
export async function serveA2A<O, C>(engine: Engine, agent: Agent<Prompt, O, C>, o: ServeOptions<C> = {}): Promise<A2AServer> {
  const { host = '127.0.0.1', port = 0, path = '/a2a', auth, maxBytes = 1_000_000 } = o;
  if (path !== '/' && !/^(\/[\w.~-]+)+$/.test(path))
    throw invalid(`the path "${path}" begins with a slash and ends without one, such as "/a2a".`);
  if (auth === undefined && !isLoopback(host)) throw invalid(`on ${host} anybody could call. Pass auth, or auth: 'none' if that is meant.`);
  if (isAny(host) && !o.card?.url) throw invalid(`a card that names ${host} leads nowhere. Say where callers reach it: card: { url }.`);
  // so that tasks of before a restart can be answered
  engine.register(agent);
  const local = auth === undefined;
  const below = path === '/' ? '' : path;
  // what is wrong with the options is told before anything listens
  const reading = { engine, agent: agent.name, usage: o.usage ?? false };
  const push = o.push ? new Push(reading, o.push === true ? {} : o.push) : undefined;
  const server = createServer({ requestTimeout: 60_000 }, (request, response) => void serve(request, response));
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(invalid(`cannot listen on ${host}:${port}: ${error.message}.`, error)));
    server.listen(port, host, resolve);
  });
  server.on('error', refusal);
  const listening = server.address() as AddressInfo;
  const own = `http://${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${listening.port}`;
  const base = (o.card?.url ?? own).replace(/\/+$/, '');
  const card = await cardOf(agent, base, path, push !== undefined, o.card ?? {}, typeof auth === 'function' ? auth.card : undefined).catch(
    (error) => {
      server.close();
      throw error;
    },
  );
  const cards = { now: tagged(AgentCard.toJSON(card)), legacy: tagged(await legacyCard(card)) };
  const context = o.context as ((by: Principal) => Json) | undefined;
  const handler = new Handler({ ...reading, agent, card, push, context, limits: o.limits, maxDepth: o.maxDepth ?? 8 });
  const rpc = new JsonRpcTransportHandler(guarded(handler));
  const legacyRpc = new LegacyJsonRpcTransportHandler(guarded(handler));

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = targetOf(request.url);
    const isRest = pathname.startsWith(`${below}/rest/`);
    const legacy = (request.headers[A2A_VERSION_HEADER.toLowerCase()] ?? '0.3') === '0.3';
    try {
      // a name that some page had resolve to this machine is not ours
      if (local && !isLoopback((request.headers.host ?? '').replace(/:\d+$/, ''))) throw new HttpError(403, 'Not for this host.');
      if (pathname === `/${AGENT_CARD_PATH}` && request.method === 'GET') return sendCard(request, response, legacy);
      // some clients put a slash behind every address
      if (!isRest && pathname !== path && pathname !== `${path}/`) throw new HttpError(404, 'There is nothing here.');
      const ctx = await contextOf(request, response, legacy);
      if (isRest) return await serveRest(request, response, pathname.slice(below.length + 5), searchParams, ctx);
      if (request.method !== 'POST') throw new HttpError(405, 'JSON-RPC is POST.');
      await serveRpc(request, response, legacy, ctx);
    } catch (error) {
      // a caller that hung up half-way through its request is told nothing, and is nobody's trouble
      if (!response.destroyed) fail(response, error, isRest);
    }
  }

  function sendCard(request: IncomingMessage, response: ServerResponse, legacy: boolean): void {
    const { text, etag } = legacy ? cards.legacy : cards.now;
    const headers = { etag, vary: A2A_VERSION_HEADER, 'cache-control': 'public, max-age=300' };
    if (isKnown(request.headers['if-none-match'], etag)) response.writeHead(304, headers).end();
    else response.writeHead(200, { ...headers, 'content-type': 'application/json' }).end(text);
  }

  async function contextOf(request: IncomingMessage, response: ServerResponse, legacy: boolean): Promise<ServerCallContext> {
    const { headers, method = '', url = '' } = request;
    const by = typeof auth === 'function' ? await authenticated(auth, { headers, method, url }) : ANONYMOUS;
    const span = parseTraceparent(typeof headers.traceparent === 'string' ? headers.traceparent : undefined);
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const caller: Caller = { by, span, scope: scopeOf(agent.name, by, o.tasks ?? 'own'), gone: gone.signal };
    const version = headers[A2A_VERSION_HEADER.toLowerCase()];
    if (!legacy && version !== '1.0') throw new VersionNotSupportedError('This agent speaks A2A 1.0 and 0.3.');
    const extensions = headers['a2a-extensions'] ?? headers['x-a2a-extensions'];
    return new ServerCallContext({
      state: stateWith(caller),
      requestedVersion: legacy ? '0.3' : '1.0',
      requestedExtensions: Extensions.parseServiceParameter(typeof extensions === 'string' ? extensions : undefined),
      user: { isAuthenticated: typeof auth === 'function', userName: by.id },
    });
  }

  async function serveRpc(request: IncomingMessage, response: ServerResponse, legacy: boolean, ctx: ServerCallContext): Promise<void> {
    const body = envelope(await bodyOf(request, maxBytes));
    const answer = await (legacy ? legacyRpc : rpc).handle(body, ctx);
    if (!(Symbol.asyncIterator in answer)) return sendJson(response, 200, answer);
    const id = body.id ?? null;
    const problem = (error: unknown) => ({ jsonrpc: '2.0', id, error: rpcError(error, legacy) });
    try {
      await sendEvents(response, answer, problem);
    } catch (error) {
      sendJson(response, 200, problem(error));
    }
  }

  async function serveRest(
    request: IncomingMessage,
    response: ServerResponse,
    operation: string,
    query: URLSearchParams,
    ctx: ServerCallContext,
  ): Promise<void> {
    // the SDK's client of 1.0 always says so; REST of 0.3 looked otherwise
    if (ctx.requestedVersion !== '1.0') throw new VersionNotSupportedError('REST is of A2A 1.0 here; 0.3 is served over JSON-RPC.');
    const body = () => bodyOf(request, maxBytes);
    const answer = await rest(handler, { method: request.method ?? '', path: operation, query, body }, ctx);
    if (!answer) throw new HttpError(404, 'There is no such operation.');
    if ('stream' in answer) return sendEvents(response, answer.stream, restError);
    sendJson(response, answer.status, answer.body, { 'content-type': 'application/a2a+json' });
  }

  const work = o.recover === false ? undefined : worker(engine, { onError: report('serveA2A()') });

  async function close(): Promise<void> {
    const stopped = work?.stop();
    push?.close();
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await Promise.all([closed, stopped]);
  }
  return { url: base, port: listening.port, close, [Symbol.asyncDispose]: close };
}

/** A card as it is sent, and the tag by which a client asks whether it has changed. */
function tagged(card: unknown): { text: string; etag: string } {
  const text = JSON.stringify(card);
  return { text, etag: `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"` };
}

/** Whether `If-None-Match` names the tag. Weak comparison, as RFC 9110 has it. */
const isKnown = (header: string | undefined, etag: string): boolean =>
  header?.split(',').some((tag) => ['*', etag].includes(tag.trim().replace(/^W\//, ''))) ?? false;

/** What a request is for. A target that is no address is that of nothing: `//` for one is none. */
function targetOf(target: string | undefined): Pick<URL, 'pathname' | 'searchParams'> {
  const url = target?.startsWith('/') ? `http://host${target}` : '';
  return URL.canParse(url) ? new URL(url) : { pathname: '', searchParams: new URLSearchParams() };
}

async function authenticated(auth: Auth, request: Parameters<Auth>[0]): Promise<Principal> {
  let by: Principal | undefined;
  try {
    by = await auth(request);
  } catch (error) {
    refusal(error);
    throw new HttpError(503, 'Callers cannot be authenticated now.');
  }
  if (by === undefined || principalProblem(by)) throw new HttpError(401, 'Who calls is not known.');
  return principal(by);
}

/** The handler, with errors that say nothing of our insides: the SDK sends their messages as they are. */
const guarded = (handler: Handler): Handler =>
  new Proxy(handler, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name, target);
      if (typeof method !== 'function') return method;
      return (...args: unknown[]) => {
        const result: unknown = method.apply(target, args);
        return result instanceof Promise
          ? result.catch((error: unknown) => {
              throw refusal(error);
            })
          : result;
      };
    },
  });

const rpcError = (error: unknown, legacy: boolean) =>
  legacy ? LegacyJsonRpcTransportHandler.mapToLegacyJSONRPCError(refusal(error)) : toJsonRpcError(refusal(error));

function restError(error: unknown) {
  const told = refusal(error);
  return toRestErrorBody(told, restStatusFor(told));
}

function fail(response: ServerResponse, error: unknown, isRest: boolean): void {
  if (error instanceof HttpError) {
    const { status, message } = error;
    const headers: Record<string, string> = status === 401 ? { 'www-authenticate': 'Bearer' } : {};
    // the rest of a body that is too large is not read
    if (status === 413) headers.connection = 'close';
    const code = RPC_ERROR[status as keyof typeof RPC_ERROR] ?? -32000;
    const body = isRest ? toRestErrorBody(error, status) : { jsonrpc: '2.0', id: null, error: { code, message } };
    sendJson(response, status, body, headers);
    return;
  }
  if (error instanceof EnvelopeError) {
    sendJson(response, 200, error.answer);
    return;
  }
  const body = isRest ? restError(error) : { jsonrpc: '2.0', id: null, error: rpcError(error, false) };
  sendJson(response, isRest ? restError(error).error.code : 200, body);
}

const invalid = (message: string, cause?: unknown) =>
  new RondoError('CONFIG_INVALID', `serveA2A(): ${message}`, cause === undefined ? {} : { cause });
