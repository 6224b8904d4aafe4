import { invalid } from '../../errors.ts';
import type { Json } from '../../json.ts';
import type { Breaker, Effect, Retry, Tool, ToolOptions, ToolSource } from '../../ports/tool.ts';
import type { Schema } from '../../schema.ts';
import { Secrets, secretsIn } from '../../secrets.ts';
import { Connection } from './connection.ts';
import { cut } from './failure.ts';
import { Pins, type ToolChange } from './pins.ts';
import { Offer } from './tools.ts';

export type { ToolChange } from './pins.ts';

// biome-ignore lint/suspicious/noExplicitAny: a server's arguments have no static type
type Approval = ToolOptions<string, Schema<any>, Schema<any>, never, Json>['approval'];

export interface McpOptions {
  /** What errors call this server. Default: the command's or the host's name. */
  name?: string;
  /** Starts the server as a child process and speaks over its standard input and output. Either this or `url`. */
  command?: string;
  args?: readonly string[];
  /**
   * Added to the few variables a child inherits (PATH, HOME, USER, SHELL, TERM, LOGNAME): nothing else leaks to it. What looks like a secret, by
   * its name or its value, is masked in all that a run with these tools says; likewise of `args`, `headers` and `url`.
   */
  env?: Readonly<Record<string, string>>;
  cwd?: string;
  /** Speaks to a server over streamable HTTP. */
  url?: string;
  /** Sent with every HTTP request, such as `authorization`. A function is asked before each, and once more after a 401: for tokens that expire. */
  headers?: Readonly<Record<string, string>> | (() => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>);
  /** Offer only these of the server's tools. Default: all. */
  allow?: readonly string[];
  /** Put before every tool's name, so that two servers do not collide. */
  prefix?: string;
  /** What calling a tool twice does, by the server's name for it. Default `once`. */
  effects?: Readonly<Record<string, Effect>>;
  /**
   * Take the server's word: `readOnlyHint` and `idempotentHint` for tools that `effects` does not name, and all of
   * `_meta["rondo/error"]`. Default false: a hint is no promise.
   */
  trustAnnotations?: boolean;
  /** Who must agree to a call: a rule for all tools, or rules by the server's name for a tool. */
  approval?: boolean | { readonly [tool: string]: Approval };
  /**
   * Where it is kept what each tool was when it was first seen (its name, title, description, schemas and annotations): a file, which is made and
   * kept up to date, or the hashes by the server's names. Default: in memory, for as long as the process lives. A tool that has changed is held
   * back: it is not offered, and a call of it is told `TOOL_HELD_BACK`.
   */
  pins?: string | Readonly<Record<string, string>>;
  /** Asked once for each change of a tool, for at most ten seconds: `true` accepts it. Default: none is. See `held()` and `accept()` of the source. */
  acceptChange?: (change: ToolChange) => boolean | Promise<boolean>;
  /** Milliseconds a server may take to start and answer the handshake or a listing. Default 30,000. */
  startTimeout?: number;
  /** As in `tool()`, for all tools of this server. Progress that the server tells of lets it begin again, for at most an hour. */
  timeout?: number;
  deadline?: number;
  retry?: Retry;
  breaker?: Breaker | false;
  maxBytes?: number;
}

/** The tools of an MCP server. */
export interface McpSource extends ToolSource {
  /** Tools that have changed since they were pinned. */
  held(): readonly ToolChange[];
  /**
   * Accepts what a tool is now; runs are offered it from their next step on. @param tool the server's name for it.
   * @throws RondoError `CONFIG_INVALID` where no such tool is held back, or the pins cannot be written.
   */
  accept(tool: string): Promise<void>;
}

/**
 * The tools of an MCP server, over stdio (`command`) or streamable HTTP (`url`). Needs `@modelcontextprotocol/sdk`.
 *
 * A server that is gone is started or connected again at the next call. A result that is an error becomes a `ToolError`
 * `MCP_TOOL_ERROR`, or what the server says in `_meta["rondo/error"]`: with `trustAnnotations` all of it, else code, `retryable`
 * and `retryAfter` of tools that `effects` calls `read` or `idempotent`.
 *
 * What a server says of its tools goes into every prompt, so it is bounded: 500 tools and 1,000,000 characters in all, 4,096 of
 * each description (the rest is cut off, with a note), 65,536 of each schema. A tool that does not fit, or whose schema makes
 * no sense, is left out with a `RondoWarning`; one that `allow` names is an error at the first listing.
 * Each call carries `_meta["rondo/idempotency-key"]`, and `traceparent` where a span is active.
 *
 * `open()` and `list()` throw `ToolError` `MCP_UNAVAILABLE` for a server that does not start, exits, hangs or speaks something else.
 * @throws RondoError `CONFIG_INVALID` for neither or both of `command` and `url`; from `list()` for names that the server does not have.
 */
export function mcpTools(options: McpOptions): McpSource {
  const name = check(options);
  const handed = secretsOf(options);
  const secrets = new Secrets(handed);
  const pins = new Pins(name, options);
  return {
    name,
    secrets: handed,
    held: () => pins.held(),
    accept: (tool) => pins.accept(tool),
    async open({ signal }) {
      await pins.load();
      const connection = new Connection(options, name, secrets);
      await connection.open(signal);
      let known: Promise<readonly Tool[]> | undefined;
      let listed: string | undefined;
      const offer = new Offer(options, name, connection, pins);
      const revision = () => `${connection.listVersion}.${pins.version}`;
      let first = true;
      return {
        list() {
          // asked often, so answered from memory until the server says that its tools changed
          const version = revision();
          if (known && listed === version) return known;
          const asked = connection.list().then(async ({ tools: described, cut: missing }) => {
            // later on a server may drop a tool; at the start, a name it does not know is a typing error
            if (first)
              checkNames(
                options,
                name,
                described.map((t) => t.name),
              );
            const tools = await offer.take(described, { strict: first, missing });
            first = false;
            return tools;
          });
          known = asked;
          listed = version;
          asked.catch(() => {
            if (known === asked) known = undefined;
          });
          return asked;
        },
        revision,
        close: () => connection.close(),
      };
    },
  };
}

function check(o: McpOptions): string {
  if (!o || (o.command === undefined) === (o.url === undefined))
    throw invalid('mcpTools() takes either a command (a server to start) or a url (a server to call), not neither or both.');
  if (o.prefix !== undefined && !/^[a-zA-Z0-9_-]{1,32}$/.test(o.prefix))
    throw invalid(`mcpTools(): the prefix "${o.prefix}" must be 1 to 32 letters, digits, "_" and "-".`);
  if (o.startTimeout !== undefined && !(o.startTimeout > 0)) throw invalid('mcpTools(): startTimeout must be a number above 0.');
  if (o.command !== undefined) {
    if (typeof o.command !== 'string' || o.command === '') throw invalid('mcpTools(): command must name a program, such as "node".');
    return o.name ?? o.command.split(/[\\/]/).at(-1) ?? o.command;
  }
  const url = URL.canParse(o.url as string) ? new URL(o.url as string) : undefined;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:')
    throw invalid(`mcpTools(): "${o.url}" is no http or https URL, such as "https://example.com/mcp".`);
  return o.name ?? url.host;
}

/** What the server is given that must not be told: of its environment, its headers, its arguments and its address. */
function secretsOf({ env, headers, args = [], url }: McpOptions) {
  const flags = args.flatMap((arg, i): [string, string][] => {
    const [, flag = '', value = ''] = /^--?([\w-]+)=(.+)$/s.exec(arg) ?? [];
    const before = /^--?([\w-]+)$/.exec(args[i - 1] ?? '')?.[1];
    return value ? [[flag, value]] : before !== undefined && !arg.startsWith('-') ? [[before, arg]] : [];
  });
  return secretsIn({
    ...Object.fromEntries(flags),
    ...(url !== undefined && { url }),
    ...env,
    ...(typeof headers !== 'function' && headers),
  });
}

/** A misspelt name would silently leave a tool out, or leave it without its approval. */
function checkNames(o: McpOptions, name: string, offered: readonly string[]): void {
  const rules = typeof o.approval === 'object' ? o.approval : {};
  for (const [option, names] of Object.entries({
    allow: o.allow ?? [],
    effects: Object.keys(o.effects ?? {}),
    approval: Object.keys(rules),
  }))
    for (const tool of names)
      if (!offered.includes(tool))
        throw invalid(
          `MCP server "${name}" has no tool "${tool}", which ${option} names. It has ${cut(offered.join(', '), 2_000) || 'none'}.`,
        );
}
