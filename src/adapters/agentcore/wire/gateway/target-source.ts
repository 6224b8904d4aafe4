/** The targets of a gateway as tool sources. */
import { ToolError } from '../../../../errors.ts';
import type { Json, JsonObject } from '../../../../json.ts';
import { foreignSchema } from '../../../../json-schema.ts';
import { definition, tool } from '../../../../loop/tool.ts';
import type { SourceCaller, Tool, ToolContext, ToolSource } from '../../../../ports/tool.ts';
import { messageOf } from '../../../../reliability/classify.ts';
import { type LambdaOptions, lambdaTools, openApiTools, type SearchBackend, webSearch } from '../../../gateway/index.ts';
import { passes } from '../../../gateway/web/search.ts';
import { mcpTools } from '../../../mcp/index.ts';
import { type Bound, loaded } from '../bindings.ts';
import type { World } from '../call.ts';
import { AwsError } from '../codec/error.ts';
import { outboundOf } from './credentials.ts';
import { exchange, tellLog } from './exchange.ts';
import { boundFunction } from './lambda.ts';
import type { ListedTool, Target } from './resources.ts';
import { type Connector, kindOf, type McpTarget, WEB_SEARCH_TOOL } from './target-configuration.ts';

export interface TargetWorld {
  readonly world: World;
  readonly bound: Bound;
}

/** Milliseconds of a call. */
const CALL = 900_000;
const OPAQUE = 'An internal error occurred. Please retry later.';

/** What a target needs of its gateway. */
export interface OfGateway {
  /** Whether the client is told why a function or a service failed. */
  readonly debug: boolean;
}

/** @throws AwsError for what this server does not execute, RondoError for what is not valid. */
export function targetSource(of: TargetWorld, target: Target, gateway: OfGateway): ToolSource {
  const { mcp = {} } = target.settings.targetConfiguration;
  switch (kindOf({ mcp })) {
    case 'lambda':
      return lambdaSource(of, target, mcp.lambda as NonNullable<McpTarget['lambda']>, gateway);
    case 'openApiSchema':
      return openApiSource(of, target, mcp.openApiSchema?.inlinePayload ?? '', gateway);
    case 'mcpServer': {
      const server = mcp.mcpServer as NonNullable<McpTarget['mcpServer']>;
      const source = serverSource(of, target, server.endpoint);
      return listedSource(source, server.listingMode === 'DYNAMIC' ? undefined : (target.listed ?? []));
    }
    case 'connector':
      return webSource(of, target, mcp.connector as Connector, gateway);
    default:
      throw new AwsError('NotImplementedException', `This server does not execute a target of ${kindOf({ mcp })}.`);
  }
}

function lambdaSource(
  { bound }: TargetWorld,
  { id, gateway, name }: Target,
  { lambdaArn, toolSchema }: NonNullable<McpTarget['lambda']>,
  o: OfGateway,
): ToolSource {
  const invoke = boundFunction(bound, lambdaArn);
  const source = lambdaTools({
    target: name,
    gateway,
    tools: (toolSchema.inlinePayload ?? []) as unknown as LambdaOptions['tools'],
    timeout: CALL,
    breaker: false,
    invoke(call) {
      const { id: requestId = '', messageId = '' } = exchange.getStore() ?? {};
      const ids = {
        bedrockAgentCoreAwsRequestId: requestId,
        bedrockAgentCoreMcpMessageId: messageId,
        bedrockAgentCoreTargetId: id,
      };
      return invoke({ ...call, clientContext: { custom: { ...call.clientContext.custom, ...ids } } });
    },
  });
  return changed(source, (execute) => opaque(o, execute));
}

/** A failure that the client is told nothing of, and the log all. */
function opaque<T>(
  { debug }: OfGateway,
  execute: (input: unknown, ctx: ToolContext) => T | Promise<T>,
): (input: unknown, ctx: ToolContext) => Promise<T> {
  return async (input, ctx) => {
    try {
      return await execute(input, ctx);
    } catch (error) {
      const why = messageOf(error);
      tellLog(why);
      throw new ToolError('TARGET_FAILED', debug ? why : OPAQUE, { outcome: 'unknown', cause: error });
    }
  };
}

function openApiSource({ world, bound }: TargetWorld, target: Target, document: string, o: OfGateway): ToolSource {
  const credentials = outboundOf(target.settings.credentialProviderConfigurations ?? [], { region: world.region, kind: 'openApiSchema' });
  const server = serverIn(document);
  const source = openApiTools({
    document,
    name: target.name,
    ...(server !== undefined && { server: bound.url(server) }),
    ...(credentials && { credentials }),
  });
  return changed(source, (execute) => opaque(o, execute));
}

type Execute = (input: unknown, ctx: ToolContext) => unknown;

/** The same tools, with another way to execute them. */
function changed(source: ToolSource, change: (execute: Execute) => unknown): ToolSource {
  return {
    ...source,
    async open(caller) {
      const opened = await source.open(caller);
      const tools = (await opened.list()).map((one) => {
        const own = definition(one);
        return { ...own, options: { ...own.options, execute: change(own.options.execute as Execute) } } as unknown as Tool;
      });
      return { ...opened, list: async () => tools };
    },
  };
}

/** The backend that is bound to the connector, within the domains that the target allows. */
function webSource(
  { bound }: TargetWorld,
  { name }: Target,
  { source: { connectorId }, configurations = [] }: Connector,
  o: OfGateway,
): ToolSource {
  const own = configurations.find((configuration) => configuration.name === WEB_SEARCH_TOOL);
  const { domainFilter = {} } = (own?.parameterValues ?? {}) as { domainFilter?: { include?: string[]; exclude?: string[] } };
  const within = { include: domainFilter.include ?? [], exclude: domainFilter.exclude ?? [], from: undefined, to: undefined };
  return {
    name,
    async open(caller) {
      const found = bound.connector(connectorId);
      if (!found)
        throw new Error(
          `Nothing is bound to this connector. Add "connector:${connectorId}" with a module and its export, such as brave(), to the bindings.`,
        );
      const backend = (await loaded(found)) as SearchBackend;
      const search: SearchBackend['search'] = async (query, ctx) =>
        (await backend.search(query, ctx)).filter((result) => passes(result, within));
      return changed(webSearch({ backend: { ...backend, search }, ttl: false }), (execute) => opaque(o, execute)).open(caller);
    },
  };
}

/** The address in a document, which its creator has chosen for the gateway. */
function serverIn(document: string): string | undefined {
  const named = /["']?servers["']?\s*:[\s\S]*?["']?url["']?\s*:\s*["']?(https?:\/\/[^"'\s]+)/.exec(document)?.[1];
  return named !== undefined && URL.canParse(named) && !named.includes('{') ? named : undefined;
}

function serverSource({ world, bound }: TargetWorld, target: Target, endpoint: string): ToolSource {
  const credentials = outboundOf(target.settings.credentialProviderConfigurations ?? [], { region: world.region, kind: 'mcpServer' });
  if (credentials && credentials.type !== 'pass-through')
    throw new AwsError('NotImplementedException', `This server does not execute ${credentials.type} credentials for an MCP server.`);
  return mcpTools({
    name: target.name,
    url: bound.url(endpoint),
    breaker: false,
    timeout: CALL,
    ...(credentials && {
      perCaller: true,
      headers: ({ assertion }: SourceCaller) => ({ ...(assertion && { authorization: `Bearer ${assertion.token}` }) }),
    }),
  });
}

/** A server whose tools are called as they are now. @param kept what it listed when it was synchronized; undefined: it is listed each time. */
function listedSource(source: ToolSource, kept: readonly ListedTool[] | undefined): ToolSource {
  return {
    ...source,
    async open(caller) {
      let opened: ReturnType<ToolSource['open']> | undefined;
      const known = new Map<string, Tool>();
      const connected = () => {
        opened ??= source.open(caller).catch((error) => {
          opened = undefined;
          throw error;
        });
        return opened;
      };
      const close = async () => {
        const last = opened;
        opened = undefined;
        await (await last?.catch(() => undefined))?.close();
      };
      const found = async (name: string) => (await (await connected()).list()).find((one) => one.name === name);

      function toolOf(listed: ListedTool): Tool {
        const key = JSON.stringify(listed);
        const made = known.get(key) ?? calling(listed);
        known.set(key, made);
        return made;
      }
      const calling = ({ name, description = '', inputSchema }: ListedTool) =>
        tool({
          name,
          description,
          input: foreignSchema(inputSchema as JsonObject, `the input of ${name}`),
          timeout: CALL,
          breaker: false,
          async execute(input, ctx) {
            let now = await found(name);
            if (!now) {
              // it came after the connection was made
              await close();
              now = await found(name);
            }
            const execute = now && definition(now).options.execute;
            if (!execute) throw new ToolError('TOOL_NOT_FOUND', `The server has no tool ${name} any more.`, { outcome: 'not-run' });
            return (await execute(input as never, ctx as never)) as Json;
          },
        });
      return { list: async () => (kept ?? (await listOf(source, caller))).map(toolOf), close };
    },
  };
}

/** What the tools of a source are, for a gateway that keeps the list. */
export async function listOf(source: ToolSource, caller: { signal: AbortSignal } & SourceCaller): Promise<readonly ListedTool[]> {
  const opened = await source.open(caller);
  try {
    return (await opened.list()).map((one) => {
      const { name, description, input } = definition(one).spec;
      return { name, description, inputSchema: input };
    });
  } finally {
    await opened.close();
  }
}
