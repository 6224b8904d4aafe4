import type { StandardJSONSchemaV1, StandardSchemaV1, StandardTypedV1 } from '@standard-schema/spec';
import { RondoError } from './errors.ts';

/** What JSON can hold. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [k: string]: Json };
export type JsonObject = { readonly [k: string]: Json };
/** A JSON Schema document, draft 2020-12. */
export type JsonSchema = JsonObject;

/**
 * A schema that can both validate a value and describe itself as JSON Schema: Zod >= 4.2, ArkType >= 2.1.28,
 * Valibot through `toStandardJsonSchema`, or {@link jsonSchema}.
 */
// biome-ignore lint/suspicious/noExplicitAny: the default must accept every schema, whatever its types
export interface Schema<I = any, O = I> {
  readonly '~standard': StandardSchemaV1.Props<I, O> & StandardJSONSchemaV1.Props<I, O>;
}
// biome-ignore lint/suspicious/noExplicitAny: an inference helper matches any output
export type In<S> = S extends StandardTypedV1<infer I, any> ? I : never;
// biome-ignore lint/suspicious/noExplicitAny: an inference helper matches any input
export type Out<S> = S extends StandardTypedV1<any, infer O> ? O : never;

/** Deeper than anybody means; what recurses over JSON can rely on it. */
const MAX_DEPTH = 200;

export class NotJson extends Error {}

/**
 * A copy of a value as plain JSON: what JSON leaves out is left out. Much cheaper than a round trip through text for the small
 * values that a model's arguments are.
 * @throws NotJson for what JSON cannot hold, and for what is nested more than 200 levels deep.
 */
export function plainJson(value: unknown, depth = MAX_DEPTH): Json | undefined {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (typeof value === 'bigint') throw new NotJson('a BigInt is no JSON');
  if (typeof value !== 'object') return undefined;
  if (depth === 0) throw new NotJson(`it is nested more than ${MAX_DEPTH} levels deep`);
  if (Array.isArray(value)) return value.map((item) => plainJson(item, depth - 1) ?? null);
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON === 'function') return plainJson(toJSON.call(value), depth - 1);
  const copy: { [k: string]: Json } = {};
  for (const key of Object.keys(value)) {
    const field = plainJson((value as { [k: string]: unknown })[key], depth - 1);
    if (field === undefined) continue;
    // plain assignment would set the prototype
    if (key === '__proto__') Object.defineProperty(copy, key, { value: field, enumerable: true, configurable: true, writable: true });
    else copy[key] = field;
  }
  return copy;
}

/** A copy of what is plain JSON already. */
export const copyJson = (value: Json): Json => plainJson(value) as Json;

/** Makes plain JSON unchangeable, all the way down. */
export function freezeJson<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const field of Object.values(value)) freezeJson(field);
  return Object.freeze(value);
}

export type Validated<T> = { ok: true; value: T } | { ok: false; problem: string };

const TARGET = { target: 'draft-2020-12' } as const;

/** What a document may be. One of a server is part of every prompt, and nobody here wrote it. */
const LARGEST = { own: { nodes: 50_000, chars: 2_000_000 }, foreign: { nodes: 5_000, chars: 65_536 }, atOnce: 5_000 };

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
      vendor: 'rondo',
      validate: (value) => (library ? check<T>(library, compiled, value) : load().then((run) => check<T>(run, compiled, value))),
      jsonSchema: { input: () => document as Record<string, unknown>, output: () => document as Record<string, unknown> },
    },
  };
}

/** Objects that hold themselves, or each other again and again, are as large as their text would be. */
function checkSize(given: unknown, max: typeof LARGEST.own, where: string): void {
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

/**
 * The JSON Schema of what a schema accepts.
 * @throws RondoError `CONFIG_INVALID` where the schema cannot describe itself; `where` names it in the message.
 */
export function describe(schema: Schema, where: string): JsonSchema {
  const standard = (schema as Partial<Schema> | undefined)?.['~standard'];
  if (!standard?.validate)
    throw new RondoError('CONFIG_INVALID', `${where} is not a schema. Pass a Zod (>= 4.2) or ArkType schema, or jsonSchema({ ... }).`);
  if (!standard.jsonSchema)
    throw new RondoError(
      'CONFIG_INVALID',
      `${where}: this ${standard.vendor} schema cannot describe itself as JSON Schema. Use Zod >= 4.2, ArkType >= 2.1.28, Valibot's toStandardJsonSchema(), or jsonSchema({ ... }).`,
    );
  try {
    const { $schema: _, ...rest } = standard.jsonSchema.input(TARGET) as JsonObject;
    checkSize(rest, LARGEST.own, where);
    return rest;
  } catch (error) {
    if (RondoError.is(error)) throw error;
    throw new RondoError('CONFIG_INVALID', `${where} cannot be written as JSON Schema: ${(error as Error).message}`, { cause: error });
  }
}

/** Validates a value; the problem is one line, `path: message; ...`, fit for a model to read. Never throws. */
export function validate<T>(schema: Schema<unknown, T>, value: unknown): Validated<T> | Promise<Validated<T>> {
  try {
    const result = schema['~standard'].validate(value);
    return result instanceof Promise ? result.then(verdict, thrown) : verdict(result);
  } catch (error) {
    return thrown(error);
  }
}

/** Of what is wrong with a value, in issues and characters: a model reads it, and pays for it at every later step. */
const MOST_TOLD = { issues: 10, chars: 2_000 };

function verdict<T>(result: StandardSchemaV1.Result<T>): Validated<T> {
  if (!result.issues) return { ok: true, value: result.value };
  const told = result.issues.slice(0, MOST_TOLD.issues).map(({ path, message }) => {
    const at = path?.map((p) => String(typeof p === 'object' ? p.key : p)).join('.');
    return cut(at ? `${cut(at, 200)}: ${message}` : message, 500);
  });
  if (result.issues.length > MOST_TOLD.issues) told.push('and more');
  return { ok: false, problem: cut(told.join('; '), MOST_TOLD.chars) };
}

const cut = (text: string, max: number) => (text.length > max ? `${text.slice(0, max - 1).replace(/[\ud800-\udbff]$/, '')}…` : text);

function thrown(error: unknown): { ok: false; problem: string } {
  let problem = 'it cannot be checked';
  try {
    problem = String(error instanceof Error ? error.message : error);
  } catch {
    // a value that does not even say what it is
  }
  return { ok: false, problem: cut(problem, MOST_TOLD.chars) };
}
