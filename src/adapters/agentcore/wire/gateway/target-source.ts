/** The targets of a gateway as tool sources. */
import { ToolError } from '../../../../errors.ts';
import type { Json, JsonObject } from '../../../../json.ts';
import { foreignSchema } from '../../../../json-schema.ts';
import { definition, tool } from '../../../../loop/tool.ts';
import type { SourceCaller, Tool, ToolContext, ToolSource } from '../../../../ports/tool.ts';
import { openApiTools } from '../../../gateway/index.ts';
import { mcpTools } from '../../../mcp/index.ts';
import type { Bound } from '../bindings.ts';
import type { World } from '../call.ts';
import { AwsError } from '../codec/error.ts';
import { outboundOf } from './credentials.ts';
import { exchange, tellLog } from './exchange.ts';
import { invokeLambda } from './lambda.ts';
import type { ListedTool, Target } from './resources.ts';
import { kindOf, type LambdaTool, type McpTarget } from './target-configuration.ts';

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
    default:
      throw new AwsError('NotImplementedException', `This server does not execute a target of ${kindOf({ mcp })}.`);
  }
}

/** A list of tools that is there at once. */
const listed = (name: string, tools: readonly Tool[]): ToolSource => ({
  name,
  open: async () => ({ list: async () => tools, close: async () => undefined }),
});

function lambdaSource(
  { bound }: TargetWorld,
  { id, gateway, name }: Target,
  { lambdaArn, toolSchema }: NonNullable<McpTarget['lambda']>,
  o: OfGateway,
): ToolSource {
  const toolOf = (described: LambdaTool) =>
    tool({
      name: described.name,
      description: described.description,
      input: foreignSchema(described.inputSchema as unknown as JsonObject, `the input of ${described.name}`),
      timeout: CALL,
      breaker: false,
      execute: opaque(o, (input, ctx) => {
        const { id: requestId = '', messageId = '' } = exchange.getStore() ?? {};
        const custom = {
          bedrockAgentCoreMessageVersion: '1.0',
          bedrockAgentCoreAwsRequestId: requestId,
          bedrockAgentCoreMcpMessageId: messageId,
          bedrockAgentCoreGatewayId: gateway,
          bedrockAgentCoreTargetId: id,
          bedrockAgentCoreToolName: `${name}___${described.name}`,
        };
        return invokeLambda(bound, lambdaArn, { event: input as Json, custom, signal: ctx.signal, remaining: ctx.deadline - Date.now() });
      }),
    });
  return listed(name, (toolSchema.inlinePayload ?? []).map(toolOf));
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
      const why = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
      tellLog(why);
      throw new ToolError('TARGET_FAILED', debug ? why : OPAQUE, { outcome: 'unknown', cause: error });
    }
  };
}

function openApiSource({ world, bound }: TargetWorld, target: Target, document: string, o: OfGateway): ToolSource {
  const credentials = outboundOf(target.settings.credentialProviderConfigurations ?? [], { region: world.region, kind: 'openApiSchema' });
  const server = serverIn(document);
  const inner = openApiTools({
    document,
    name: target.name,
    ...(server !== undefined && { server: bound.url(server) }),
    ...(credentials && { credentials }),
  });
  return {
    ...inner,
    async open(caller) {
      const opened = await inner.open(caller);
      const tools = (await opened.list()).map((one) => executing(one, (execute) => opaque(o, execute)));
      return { ...opened, list: async () => tools };
    },
  };
}

/** The same tool, with another way to execute it. */
function executing(one: Tool, change: (execute: (input: unknown, ctx: ToolContext) => unknown) => unknown): Tool {
  const own = definition(one);
  const execute = own.options.execute as (input: unknown, ctx: ToolContext) => unknown;
  return { ...own, options: { ...own.options, execute: change(execute) } } as unknown as Tool;
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
