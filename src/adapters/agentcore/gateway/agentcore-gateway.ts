/** The tools of a deployed gateway, as a tool source. */

import { invalid, ToolError } from '../../../errors.ts';
import { type JsonObject, jsonIn } from '../../../json.ts';
import { possibleNames } from '../../../loop/tools/foreign-tools.ts';
import { definition, type Execute, executeOf, withExecute } from '../../../loop/tools/tool.ts';
import { checkOptions } from '../../../options.ts';
import type { OpenedSource, SourceCaller, Tool, ToolContext } from '../../../ports/tool.ts';
import type { SigningKeys } from '../../../server/sigv4.ts';
import { defaultKeys } from '../../aws/default-keys.ts';
import { type McpOptions, type McpSource, mcpTools } from '../../mcp/index.ts';
import { MCP_TOOLS, type MidwayOptions } from '../../mcp/options.ts';
import { withSession } from './consents.ts';
import { signingFetch, telling404 } from './signing.ts';

export interface AgentCoreGatewayOptions extends Omit<McpOptions, 'command' | 'args' | 'env' | 'cwd' | 'url' | 'fetch' | 'auth'> {
  /** The `gatewayUrl` of the gateway. That of one without protocolType does not end with `/mcp`, which is added. Either this or `gatewayId`. */
  url?: string;
  /** With `region`, in place of `url`. */
  gatewayId?: string;
  /** Default: that in the host of `url`, else `AWS_REGION`. Signed calls need it. */
  region?: string;
  /**
   * `sigv4`, the default: signed with the credentials of the environment, or with `credentials`. A function that gets a token for each request: with
   * `perCaller`, for the caller. It is asked again after a 401.
   */
  auth?: 'sigv4' | ((caller: SourceCaller) => string | Promise<string>);
  /** The keys of AWS to sign with. Default: those of the environment, else the default chain of the AWS SDK. */
  credentials?: () => SigningKeys | Promise<SigningKeys>;
}

const { command, args, env, cwd, fetch: _fetch, trustRefusals, midway, ...SHARED } = MCP_TOOLS;
const OPTIONS = {
  ...SHARED,
  gatewayId: "gatewayId: 'desk-a1b2c3d4e5'",
  region: "region: 'us-east-1'",
  auth: "auth: 'sigv4'",
  credentials: 'credentials: () => keys',
} satisfies Record<keyof AgentCoreGatewayOptions, string>;
const WHERE = 'agentcoreGateway()';
const SEARCH = 'x_amz_bedrock_agentcore_search';
const HOST = /^([0-9a-z-]+)\.gateway\.bedrock-agentcore\.([a-z0-9-]+)\.amazonaws\.com$/;

/**
 * The tools of a gateway of Amazon Bedrock AgentCore, by `mcpTools()`: its options hold, and it needs `@modelcontextprotocol/sdk`. With `search`,
 * `find_tools` asks the search of the gateway, if it has one; the search tool itself is never offered.
 *
 * A call that needs the consent of a user pauses the run with an approval of kind `consent`; see `gatewayConsents()`.
 * A call that the policy of the gateway refuses is a ToolError `NOT_PERMITTED`, which did not run; one over its rate is `RATE_LIMITED`, with the wait.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function agentcoreGateway(o: AgentCoreGatewayOptions): McpSource {
  checkOptions(o, OPTIONS, WHERE);
  const { url: _, gatewayId: __, region: ___, auth = 'sigv4', credentials, headers, ...options } = o ?? {};
  const { url, region } = placeOf(o ?? {});
  if (auth !== 'sigv4' && typeof auth !== 'function') throw invalid(`${WHERE}: auth is 'sigv4', or a function that gets a token.`);
  if (auth !== 'sigv4' && credentials) throw invalid(`${WHERE}: a token or credentials of AWS, not both.`);
  const name = options.name ?? new URL(url).host;
  const known: MidwayOptions = { ...options, name, url, trustRefusals: true, ...(auth === 'sigv4' ? signed() : bearer(auth)) };
  const inner = mcpTools(known);

  function signed(): Pick<McpOptions, 'fetch' | 'headers'> {
    if (!region) throw invalid(`${WHERE} needs a region to sign for: { region: 'us-east-1' }.`);
    const keys = credentials ? async () => credentials() : defaultKeys(WHERE);
    return { fetch: telling404(signingFetch(keys, region)), ...(headers && { headers }) };
  }
  function bearer(token: (caller: SourceCaller) => string | Promise<string>): Pick<McpOptions, 'fetch' | 'headers'> {
    return {
      fetch: telling404((to, init) => fetch(to, init)),
      headers: async (caller) => ({
        ...(typeof headers === 'function' ? await headers(caller) : headers),
        authorization: `Bearer ${await token(caller)}`,
      }),
    };
  }

  const { prefix = '' } = options;
  const searchName = prefix + SEARCH;
  return {
    ...inner,
    async open(opening) {
      const opened = await inner.open(opening);
      const told = telling();
      const withoutSearch = (tools: readonly Tool[]) => tools.filter((tool) => tool.name !== searchName).map(told);
      return {
        ...opened,
        list: async () => withoutSearch(await opened.list()),
        ...(opened.search &&
          ({
            search: async (query, asked) => withoutSearch(await found(opened, searchName, prefix, query, asked)),
            find: async (tool, asked) =>
              tool === searchName ? undefined : withoutSearch([await opened.find?.(tool, asked)].flatMap(present))[0],
          } satisfies Partial<OpenedSource>)),
      };
    },
  };
}

const present = <T>(value: T | undefined): T[] => (value === undefined ? [] : [value]);

/** @throws RondoError `CONFIG_INVALID`. */
function placeOf({ url, gatewayId, region }: AgentCoreGatewayOptions): { url: string; region: string | undefined } {
  if ((url === undefined) === (gatewayId === undefined))
    throw invalid(`${WHERE} takes either a url, the gatewayUrl of the gateway, or a gatewayId with its region.`);
  if (url !== undefined) {
    if (!URL.canParse(url)) throw invalid(`${WHERE}: url is the gatewayUrl of the gateway, such as 'https://….amazonaws.com/mcp'.`);
    return { url: atMcp(url), region: region ?? HOST.exec(new URL(url).hostname)?.[2] ?? process.env.AWS_REGION };
  }
  const of = region ?? process.env.AWS_REGION;
  if (!/^[0-9a-z]([0-9a-z-]*[0-9a-z])?$/.test(gatewayId as string) || !of || !/^[a-z0-9-]+$/.test(of))
    throw invalid(`${WHERE}: gatewayId is an id such as 'desk-a1b2c3d4e5', and region one such as 'us-east-1'.`);
  return { url: `https://${gatewayId}.gateway.bedrock-agentcore.${of}.amazonaws.com/mcp`, region: of };
}

function atMcp(given: string): string {
  const url = new URL(given);
  if (/^(\/gateways\/[^/]+)?\/?$/.test(url.pathname)) url.pathname = `${url.pathname.replace(/\/$/, '')}/mcp`;
  return url.href;
}

/** Tools whose consents are those of AgentCore. An unchanged tool stays the same object, which identifies its circuit. */
function telling(): (tool: Tool) => Tool {
  const made = new WeakMap<Tool, Tool>();
  return (tool) => {
    const known = made.get(tool);
    if (known) return known;
    const own = definition(tool);
    const execute: Execute = async (input, ctx) => {
      try {
        return await executeOf(own)(input, ctx);
      } catch (error) {
        throw withSession(error);
      }
    };
    // a tool that is held back executes nothing
    const now = own.held === undefined ? withExecute(own, execute) : tool;
    made.set(tool, now);
    return now;
  };
}

/** By the search of the gateway, or by that of `mcpTools()` if it has none. */
async function found(
  { search, find }: OpenedSource,
  searchName: string,
  prefix: string,
  query: string,
  o: { limit: number; signal: AbortSignal },
): Promise<readonly Tool[]> {
  const asking = await find?.(searchName, o);
  if (!asking) return search?.(query, o) ?? [];
  const names = namesIn(await executeOf(asking)({ query }, outsideOfARun(o.signal)));
  const tools = await Promise.all(names.slice(0, o.limit).map((name) => named(name, prefix, (one) => find?.(one, o))));
  return tools.flatMap(present);
}

async function named(
  name: string,
  prefix: string,
  find: (name: string) => Promise<Tool | undefined> | undefined,
): Promise<Tool | undefined> {
  for (const one of possibleNames(name, prefix)) {
    const tool = await find(one);
    if (tool) return tool;
  }
  return undefined;
}

/** The names in the answer of the search. @throws ToolError for another answer. */
function namesIn(answer: unknown): string[] {
  const value = typeof answer === 'string' ? jsonIn(answer) : answer;
  const { tools } = (value ?? {}) as { tools?: unknown };
  if (!Array.isArray(tools))
    throw new ToolError('MCP_BAD_RESULT', 'The search of the gateway answered something else than tools.', { outcome: 'failed' });
  return tools.flatMap((tool) => (typeof (tool as JsonObject | null)?.name === 'string' ? [(tool as { name: string }).name] : []));
}

/** The model does not make this call, so it is not in the journal. */
const outsideOfARun = (signal: AbortSignal): ToolContext => {
  const known: Partial<ToolContext> = {
    signal,
    idempotencyKey: `search-${Math.random().toString(36).slice(2)}`,
    progress: () => undefined,
    alive: () => undefined,
  };
  return known as ToolContext;
};
