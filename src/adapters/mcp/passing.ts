/** Resources and prompts of a server as they are, for the clients of a gateway. Nothing that a server says of them is trusted. */
import { ToolError } from '../../errors.ts';
import { isDeep, type Json, type JsonObject, sizeOf } from '../../json.ts';
import type { Completion, ListedPrompt, ListedResource, ListedTemplate, MaterialCaller, MaterialKind } from '../../ports/materials.ts';
import type { Materials } from '../../ports/tool.ts';
import type { Connection } from './connection.ts';
import { MOST_LISTED } from './listing.ts';
import { materialTools, noResource } from './material-tools.ts';
import type { McpOptions } from './options.ts';
import { listOf, unlessUnknown, withText } from './reading.ts';

/** What is read of one list: items, and characters of all of them. */
const MOST = { items: 1_000, chars: 1_000_000 };
const MOST_VALUES = 100;

export function passedMaterials(connection: Connection, kinds: readonly MaterialKind[], { timeout, breaker }: McpOptions): Materials {
  const has = async (kind: MaterialKind) => kinds.includes(kind) && (await connection.has([kind])).length > 0;
  const list =
    <T>(kind: MaterialKind, method: string, key: string, itemOf: (item: JsonObject) => T | undefined) =>
    async ({ signal }: MaterialCaller): Promise<readonly T[]> =>
      (await has(kind)) ? listed(connection, { method, key, itemOf, signal }) : [];

  const tools = materialTools(
    {
      ...(kinds.includes('resources') && {
        async 'resources/read'({ uri }, ctx) {
          const answer = await connection.read('resources/read', { uri }, ctx.signal, ctx).catch(unlessMissing);
          return { contents: listOf(answer, 'contents').map((one) => withText(one) as unknown as JsonObject) };
        },
      }),
      ...(kinds.includes('prompts') && {
        async 'prompts/get'(params, ctx) {
          const answer = await connection.read('prompts/get', { ...params } as JsonObject, ctx.signal, ctx);
          const { description } = answer;
          const messages = listOf(answer, 'messages').map(({ role, content }) => ({
            role: role === 'assistant' ? 'assistant' : 'user',
            content: contentOf(content),
          }));
          return { ...(typeof description === 'string' && { description }), messages };
        },
      }),
      ...(kinds.includes('completions') && {
        async 'completion/complete'(params: Completion, ctx) {
          const { completion } = await connection.read('completion/complete', params as unknown as JsonObject, ctx.signal, ctx);
          const { values, total, hasMore } = (completion ?? {}) as JsonObject;
          if (!Array.isArray(values)) throw badResult('values');
          return {
            completion: {
              values: values.slice(0, MOST_VALUES).map(String),
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
      return (await has(kind)) ? { tool: method, input: params as unknown as JsonObject } : undefined;
    },
  };
}

const badResult = (key: string) => new ToolError('MCP_BAD_RESULT', `The server answered without ${key}.`, { outcome: 'failed' });

/** A server that has no such resource says it in one of two ways. */
function unlessMissing(error: unknown): never {
  const { code } = ((error as Error).cause ?? {}) as { code?: unknown };
  throw code === -32002 || code === -32602 ? noResource() : error;
}

async function listed<T>(
  connection: Connection,
  { method, key, itemOf, signal }: { method: string; key: string; itemOf: (item: JsonObject) => T | undefined; signal: AbortSignal },
): Promise<readonly T[]> {
  const items: T[] = [];
  let chars = MOST.chars;
  let cursor: string | undefined;
  const cursors = new Set<string>();
  for (let page = 0; page < MOST_LISTED.pages; page++) {
    // a server may not know of templates
    const answer = await connection.read(method, cursor === undefined ? {} : { cursor }, signal).catch(unlessUnknown);
    if (!answer) return items;
    for (const one of listOf(answer, key)) {
      const item = itemOf(one);
      if (!item) continue;
      chars -= sizeOf(item as Json);
      if (items.length >= MOST.items || chars < 0) return items;
      items.push(item);
    }
    const { nextCursor } = answer;
    if (typeof nextCursor !== 'string' || cursors.has(nextCursor)) return items;
    cursors.add(nextCursor);
    cursor = nextCursor;
  }
  return items;
}

const texts = (from: JsonObject, keys: readonly string[]): { [k: string]: string } =>
  Object.fromEntries(keys.flatMap((key) => (typeof from[key] === 'string' ? [[key, from[key]]] : [])));

/** @returns undefined for an item without what every item has. */
const withTexts = (from: JsonObject, needed: readonly string[], more: readonly string[]): { [k: string]: string } | undefined =>
  needed.every((key) => typeof from[key] === 'string') ? texts(from, [...needed, ...more]) : undefined;

const ABOUT = ['title', 'description'];
const resourceOf = (one: JsonObject) => withTexts(one, ['uri', 'name'], [...ABOUT, 'mimeType']) as ListedResource | undefined;
const templateOf = (one: JsonObject) => withTexts(one, ['uriTemplate', 'name'], [...ABOUT, 'mimeType']) as ListedTemplate | undefined;

function promptOf(one: JsonObject): ListedPrompt | undefined {
  const made = withTexts(one, ['name'], ABOUT) as ListedPrompt | undefined;
  if (!made || !Array.isArray(one.arguments)) return made;
  const given = one.arguments.flatMap((argument) => {
    const { required } = (argument ?? {}) as JsonObject;
    const known = withTexts((argument ?? {}) as JsonObject, ['name'], ABOUT) as { name: string } | undefined;
    return known ? [{ ...known, ...(typeof required === 'boolean' && { required }) }] : [];
  });
  return { ...made, arguments: given };
}

/** One part of a message. */
function contentOf(content: Json | undefined): Json {
  const part = (typeof content === 'object' ? content : null) as JsonObject | null;
  if (typeof part?.type !== 'string' || isDeep(part)) throw badResult('a content');
  return part;
}
