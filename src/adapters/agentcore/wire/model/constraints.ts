/**
 * Lengths, patterns, ranges and enums of members, which the official npm clients do not have. Sources: AWS's API reference and the service
 * models of botocore, August 2026; written by hand, for what this server executes.
 */
import { model, type Plane } from './model.ts';

export interface Constraint {
  /** Of a text: characters. Of a list or a map: entries. Of a number: its value. */
  readonly min?: number;
  readonly max?: number;
  /** Of the whole text. */
  readonly pattern?: string;
  /** The name of an enum of the clients. */
  readonly oneOf?: string;
}

const RUNTIME_NAME = { pattern: '[a-zA-Z][a-zA-Z0-9_]{0,47}' };
const RUNTIME_ID = { pattern: '[a-zA-Z][a-zA-Z0-9_]{0,99}-[a-zA-Z0-9]{10}' };
const VERSION = { pattern: '([1-9][0-9]{0,4})' };
const DESCRIPTION = { min: 1, max: 1200 };
const ROLE = { min: 1, max: 2048, pattern: 'arn:aws(-[^:]+)?:iam::([0-9]{12})?:role/.+' };
const CLIENT_TOKEN = { min: 33, max: 256, pattern: '[a-zA-Z0-9](-*[a-zA-Z0-9]){0,256}' };
const PAGE = { min: 1, max: 100 };
const TAGS = { min: 0, max: 50 };
const SESSION = { min: 33, max: 256 };
const VARIABLES = { min: 0, max: 50 };

/** By the name of the shape, and of its member. */
const CONSTRAINTS: Readonly<Record<Plane, Readonly<Record<string, Readonly<Record<string, Constraint>>>>>> = {
  data: {
    InvokeAgentRuntimeRequest: { runtimeSessionId: SESSION, runtimeUserId: { min: 1, max: 1024 } },
    InvokeAgentRuntimeCommandRequest: { runtimeSessionId: SESSION },
    InvokeAgentRuntimeCommandRequestBody: { command: { min: 1, max: 65_536 }, timeout: { min: 1, max: 3600 } },
    StopRuntimeSessionRequest: { runtimeSessionId: SESSION, clientToken: CLIENT_TOKEN },
    GetAgentCardRequest: { runtimeSessionId: SESSION },
  },
  control: {
    CreateAgentRuntimeRequest: {
      agentRuntimeName: RUNTIME_NAME,
      roleArn: ROLE,
      description: DESCRIPTION,
      clientToken: CLIENT_TOKEN,
      environmentVariables: VARIABLES,
      tags: TAGS,
    },
    UpdateAgentRuntimeRequest: {
      agentRuntimeId: RUNTIME_ID,
      roleArn: ROLE,
      description: DESCRIPTION,
      clientToken: CLIENT_TOKEN,
      environmentVariables: VARIABLES,
    },
    GetAgentRuntimeRequest: { agentRuntimeId: RUNTIME_ID, agentRuntimeVersion: VERSION },
    DeleteAgentRuntimeRequest: { agentRuntimeId: RUNTIME_ID, agentRuntimeVersion: VERSION },
    ListAgentRuntimesRequest: { maxResults: PAGE },
    ListAgentRuntimeVersionsRequest: { agentRuntimeId: RUNTIME_ID, maxResults: PAGE },
    ListAgentRuntimeEndpointsRequest: { agentRuntimeId: RUNTIME_ID, maxResults: PAGE },
    CreateAgentRuntimeEndpointRequest: {
      agentRuntimeId: RUNTIME_ID,
      name: RUNTIME_NAME,
      agentRuntimeVersion: VERSION,
      description: { min: 1, max: 256 },
      clientToken: CLIENT_TOKEN,
      tags: TAGS,
    },
    UpdateAgentRuntimeEndpointRequest: {
      agentRuntimeId: RUNTIME_ID,
      endpointName: RUNTIME_NAME,
      agentRuntimeVersion: VERSION,
      description: { min: 1, max: 256 },
      clientToken: CLIENT_TOKEN,
    },
    GetAgentRuntimeEndpointRequest: { agentRuntimeId: RUNTIME_ID, endpointName: RUNTIME_NAME },
    DeleteAgentRuntimeEndpointRequest: { agentRuntimeId: RUNTIME_ID, endpointName: RUNTIME_NAME },
    ContainerConfiguration: {
      containerUri: {
        min: 1,
        max: 1024,
        pattern:
          '([0-9]{12})\\.dkr\\.ecr\\.([a-z0-9-]+)\\.amazonaws\\.com/((?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*)([:@]\\S+)?',
      },
    },
    CodeConfiguration: { runtime: { oneOf: 'AgentManagedRuntimeType' }, entryPoint: { min: 1, max: 2 } },
    NetworkConfiguration: { networkMode: { oneOf: 'NetworkMode' } },
    ProtocolConfiguration: { serverProtocol: { oneOf: 'ServerProtocol' } },
    LifecycleConfiguration: { idleRuntimeSessionTimeout: { min: 60, max: 1_209_600 }, maxLifetime: { min: 60, max: 1_209_600 } },
    RequestHeaderConfiguration: { requestHeaderAllowlist: { min: 1, max: 20 } },
    TagResourceRequest: { tags: TAGS },
  },
};

export const constraintsOf = (plane: Plane, shape: string): Readonly<Record<string, Constraint>> => CONSTRAINTS[plane][shape] ?? {};

/** Every constraint, for tests of the table itself. */
export const allConstraints = (plane: Plane) => Object.entries(CONSTRAINTS[plane]);

const patterns = new Map<string, RegExp>();

/** What is wrong with a value; undefined if nothing is. */
export function problemOf(plane: Plane, value: unknown, { min, max, pattern, oneOf }: Constraint): string | undefined {
  const number = typeof value === 'number';
  const size = number ? value : typeof value === 'string' || Array.isArray(value) ? value.length : Object.keys(value as object).length;
  const what = number ? 'value' : 'length';
  if (min !== undefined && size < min) return `Member must have ${what} greater than or equal to ${min}`;
  if (max !== undefined && size > max) return `Member must have ${what} less than or equal to ${max}`;
  if (pattern !== undefined && !patternOf(pattern).test(value as string))
    return `Member must satisfy regular expression pattern: ${pattern}`;
  const values = oneOf === undefined ? undefined : model().enums[plane][oneOf];
  if (values && !values.includes(value as string)) return `Member must satisfy enum value set: [${values.join(', ')}]`;
  return undefined;
}

function patternOf(pattern: string): RegExp {
  const known = patterns.get(pattern) ?? new RegExp(`^(?:${pattern})$`);
  patterns.set(pattern, known);
  return known;
}
