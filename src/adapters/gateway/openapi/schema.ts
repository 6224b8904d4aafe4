/** From the schemas of an OpenAPI document to the JSON Schema of a tool's input: references become `$defs`, so that circles survive. */
import type { Json, JsonObject } from '../../../json.ts';
import { put } from '../../../json.ts';
import { isObject } from '../../../json-schema/keywords.ts';
import { refOf, resolved } from './references.ts';

type Fields = { [name: string]: Json };

const MAPS: ReadonlySet<string> = new Set(['properties', 'patternProperties', 'dependentSchemas']);
const LISTS: ReadonlySet<string> = new Set(['allOf', 'anyOf', 'oneOf', 'prefixItems']);
const SCHEMAS: ReadonlySet<string> = new Set(
  'items additionalProperties not if then else contains propertyNames unevaluatedItems unevaluatedProperties'.split(' '),
);
/** What is of OpenAPI, or is resolved here, or says nothing of what a caller may send. */
const LEFT_OUT: ReadonlySet<string> = new Set(
  'nullable readOnly writeOnly discriminator xml externalDocs example examples $schema $id $anchor $defs definitions $comment'.split(' '),
);

/** Converts schemas of one document, for one tool. `defs` is what their references lead to. */
export class Schemas {
  readonly defs: Fields = {};
  readonly #document: JsonObject;
  readonly #old: boolean;
  readonly #where: string;
  readonly #names = new Map<string, string>();

  constructor(document: JsonObject, where: string) {
    this.#document = document;
    this.#where = where;
    // OpenAPI 3.0 has a JSON Schema of its own
    this.#old = String(document.openapi).startsWith('3.0');
  }

  /** What a schema, or its reference, is; unconverted. */
  meant(schema: Json | undefined, at: string): JsonObject {
    const found = resolved(this.#document, schema, at, this.#where);
    return isObject(found) ? found : {};
  }

  /** @param dropped properties that are left out because a schema that holds for the same value says that they are read only. */
  written(schema: Json | undefined, at: string, dropped: readonly string[] = []): Json {
    if (typeof schema === 'boolean') return schema;
    if (!isObject(schema)) return {};
    const all = [...new Set([...dropped, ...this.#readOnly(schema, at)])];
    const ref = refOf(schema);
    if (ref === undefined) return this.#keywords(schema, at, all);
    const named = { $ref: `#/$defs/${this.#named(ref, at, all)}` };
    // beside a reference, OpenAPI 3.0 ignores everything
    const { $ref: _, ...beside } = schema;
    return this.#old || Object.keys(beside).length === 0 ? named : { ...(this.#keywords(beside, at, all) as JsonObject), ...named };
  }

  /** The schemas that hold for one value together: itself, what it refers to, and those of `allOf`. */
  #together(schema: Json | undefined, at: string, seen = new Set<JsonObject>()): ReadonlySet<JsonObject> {
    if (!isObject(schema) || seen.has(schema)) return seen;
    seen.add(schema);
    if (refOf(schema) !== undefined) this.#together(resolved(this.#document, schema, at, this.#where), at, seen);
    if (Array.isArray(schema.allOf)) for (const [i, part] of schema.allOf.entries()) this.#together(part, `${at}/allOf/${i}`, seen);
    return seen;
  }

  /** The properties that the service sets, and refuses in a request. */
  #readOnly(schema: JsonObject, at: string): string[] {
    const isReadOnly = (field: Json) => [...this.#together(field, at)].some((part) => part.readOnly === true);
    return [...this.#together(schema, at)].flatMap(({ properties }) =>
      Object.entries(isObject(properties) ? properties : {}).flatMap(([name, field]) => (isReadOnly(field) ? [name] : [])),
    );
  }

  /** The name in `$defs`. It is taken before the schema is converted, so that a circle ends there. */
  #named(ref: string, at: string, dropped: readonly string[]): string {
    const target = { $ref: ref };
    const own = this.#readOnly(target, at);
    const told = new Set([...this.#together(target, at)].flatMap(namesIn));
    // where it is used without those, it is another schema
    const without = dropped.filter((name) => told.has(name) && !own.includes(name)).sort();
    const key = JSON.stringify([ref, ...without]);
    const known = this.#names.get(key);
    if (known !== undefined) return known;
    const plain = (ref.split('/').at(-1) ?? '').replace(/[^\w.-]/g, '_') || 'schema';
    let name = plain;
    for (let i = 2; Object.hasOwn(this.defs, name); i++) name = `${plain}_${i}`;
    this.#names.set(key, name);
    put(this.defs, name, {});
    put(this.defs, name, this.written(resolved(this.#document, target, at, this.#where), ref, without));
    return name;
  }

  #keywords(schema: JsonObject, at: string, dropped: readonly string[]): Json {
    const out: Fields = {};
    for (const [keyword, value] of Object.entries(schema)) {
      if (LEFT_OUT.has(keyword) || keyword.startsWith('x-')) continue;
      const here = `${at}/${keyword}`;
      if (MAPS.has(keyword) && isObject(value)) {
        const fields: Fields = {};
        for (const [name, field] of Object.entries(value))
          if (keyword !== 'properties' || !dropped.includes(name)) put(fields, name, this.written(field, `${here}/${name}`));
        out[keyword] = fields;
      } else if (LISTS.has(keyword) || (keyword === 'items' && Array.isArray(value)))
        out[keyword] = Array.isArray(value)
          ? value.map((item, i) => this.written(item, `${here}/${i}`, keyword === 'allOf' ? dropped : []))
          : value;
      else if (SCHEMAS.has(keyword)) out[keyword] = this.written(value, here);
      else out[keyword] = value;
    }
    if (Array.isArray(out.required)) out.required = out.required.filter((name) => !dropped.includes(String(name)));
    return this.#old ? modern(out, schema.nullable === true) : out;
  }
}

/** The properties that a schema says something of. */
const namesIn = ({ properties, required }: JsonObject): string[] => [
  ...Object.keys(isObject(properties) ? properties : {}),
  ...(Array.isArray(required) ? required.map(String) : []),
];

/** The keywords in which OpenAPI 3.0 differs from JSON Schema 2020-12. */
function modern(schema: Fields, nullable: boolean): Json {
  const out = { ...schema };
  for (const [flag, bound] of [
    ['exclusiveMinimum', 'minimum'],
    ['exclusiveMaximum', 'maximum'],
  ] as const) {
    if (typeof out[flag] !== 'boolean') continue;
    if (out[flag] && typeof out[bound] === 'number') {
      out[flag] = out[bound];
      delete out[bound];
    } else delete out[flag];
  }
  if (!nullable) return out;
  if (typeof out.type !== 'string') return { anyOf: [out, { type: 'null' }] };
  if (Array.isArray(out.enum) && !out.enum.includes(null)) out.enum = [...out.enum, null];
  return { ...out, type: [out.type, 'null'] };
}
