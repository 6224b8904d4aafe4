/** Resources and prompts of a server: as tools for the model, and as parts for the input of a run. */
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import { ToolError } from '../../errors.ts';
import type { Json, JsonObject } from '../../json.ts';
import { tool } from '../../loop/tools/tool.ts';
import type { Part } from '../../ports/model.ts';
import type { Tool, ToolContext } from '../../ports/tool.ts';
import type { Connection } from './connection.ts';
import { badResult, contentIn, output, toParts } from './result.ts';

type Content = CallToolResult['content'];

/** The tools by which a model reads what a server has besides its tools: of those that the server says it has. */
export function readingTools(connection: Connection, prefix: string, kinds: readonly ('resources' | 'prompts')[]): Tool[] {
  const server = connection.name;
  const ask = (method: string, params: JsonObject, ctx: unknown) => {
    const own = ctx as ToolContext;
    return connection.read(method, params, own.signal, own);
  };
  const reading = (name: string, description: string, input: JsonObject, execute: (given: JsonObject, ctx: unknown) => Promise<Json>) =>
    tool({
      name: `${prefix}${name}`,
      description,
      input,
      effect: 'read',
      execute: (given, ctx) => execute(given as JsonObject, ctx),
      toModel: toParts,
    });
  const text = { type: 'string' };
  const page = {
    type: 'object',
    properties: { cursor: { ...text, description: 'nextCursor of the page before' } },
    additionalProperties: false,
  };
  return kinds.flatMap((kind) =>
    kind === 'resources'
      ? [
          reading(
            'list_resources',
            `Lists the resources of "${server}", such as files, and the templates of their URIs.`,
            page,
            async (given, ctx) => {
              const listed = await ask('resources/list', given, ctx);
              // a server may have no templates, or not know of them
              const templates =
                given.cursor === undefined ? await ask('resources/templates/list', {}, ctx).catch(unlessUnknown) : undefined;
              return { ...pick(listed, ['resources', 'nextCursor']), ...pick(templates ?? {}, ['resourceTemplates']) };
            },
          ),
          reading(
            'read_resource',
            `Reads a resource of "${server}" by its URI.`,
            { type: 'object', properties: { uri: text }, required: ['uri'], additionalProperties: false },
            async (given, ctx) => output({ content: resourceContent(await ask('resources/read', given, ctx)) }),
          ),
        ]
      : [
          reading('list_prompts', `Lists the prompts of "${server}" and their arguments.`, page, async (given, ctx) =>
            pick(await ask('prompts/list', given, ctx), ['prompts', 'nextCursor']),
          ),
          reading(
            'get_prompt',
            `Gets a prompt of "${server}" by its name, filled in with arguments.`,
            {
              type: 'object',
              properties: { name: text, arguments: { type: 'object', additionalProperties: text } },
              required: ['name'],
              additionalProperties: false,
            },
            async (given, ctx) => output({ content: promptContent(await ask('prompts/get', given, ctx)) }),
          ),
        ],
  );
}

const pick = (from: JsonObject, keys: readonly string[]): JsonObject =>
  Object.fromEntries(keys.flatMap((key): [string, Json][] => (from[key] === undefined ? [] : [[key, from[key] as Json]])));

/** Of a method that a server does not know. */
export function unlessUnknown(error: unknown): undefined {
  if (!(ToolError.is(error) && error.code === 'MCP_METHOD_NOT_FOUND')) throw error;
}

/** @throws ToolError `MCP_BAD_RESULT`. */
export function listOf(answer: JsonObject, key: string): JsonObject[] {
  const list = answer[key];
  if (Array.isArray(list) && list.every((one) => typeof one === 'object' && one !== null && !Array.isArray(one)))
    return list as JsonObject[];
  throw badResult(`without ${key}`);
}

const resourceContent = (answer: JsonObject): Content =>
  contentIn(listOf(answer, 'contents').map((resource) => ({ type: 'resource', resource: withText(resource) })));

/** What a resource holds: a text, or a blob. @throws ToolError `MCP_BAD_RESULT` */
export function withText({ uri, text, blob, mimeType }: JsonObject): JsonObject {
  const held: JsonObject | undefined = typeof blob === 'string' ? { blob } : typeof text === 'string' ? { text } : undefined;
  if (typeof uri !== 'string' || !held) throw badResult('with a resource that has no URI, or holds nothing');
  return { uri, ...held, ...(typeof mimeType === 'string' && { mimeType }) };
}

const promptContent = (answer: JsonObject): Content =>
  listOf(answer, 'messages').flatMap(({ role, content }) => [
    { type: 'text' as const, text: `${role === 'assistant' ? 'assistant' : 'user'}:` },
    ...contentIn([content].flat()),
  ]);

/** A resource as parts of a run's input. */
export async function resourceParts(connection: Connection, uri: string, signal: AbortSignal): Promise<readonly Part[]> {
  return partsOf(resourceContent(await connection.read('resources/read', { uri }, signal)));
}

/** A prompt as parts of a run's input. */
export async function promptParts(
  connection: Connection,
  { name, arguments: given = {} }: { name: string; arguments?: Readonly<Record<string, string>> },
  signal: AbortSignal,
): Promise<readonly Part[]> {
  return partsOf(promptContent(await connection.read('prompts/get', { name, arguments: { ...given } }, signal)));
}

function partsOf(content: Content): readonly Part[] {
  const made = toParts(output({ content }));
  return typeof made === 'string' ? [{ type: 'text', text: made }] : made;
}
