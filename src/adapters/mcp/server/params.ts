/** Params that do not fit their method. Left to an SDK, they are answered as an internal error, with the text of its schema library. */
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { isObject } from '../../../json-schema/keywords.ts';

/** The schema of a request, as an SDK has it. */
export type RequestSchema = StandardSchemaV1;
type Issue = StandardSchemaV1.Issue & { readonly expected?: unknown; readonly values?: readonly unknown[] };

/** The names of the protocol's types for the requests that a server of either revision answers. */
export const REQUEST_TYPES = {
  'tools/list': 'ListToolsRequest',
  'tools/call': 'CallToolRequest',
  'resources/list': 'ListResourcesRequest',
  'resources/templates/list': 'ListResourceTemplatesRequest',
  'resources/read': 'ReadResourceRequest',
  'prompts/list': 'ListPromptsRequest',
  'prompts/get': 'GetPromptRequest',
  'completion/complete': 'CompleteRequest',
} as const;

/**
 * What is wrong with the params of a request, as the message of an error with the code -32602.
 * @param schemas by method. A method that is not among them is for the SDK to answer.
 * @returns undefined if nothing is, or if this is not a request.
 */
export function wrongParams(message: unknown, schemas: ReadonlyMap<string, RequestSchema>): string | undefined {
  const { id, method, params } = (message ?? {}) as { id?: unknown; method?: unknown; params?: unknown };
  const schema = id === undefined ? undefined : schemas.get(method as string);
  if (!schema) return undefined;
  const checked = schema['~standard'].validate({ method, params });
  if (checked instanceof Promise) throw new TypeError('the schema of a request is checked at once');
  const issue = checked.issues?.[0] as Issue | undefined;
  return issue && `Invalid params: ${problem(issue, { params })}.`;
}

/** The member that is wrong, and how. */
function problem({ path = [], expected, values }: Issue, request: object): string {
  const keys = path.map((step) => (typeof step === 'object' ? step.key : step));
  const found = keys.reduce<unknown>(
    (at, key) => (typeof at === 'object' && at !== null ? (at as Record<PropertyKey, unknown>)[key] : at),
    request,
  );
  const member = JSON.stringify((keys.length > 1 ? keys.slice(1) : keys).join('.').slice(0, 100));
  if (found === undefined) return `${member} is missing`;
  if (values) return `${member} is one of ${values.join(', ')}`;
  if (typeof expected === 'string') return `${member} is not of the type ${expected === 'record' ? 'object' : expected}`;
  return `${member} is not valid`;
}

/** A message without the wish for a task: a server that has no tasks passes over it, and the SDKs answer it with an error. */
export function withoutTask<M>(message: M): M {
  const { params } = (message ?? {}) as { params?: unknown };
  if (!isObject(params) || !Object.hasOwn(params, 'task')) return message;
  const { task: _, ...others } = params;
  return { ...message, params: others };
}

const RELATED_TASK = 'io.modelcontextprotocol/related-task';

/** As `wrongParams`, of what holds for every method. An SDK answers it as a text that is not JSON. */
export function oddParams(message: unknown): string | undefined {
  const { id, method, params } = (message ?? {}) as { id?: unknown; method?: unknown; params?: unknown };
  if (id === undefined || typeof method !== 'string' || params === undefined) return undefined;
  if (!isObject(params)) return 'Invalid params: "params" is not of the type object.';
  const { _meta: meta = {} } = params;
  if (!isObject(meta)) return 'Invalid params: "_meta" is not of the type object.';
  const { progressToken = 0, [RELATED_TASK]: task } = meta;
  if (typeof progressToken !== 'string' && !Number.isInteger(progressToken)) return 'Invalid params: "_meta.progressToken" is not valid.';
  if (task === undefined) return undefined;
  if (!isObject(task)) return `Invalid params: "_meta.${RELATED_TASK}" is not of the type object.`;
  if (task.taskId === undefined) return `Invalid params: "_meta.${RELATED_TASK}.taskId" is missing.`;
  return typeof task.taskId === 'string' ? undefined : `Invalid params: "_meta.${RELATED_TASK}.taskId" is not of the type string.`;
}
