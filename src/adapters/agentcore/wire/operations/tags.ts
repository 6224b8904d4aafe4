/** Tags of every kind of resource. */
import type { Operations, World } from '../call.ts';
import { AwsError } from '../codec/error.ts';

type Tags = Record<string, string>;
interface Named {
  resourceArn: string;
}
interface Tagged {
  tags: Tags;
}

/** By the ARN of a resource: its kind and id in the state. */
function placeOf(arn: string): [kind: string, id: string] | undefined {
  const match = /^arn:aws:bedrock-agentcore:[^:]+:\d{12}:runtime\/([^/]+)(?:\/runtime-endpoint\/([^/]+))?$/.exec(arn);
  if (!match) return undefined;
  return match[2] === undefined ? ['runtime', match[1] as string] : ['runtime-endpoint', `${match[1]}/${match[2]}`];
}

const MOST = 50;

export function tagOperations({ state }: World): Operations {
  function tagged(arn: string): { value: Tagged; put(tags: Tags): void } {
    const place = placeOf(arn);
    const value = place && state.get<Tagged>(...place);
    if (!place || !value) throw new AwsError('ResourceNotFoundException', `Resource ${arn} was not found.`);
    const parent = place[0] === 'runtime' ? '' : (place[1].split('/')[0] as string);
    return { value, put: (tags) => state.put(...place, { ...value, tags }, parent) };
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
