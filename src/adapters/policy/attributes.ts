/** The arguments of a tool as Cedar has them: a type for each, and the value of each as that type. */
import type { CedarValueJson, Type } from '@cedar-policy/cedar-wasm/nodejs';
import { type Json, type JsonObject, put } from '../../json.ts';
import { isObject } from '../../json-schema/keywords.ts';
import { pointed } from '../../json-schema/pointer.ts';
import type { JsonSchema } from '../../schema.ts';

/** A type, and how a value becomes one of it. */
export interface Attribute {
  readonly type: Type<string>;
  /** The texts that it may be, if the schema lists them. */
  readonly choices?: readonly string[];
  /** @param at the path of the value, for the message. @throws Unfit */
  of(value: Json, at: string): CedarValueJson;
}

/** A value that Cedar cannot hold as the type that the schema says. */
class Unfit extends Error {}

export type Attributes = ReadonlyMap<string, Attribute & { readonly required: boolean }>;

/** Names that mean an entity or a function in Cedar's JSON. */
const RESERVED = new Set(['__entity', '__extn', '__expr']);
/** Most levels of records and sets, and most arguments of a tool in all of them. */
const DEEPEST = 6;
const MOST = 1_000;

/**
 * The arguments that Cedar can express. `notes` gets a sentence for each that it cannot.
 * @param schema the schema of an input, an object.
 */
export function attributesOf(schema: JsonSchema, notes: string[]): Attributes {
  let budget = MOST;
  const leave = (at: string, why: string) => {
    notes.push(`${at} is left out: ${why}`);
    return undefined;
  };

  function fieldsOf(given: JsonObject, at: string, depth: number): Attributes {
    const fields = new Map<string, Attribute & { required: boolean }>();
    const { properties, required } = given;
    const needed = Array.isArray(required) ? required : [];
    for (const [name, of] of Object.entries(isObject(properties) ? properties : {})) {
      const path = `${at}.${name}`;
      if (RESERVED.has(name)) leave(path, 'its name is reserved in Cedar');
      else if (--budget < 0) leave(path, `a tool has at most ${MOST} arguments`);
      else {
        const found = attribute(of, path, depth);
        if (found) fields.set(name, { ...found, required: needed.includes(name) && !found.nullable });
      }
    }
    return fields;
  }

  function attribute(
    given: Json,
    at: string,
    depth: number,
    refs: readonly string[] = [],
  ): (Attribute & { nullable: boolean }) | undefined {
    if (!isObject(given)) return leave(at, 'its schema does not say a type');
    if (depth > DEEPEST) return leave(at, `it is more than ${DEEPEST} levels deep`);
    const { $ref, anyOf, oneOf, allOf } = given;
    if (typeof $ref === 'string') {
      const found = refs.includes($ref) ? undefined : resolved(schema, $ref);
      return found === undefined ? leave(at, 'its $ref is circular, or leads nowhere') : attribute(found, at, depth, [...refs, $ref]);
    }
    if (given.type === undefined && Array.isArray(allOf) && allOf.length === 1) return attribute(allOf[0] as Json, at, depth, refs);
    const alternatives = anyOf ?? oneOf;
    if (given.type === undefined && Array.isArray(alternatives)) {
      const real = alternatives.filter((choice) => !isNull(choice));
      const kinds = real.map((choice) => attribute(choice as Json, at, depth, refs));
      const [first, ...others] = kinds;
      const same = first && others.every((kind) => kind && JSON.stringify(kind.type) === JSON.stringify(first.type));
      if (!same || (others.length > 0 && !SCALARS.has(first.type.type))) return leave(at, 'it is of several types');
      const { choices: _, ...one } = first;
      return {
        ...(others.length > 0 ? one : first),
        nullable: first.nullable || real.length < alternatives.length || kinds.some((kind) => kind?.nullable),
      };
    }
    const types = typesOf(given);
    const nullable = types.includes('null');
    const [type, ...more] = types.filter((one) => one !== 'null');
    if (type === undefined || more.length > 0)
      return leave(at, type === undefined ? 'its schema does not say a type' : 'it is of several types');
    const scalar = Object.hasOwn(SCALAR, type) ? SCALAR[type] : undefined;
    if (scalar) return { ...scalar, ...choicesOf(given), nullable };
    if (type === 'array') {
      const element =
        isObject(given.items) && given.prefixItems === undefined ? attribute(given.items, `${at}[]`, depth + 1, refs) : undefined;
      return element ? { ...setOf(element), nullable } : leave(at, 'its items are not of one type that Cedar has');
    }
    if (type !== 'object') return leave(at, `Cedar has no type for ${type}`);
    if (!isObject(given.properties)) return leave(at, 'its fields are not known');
    return { ...recordOf(fieldsOf(given, at, depth + 1)), nullable };
  }

  const root = typeof schema.$ref === 'string' ? resolved(schema, schema.$ref) : schema;
  return isObject(root) ? fieldsOf(root, 'input', 1) : new Map();
}

const isNull = (schema: Json) => isObject(schema) && (schema.type === 'null' || schema.const === null);

/** The types that a schema says, or that its choices have. */
function typesOf({ type, enum: choices, const: only }: JsonObject): readonly string[] {
  if (typeof type === 'string') return [type];
  if (Array.isArray(type)) return type.filter((one) => typeof one === 'string');
  const values = Array.isArray(choices) ? choices : only === undefined ? [] : [only];
  const types = new Set(values.map(typeOf));
  // a list of numbers with and without decimals is one of numbers
  if (types.has('number')) types.delete('integer');
  return [...types];
}

function choicesOf({ enum: choices, const: only }: JsonObject): { choices?: readonly string[] } {
  const values = (Array.isArray(choices) ? choices : [only]).filter((value) => value !== null);
  return values.every((value) => typeof value === 'string') ? { choices: values } : {};
}

const typeOf = (value: Json): string =>
  value === null ? 'null' : Array.isArray(value) ? 'array' : Number.isInteger(value) ? 'integer' : typeof value;

/** What a `$ref` of this document leads to; undefined: nothing. */
const resolved = (root: JsonSchema, ref: string): Json | undefined => (ref.startsWith('#') ? pointed(root as Json, ref) : undefined);

const unfit = (at: string, why: string): never => {
  throw new Unfit(`${at} ${why}`);
};

/** A text that Cedar can hold. @throws Unfit */
export const textOf = (value: Json, at: string): string =>
  typeof value !== 'string' ? unfit(at, 'is not a text') : value.isWellFormed() ? value : unfit(at, 'is not well-formed text');

/** A Decimal has four digits after the point. @throws Unfit */
export function decimalOf(value: Json, at: string): CedarValueJson {
  if (typeof value !== 'number' || !Number.isFinite(value)) return unfit(at, 'is not a number');
  const text = value.toFixed(4);
  if (Number(text) !== value || Math.abs(value) > LARGEST_DECIMAL)
    return unfit(at, 'is a number that a Decimal cannot hold: it has at most 4 digits after the point');
  return { __extn: { fn: 'decimal', arg: text } };
}
const LARGEST_DECIMAL = 922_337_203_685_477;

const SCALAR: Readonly<Record<string, Attribute>> = {
  string: { type: { type: 'String' }, of: textOf },
  integer: {
    type: { type: 'Long' },
    of: (value, at) => (Number.isSafeInteger(value) ? (value as number) + 0 : unfit(at, 'is not an integer that a Long can hold exactly')),
  },
  boolean: { type: { type: 'Boolean' }, of: (value, at) => (typeof value === 'boolean' ? value : unfit(at, 'is not true or false')) },
  number: { type: { type: 'Extension', name: 'decimal' }, of: decimalOf },
};
const SCALARS = new Set(['String', 'Long', 'Boolean', 'Extension']);

const setOf = (element: Attribute): Attribute => ({
  type: { type: 'Set', element: element.type },
  of: (value, at) => (Array.isArray(value) ? value.map((item, i) => element.of(item, `${at}[${i}]`)) : unfit(at, 'is not a list')),
});

/** The type of a record. */
export const recordType = (fields: Attributes): Type<string> => ({
  type: 'Record',
  attributes: Object.fromEntries([...fields].map(([name, { type, required }]) => [name, { ...type, required }])),
});

/** A record of what is declared. What is not, and what is null, is not in it. @param only the names of those that are needed; default all. @throws Unfit */
export function recordFrom(fields: Attributes, value: Json, at: string, only?: ReadonlySet<string>): Record<string, CedarValueJson> {
  if (!isObject(value)) return unfit(at, 'is not an object');
  const record: Record<string, CedarValueJson> = {};
  for (const name of only ?? fields.keys()) {
    const field = fields.get(name);
    const given = Object.hasOwn(value, name) ? value[name] : undefined;
    if (!field || given === undefined || given === null) continue;
    const own = field.of(given, `${at}.${name}`);
    put(record, name, own);
  }
  return record;
}

const recordOf = (fields: Attributes): Attribute => ({
  type: recordType(fields),
  of: (value, at) => recordFrom(fields, value, at),
});
