import { timingSafeEqual } from 'node:crypto';
import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';
import type { Engine } from '../../../engine/engine.ts';
import type { ContextFor, ServedWithoutContext, ServingArgs } from '../../../engine/options.ts';
import type { WorkOptions } from '../../../engine/work/work.ts';
import { invalid } from '../../../errors.ts';
import type { Limits } from '../../../journal/entries/entries.ts';
import { assertContext } from '../../../loop/context-needed.ts';
import type { Agent } from '../../../loop/types.ts';
import { checkOptions } from '../../../options.ts';
import type { Principal } from '../../../ports/principal.ts';
import { errorAnswer } from '../../../server/answer.ts';
import { type AuthOption, checkOpen } from '../../../server/auth.ts';
import { BODY, type BodyLimits } from '../../../server/body.ts';
import { HttpError } from '../../../server/errors.ts';
import { assertEngine } from '../../../server/handle.ts';
import { bound, checkHostHeader } from '../../../server/listen.ts';
import { report } from '../../../server/report.ts';
import { asksForSocket, connectionsOf } from '../../../server/upgrades.ts';
import { TOKEN_HEADER } from '../session-token.ts';
import type { Invocation } from './invocation.ts';
import type { Invocations } from './invocations.ts';
import { pings } from './ping.ts';
import { checkJournal, inContainer, portFrom, sessionToken, warnIfGuessed } from './place.ts';
import { PROTOCOLS, type Protocol, route } from './protocols.ts';
import { socketRoute, upgrades } from './socket-routes.ts';
import { Owners } from './turn.ts';

export interface ServeOptions<C = unknown> {
  /** `http`, the default, and `ag-ui`: `/invocations` and `/ws`. `mcp`: `/mcp`. `a2a`: `/`, and the card. */
  protocol?: Protocol;
  /** Default: the environment's `PORT`, else 8080 for `http` and `ag-ui`, 8000 for `mcp`, 9000 for `a2a`. 0: a free port. */
  port?: number;
  /** Default: all addresses in a container, else 127.0.0.1, as in a session of the local server. */
  host?: string;
  /** Whether this is a container of AgentCore Runtime, whose platform is the only one that can call. Default: as the environment says. */
  container?: boolean;
  /**
   * Authenticates callers, such as `jwtAuthorizer({ ... }).auth`. Without it the caller is who the platform says, in
   * `X-Amzn-Bedrock-AgentCore-Runtime-User-Id`, else `anonymous`; and outside of a container only this machine may call. `'none'`: any machine may.
   */
  auth?: AuthOption;
  /** Whether a conversation belongs to the user who began it (the default), or to the tenant. */
  sessions?: 'own' | 'tenant';
  /** Whether a request without a session id is refused. Default: in a container. Elsewhere such a request is a session of its own. */
  requireSession?: boolean;
  /** The limits of every run. */
  limits?: Limits;
  /** Makes the context of the agent's tools for a caller. Required where they need one. */
  context?: (by: Principal, invocation: Invocation) => C;
  /** `'ephemeral'`: paused runs may be lost with the session. Without it, a container refuses a journal that is in memory or on its own disk. */
  journal?: 'ephemeral';
  /** Whether to drive all runs that need a process, see `engine.work()`. Default: not in a container, which is of one session. */
  worker?: boolean | Omit<WorkOptions, 'signal'>;
  /** Whether SIGTERM and SIGINT close server and engine. Default: in a container. */
  signals?: boolean;
  /** Limits of a body. Default 100 MiB within a minute. */
  body?: BodyLimits;
  /** Milliseconds between comments that keep proxies from closing a quiet stream. Default 15,000. */
  heartbeat?: number;
}

const OPTIONS = {
  protocol: "protocol: 'http'",
  port: 'port: 8080',
  host: "host: '0.0.0.0'",
  container: 'container: true',
  auth: 'auth: jwtAuthorizer({ ... }).auth',
  sessions: "sessions: 'tenant'",
  requireSession: 'requireSession: true',
  limits: 'limits: { steps: 20 }',
  context: 'context: (by) => ({ tenant: by.tenant })',
  journal: "journal: 'ephemeral'",
  worker: 'worker: false',
  signals: 'signals: true',
  body: 'body: { maxBytes: 1_000_000 }',
  heartbeat: 'heartbeat: 15_000',
} satisfies Record<keyof ServeOptions, string>;

export interface Serving extends AsyncDisposable {
  /** For example `http://127.0.0.1:8080`. */
  readonly url: string;
  readonly port: number;
  readonly protocol: Protocol;
  /**
   * Takes no more connections, ends streams and sockets, and answers 503 to those who wait. Connections that are open after `grace` milliseconds
   * (default 5,000) are cut. Runs continue: they belong to the engine.
   */
  close(o?: { grace?: number }): Promise<void>;
  /** `close()`, and closes the engine: running calls get 5 seconds to end, and the runs can be resumed elsewhere. What SIGTERM does. */
  drain(): Promise<void>;
}

const WHERE = 'serve()';

/**
 * Serves an agent as a container of AgentCore Runtime must: the routes of a protocol, and `/ping`. The same program runs on this machine. One
 * invocation is one turn of a session, see `takeTurn`. It registers the agent with the engine.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function serve<A extends Agent>(
  engine: Engine,
  agent: A,
  ...options: ServingArgs<ContextFor<A>, ServeOptions<ContextFor<A>>>
): Promise<Serving>;
// its type error says what is missing, instead of "Expected 3 arguments, but got 2"
export function serve<A extends Agent>(engine: Engine, agent: A & ServedWithoutContext<A>): Promise<Serving>;
export async function serve(engine: Engine, agent: Agent, o: ServeOptions = {}): Promise<Serving> {
  checkOptions(o, OPTIONS, WHERE, { sessions: ['own', 'tenant'] });
  assertEngine(engine, WHERE, 'an engine and its agent: (engine, support)');
  if (o.body !== undefined) checkOptions(o.body, BODY, `${WHERE}: body`);
  const { protocol = 'http', container = inContainer(), sessions = 'own', requireSession = container, worker = !container } = o;
  if (!Object.hasOwn(PROTOCOLS, protocol)) throw invalid(`${WHERE}: protocol is one of ${Object.keys(PROTOCOLS).join(', ')}.`);
  const token = sessionToken();
  const host = o.host ?? (container && token === undefined ? '0.0.0.0' : '127.0.0.1');
  const port = o.port ?? portFrom(process.env.PORT, WHERE) ?? PROTOCOLS[protocol].port;
  // in a container only the platform reaches the port
  const auth = o.auth ?? (container ? 'none' : undefined);
  checkOpen(host, auth, WHERE);
  if (o.container === undefined && o.auth === undefined) warnIfGuessed(WHERE);
  if (container) checkJournal(engine, o.journal, WHERE);
  assertContext(agent, o.context, WHERE);
  engine.register(agent);

  const tell = report(WHERE);
  const closing = new AbortController();
  const invocations: Invocations = {
    engine,
    agent,
    sessions,
    limits: o.limits,
    context: o.context as Invocations['context'],
    owners: new Owners(),
    auth,
    platform: container || auth === undefined,
    needsSession: requireSession,
    tell,
    body: o.body ?? {},
    heartbeat: o.heartbeat,
    closing: closing.signal,
    onClose: new Set(),
  };
  const app = new Hono();
  app.onError((error) => errorAnswer(error, tell));
  app.notFound(() => errorAnswer(new HttpError(404, `There is nothing here: ${protocol} is at ${PROTOCOLS[protocol].at}.`), tell));
  app.use((c, next) => {
    checkHostHeader(c.req.header('host'));
    return next();
  });
  if (token !== undefined)
    app.use(async (c, next) => {
      // on this machine other programs reach the port, and could name any user
      if (!isSame(c.req.header(TOKEN_HEADER) ?? '', token)) throw new HttpError(403, 'Only the server that started this session may call.');
      await next();
    });
  const ping = pings(engine);
  let url = '';
  route(app, ['GET'], '/ping', ping.answer);
  await PROTOCOLS[protocol].mount({
    app,
    o: invocations,
    url: () => url,
    socket: socketRoute(app, auth),
  });

  const server = createAdaptorServer({
    fetch: app.fetch,
    serverOptions: { shouldUpgradeCallback: asksForSocket },
    // it would replace Request and Response of the whole process
    overrideGlobalObjects: false,
  }) as import('node:http').Server;
  const upgrade = upgrades(app, tell);
  server.on('upgrade', (...asked) => void upgrade(...asked).catch(tell));
  const cut = connectionsOf(server);
  await bound(server, { port, host, where: WHERE });
  server.on('error', tell);
  if (worker !== false) engine.work({ onError: tell, ...(typeof worker === 'object' && worker), signal: closing.signal });

  let closed: Promise<void> | undefined;
  const close: Serving['close'] = ({ grace = 5_000 } = {}) => {
    closed ??= (async () => {
      closing.abort();
      for (const told of invocations.onClose) told();
      const over = new Promise<void>((resolve) => server.close(() => resolve()));
      // connections become idle one by one, as their answers end
      const idle = setInterval(() => server.closeIdleConnections(), 50);
      const late = setTimeout(cut, grace);
      await over;
      clearInterval(idle);
      clearTimeout(late);
      ping.stop();
      for (const name of SIGNALS) process.off(name, drained);
    })();
    return closed;
  };
  const drain = async () => {
    await Promise.all([close(), engine.close()]);
  };
  const drained = () => void drain().catch(tell);
  if (o.signals ?? container) for (const name of SIGNALS) process.once(name, drained);
  const address = server.address() as import('node:net').AddressInfo;
  url = `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`;
  return { url, port: address.port, protocol, close, drain, [Symbol.asyncDispose]: () => close() };
}

function isSame(given: string, own: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(own)];
  return a.length === b.length && timingSafeEqual(a, b);
}

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;
