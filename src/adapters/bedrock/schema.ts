import { type Json, type JsonObject, sizeOf } from '../../json.ts';
import { aliases } from '../../ports/sendable/names.ts';
import { wellFormedJson } from '../../ports/sendable/text.ts';
import type { JsonSchema } from '../../schema.ts';
import type { Feature } from './families.ts';
import { isObject } from './messages.ts';
import { escaped, type Node, pointed, sound, unescaped } from './sound.ts';

/** A tool's input as it is declared to a model. */
export interface Told {
  schema: JsonObject;
  /** The parts that some model may refuse. */
  uses: readonly Feature[];
  /** Maps arguments to the names that the model was given, and back. */
  aliased(input: Json): Json;
  original(input: Json): Json;
}

const ARGUMENT = /^[a-zA-Z0-9_.-]{1,64}$/;
const WELL_FORMED = /^[^\ud800-\udfff]*$/u;
const REWRITES = ['argument', 'union', 'root', 'schema'] as const;
const cache = new WeakMap<JsonSchema, Map<string, Told>>();

/** The schema of a tool's input as a model accepts it. The loop validates the arguments against the schema as declared. */
export function told(schema: JsonSchema, dropped: ReadonlySet<Feature>): Told {
  const key = REWRITES.filter((feature) => dropped.has(feature)).join();
  const known = cache.get(schema) ?? new Map<string, Told>();
  cache.set(schema, known);
  const made = known.get(key) ?? make(schema, dropped);
  known.set(key, made);
  return made;
}

function make(schema: JsonSchema, dropped: ReadonlySet<Feature>): Told {
  const uses: Feature[] = ['schema'];
  const patterns = dropped.has('argument');
  let node = sound(schema, patterns);
  if (CHOICES.some((choice) => choice in node) || node.$ref !== undefined) {
    if (dropped.has('union') || dropped.has('root')) node = flat(node);
    else uses.push('union');
  }
  if (dropped.has('root')) {
    const { type, properties = {}, required } = expanded(node, node) as Node;
    node = { type: type ?? 'object', properties, ...(required !== undefined && { required }) };
  } else if (Object.keys(node).some((k) => k !== 'type' && k !== 'properties' && k !== 'required')) uses.push('root');
  if (dropped.has('schema')) node = plain(expanded(node, node));
  // Bedrock accepts only objects
  if (node.type !== 'object') node = { ...node, type: 'object', properties: node.properties ?? {} };

  const fits = dropped.has('argument') ? ARGUMENT : WELL_FORMED;
  const names = aliases(fits);
  const all = [...namesIn(node)];
  if (fits !== ARGUMENT && all.some((name) => !ARGUMENT.test(name))) uses.push('argument');
  // a valid name takes precedence over one that would be aliased to it
  for (const name of all) if (fits.test(name)) names.alias(name);
  const odd = new Set(all.filter((name) => !fits.test(name)));
  const alias = (name: string): string => (odd.has(name) ? names.alias(name) : name);
  const renamed = odd.size > 0 ? (rename(node, alias) as Node) : node;
  // the target of a reference may have moved
  const told = wellFormedJson<JsonObject>(sound(renamed, patterns));
  if (odd.size === 0) return { schema: told, uses, aliased: same, original: same };
  return { schema: told, uses, aliased: (input) => keyed(input, alias), original: (input) => keyed(input, names.original) };
}

const same = (input: Json): Json => input;

function keyed(value: Json, name: (key: string) => string): Json {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item: Json) => keyed(item, name));
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [name(key), keyed(field, name)]));
}

/** Keywords that hold schemas: by name, a single one, or a list. */
const BY_NAME = new Set(['properties', '$defs', 'definitions', 'dependentSchemas', 'patternProperties']);
const NESTED = new Set(
  'items prefixItems anyOf oneOf allOf not if then else contains propertyNames additionalProperties unevaluatedProperties unevaluatedItems'.split(
    ' ',
  ),
);

/** A copy of a schema, with each schema inside mapped by `map`. */
function within(node: JsonObject, map: (schema: Json) => Json): Node {
  const copy: Node = {};
  for (const [key, value] of Object.entries(node)) {
    if (BY_NAME.has(key) && isObject(value)) copy[key] = Object.fromEntries(Object.entries(value).map(([k, v]) => [k, map(v)]));
    else if (NESTED.has(key)) copy[key] = Array.isArray(value) ? value.map(map) : map(value);
    else copy[key] = value;
  }
  return copy;
}

/** What a schema holds besides the schemas in it, and the names of those. */
const withoutSchemas = (node: JsonObject): Json => within(node, () => null);

function* namesIn(node: Json): Generator<string> {
  if (!isObject(node)) return;
  if (isObject(node.properties)) yield* Object.keys(node.properties);
  const inner: Json[] = [];
  within(node, (schema) => {
    inner.push(schema);
    return schema;
  });
  for (const schema of inner) yield* namesIn(schema);
}

function rename(node: Json, alias: (name: string) => string): Json {
  if (!isObject(node)) return node;
  const copy = within(node, (schema) => rename(schema, alias));
  const { properties, required, dependentRequired, dependentSchemas, $ref } = copy;
  const keys = (value: Json | undefined, map: (v: Json, key: string) => Json): JsonObject | undefined =>
    isObject(value) ? Object.fromEntries(Object.entries(value).map(([k, v]) => [alias(k), map(v, k)])) : undefined;
  const listed = (value: Json): Json => (Array.isArray(value) ? value.map((name) => alias(String(name))) : value);
  const told = keys(properties, (v, name) => (alias(name) === name || !isObject(v) ? v : noted(v, `Its name is ${JSON.stringify(name)}.`)));
  if (told) copy.properties = told;
  if (required) copy.required = listed(required);
  const needs = keys(dependentRequired, listed);
  if (needs) copy.dependentRequired = needs;
  const then = keys(dependentSchemas, same);
  if (then) copy.dependentSchemas = then;
  if (typeof $ref === 'string')
    copy.$ref = $ref
      .split('/')
      .map((step, i, steps) => (steps[i - 1] === 'properties' ? escaped(alias(unescaped(step))) : step))
      .join('/');
  return copy;
}

const noted = (schema: JsonObject, note: string): JsonObject => ({
  ...schema,
  description: typeof schema.description === 'string' ? `${schema.description} ${note}` : note,
});

const CHOICES = ['anyOf', 'oneOf', 'allOf'] as const;
/** The most schemas visited while one is rewritten, and characters of what it becomes: references can make a small schema large. */
const MOST = { schemas: 1_000, times: 3, more: 10_000 };
interface Budget {
  schemas: number;
  chars: number;
}
const budgetOf = (root: Json): Budget => ({ schemas: MOST.schemas, chars: MOST.times * sizeOf(root) + MOST.more });
/** Whether a schema is still within it. @param own what it adds to the result, without the schemas in it that are counted themselves. */
function isWithin(budget: Budget, own: Json): boolean {
  budget.schemas--;
  budget.chars -= sizeOf(own);
  return budget.schemas >= 0 && budget.chars >= 0;
}
/** Characters of a choice in the description. */
const MAX_CHOICE = 2_000;

/** Rewrites a schema with a choice at its top as one object: the properties of all cases; required are those that every case requires. */
function flat(root: Node): Node {
  const whole = merged(root, root, budgetOf(root));
  const { anyOf, oneOf } = root;
  const cases = anyOf ?? oneOf;
  const text = Array.isArray(cases) && `Fits ${anyOf ? 'at least' : 'exactly'} one of these: ${JSON.stringify(cases)}`;
  return text && text.length <= MAX_CHOICE ? noted(whole, text) : whole;
}

function merged(schema: Json | undefined, root: Node, budget: Budget, path: readonly string[] = []): Node {
  if (!isObject(schema)) return {};
  const { $ref, allOf, anyOf, oneOf, ...own } = schema;
  if (!isWithin(budget, own)) return {};
  let node: Node = own;
  // a case that leads back to its own choice adds nothing
  if (typeof $ref === 'string' && !path.includes($ref))
    node = both(node, merged(pointed($ref, root), root, budget, [...path, $ref]), 'all');
  for (const part of Array.isArray(allOf) ? allOf : []) node = both(node, merged(part, root, budget, path), 'all');
  for (const cases of [anyOf, oneOf]) {
    if (!Array.isArray(cases) || cases.length === 0) continue;
    const [first, ...others] = cases.map((c: Json) => merged(c, root, budget, path));
    node = both(
      node,
      others.reduce<Node>((a, b) => both(a, b, 'any'), first ?? {}),
      'all',
    );
  }
  return node;
}

/** The JSON of schemas that were compared. It is put together of its parts, because one of many cases is compared once for each. */
const texts = new WeakMap<object, string>();
function textOf(schema: Json): string {
  if (typeof schema !== 'object' || schema === null) return JSON.stringify(schema);
  const text = texts.get(schema) ?? JSON.stringify(schema);
  texts.set(schema, text);
  return text;
}
function joined(how: 'allOf' | 'anyOf', one: Json, other: Json): Node {
  const node = { [how]: [one, other] };
  texts.set(node, `{"${how}":[${textOf(one)},${textOf(other)}]}`);
  return node;
}

function both(a: Node, b: Node, how: 'all' | 'any'): Node {
  const properties: Node = { ...(a.properties as Node | undefined) };
  for (const [name, schema] of Object.entries((b.properties ?? {}) as Node)) {
    const known = Object.hasOwn(properties, name) ? properties[name] : undefined;
    if (known === undefined || known === true) properties[name] = schema;
    else if (schema !== true && textOf(known) !== textOf(schema))
      properties[name] = joined(how === 'all' ? 'allOf' : 'anyOf', known, schema);
  }
  const [one, two] = [a.required, b.required].map((r) => (Array.isArray(r) ? (r as readonly Json[]) : []));
  const required = how === 'all' ? [...new Set([...(one ?? []), ...(two ?? [])])] : (one ?? []).filter((name) => two?.includes(name));
  const { title: _, description: __, ...shape } = a;
  const node: Node = how === 'all' ? { ...b, ...a } : { ...shape };
  // one case may allow what another forbids
  if (a.additionalProperties !== b.additionalProperties) delete node.additionalProperties;
  node.properties = properties;
  delete node.required;
  if (required.length > 0) node.required = required;
  return node;
}

/** Inlines references; a recursive one accepts anything. */
function expanded(schema: Json, root: Json, path: readonly string[] = [], budget = budgetOf(root)): Json {
  if (!isObject(schema)) return schema;
  const { $ref, $defs: _, definitions: __, ...own } = schema;
  if (!isWithin(budget, withoutSchemas(own))) return {};
  const inner = (nested: Json): Json => expanded(nested, root, path, budget);
  if (typeof $ref !== 'string') return within(own, inner);
  const target = path.includes($ref) ? undefined : pointed($ref, root);
  if (!isObject(target)) return within(own, inner);
  return expanded({ ...target, ...own }, root, [...path, $ref], budget);
}

const PLAIN = new Set(['type', 'properties', 'required', 'items', 'enum', 'description']);

/** What every model is known to understand. */
function plain(schema: Json): Node {
  if (!isObject(schema)) return {};
  const kept = Object.fromEntries(Object.entries(schema).filter(([key]) => PLAIN.has(key)));
  const type = Array.isArray(kept.type) ? kept.type.find((t: Json) => t !== 'null') : kept.type;
  const { type: _, ...node } = within(kept, plain);
  return type === undefined ? node : { type, ...node };
}
