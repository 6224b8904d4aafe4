/** What the handlers of agents have in common. */
import type { Engine } from '../engine/engine.ts';
import { invalid } from '../errors.ts';
import { assertContext } from '../loop/context-needed.ts';
import type { Agent } from '../loop/types.ts';
import { errorAnswer } from './answer.ts';
import { type AuthOption, authenticate, checkHost, type KnownCaller } from './auth.ts';
import { assertWeb } from './body.ts';
import { HttpError } from './errors.ts';
import type { Handler } from './listen.ts';

/**
 * Registers the agents with the engine. @param context what makes the context of their tools. @returns them by name.
 * @throws RondoError `CONFIG_INVALID` without an agent, and for one whose tools need a context that nothing makes.
 */
export function agentsOf(engine: Engine, agents: Agent | readonly Agent[], where: string, context: unknown): ReadonlyMap<string, Agent> {
  assertEngine(engine, where, `an engine and its agents: (engine, [support])`);
  const list: readonly Agent[] = Array.isArray(agents) ? agents : [agents as Agent];
  if (list.length === 0) throw invalid(`${where} needs an agent.`);
  for (const agent of list) assertContext(agent, context, where);
  for (const agent of list) engine.register(agent);
  return new Map(list.map((agent) => [agent.name, agent]));
}

/** @param takes what is taken, with an example. @throws RondoError `CONFIG_INVALID` for what is not an engine, such as an agent in its place. */
export function assertEngine(engine: Engine, where: string, takes: string): void {
  if (typeof engine?.register !== 'function') throw invalid(`${where} takes ${takes}.`);
}

/** The path without the slash of the root. @throws RondoError `CONFIG_INVALID`. */
export function pathOf(path: string, where: string, example: string): string {
  if (path === '/' || path === '') return '';
  if (!/^(\/[\w.~-]+)+$/.test(path))
    throw invalid(`${where}: the path "${path}" begins with a slash and ends without one, such as "${example}".`);
  return path;
}

/** Some clients append a slash to every URL. */
export const isAt = (pathname: string, path: string): boolean => pathname === path || pathname === `${path}/`;

/** The agent that a path names: the only one at `path`, each of several at `path/{name}`. @throws HttpError 404, 405. */
export function agentAt(agents: ReadonlyMap<string, Agent>, path: string, request: Request): Agent {
  const { pathname } = new URL(request.url);
  const found = [...agents.values()].find(
    ({ name }) => (agents.size === 1 && isAt(pathname, path)) || isAt(pathname, `${path}/${encodeURIComponent(name)}`),
  );
  const place = agents.size === 1 ? `The agent is at ${path || '/'}` : `Each agent is at ${path}/{name}`;
  if (!found) throw new HttpError(404, `There is nothing here. ${place}.`);
  if (request.method !== 'POST') throw new HttpError(405, 'The method here is POST.', { allow: 'POST' });
  return found;
}

/** @param route finds what answers a request, before the caller is authenticated. `tell` gets errors whose details are withheld. */
export function authenticated(
  auth: AuthOption,
  tell: (error: unknown) => void,
  route: (request: Request) => (caller: KnownCaller) => Promise<Response>,
): Handler {
  return async (request) => {
    assertWeb(request);
    try {
      checkHost(request, auth);
      const answer = route(request);
      return await answer(await authenticate(request, auth, tell));
    } catch (error) {
      return errorAnswer(error, tell);
    }
  };
}
