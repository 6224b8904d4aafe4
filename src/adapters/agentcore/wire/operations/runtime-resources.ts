/** What Runtime keeps: runtimes, their versions, and endpoints that point to a version. */
import type { CustomJwtAuthorizer } from '../../../../server/authorizer.ts';
import type { Protocol } from '../../sessions/session.ts';
import { arnOf, type World } from '../call.ts';
import { AwsError } from '../codec/error.ts';

/** What a version runs, and how. */
export interface Configuration {
  roleArn: string;
  description?: string;
  agentRuntimeArtifact: { containerConfiguration?: { containerUri: string }; codeConfiguration?: object };
  networkConfiguration?: object;
  authorizerConfiguration?: { customJWTAuthorizer?: CustomJwtAuthorizer };
  requestHeaderConfiguration?: { requestHeaderAllowlist?: readonly string[] };
  protocolConfiguration?: { serverProtocol: Protocol };
  lifecycleConfiguration?: Partial<Lifecycle>;
  metadataConfiguration?: object;
  environmentVariables?: Readonly<Record<string, string>>;
  filesystemConfigurations?: readonly object[];
  capacityProviderConfiguration?: object;
  platformVersion?: string;
}

/** Seconds. */
export interface Lifecycle {
  idleRuntimeSessionTimeout: number;
  maxLifetime: number;
}
/** A runtime, with its newest version. */
export interface Runtime {
  id: string;
  name: string;
  createdAt: Date;
  /** The newest version. */
  version: number;
  tags: Record<string, string>;
  /** From when on it is gone. */
  goneAt?: number;
}

export interface Version {
  version: number;
  createdAt: Date;
  /** From when on it is `READY`. */
  readyAt: number;
  configuration: Configuration;
}

export interface Endpoint {
  name: string;
  version: number;
  createdAt: Date;
  updatedAt: Date;
  readyAt: number;
  goneAt?: number;
  description?: string;
  tags: Record<string, string>;
}

/** The endpoint that each runtime has, and that follows its newest version. */
export const DEFAULT = 'DEFAULT';
const LIFECYCLE: Lifecycle = { idleRuntimeSessionTimeout: 900, maxLifetime: 28_800 };

export const RUNTIME = 'runtime';
export const VERSION = 'runtime-version';
export const ENDPOINT = 'runtime-endpoint';

export const versionId = (id: string, version: number) => `${id}/${version}`;
const endpointId = (id: string, name: string) => `${id}/${name}`;
export const runtimeArn = (world: World, id: string) => arnOf(world, `runtime/${id}`);
export const endpointArn = (world: World, id: string, name: string) => arnOf(world, `runtime/${id}/runtime-endpoint/${name}`);

const notFound = (what: string, id: string) => new AwsError('ResourceNotFoundException', `${what} ${id} was not found.`);

/** @throws AwsError `ResourceNotFoundException`. */
export function runtimeOf({ state, clock }: World, id: string): Runtime {
  const runtime = state.get<Runtime>(RUNTIME, id);
  if (!runtime || (runtime.goneAt !== undefined && clock.now() >= runtime.goneAt)) throw notFound('Agent runtime', id);
  return runtime;
}

/** @throws AwsError `ResourceNotFoundException`. */
export function versionOf({ state }: World, { id }: Runtime, version: number): Version {
  const found = state.get<Version>(VERSION, versionId(id, version));
  if (!found) throw notFound('Agent runtime version', versionId(id, version));
  return found;
}

/** @throws AwsError `ResourceNotFoundException`. */
export function endpointOf({ state, clock }: World, { id }: Runtime, name: string): Endpoint {
  const endpoint = state.get<Endpoint>(ENDPOINT, endpointId(id, name));
  if (!endpoint || (endpoint.goneAt !== undefined && clock.now() >= endpoint.goneAt))
    throw notFound('Agent runtime endpoint', endpointId(id, name));
  return endpoint;
}

export const lifecycleOf = ({ configuration }: Version): Lifecycle => ({ ...LIFECYCLE, ...configuration.lifecycleConfiguration });

export const conflict = (message: string) => new AwsError('ConflictException', message);

export const putEndpoint = ({ state }: World, { id }: Runtime, endpoint: Endpoint): Endpoint => {
  state.put(ENDPOINT, endpointId(id, endpoint.name), endpoint, id);
  return endpoint;
};
