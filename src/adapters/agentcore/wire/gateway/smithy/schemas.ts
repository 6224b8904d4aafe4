/** Shapes of Smithy as JSON Schema. Those with members are definitions that others refer to, so a model that recurs ends there. */
import { type Json, type JsonObject, put } from '../../../../../json.ts';
import { isObject, isPattern } from '../../../../../json-schema/keywords.ts';
import { type Member, plainText, type Shape, type SmithyModel, shortName, type Traits } from './model.ts';

export type TimestampFormat = 'epoch-seconds' | 'date-time' | 'http-date';
type Fields = { [keyword: string]: Json };

const TIMES: Readonly<Record<TimestampFormat, readonly [JsonObject, string]>> = {
  'epoch-seconds': [{ type: 'number' }, 'Seconds since 1970-01-01T00:00:00Z.'],
  'date-time': [{ type: 'string', format: 'date-time' }, 'A time of ISO 8601, such as 2026-01-31T10:00:00Z.'],
  'http-date': [{ type: 'string' }, 'A time such as Sat, 31 Jan 2026 10:00:00 GMT.'],
};
const SIMPLE: ReadonlyMap<string, string> = new Map([
  ['string', 'string'],
  ['boolean', 'boolean'],
  ...['byte', 'short', 'integer', 'long', 'bigInteger'].map((type) => [type, 'integer'] as const),
  ...['float', 'double', 'bigDecimal'].map((type) => [type, 'number'] as const),
]);
const AGGREGATES: ReadonlySet<string> = new Set(['structure', 'union', 'list', 'set', 'map']);

/** The keywords of a length, by the type of what has it. */
const LENGTHS: ReadonlyMap<string, readonly [string, string]> = new Map([
  ['string', ['minLength', 'maxLength']],
  ['list', ['minItems', 'maxItems']],
  ['set', ['minItems', 'maxItems']],
  ['map', ['minProperties', 'maxProperties']],
]);

export class SmithySchemas {
  /** `components.schemas` of a document. Complete after `finish()`. */
  readonly definitions: Fields = {};
  readonly #model: SmithyModel;
  readonly #names = new Map<string, string>();
  readonly #waiting: Shape[] = [];

  constructor(model: SmithyModel) {
    this.#model = model;
  }

  /** @param format of a timestamp, where the model says none. */
  of(member: Member, format: TimestampFormat = 'epoch-seconds'): JsonObject {
    const shape = this.#model.shape(member.target);
    const traits = this.#model.traitsOf(member);
    const base: JsonObject = AGGREGATES.has(shape.type)
      ? { $ref: `#/components/schemas/${this.#nameOf(shape)}` }
      : simple(shape, traits, format);
    const own = AGGREGATES.has(shape.type) ? member.traits : traits;
    const said = [plainText(own['smithy.api#documentation']), base.description].filter((text) => typeof text === 'string').join('\n');
    const fallback = own['smithy.api#default'];
    return {
      ...base,
      ...constraintsOf(shape.type, own),
      ...(said !== '' && { description: said }),
      ...(fallback !== undefined && fallback !== null && { default: fallback }),
    };
  }

  /** An object with some members of a structure. */
  objectOf(members: readonly (readonly [name: string, member: Member])[]): Fields {
    const properties: Fields = {};
    const required: string[] = [];
    for (const [name, member] of members) {
      const jsonName = member.traits['smithy.api#jsonName'];
      const property = typeof jsonName === 'string' ? jsonName : name;
      put(properties, property, this.of(member));
      if (isRequired(member)) required.push(property);
    }
    return { type: 'object', properties, ...(required.length > 0 && { required }) };
  }

  /** Writes all definitions that were referred to: in a loop, since a chain of shapes may be longer than the stack. */
  finish(): void {
    for (let shape = this.#waiting.pop(); shape; shape = this.#waiting.pop()) {
      const description = plainText(shape.traits['smithy.api#documentation']);
      const schema = {
        ...this.#aggregate(shape),
        ...constraintsOf(shape.type, shape.traits),
        ...(description !== undefined && { description }),
      };
      put(this.definitions, this.#names.get(shape.id) as string, schema);
    }
  }

  #nameOf(shape: Shape): string {
    const known = this.#names.get(shape.id);
    if (known !== undefined) return known;
    const plain = shortName(shape.id).replace(/[^\w.-]/g, '_');
    let name = plain;
    for (let i = 2; Object.hasOwn(this.definitions, name); i++) name = `${plain}_${i}`;
    this.#names.set(shape.id, name);
    put(this.definitions, name, {});
    this.#waiting.push(shape);
    return name;
  }

  #aggregate(shape: Shape): Fields {
    const { type, members, traits } = shape;
    if (type === 'structure') return this.objectOf(Object.entries(members));
    if (type === 'union') return { ...this.objectOf(Object.entries(members)), minProperties: 1, maxProperties: 1 };
    const { member, key, value } = members;
    const sparse = (schema: JsonObject): Json =>
      traits['smithy.api#sparse'] === undefined ? schema : { anyOf: [schema, { type: 'null' }] };
    if (type !== 'map') return { type: 'array', items: member ? sparse(this.of(member)) : {} };
    const names = key ? this.of(key) : { type: 'string' };
    return {
      type: 'object',
      additionalProperties: value ? sparse(this.of(value)) : {},
      ...(Object.keys(names).length > 1 && { propertyNames: names }),
    };
  }
}

export const isRequired = ({ traits }: Member): boolean => traits['smithy.api#required'] !== undefined;

function simple(shape: Shape, traits: Traits, format: TimestampFormat): JsonObject {
  const { type } = shape;
  if (type === 'timestamp') {
    const own = traits['smithy.api#timestampFormat'];
    const [schema, description] = TIMES[typeof own === 'string' && Object.hasOwn(TIMES, own) ? (own as TimestampFormat) : format];
    return { ...schema, description };
  }
  if (type === 'blob') return { type: 'string', contentEncoding: 'base64', description: 'Bytes in base64.' };
  if (type === 'enum' || type === 'intEnum') {
    const values = Object.entries(shape.members).map(([name, member]) => member.traits['smithy.api#enumValue'] ?? name);
    return { type: type === 'enum' ? 'string' : 'integer', enum: values };
  }
  const listed = traits['smithy.api#enum'];
  const values = (Array.isArray(listed) ? listed : []).flatMap((one) =>
    isObject(one) && typeof one.value === 'string' ? [one.value] : [],
  );
  const known = SIMPLE.get(type);
  // a document is any JSON
  return known === undefined ? {} : { type: known, ...(values.length > 0 && { enum: values }) };
}

function constraintsOf(type: string, traits: Traits): JsonObject {
  const bounds = (trait: string, [least, most]: readonly [string, string]): Fields => {
    const { min, max } = isObject(traits[trait]) ? traits[trait] : {};
    return { ...(typeof min === 'number' && { [least]: min }), ...(typeof max === 'number' && { [most]: max }) };
  };
  const pattern = traits['smithy.api#pattern'];
  const [number, length] = [/^(integer|number)$/.test(SIMPLE.get(type) ?? ''), LENGTHS.get(type)];
  return {
    ...(number && bounds('smithy.api#range', ['minimum', 'maximum'])),
    ...(length && bounds('smithy.api#length', length)),
    // some models have patterns of other dialects: the service checks them
    ...(type === 'string' && typeof pattern === 'string' && isPattern(pattern) && { pattern }),
    ...(traits['smithy.api#uniqueItems'] !== undefined && { uniqueItems: true }),
  };
}
