import { invalid } from '../../errors.ts';
import type { Json } from '../../json.ts';
import { checkForeignTools, FOREIGN_TOOL_EXAMPLES } from '../../loop/tools/foreign-tools.ts';
import { checkOptions } from '../../options.ts';
import type { MaterialKind } from '../../ports/materials.ts';
import type { Breaker, Effect, Retry, SourceCaller, ToolOptions } from '../../ports/tool.ts';
import type { Schema } from '../../schema.ts';
import { secretsIn } from '../../secrets.ts';
import type { Access, McpAuth } from './auth/access.ts';
import type { Answering } from './dialect.ts';
import type { Midway } from './midway.ts';

// biome-ignore lint/suspicious/noExplicitAny: a server's arguments have no static type
type Options = ToolOptions<string, Schema<any>, Schema<any>, never, Json>;
type Approval = Options['approval'];

/** A tool that differs from its pin. `pinned` and `now` are hashes; the rest is the server's current declaration. */
export interface ToolChange {
  readonly server: string;
  /** The server's name for it. */
  readonly tool: string;
  readonly pinned: string;
  readonly now: string;
  readonly description: string;
  readonly input: unknown;
  readonly annotations: unknown;
}

export interface McpOptions {
  /** The server's name in errors. Default: the command's or the host's name. */
  name?: string;
  /** Starts the server as a child process and uses its standard input and output. Either this or `url`. */
  command?: string;
  args?: readonly string[];
  /**
   * Added to the variables that a child inherits (PATH, HOME, USER, SHELL, TERM, LOGNAME). No others are passed. Values that look like
   * secrets, by name or content, are masked in everything that a run with these tools writes; so are those of `args`, `headers` and
   * `url`.
   */
  env?: Readonly<Record<string, string>>;
  cwd?: string;
  /** Connects to a server over streamable HTTP. */
  url?: string;
  /**
   * Sent with every HTTP request, such as `authorization`. A function is called before each request, and once more after a 401: for
   * tokens that expire. With `perCaller` it gets the caller that the connection belongs to, else an empty object.
   */
  headers?:
    | Readonly<Record<string, string>>
    | ((caller: SourceCaller) => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>);
  /**
   * How a token for the server is had, by OAuth: `userGrant()`, `clientGrant()` or `assertionGrant()`; a function is asked when a connection opens.
   * The token is sent as `authorization`. A call that needs a person's consent pauses the run with an approval of kind `consent`.
   */
  auth?: McpAuth | ((caller: SourceCaller) => McpAuth | Promise<McpAuth>);
  /**
   * Sends each HTTP request, with all its headers, in place of the global `fetch`: one that signs, or that goes through a proxy. It must not follow
   * redirects.
   */
  fetch?: (url: string | URL, init?: RequestInit) => Promise<Response>;
  /**
   * One connection, and one list of tools, for each user, session and token: for a server that acts on behalf of the user. The pins are
   * those of the server, for all callers. Default false: one connection for all runs of the engine.
   */
  perCaller?: boolean;
  /** Offer only these of the server's tools. Default: all but a tool that takes decisions about approvals, with which a model could approve its own calls. */
  allow?: readonly string[];
  /**
   * For a server with many tools: they are not in every request. The model finds them with `find_tools` and calls them with `call_tool`, see
   * `OpenedSource.search`; they are ranked by the words of their names, descriptions and parameters. `above`: only if the server offers more
   * tools than this when it is opened. The choice stays for the connection. Default false: all tools are in every request.
   */
  search?: boolean | { readonly above: number };
  /**
   * Offers what the server has besides tools, if it says that it has them: the tools `list_resources` and `read_resource`, `list_prompts` and `get_prompt`,
   * with the prefix. Default false. See `resource()` and `prompt()` of the source for the input of a run.
   */
  resources?: boolean;
  prompts?: boolean;
  /**
   * Passes on what the server has of these, as it is, to the clients of `gatewayHandler()`, also through a `gateway()`; models see nothing of it. Each read is a
   * call of the tool `resources/read`, `prompts/get` or `completion/complete`, for policies and limits. Default: none.
   */
  pass?: readonly MaterialKind[];
  /** Prefix of every tool's name, so that two servers do not collide. */
  prefix?: string;
  /** What a second call of a tool does, by the server's name for it. Default `once`. */
  effects?: Readonly<Record<string, Effect>>;
  /**
   * What a call of a tool is meant to do, what it is worth, and what it costs, by the server's name for it: as in `tool()`. Not `key` for a tool that reads.
   * The name of the intent is by default the tool's name, with the prefix.
   */
  intents?: { readonly [tool: string]: Pick<Options, 'key' | 'intent' | 'same' | 'remember' | 'amount' | 'cost'> };
  /**
   * Trusts the server: `readOnlyHint` and `idempotentHint` for tools that `effects` does not name, and all of `_meta["rondo/error"]`.
   * Default false: a hint is not a guarantee.
   */
  trustAnnotations?: boolean;
  /** Who must approve a call: one rule for all tools, or rules by the server's name for a tool. */
  approval?: boolean | { readonly [tool: string]: Approval };
  /**
   * The pins: the declaration of each tool when it was first seen (name, title, description, schemas and annotations). A file, which is
   * created and updated, or hashes by the server's names. Default: in memory, for the life of the process. A changed tool is held back:
   * it is not offered, and a call of it gets `TOOL_HELD_BACK`.
   */
  pins?: string | Readonly<Record<string, string>>;
  /**
   * Called once for each change of a tool; it has ten seconds. `true` accepts the change. Default: no change is accepted. See `held()`
   * and `accept()` of the source.
   */
  acceptChange?: (change: ToolChange) => boolean | Promise<boolean>;
  /**
   * The version of MCP: `2025-11-25` (default) and its predecessors, `2026-07-28` alone, or `auto`, which asks the server first. The last two need
   * `@modelcontextprotocol/client`. Over stdio, `auto` starts the server a second time, for a moment.
   */
  protocol?: 'auto' | '2025-11-25' | '2026-07-28';
  /**
   * Answers questions of the server in the middle of a call at once, such as a terminal with a person at it. Undefined: a person is asked by an
   * approval of kind `question`, or `consent` for a page to visit, and the call is made again with the answer. Under 2025-11-25 not for a `once` tool, whose
   * question is cancelled.
   */
  elicit?: Answering;
  /** Milliseconds for start and handshake, and for a listing. Default 30,000. */
  startTimeout?: number;
  /** As in `tool()`, for all tools of this server. The server's progress restarts the timeout, for at most an hour. */
  timeout?: number;
  deadline?: number;
  retry?: Retry;
  breaker?: Breaker | false;
  maxBytes?: number;
}

/** The options of those adapters that know the server. */
export interface MidwayOptions extends McpOptions {
  /** The server is a gateway: a call that it refuses did not run. */
  trustRefusals?: boolean;
  /** Takes what the server says in the middle of a call, to pass it on. Asked when a call begins. Undefined: the run takes it. */
  midway?: () => Midway | undefined;
}

/** The options as one caller's connection uses them. */
export type Bound = MidwayOptions & { access?: Access };

export const MCP_TOOLS = {
  url: "url: 'https://example.com/mcp'", // the first is the example for what is not an object
  ...FOREIGN_TOOL_EXAMPLES,
  name: "name: 'crm'",
  command: "command: 'node'",
  args: "args: ['server.js']",
  env: 'env: { TOKEN: token }',
  cwd: "cwd: '/srv'",
  headers: 'headers: { authorization }',
  auth: 'auth: clientGrant({ ... })',
  fetch: 'fetch: signedFetch',
  perCaller: 'perCaller: true',
  search: 'search: { above: 40 }',
  resources: 'resources: true',
  prompts: 'prompts: true',
  pass: "pass: ['resources']",
  trustAnnotations: 'trustAnnotations: true',
  pins: "pins: 'pins.json'",
  acceptChange: 'acceptChange: () => false',
  protocol: "protocol: 'auto'",
  elicit: 'elicit: (question) => answer',
  startTimeout: 'startTimeout: 30_000',
  trustRefusals: 'trustRefusals: true',
  midway: 'midway: () => undefined',
} satisfies Record<keyof MidwayOptions, string>;

const KINDS: readonly MaterialKind[] = ['resources', 'prompts', 'completions'];

export const isModern = ({ protocol = '2025-11-25' }: McpOptions): boolean => protocol !== '2025-11-25';

/** @returns the source's name. @throws RondoError `CONFIG_INVALID`. */
export function check(o: McpOptions): string {
  checkOptions(o, MCP_TOOLS, 'mcpTools()');
  if ((o.command === undefined) === (o.url === undefined))
    throw invalid('mcpTools() takes either a command (a server to start) or a url (a server to call), not neither or both.');
  checkForeignTools(o, 'mcpTools()');
  if (typeof o.search === 'object' && !(o.search?.above >= 0))
    throw invalid('mcpTools(): search is true, or { above: 40 }, a number of tools of 0 or more.');
  if (o.protocol !== undefined && !['auto', '2025-11-25', '2026-07-28'].includes(o.protocol))
    throw invalid(`mcpTools(): protocol is "auto", "2025-11-25" or "2026-07-28", not ${JSON.stringify(o.protocol)}.`);
  if (o.pass !== undefined && !(Array.isArray(o.pass) && o.pass.every((kind) => KINDS.includes(kind))))
    throw invalid("mcpTools(): pass is a list of what to pass on: pass: ['resources', 'prompts', 'completions'].");
  if (o.startTimeout !== undefined && !(o.startTimeout > 0)) throw invalid('mcpTools(): startTimeout must be a number above 0.');
  if (o.command !== undefined) {
    if (typeof o.command !== 'string' || o.command === '') throw invalid('mcpTools(): command must name a program, such as "node".');
    if (o.auth) throw invalid('mcpTools(): auth is for a server over HTTP, with a url.');
    return o.name ?? o.command.split(/[\\/]/).at(-1) ?? o.command;
  }
  const url = URL.canParse(o.url as string) ? new URL(o.url as string) : undefined;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:')
    throw invalid(`mcpTools(): "${o.url}" is not an http or https URL, such as "https://example.com/mcp".`);
  if (o.auth && typeof o.auth !== 'function') checkAuth(o, o.auth);
  return o.name ?? url.host;
}

/** @throws RondoError `CONFIG_INVALID`. */
export function checkAuth({ perCaller }: McpOptions, auth: McpAuth): McpAuth {
  if (typeof auth?.access !== 'function')
    throw invalid('mcpTools(): auth is userGrant(), clientGrant() or assertionGrant(), or a function that returns one.');
  if (auth.ofUsers && !perCaller)
    throw invalid('mcpTools(): auth by userGrant() needs perCaller: true, because a token belongs to one user.');
  return auth;
}

/** Values given to the server that must be masked: from its environment, headers, arguments and URL. */
export function secretsOf({ env, headers, args = [], url }: McpOptions) {
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
