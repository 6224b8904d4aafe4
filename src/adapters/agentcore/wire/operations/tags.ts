/** Tags of every kind of resource. */
import type { Operations, World } from '../call.ts';
import { AwsError } from '../codec/error.ts';
import { GATEWAY } from '../gateway/resources.ts';
import { API_KEY, OAUTH2, WORKLOAD } from '../identity/resources.ts';
import { MEMORY } from '../memory/resources.ts';
import { ENGINE } from '../policy/resources.ts';
import { ENDPOINT, RUNTIME } from './runtime-resources.ts';

type Tags = Record<string, string>;
interface Named {
  resourceArn: string;
}
interface Tagged {
  tags: Tags;
}

/** Kinds of which a resource is in no other, by how their ARN goes on. */
const PLACES: readonly (readonly [kind: string, arn: RegExp])[] = [
  [MEMORY, /^bedrock-agentcore:[^:]+:\d{12}:memory\/([^/]+)$/],
  [RUNTIME, /^bedrock-agentcore:[^:]+:\d{12}:runtime\/([^/]+)$/],
  [GATEWAY, /^bedrock-agentcore:[^:]+:\d{12}:gateway\/([^/]+)$/],
  [ENGINE, /^bedrock-agentcore:[^:]+:\d{12}:policy-engine\/([^/]+)$/],
  [WORKLOAD, /^bedrock-agentcore:[^:]+:\d{12}:workload-identity-directory\/default\/workload-identity\/([^/]+)$/],
  [API_KEY, /^bedrock-agentcore:[^:]+:\d{12}:token-vault\/default\/apikeycredentialprovider\/([^/]+)$/],
  [OAUTH2, /^bedrock-agentcore:[^:]+:\d{12}:token-vault\/default\/oauth2credentialprovider\/([^/]+)$/],
];
const ENDPOINTS = /^bedrock-agentcore:[^:]+:\d{12}:runtime\/([^/]+)\/runtime-endpoint\/([^/]+)$/;

/** By the ARN of a resource: its kind, its id, and what it is listed under in the state. */
function placeOf(arn: string): readonly [kind: string, id: string, parent: string] | undefined {
  const named = arn.replace(/^arn:aws:/, '');
  const [, runtime, endpoint] = ENDPOINTS.exec(named) ?? [];
  if (runtime !== undefined) return [ENDPOINT, `${runtime}/${endpoint}`, runtime];
  for (const [kind, pattern] of PLACES) {
    const id = pattern.exec(named)?.[1];
    if (id !== undefined) return [kind, id, ''];
  }
  return undefined;
}

const MOST = 50;

export function tagOperations({ state }: World): Operations {
  function tagged(arn: string): { value: Tagged; put(tags: Tags): void } {
    const [kind = '', id = '', parent] = placeOf(arn) ?? [];
    const value = state.get<Tagged>(kind, id);
    if (!value) throw new AwsError('ResourceNotFoundException', `Resource ${arn} was not found.`);
    return { value, put: (tags) => state.put(kind, id, { ...value, tags }, parent) };
  }
  return {
    ListTagsForResource: ({ resourceArn }: Named) => ({ tags: tagged(resourceArn).value.tags }),
    TagResource({ resourceArn, tags: more }: Named & Tagged) {
      const { value, put } = tagged(resourceArn);
      const tags = { ...value.tags, ...more };
      if (Object.keys(tags).length > MOST) throw new AwsError('ServiceQuotaExceededException', `A resource has at most ${MOST} tags.`);
      put(tags);
      return {};
    },
    UntagResource({ resourceArn, tagKeys }: Named & { tagKeys: readonly string[] }) {
      const { value, put } = tagged(resourceArn);
      put(Object.fromEntries(Object.entries(value.tags).filter(([key]) => !tagKeys.includes(key))));
      return {};
    },
  };
}
