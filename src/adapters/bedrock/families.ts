import { bareName } from './vendor.ts';

/**
 * Features of Converse that one model accepts and another refuses. A request is rewritten if its model lacks a feature, see
 * docs/bedrock-rules.md.
 */
export type Feature =
  /** Native structured output. Instead: the schema in the system prompt. */
  | 'textFormat'
  /** `status: 'error'` on a tool's result. Instead: the result's text says that it failed. */
  | 'status'
  /** Reasoning that is sent back; reasoning without a signature; the signature of reasoning. Instead: none. */
  | 'reasoning'
  | 'unsigned'
  | 'signature'
  /** Reasoning turned on while the answer to continue did not begin with reasoning. Instead: off for that request. */
  | 'thinking'
  /** Streams; streams while tools are declared. Instead: a non-streamed call. */
  | 'stream'
  | 'stream.tools'
  /** A system prompt. Instead: the first user text. */
  | 'system'
  /** Tools declared, and calls in the conversation. Instead, if no tool is offered: calls and results as text. */
  | 'tools'
  /** A call that is asked for. Instead: the model chooses. */
  | 'toolChoice'
  /** Other parts beside tool results in one message. Instead: an assistant line between them. */
  | 'beside'
  /** Media, and media inside a tool's result. Instead: a line of text; beside the result. */
  | 'image'
  | 'document'
  | 'result.image'
  | 'result.document'
  /** Images under the given media type. Instead: the type that their bytes show. */
  | 'declared'
  /** Up to 20 images and documents in a request. Instead: the newest 5. */
  | 'many'
  /** Cache points, by place; their TTL. Instead: none. */
  | 'cache.system'
  | 'cache.tools'
  | 'cache.messages'
  | 'cache.results'
  | 'cache.ttl'
  /** Argument names outside `[a-zA-Z0-9_.-]{1,64}`. Instead: aliases. */
  | 'argument'
  /** `anyOf`, `oneOf`, `allOf` or `$ref` at the top of a tool's schema. Instead: one object, with the choice in its description. */
  | 'union'
  /** Keywords other than type, properties, required at the top of a tool's schema; references. Instead: omitted; inlined. */
  | 'root'
  /** More than basic JSON Schema. Instead: types, properties, enums, descriptions. */
  | 'schema'
  /** Hyphens in tool names. Instead: aliases. */
  | 'hyphen';

const CACHE = ['cache.system', 'cache.tools', 'cache.messages', 'cache.results', 'cache.ttl'] as const;

/**
 * By the prefix of a model's id; the first matching row counts. Other refusals are learned, see quirks.ts. The sources of each row are
 * in docs/bedrock-rules.md.
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
  // the ARN of an application inference profile does not name its model: use Claude's rules, which every other model accepts too
  [/^/, ['argument', 'union']],
];

/** The features that the model of an id is known to refuse. */
export function lacking(id: string): ReadonlySet<Feature> {
  const name = bareName(id);
  return new Set(FAMILIES.find(([family]) => family.test(name))?.[1]);
}
