import type { Engine } from '../engine/engine.ts';
import type { WorkOptions } from '../engine/work/work.ts';
import { invalid } from '../errors.ts';
import type { Limits } from '../journal/entries.ts';
import type { Json } from '../json.ts';
import type { Agent } from '../loop/types.ts';
import type { Principal } from '../ports/principal.ts';
import { errorAnswer } from './answer.ts';
import { type AuthOption, authenticate, checkHost, checkOpen } from './auth.ts';
import type { BodyLimits } from './body.ts';
import { type Handler, type Listening, type ListenOptions, listen } from './listen.ts';
import { report } from './report.ts';
import { type RunsOptions, routeOf } from './runs.ts';

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
  /** Makes the context of the agents' tools for a caller. */
  context?: (by: Principal) => C;
  /** Milliseconds between comments that keep proxies from closing a quiet stream of events. Default 15,000. */
  heartbeat?: number;
}

export interface ServeOptions<C = unknown> extends HandlerOptions<C>, Omit<ListenOptions, 'where'> {
  /** Whether to drive runs that need a process, see `engine.work()`. Default true. `false`: the application does it. */
  worker?: boolean | Omit<WorkOptions, 'signal'>;
}

const WHERE = 'serve()';

/**
 * The runs of an engine as a web-standard request handler, for `listen()` or any framework that takes one:
 * `POST /runs`, `GET /runs/{id}`, `GET /runs/{id}/events`, `GET /runs/{id}/approvals`, `POST /runs/{id}/decisions`, `POST /runs/{id}/cancel`.
 * It registers the agents with the engine.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function requestHandler<C>(engine: Engine, agents: Agent | readonly Agent[], o: HandlerOptions<C> = {}): Handler {
  const { auth, path = '' } = o;
  if (path !== '' && !/^(\/[\w.~-]+)+$/.test(path))
    throw invalid(`${WHERE}: the path "${path}" begins with a slash and ends without one, such as "/api".`);
  const list: readonly Agent[] = Array.isArray(agents) ? agents : [agents as Agent];
  if (list.length === 0) throw invalid(`${WHERE} needs an agent.`);
  for (const agent of list) engine.register(agent);
  const tell = report(WHERE);
  const { maxBytes, maxDepth, timeout, limits, heartbeat } = o;
  const runs: RunsOptions = {
    engine,
    agents: new Map(list.map((agent) => [agent.name, agent])),
    path,
    tell,
    maxBytes,
    maxDepth,
    timeout,
    limits,
    heartbeat,
    context: o.context as ((by: Principal) => Json) | undefined,
  };
  return async (request) => {
    try {
      checkHost(request, auth);
      const answer = routeOf(runs, request);
      return await answer(await authenticate(request, auth, tell));
    } catch (error) {
      return errorAnswer(error, tell);
    }
  };
}

/**
 * Serves the runs of agents over HTTP, see {@link requestHandler}, and drives those that need a process.
 * `close()` ends event streams, which clients can continue at another server. Runs continue: they belong to the engine.
 * @throws RondoError `CONFIG_INVALID`.
 */
export async function serve<C>(engine: Engine, agents: Agent | readonly Agent[], o: ServeOptions<C> = {}): Promise<Listening> {
  const { host = '127.0.0.1', port = 0 } = o;
  checkOpen(host, o.auth, WHERE);
  const listening = await listen(requestHandler(engine, agents, o), { host, port, where: WHERE });
  const over = new AbortController();
  if (o.worker !== false) engine.work({ onError: report(WHERE), ...(typeof o.worker === 'object' && o.worker), signal: over.signal });
  const close: Listening['close'] = async (how) => {
    over.abort();
    await listening.close(how);
  };
  return { url: listening.url, port: listening.port, close, [Symbol.asyncDispose]: () => close() };
}
