import type { OutputFormat } from '@aws-sdk/client-bedrock-runtime';
import type { Json, JsonObject } from '../../json.ts';
import type { JsonSchema } from '../../schema.ts';
import { isObject } from './messages.ts';

const cache = new WeakMap<JsonSchema, OutputFormat | 'none'>();

/**
 * Converse's structured output for a schema; undefined if a constrained decoder cannot hold the schema. The answer is then requested in
 * the prompt, see {@link instruction}. Either way the loop validates the answer against the schema.
 */
export function textFormat(schema: JsonSchema): OutputFormat | undefined {
  let format = cache.get(schema);
  if (format === undefined) {
    const native = decodable(schema);
    format = native ? { type: 'json_schema', structure: { jsonSchema: { name: 'answer', schema: JSON.stringify(native) } } } : 'none';
    cache.set(schema, format);
  }
  return format === 'none' ? undefined : format;
}

export const instruction = (schema: JsonSchema): string =>
  `When you give your final answer, write only one JSON value that is valid against this JSON Schema, with no other text and no code fence:\n${JSON.stringify(schema)}`;

/** Constraints on values that the decoder cannot hold. They are moved into the description. */
const SPOKEN = new Set(
  'minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength pattern minItems maxItems uniqueItems minProperties maxProperties'.split(
    ' ',
  ),
);
const ANNOTATIONS = new Set('default examples $comment $schema $id readOnly writeOnly deprecated'.split(' '));
const FORMATS = new Set('date-time time date duration email hostname uri ipv4 ipv6 uuid'.split(' '));

/**
 * The schema in the subset that Bedrock compiles: closed objects, no recursion, no ranges. Every answer that fits it has the requested
 * shape.
 */
function decodable(schema: JsonSchema): JsonObject | undefined {
  const refs = new Map<string, Set<string>>([['', new Set()]]);
  try {
    const native = node(schema, '', refs);
    return native.type === 'object' && !recursive(refs) ? native : undefined;
  } catch (error) {
    if (error === BEYOND) return undefined;
    throw error;
  }
}

const BEYOND = Symbol('beyond the decoder');
function beyond(): never {
  throw BEYOND;
}

type Refs = Map<string, Set<string>>;

function node(schema: Json | undefined, inside: string, refs: Refs): { [k: string]: Json } {
  if (!isObject(schema)) beyond();
  const out: { [k: string]: Json } = {};
  const spoken: string[] = [];
  for (const [key, value] of Object.entries(schema)) {
    if (key === 'type' || key === 'enum' || key === 'const' || key === 'title' || key === 'description' || key === 'required')
      out[key] = value;
    else if (key === 'properties') out.properties = each(value, (v) => node(v, inside, refs));
    else if (key === 'items') out.items = node(value, inside, refs);
    else if (key === 'anyOf' || key === 'oneOf') out.anyOf = Array.isArray(value) ? value.map((v) => node(v, inside, refs)) : beyond();
    else if (key === '$defs') out.$defs = definitions(value, refs);
    else if (key === '$ref') out.$ref = reference(value, inside, refs);
    else if (key === 'additionalProperties') value === false || beyond();
    else if (key === 'format' && FORMATS.has(String(value))) out.format = value;
    else if (SPOKEN.has(key) || key === 'format') {
      // redundant for every integer
      if (Math.abs(Number(value)) !== Number.MAX_SAFE_INTEGER) spoken.push(`${key}: ${String(value)}`);
    } else if (!ANNOTATIONS.has(key)) beyond();
  }
  if (!('type' in out || 'enum' in out || 'const' in out || 'anyOf' in out || '$ref' in out)) beyond();
  const types: readonly Json[] = Array.isArray(out.type) ? out.type : [out.type ?? ''];
  if (types.includes('array') && !out.items) beyond();
  if (types.includes('object')) {
    // an object without listed properties accepts any, which the decoder cannot hold
    if (!isObject(out.properties)) beyond();
    const names = out.properties;
    if (Array.isArray(out.required) && !out.required.every((r) => Object.hasOwn(names, String(r)))) beyond();
    out.additionalProperties = false;
  }
  if (spoken.length) out.description = `${typeof out.description === 'string' ? `${out.description} ` : ''}(${spoken.join(', ')})`;
  return out;
}

function each(value: Json, map: (v: Json, name: string) => Json): JsonObject {
  return isObject(value) ? Object.fromEntries(Object.entries(value).map(([k, v]) => [k, map(v, k)])) : beyond();
}

function definitions(value: Json, refs: Refs): JsonObject {
  return each(value, (v, name) => {
    refs.set(name, new Set());
    return node(v, name, refs);
  });
}

function reference(value: Json, inside: string, refs: Refs): string {
  const name = typeof value === 'string' ? /^#\/\$defs\/([^/]+)$/.exec(value)?.[1] : undefined;
  if (name === undefined) beyond();
  refs.get(inside)?.add(name);
  return value as string;
}

function recursive(refs: Refs): boolean {
  // a schema is visited once, however many ways lead to it
  const seen = new Map<string, 'open' | 'done'>();
  const visit = (name: string): boolean => {
    const known = seen.get(name);
    if (known) return known === 'open';
    seen.set(name, 'open');
    const found = [...(refs.get(name) ?? [])].some(visit);
    seen.set(name, 'done');
    return found;
  };
  return [...refs.keys()].some(visit);
}
