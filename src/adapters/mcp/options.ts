import { invalid } from '../../errors.ts';
import type { Json } from '../../json.ts';
import type { Breaker, Effect, Retry, ToolOptions } from '../../ports/tool.ts';
import type { Schema } from '../../schema.ts';
import { secretsIn } from '../../secrets.ts';

// biome-ignore lint/suspicious/noExplicitAny: a server's arguments have no static type
type Approval = ToolOptions<string, Schema<any>, Schema<any>, never, Json>['approval'];

/** A tool that is not what it was when it was pinned. `pinned` and `now` are hashes; the rest is what the server says now. */
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

/** @returns the source's name. @throws RondoError `CONFIG_INVALID`. */
export function check(o: McpOptions): string {
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
