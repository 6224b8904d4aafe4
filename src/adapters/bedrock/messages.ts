import type {
  ContentBlock,
  ToolResultBlock,
  ToolResultContentBlock,
  ToolUseBlock,
  Message as WireMessage,
} from '@aws-sdk/client-bedrock-runtime';
import { ToolError } from '../../errors.ts';
import type { Json, JsonObject } from '../../json.ts';
import type { Message, Part, ToolCallPart, ToolResultPart } from '../../ports/model.ts';
import { sendable } from '../../ports/sendable/calls.ts';
import type { Aliases } from '../../ports/sendable/names.ts';
import { wellFormedJson } from '../../ports/sendable/text.ts';
import { cachePoint } from './cache.ts';
import { type Media, type MediaBlock, mediaBlock, type Shelf } from './media.ts';
import { kept, maker } from './vendor.ts';

/** The state that the parts of one request share. */
export interface Context extends Shelf {
  id: string;
  tools: Aliases;
  /** Renames arguments to the aliases that the model sees. */
  aliased: (tool: string, input: Json) => Json;
}

/** Call ids. Another provider's, or the journal's own, may hold characters that Bedrock refuses. */
const CALL_ID = /^[a-zA-Z0-9_-]{1,64}$/;

/** The most images and documents in one request, and how many are sent after a refusal. */
const MOST_MEDIA = { usual: 20, few: 5 };

interface Wire {
  role: 'user' | 'assistant';
  content: ContentBlock[];
}

/**
 * The conversation as Bedrock accepts it: it begins and ends with the user, roles alternate, tool results are the user's, and no text is
 * blank. Consecutive messages of one role are merged.
 */
export function conversation(journal: readonly Message[], shared: Omit<Context, 'surplus'>): WireMessage[] {
  const messages = sendable(journal, CALL_ID);
  const context: Context = { ...shared, surplus: surplusOf(messages, shared.dropped.has('many') ? MOST_MEDIA.few : MOST_MEDIA.usual) };
  if (!shared.dropped.has('many')) shared.sent.add('many');
  const wire: Wire[] = [];
  for (const { role, content } of messages) {
    if (role === 'assistant') add(wire, { role, content: said(content, context) }, context);
    else if (role === 'user') add(wire, { role, content: content.flatMap((part) => blocks(part, context)) }, context);
    else {
      const beside: ContentBlock[] = [];
      add(wire, { role: 'user', content: content.flatMap((part) => results(part, beside, context)) }, context);
      add(wire, { role: 'user', content: beside }, context);
    }
  }
  if (!wire.length)
    throw new ToolError('VALIDATION', 'The conversation holds no text for the model. Pass an input that is not blank.', {
      outcome: 'not-run',
    });
  if (wire[0]?.role === 'assistant') wire.unshift({ role: 'user', content: [{ text: '(The conversation goes on.)' }] });
  // newer models do not accept a started assistant answer at the end
  if (wire.at(-1)?.role === 'assistant') wire.push({ role: 'user', content: [{ text: '(Go on.)' }] });
  for (const { role, content } of wire)
    if (role === 'user' && content.some((b) => b.document) && !content.some((b) => b.text))
      content.push({ text: 'The document is attached.' });
  return wire;
}

function add(wire: Wire[], { role, content }: Wire, { dropped, sent }: Context): void {
  if (!content.length) return;
  const last = wire.at(-1);
  if (last?.role !== role) {
    wire.push({ role, content });
    return;
  }
  const mixed = role === 'user' && last.content.some((b) => b.toolResult);
  if (mixed && dropped.has('beside')) {
    wire.push({ role: 'assistant', content: [{ text: '(I have the results.)' }] }, { role, content });
    return;
  }
  if (mixed) sent.add('beside');
  last.content.push(...content);
}

/**
 * The older media beyond the limit. They leave by the half of it at a time: if one left for each new one, every request would begin in
 * another way than the one before, and be read from no cache.
 */
function surplusOf(messages: readonly Message[], most: number): ReadonlySet<Part> {
  const media: Part[] = [];
  for (const { role, content } of messages) {
    if (role === 'assistant') continue;
    for (const part of content)
      media.push(...(part.type === 'toolResult' ? part.output : [part]).filter(({ type }) => type === 'image' || type === 'document'));
  }
  const some = Math.ceil(most / 2);
  return new Set(media.slice(0, Math.ceil(Math.max(0, media.length - most) / some) * some));
}

/** The user's content, with the cache point that a part asks for. */
function blocks(part: Part, context: Context): ContentBlock[] {
  if (part.type === 'text') return part.text.trim() ? marked(part, { text: part.text }) : [];
  return isMedia(part) ? marked(part, mediaBlock(part, context)) : [];
}

function marked(part: Exclude<Part, ToolResultPart>, block: ContentBlock): ContentBlock[] {
  const mark = kept(part.vendor)?.cachePoint;
  return mark ? [block, { cachePoint: cachePoint(mark === true ? undefined : mark.ttl) }] : [block];
}

const isMedia = (part: Part): part is Media => part.type === 'image' || part.type === 'document';

/** The assistant's content. Only the user may show media, so an image that a model created cannot be sent back. */
function said(content: readonly Part[], context: Context): ContentBlock[] {
  const wire = content.flatMap((part): ContentBlock[] => {
    if (part.type === 'text') return blocks(part, context);
    if (part.type === 'reasoning') return reasoning(part, context);
    return part.type === 'toolCall' ? [call(part, context)] : [];
  });
  // reasoning without an answer is not a message
  return wire.every((block) => block.reasoningContent) ? [] : wire;
}

/** Sent back unchanged, and only to models of the same maker: others cannot verify the signature. */
function reasoning(part: Extract<Part, { type: 'reasoning' }>, { id, dropped, sent }: Context): ContentBlock[] {
  const own = kept(part.vendor);
  if (own?.model === undefined || maker(own.model) !== maker(id) || dropped.has('reasoning')) return [];
  if (own.redacted !== undefined) {
    sent.add('reasoning');
    return [{ reasoningContent: { redactedContent: Buffer.from(own.redacted, 'base64') } }];
  }
  const signed = own.signature !== undefined && !dropped.has('signature');
  if (!signed && (!part.text || dropped.has('unsigned'))) return [];
  sent.add('reasoning').add(signed ? 'signature' : 'unsigned');
  return [{ reasoningContent: { reasoningText: { text: part.text, ...(signed && { signature: own.signature }) } } }];
}

function call({ id, name, input }: ToolCallPart, { tools, dropped, aliased }: Context): ContentBlock {
  if (dropped.has('tools')) return { text: `(I called ${name}: ${JSON.stringify(input)})` };
  // a malformed input is stored as text, but Bedrock accepts only objects
  const object = isObject(input) ? aliased(name, input) : { invalid_input: input };
  return { toolUse: { toolUseId: id, name: tools.alias(name), input: object as ToolUseBlock['input'] } };
}

/** @param beside gets the parts that the model does not accept inside a result. */
function results(part: Part, beside: ContentBlock[], context: Context): ContentBlock[] {
  if (part.type !== 'toolResult') return [];
  if (!context.dropped.has('tools')) return [{ toolResult: toolResult(part, beside, context) }];
  const told = part.output.flatMap((p) => blocks(p, context));
  return [{ text: part.isError ? '(The call failed:)' : '(The call resulted in:)' }, ...(told.length ? told : [{ text: NOTHING }])];
}

const NOTHING = '(no output)';

function toolResult(part: ToolResultPart, beside: ContentBlock[], context: Context): ToolResultBlock {
  const { dropped, sent } = context;
  const content = part.output.flatMap((p): ToolResultContentBlock[] => {
    if (p.type === 'text') return p.text.trim() ? [textOrJson(p.text)] : [];
    if (!isMedia(p)) return [];
    const block = mediaBlock(p, context);
    if (block.text !== undefined) return [{ text: block.text }];
    if (dropped.has(`result.${p.type}`)) {
      beside.push(block);
      return [{ text: p.type === 'image' ? '(An image, shown below.)' : '(A document, shown below.)' }];
    }
    sent.add(`result.${p.type}`);
    return [block as Exclude<MediaBlock, ContentBlock.TextMember> as ToolResultContentBlock];
  });
  if (!content.length) content.push({ text: NOTHING });
  const failed = part.isError && !dropped.has('status');
  if (failed) sent.add('status');
  return { toolUseId: part.id, content, ...(failed && { status: 'error' }) };
}

/** Text that is exactly the JSON of an object is sent as JSON: Bedrock refuses arrays and scalars there. */
function textOrJson(text: string): ToolResultContentBlock {
  if (text[0] === '{') {
    try {
      const json: unknown = JSON.parse(text);
      // the text is sent if its JSON would be written differently, such as a number with more digits than a double holds
      if (JSON.stringify(json) === text) return { json: wellFormedJson(json as Json) as ToolResultContentBlock.JsonMember['json'] };
    } catch {}
  }
  return { text };
}

export const isObject = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);
