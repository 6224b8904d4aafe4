/** What an application offers besides tools: the options, and their checks. */
import { invalid } from '../../../errors.ts';
import { isObject } from '../../../json-schema/keywords.ts';
import { checkOptions, type Examples } from '../../../options.ts';
import type { Part } from '../../../ports/model.ts';
import type { Principal } from '../../../ports/principal.ts';
import type { ToolContext } from '../../../ports/tool.ts';
import { isTemplate, type UriTemplate, uriTemplate } from './uri-template.ts';

/** What a caller is offered: a list, or a function that makes the list of each caller. */
export type PerCaller<T> = readonly T[] | ((by: Principal) => readonly T[] | Promise<readonly T[]>);

/** @returns values to choose from, best first; at most 100 are told. `given` are the arguments that have a value already. */
export type Completer = (
  value: string,
  o: { given: { readonly [name: string]: string }; by: Principal; signal: AbortSignal },
) => readonly string[] | Promise<readonly string[]>;

/** A text, bytes, or either with a type and a URI of its own. */
export type ResourceContent =
  | string
  | Uint8Array
  | { text: string; mimeType?: string; uri?: string }
  | { bytes: Uint8Array; mimeType?: string; uri?: string };

/** Of one read. */
export interface MaterialContext {
  readonly by: Principal;
  readonly signal: AbortSignal;
  /** Set if it threw `NeedsPerson` before, as in a tool. */
  readonly asked?: ToolContext['asked'];
}

/** Something that clients can read, or a template of such things. */
export interface McpResource {
  /**
   * A URI, or a template of URIs: `order://{id}`. `{name}` stands for a part without `/`, `?` and `#`, `{+name}` for the rest. What fits is decoded, so
   * it may be anything that a caller writes: check it before it names a file.
   */
  uri: string;
  name: string;
  title?: string;
  description?: string;
  /** Of its contents, unless they say. Default `text/plain` for a text, `application/octet-stream` for bytes. */
  mimeType?: string;
  /**
   * Called for each read, as a tool with effect `read`: it may be called again after a failure.
   * @param variables of the template. @returns undefined if there is nothing at this URI.
   */
  read(
    variables: { readonly [name: string]: string },
    ctx: MaterialContext & { readonly uri: string },
  ): ResourceContent | readonly ResourceContent[] | undefined | Promise<ResourceContent | readonly ResourceContent[] | undefined>;
  /** By the variables of the template. */
  complete?: { readonly [variable: string]: Completer };
}

export interface PromptMessage {
  role: 'user' | 'assistant';
  /** A document is an embedded resource, whose URI is its `name`. */
  content: string | Part;
}

/** A prompt that the client's person chooses, and fills in with arguments. */
export interface McpPrompt {
  name: string;
  title?: string;
  description?: string;
  arguments?: {
    readonly [name: string]: { title?: string; description?: string; required?: boolean; complete?: Completer };
  };
  /** Called for each read, as a tool with effect `read`. @returns a text of the user, or messages. */
  get(
    given: { readonly [name: string]: string },
    ctx: MaterialContext,
  ): string | readonly PromptMessage[] | Promise<string | readonly PromptMessage[]>;
}

export interface OwnOptions {
  /** What clients can read, by URI. */
  resources?: PerCaller<McpResource>;
  /** What a client's person can choose and fill in. */
  prompts?: PerCaller<McpPrompt>;
}

const RESOURCE = {
  uri: "uri: 'order://{id}'",
  name: "name: 'order'",
  title: "title: 'Order'",
  description: "description: 'One order'",
  mimeType: "mimeType: 'application/json'",
  read: 'read: ({ id }) => textOf(id)',
  complete: 'complete: { id: (value) => idsLike(value) }',
} satisfies Record<keyof McpResource, string>;
const PROMPT = {
  name: "name: 'review'",
  title: "title: 'Review'",
  description: "description: 'Reviews code'",
  arguments: 'arguments: { code: { required: true } }',
  get: "get: ({ code }) => 'Review: ' + code",
} satisfies Record<keyof McpPrompt, string>;
const ARGUMENT = {
  title: "title: 'Code'",
  description: "description: 'The code'",
  required: 'required: true',
  complete: 'complete: (value) => likeIt(value)',
};

type Texts = { readonly [k: string]: unknown };

function checkTexts(one: Texts, names: readonly string[], where: string, examples: Examples): void {
  for (const name of names)
    if (one[name] !== undefined && typeof one[name] !== 'string') throw invalid(`${where}: ${name} is a text: ${examples[name]}.`);
}

/** @param templates filled with those of the list. @returns the list. @throws RondoError `CONFIG_INVALID`. */
export function checkResources(
  list: readonly McpResource[],
  owner: string,
  templates: WeakMap<McpResource, UriTemplate>,
): readonly McpResource[] {
  if (!Array.isArray(list)) throw invalid(`${owner}: resources is a list, or a function that makes one: [{ ${RESOURCE.uri}, ... }].`);
  const seen = new Set<string>();
  for (const one of list as readonly McpResource[]) {
    const where = `${owner}: the resource ${JSON.stringify(one?.uri ?? '')}`;
    checkOptions(one, RESOURCE, where);
    checkTexts(one as unknown as Texts, ['title', 'description', 'mimeType'], where, RESOURCE);
    const { uri, name, read, complete = {} } = one;
    if (typeof uri !== 'string' || !/^[a-zA-Z][a-zA-Z0-9+.-]*:/.test(uri)) throw invalid(`${where} has no URI: ${RESOURCE.uri}.`);
    if (typeof name !== 'string' || name === '') throw invalid(`${where} has no name: ${RESOURCE.name}.`);
    if (typeof read !== 'function') throw invalid(`${where} has no read(): ${RESOURCE.read}.`);
    if (seen.has(uri)) throw invalid(`${where} is there twice.`);
    seen.add(uri);
    const template = isTemplate(uri) ? (templates.get(one) ?? uriTemplate(uri, owner)) : undefined;
    if (template) templates.set(one, template);
    if (!isObject(complete)) throw invalid(`${where}: complete is an object: ${RESOURCE.complete}.`);
    for (const [variable, own] of Object.entries(complete)) {
      if (!template?.variables.includes(variable))
        throw invalid(`${where}: complete is for a variable "${variable}", which it does not have.`);
      checkCompleter(own, `${where}: the variable "${variable}"`);
    }
  }
  return list;
}

/** @returns the list. @throws RondoError `CONFIG_INVALID`. */
export function checkPrompts(list: readonly McpPrompt[], owner: string): readonly McpPrompt[] {
  if (!Array.isArray(list)) throw invalid(`${owner}: prompts is a list, or a function that makes one: [{ ${PROMPT.name}, ... }].`);
  const seen = new Set<string>();
  for (const one of list as readonly McpPrompt[]) {
    const where = `${owner}: the prompt ${JSON.stringify(one?.name ?? '')}`;
    checkOptions(one, PROMPT, where);
    checkTexts(one as unknown as Texts, ['title', 'description'], where, PROMPT);
    if (typeof one.name !== 'string' || one.name === '') throw invalid(`${where} has no name: ${PROMPT.name}.`);
    if (typeof one.get !== 'function') throw invalid(`${where} has no get(): ${PROMPT.get}.`);
    if (seen.has(one.name)) throw invalid(`${where} is there twice.`);
    seen.add(one.name);
    const { arguments: known = {} } = one;
    if (!isObject(known)) throw invalid(`${where}: the arguments are an object: ${PROMPT.arguments}.`);
    for (const [name, argument] of Object.entries(known)) {
      checkOptions(argument, ARGUMENT, `${where}: the argument "${name}"`);
      checkCompleter(argument.complete, `${where}: the argument "${name}"`);
    }
  }
  return list;
}

function checkCompleter(complete: unknown, where: string): void {
  if (complete !== undefined && typeof complete !== 'function') throw invalid(`${where}: complete is a function: ${ARGUMENT.complete}.`);
}
