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
import { worker } from '../../server/worker.ts';
import { type CardOptions, cardOf, declared, legacyCard } from './card.ts';
import { endpoint } from './endpoint.ts';
import { Handler } from './handler.ts';
import { Push, type PushOptions } from './push.ts';

export interface ServeOptions<C = unknown> {
  /** Default 0: one that is free. */
  port?: number;
  /** Default 127.0.0.1. For one that stands for all addresses of the machine, such as 0.0.0.0, say where callers are to go: `card.url`. */
  host?: string;
  /** Of JSON-RPC; REST is below it at `rest`, the card at `/.well-known/agent-card.json`. Default `/a2a`. */
  path?: string;
  /**
   * Who calls, such as `bearer({ verify: jwt({ ... }) })`. Without it every caller is the principal `anonymous`, and only this machine
   * is listened to; `'none'` says that this is meant on any host.
   */
  auth?: AuthOption;
  /** Whose tasks a caller sees: their own (the default), or those of their tenant. */
  tasks?: 'own' | 'tenant';
  card?: CardOptions;
  /** `true`, or more about them. Default: no push notifications. */
  push?: boolean | PushOptions;
  /** Of every run. */
  limits?: Limits;
  /** What the agent's tools need, made from who calls. */
  context?: (by: Principal) => C;
  /** How many agents may have passed a message on. Default 8. */
  maxDepth?: number;
  /** Bytes of a request. Default 1,000,000. */
  maxBytes?: number;
  /** Whether tasks tell the tokens and dollars they took. Default false. */
  usage?: boolean;
  /**
   * Drives on what was left behind, as `worker()` of `rondo/server` does, now and every 15 seconds. Default true; `false` where the
   * application does it.
   */
  recover?: boolean;
}

export interface A2AServer extends AsyncDisposable {
  /** Of this server: what `a2aAgent()` takes. */
  readonly url: string;
  /** Where it listens. */
  readonly port: number;
  /** Stops listening. Runs go on: they are the engine's. */
  close(): Promise<void>;
}

const isAny = (host: string): boolean => /^(0\.0\.0\.0|\[?::\]?)$/.test(host);
const WHERE = 'serveA2A()';

/**
 * Serves an agent over A2A 1.0 (JSON-RPC and REST, on one port), and 0.3 (JSON-RPC). A task is a run: its id is the run's, its
 * context a session, and its state comes from the journal, so it survives a restart.
 * @throws RondoError `CONFIG_INVALID`.
 */
export async function serveA2A<O, C>(engine: Engine, agent: Agent<Prompt, O, C>, o: ServeOptions<C> = {}): Promise<A2AServer> {
  const { host = '127.0.0.1', port = 0, path = '/a2a', auth, maxBytes, tasks = 'own' } = o;
  if (path !== '/' && !/^(\/[\w.~-]+)+$/.test(path))
    throw invalid(`${WHERE}: the path "${path}" begins with a slash and ends without one, such as "/a2a".`);
  checkOpen(host, auth, WHERE);
  if (isAny(host) && !o.card?.url)
    throw invalid(`${WHERE}: a card that names ${host} leads nowhere. Say where callers reach it: card: { url }.`);
  // so that tasks of before a restart can be answered
  engine.register(agent);
  // what is wrong with the options is told before anything listens
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

  // the card names the port, which is known once it listens
  let ready: Promise<Answering> | undefined;
  const listening = await listen(async (request) => (await (ready as Promise<Answering>))(request), { host, port, where: WHERE });
  const base = baseOf(listening.url);
  ready = answering(base);
  await ready.catch(async (error) => {
    await listening.close({ grace: 0 });
    throw error;
  });
  const work = o.recover === false ? undefined : worker(engine, { onError: report(WHERE) });

  async function close(): Promise<void> {
    push?.close();
    await Promise.all([listening.close(), work?.stop()]);
  }
  return { url: base, port: listening.port, close, [Symbol.asyncDispose]: close };
}
