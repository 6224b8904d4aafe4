/**
 * What Bedrock's Converse refuses and its client's schemas do not say: patterns, lengths, the shape of a conversation, and what each
 * family of models refuses besides. Collected from its documentation and from the messages it is known to answer with, see
 * docs/bedrock-rules.md. The wire server applies it to every request, so each test also asserts that the real service would have
 * taken what it was sent. Which family refuses what is read from the adapter's own table; how a refusal is told is written here.
 */
// biome-ignore-all lint/suspicious/noExplicitAny: a decoded request is walked as the service would, trusting nothing

import { type Feature, lacking } from '../../src/adapters/bedrock/families.ts';
import { schemas } from './bedrock-schemas.ts';

const NAME = /^[a-zA-Z0-9_-]{1,64}$/;
const DOCUMENT_NAME = /^(?!.*\s\s)[a-zA-Z0-9\s\-()[\]]{1,200}$/;
const EFFORTS = new Set(['low', 'medium', 'high', 'xhigh', 'max']);
const MOST_MEDIA = 20;
const MAX_IMAGE = 5_242_880;

/** The refusal Bedrock would answer with, or nothing where it would accept the request. */
export function refusal(input: any, operation = 'Converse'): string | undefined {
  const lacks = lacking(input.modelId ?? '');
  return (
    body(input) ??
    inference(input) ??
    tools(input, lacks, operation) ??
    conversation(input, lacks) ??
    media(input) ??
    cachePoints(input, lacks) ??
    reasoning(input)
  );
}

/** Strict parsers refuse half a surrogate pair anywhere in the body. */
function body(value: any): string | undefined {
  if (typeof value === 'string') return value.isWellFormed() ? undefined : 'The request body is not valid JSON: no low surrogate in string';
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return undefined;
  for (const [key, field] of Object.entries(value)) {
    const wrong = body(key) ?? body(field);
    if (wrong) return wrong;
  }
  return undefined;
}

function inference({ inferenceConfig: c, guardrailConfig: g, outputConfig: o, system }: any): string | undefined {
  if (c?.maxTokens !== undefined && !(c.maxTokens >= 1)) return 'inferenceConfig.maxTokens must be at least 1';
  if (c?.temperature !== undefined && !(c.temperature >= 0 && c.temperature <= 1))
    return 'inferenceConfig.temperature must be between 0 and 1';
  if (c?.topP !== undefined && !(c.topP >= 0 && c.topP <= 1)) return 'inferenceConfig.topP must be between 0 and 1';
  if (g && !(g.guardrailIdentifier && g.guardrailVersion)) return 'guardrailConfig needs an identifier and a version';
  if (o?.effort !== undefined && !EFFORTS.has(o.effort)) return `outputConfig.effort: ${o.effort} is not known`;
  if (o?.textFormat && typeof JSON.parse(o.textFormat.structure.jsonSchema.schema) !== 'object')
    return 'outputConfig.textFormat: the schema is not an object';
  const blank = system?.findIndex((b: any) => b.text !== undefined && !b.text.trim());
  if (blank >= 0)
    return `The text field in the SystemContentBlock object at system.${blank} is blank. Add text to the text field, and try again.`;
  return undefined;
}

function tools({ toolConfig, messages, system }: any, lacks: ReadonlySet<Feature>, operation: string): string | undefined {
  if (system && lacks.has('system'))
    return "This model doesn't support system messages. Try again without a system message or use a model that supports system messages.";
  const used = messages?.some((m: any) => m.content?.some((b: any) => b.toolUse || b.toolResult));
  if (used && !toolConfig) return 'The toolConfig field must be defined when using toolUse and toolResult content blocks.';
  if (!toolConfig) return undefined;
  if (lacks.has('tools')) return "This model doesn't support tool use.";
  if (lacks.has('stream.tools') && operation === 'ConverseStream') return "This model doesn't support tool use in streaming mode.";
  const specs = toolConfig.tools.filter((t: any) => t.toolSpec).map((t: any) => t.toolSpec);
  if (!specs.length) return 'toolConfig.tools must hold at least one tool';
  for (const [i, spec] of specs.entries()) {
    if (!NAME.test(spec.name))
      return `1 validation error detected: Value '${spec.name}' at 'toolConfig.tools.1.member.toolSpec.name' failed to satisfy constraint`;
    // such a model cannot call it: "Model produced invalid sequence as part of ToolUse"
    if (lacks.has('hyphen') && spec.name.includes('-')) return `toolSpec.name: ${spec.name} has a hyphen`;
    if (spec.description === '') return 'toolSpec.description must have at least 1 character';
    const wrong = schemas(spec.inputSchema?.json, i, lacks);
    if (wrong) return wrong;
  }
  if (new Set(specs.map((s: any) => s.name)).size < specs.length) return 'toolConfig.tools: tool names must be unique';
  return undefined;
}

function conversation({ messages }: any, lacks: ReadonlySet<Feature>): string | undefined {
  if (!messages?.length) return 'messages must hold at least one message';
  if (messages[0].role !== 'user')
    return 'A conversation must start with a user message. Try again with a conversation that starts with a user message.';
  if (messages.at(-1).role !== 'user')
    return 'This model does not support assistant message prefill. The conversation must end with a user message.';
  const documents = new Set<string>();
  const ids = new Set<string>();
  let asked: string[] = [];
  for (const [i, { role, content }] of messages.entries()) {
    if (i && messages[i - 1].role === role)
      return 'A conversation must alternate between user and assistant roles. Make sure the conversation alternates between user and assistant roles and try again.';
    if (!content?.length)
      return `The content field in the Message object at messages.${i} is empty. Add a ContentBlock object to the content field and try again.`;
    const results = content.filter((b: any) => b.toolResult).map((b: any) => b.toolResult.toolUseId);
    if (new Set(results).size < results.length) return `The toolResult blocks at messages.${i}.content contain duplicate Ids: ${results}`;
    if (asked.length && !asked.every((id) => results.includes(id)))
      return `Expected toolResult blocks at messages.${i}.content for the following Ids: ${asked}`;
    if (!results.every((id: string) => asked.includes(id)))
      return `The number of toolResult blocks at messages.${i}.content exceeds the number of toolUse blocks of previous turn.`;
    if (lacks.has('beside') && results.length && content.some((b: any) => !b.toolResult))
      return 'Conversation blocks and tool result blocks cannot be provided in the same turn.';
    asked = content.filter((b: any) => b.toolUse).map((b: any) => b.toolUse.toolUseId);
    for (const id of asked) {
      if (ids.has(id)) return `The toolUse blocks at messages.${i}.content contain duplicate Ids: ${id}`;
      ids.add(id);
    }
    for (const [j, b] of content.entries()) {
      const wrong = block(b, role, `messages.${i}.content.${j}`, lacks);
      if (wrong) return wrong;
      for (const d of [b, ...(b.toolResult?.content ?? [])].flatMap((x: any) => (x.document ? [x.document] : []))) {
        if (documents.has(d.name)) return `Duplicate document name ${d.name}`;
        documents.add(d.name);
      }
    }
    if (content.some((b: any) => b.document) && !content.some((b: any) => b.text))
      return 'A document needs a text block in the same message';
  }
  return undefined;
}

function block(b: any, role: string, at: string, lacks: ReadonlySet<Feature>): string | undefined {
  const keys = Object.keys(b);
  if (keys.length !== 1) return `ContentBlock object at ${at} must set one of its keys, has ${keys}`;
  if (b.text !== undefined && !b.text.trim())
    return `The text field in the ContentBlock object at ${at} is blank. Add text to the text field, and try again.`;
  if (role !== 'user' && (b.image || b.document || b.toolResult)) return `${keys} at ${at} is for the user role only`;
  if (role !== 'assistant' && (b.toolUse || b.reasoningContent)) return `${keys} at ${at} is for the assistant role only`;
  if (b.image && lacks.has('image')) return "This model doesn't support the image field for user messages. Remove image and try again.";
  if (b.document && lacks.has('document')) return "This model doesn't support documents. Remove document and try again.";
  if (b.reasoningContent) {
    const { reasoningText, redactedContent } = b.reasoningContent;
    if (lacks.has('reasoning')) return 'User messages cannot contain reasoning content. Please remove the reasoning content and try again.';
    if (!redactedContent && reasoningText?.text === undefined)
      return `Value at '${at}.reasoningContent.reasoningText.text' failed to satisfy constraint: Member must not be null`;
    if (!redactedContent && lacks.has('unsigned') && !reasoningText.signature) return `${at}.thinking.signature: Field required`;
  }
  if (b.toolUse) {
    if (!NAME.test(b.toolUse.name) || !NAME.test(b.toolUse.toolUseId)) return `Value at ${at}.toolUse failed to satisfy constraint`;
    if (!object(b.toolUse.input))
      return `The format of the value at ${at}.toolUse.input is invalid. Provide a json object for the field and try again.`;
  }
  if (b.document && !DOCUMENT_NAME.test(b.document.name))
    return `The document file name ${b.document.name} at ${at} has characters it cannot have`;
  if (b.toolResult) {
    if (!NAME.test(b.toolResult.toolUseId)) return `Value at ${at}.toolResult failed to satisfy constraint`;
    if (!b.toolResult.content?.length) return `The content field in the ToolResultBlock object at ${at} is empty`;
    if (b.toolResult.status !== undefined && lacks.has('status'))
      return "This model doesn't support the status field. Remove status and try again.";
    for (const [k, c] of b.toolResult.content.entries()) {
      if (c.text !== undefined && !c.text.trim())
        return `The text field in the ToolResultContentBlock object at ${at}.toolResult.content.${k} is blank`;
      if ('json' in c && !object(c.json))
        return `The format of the value at ${at}.toolResult.content.${k}.json is invalid. Provide a json object for the field and try again.`;
      if (c.image && lacks.has('result.image'))
        return "This model doesn't support the image field for user messages. Remove image and try again.";
      if (c.document && lacks.has('result.document')) return "This model doesn't support documents. Remove document and try again.";
      if (c.document && !DOCUMENT_NAME.test(c.document.name))
        return `The document file name ${c.document.name} has characters it cannot have`;
    }
  }
  return undefined;
}

function media({ messages }: any): string | undefined {
  const all = messages.flatMap((m: any) => m.content).flatMap((b: any) => [b, ...(b.toolResult?.content ?? [])]);
  const images = all.filter((b: any) => b.image);
  const documents = all.filter((b: any) => b.document);
  if (images.length + documents.length > MOST_MEDIA)
    return `The model returned the following errors: too many images and documents: ${images.length} + ${documents.length} > ${MOST_MEDIA}`;
  for (const { image } of images) {
    const { length } = image.source.bytes;
    if (length === 0) return 'image.source.bytes: Member must have length greater than or equal to 1';
    if (Math.ceil(length / 3) * 4 > MAX_IMAGE) return `image.source: image exceeds 5 MB maximum: ${length} bytes > ${MAX_IMAGE} bytes`;
  }
  for (const { document } of documents)
    if (document.source.bytes.length === 0) return 'document.source.bytes: Member must have length greater than or equal to 1';
  return undefined;
}

function cachePoints({ system, messages, toolConfig }: any, lacks: ReadonlySet<Feature>): string | undefined {
  const lists = [toolConfig?.tools ?? [], system ?? [], ...messages.map((m: any) => m.content)];
  const points = lists.flat().filter((b: any) => b.cachePoint);
  if (points.length > 4) return `A maximum of 4 blocks with cache_control may be provided. Found ${points.length}.`;
  for (const [n, list] of lists.entries()) {
    const results = list.some((b: any) => b.toolResult);
    const place: Feature = n === 0 ? 'cache.tools' : n === 1 ? 'cache.system' : results ? 'cache.results' : 'cache.messages';
    for (const [i, b] of list.entries()) {
      if (!b.cachePoint) continue;
      if (lacks.has(place)) {
        const at = n === 0 ? `toolConfig/tools/${i}` : n === 1 ? `system/${i}` : `messages/${n - 2}/content/${i}`;
        return `Malformed input request: #/${at}: extraneous key [cachePoint] is not permitted, please reformat your input and try again.`;
      }
      if (i === 0 || list[i - 1].cachePoint || list[i - 1].reasoningContent) return 'A cache point must follow what it caches';
      if (b.cachePoint.ttl && lacks.has('cache.ttl')) return 'This model does not support the cachePoint.ttl field.';
    }
  }
  const ttls = points.map((b: any) => b.cachePoint.ttl ?? '5m');
  if (ttls.lastIndexOf('1h') > ttls.indexOf('5m') && ttls.includes('5m'))
    return "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block. Note that blocks are processed in the following order: tools, system, messages.";
  return undefined;
}

function reasoning({ messages, additionalModelRequestFields: fields }: any): string | undefined {
  if (fields?.thinking?.type !== 'enabled') return undefined;
  const last = messages.findLast((m: any) => m.role === 'assistant')?.content[0];
  if (!messages.at(-1).content.some((b: any) => b.toolResult) || !last || last.reasoningContent) return undefined;
  return `messages.1.content.0.type: Expected \`thinking\` or \`redacted_thinking\`, but found \`${last.text ? 'text' : 'tool_use'}\`. When \`thinking\` is enabled, a final \`assistant\` message must start with a thinking block.`;
}

const object = (v: unknown): boolean => typeof v === 'object' && v !== null && !Array.isArray(v);
