/** The tools by which resources are read and prompts are filled in. Their names are those of the methods of MCP, which no other tool can have. */
import { ToolError } from '../../errors.ts';
import { type JsonObject, sizeOf } from '../../json.ts';
import { definition, renamedTool, tool } from '../../loop/tools/tool.ts';
import type { CredentialRequest } from '../../ports/identity.ts';
import type { MaterialRequest } from '../../ports/materials.ts';
import type { Tool, ToolContext } from '../../ports/tool.ts';
import type { JsonSchema } from '../../schema.ts';

type Method = MaterialRequest['method'];
export type Reads = {
  readonly [M in Method]?: (params: Extract<MaterialRequest, { method: M }>['params'], ctx: ToolContext) => Promise<JsonObject>;
};

/** Characters of one result. It is never cut: a part of it would be worth nothing. */
const MOST = 8_000_000;

const TEXT = { type: 'string' };
const TEXTS = { type: 'object', additionalProperties: TEXT };
const object = (properties: JsonObject, required: string[]) =>
  ({ type: 'object', properties, required, additionalProperties: false }) as JsonSchema;
const KIND = { type: 'string', enum: ['ref/prompt', 'ref/resource'] };

const INPUT: Readonly<Record<Method, JsonSchema>> = {
  'resources/read': object({ uri: TEXT }, ['uri']),
  'prompts/get': object({ name: TEXT, arguments: TEXTS }, ['name']),
  'completion/complete': object(
    {
      ref: object({ type: KIND, name: TEXT, uri: TEXT }, ['type']) as JsonObject,
      argument: object({ name: TEXT, value: TEXT }, ['name', 'value']) as JsonObject,
      context: object({ arguments: TEXTS }, []) as JsonObject,
    },
    ['ref', 'argument'],
  ),
};

const DESCRIPTION: Readonly<Record<Method, string>> = {
  'resources/read': 'Reads a resource by its URI.',
  'prompts/get': 'Gets a prompt by its name, filled in with arguments.',
  'completion/complete': 'Completes an argument of a prompt, or a variable in the URI of a resource.',
};

export const RESOURCE_NOT_FOUND = 'RESOURCE_NOT_FOUND';
export const noResource = () => new ToolError(RESOURCE_NOT_FOUND, 'There is no resource of this URI.', { outcome: 'not-run' });

interface Options {
  timeout?: number;
  breaker?: false;
  credentials?: { readonly [name: string]: CredentialRequest };
}

/** A method for each function that there is. @param options of all of them. */
export function materialTools(reads: Reads, options: Options = {}): readonly Tool[] {
  return (Object.keys(INPUT) as Method[]).flatMap((method) => {
    const read = reads[method] as ((params: unknown, ctx: ToolContext) => Promise<JsonObject>) | undefined;
    if (!read) return [];
    const made = tool({
      ...options,
      name: method.replace('/', '_'),
      description: DESCRIPTION[method],
      input: INPUT[method],
      effect: 'read',
      // a character has at most three bytes
      maxBytes: MOST * 3,
      async execute(params, ctx) {
        const result = await read(params, ctx as ToolContext);
        if (sizeOf(result) <= MOST) return result;
        throw new ToolError('RESULT_TOO_LARGE', `The result has more than ${MOST} characters.`, { outcome: 'failed' });
      },
    });
    return [renamedTool(definition(made), method, { full: method })];
  });
}
