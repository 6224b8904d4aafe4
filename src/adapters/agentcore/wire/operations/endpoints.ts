/** The control plane of Runtime: endpoints, names that point to a version. */
import type { Operations, World } from '../call.ts';
import type { PageRequest } from '../state.ts';
import { checkStays, TAKES } from './resource.ts';
import {
  conflict,
  DEFAULT,
  ENDPOINT,
  type Endpoint,
  endpointArn,
  endpointOf,
  putEndpoint,
  type Runtime,
  runtimeArn,
  runtimeOf,
  versionOf,
} from './runtime-resources.ts';

interface EndpointInput {
  agentRuntimeId: string;
  agentRuntimeVersion?: string;
  description?: string;
  clientToken?: string;
  tags?: Record<string, string>;
}

/** @param deleted is told of an endpoint that was deleted, whose sessions end. */
export function endpointOperations(world: World, deleted: (runtime: string, name: string) => void): Operations {
  const { state, clock } = world;
  const soon = () => clock.now() + TAKES;
  const date = () => new Date(clock.now());

  const endpointStatus = ({ goneAt, readyAt, createdAt, updatedAt }: Endpoint) => {
    if (goneAt !== undefined) return 'DELETING';
    if (clock.now() >= readyAt) return 'READY';
    return createdAt.getTime() === updatedAt.getTime() ? 'CREATING' : 'UPDATING';
  };

  function endpointSummary(runtime: Runtime, endpoint: Endpoint) {
    const { name, version, createdAt, updatedAt, description } = endpoint;
    return {
      name,
      id: name,
      agentRuntimeEndpointArn: endpointArn(world, runtime.id, name),
      agentRuntimeArn: runtimeArn(world, runtime.id),
      status: endpointStatus(endpoint),
      createdAt,
      lastUpdatedAt: updatedAt,
      liveVersion: String(version),
      targetVersion: String(version),
      ...(description !== undefined && { description }),
    };
  }

  return {
    CreateAgentRuntimeEndpoint(input) {
      const {
        agentRuntimeId: id,
        name,
        agentRuntimeVersion,
        description,
        clientToken,
        tags = {},
      } = input as EndpointInput & { name: string };
      return state.once('CreateAgentRuntimeEndpoint', clientToken, input, () => {
        const runtime = runtimeOf(world, id);
        checkStays(`Agent runtime ${id}`, runtime);
        const { version } = versionOf(world, runtime, Number(agentRuntimeVersion ?? runtime.version));
        if (state.list<Endpoint>(ENDPOINT, id).some((other) => other.name === name))
          throw conflict(`Agent runtime ${id} has an endpoint ${name} already.`);
        const at = date();
        const endpoint = putEndpoint(world, runtime, {
          name,
          version,
          createdAt: at,
          updatedAt: at,
          readyAt: soon(),
          tags,
          ...(description && { description }),
        });
        const { targetVersion, agentRuntimeEndpointArn, agentRuntimeArn, status, createdAt } = endpointSummary(runtime, endpoint);
        return { targetVersion, agentRuntimeEndpointArn, agentRuntimeArn, status, createdAt, agentRuntimeId: id, endpointName: name };
      });
    },
    UpdateAgentRuntimeEndpoint(input) {
      const {
        agentRuntimeId: id,
        endpointName,
        agentRuntimeVersion,
        description,
        clientToken,
      } = input as EndpointInput & { endpointName: string };
      return state.once('UpdateAgentRuntimeEndpoint', clientToken, input, () => {
        const runtime = runtimeOf(world, id);
        const before = endpointOf(world, runtime, endpointName);
        if (endpointName === DEFAULT) throw conflict(`The endpoint ${DEFAULT} follows the newest version by itself.`);
        checkStays(`The endpoint ${endpointName} of ${id}`, before);
        const { version } = versionOf(world, runtime, Number(agentRuntimeVersion ?? before.version));
        const after = { ...before, version, updatedAt: date(), readyAt: soon(), ...(description && { description }) };
        const { name: _, id: __, description: ___, ...told } = endpointSummary(runtime, putEndpoint(world, runtime, after));
        return told;
      });
    },
    GetAgentRuntimeEndpoint(input: { agentRuntimeId: string; endpointName: string }) {
      const { agentRuntimeId, endpointName } = input;
      const runtime = runtimeOf(world, agentRuntimeId);
      return endpointSummary(runtime, endpointOf(world, runtime, endpointName));
    },
    DeleteAgentRuntimeEndpoint(input: { agentRuntimeId: string; endpointName: string; clientToken?: string }) {
      const { agentRuntimeId: id, endpointName, clientToken } = input;
      return state.once('DeleteAgentRuntimeEndpoint', clientToken, input, () => {
        const runtime = runtimeOf(world, id);
        const endpoint = endpointOf(world, runtime, endpointName);
        if (endpointName === DEFAULT) throw conflict(`The endpoint ${DEFAULT} is deleted with its runtime.`);
        if (endpoint.goneAt === undefined) {
          putEndpoint(world, runtime, { ...endpoint, goneAt: soon() });
          deleted(id, endpointName);
        }
        return { status: 'DELETING', agentRuntimeId: id, endpointName };
      });
    },
    ListAgentRuntimeEndpoints(input: PageRequest & { agentRuntimeId: string }) {
      const { agentRuntimeId: id, ...request } = input;
      const runtime = runtimeOf(world, id);
      const { items, nextToken } = state.page<Endpoint>(ENDPOINT, id, request);
      return { runtimeEndpoints: items.map((endpoint) => endpointSummary(runtime, endpoint)), nextToken };
    },
  };
}
