/** The texts in a value that a guardrail checks: what people, models and tools said, and not what a conversation is built from. */
import { type Json, put } from '../json.ts';
import type { ContentRequest } from '../ports/policy.ts';

/** The value of a request, and what it is built from. What is data stays data, whatever its fields are called: others may choose those. */
type Checked = Pick<ContentRequest, 'value' | 'form'>;
type Fields = { readonly [field: string]: Json };
/** Gives each text, and takes what is to be in its place. `field`: the name of the field that it is the value of, if it is one of data. */
type Each = (text: string, field?: string) => string;

/** The fields of a part that are no text of anyone's, by its type. */
const STRUCTURE: Readonly<Record<string, ReadonlySet<string>>> = {
  text: new Set(['type', 'vendor']),
  reasoning: new Set(['type', 'vendor']),
  image: new Set(['type', 'mediaType', 'data', 'vendor']),
  document: new Set(['type', 'mediaType', 'data', 'vendor']),
  toolCall: new Set(['type', 'id', 'name', 'vendor']),
  toolResult: new Set(['type', 'id', 'isError', 'cleared']),
};
const MESSAGE: ReadonlySet<string> = new Set(['role', 'summary']);
/** Names of the other fields of parts and messages. */
const NAMES: ReadonlySet<string> = new Set(['content', 'text', 'name', 'input', 'output']);
/** Numbers from so many digits on may be what a text would be masked for. */
const LONG_NUMBER = 1e11;

/** Every text in the value: strings, names of fields, and long whole numbers. In order, so that `withTexts` puts others in their place. */
export function textsOf(checked: Checked): string[] {
  return namedTexts(checked).map(({ text }) => text);
}

/** The same, each with the name of the field that says what it is. */
export function namedTexts(checked: Checked): { text: string; field: string | undefined }[] {
  const texts: { text: string; field: string | undefined }[] = [];
  walk(checked, (text, field) => {
    texts.push({ text, field });
    return text;
  });
  return texts;
}

/** The value with other texts, as many as `textsOf` found. A number whose text changed becomes a text. */
export function withTexts(checked: Checked, texts: readonly string[]): Json {
  let next = 0;
  return walk(checked, () => texts[next++] as string);
}

const walk = ({ value, form }: Checked, each: Each): Json => (form === 'content' ? content(value, each) : data(value, each));

/** A text, a list of parts or a list of messages. */
function content(value: Json, each: Each): Json {
  return Array.isArray(value) ? value.map((one: Json) => built(one, each)) : data(value, each);
}

/** A message or a part. Only `content` of a message and `output` of a result have parts in them: what is elsewhere is data. */
function built(value: Json, each: Each): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return data(value, each);
  const { type, role } = value as Fields;
  const own = typeof type === 'string' && Object.hasOwn(STRUCTURE, type) ? STRUCTURE[type] : undefined;
  if (!own && typeof role !== 'string') return data(value, each);
  const kept = own ?? MESSAGE;
  const inner = own ? 'output' : 'content';
  return fields(value as Fields, (field, one) => {
    if (kept.has(field)) return [field, one];
    const parts = field === inner && (!own || type === 'toolResult');
    return [NAMES.has(field) ? field : each(field), parts ? content(one, each) : data(one, each)];
  });
}

function data(value: Json, each: Each, field?: string): Json {
  if (typeof value === 'string') return each(value, field);
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value) || Math.abs(value) < LONG_NUMBER) return value;
    const text = String(value);
    const told = each(text, field);
    return told === text ? value : told;
  }
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((one: Json) => data(one, each, field));
  return fields(value as Fields, (name, one) => [each(name), data(one, each, name)]);
}

function fields(value: Fields, of: (field: string, value: Json) => [name: string, value: Json]): Json {
  const copy: { [field: string]: Json } = {};
  for (const [field, one] of Object.entries(value)) {
    const [name, told] = of(field, one);
    let free = name;
    // two names may become one
    while (Object.hasOwn(copy, free)) free += '*';
    put(copy, free, told);
  }
  return copy;
}
