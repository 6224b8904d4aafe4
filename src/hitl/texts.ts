/** The texts in a value that a guardrail checks: what people, models and tools said, and not what a conversation is built from. */
import { type Json, put } from '../json.ts';

/** Fields of parts and messages that are no text of anyone's. */
const STRUCTURE: ReadonlySet<string> = new Set(['type', 'role', 'id', 'mediaType', 'data', 'vendor', 'isError', 'cleared']);
const PARTS: ReadonlySet<unknown> = new Set(['text', 'reasoning', 'toolCall', 'toolResult', 'image', 'document']);
/** Numbers from so many digits on may be what a text would be masked for. */
const LONG_NUMBER = 1e11;

/** Every text in the value: strings, names of fields, and long whole numbers. In order, so that `withTexts` puts others in their place. */
export function textsOf(value: Json): string[] {
  const texts: string[] = [];
  walk(value, (text) => {
    texts.push(text);
    return text;
  });
  return texts;
}

/** The value with other texts, as many as `textsOf` found. A number whose text changed becomes a text. */
export function withTexts(value: Json, texts: readonly string[]): Json {
  let next = 0;
  return walk(value, () => texts[next++] as string);
}

function walk(value: Json, each: (text: string) => string): Json {
  if (typeof value === 'string') return each(value);
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value) || Math.abs(value) < LONG_NUMBER) return value;
    const text = String(value);
    const told = each(text);
    return told === text ? value : told;
  }
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((one: Json) => walk(one, each));
  const fields = value as { readonly [field: string]: Json };
  const built = PARTS.has(fields.type) || (typeof fields.role === 'string' && 'content' in fields);
  const copy: { [field: string]: Json } = {};
  for (const [field, one] of Object.entries(fields)) {
    const call = fields.type === 'toolCall' && field === 'name';
    if (built && (STRUCTURE.has(field) || call)) {
      put(copy, field, one);
      continue;
    }
    let name = built ? field : each(field);
    // two names may become one
    while (Object.hasOwn(copy, name)) name += '*';
    put(copy, name, walk(one, each));
  }
  return copy;
}
