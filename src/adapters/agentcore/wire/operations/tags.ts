/** Tags of every kind of resource. */
import { arnOf, type Operations, type World } from '../call.ts';
import { AwsError } from '../codec/error.ts';
import { GATEWAY } from '../gateway/resources.ts';
import { API_KEY, WORKLOAD } from '../identity/resources.ts';
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

/** Kinds of which a resource is in no other, by how the ARNs of this region and account go on. */
const PLACES: readonly (readonly [kind: string, rest: RegExp])[] = [
  [MEMORY, /^memory\/([^/]+)$/],
  [RUNTIME, /^runtime\/([^/]+)$/],
  [GATEWAY, /^gateway\/([^/]+)$/],
  [ENGINE, /^policy-engine\/([^/]+)$/],
  [WORKLOAD, /^workload-identity-directory\/default\/workload-identity\/([^/]+)$/],
  [API_KEY, /^token-vault\/default\/apikeycredentialprovider\/([^/]+)$/],
];
const ENDPOINTS = /^runtime\/([^/]+)\/runtime-endpoint\/([^/]+)$/;

/** By the ARN of a resource: its kind, its id, and what it is listed under in the state. */
function placeOf(world: World, arn: string): readonly [kind: string, id: string, parent: string] | undefined {
  const own = arnOf(world, '');
  if (!arn.startsWith(own)) return undefined;
  const rest = arn.slice(own.length);
  const [, runtime, endpoint] = ENDPOINTS.exec(rest) ?? [];
  if (runtime !== undefined) return [ENDPOINT, `${runtime}/${endpoint}`, runtime];
  for (const [kind, pattern] of PLACES) {
    const id = pattern.exec(rest)?.[1];
    if (id !== undefined) return [kind, id, ''];
  }
  return undefined;
}

const MOST = 50;

export function tagOperations(world: World): Operations {
  const { state } = world;

  /** @throws AwsError `ResourceNotFoundException`. */
  function tagged(arn: string): { value: Tagged; put(tags: Tags): void } {
    const [kind = '', id = '', parent] = placeOf(world, arn) ?? [];
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
