import type { Engine } from '../engine/engine.ts';
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
import { type WorkerOptions, worker } from './worker.ts';

export interface HandlerOptions<C = unknown> extends BodyLimits {
  /**
   * Who calls, such as `bearer({ verify: jwt({ ... }) })`. Without it every caller is the principal `anonymous`, and only this machine
   * may call; `'none'` says that any caller may.
   */
  auth?: AuthOption;
  /** Before `/runs`, such as `/api`. Default: nothing. */
  path?: string;
  /** Of every run. */
  limits?: Limits;
  /** What the agents' tools need, made from who calls. */
  context?: (by: Principal) => C;
  /** Milliseconds between comments that keep proxies from closing a quiet stream of events. Default 15,000. */
  heartbeat?: number;
}

export interface ServeOptions<C = unknown> extends HandlerOptions<C>, Omit<ListenOptions, 'where'> {
  /** Drives on the runs that were left, see `worker()`. Default true; `false` where the application does it. */
  worker?: boolean | WorkerOptions;
}

const WHERE = 'serve()';

/**
 * The runs of an engine as a handler of the web platform, for `listen()` or any framework that takes one:
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
 * Serves the runs of agents over HTTP, see {@link requestHandler}, and drives on those that a dead process left.
 * `close()` ends the streams of events, which clients continue elsewhere; runs go on, they are the engine's.
 * @throws RondoError `CONFIG_INVALID`.
 */
export async function serve<C>(engine: Engine, agents: Agent | readonly Agent[], o: ServeOptions<C> = {}): Promise<Listening> {
  const { host = '127.0.0.1', port = 0 } = o;
  checkOpen(host, o.auth, WHERE);
  const listening = await listen(requestHandler(engine, agents, o), { host, port, where: WHERE });
  const work = o.worker === false ? undefined : worker(engine, o.worker === true ? {} : o.worker);
  const close: Listening['close'] = async (how) => {
    await Promise.all([listening.close(how), work?.stop()]);
  };
  return { url: listening.url, port: listening.port, close, [Symbol.asyncDispose]: () => close() };
}
