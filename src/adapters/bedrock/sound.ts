import type { Json, JsonObject } from '../../json.ts';
import { isObject } from './messages.ts';

export type Node = { [k: string]: Json };

const TYPES = new Set<Json>(['string', 'number', 'integer', 'boolean', 'object', 'array', 'null']);

/**
 * Rewrites a schema to draft 2020-12, which Claude checks. Keywords of older drafts are rewritten; keywords with an invalid value and
 * dangling references are omitted. One such keyword of one tool makes every request fail.
 * @param patterns whether `patternProperties` are refused too; such properties are then allowed without a schema.
 */
export function sound(root: JsonObject, patterns: boolean): Node {
  const { $schema: _, $id: __, ...rest } = root;
  return node(rest, rest, patterns) as Node;
}

function node(schema: Json, root: Json, patterns: boolean): Json {
  if (typeof schema === 'boolean') return schema;
  if (!isObject(schema)) return {};
  const out: Node = {};
  for (const [key, value] of Object.entries(schema)) {
    const kept = keyword(key, value, (inner) => node(inner, root, patterns), root);
    if (kept !== undefined) out[key] = kept;
  }
  older(schema, out, (inner) => node(inner, root, patterns));
  if (patterns && 'patternProperties' in out) {
    delete out.patternProperties;
    if (out.additionalProperties === false) delete out.additionalProperties;
  }
  return out;
}

const COUNTS = new Set('minLength maxLength minItems maxItems minProperties maxProperties minContains maxContains'.split(' '));
const NUMBERS = new Set('minimum maximum exclusiveMinimum exclusiveMaximum'.split(' '));
const MAPS = new Set('properties patternProperties $defs definitions dependentSchemas'.split(' '));
const LISTS = new Set('anyOf oneOf allOf prefixItems'.split(' '));
const SCHEMAS = new Set(
  'items not if then else contains propertyNames additionalProperties unevaluatedProperties unevaluatedItems'.split(' '),
);
const TEXTS = new Set('title description format $comment $anchor contentEncoding contentMediaType'.split(' '));
const FLAGS = new Set('uniqueItems deprecated readOnly writeOnly'.split(' '));
/** Keywords of older drafts, and others that cannot be sent; `older` rewrites some of them. */
const GONE = new Set('$schema $id id additionalItems dependencies $dynamicRef $recursiveRef $dynamicAnchor $recursiveAnchor'.split(' '));

/** The value of a keyword, if it is valid. */
function keyword(key: string, value: Json, inner: (schema: Json) => Json, root: Json): Json | undefined {
  if (GONE.has(key)) return undefined;
  if (key === 'type') return types(value);
  if (key === 'enum') return Array.isArray(value) && value.length > 0 ? value : undefined;
  if (key === 'required') {
    const names = Array.isArray(value) ? new Set(value.filter((name) => typeof name === 'string')) : undefined;
    return names && [...names];
  }
  if (key === '$ref') return typeof value === 'string' && pointed(value, root) !== undefined ? value : undefined;
  if (key === 'pattern') return typeof value === 'string' && isPattern(value) ? value : undefined;
  if (key === 'multipleOf') return typeof value === 'number' && value > 0 ? value : undefined;
  if (COUNTS.has(key)) return Number.isInteger(value) && (value as number) >= 0 ? value : undefined;
  if (NUMBERS.has(key)) return typeof value === 'number' ? value : undefined;
  if (TEXTS.has(key)) return typeof value === 'string' ? value : undefined;
  if (FLAGS.has(key)) return typeof value === 'boolean' ? value : undefined;
  if (MAPS.has(key)) {
    if (!isObject(value)) return undefined;
    const fields = Object.entries(value).filter(([name]) => key !== 'patternProperties' || isPattern(name));
    return Object.fromEntries(fields.map(([name, schema]) => [name, inner(schema)]));
  }
  if (LISTS.has(key)) return Array.isArray(value) && value.length > 0 ? value.map(inner) : undefined;
  if (SCHEMAS.has(key)) return isObject(value) || typeof value === 'boolean' ? inner(value) : undefined;
  return value;
}

function types(value: Json): Json | undefined {
  if (!Array.isArray(value)) return TYPES.has(value) ? value : undefined;
  const known = [...new Set(value.filter((type: Json) => TYPES.has(type)))];
  return known.length > 0 ? known : undefined;
}

function isPattern(text: string): boolean {
  try {
    new RegExp(text, 'u');
    return true;
  } catch {
    return false;
  }
}

/** Keywords that drafts 4 to 7 wrote differently. */
function older(schema: JsonObject, out: Node, inner: (schema: Json) => Json): void {
  const { items, additionalItems } = schema;
  if (Array.isArray(items) && items.length > 0) {
    out.prefixItems = items.map(inner);
    if (isObject(additionalItems) || typeof additionalItems === 'boolean') out.items = inner(additionalItems);
  }
  for (const [flag, bound] of [
    ['exclusiveMinimum', 'minimum'],
    ['exclusiveMaximum', 'maximum'],
  ] as const) {
    if (schema[flag] !== true || typeof out[bound] !== 'number') continue;
    out[flag] = out[bound];
    delete out[bound];
  }
}

/** The target of a reference within a document. */
export function pointed(ref: string, root: Json): Json | undefined {
  if (ref === '#') return root;
  if (!ref.startsWith('#/')) return undefined;
  let at: Json | undefined = root;
  for (const step of ref.slice(2).split('/')) {
    const key = unescaped(step);
    at = typeof at === 'object' && at !== null && Object.hasOwn(at, key) ? (at as { [k: string]: Json })[key] : undefined;
  }
  return at;
}

/** Decodes one step of a JSON pointer, and encodes it. */
export function unescaped(step: string): string {
  try {
    return decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~');
  } catch {
    return step;
  }
}
export const escaped = (name: string): string => encodeURIComponent(name.toWellFormed().replaceAll('~', '~0').replaceAll('/', '~1'));
