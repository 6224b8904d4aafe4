/** What a target of a gateway is, as the control plane takes it, and which of it this server executes. */
import { AwsError, refused } from '../codec/error.ts';
import { checkRestApi, type RestApiTarget } from './rest-api.ts';

/** A schema as AgentCore has it: JSON Schema without what is not listed here. */
export interface SchemaDefinition {
  type: 'string' | 'number' | 'object' | 'array' | 'boolean' | 'integer';
  properties?: Readonly<Record<string, SchemaDefinition>>;
  required?: readonly string[];
  items?: SchemaDefinition;
  description?: string;
}

export interface LambdaTool {
  name: string;
  description: string;
  inputSchema: SchemaDefinition;
  outputSchema?: SchemaDefinition;
}

interface Source {
  s3?: { uri: string };
  inlinePayload?: string;
}

export interface Connector {
  source: { connectorId: string; version?: string };
  enabled?: readonly string[];
  configurations?: readonly {
    name: string;
    description?: string;
    parameterValues?: unknown;
    parameterOverrides?: readonly { path: string; description?: string; visible?: boolean }[];
  }[];
}

export interface McpServerTarget {
  endpoint: string;
  mcpToolSchema?: Source;
  listingMode?: 'DEFAULT' | 'DYNAMIC';
  resourcePriority?: number;
}

export interface McpTarget {
  lambda?: { lambdaArn: string; toolSchema: { s3?: { uri: string }; inlinePayload?: readonly LambdaTool[] } };
  openApiSchema?: Source;
  smithyModel?: Source;
  mcpServer?: McpServerTarget;
  apiGateway?: RestApiTarget;
  connector?: Connector;
}

export interface RuntimeTarget {
  arn: string;
  qualifier?: string;
  schema?: { source: Source };
}

export interface Passthrough {
  endpoint: string;
  protocolType: 'MCP' | 'A2A' | 'INFERENCE' | 'CUSTOM';
  schema?: { source: Source };
  /** How a session is known whose target a weighted rule has chosen. `timeout` is in seconds. */
  stickinessConfiguration?: { identifier: string; timeout?: number; compositeIdentifier?: readonly string[] };
  staticQueryParameters?: Readonly<Record<string, string>>;
  staticQueryParameterConflictResolution?: 'CLIENT_OVERRIDE' | 'STATIC_OVERRIDE';
}

export interface InferenceProvider {
  endpoint: string;
  modelMapping?: { providerPrefix?: { strip?: boolean; separator?: string } };
  operations?: readonly { path: string; providerPath?: string; models?: readonly { model: string }[] }[];
}

/** Unions: one member is set. */
export interface TargetConfiguration {
  mcp?: McpTarget;
  http?: { agentcoreRuntime?: RuntimeTarget; passthrough?: Passthrough; connector?: object };
  inference?: { provider?: InferenceProvider; connector?: object };
}

export interface CredentialConfiguration {
  credentialProviderType: 'GATEWAY_IAM_ROLE' | 'OAUTH' | 'API_KEY' | 'CALLER_IAM_CREDENTIALS' | 'JWT_PASSTHROUGH';
  credentialProvider?: {
    oauthCredentialProvider?: {
      providerArn: string;
      scopes: readonly string[];
      customParameters?: Readonly<Record<string, string>>;
      grantType?: 'CLIENT_CREDENTIALS' | 'AUTHORIZATION_CODE' | 'TOKEN_EXCHANGE';
      defaultReturnUrl?: string;
    };
    apiKeyCredentialProvider?: {
      providerArn: string;
      credentialParameterName?: string;
      credentialPrefix?: string;
      credentialLocation?: 'HEADER' | 'QUERY_PARAMETER';
    };
    iamCredentialProvider?: { service: string; region?: string };
  };
}

/** The connector that searches the web, and its tool. */
const WEB_SEARCH = 'web-search';
export const WEB_SEARCH_TOOL = 'WebSearch';

const TYPES: Readonly<Record<string, string>> = {
  lambda: 'LAMBDA',
  openApiSchema: 'OPEN_API_SCHEMA',
  smithyModel: 'SMITHY_MODEL',
  mcpServer: 'MCP_SERVER',
  apiGateway: 'API_GATEWAY',
  connector: 'CONNECTOR',
  agentcoreRuntime: 'AGENTCORE_RUNTIME',
  passthrough: 'PASSTHROUGH',
  provider: 'PROVIDER',
};

export const kindOf = ({ mcp, http, inference }: TargetConfiguration): string => Object.keys(mcp ?? http ?? inference ?? {})[0] ?? '';
export const typeOf = (configuration: TargetConfiguration): string => TYPES[kindOf(configuration)] ?? kindOf(configuration);

const notExecuted = (what: string, instead: string) =>
  new AwsError('NotImplementedException', `This server does not execute ${what} as a target of a gateway. ${instead}`);

/** Gateways whose callers sign: only there the requests of a target can be signed for them. */
const SIGNED = ['AWS_IAM', 'AUTHENTICATE_ONLY'];

/** Types of credentials that a kind of target may have. */
const CREDENTIALS: Readonly<Record<string, { types: readonly string[]; required: boolean }>> = {
  lambda: { types: ['GATEWAY_IAM_ROLE'], required: true },
  openApiSchema: { types: ['OAUTH', 'API_KEY', 'GATEWAY_IAM_ROLE'], required: false },
  smithyModel: { types: ['GATEWAY_IAM_ROLE'], required: true },
  mcpServer: { types: ['OAUTH', 'API_KEY', 'GATEWAY_IAM_ROLE'], required: false },
  apiGateway: { types: ['GATEWAY_IAM_ROLE', 'API_KEY'], required: false },
  connector: { types: ['GATEWAY_IAM_ROLE'], required: true },
  agentcoreRuntime: { types: ['GATEWAY_IAM_ROLE', 'CALLER_IAM_CREDENTIALS', 'OAUTH', 'JWT_PASSTHROUGH'], required: false },
  passthrough: { types: ['GATEWAY_IAM_ROLE', 'OAUTH', 'API_KEY', 'JWT_PASSTHROUGH'], required: false },
  provider: { types: ['GATEWAY_IAM_ROLE', 'OAUTH', 'API_KEY', 'JWT_PASSTHROUGH'], required: false },
};

/** What a target must fit of its gateway. */
export interface GatewayOfTarget {
  protocolType?: string;
  authorizerType: string;
  protocolConfiguration?: { mcp?: { supportedVersions?: readonly string[] } };
  interceptorConfigurations?: readonly unknown[];
}

/** @throws AwsError `ValidationException` for what AWS refuses, `NotImplementedException` for what only AWS executes. */
export function checkTarget(
  { mcp, http, inference }: TargetConfiguration,
  credentials: readonly CredentialConfiguration[],
  gateway: GatewayOfTarget,
): void {
  if ((http || inference) && gateway.protocolType === 'MCP')
    throw refused('A gateway with the protocolType MCP takes targets of mcp alone. Create it without protocolType.');
  const [given] = credentials;
  if (given?.credentialProviderType === 'CALLER_IAM_CREDENTIALS' && !SIGNED.includes(gateway.authorizerType))
    throw refused(`CALLER_IAM_CREDENTIALS needs a gateway with the authorizerType ${SIGNED.join(' or ')}, not ${gateway.authorizerType}.`);
  const other = http?.connector ? 'http.connector' : inference?.connector ? 'inference.connector' : undefined;
  if (other !== undefined) throw notExecuted(other, 'It executes what is configured without one.');
  if (http || inference) checkHttp({ ...http, ...inference }, given, gateway);
  const configuration = mcp ?? {};
  const kind = kindOf({ ...(mcp && { mcp }), ...(http && { http }), ...(inference && { inference }) });
  const { connector, lambda, apiGateway } = configuration;
  if (connector && connector.source.connectorId !== WEB_SEARCH)
    throw notExecuted(`the connector ${connector.source.connectorId}`, `It executes ${WEB_SEARCH}.`);
  // measured by those who made one
  if (connector && !connector.configurations?.some(({ name }) => name === WEB_SEARCH_TOOL))
    throw refused(
      `The connector ${WEB_SEARCH} needs a configuration of its tool: { "name": "${WEB_SEARCH_TOOL}", "parameterValues": {} }.`,
    );
  if (apiGateway) {
    checkRestApi(apiGateway);
    checkNames((apiGateway.apiGatewayToolConfiguration.toolOverrides ?? []).map(({ name }) => name));
  }
  // what is in S3 is checked when it is read
  if (lambda && !lambda.toolSchema.s3) checkTools(lambda.toolSchema.inlinePayload ?? []);
  const { types, required } = CREDENTIALS[kind] as { types: readonly string[]; required: boolean };
  if (!given && required) throw refused(`A target of ${kind} needs the credential provider type ${types[0]}.`);
  // the text of AWS, as users measured it
  if (given?.credentialProviderType === 'JWT_PASSTHROUGH' && kind === 'mcpServer')
    throw refused('MCP server target does not support JWT_PASSTHROUGH credential provider type');
  if (given && !types.includes(given.credentialProviderType))
    throw refused(`A target of ${kind} takes credential providers of ${types.join(', ')}, and not ${given.credentialProviderType}.`);
  if (given) checkCredential(given, kind);
  if (given?.credentialProvider?.oauthCredentialProvider?.grantType === 'AUTHORIZATION_CODE') checkConsent(given, configuration, gateway);
}

function checkHttp(
  { agentcoreRuntime, ...service }: NonNullable<TargetConfiguration['http']> & NonNullable<TargetConfiguration['inference']>,
  given: CredentialConfiguration | undefined,
  gateway: GatewayOfTarget,
): void {
  if ((gateway.interceptorConfigurations ?? []).length > 0)
    throw notExecuted('http', 'The gateway has interceptors, which see MCP alone here.');
  // users measured that it must be one of a runtime
  if (agentcoreRuntime && !/^arn:[^:]+:bedrock-agentcore:[^:]+:\d{12}:runtime\/[^/]+$/.test(agentcoreRuntime.arn))
    throw refused(`The arn of a target of agentcoreRuntime is that of a runtime, and not ${agentcoreRuntime.arn}.`);
  const type = given?.credentialProviderType;
  if (!agentcoreRuntime && type === 'CALLER_IAM_CREDENTIALS')
    throw notExecuted(`${Object.keys(service)[0]} with CALLER_IAM_CREDENTIALS`, 'Give it another type.');
  if (type === 'JWT_PASSTHROUGH' && gateway.authorizerType !== 'CUSTOM_JWT')
    throw refused(`JWT_PASSTHROUGH needs a gateway with the authorizerType CUSTOM_JWT, not ${gateway.authorizerType}.`);
  if (given?.credentialProvider?.oauthCredentialProvider?.grantType === 'AUTHORIZATION_CODE')
    throw notExecuted('http with the grant type AUTHORIZATION_CODE', 'Only MCP says how a user is asked.');
}

/** The quota of AWS. */
const MOST_TOOLS = 1_000;
const LONGEST_NAME = 256;

/** @throws AwsError `ValidationException`, `ServiceQuotaExceededException`. */
export function checkTools(tools: readonly LambdaTool[]): void {
  if (tools.length === 0) throw refused('The tool schema has no tool.');
  if (tools.length > MOST_TOOLS) throw new AwsError('ServiceQuotaExceededException', `A target has at most ${MOST_TOOLS} tools.`);
  checkNames(tools.map(({ name }) => name));
}

function checkNames(names: readonly string[]): void {
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) throw refused(`There are two tools with the name ${twice}.`);
  const odd = names.find((name) => !/^[a-zA-Z0-9_-]+$/.test(name) || name.length > LONGEST_NAME);
  if (odd !== undefined)
    throw refused(`The name of a tool is 1 to ${LONGEST_NAME} letters, digits, "_" and "-"; ${JSON.stringify(odd)} is not.`);
}

const PROVIDERS: Readonly<Record<string, keyof NonNullable<CredentialConfiguration['credentialProvider']>>> = {
  OAUTH: 'oauthCredentialProvider',
  API_KEY: 'apiKeyCredentialProvider',
};

function checkCredential({ credentialProviderType: type, credentialProvider: provider }: CredentialConfiguration, kind: string): void {
  const needed = PROVIDERS[type];
  if (needed !== undefined && !provider?.[needed]) throw refused(`The credential provider type ${type} needs ${needed}.`);
  if (type === 'GATEWAY_IAM_ROLE' && ['mcpServer', 'passthrough', 'provider'].includes(kind) && !provider?.iamCredentialProvider)
    throw refused(
      `A target of ${kind} with GATEWAY_IAM_ROLE needs an iamCredentialProvider, with the service that the requests are signed for.`,
    );
}

/** The version of MCP that has URL elicitation, by which a user is asked. */
export const ELICITS = '2025-11-25';

/** Whether an administrator must consent before the tools of a target are known. */
export function asksAdministrator({ mcp }: TargetConfiguration, [credential]: readonly CredentialConfiguration[] = []): boolean {
  const { grantType } = credential?.credentialProvider?.oauthCredentialProvider ?? {};
  return grantType === 'AUTHORIZATION_CODE' && mcp?.mcpServer !== undefined && !mcp.mcpServer.mcpToolSchema;
}

/** A user who consents must be known to the gateway, and be asked. */
function checkConsent({ credentialProvider }: CredentialConfiguration, { mcpServer }: McpTarget, gateway: GatewayOfTarget): void {
  // the text of AWS, as users measured it
  if (gateway.authorizerType !== 'CUSTOM_JWT')
    throw refused(`3LO Auth is not supported when gateway authorizer type is ${gateway.authorizerType}`);
  const versions = gateway.protocolConfiguration?.mcp?.supportedVersions;
  if (versions && !versions.some((version) => version >= ELICITS))
    throw refused(`The grant type AUTHORIZATION_CODE needs a gateway with the MCP version ${ELICITS} or newer.`);
  if (credentialProvider?.oauthCredentialProvider?.defaultReturnUrl === undefined)
    throw refused('The grant type AUTHORIZATION_CODE needs a defaultReturnUrl.');
  if (mcpServer?.listingMode === 'DYNAMIC' && !mcpServer.mcpToolSchema)
    throw refused('The listing mode DYNAMIC does not go with the grant type AUTHORIZATION_CODE.');
}
