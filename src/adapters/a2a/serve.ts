import type { Engine } from '../../engine/engine.ts';
import { invalid } from '../../errors.ts';
import type { Limits } from '../../journal/entries.ts';
import type { Json } from '../../json.ts';
import type { Agent } from '../../loop/types.ts';
import type { Prompt } from '../../ports/model.ts';
import type { Principal } from '../../ports/principal.ts';
import { type AuthOption, checkOpen } from '../../server/auth.ts';
import { type Handler as Answering, listen } from '../../server/listen.ts';
import { report } from '../../server/report.ts';
import { type CardOptions, cardOf, declared, legacyCard } from './card.ts';
import { endpoint } from './endpoint.ts';
import { Handler } from './handler.ts';
import { Push, type PushOptions } from './push.ts';

export interface ServeOptions<C = unknown> {
  /** Default 0: a free port. */
  port?: number;
  /** Default 127.0.0.1. With a wildcard address such as 0.0.0.0, also set `card.url`, the URL that callers use. */
  host?: string;
  /** The path of JSON-RPC. REST is below it at `rest`, the card at `/.well-known/agent-card.json`. Default `/a2a`. */
  path?: string;
  /**
   * Authenticates callers, such as `bearer({ verify: jwt({ ... }) })`. Without it every caller is the principal `anonymous`, and only
   * this machine may call. `'none'`: any machine may.
   */
  auth?: AuthOption;
  /** Whether a caller sees only its own tasks (the default), or all tasks of its tenant. */
  tasks?: 'own' | 'tenant';
  card?: CardOptions;
  /** Push notifications: `true`, or their options. Default: none. */
  push?: boolean | PushOptions;
  /** The limits of every run. */
  limits?: Limits;
  /** Makes the context of the agent's tools for a caller. */
  context?: (by: Principal) => C;
  /** Most agents that may have passed a message on. Default 8. */
  maxDepth?: number;
  /** Most bytes of a request. Default 1,000,000. */
  maxBytes?: number;
  /** Whether tasks report their tokens and cost. Default false. */
  usage?: boolean;
  /**
   * Whether to drive runs that need a process, see `engine.work()`. Default true. `false`: the application does it.
   */
  recover?: boolean;
}

export interface A2AServer extends AsyncDisposable {
  /** The URL of this server, for `a2aAgent()`. */
  readonly url: string;
  /** The port it listens on. */
  readonly port: number;
  /** Stops listening. Runs continue: they belong to the engine. */
  close(): Promise<void>;
}

const isAny = (host: string): boolean => /^(0\.0\.0\.0|\[?::\]?)$/.test(host);
const WHERE = 'serveA2A()';

/**
 * Serves an agent over A2A 1.0 (JSON-RPC and REST, on one port), and 0.3 (JSON-RPC). A task is a run: it has the run's id, its context is
 * a session, and its state comes from the journal, so it survives a restart.
 * @throws RondoError `CONFIG_INVALID`.
 */
export async function serveA2A<O, C>(engine: Engine, agent: Agent<Prompt, O, C>, o: ServeOptions<C> = {}): Promise<A2AServer> {
  const { host = '127.0.0.1', port = 0, path = '/a2a', auth, maxBytes, tasks = 'own' } = o;
  if (path !== '/' && !/^(\/[\w.~-]+)+$/.test(path))
    throw invalid(`${WHERE}: the path "${path}" begins with a slash and ends without one, such as "/a2a".`);
  checkOpen(host, auth, WHERE);
  if (isAny(host) && !o.card?.url)
    throw invalid(`${WHERE}: a card that names ${host} leads nowhere. Say where callers reach it: card: { url }.`);
  // so that waiting tasks from before a restart can be answered
  engine.register(agent);
  // these check the options, so they come before the server listens
  const reading = { engine, agent: agent.name, usage: o.usage ?? false };
  const push = o.push ? new Push(reading, o.push === true ? {} : o.push) : undefined;
  const baseOf = (url: string) => (o.card?.url ?? url).replace(/\/+$/, '');

  async function answering(base: string): Promise<Answering> {
    const scheme = typeof auth === 'function' ? auth.scheme : undefined;
    const card = await cardOf(agent, base, path, push !== undefined, o.card ?? {}, scheme && declared(scheme));
    const context = o.context as ((by: Principal) => Json) | undefined;
    const handler = new Handler({ ...reading, agent, card, push, context, limits: o.limits, maxDepth: o.maxDepth ?? 8 });
    return endpoint({ handler, agent: agent.name, path, auth, tasks, maxBytes, card, legacyCard: await legacyCard(card) });
  }

  // the card holds the port, which is known only once the server listens
  let ready: Promise<Answering> | undefined;
  const listening = await listen(async (request) => (await (ready as Promise<Answering>))(request), { host, port, where: WHERE });
  const base = baseOf(listening.url);
  ready = answering(base);
  await ready.catch(async (error) => {
    await listening.close({ grace: 0 });
    throw error;
  });
  const over = new AbortController();
  if (o.recover !== false) engine.work({ onError: report(WHERE), signal: over.signal });

  async function close(): Promise<void> {
    push?.close();
    over.abort();
    await listening.close();
  }
  return { url: base, port: listening.port, close, [Symbol.asyncDispose]: close };
}
