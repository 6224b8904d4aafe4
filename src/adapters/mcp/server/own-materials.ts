/** The resources and prompts that an application offers itself, by the options of a handler. */
import { ToolError } from '../../../errors.ts';
import type { Json, JsonObject } from '../../../json.ts';
import type { Completion, ListedPrompt, ListedResource, ListedTemplate, MaterialKind, MaterialRequest } from '../../../ports/materials.ts';
import type { Principal } from '../../../ports/principal.ts';
import type { Materials, ToolContext } from '../../../ports/tool.ts';
import { materialTools, noResource } from '../material-tools.ts';
import { toContent } from './content.ts';
import {
  type Completer,
  checkPrompts,
  checkResources,
  type MaterialContext,
  type McpPrompt,
  type McpResource,
  type OwnOptions,
  type PromptMessage,
  type ResourceContent,
} from './own.ts';
import type { UriTemplate } from './uri-template.ts';

const MOST_VALUES = 100;

/** Codes of what a caller may be told in words. */
export const INVALID_REQUEST = 'INVALID_ARGUMENTS';
const refused = (message: string) => new ToolError(INVALID_REQUEST, message, { outcome: 'not-run' });

/** What is offered by the options. */
export function kindsOf(o: OwnOptions): readonly MaterialKind[] {
  const kinds = (['resources', 'prompts'] as const).filter((kind) => o[kind] !== undefined);
  return kinds.length > 0 ? [...kinds, 'completions'] : [];
}

/** @throws RondoError `CONFIG_INVALID` for a list that is wrong. A function's list is checked when it is made. */
export function ownMaterials({ resources = [], prompts = [] }: OwnOptions, where: string): Materials {
  const templates = new WeakMap<McpResource, UriTemplate>();
  const checkedResources = (list: readonly McpResource[]) => checkResources(list, where, templates);
  const checkedPrompts = (list: readonly McpPrompt[]) => checkPrompts(list, where);
  if (typeof resources !== 'function') checkedResources(resources);
  if (typeof prompts !== 'function') checkedPrompts(prompts);
  const resourcesOf = async (by: Principal | undefined) =>
    typeof resources === 'function' ? checkedResources(await resources(by as Principal)) : resources;
  const promptsOf = async (by: Principal | undefined) =>
    typeof prompts === 'function' ? checkedPrompts(await prompts(by as Principal)) : prompts;

  async function found(uri: string, by: Principal | undefined) {
    const list = await resourcesOf(by);
    const exact = list.find((one) => one.uri === uri && !templates.has(one));
    if (exact) return { resource: exact, variables: {} };
    for (const resource of list) {
      const variables = templates.get(resource)?.match(uri);
      if (variables) return { resource, variables };
    }
    return undefined;
  }

  async function isOwn({ method, params }: MaterialRequest, by: Principal | undefined): Promise<boolean> {
    if (method === 'resources/read') return (await found(params.uri, by)) !== undefined;
    const of = method === 'prompts/get' ? params : params.ref;
    return 'uri' in of
      ? (await resourcesOf(by)).some(({ uri }) => uri === of.uri)
      : (await promptsOf(by)).some(({ name }) => name === of.name);
  }

  async function completer({ ref, argument }: Completion, by: Principal | undefined): Promise<Completer | undefined> {
    if (ref.type === 'ref/prompt') {
      const prompt = (await promptsOf(by)).find(({ name }) => name === ref.name);
      if (!prompt) throw refused('There is no prompt of this name.');
      if (!Object.hasOwn(prompt.arguments ?? {}, argument.name)) throw refused('The prompt has no such argument.');
      return prompt.arguments?.[argument.name]?.complete;
    }
    const resource = (await resourcesOf(by)).find((one) => one.uri === ref.uri && templates.has(one));
    if (!resource) throw refused('There is no template of this URI.');
    if (!templates.get(resource)?.variables.includes(argument.name)) throw refused('The template has no such variable.');
    return resource.complete?.[argument.name];
  }

  const tools = materialTools({
    async 'resources/read'({ uri }, ctx) {
      const one = await found(uri, ctx.by);
      const made = await one?.resource.read(one.variables, { ...contextOf(ctx), uri });
      if (!one || made === undefined) throw noResource();
      return { contents: [made].flat().map((content) => contentsOf(content as ResourceContent, uri, one.resource.mimeType)) };
    },
    async 'prompts/get'({ name, arguments: given = {} }, ctx) {
      const prompt = (await promptsOf(ctx.by)).find((one) => one.name === name);
      if (!prompt) throw refused('There is no prompt of this name.');
      const { arguments: known = {}, description } = prompt;
      for (const [argument, { required }] of Object.entries(known))
        if (required && given[argument] === undefined) throw refused(`The prompt ${name} needs the argument "${argument}".`);
      for (const argument of Object.keys(given))
        if (!Object.hasOwn(known, argument))
          throw refused(`The prompt ${name} has no argument of the name ${JSON.stringify(argument.slice(0, 100))}.`);
      const made = await prompt.get(given, contextOf(ctx));
      const messages = typeof made === 'string' ? [{ role: 'user' as const, content: made }] : made;
      return { ...(description !== undefined && { description }), messages: messages.flatMap(messagesOf) };
    },
    async 'completion/complete'(params, { by, signal }) {
      const complete = await completer(params, by);
      const given = params.context?.arguments ?? {};
      const values = complete ? (await complete(params.argument.value, { given, by: by as Principal, signal })).map(String) : [];
      return { completion: { values: values.slice(0, MOST_VALUES), total: values.length, hasMore: values.length > MOST_VALUES } };
    },
  });

  return {
    resources: async ({ by }) => (await resourcesOf(by)).filter((one) => !templates.has(one)).map(listedResource),
    templates: async ({ by }) => (await resourcesOf(by)).filter((one) => templates.has(one)).map(listedTemplate),
    prompts: async ({ by }) => (await promptsOf(by)).map(listedPrompt),
    tools: async () => tools,
    callOf: async (request, { by }) => ((await isOwn(request, by)) ? { tool: request.method, input: request.params } : undefined),
  };
}

const contextOf = ({ by, signal, asked }: ToolContext): MaterialContext => ({ by: by as Principal, signal, ...(asked && { asked }) });

const about = ({ name, title, description }: McpResource | McpPrompt) => ({
  name,
  ...(title !== undefined && { title }),
  ...(description !== undefined && { description }),
});

const typeOf = ({ mimeType }: McpResource) => mimeType !== undefined && { mimeType };
const listedResource = (one: McpResource): ListedResource => ({ uri: one.uri, ...about(one), ...typeOf(one) });
const listedTemplate = (one: McpResource): ListedTemplate => ({ uriTemplate: one.uri, ...about(one), ...typeOf(one) });

const listedPrompt = (one: McpPrompt): ListedPrompt => ({
  ...about(one),
  ...(one.arguments && {
    arguments: Object.entries(one.arguments).map(([name, { title, description, required }]) => ({
      name,
      ...(title !== undefined && { title }),
      ...(description !== undefined && { description }),
      ...(required !== undefined && { required }),
    })),
  }),
});

function contentsOf(content: ResourceContent, at: string, type: string | undefined): JsonObject {
  const given = typeof content === 'string' ? { text: content } : content instanceof Uint8Array ? { bytes: content } : content;
  const { uri = at, mimeType = type } = given as { uri?: string; mimeType?: string };
  if ('text' in given && typeof given.text === 'string') return { uri, mimeType: mimeType ?? 'text/plain', text: given.text };
  if (!('bytes' in given && given.bytes instanceof Uint8Array))
    throw new Error('read() answered neither a text nor bytes: return a string, a Uint8Array, { text } or { bytes }');
  return { uri, mimeType: mimeType ?? 'application/octet-stream', blob: Buffer.from(given.bytes).toString('base64') };
}

const messagesOf = ({ role, content }: PromptMessage): Json[] =>
  toContent(typeof content === 'string' ? { type: 'text', text: content } : content).map((one) => ({
    role,
    content: one as unknown as Json,
  }));
