import type { Engine } from '../engine/engine.ts';
import type { ContextFor, ServedWithoutContext, ServingArgs } from '../engine/options.ts';
import type { Limits } from '../journal/entries/entries.ts';
import type { Json } from '../json.ts';
import type { Agent } from '../loop/types.ts';
import { checkOptions } from '../options.ts';
import type { Principal } from '../ports/principal.ts';
import { type AuthOption, checkAuth } from './auth.ts';
import { BODY, type BodyLimits } from './body.ts';
import { agentsOf, authenticated, pathOf } from './handle.ts';
import type { Handler, Listening } from './listen.ts';
import { report } from './report.ts';
import { type RunsOptions, routeOf } from './runs.ts';
import { SERVED, type ServedOptions, served } from './served.ts';

export interface HandlerOptions<C = unknown> extends BodyLimits {
  /**
   * Authenticates callers, such as `bearer({ verify: jwt({ ... }) })`. Without it every caller is the principal `anonymous`, and only
   * this machine may call. `'none'`: any machine may.
   */
  auth?: AuthOption;
  /** Prefix before `/runs`, such as `/api`. Default: none. */
  path?: string;
  /** The limits of every run. */
  limits?: Limits;
  /** Makes the context of the agents' tools for a caller. Required where they need one. */
  context?: (by: Principal) => C;
  /** Milliseconds between comments that keep proxies from closing a quiet stream of events. Default 15,000. */
  heartbeat?: number;
}

export interface ServeOptions<C = unknown> extends HandlerOptions<C>, ServedOptions {
  auth?: AuthOption;
}

/** Examples of the options that handlers of agents have. */
export const HANDLER = {
  ...BODY,
  auth: 'auth: bearer({ verify })',
  path: "path: '/api'",
  limits: 'limits: { steps: 20 }',
  context: 'context: (by) => ({ tenant: by.tenant })',
  heartbeat: 'heartbeat: 15_000',
} satisfies Record<keyof HandlerOptions, string>;

/**
 * The runs of an engine as a web-standard request handler, for `listen()` or any framework that takes one:
 * `POST /runs`, `GET /runs/{id}`, `GET /runs/{id}/events`, `GET /runs/{id}/approvals`, `POST /runs/{id}/decisions`, `POST /runs/{id}/cancel`.
 * It registers the agents with the engine.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function requestHandler<A extends Agent | readonly Agent[]>(
  engine: Engine,
  agents: A,
  ...options: ServingArgs<ContextFor<A>, HandlerOptions<ContextFor<A>>>
): Handler;
// its type error says what is missing, instead of "Expected 3 arguments, but got 2"
export function requestHandler<A extends Agent | readonly Agent[]>(engine: Engine, agents: A & ServedWithoutContext<A>): Handler;
export function requestHandler(engine: Engine, agents: Agent | readonly Agent[], o: HandlerOptions = {}): Handler {
  const where = 'requestHandler()';
  checkOptions(o, HANDLER, where);
  return handlerOf(engine, agents, o, where);
}

/** @param where what was called, for its errors. */
function handlerOf(engine: Engine, agents: Agent | readonly Agent[], o: HandlerOptions, where: string): Handler {
  const { auth } = o;
  checkAuth(auth, where);
  const tell = report(where);
  const { maxBytes, maxDepth, timeout, limits, heartbeat } = o;
  const runs: RunsOptions = {
    engine,
    agents: agentsOf(engine, agents, where, o.context),
    path: pathOf(o.path ?? '', where, '/api'),
    tell,
    maxBytes,
    maxDepth,
    timeout,
    limits,
    heartbeat,
    context: o.context as ((by: Principal) => Json) | undefined,
  };
  return authenticated(auth, tell, (request) => routeOf(runs, request));
}

/**
 * Serves the runs of agents over HTTP, see {@link requestHandler}, and drives those that need a process.
 * `close()` ends event streams, which clients can continue at another server. Runs continue: they belong to the engine.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function serve<A extends Agent | readonly Agent[]>(
  engine: Engine,
  agents: A,
  ...options: ServingArgs<ContextFor<A>, ServeOptions<ContextFor<A>>>
): Promise<Listening>;
export function serve<A extends Agent | readonly Agent[]>(engine: Engine, agents: A & ServedWithoutContext<A>): Promise<Listening>;
export async function serve(engine: Engine, agents: Agent | readonly Agent[], o: ServeOptions = {}): Promise<Listening> {
  const where = 'serve()';
  checkOptions(o, { ...HANDLER, ...SERVED }, where);
  return served(engine, () => handlerOf(engine, agents, o, where), o, where);
}
