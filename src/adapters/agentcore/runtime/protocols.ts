/** The protocols of the container contract: their ports, and what answers which route. */
import type { Context, Hono } from 'hono';
import type { WebSocket } from 'ws';
import type { Principal } from '../../../ports/principal.ts';
import { type Auth, checkHost } from '../../../server/auth.ts';
import { HttpError } from '../../../server/errors.ts';
import type { Handler } from '../../../server/listen.ts';
import { checkOrigin } from '../../../server/origin.ts';
import { converseInEvents } from './ag-ui-socket.ts';
import { asInvocation, askedBy, currentCaller, currentInvocation, type Invocation } from './invocation.ts';
import { closes, type Invocations, invoke, limitsOf } from './invocations.ts';
import { sentTo } from './sent.ts';
import { converse } from './socket.ts';

/** What a protocol is mounted with. */
export interface Mounting {
  readonly app: Hono;
  readonly o: Invocations;
  /** Where the server listens. To be asked once it does. */
  url(): string;
  /** Makes a WebSocket route. `begin` authenticates, and returns what to do with the socket. */
  socket(path: string, begin: (request: Request) => Promise<(socket: WebSocket) => Promise<void>>): void;
}

interface ProtocolRoutes {
  readonly port: number;
  /** Its routes, for people. */
  readonly at: string;
  mount(m: Mounting): void | Promise<void>;
}

/** Answers a route with a web-standard handler, and other methods with 405. */
export function route(
  app: Hono,
  methods: readonly string[],
  path: string,
  handler: (request: Request, c: Context) => ReturnType<Handler>,
): void {
  app.on([...methods], path, (c: Context) => handler(c.req.raw, c));
  const allow = methods.join(', ');
  app.all(path, () => {
    throw new HttpError(405, `The method here is ${allow}.`, { allow });
  });
}

/** What the handlers of the protocols get. */
function shared({ auth, limits, context }: Invocations) {
  return {
    // the scheme of the application's, for a card that tells it
    auth: Object.assign((...args: Parameters<Auth>) => currentCaller(...args), {
      assertion: currentCaller.assertion,
      ...(typeof auth === 'function' && { scheme: auth.scheme }),
    }) as Auth,
    limits,
    ...(context && { context: (by: Principal) => context(by, currentInvocation() as Invocation) }),
  };
}

/**
 * A handler of a protocol, called as part of an invocation. It answers what it has when the server closes, which is the reason of the signal. The AWS clients send JSON as bytes if they
 * are not told a type.
 */
function passed(o: Invocations, handler: Handler): Handler {
  const answer = asInvocation(o, handler);
  const closing = new AbortController();
  o.closing.addEventListener('abort', () => closing.abort(closes()), { once: true });
  return (request) => {
    if (o.closing.aborted) throw closes();
    const headers = new Headers(request.headers);
    if (headers.get('content-type') === 'application/octet-stream') headers.set('content-type', 'application/json');
    const { method, body } = request;
    const signal = AbortSignal.any([request.signal, closing.signal]);
    // by its parts: the request of a server need not be one of the platform's class
    return answer(new Request(request.url, { method, headers, signal, ...(body && { body, duplex: 'half' as const }) }));
  };
}

export const PROTOCOLS = {
  http: {
    port: 8080,
    at: '/invocations and /ws',
    mount({ app, o, socket }) {
      route(app, ['POST'], '/invocations', (request, c) => invoke(o, request, sentTo(c)));
      socket('/ws', async (request) => {
        const asked = await askedBy(request, o);
        return (ws) => converse(o, asked, ws);
      });
    },
  },
  'ag-ui': {
    port: 8080,
    at: '/invocations and /ws',
    async mount({ app, o, socket }) {
      const { agUiHandler, agUiTurns } = await import('../../ag-ui/handler.ts');
      const options = { ...shared(o), ...limitsOf(o), path: '/invocations', sessions: o.sessions, heartbeat: o.heartbeat };
      route(app, ['POST'], '/invocations', passed(o, agUiHandler(o.engine, o.agent, options)));
      const turns = agUiTurns(o.engine, o.agent, options);
      socket('/ws', async (request) => {
        const asked = await askedBy(request, o);
        return async (ws) => converseInEvents(o, asked, ws, turns);
      });
    },
  },
  mcp: {
    port: 8000,
    at: '/mcp',
    async mount({ app, o }) {
      const { mcpHandler } = await import('../../mcp/server/handler.ts');
      // a platform that authenticates callers says who they are; the handler itself sees a function in any case, so its own defaults do not hold
      const known = ({ id }: Principal) => typeof o.auth === 'function' || id !== 'anonymous';
      const handler = mcpHandler(o.engine, o.agent, { ...shared(o), ...limitsOf(o), path: '/mcp', decide: known, elicit: known });
      // its session id is that of the platform, in a header of MCP
      const answer = passed({ ...o, needsSession: false }, handler);
      route(app, ['POST'], '/mcp', (request) => {
        checkOrigin(request, o.auth);
        return answer(request);
      });
    },
  },
  a2a: {
    port: 9000,
    at: '/, and its card at /.well-known/agent-card.json',
    async mount({ app, o, url }) {
      const { a2aHandler } = await import('../../a2a/serve.ts');
      let made: Handler | undefined;
      const handler: Handler = (request) => {
        // the card holds the port, which is known only once the server listens; REST is below a path that the platform does not pass on
        made ??= a2aHandler(o.engine, o.agent, {
          ...shared(o),
          maxBytes: limitsOf(o).maxBytes,
          path: '/',
          tasks: o.sessions,
          card: { url: process.env.AGENTCORE_RUNTIME_URL ?? url(), rest: false },
        });
        return made(request);
      };
      route(app, ['GET'], '/.well-known/agent-card.json', (request) => {
        checkHost(request, o.auth);
        return handler(request);
      });
      // conversations are contexts of A2A
      route(app, ['POST'], '/', passed({ ...o, needsSession: false }, handler));
    },
  },
} satisfies Record<string, ProtocolRoutes>;

export type Protocol = keyof typeof PROTOCOLS;
