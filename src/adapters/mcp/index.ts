import { checkNamedTools } from '../../loop/tools/foreign-tools.ts';
import type { ChangedList } from '../../ports/materials.ts';
import type { Part } from '../../ports/model.ts';
import type { OpenedSource, SourceCaller, Tool, ToolSource } from '../../ports/tool.ts';
import { Secrets } from '../../secrets.ts';
import { Ranking } from '../ranking/tools.ts';
import { Unconsented } from './auth/access.ts';
import { Connection } from './connection.ts';
import type { McpOptions, MidwayOptions, ToolChange } from './options.ts';
import { type Bound, check, checkAuth, secretsOf } from './options.ts';
import { passedMaterials } from './passing.ts';
import { Pins } from './pins.ts';
import { promptParts, readingTools, resourceParts } from './reading.ts';
import { signIn } from './sign-in.ts';
import { Offer } from './tools.ts';

export type { McpAuth } from './auth/access.ts';
export { type AssertionGrantOptions, assertionGrant, type ClientGrantOptions, clientGrant } from './auth/application.ts';
export type { ClientOptions } from './auth/client.ts';
export { type UserGrant, type UserGrantOptions, userGrant } from './auth/user.ts';
export type { McpQuestion } from './dialect.ts';
export type { McpOptions, ToolChange } from './options.ts';
export { type GatewayHandlerOptions, gatewayHandler } from './server/gateway-handler.ts';
export { type McpHandlerOptions, mcpHandler } from './server/handler.ts';
export type { Completer, MaterialContext, McpPrompt, McpResource, PerCaller, PromptMessage, ResourceContent } from './server/own.ts';
export type { McpHandler } from './server/serve.ts';

/** The tools of an MCP server. */
export interface McpSource extends ToolSource {
  /** Tools that have changed since they were pinned. */
  held(): readonly ToolChange[];
  /**
   * Accepts a tool's current declaration; runs are offered it from their next step on.
   * @param tool the server's name for it.
   * @throws RondoError `CONFIG_INVALID` if no such tool is held back, or the pins cannot be written.
   */
  accept(tool: string): Promise<void>;
  /** A resource of the server as parts of a run's input, by a connection of its own. @throws ToolError */
  resource(uri: string, o?: Reading): Promise<readonly Part[]>;
  /** A prompt of the server, filled in with arguments, as parts of a run's input, by a connection of its own. @throws ToolError */
  prompt(prompt: { name: string; arguments?: Readonly<Record<string, string>> }, o?: Reading): Promise<readonly Part[]>;
}

/** With `perCaller`, who reads. */
export interface Reading extends SourceCaller {
  signal?: AbortSignal;
}

/** Milliseconds for a resource or a prompt, with the connection. */
const READING = 60_000;

/**
 * The tools of an MCP server, over stdio (`command`) or streamable HTTP (`url`). Needs `@modelcontextprotocol/sdk`.
 *
 * A server that is gone is started or connected again at the next call. An error result becomes a `ToolError` `MCP_TOOL_ERROR`, or what
 * the server says in `_meta["rondo/error"]`: with `trustAnnotations` all of it, else `code`, `retryable` and `retryAfter` of tools that
 * `effects` declares `read` or `idempotent`.
 *
 * A server's tool declarations are in every prompt, so they are bounded: 500 tools and 1,000,000 characters in all, 4,096 of each
 * description (the rest is cut, with a note), 65,536 of each schema. With `search` they are not in every prompt: 5,000 tools and 4,000,000
 * characters. A tool that does not fit, or whose schema is invalid, is left out with a `RondoWarning`; if `allow` names it, the first listing fails. Each call carries `_meta["rondo/idempotency-key"]`, and
 * `traceparent` if a span is active.
 *
 * `open()` and `list()` throw `ToolError` `MCP_UNAVAILABLE` for a server that does not start, exits, hangs or does not speak MCP.
 * @throws RondoError `CONFIG_INVALID` for neither or both of `command` and `url`; from `list()` for names that the server does not have.
 */
export function mcpTools(options: McpOptions): McpSource {
  const name = check(options);
  const handed = secretsOf(options);
  const pins = new Pins(name, options);
  const kinds = (['resources', 'prompts'] as const).filter((kind) => options[kind] === true);

  async function connectionOf(caller: SourceCaller): Promise<{ connection: Connection; bound: Bound }> {
    const secrets = new Secrets(handed);
    if (caller.assertion) secrets.add([['assertion', caller.assertion.token]]);
    const bound = await boundTo(caller, options, name);
    return { bound, connection: new Connection(bound, name, secrets) };
  }

  async function reading<T>(
    { signal = AbortSignal.timeout(READING), ...caller }: Reading,
    read: (from: Connection, signal: AbortSignal) => Promise<T>,
  ) {
    const { connection } = await connectionOf(caller);
    try {
      await connection.open(signal);
      return await read(connection, signal);
    } finally {
      await connection.close();
    }
  }

  return {
    name,
    secrets: handed,
    held: () => pins.held(),
    accept: (tool) => pins.accept(tool),
    resource: (uri, o = {}) => reading(o, (from, signal) => resourceParts(from, uri, signal)),
    prompt: (prompt, o = {}) => reading(o, (from, signal) => promptParts(from, prompt, signal)),
    ...(options.perCaller && { perCaller: true }),
    ...(options.pass && { passes: options.pass }),
    async open({ signal, ...caller }) {
      await pins.load();
      const { bound, connection } = await connectionOf(caller);
      await connection.open(signal).catch(unlessUnconsented);
      // called often, so the list is cached until something changes
      let known: Promise<readonly Tool[]> | undefined;
      const offer = new Offer(options, name, connection, pins);
      let listener: ((list?: ChangedList) => void) | undefined;
      const onChanged = (list?: ChangedList) => {
        if (list === undefined || list === 'tools') known = undefined;
        // models read the others when they need them; clients to which they are passed on list them
        else if (!options.pass?.includes(list)) return;
        listener?.(list);
      };
      connection.onChanged = onChanged;
      const pinned = () => onChanged('tools');
      pins.listeners.add(pinned);
      const own = bound.access?.begin && signIn(name, options.prefix ?? '', connection, onChanged);
      let readers: readonly Tool[] | undefined;
      let first = true;
      let searched = options.search === true;
      const all = () => {
        if (known) return known;
        const asked = connection.list().then(
          async ({ tools: described, cut: missing }) => {
            // a server may drop a tool later; at the start, an unknown name is a typing error
            if (first) {
              const names = described.map((t) => t.name);
              checkNamedTools(options, names, `MCP server "${name}"`);
              searched ||= isMany(options, names);
            }
            const tools = await offer.take(described, { strict: first, searched, missing });
            first = false;
            readers ??= kinds.length > 0 ? readingTools(connection, options.prefix ?? '', await connection.has(kinds)) : [];
            const names = new Set(tools.map((t) => t.name));
            return [...tools, ...readers.filter((t) => !names.has(t.name)), ...(own ? [own.hidden] : [])];
          },
          (error) => {
            if (!own) throw error;
            unlessUnconsented(error);
            return [own.shown];
          },
        );
        known = asked;
        asked.catch(() => {
          if (known === asked) known = undefined;
        });
        return asked;
      };
      if (typeof options.search === 'object') {
        // the number of tools decides which functions the source has
        const [one] = await all().catch(async (error) => {
          pins.listeners.delete(pinned);
          await connection.close();
          throw error;
        });
        // there may be any number after the consent
        searched ||= one !== undefined && one === own?.shown;
      }
      return {
        // what is there in place of the tools is always listed
        list: searched ? () => all().then((tools) => tools.filter((one) => one === own?.shown || one === own?.hidden)) : all,
        ...(searched && lookedUp(() => all().then((tools) => tools.filter((one) => one !== own?.shown && one !== own?.hidden)))),
        ...(options.pass && { materials: passedMaterials(connection, options.pass, options) }),
        changed(told) {
          listener = told;
          return () => {
            listener = undefined;
          };
        },
        close() {
          pins.listeners.delete(pinned);
          return connection.close();
        },
      };
    },
  };
}

/** Whether the server offers more tools than `search.above`. */
function isMany({ search, allow }: McpOptions, names: readonly string[]): boolean {
  return typeof search === 'object' && names.filter((name) => !allow || allow.includes(name)).length > search.above;
}

/** `search` and `find` over all tools of a server. The ranking is made again when the list has changed. */
function lookedUp(all: () => Promise<readonly Tool[]>): Required<Pick<OpenedSource, 'search' | 'count' | 'find' | 'listAll'>> {
  let ranked: { tools: readonly Tool[]; ranking: Ranking } | undefined;
  return {
    async search(query, { limit }) {
      const tools = await all();
      if (ranked?.tools !== tools) ranked = { tools, ranking: new Ranking(tools) };
      return ranked.ranking.best(query, limit);
    },
    count: async () => (await all()).length,
    listAll: all,
    find: async (name) => (await all()).find((tool) => tool.name === name),
  };
}

/** The headers and the token are those of one caller: a connection cannot ask for another's. */
async function boundTo(caller: SourceCaller, options: MidwayOptions, name: string): Promise<Bound> {
  const { headers, auth } = options;
  const given = typeof auth === 'function' ? checkAuth(options, await auth(caller)) : auth;
  return {
    ...options,
    ...(typeof headers === 'function' && { headers: () => headers(caller) }),
    ...(given && { access: given.access({ server: new URL(options.url as string), name, caller }) }),
  };
}

/** A server that waits for a consent is open: it offers a tool that asks for it. */
function unlessUnconsented(error: unknown): void {
  if (!(error instanceof Unconsented)) throw error;
}
