import { bareName } from './vendor.ts';

/**
 * What of Converse a model may refuse although another takes it. A request that would use a feature which its model lacks is
 * written another way, see docs/bedrock-rules.md.
 */
export type Feature =
  /** Native structured output. Instead: the schema is put into the system prompt. */
  | 'textFormat'
  /** `status: 'error'` on a tool's result. Instead: the result's own text says that it failed. */
  | 'status'
  /** Reasoning that goes back; reasoning without a signature; the signature of reasoning. Instead: none. */
  | 'reasoning'
  | 'unsigned'
  | 'signature'
  /** Reasoning turned on while the answer to go on with did not begin with reasoning. Instead: off for that request. */
  | 'thinking'
  /** Streams; streams while tools are declared. Instead: the one-shot call. */
  | 'stream'
  | 'stream.tools'
  /** A system prompt. Instead: the first thing the user says. */
  | 'system'
  /** Tools declared, and calls in the conversation. Instead, where no tool is on offer: calls and results in words. */
  | 'tools'
  /** Anything else beside tool results in one message. Instead: a line of the assistant's between them. */
  | 'beside'
  /** Media, and media inside a tool's result. Instead: a line of text; beside the result. */
  | 'image'
  | 'document'
  | 'result.image'
  | 'result.document'
  /** Images under the media type they were given. Instead: the one their bytes show. */
  | 'declared'
  /** Up to 20 images and documents in a request. Instead: the newest 5. */
  | 'many'
  /** Cache points, by where they stand; their time to live. Instead: none. */
  | 'cache.system'
  | 'cache.tools'
  | 'cache.messages'
  | 'cache.results'
  | 'cache.ttl'
  /** Names of arguments outside `[a-zA-Z0-9_.-]{1,64}`. Instead: aliases. */
  | 'argument'
  /** `anyOf`, `oneOf`, `allOf` or `$ref` at the top of a tool's schema. Instead: one object, and the choice in its description. */
  | 'union'
  /** At the top of a tool's schema anything but type, properties, required; and references. Instead: without; written out. */
  | 'root'
  /** More than the plainest of JSON Schema. Instead: types, properties, enums, descriptions. */
  | 'schema'
  /** Hyphens in names of tools. Instead: aliases. */
  | 'hyphen';

const CACHE = ['cache.system', 'cache.tools', 'cache.messages', 'cache.results', 'cache.ttl'] as const;

/**
 * By what a model's id begins with; the first row that fits counts. What is not known here is learned from refusals, see quirks.ts.
 * The sources of each row are in docs/bedrock-rules.md.
 */
const FAMILIES: readonly (readonly [RegExp, readonly Feature[]])[] = [
  [/^anthropic\./, ['unsigned', 'argument', 'union']],
  [/^amazon\.nova/, ['cache.tools', 'cache.results', 'cache.ttl', 'root', 'hyphen']],
  [/^meta\.llama4/, [...CACHE, 'reasoning', 'status', 'stream.tools', 'beside', 'result.document']],
  [/^meta\./, [...CACHE, 'reasoning', 'status', 'stream.tools', 'beside', 'result.image', 'result.document']],
  [
    /^mistral\.(mistral-7b|mixtral)/,
    [...CACHE, 'reasoning', 'status', 'beside', 'image', 'result.image', 'result.document', 'system', 'tools'],
  ],
  [/^mistral\./, [...CACHE, 'reasoning', 'status', 'beside', 'result.image', 'result.document']],
  [/^deepseek\.r1/, [...CACHE, 'reasoning', 'status', 'image', 'result.image', 'result.document', 'tools']],
  [/^deepseek\./, [...CACHE, 'reasoning', 'status', 'image', 'result.image', 'result.document']],
  // other makers
  [/^[a-z0-9-]+\./, ['status', 'result.image']],
  // the ARN of a profile of one's own does not say whose model it is: what no other model minds is done as for Claude
  [/^/, ['argument', 'union']],
];

/** What the model of an id is known to refuse. */
export function lacking(id: string): ReadonlySet<Feature> {
  const name = bareName(id);
  return new Set(FAMILIES.find(([family]) => family.test(name))?.[1]);
}
