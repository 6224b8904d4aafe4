import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import { ToolError } from '../../errors.ts';
import { canonical } from '../../journal/canonical.ts';
import { isDeep, type Json } from '../../json.ts';
import { isObject } from '../../json-schema/keywords.ts';
import type { Part } from '../../ports/model.ts';
import { cut } from './failure.ts';

type Content = CallToolResult['content'][number];

/** The server answered something that MCP does not have. Nothing is known of what a call did. */
export const badResult = (why: string) => new ToolError('MCP_BAD_RESULT', `The MCP server answered ${why}.`, { outcome: 'unknown' });

/** Parts of an answer that no SDK has validated, such as the messages of a prompt. @throws ToolError `MCP_BAD_RESULT` */
export function contentIn(parts: unknown[]): Content[] {
  if (!parts.every(isContent)) throw badResult('with a part whose shape MCP does not have');
  return parts;
}

function isContent(part: unknown): part is Content {
  if (!isObject(part)) return false;
  const { type, text, data, mimeType, resource, uri, name, description } = part;
  const isText = (...fields: readonly unknown[]) => fields.every((field) => typeof field === 'string');
  switch (type) {
    case 'text':
      return isText(text);
    case 'image':
    case 'audio':
      return isText(data, mimeType);
    case 'resource':
      return isObject(resource) && isText(resource.uri, resource.text ?? resource.blob, resource.mimeType ?? '');
    case 'resource_link':
      return isText(uri, name, description ?? '');
    default:
      return false;
  }
}

/**
 * What the journal stores of a result: the structured content if it holds everything, the text if there is only text, else the parts.
 * Servers repeat their content as structured content, or the other way round; each part is stored once.
 */
export function output(result: CallToolResult): Json {
  const { content } = result;
  const structured = result.structuredContent as Json | undefined;
  const [only] = content;
  if (structured === undefined) return content.length === 1 && only?.type === 'text' ? only.text : content.map(toPart);
  if (isDeep(structured))
    return [...content.map(toPart), { type: 'text', text: '[structured content that is nested too deeply is not passed on]' }];
  // in the journal a list holds parts; a server of 2026-07-28 may structure its content as one
  const whole = Array.isArray(structured) ? JSON.stringify(structured) : structured;
  if (content.length === 0) return whole;
  const said = new Said(content);
  if (content.every((c) => c.type === 'text') && said.asText(structured)) return whole;
  if (said.all(structured)) return content.length === 1 && only?.type === 'text' ? only.text : content.map(toPart);
  // the structured content holds more than the content: the model gets both
  return [...content.map(toPart), { type: 'text', text: JSON.stringify(said.rest(structured)) }];
}

/** Shorter texts cost nothing to repeat, and show what belongs together. */
const WORTH = 64;

/** The values in a result's content, one per part. */
class Said {
  readonly #texts = new Set<string>();
  readonly #json = new Set<string>();

  constructor(content: readonly Content[]) {
    const texts = content.flatMap((c) => (c.type === 'text' ? [c.text] : []));
    for (const text of [...texts, texts.join('\n'), texts.join('')]) {
      this.#texts.add(text);
      const json = parsed(text);
      const key = json === undefined ? undefined : canonicalOf(json);
      if (key !== undefined) this.#json.add(key);
    }
    for (const c of content) for (const text of textsOf(c)) this.#texts.add(text);
  }

  /** As the JSON of one text. */
  asText(value: Json): boolean {
    const json = canonicalOf(value);
    return json !== undefined && this.#json.has(json);
  }

  /** One value per part: each value is its own part, or made of parts. Servers nest at most twice: `{ result: [...] }`. */
  all(value: Json, wraps = 2): boolean {
    if (typeof value === 'string') return this.#texts.has(value);
    if (typeof value !== 'object' || value === null) return this.asText(value);
    return (wraps >= 0 && this.asText(value)) || Object.values(value).every((v) => this.all(v, wraps - 1));
  }

  /** The value, without the long texts that the content already holds. */
  rest(value: Json): Json {
    if (typeof value === 'string') return value.length >= WORTH && this.#texts.has(value) ? '(as above)' : value;
    if (typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) return value.map((v) => this.rest(v));
    return Object.fromEntries(Object.entries(value).map(([key, v]) => [key, this.rest(v)]));
  }
}

/** All texts of a part, such as the base64 of an image and its type. */
function textsOf(part: Content): string[] {
  const fields = Object.values(part.type === 'resource' ? { type: part.type, ...part.resource } : part);
  return fields.filter((field): field is string => typeof field === 'string');
}

/** What the model sees of an {@link output}, in which an array holds parts. */
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

/** Other values are not counted as content. */
const short = (text: string) => cut(text, 1_000);

function parsed(text: string): Json | undefined {
  // a text that is not JSON is not parsed to its end for this
  if (!/^\s*[[{"\dtfn-]/.test(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function canonicalOf(value: Json): string | undefined {
  try {
    return canonical(value);
  } catch {
    return undefined;
  }
}
