/** The targets of a gateway as tool sources. */
import { ToolError } from '../../../../errors.ts';
import { definition, type Execute, executeOf, withExecute } from '../../../../loop/tools/tool.ts';
import type { ToolSource } from '../../../../ports/tool.ts';
import { messageOf } from '../../../../reliability/classify.ts';
import { type LambdaOptions, lambdaTools, type SearchBackend, webSearch } from '../../../gateway/index.ts';
import { readDocument } from '../../../gateway/openapi/document.ts';
import { serviceSource } from '../../../gateway/openapi/source.ts';
import { passes } from '../../../gateway/web/search.ts';
import { loaded } from '../bindings.ts';
import { AwsError } from '../codec/error.ts';
import { readServed, servedAt, WHERE } from './api-servers.ts';
import { outboundOf } from './credentials.ts';
import { lambdaToolsOf, textOf } from './documents.ts';
import { exchange, OPAQUE, tellLog } from './exchange.ts';
import { boundFunction } from './lambda.ts';
import type { Target } from './resources.ts';
import { type RestApiTarget, restApiDocument, restApiUrl } from './rest-api.ts';
import { isKept, serverSource } from './server-target.ts';
import { smithySource } from './smithy/source.ts';
import { type Connector, kindOf, type McpServerTarget, type McpTarget, WEB_SEARCH_TOOL } from './target-configuration.ts';
import type { TargetWorld } from './target-world.ts';

/** Milliseconds of a call. */
const CALL = 900_000;

/** What a target needs of its gateway. */
export interface OfGateway {
  /** Whether the client is told why a function or a service failed. */
  readonly debug: boolean;
}

/** The source of a target. What is not valid of it is found when it is opened: the other targets of the gateway have their tools. */
export function targetSource(of: TargetWorld, target: Target, gateway: OfGateway): ToolSource {
  try {
    return sourceOf(of, target, gateway);
  } catch (error) {
    return { name: target.name, open: () => Promise.reject(error) };
  }
}

function sourceOf(of: TargetWorld, target: Target, gateway: OfGateway): ToolSource {
  const { mcp = {} } = target.settings.targetConfiguration;
  switch (kindOf({ mcp })) {
    case 'lambda':
      return lambdaSource(of, target, (mcp.lambda as NonNullable<McpTarget['lambda']>).lambdaArn, gateway);
    case 'openApiSchema':
      return openApiSource(of, target, textOf(target), gateway);
    case 'mcpServer': {
      const server = mcp.mcpServer as McpServerTarget;
      return serverSource(of, target, { endpoint: server.endpoint, kept: isKept(server) ? (target.listed ?? []) : undefined, ...gateway });
    }
    case 'smithyModel':
      return changed(smithySource(of, target), (execute) => opaque(gateway, execute));
    case 'apiGateway':
      return restApiSource(of, target, mcp.apiGateway as RestApiTarget, gateway);
    case 'connector':
      return webSource(of, target, mcp.connector as Connector, gateway);
    default:
      throw new AwsError('NotImplementedException', `This server does not execute a target of ${kindOf({ mcp })}.`);
  }
}

function lambdaSource({ bound }: TargetWorld, target: Target, lambdaArn: string, o: OfGateway): ToolSource {
  const { id, gateway, name } = target;
  const invoke = boundFunction(bound, lambdaArn);
  const source = lambdaTools({
    target: name,
    gateway,
    tools: lambdaToolsOf(target) as unknown as LambdaOptions['tools'],
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
function opaque({ debug }: OfGateway, execute: Execute): Execute {
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
  const source = serviceSource(
    { name: target.name, ...(credentials && { credentials }) },
    { where: WHERE, read: () => readServed(document), servedAt: servedAt(bound) },
  );
  return changed(source, (execute) => opaque(o, execute));
}

function restApiSource({ world, bound }: TargetWorld, target: Target, api: RestApiTarget, o: OfGateway): ToolSource {
  const where = 'apiGateway';
  const { region } = world;
  const given = target.settings.credentialProviderConfigurations ?? [];
  const credentials = outboundOf(given, { region, kind: where, service: 'execute-api' });
  const source = serviceSource(
    { name: target.name, server: bound.url(restApiUrl(api, region)), ...(credentials && { credentials }) },
    { where, read: async () => readDocument(restApiDocument(textOf(target), api), where) },
  );
  return changed(source, (execute) => opaque(o, execute));
}

/** The same tools, with another way to execute them. */
function changed(source: ToolSource, change: (execute: Execute) => Execute): ToolSource {
  return {
    ...source,
    async open(caller) {
      const opened = await source.open(caller);
      const tools = (await opened.list()).map((one) => withExecute(definition(one), change(executeOf(one))));
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
