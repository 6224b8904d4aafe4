/** Resources and prompts of a server as they are, for the clients of a gateway. Nothing that a server says of them is trusted. */
import { ToolError } from '../../errors.ts';
import { isDeep, type Json, type JsonObject } from '../../json.ts';
import { isObject } from '../../json-schema/keywords.ts';
import type { ListedPrompt, ListedResource, ListedTemplate, MaterialCaller, MaterialKind } from '../../ports/materials.ts';
import type { Materials } from '../../ports/tool.ts';
import type { Connection } from './connection.ts';
import { pages } from './listing.ts';
import { materialTools, noResource } from './material-tools.ts';
import type { McpOptions } from './options.ts';
import { listOf, unlessUnknown, withText } from './reading.ts';
import { badResult, contentIn } from './result.ts';

/** What is read of one list: items, and characters of all of them. */
const MOST = { items: 1_000, chars: 1_000_000 };
const MOST_VALUES = 100;

export function passedMaterials(connection: Connection, kinds: readonly MaterialKind[], { timeout, breaker }: McpOptions): Materials {
  const has = async (kind: MaterialKind) => kinds.includes(kind) && (await connection.has([kind])).length > 0;
  const list =
    <T>(kind: MaterialKind, method: string, key: string, itemOf: (item: JsonObject) => T) =>
    async ({ signal }: MaterialCaller): Promise<readonly T[]> => {
      if (!(await has(kind))) return [];
      // a server may not know of templates
      const ask = async (at: { readonly cursor?: string }) =>
        (await connection.read(method, { ...at }, signal).catch(unlessUnknown)) ?? { [key]: [] };
      return (await pages(key, MOST, ask, (page) => listOf(page, key).map(itemOf))).items;
    };

  const tools = materialTools(
    {
      ...(kinds.includes('resources') && {
        async 'resources/read'({ uri }, ctx) {
          const answer = await connection.read('resources/read', { uri }, ctx.signal, ctx).catch(unlessMissing);
          return { contents: listOf(answer, 'contents').map(withText) };
        },
      }),
      ...(kinds.includes('prompts') && {
        async 'prompts/get'(params, ctx) {
          const answer = await connection.read('prompts/get', params, ctx.signal, ctx);
          const { description } = answer;
          const messages = listOf(answer, 'messages').map(({ role, content }) => ({
            role: role === 'assistant' ? 'assistant' : 'user',
            content: contentOf(content),
          }));
          return { ...(typeof description === 'string' && { description }), messages };
        },
      }),
      ...(kinds.includes('completions') && {
        async 'completion/complete'(params, ctx) {
          const { completion } = await connection.read('completion/complete', params, ctx.signal, ctx);
          const { values, total, hasMore } = isObject(completion) ? completion : {};
          if (!Array.isArray(values) || values.some((value) => typeof value !== 'string')) throw badResult('without values to choose from');
          return {
            completion: {
              values: values.slice(0, MOST_VALUES),
              ...(typeof total === 'number' && { total }),
              ...(typeof hasMore === 'boolean' && { hasMore }),
            },
          };
        },
      }),
    },
    { ...(timeout !== undefined && { timeout }), ...(breaker === false && { breaker }) },
  );

  return {
    resources: list('resources', 'resources/list', 'resources', resourceOf),
    templates: list('resources', 'resources/templates/list', 'resourceTemplates', templateOf),
    prompts: list('prompts', 'prompts/list', 'prompts', promptOf),
    tools: async () => tools,
    async callOf({ method, params }) {
      const kind = method === 'resources/read' ? 'resources' : method === 'prompts/get' ? 'prompts' : 'completions';
      return (await has(kind)) ? { tool: method, input: params } : undefined;
    },
  };
}

/** A server that has no such resource says it in one of two ways. By the number of the first one a gateway also refuses what it has, and says so. */
function unlessMissing(error: unknown): never {
  if (!ToolError.is(error)) throw error;
  const { code } = (error.cause ?? {}) as { code?: unknown };
  throw error.code === 'MCP_INVALID_PARAMS' || (error.code === 'MCP_ERROR' && code === -32002) ? noResource() : error;
}

/** An item with these texts. @throws ToolError `MCP_BAD_RESULT` if it lacks one that every item has. */
function withTexts<T>(from: JsonObject, needed: readonly (keyof T & string)[], more: readonly (keyof T & string)[]): T {
  for (const key of needed) if (typeof from[key] !== 'string') throw badResult(`with an item that has no ${key}`);
  return Object.fromEntries([...needed, ...more].flatMap((key) => (typeof from[key] === 'string' ? [[key, from[key]]] : []))) as T;
}

const ABOUT = ['title', 'description'] as const;
const resourceOf = (one: JsonObject) => withTexts<ListedResource>(one, ['uri', 'name'], [...ABOUT, 'mimeType']);
const templateOf = (one: JsonObject) => withTexts<ListedTemplate>(one, ['uriTemplate', 'name'], [...ABOUT, 'mimeType']);

const promptOf = (one: JsonObject): ListedPrompt => ({
  ...withTexts<ListedPrompt>(one, ['name'], ABOUT),
  ...(one.arguments !== undefined && { arguments: listOf(one, 'arguments').map(argumentOf) }),
});
const argumentOf = (one: JsonObject) => ({
  ...withTexts<{ name: string; title?: string; description?: string }>(one, ['name'], ABOUT),
  ...(typeof one.required === 'boolean' && { required: one.required }),
});

/** One part of a message. */
function contentOf(content: Json | undefined): Json {
  const part = contentIn([content])[0] as unknown as Json;
  if (isDeep(part)) throw badResult('with a part that is nested too deeply');
  return part;
}
