/** What the control plane of Gateway keeps: gateways, and their targets and rate limits. */
import type { CustomJwtAuthorizer } from '../../../../server/authorizer.ts';
import { arnOf, type World } from '../call.ts';
import { AwsError } from '../codec/error.ts';
import type { CredentialConfiguration, TargetConfiguration } from './target-configuration.ts';

export interface Interceptor {
  interceptor: { lambda?: { arn: string } };
  interceptionPoints: readonly ('REQUEST' | 'RESPONSE')[];
  inputConfiguration?: { passRequestHeaders: boolean; payloadFilter?: { exclude: readonly { field?: string }[] } };
}

export interface McpConfiguration {
  supportedVersions?: readonly string[];
  instructions?: string;
  searchType?: 'SEMANTIC';
  sessionConfiguration?: { sessionTimeoutInSeconds?: number };
  streamingConfiguration?: { enableResponseStreaming?: boolean };
  disableMcpListToolsPagination?: boolean;
}

/** As CreateGateway and UpdateGateway take it. */
export interface GatewaySettings {
  roleArn: string;
  authorizerType: 'CUSTOM_JWT' | 'AWS_IAM' | 'NONE' | 'AUTHENTICATE_ONLY';
  description?: string;
  protocolType?: 'MCP';
  protocolConfiguration?: { mcp?: McpConfiguration };
  authorizerConfiguration?: { customJWTAuthorizer?: CustomJwtAuthorizer };
  kmsKeyArn?: string;
  customTransformConfiguration?: object;
  interceptorConfigurations?: readonly Interceptor[];
  policyEngineConfiguration?: { arn: string; mode: 'LOG_ONLY' | 'ENFORCE' };
  exceptionLevel?: 'DEBUG';
  wafConfiguration?: object;
}

/** What a change of a resource is called until it has taken effect. */
interface Changing {
  createdAt: Date;
  updatedAt: Date;
  until: 'CREATING' | 'UPDATING' | 'SYNCHRONIZING';
  readyAt: number;
  goneAt?: number;
}

export interface Gateway extends Changing {
  id: string;
  name: string;
  settings: GatewaySettings;
  tags: Record<string, string>;
}

export interface TargetSettings {
  description?: string;
  targetConfiguration: TargetConfiguration;
  credentialProviderConfigurations?: readonly CredentialConfiguration[];
  metadataConfiguration?: object;
  privateEndpoint?: object;
}

/** As it was when the target was created or changed: what becomes of the file later changes nothing. */
export interface KeptDocument {
  /** Where AWS has it, which is also its binding: `s3://bucket/key`, or `apigateway:id/stage`. */
  place: string;
  text: string;
}

export interface Target extends Changing {
  id: string;
  gateway: string;
  name: string;
  settings: TargetSettings;
  /** What has become of the last change is not known yet. */
  unsettled?: true;
  /** Why the last change failed, and what the status is then. */
  failed?: { status: 'FAILED' | 'UPDATE_UNSUCCESSFUL' | 'SYNCHRONIZE_UNSUCCESSFUL'; reasons: readonly string[] };
  lastSynchronizedAt?: Date;
  /** With whose token a server is listed, where it takes tokens of users alone: while the change goes on. */
  administrator?: Administrator;
  /** Of a server whose list is kept: what it listed when it was synchronized. */
  listed?: readonly ListedTool[];
  /** What was read for it from outside of its settings. */
  document?: KeptDocument;
}

/** One who consents in place of all users, so that the tools of a server are known. */
export interface Administrator {
  /** The id that the gateway has given them for this change. */
  userId: string;
  /** The consent that is waited for. */
  open?: { authorizationUrl: string; sessionUri: string };
}

/** A tool as an MCP server declares it. */
export interface ListedTool {
  name: string;
  description?: string | undefined;
  inputSchema: object;
}

export const GATEWAY = 'gateway';
export const TARGET = 'gateway-target';
export const RATE_LIMIT = 'gateway-rate-limit';
export const RULE = 'gateway-rule';

export const gatewayArn = (world: World, id: string) => arnOf(world, `gateway/${id}`);
/** A path of this server, because one port has no host for each gateway. Users measured that it ends with `/mcp` for a gateway with the protocolType alone. */
export const gatewayPath = ({ id, settings }: Pick<Gateway, 'id' | 'settings'>) =>
  `/gateways/${id}${settings.protocolType === 'MCP' ? '/mcp' : ''}`;
export const gatewayUrl = (world: World, gateway: Pick<Gateway, 'id' | 'settings'>) =>
  `${world.env().AWS_ENDPOINT_URL_BEDROCK_AGENTCORE}${gatewayPath(gateway)}`;

const notFound = (what: string, id: string) => new AwsError('ResourceNotFoundException', `${what} ${id} was not found.`);
export const conflict = (message: string) => new AwsError('ConflictException', message);

/** @throws AwsError `ResourceNotFoundException`. */
export function gatewayOf(world: World, id: string): Gateway {
  const gateway = world.state.get<Gateway>(GATEWAY, id);
  if (!gateway) throw notFound('Gateway', id);
  return gateway;
}

/** A resource of a gateway, by its id within the gateway. @throws AwsError `ResourceNotFoundException`. */
export function partOf<T>(world: World, kind: string, what: string, gateway: string, id: string): T {
  gatewayOf(world, gateway);
  const part = world.state.get<T>(kind, `${gateway}/${id}`);
  if (!part) throw notFound(what, id);
  return part;
}

export const partsOf = <T>({ state }: World, kind: string, gateway: string): T[] => state.list<T>(kind, gateway);

export const targetOf = (world: World, gateway: string, id: string) => partOf<Target>(world, TARGET, 'Gateway target', gateway, id);

export const putTarget = ({ state }: World, target: Target): void =>
  state.put(TARGET, `${target.gateway}/${target.id}`, target, target.gateway);

const WAITING = { CREATING: 'CREATE_PENDING_AUTH', UPDATING: 'UPDATE_PENDING_AUTH', SYNCHRONIZING: 'SYNCHRONIZE_PENDING_AUTH' } as const;

/** The status by the clock, and of a target by what was found of it. A failure is told when the change is over. */
export function statusOf(
  { clock }: World,
  { goneAt, readyAt, until, administrator, unsettled }: Changing & Pick<Target, 'administrator' | 'unsettled'>,
  failed?: { status: string },
): string {
  if (goneAt !== undefined) return 'DELETING';
  if (administrator?.open) return WAITING[until];
  if (unsettled || clock.now() < readyAt) return until;
  return failed?.status ?? 'READY';
}

/** Whether requests reach a target: one that changes, or whose change failed, serves what it was before. */
export const isServing = (world: World, target: Target): boolean =>
  target.goneAt === undefined && (target.until !== 'CREATING' || statusOf(world, target, target.failed) === 'READY');

/** @throws AwsError `ConflictException` while an earlier change goes on. */
export function checkSettled(world: World, what: string, resource: Changing): void {
  const status = statusOf(world, resource);
  if (status !== 'READY') throw conflict(`${what} is ${status}. Wait until it is READY.`);
}
