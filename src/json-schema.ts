import type { StandardSchemaV1 } from '@standard-schema/spec';
import { RondoError } from './errors.ts';
import { freezeJson, type Json, type JsonObject, MAX_DEPTH, plainJson } from './json.ts';
import type { JsonSchema, Schema } from './schema.ts';

/** Who made the schemas of this file, as they say themselves. */
export const VENDOR = 'rondo';

/** What a document may be. One of a server is part of every prompt, and nobody here wrote it. */
export const LARGEST = { own: { nodes: 50_000, chars: 2_000_000 }, foreign: { nodes: 5_000, chars: 65_536 }, atOnce: 5_000 };

/**
 * A schema from a plain JSON Schema document, draft 2020-12. The validator is loaded at the first validation, so declaring costs
 * little.
 * @throws RondoError `CONFIG_INVALID` where the argument is no object, or a document that cannot be checked against: a keyword
 * with a wrong value, a pattern that is no regular expression, a `$ref` that leads out of the document, nowhere, or in a circle.
 */
export function jsonSchema<T = Json>(schema: JsonSchema): Schema<T, T> {
  return fromDocument<T>(schema, 'own', 'jsonSchema()');
}

/**
 * A schema from a document that a server sent. Checked is what surely tells a slip of the model: types, names, ranges, choices.
 * What a server could use to hold up the process (`pattern`, `format`, `uniqueItems`), and what can only be judged together with
 * those (`not`, `if`; `oneOf` counts as `anyOf`), it checks itself. The model is shown all of it.
 * @param where names the schema in errors.
 * @throws RondoError `CONFIG_INVALID` as `jsonSchema`, and for more than 5,000 values or 65,536 characters.
 */
export function foreignSchema(schema: unknown, where: string): Schema<JsonObject, JsonObject> {
  return fromDocument<JsonObject>(schema, 'foreign', where);
}

function fromDocument<T>(given: unknown, whose: 'own' | 'foreign', where: string): Schema<T, T> {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new RondoError('CONFIG_INVALID', `${where} takes a JSON Schema object, such as { type: "object", properties: {} }.`);
  checkSize(given, LARGEST[whose], where);
  const document = freezeJson(plainJson(given)) as JsonObject;
  const compiled = compile(document, whose === 'foreign', where);
  return {
    '~standard': {
      version: 1,
      vendor: VENDOR,
      validate: (value) => (library ? check<T>(library, compiled, value) : load().then((run) => check<T>(run, compiled, value))),
      jsonSchema: { input: () => document as Record<string, unknown>, output: () => document as Record<string, unknown> },
    },
  };
}

/** Objects that hold themselves, or each other again and again, are as large as their text would be. */
export function checkSize(given: unknown, max: typeof LARGEST.own, where: string): void {
  let { nodes, chars } = max;
  const visit = (value: unknown, depth: number): void => {
    if (typeof value === 'string') chars -= value.length;
    if (--nodes < 0 || chars < 0 || depth > MAX_DEPTH || typeof value === 'bigint') {
      const bounds = `${max.nodes} values, ${max.chars} characters and ${MAX_DEPTH} levels`;
      throw new RondoError('CONFIG_INVALID', `${where} must be plain JSON of at most ${bounds}. Describe less.`);
    }
    if (typeof value !== 'object' || value === null) return;
    for (const [name, field] of Object.entries(value)) {
      chars -= name.length;
      visit(field, depth + 1);
    }
  };
  visit(given, 1);
}

/**
 * A subschema as the validator gets it: only keywords whose values were checked, and each `$ref` a key of `lookup`. Not the
 * document itself, which the validator would write into.
 */
class Checked {
  /** What one check of it may cost, in units of about half a microsecond. */
  cost = 1;
  [keyword: string]: unknown;
  /** The validator reads this keyword (of an older draft) at each visit, and nothing else tells how far it is. */
  get $recursiveRef(): undefined {
    left -= this.cost + (this.uniqueItems === true ? pairs : 0);
    if (left < 0) throw new RangeError('too much work');
    return undefined;
  }
}
type Compiled = Checked | boolean;

/** Left of the check that runs now: it is synchronous, so there is one at a time. */
let left = 0;
/** What `uniqueItems` costs for the longest array of the value that is checked: it compares each item with each. */
let pairs = 0;
type Run = typeof import('@cfworker/json-schema').validate;
let library: Run | undefined;
const load = async () => (library ??= (await import('@cfworker/json-schema')).validate);
const MOST_WORK = 300_000;

type Document = { root: Compiled; lookup: { [ref: string]: Compiled }; unique: boolean };

function check<T>(run: Run, { root, lookup, unique }: Document, value: unknown): StandardSchemaV1.Result<T> {
  left = MOST_WORK;
  pairs = unique ? costOfUnique(value) : 0;
  try {
    const { valid, errors } = run(value, root as boolean, '2020-12', lookup as { [ref: string]: boolean }, false);
    if (valid) return { value: value as T };
    // a failing keyword is reported together with its parents; the last is the most specific
    const issues = errors.filter((e) => !PARENTS.has(e.keyword));
    const told = (issues.length ? issues : errors).slice(0, 100);
    return { issues: told.map((e) => ({ message: e.error, path: e.instanceLocation.split('/').slice(1).map(nameOf) })) };
  } catch (error) {
    // too many errors to be passed on are a RangeError too
    if (error instanceof RangeError) return issue('it is too large, or nested too deeply, to be checked: pass less');
    return issue(error instanceof URIError ? 'a name in it is no well-formed text' : `it cannot be checked: ${(error as Error).message}`);
  }
}

const PARENTS: ReadonlySet<string> = new Set(['properties', 'items', '$ref']);
const issue = (message: string): StandardSchemaV1.FailureResult => ({ issues: [{ message }] });
/** A step of a JSON pointer in a URI fragment. */
function nameOf(step: string): string {
  const plain = step.replaceAll('~1', '/').replaceAll('~0', '~');
  try {
    return decodeURIComponent(plain);
  } catch {
    return plain;
  }
}

/** In units of {@link Checked.cost}: objects are compared field by field, the rest at once. */
function costOfUnique(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const items = Object.values(value);
  const own = Array.isArray(value) ? items.length ** 2 / (items.some((item) => typeof item === 'object') ? 8 : 64) : 0;
  return items.reduce<number>((most, item) => Math.max(most, costOfUnique(item)), own);
}

const isObject = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);
const isCount = (value: unknown) => Number.isInteger(value) && (value as number) >= 0;
const isText = (value: unknown) => typeof value === 'string';
const areTexts = (value: unknown) => Array.isArray(value) && value.every(isText);
const TYPES = ['object', 'array', 'string', 'number', 'integer', 'boolean', 'null'];
function isPattern(value: unknown): boolean {
  try {
    return isText(value) && new RegExp(value as string, 'u') !== undefined;
  } catch {
    return false;
  }
}

const RULES: readonly [keywords: string, fits: (value: unknown) => boolean, must: string][] = [
  ['type', (v) => [v].flat().every((t) => TYPES.includes(t as string)), `be one or more of ${TYPES.join(', ')}`],
  ['enum', Array.isArray, 'be a list'],
  ['const', () => true, ''],
  ['required', areTexts, 'be a list of names'],
  ['minimum maximum exclusiveMinimum exclusiveMaximum', (v) => typeof v === 'number', 'be a number'],
  ['multipleOf', (v) => typeof v === 'number' && v > 0, 'be a number above 0'],
  ['minLength maxLength minItems maxItems minContains maxContains minProperties maxProperties', isCount, 'be a whole number'],
  ['uniqueItems', (v) => typeof v === 'boolean', 'be true or false'],
  ['pattern', isPattern, 'be a regular expression (with the flag "u")'],
  ['format', isText, 'be a text'],
  ['dependentRequired', (v) => isObject(v) && Object.values(v).every(areTexts), 'be an object of lists of names'],
];
const PLAIN = RULES.flatMap(([keywords, fits, must]) => keywords.split(' ').map((keyword) => ({ keyword, fits, must })));
/** Keywords with a list of schemas, an object of them, or one. */
const LIST: ReadonlySet<string> = new Set(['allOf', 'anyOf', 'oneOf', 'prefixItems']);
const MAP: ReadonlySet<string> = new Set(['properties', 'patternProperties', 'dependentSchemas']);
const ONE =
  'not if then else items additionalItems contains additionalProperties unevaluatedProperties unevaluatedItems propertyNames'.split(' ');
const NESTED = [...LIST, ...MAP, ...ONE];
/** What a server checks itself. */
const ITS_OWN: ReadonlySet<string> = new Set(
  'pattern format uniqueItems patternProperties not if then else maxContains unevaluatedProperties'.split(' '),
);

/** Checks a document, and makes of it what the validator needs. */
function compile(document: JsonObject, foreign: boolean, where: string): Document {
  const lookup: Document['lookup'] = Object.create(null);
  const copies = new Map<JsonObject, Checked>();
  const refs: { ref: string; at: string }[] = [];
  let unique = false;
  const wrong = (at: string, must: string) => new RondoError('CONFIG_INVALID', `${where}: ${cut(at, 200)} must ${must}.`);

  const visit = (node: Json, at: string): Compiled => {
    if (typeof node === 'boolean') return node;
    if (!isObject(node)) throw wrong(at, 'be a schema: an object, true or false');
    const known = copies.get(node);
    if (known) return known;
    const copy = new Checked();
    copies.set(node, copy);
    for (const { keyword, fits, must } of PLAIN) {
      const value = node[keyword];
      if (value === undefined || (foreign && (ITS_OWN.has(keyword) || !fits(value)))) continue;
      if (!fits(value)) throw wrong(`${at}/${keyword}`, must);
      copy[keyword] = value;
      if (keyword === 'required') copy.cost += (value as readonly Json[]).length;
      else if (typeof value === 'object') copy.cost += Math.floor(JSON.stringify(value).length / 32);
      if (keyword === 'uniqueItems') unique ||= value === true;
    }
    for (const keyword of NESTED) {
      const value = node[keyword];
      if (value === undefined || (foreign && ITS_OWN.has(keyword))) continue;
      const here = `${at}/${keyword}`;
      if (LIST.has(keyword) || (keyword === 'items' && Array.isArray(value))) {
        if (!Array.isArray(value)) throw wrong(here, 'be a list of schemas');
        copy[keyword] = value.map((item, i) => visit(item, `${here}/${i}`));
      } else if (MAP.has(keyword)) {
        if (!isObject(value)) throw wrong(here, 'be an object of schemas');
        const map: { [name: string]: unknown } = Object.create(null);
        for (const [name, field] of Object.entries(value)) {
          if (keyword === 'patternProperties' && !isPattern(name)) throw wrong(`${here}/${name}`, 'be named by a regular expression');
          copy.cost++;
          map[name] = visit(field, `${here}/${name}`);
        }
        copy[keyword] = map;
      } else copy[keyword] = visit(value, here);
    }
    if (foreign) {
      // what depends on a keyword that is not checked must not refuse in its place
      if (node.patternProperties !== undefined) copy.additionalProperties = undefined;
      copy.anyOf ??= copy.oneOf;
      copy.oneOf = undefined;
    }
    const ref = node.$ref;
    if (ref === undefined) return copy;
    if (typeof ref !== 'string') throw wrong(`${at}/$ref`, 'be a text');
    copy.$ref = ref;
    refs.push({ ref, at });
    return copy;
  };

  const root = visit(document, '#');
  const named = namesIn(document);
  // grows while it is read
  for (const { ref, at } of refs) {
    const target = targetOf(ref, document, named);
    if (target === undefined) throw wrong(`${cut(at, 100)}/$ref "${ref}"`, 'lead to a schema of the same document: no other is loaded');
    lookup[ref] ??= visit(target, ref);
  }
  checkRefs(copies.values(), lookup, where);
  return { root, lookup, unique };
}

/** The subschemas with a name of their own. */
function namesIn(node: Json, names = new Map<string, Json>()): ReadonlyMap<string, Json> {
  if (typeof node !== 'object' || node === null) return names;
  const { $id, $anchor } = node as JsonObject;
  if (typeof $id === 'string') names.set($id, node);
  if (typeof $anchor === 'string') names.set(`#${$anchor}`, node);
  for (const field of Object.values(node)) namesIn(field as Json, names);
  return names;
}

function targetOf(ref: string, document: JsonObject, named: ReadonlyMap<string, Json>): Json | undefined {
  const [resource = '', fragment = ''] = ref.split('#', 2);
  let node = resource === '' ? document : (named.get(ref) ?? named.get(resource) ?? named.get(`${resource}#`));
  if (fragment === '') return node;
  if (!fragment.startsWith('/')) return node && named.get(`#${fragment}`);
  for (const part of fragment.slice(1).split('/')) {
    const name = nameOf(part);
    node = typeof node === 'object' && node !== null && Object.hasOwn(node, name) ? (node as { [k: string]: Json })[name] : undefined;
  }
  return node;
}

/** Bounds what is checked of one value when all `$ref`s are followed: each may double what the one before it asks for. */
function checkRefs(schemas: Iterable<Checked>, lookup: Document['lookup'], where: string): void {
  const sizes = new Map<Checked, number>();
  const sizeOf = (s: Checked, depth: number): number => {
    const known = sizes.get(s);
    if (known) return known;
    if (known === 0) throw new RondoError('CONFIG_INVALID', `${where}: a $ref leads back to itself, and never to a value.`);
    if (depth > MAX_DEPTH) throw new RondoError('CONFIG_INVALID', `${where}: its $refs lead through more than ${MAX_DEPTH} schemas.`);
    sizes.set(s, 0);
    let size = 1;
    const target = s.$ref !== undefined && lookup[s.$ref as string];
    for (const part of [target, s.allOf, s.anyOf, s.oneOf, s.not, s.if, s.then, s.else, Object.values(s.dependentSchemas ?? {})].flat())
      if (part instanceof Checked) size += sizeOf(part, depth + 1);
    if (size > LARGEST.atOnce)
      throw new RondoError('CONFIG_INVALID', `${where} checks one value against more than ${LARGEST.atOnce} schemas. Describe less.`);
    sizes.set(s, size);
    return size;
  };
  for (const schema of schemas) sizeOf(schema, 1);
}

/** A text of at most so many characters, and no half one. */
export const cut = (text: string, max: number) => (text.length > max ? `${text.slice(0, max - 1).replace(/[\ud800-\udbff]$/, '')}…` : text);
