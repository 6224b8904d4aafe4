/** A2A over HTTP: the card, JSON-RPC and REST, as a web-standard request handler. */
import { A2A_VERSION_HEADER, AGENT_CARD_PATH, AgentCard, Extensions } from '@a2a-js/sdk';
import { LegacyJsonRpcTransportHandler } from '@a2a-js/sdk/compat/v0_3/server';
import { RequestMalformedError, restStatusFor, toJsonRpcError, toRestErrorBody, VersionNotSupportedError } from '@a2a-js/sdk/errors';
import { JsonRpcTransportHandler, ServerCallContext } from '@a2a-js/sdk/server';
import { json } from '../../server/answer.ts';
import { type AuthOption, authenticate, checkHost } from '../../server/auth.ts';
import { assertWeb, readJson } from '../../server/body.ts';
import { HttpError } from '../../server/errors.ts';
import { isAt } from '../../server/handle.ts';
import type { Handler as Answering } from '../../server/listen.ts';
import { begun, eventStream, type ServerEvent } from '../../server/sse.ts';
import { parseTraceparent } from '../../telemetry/traceparent.ts';
import { type Caller, scopeOf, stateWith } from './caller.ts';
import { EnvelopeError, envelope } from './envelope.ts';
import type { Handler } from './handler.ts';
import { FAILED, malformed, refusal, tellOperator } from './refuse.ts';
import { rest } from './rest.ts';
import { taggedCard } from './tagged.ts';

export interface EndpointOptions {
  readonly handler: Handler;
  /** The agent's name. */
  readonly agent: string;
  /** The path of JSON-RPC. REST is below it. */
  readonly path: string;
  readonly auth: AuthOption;
  readonly tasks: 'own' | 'tenant';
  readonly maxBytes: number | undefined;
  readonly card: AgentCard;
  readonly legacyCard: object;
}

/** Most nesting levels of a body: 200 for the data in a message, and the envelope around it. */
const MAX_DEPTH = 250;
const VERSION = A2A_VERSION_HEADER.toLowerCase();
const REST_TYPE = { 'content-type': 'application/a2a+json' };
const RPC_ERROR: Readonly<Record<number, number>> = { 400: -32700, 413: -32600, 415: -32005 };

export function endpoint(o: EndpointOptions): Answering {
  const { handler, path, auth } = o;
  const below = path === '/' ? '' : path;
  const cards = { now: taggedCard(AgentCard.toJSON(o.card)), legacy: taggedCard(o.legacyCard) };
  const rpc = new JsonRpcTransportHandler(guarded(handler));
  const legacyRpc = new LegacyJsonRpcTransportHandler(guarded(handler));

  return async (request) => {
    assertWeb(request);
    const { pathname, searchParams } = new URL(request.url);
    const isRest = pathname.startsWith(`${below}/rest/`);
    const legacy = (request.headers.get(VERSION) ?? '0.3') === '0.3';
    try {
      checkHost(request, auth);
      if (pathname === `/${AGENT_CARD_PATH}` && request.method === 'GET') return (legacy ? cards.legacy : cards.now)(request);
      // some clients append a slash to every URL
      if (!isRest && !isAt(pathname, path))
        throw new HttpError(404, `There is nothing here: A2A is at ${path}, and its card at /${AGENT_CARD_PATH}.`);
      const ctx = await contextOf(request, legacy);
      if (isRest) return await serveRest(request, pathname.slice(below.length + 5), searchParams, ctx);
      if (request.method !== 'POST') throw new HttpError(405, 'JSON-RPC is POST.', { allow: 'POST' });
      return await serveRpc(request, legacy, ctx);
    } catch (error) {
      return failed(error, isRest);
    }
  };

  async function contextOf(request: Request, legacy: boolean): Promise<ServerCallContext> {
    const { headers, signal } = request;
    const known = await authenticate(request, auth, tellOperator);
    const span = parseTraceparent(headers.get('traceparent') ?? undefined);
    const caller: Caller = { ...known, span, scope: scopeOf(o.agent, known.by, o.tasks), gone: signal };
    if (!legacy && headers.get(VERSION) !== '1.0') throw new VersionNotSupportedError('This agent speaks A2A 1.0 and 0.3.');
    return new ServerCallContext({
      state: stateWith(caller),
      requestedVersion: legacy ? '0.3' : '1.0',
      requestedExtensions: Extensions.parseServiceParameter(headers.get('a2a-extensions') ?? headers.get('x-a2a-extensions') ?? undefined),
      user: { isAuthenticated: typeof auth === 'function', userName: known.by.id },
    });
  }

  /** A body that is nested too deeply gets an error of the protocol, not HTTP 422, as a message that is too deep does. */
  async function bodyOf(request: Request): Promise<unknown> {
    try {
      return await readJson(request, { maxBytes: o.maxBytes, maxDepth: MAX_DEPTH });
    } catch (error) {
      throw error instanceof HttpError && error.status === 422 ? new RequestMalformedError(error.message) : error;
    }
  }

  async function serveRpc(request: Request, legacy: boolean, ctx: ServerCallContext): Promise<Response> {
    const body = envelope(await bodyOf(request));
    const answer = await (legacy ? legacyRpc : rpc).handle(body, ctx);
    const id = body.id ?? null;
    const problem = (error: unknown) => ({ jsonrpc: '2.0', id, error: rpcError(error, legacy) });
    if (!(Symbol.asyncIterator in answer)) return json(200, isUnread(answer) ? problem(malformed('params')) : answer);
    try {
      return await streamed(answer, request.signal, problem);
    } catch (error) {
      return json(200, problem(error));
    }
  }

  async function serveRest(request: Request, operation: string, query: URLSearchParams, ctx: ServerCallContext): Promise<Response> {
    // the SDK's 1.0 client always sends its version; REST of 0.3 has another format
    if (ctx.requestedVersion !== '1.0') throw new VersionNotSupportedError('REST is of A2A 1.0 here; 0.3 is served over JSON-RPC.');
    const answer = await rest(handler, { method: request.method, path: operation, query, body: () => bodyOf(request) }, ctx);
    if (!answer) throw new HttpError(404, 'There is no such operation.');
    if ('stream' in answer) return streamed(answer.stream, request.signal, restError);
    if (answer.body === undefined) return new Response(null, { status: answer.status, headers: { 'cache-control': 'no-store' } });
    return json(answer.status, answer.body, REST_TYPE);
  }
}

/** The SDK answers params that it cannot read as a failure of its own, with the text of the platform's error. Those of the handler all have one text. */
const isUnread = (answer: object): boolean => {
  const { code, message } = ('error' in answer ? answer.error : {}) as { code?: number; message?: string };
  return code === -32_603 && message !== FAILED;
};

/** An error before the first event is thrown, so that the response is not a stream. A later error becomes the last event. */
async function streamed(items: AsyncIterable<unknown>, signal: AbortSignal, problem: (error: unknown) => unknown): Promise<Response> {
  return eventStream(dataOf((await begun(items)) ?? []), { signal, problem });
}

async function* dataOf(items: AsyncIterable<unknown> | Iterable<unknown>): AsyncGenerator<ServerEvent, void, undefined> {
  for await (const data of items) yield { data };
}

/** The handler with internal errors replaced: the SDK would send their messages to the caller. */
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

function failed(error: unknown, isRest: boolean): Response {
  if (error instanceof HttpError) {
    const { status, message, headers } = error;
    const body = isRest
      ? toRestErrorBody(error, status)
      : { jsonrpc: '2.0', id: null, error: { code: RPC_ERROR[status] ?? -32000, message } };
    return json(status, body, headers);
  }
  if (error instanceof EnvelopeError) return json(200, error.answer);
  if (!isRest) return json(200, { jsonrpc: '2.0', id: null, error: rpcError(error, false) });
  const body = restError(error);
  return json(body.error.code, body);
}
