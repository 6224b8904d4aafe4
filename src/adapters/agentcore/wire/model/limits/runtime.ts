/** Limits of Runtime, of authorizers and of tags. Sources: the service models of botocore of 7 August 2026 and AWS's API reference. */
import type { Plane } from '../model.ts';
import {
  BUCKET,
  CLIENT_TOKEN,
  DESCRIPTION,
  entries,
  type Limits,
  like,
  NAME,
  oneOf,
  PAGE,
  ROLE,
  range,
  SUBNET,
  TAG_KEY,
  TAGS,
  text,
  WORKLOAD_NAME,
} from './limit.ts';

const SESSION = range(33, 256);
const MIME = range(1, 256);
const HEADER = range(1, 1024);
const ACCOUNT = like('[0-9]{12}');
const traced = (id: number) => ({ traceId: range(0, id), traceParent: range(0, id), traceState: range(0, 512), baggage: range(0, 8192) });

const RUNTIME_ID = like('[a-zA-Z][a-zA-Z0-9_]{0,99}-[a-zA-Z0-9]{10}');
const VERSION = text(1, 5, '([1-9][0-9]{0,4})');
const SCOPE = text(1, 255, '[\\x21\\x23-\\x5B\\x5D-\\x7E]+');
const CLAIM = text(1, 255, '[A-Za-z0-9_.-]+');
const RESOURCE = text(20, 1011, 'arn:(?:[^:]+)?:bedrock-agentcore:[a-z0-9-]+:[0-9]{12}:([a-z-]+/[^/]+)(?:/[a-z-]+/[^/]+)*');
const SECURITY_GROUP = 'sg-[0-9a-zA-Z]{8,17}';
const MOUNT = text(6, 200, '/mnt/[a-zA-Z0-9._-]+/?');
const S3_FILES = '[0-9a-z-:]+:file-system/fs-[0-9a-f]{17,40}/access-point/fsap-[0-9a-f]{17,40}';
const CAPACITY_PROVIDER = '[a-zA-Z][a-zA-Z0-9_]{0,47}-[a-zA-Z0-9]{10}';
const IMAGE =
  '(([0-9]{12})\\.dkr\\.ecr\\.([a-z0-9-]+)\\.amazonaws\\.com(\\.cn)?|public\\.ecr\\.aws)/' +
  '((?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*)(?::([^:@]{1,300}))?(?:@(.+))?';
const RESOURCE_CONFIGURATION =
  '((rcfg-[0-9a-z]{17})|(arn:[a-z0-9\\-]+:vpc-lattice:[a-zA-Z0-9\\-]+:\\d{12}:resourceconfiguration/rcfg-[0-9a-z]{17}))';

const CONFIGURED = {
  roleArn: ROLE,
  description: DESCRIPTION,
  clientToken: CLIENT_TOKEN,
  environmentVariables: { min: 0, max: 50, keys: range(1, 100), each: range(0, 5000) },
  filesystemConfigurations: range(0, 5),
};
const ENDPOINT = { agentRuntimeId: RUNTIME_ID, endpointName: NAME };

export const RUNTIME: Readonly<Record<Plane, Limits>> = {
  data: {
    InvokeAgentRuntimeRequest: {
      contentType: MIME,
      accept: MIME,
      mcpSessionId: HEADER,
      mcpProtocolVersion: HEADER,
      mcpMethod: HEADER,
      mcpName: HEADER,
      runtimeSessionId: SESSION,
      runtimeUserId: HEADER,
      accountId: ACCOUNT,
      payload: range(0, 100_000_000),
      ...traced(128),
    },
    InvokeAgentRuntimeCommandRequest: { contentType: MIME, accept: MIME, runtimeSessionId: SESSION, accountId: ACCOUNT, ...traced(1024) },
    InvokeAgentRuntimeCommandRequestBody: { command: range(1, 65_536), timeout: range(1, 3600) },
    StopRuntimeSessionRequest: { runtimeSessionId: SESSION, clientToken: CLIENT_TOKEN },
    GetAgentCardRequest: { runtimeSessionId: SESSION },
  },
  control: {
    CreateAgentRuntimeRequest: { agentRuntimeName: NAME, tags: TAGS, ...CONFIGURED },
    UpdateAgentRuntimeRequest: { agentRuntimeId: RUNTIME_ID, ...CONFIGURED },
    GetAgentRuntimeRequest: { agentRuntimeId: RUNTIME_ID, agentRuntimeVersion: VERSION },
    DeleteAgentRuntimeRequest: { agentRuntimeId: RUNTIME_ID, agentRuntimeVersion: VERSION, clientToken: CLIENT_TOKEN },
    ListAgentRuntimesRequest: PAGE,
    ListAgentRuntimeVersionsRequest: { agentRuntimeId: RUNTIME_ID, ...PAGE },
    ListAgentRuntimeEndpointsRequest: { agentRuntimeId: RUNTIME_ID, ...PAGE },
    CreateAgentRuntimeEndpointRequest: {
      agentRuntimeId: RUNTIME_ID,
      name: NAME,
      agentRuntimeVersion: VERSION,
      description: range(1, 256),
      clientToken: CLIENT_TOKEN,
      tags: TAGS,
    },
    UpdateAgentRuntimeEndpointRequest: { ...ENDPOINT, agentRuntimeVersion: VERSION, description: range(1, 256), clientToken: CLIENT_TOKEN },
    GetAgentRuntimeEndpointRequest: ENDPOINT,
    DeleteAgentRuntimeEndpointRequest: { ...ENDPOINT, clientToken: CLIENT_TOKEN },
    ListTagsForResourceRequest: { resourceArn: RESOURCE },
    TagResourceRequest: { resourceArn: RESOURCE, tags: TAGS },
    UntagResourceRequest: { resourceArn: RESOURCE, tagKeys: entries(0, 200, TAG_KEY) },
    ContainerConfiguration: { containerUri: text(1, 1024, IMAGE) },
    CodeConfiguration: { runtime: oneOf('AgentManagedRuntimeType'), entryPoint: entries(1, 2, range(1, 128)) },
    S3Location: { bucket: BUCKET, prefix: range(1, 1024), versionId: range(3, 1024) },
    NetworkConfiguration: { networkMode: oneOf('NetworkMode') },
    VpcConfig: { securityGroups: entries(1, 16, like(SECURITY_GROUP)), subnets: entries(1, 16, SUBNET) },
    ProtocolConfiguration: { serverProtocol: oneOf('ServerProtocol') },
    LifecycleConfiguration: { idleRuntimeSessionTimeout: range(60, 1_209_600), maxLifetime: range(60, 1_209_600) },
    RequestHeaderConfiguration: { requestHeaderAllowlist: entries(1, 20, text(1, 256, '[A-Za-z][A-Za-z0-9_-]{0,255}')) },
    SessionStorageConfiguration: { mountPath: MOUNT },
    S3FilesAccessPointConfiguration: { accessPointArn: text(0, 256, `arn:aws[-a-z]*:s3files:${S3_FILES}`), mountPath: MOUNT },
    EfsAccessPointConfiguration: {
      accessPointArn: text(0, 128, 'arn:aws[-a-z]*:elasticfilesystem:[0-9a-z-:]+:access-point/fsap-[0-9a-f]{8,40}'),
      mountPath: MOUNT,
    },
    CapacityProviderVolumeConfiguration: { volumeName: text(1, 48, '[a-zA-Z][a-zA-Z0-9_-]{0,47}'), mountPath: MOUNT },
    CapacityProviderConfiguration: {
      capacityProviderArn: like(`arn:aws(-[^:]+)?:bedrock-agentcore:[a-z0-9-]+:[0-9]{12}:capacity-provider/${CAPACITY_PROVIDER}`),
    },
    CustomJWTAuthorizerConfiguration: {
      discoveryUrl: like('.+/\\.well-known/openid-configuration'),
      allowedAudience: { min: 1 },
      allowedClients: { min: 1 },
      allowedScopes: { min: 1, each: SCOPE },
      advertisedScopeMapping: { min: 1, max: 50, keys: SCOPE, each: SCOPE },
      customClaims: { min: 1 },
      privateEndpointOverrides: range(0, 5),
    },
    CustomClaimValidationType: {
      inboundTokenClaimName: text(1, 255, '[A-Za-z0-9_.-:]+'),
      inboundTokenClaimValueType: oneOf('InboundTokenClaimValueType'),
    },
    AuthorizingClaimMatchValueType: { claimMatchOperator: oneOf('ClaimMatchOperatorType') },
    ClaimMatchValueType: { matchValueString: CLAIM, matchValueStringList: { min: 1, each: CLAIM } },
    AllowedWorkloadConfiguration: { hostingEnvironments: range(1, 10), workloadIdentities: entries(1, 10, WORKLOAD_NAME) },
    HostingEnvironment: { arn: range(20, 1011) },
    PrivateEndpointOverride: { domain: range(1, 253) },
    SelfManagedLatticeResource: { resourceConfigurationIdentifier: text(20, 2048, RESOURCE_CONFIGURATION) },
    ManagedVpcResource: {
      vpcIdentifier: like('vpc-(([0-9a-z]{8})|([0-9a-z]{17}))'),
      subnetIds: { each: SUBNET },
      endpointIpAddressType: oneOf('EndpointIpAddressType'),
      securityGroupIds: entries(0, 5, like('sg-(([0-9a-z]{8})|([0-9a-z]{17}))')),
      tags: TAGS,
      routingDomain: range(3, 255),
    },
  },
};
