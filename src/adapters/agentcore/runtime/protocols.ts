/** The protocols of the container contract: their ports, and what answers which route. */
import type { Context, Hono } from 'hono';
import type { WebSocket } from 'ws';
import { HttpError } from '../../../server/errors.ts';
import type { Handler } from '../../../server/listen.ts';
import { asInvocation, askedBy, currentCaller, currentInvocation, type Invocation } from './invocation.ts';
import { type Invocations, invoke } from './invocations.ts';
import { converse } from './socket.ts';

/** What a protocol is mounted with. */
export interface Mounting {
  readonly app: Hono;
  readonly o: Invocations;
  /** Makes a WebSocket route. `begin` authenticates, and returns what to do with the socket. */
  socket(path: string, begin: (request: Request) => Promise<(socket: WebSocket) => Promise<void>>): void;
}

interface ProtocolRoutes {
  readonly port: number;
  mount(m: Mounting): void | Promise<void>;
}

/** Answers a route with a web-standard handler, and other methods with 405. */
export function route(app: Hono, methods: readonly string[], path: string, handler: Handler): void {
  app.on([...methods], path, (c: Context) => handler(c.req.raw));
  const allow = methods.join(', ');
  app.all(path, () => {
    throw new HttpError(405, `The method here is ${allow}.`, { allow });
  });
}

export const PROTOCOLS = {
  http: {
    port: 8080,
    mount({ app, o, socket }) {
      route(app, ['POST'], '/invocations', (request) => invoke(o, request));
      socket('/ws', async (request) => {
        const asked = await askedBy(request, o);
        return (ws) => converse(o, asked, ws);
      });
    },
  },
  'ag-ui': {
    port: 8080,
    async mount({ app, o }) {
      const { agUiHandler } = await import('../../ag-ui/handler.ts');
      const { engine, agent, limits, heartbeat, body, context } = o;
      const handler = agUiHandler(engine, agent, {
        ...body,
        auth: currentCaller,
        path: '/invocations',
        limits,
        heartbeat,
        ...(context && { context: (by) => context(by, currentInvocation() as Invocation) }),
      });
      route(app, ['POST'], '/invocations', asInvocation(o, handler));
    },
  },
} satisfies Record<string, ProtocolRoutes>;

export type Protocol = keyof typeof PROTOCOLS;
