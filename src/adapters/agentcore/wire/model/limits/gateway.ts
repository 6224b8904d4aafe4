/** Limits of Gateway. Sources: the service models of botocore of 7 August 2026 and AWS's API reference. */
import type { Plane } from '../model.ts';
import { CLIENT_TOKEN, entries, KMS_KEY, type Limits, like, oneOf, PAGE, RETURN_URL, ROLE, range, TAGS, text } from './limit.ts';

const GATEWAY_ID = { gatewayIdentifier: like('([0-9a-z][-]?){1,100}-[0-9a-z]{10}') };
const GATEWAY_NAME = like('([0-9a-zA-Z][-]?){1,48}');
const TARGET_NAME = like('([0-9a-zA-Z][-]?){1,100}');
const TARGET = { ...GATEWAY_ID, targetId: like('[0-9a-zA-Z]{10}') };
const RATE_LIMIT_ID = text(2, 64, '[a-zA-Z0-9][a-zA-Z0-9\\-_\\.]{0,62}[a-zA-Z0-9]');
const RATE_LIMIT = { ...GATEWAY_ID, rateLimitId: RATE_LIMIT_ID };
const DIMENSION = text(
  1,
  80,
  '(targetName|toolName|qualifiedModelId|\\$\\.context\\.iam\\.principal|\\$\\.context\\.iam\\.sourceIdentity|\\$\\.context\\.jwt\\.[a-zA-Z_][a-zA-Z0-9_\\-\\.]{0,61}[a-zA-Z0-9_])',
);
const LIMITED = { dimensionKeys: entries(1, 10, DIMENSION), entries: range(1, 1000), description: range(0, 512) };
const RULE = { ...GATEWAY_ID, ruleId: like('[0-9a-zA-Z]{10}') };
const RULE_SETTINGS = { priority: range(1, 1_000_000), conditions: range(0, 2), actions: range(1, 2), description: range(1, 200) };
const LAMBDA = text(
  1,
  170,
  'arn:(aws[a-zA-Z-]*)?:lambda:([a-z]{2}(-gov)?-[a-z]+-\\d{1}):(\\d{12}):function:([a-zA-Z0-9-_.]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?',
);
const ENDPOINT = text(1, 2048, 'https://[a-zA-Z0-9\\-\\.]+(:[0-9]{1,5})?(/.*)?');
const CONNECTOR = range(1, 256);
const PROVIDER = like('arn:([^:]*):([^:]*):([^:]*):([0-9]{12})?:(.+)');
const ONE_RATE = range(1, 1);

const GATEWAY_SETTINGS = {
  name: GATEWAY_NAME,
  description: range(1, 200),
  roleArn: ROLE,
  protocolType: oneOf('GatewayProtocolType'),
  authorizerType: oneOf('AuthorizerType'),
  kmsKeyArn: KMS_KEY,
  interceptorConfigurations: range(1, 2),
  exceptionLevel: oneOf('ExceptionLevel'),
};
const TARGET_SETTINGS = { name: TARGET_NAME, description: range(1, 200), credentialProviderConfigurations: range(1, 1) };

export const GATEWAY: Readonly<Record<Plane, Limits>> = {
  data: {},
  control: {
    CreateGatewayRequest: { ...GATEWAY_SETTINGS, clientToken: CLIENT_TOKEN, tags: TAGS },
    UpdateGatewayRequest: { ...GATEWAY_ID, ...GATEWAY_SETTINGS },
    GetGatewayRequest: GATEWAY_ID,
    DeleteGatewayRequest: GATEWAY_ID,
    ListGatewaysRequest: { ...PAGE, maxResults: range(1, 1000) },
    CreateGatewayTargetRequest: { ...GATEWAY_ID, ...TARGET_SETTINGS, clientToken: CLIENT_TOKEN },
    UpdateGatewayTargetRequest: { ...TARGET, ...TARGET_SETTINGS },
    GetGatewayTargetRequest: TARGET,
    DeleteGatewayTargetRequest: TARGET,
    ListGatewayTargetsRequest: { ...GATEWAY_ID, ...PAGE, maxResults: range(1, 1000) },
    SynchronizeGatewayTargetsRequest: { ...GATEWAY_ID, targetIdList: entries(1, 1, TARGET.targetId) },
    CreateGatewayRateLimitRequest: { ...RATE_LIMIT, ...LIMITED, clientToken: CLIENT_TOKEN },
    UpdateGatewayRateLimitRequest: { ...RATE_LIMIT, entries: LIMITED.entries, description: LIMITED.description },
    GetGatewayRateLimitRequest: RATE_LIMIT,
    DeleteGatewayRateLimitRequest: RATE_LIMIT,
    ListGatewayRateLimitsRequest: { ...GATEWAY_ID, ...PAGE },
    BatchPutGatewayRateLimitsRequest: { ...GATEWAY_ID, clientToken: CLIENT_TOKEN, rateLimits: range(1, 50) },
    BatchPutLimitEntry: { rateLimitId: RATE_LIMIT_ID, ...LIMITED },
    CreateGatewayRuleRequest: { ...GATEWAY_ID, ...RULE_SETTINGS, clientToken: CLIENT_TOKEN },
    UpdateGatewayRuleRequest: { ...RULE, ...RULE_SETTINGS },
    GetGatewayRuleRequest: RULE,
    DeleteGatewayRuleRequest: RULE,
    ListGatewayRulesRequest: { ...GATEWAY_ID, ...PAGE, maxResults: range(1, 1000) },
    MatchPrincipals: { anyOf: range(1, 100) },
    MatchPaths: { anyOf: entries(1, 10, range(1, 256)) },
    IamPrincipal: { arn: range(1, 2048), operator: oneOf('PrincipalMatchOperator') },
    StaticRoute: { targetName: TARGET_NAME },
    WeightedRoute: { trafficSplit: range(2, 2) },
    TargetTrafficSplitEntry: { name: range(1, 64), weight: range(1, 99), targetName: TARGET_NAME, description: range(1, 200) },
    LimitEntry: {
      dimensions: { min: 1, max: 10, keys: DIMENSION, each: range(1, 256) },
      requests: ONE_RATE,
      tokens: ONE_RATE,
      connections: ONE_RATE,
    },
    RateConfig: { rate: range(0, 10_000_000), period: oneOf('Period') },
    GatewayPolicyEngineConfiguration: {
      arn: text(1, 170, 'arn:aws:bedrock-agentcore:[a-z0-9-]+:[0-9]{12}:policy-engine\\/[a-zA-Z][a-zA-Z0-9-_]{0,99}-[a-zA-Z0-9_]{10}'),
      mode: oneOf('GatewayPolicyEngineMode'),
    },
    MCPGatewayConfiguration: { instructions: range(1, 2048), searchType: oneOf('SearchType') },
    SessionConfiguration: { sessionTimeoutInSeconds: range(900, 28_800) },
    GatewayInterceptorConfiguration: { interceptionPoints: entries(1, 2, oneOf('GatewayInterceptionPoint')) },
    LambdaInterceptorConfiguration: { arn: LAMBDA },
    LambdaTransformConfiguration: { arn: LAMBDA },
    InterceptorPayloadFilter: { exclude: range(1, 1) },
    InterceptorPayloadExclusionSelector: { field: oneOf('InterceptorPayloadExclusion') },
    WafConfiguration: { failureMode: oneOf('WafFailureMode') },
    MetadataConfiguration: {
      allowedRequestHeaders: entries(1, 10, range(1, 100)),
      allowedQueryParameters: entries(1, 10, range(1, 40)),
      allowedResponseHeaders: entries(1, 10, range(1, 100)),
    },
    CredentialProviderConfiguration: { credentialProviderType: oneOf('CredentialProviderType') },
    OAuthCredentialProvider: {
      providerArn: PROVIDER,
      scopes: entries(0, 100, range(1, 64)),
      customParameters: { min: 1, max: 10, keys: range(1, 256), each: range(1, 2048) },
      grantType: oneOf('OAuthGrantType'),
      defaultReturnUrl: RETURN_URL,
    },
    GatewayApiKeyCredentialProvider: {
      providerArn: PROVIDER,
      credentialParameterName: range(1, 64),
      credentialPrefix: range(1, 64),
      credentialLocation: oneOf('ApiKeyCredentialLocation'),
    },
    IamCredentialProvider: { service: text(1, 64, '[a-zA-Z0-9._-]+'), region: text(1, 32, '[a-zA-Z0-9-]+') },
    McpLambdaTargetConfiguration: { lambdaArn: LAMBDA },
    SchemaDefinition: { type: oneOf('SchemaType') },
    McpServerTargetConfiguration: { endpoint: like('https://.*'), listingMode: oneOf('ListingMode'), resourcePriority: range(0, 1000) },
    ApiGatewayToolFilter: { methods: { each: oneOf('RestApiMethod') } },
    ApiGatewayToolOverride: { method: oneOf('RestApiMethod') },
    S3Configuration: { uri: like('s3://.{1,2043}'), bucketOwnerAccountId: like('[0-9]{12}') },
    ConnectorTargetConfiguration: { enabled: range(1, 50) },
    ConnectorSource: { connectorId: CONNECTOR, version: text(5, 32, '(?:0|[1-9]\\d*)\\.(?:0|[1-9]\\d*)\\.(?:0|[1-9]\\d*)') },
    ConnectorConfiguration: { name: text(0, 64, '[a-zA-Z][a-zA-Z0-9_-]*'), description: range(0, 2000) },
    RuntimeTargetConfiguration: {
      arn: like('arn:aws(-[^:]+)?:bedrock-agentcore:[a-z0-9-]+:[0-9]{12}:runtime/[a-zA-Z][a-zA-Z0-9_]{0,47}-[a-zA-Z0-9]{10}'),
      qualifier: like('.*([1-9][0-9]{0,4})|([a-zA-Z][a-zA-Z0-9_]{0,47}).*'),
    },
    PassthroughTargetConfiguration: { endpoint: ENDPOINT, protocolType: oneOf('PassthroughProtocolType') },
    StickinessConfiguration: { identifier: range(1, 256), timeout: range(1, 86_400) },
    HttpConnectorSource: { connectorId: CONNECTOR },
    HttpConnectorTargetConfiguration: {
      parameters: { min: 0, max: 10, keys: text(1, 128, '[a-zA-Z][a-zA-Z0-9_-]*'), each: range(1, 1024) },
    },
    InferenceConnectorSource: { connectorId: CONNECTOR },
    InferenceProviderTargetConfiguration: { endpoint: ENDPOINT, operations: range(1, 10) },
    InferenceOperationConfiguration: {
      path: text(1, 256, '/[a-zA-Z0-9\\-\\._/]+'),
      providerPath: text(1, 256, '/[a-zA-Z0-9\\-\\._/]+'),
      models: range(1, 100),
    },
    ModelEntry: { model: text(1, 256, '[a-zA-Z0-9\\-\\._\\*\\?@]+(/[a-zA-Z0-9\\-\\._\\*\\?@]+)*') },
    ProviderPrefix: { separator: range(1, 1) },
  },
};
