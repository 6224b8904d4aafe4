import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import type { Json } from '../../json.ts';
import type { Part } from '../../ports/model.ts';
import { cut } from './failure.ts';

type Content = CallToolResult['content'][number];

/**
 * What the journal keeps of a result: the structured content where it says all, the text where there is only text,
 * else the parts.
 */
export function output(result: CallToolResult): Json {
  const { content } = result;
  const structured = result.structuredContent as Json | undefined;
  if (structured !== undefined && content.every((c) => c.type === 'text' && sameJson(c.text, structured))) return structured;
  const [only] = content;
  if (structured === undefined && content.length === 1 && only?.type === 'text') return only.text;
  const parts = content.map(toPart);
  // a summary in words next to the data: the model gets both
  if (structured !== undefined) parts.push({ type: 'text', text: JSON.stringify(structured) });
  return parts;
}

/** What the model sees of an {@link output}. Structured content is always an object, so an array holds parts. */
export function toParts(value: Json): string | readonly Part[] {
  if (typeof value === 'string') return value;
  return Array.isArray(value) ? (value as readonly Part[]) : JSON.stringify(value);
}

function toPart(c: Content): Part {
  switch (c.type) {
    case 'text':
      return { type: 'text', text: c.text };
    case 'image':
      return { type: 'image', mediaType: short(c.mimeType), data: c.data };
    case 'resource':
      if ('text' in c.resource) return { type: 'text', text: `${c.resource.uri}\n${c.resource.text}` };
      return {
        type: c.resource.mimeType?.startsWith('image/') ? 'image' : 'document',
        mediaType: short(c.resource.mimeType ?? 'application/octet-stream'),
        data: c.resource.blob,
        name: short(c.resource.uri),
      };
    case 'resource_link':
      return { type: 'text', text: `${c.name}: ${c.uri}${c.description ? ` (${c.description})` : ''}` };
    default:
      return { type: 'text', text: `[${c.type}, ${c.mimeType}: this kind of content is not passed on]` };
  }
}

/** What is no content is not counted as such. */
const short = (text: string) => cut(text, 1_000);

function sameJson(text: string, value: Json): boolean {
  try {
    // both come from one serialiser in practice; another key order only means that the model sees it twice
    return JSON.stringify(JSON.parse(text)) === JSON.stringify(value);
  } catch {
    return false;
  }
}
