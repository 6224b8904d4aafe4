/** The control plane of Runtime: runtimes and their versions. */
import { RondoError } from '../../../../errors.ts';
import { authorizerAt } from '../../../../server/authorizer.ts';
import { allowListProblem } from '../../sessions/headers.ts';
import type { Operations, World } from '../call.ts';
import { invalidInput } from '../codec/error.ts';
import { addWorkloadOf, removeWorkload, workloadArn } from '../identity/resources.ts';
import type { PageRequest } from '../state.ts';
import { checkStays, suffix, TAKES } from './resource.ts';
import {
  type Configuration,
  conflict,
  DEFAULT,
  ENDPOINT,
  type Endpoint,
  endpointOf,
  lifecycleOf,
  putEndpoint,
  RUNTIME,
  type Runtime,
  runtimeArn,
  runtimeOf,
  VERSION,
  type Version,
  versionId,
  versionOf,
} from './runtime-resources.ts';

type Configured = Configuration & { clientToken?: string; tags?: Record<string, string> };

/** @param deleted is told the id of a runtime that was deleted, whose sessions end. */
export function runtimeOperations(world: World, deleted: (id: string) => void): Operations {
  const { state, clock } = world;
  const soon = () => clock.now() + TAKES;
  const date = () => new Date(clock.now());

  const statusOf = (runtime: Runtime, { version, readyAt }: Version) => {
    if (runtime.goneAt !== undefined) return 'DELETING';
    if (clock.now() >= readyAt) return 'READY';
    return version === 1 ? 'CREATING' : 'UPDATING';
  };
  function summary(runtime: Runtime, version: Version) {
    return {
      agentRuntimeArn: runtimeArn(world, runtime.id),
      agentRuntimeId: runtime.id,
      agentRuntimeVersion: String(version.version),
      agentRuntimeName: runtime.name,
      description: version.configuration.description ?? '',
      lastUpdatedAt: version.createdAt,
      status: statusOf(runtime, version),
    };
  }

  const identityOf = (runtime: Runtime) => ({
    workloadIdentityArn: workloadArn(world, runtime.id),
  });

  function addVersion(runtime: Runtime, configuration: Configuration): Version {
    const version: Version = { version: runtime.version, createdAt: date(), readyAt: soon(), configuration };
    state.put(VERSION, versionId(runtime.id, runtime.version), version, runtime.id);
    return version;
  }

  function remove(runtime: Runtime): void {
    if (runtime.goneAt !== undefined) return;
    state.put(RUNTIME, runtime.id, { ...runtime, goneAt: soon() });
    removeWorkload(world, runtime.id);
    for (const endpoint of state.list<Endpoint>(ENDPOINT, runtime.id))
      putEndpoint(world, runtime, { ...endpoint, goneAt: endpoint.goneAt ?? soon() });
    deleted(runtime.id);
  }

  function checkConfiguration({ requestHeaderConfiguration, authorizerConfiguration }: Configuration): void {
    const authorizer = authorizerConfiguration?.customJWTAuthorizer;
    const problem = allowListProblem(requestHeaderConfiguration?.requestHeaderAllowlist ?? [], authorizer !== undefined);
    if (problem !== undefined) throw invalidInput([{ name: 'requestHeaderConfiguration.requestHeaderAllowlist', message: problem }]);
    if (authorizer === undefined) return;
    try {
      authorizerAt(authorizer, world.clock.now);
    } catch (error) {
      if (!RondoError.is(error, 'CONFIG_INVALID')) throw error;
      throw invalidInput([{ name: 'authorizerConfiguration.customJWTAuthorizer', message: error.message }]);
    }
  }

  return {
    CreateAgentRuntime(input: Configured & { agentRuntimeName: string }) {
      const { agentRuntimeName: name, clientToken, tags = {}, ...configuration } = input;
      checkConfiguration(configuration);
      return state.once('CreateAgentRuntime', clientToken, input, () => {
        if (state.list<Runtime>(RUNTIME).some((other) => other.name === name))
          throw conflict(`An agent runtime with the name ${name} exists already.`);
        const runtime: Runtime = { id: `${name}-${suffix()}`, name, createdAt: date(), version: 1, tags };
        state.put(RUNTIME, runtime.id, runtime);
        addWorkloadOf(world, runtime.id);
        const version = addVersion(runtime, configuration);
        const at = date();
        putEndpoint(world, runtime, { name: DEFAULT, version: 1, createdAt: at, updatedAt: at, readyAt: soon(), tags: {} });
        const { agentRuntimeArn, agentRuntimeId, agentRuntimeVersion, status } = summary(runtime, version);
        const workloadIdentityDetails = identityOf(runtime);
        return { agentRuntimeArn, agentRuntimeId, agentRuntimeVersion, createdAt: runtime.createdAt, status, workloadIdentityDetails };
      });
    },
    UpdateAgentRuntime(input: Configured & { agentRuntimeId: string }) {
      const { agentRuntimeId: id, clientToken, ...configuration } = input;
      checkConfiguration(configuration);
      return state.once('UpdateAgentRuntime', clientToken, input, () => {
        const before = runtimeOf(world, id);
        checkStays(`Agent runtime ${id}`, before);
        const runtime: Runtime = { ...before, version: before.version + 1 };
        state.put(RUNTIME, id, runtime);
        const version = addVersion(runtime, configuration);
        putEndpoint(world, runtime, {
          ...endpointOf(world, runtime, DEFAULT),
          version: runtime.version,
          updatedAt: date(),
          readyAt: soon(),
        });
        const { agentRuntimeArn, agentRuntimeId, agentRuntimeVersion, status } = summary(runtime, version);
        const { createdAt } = runtime;
        const workloadIdentityDetails = identityOf(runtime);
        return {
          agentRuntimeArn,
          agentRuntimeId,
          agentRuntimeVersion,
          createdAt,
          lastUpdatedAt: version.createdAt,
          status,
          workloadIdentityDetails,
        };
      });
    },
    GetAgentRuntime(input: { agentRuntimeId: string; agentRuntimeVersion?: string }) {
      const { agentRuntimeId, agentRuntimeVersion } = input;
      const runtime = runtimeOf(world, agentRuntimeId);
      const version = versionOf(world, runtime, Number(agentRuntimeVersion ?? runtime.version));
      return {
        ...version.configuration,
        ...summary(runtime, version),
        createdAt: runtime.createdAt,
        lifecycleConfiguration: lifecycleOf(version),
        workloadIdentityDetails: identityOf(runtime),
      };
    },
    DeleteAgentRuntime(input: { agentRuntimeId: string; agentRuntimeVersion?: string; clientToken?: string }) {
      const { agentRuntimeId: id, agentRuntimeVersion, clientToken } = input;
      // a retry of a deletion whose answer was lost finds nothing
      return state.once('DeleteAgentRuntime', clientToken, input, () => {
        const runtime = runtimeOf(world, id);
        if (agentRuntimeVersion === undefined) {
          remove(runtime);
          return { status: 'DELETING', agentRuntimeId: id };
        }
        const { version } = versionOf(world, runtime, Number(agentRuntimeVersion));
        const pointing = state.list<Endpoint>(ENDPOINT, id).find((endpoint) => endpoint.version === version);
        if (pointing) throw conflict(`Version ${version} is in use by the endpoint ${pointing.name}.`);
        state.delete(VERSION, versionId(id, version));
        return { status: 'DELETING', agentRuntimeId: id, agentRuntimeVersion };
      });
    },
    ListAgentRuntimes(input: PageRequest) {
      const { items, nextToken } = state.page<Runtime>(RUNTIME, '', input);
      return { agentRuntimes: items.map((runtime) => summary(runtime, versionOf(world, runtime, runtime.version))), nextToken };
    },
    ListAgentRuntimeVersions(input: PageRequest & { agentRuntimeId: string }) {
      const { agentRuntimeId: id, ...request } = input;
      const runtime = runtimeOf(world, id);
      const { items, nextToken } = state.page<Version>(VERSION, id, request);
      return { agentRuntimes: items.map((version) => summary(runtime, version)), nextToken };
    },
  };
}
