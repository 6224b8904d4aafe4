/** What an offering is for both revisions of the protocol: its capabilities, and the requests that they stand for. */
import type { MaterialKind, MaterialRequest } from '../../../ports/materials.ts';
import type { ListMethod, Offering } from './offering.ts';

type ReadMethod = MaterialRequest['method'];
type ParamsOf<M extends ReadMethod> = Extract<MaterialRequest, { method: M }>['params'];

const METHODS: { readonly [K in MaterialKind]: { readonly lists: readonly ListMethod[]; readonly reads: ReadMethod } } = {
  resources: { lists: ['resources/list', 'resources/templates/list'], reads: 'resources/read' },
  prompts: { lists: ['prompts/list'], reads: 'prompts/get' },
  completions: { lists: [], reads: 'completion/complete' },
};

export const listsOf = ({ passes }: Offering): ListMethod[] => ['tools/list', ...passes.flatMap((kind) => METHODS[kind].lists)];
export const readsOf = ({ passes }: Offering): ReadMethod[] => passes.map((kind) => METHODS[kind].reads);

/** @param lasts whether clients can be told something after the answer. */
export function capabilitiesOf({ passes, updates, listChanged }: Offering, lasts: boolean) {
  const changes = lasts && { listChanged: listChanged !== false };
  return {
    tools: { ...changes },
    ...(passes.includes('resources') && { resources: { ...changes, ...(lasts && updates && { subscribe: true }) } }),
    ...(passes.includes('prompts') && { prompts: { ...changes } }),
    ...(passes.includes('completions') && { completions: {} }),
    ...(lasts && { logging: {} }),
  };
}

/** A request that reads, without what the protocol adds. @param params as an SDK has checked them. */
export function requestOf(method: ReadMethod, params: object): MaterialRequest {
  if (method === 'resources/read') return { method, params: { uri: (params as ParamsOf<typeof method>).uri } };
  if (method === 'prompts/get') {
    const { name, arguments: given } = params as ParamsOf<typeof method>;
    return { method, params: { name, ...(given && { arguments: given }) } };
  }
  const { ref, argument, context } = params as ParamsOf<typeof method>;
  const given = context?.arguments;
  return {
    method,
    params: {
      ref: ref.type === 'ref/prompt' ? { type: ref.type, name: ref.name } : { type: ref.type, uri: ref.uri },
      argument: { name: argument.name, value: argument.value },
      ...(given && { context: { arguments: given } }),
    },
  };
}
