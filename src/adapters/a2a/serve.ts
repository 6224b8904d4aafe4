import type { Engine } from '../../engine/engine.ts';
import type { ContextFor, ServedWithoutContext, ServingArgs } from '../../engine/options.ts';
import { invalid } from '../../errors.ts';
import type { Limits } from '../../journal/entries/entries.ts';
import type { Json } from '../../json.ts';
import { assertContext } from '../../loop/context-needed.ts';
import type { Agent } from '../../loop/types.ts';
import { checkOptions, type Kinds } from '../../options.ts';
import type { Prompt } from '../../ports/model.ts';
import type { Principal } from '../../ports/principal.ts';
import { type AuthOption, checkAuth, checkOpen } from '../../server/auth.ts';
import { pathOf } from '../../server/handle.ts';
import { type Handler, listen } from '../../server/listen.ts';
import { report } from '../../server/report.ts';
import { CARD, type CardOptions, cardOf, declared, legacyCard } from './card.ts';
import { endpoint } from './endpoint.ts';
import { Handler as Operations } from './handler.ts';
import { Push, type PushOptions } from './push.ts';

export interface A2AHandlerOptions<C = unknown> {
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
  /** Makes the context of the agent's tools for a caller. Required where they need one. */
  context?: (by: Principal) => C;
  /** Most agents that may have passed a message on. Default 8. */
  maxDepth?: number;
  /** Most bytes of a request. Default 1,000,000. */
  maxBytes?: number;
  /** Whether tasks report their tokens and cost. Default false. */
  usage?: boolean;
}

export interface ServeOptions<C = unknown> extends A2AHandlerOptions<C> {
  /** Default 0: a free port. */
  port?: number;
  /** Default 127.0.0.1. With a wildcard address such as 0.0.0.0, also set `card.url`, the URL that callers use. */
  host?: string;
  /**
   * Whether to drive runs that need a process, see `engine.work()`. Default true. `false`: the application does it.
   */
  recover?: boolean;
}

/** Stops push notifications with `close()`. Runs continue: they belong to the engine. */
export interface A2AHandler extends Handler {
  close(): void;
}

export interface A2AServer extends AsyncDisposable {
  /** The URL of this server, for `a2aAgent()`. */
  readonly url: string;
  /** The port it listens on. */
  readonly port: number;
  /** Stops listening. Runs continue: they belong to the engine. */
  close(): Promise<void>;
}

const HANDLER = {
  path: "path: '/a2a'",
  auth: 'auth: bearer({ verify })',
  tasks: "tasks: 'tenant'",
  card: "card: { url: 'https://agents.example.com' }",
  push: 'push: true',
  limits: 'limits: { steps: 20 }',
  context: 'context: (by) => ({ tenant: by.tenant })',
  maxDepth: 'maxDepth: 8',
  maxBytes: 'maxBytes: 1_000_000',
  usage: 'usage: true',
} satisfies Record<keyof A2AHandlerOptions, string>;
const SERVE = { ...HANDLER, port: 'port: 8080', host: "host: '0.0.0.0'", recover: 'recover: false' } satisfies Record<
  keyof ServeOptions,
  string
>;

const KINDS: Kinds = { tasks: ['own', 'tenant'] };

const isAny = (host: string): boolean => /^(0\.0\.0\.0|\[?::\]?)$/.test(host);
const WHERE = 'serveA2A()';

/**
 * An agent over A2A 1.0 (JSON-RPC and REST) and 0.3 (JSON-RPC), as a web-standard request handler for the root of a host: the card is at
 * `/.well-known/agent-card.json`. It needs `card.url`, and registers the agent with the engine.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function a2aHandler<A extends Agent<Prompt>>(
  engine: Engine,
  agent: A,
  ...options: Required<ServingArgs<ContextFor<A>, A2AHandlerOptions<ContextFor<A>>>>
): A2AHandler;
export function a2aHandler(engine: Engine, agent: Agent, o: A2AHandlerOptions = {}): A2AHandler {
  checkOptions(o, HANDLER, 'a2aHandler()', KINDS);
  const url = o.card?.url;
  if (url === undefined) throw invalid("a2aHandler(): say where callers reach it: card: { url: 'https://agents.example.com' }.");
  const { push, answering } = prepared(engine, agent, o, 'a2aHandler()');
  const ready = answering(url);
  ready.catch(() => undefined);
  return Object.assign(async (request: Request) => (await ready)(request), { close: () => push?.close() });
}

/**
 * Serves an agent over A2A 1.0 (JSON-RPC and REST, on one port), and 0.3 (JSON-RPC). A task is a run: it has the run's id, its context is
 * a session, and its state comes from the journal, so it survives a restart.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function serveA2A<A extends Agent<Prompt>>(
  engine: Engine,
  agent: A,
  ...options: ServingArgs<ContextFor<A>, ServeOptions<ContextFor<A>>>
): Promise<A2AServer>;
// its type error says what is missing, instead of "Expected 3 arguments, but got 2"
export function serveA2A<A extends Agent<Prompt>>(engine: Engine, agent: A & ServedWithoutContext<A>): Promise<A2AServer>;
export async function serveA2A(engine: Engine, agent: Agent, o: ServeOptions = {}): Promise<A2AServer> {
  checkOptions(o, SERVE, WHERE, KINDS);
  const { host = '127.0.0.1', port = 0, auth } = o;
  checkOpen(host, auth, WHERE);
  if (isAny(host) && !o.card?.url)
    throw invalid(`${WHERE}: a card that names ${host} leads nowhere. Say where callers reach it: card: { url }.`);
  // this checks the options, so it comes before the server listens
  const { push, answering } = prepared(engine, agent, o, WHERE);
  // the card holds the port, which is known only once the server listens
  let ready: Promise<Handler> | undefined;
  const listening = await listen(async (request) => (await (ready as Promise<Handler>))(request), { host, port, where: WHERE });
  const base = baseOf(o.card?.url ?? listening.url);
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

const baseOf = (url: string) => url.replace(/\/+$/, '');

/** Checks the options. @returns the maker of the handler, for the URL that callers use. */
function prepared(engine: Engine, agent: Agent, o: A2AHandlerOptions, where: string) {
  const { auth, maxBytes, tasks = 'own', path = '/a2a', usage = false } = o;
  checkAuth(auth, where);
  if (o.card) checkOptions(o.card, CARD, `${where}: card`);
  pathOf(path, where, '/a2a');
  assertContext(agent, o.context, where);
  // so that waiting tasks from before a restart can be answered
  engine.register(agent);
  const push = o.push ? new Push({ engine, agent: agent.name, usage }, o.push === true ? {} : o.push) : undefined;
  const scheme = typeof auth === 'function' ? auth.scheme : undefined;
  return {
    push,
    async answering(url: string): Promise<Handler> {
      const card = await cardOf(agent, baseOf(url), path, push !== undefined, o.card ?? {}, scheme && declared(scheme));
      const { limits, maxDepth = 8 } = o;
      const context = o.context as ((by: Principal) => Json) | undefined;
      const handler = new Operations({ engine, agent, card, limits, context, push, maxDepth, usage });
      return endpoint({ handler, agent: agent.name, path, auth, tasks, maxBytes, card, legacyCard: await legacyCard(card) });
    },
  };
}
