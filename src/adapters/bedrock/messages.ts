import type {
  ContentBlock,
  ToolResultBlock,
  ToolResultContentBlock,
  ToolUseBlock,
  Message as WireMessage,
} from '@aws-sdk/client-bedrock-runtime';
import { ToolError } from '../../errors.ts';
import type { JsonObject } from '../../json.ts';
import type { Message, Part, ToolCallPart, ToolResultPart } from '../../ports/model.ts';
import { documentBlock, imageBlock } from './media.ts';
import type { Aliases } from './names.ts';
import type { Feature } from './quirks.ts';
import { cachePoint, kept, maker } from './vendor.ts';

/** What one request shares between its parts. */
export interface Context {
  id: string;
  tools: Aliases;
  /** Ids of calls: another provider's, or the journal's own, may hold characters that Bedrock refuses. */
  calls: Aliases;
  documentName: (name: string | undefined) => string;
  dropped: ReadonlySet<Feature>;
  sent: Set<Feature>;
}

/**
 * The conversation as Bedrock takes it: it begins with the user, roles alternate, tool results are the user's, and
 * nothing is blank. Messages of one role in a row become one.
 */
export function conversation(messages: readonly Message[], context: Context): WireMessage[] {
  const wire: { role: 'user' | 'assistant'; content: ContentBlock[] }[] = [];
  for (const message of messages) {
    const role = message.role === 'assistant' ? 'assistant' : 'user';
    const content = message.content.flatMap((part) => blocks(part, role, context));
    if (!content.length) continue;
    const last = wire.at(-1);
    if (last?.role === role) last.content.push(...content);
    else wire.push({ role, content });
  }
  if (!wire.length)
    throw new ToolError('VALIDATION', 'The conversation holds no text for the model. Pass an input that is not blank.', {
      outcome: 'not-run',
    });
  if (wire[0]?.role === 'assistant') wire.unshift({ role: 'user', content: [{ text: '(The conversation goes on.)' }] });
  for (const { role, content } of wire)
    if (role === 'user' && content.some((b) => b.document) && !content.some((b) => b.text))
      content.push({ text: 'The document is attached.' });
  return wire;
}

function blocks(part: Part, role: 'user' | 'assistant', context: Context): ContentBlock[] {
  const block = contentBlock(part, role, context);
  if (!block) return [];
  const mark = 'vendor' in part ? kept(part.vendor)?.cachePoint : undefined;
  return mark ? [block, { cachePoint: cachePoint(mark === true ? undefined : mark.ttl) }] : [block];
}

function contentBlock(part: Part, role: 'user' | 'assistant', context: Context): ContentBlock | undefined {
  switch (part.type) {
    case 'text':
      return part.text.trim() ? { text: part.text } : undefined;
    case 'reasoning':
      return role === 'assistant' ? reasoning(part, context) : undefined;
    // only the user may show media: what a model drew cannot be shown back to it
    case 'image':
      return role === 'user' ? { image: imageBlock(part) } : undefined;
    case 'document':
      return role === 'user' ? { document: documentBlock(part, context.documentName(part.name)) } : undefined;
    case 'toolCall':
      return { toolUse: toolUse(part, context) };
    case 'toolResult':
      return { toolResult: toolResult(part, context) };
  }
}

/** Goes back unchanged, and only to models of the maker whose reasoning it is: others cannot verify its signature. */
function reasoning(part: Extract<Part, { type: 'reasoning' }>, { id, dropped, sent }: Context): ContentBlock | undefined {
  const own = kept(part.vendor);
  if (own?.model === undefined || maker(own.model) !== maker(id) || dropped.has('reasoning')) return undefined;
  if (own.redacted !== undefined) {
    sent.add('reasoning');
    return { reasoningContent: { redactedContent: Buffer.from(own.redacted, 'base64') } };
  }
  if (!part.text && own.signature === undefined) return undefined;
  sent.add('reasoning');
  if (own.signature === undefined || dropped.has('signature')) return { reasoningContent: { reasoningText: { text: part.text } } };
  sent.add('signature');
  return { reasoningContent: { reasoningText: { text: part.text, signature: own.signature } } };
}

function toolUse(part: ToolCallPart, { tools, calls }: Context): ToolUseBlock {
  const { input } = part;
  // a malformed input is kept as the text it was; Bedrock takes objects only
  const object = isObject(input) ? input : { invalid_input: input };
  return { toolUseId: calls.alias(part.id), name: tools.alias(part.name), input: object as ToolUseBlock['input'] };
}

function toolResult(part: ToolResultPart, context: Context): ToolResultBlock {
  const content = part.output.flatMap((p): ToolResultContentBlock[] => {
    if (p.type === 'text') return p.text.trim() ? [textOrJson(p.text)] : [];
    if (p.type === 'image') return [{ image: imageBlock(p) }];
    if (p.type === 'document') return [{ document: documentBlock(p, context.documentName(p.name)) }];
    return [];
  });
  if (!content.length) content.push({ text: '(no output)' });
  const failed = part.isError && !context.dropped.has('status');
  if (failed) context.sent.add('status');
  return { toolUseId: context.calls.alias(part.id), content, ...(failed && { status: 'error' }) };
}

/** Text that is exactly the JSON of an object goes as JSON: Bedrock refuses arrays and scalars there. */
function textOrJson(text: string): ToolResultContentBlock {
  if (text[0] === '{') {
    try {
      const json: unknown = JSON.parse(text);
      // where writing it again gives other text, such as a number with more digits than a double holds, the text stands
      if (JSON.stringify(json) === text) return { json: json as ToolResultContentBlock.JsonMember['json'] };
    } catch {}
  }
  return { text };
}

export const isObject = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);
