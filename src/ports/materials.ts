/** What a source has besides tools: resources that can be read, and prompts that can be filled in. In the shapes of MCP. */
import type { JsonObject } from '../json.ts';
import type { Principal } from './principal.ts';

/** `completions`: values for the arguments of prompts, and for the variables in the URIs of resources. */
export type MaterialKind = 'resources' | 'prompts' | 'completions';

/** A list of a source that is another now. */
export type ChangedList = 'tools' | 'resources' | 'prompts';

interface Described {
  name: string;
  title?: string;
  description?: string;
}

export interface ListedResource extends Described {
  /** It names the resource to `resources/read`. */
  uri: string;
  mimeType?: string;
}

export interface ListedTemplate extends Described {
  /** Such as `order://{id}`. */
  uriTemplate: string;
  mimeType?: string;
}

export interface ListedPrompt extends Described {
  /** The texts that the prompt is filled in with. One without `required` may be left out. */
  arguments?: readonly { name: string; title?: string; description?: string; required?: boolean }[];
}

/** What is completed: an argument of a prompt, or a variable in a template of URIs. */
export type Completion = {
  ref: { type: 'ref/prompt'; name: string } | { type: 'ref/resource'; uri: string };
  argument: { name: string; value: string };
  /** Arguments that have a value already. */
  context?: { arguments?: { readonly [name: string]: string } };
};

/** A request that a tool of the source answers. */
export type MaterialRequest =
  | { method: 'resources/read'; params: { uri: string } }
  | { method: 'prompts/get'; params: { name: string; arguments?: { readonly [name: string]: string } } }
  | { method: 'completion/complete'; params: Completion };

/** The call of a tool. Its output is the result of the request. */
export interface MaterialCall {
  /** The name of one of the `tools()` of the source. */
  tool: string;
  input: JsonObject;
  /** The URI, for the caller, of one in the result. Absent: they are the same. */
  outer?(uri: string): string;
}

/** Who asks. */
export interface MaterialCaller {
  /** From authentication; undefined for a caller without a principal. */
  readonly by?: Principal | undefined;
  readonly signal: AbortSignal;
}
