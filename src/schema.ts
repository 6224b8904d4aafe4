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

/**
 * A schema from a plain JSON Schema document. The validator is loaded at the first validation, so declaring costs nothing.
 * @throws RondoError `CONFIG_INVALID` where the argument is not an object.
 */
export function jsonSchema<T = Json>(schema: JsonSchema): Schema<T, T> {
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema))
    throw new RondoError('CONFIG_INVALID', 'jsonSchema() takes a JSON Schema object, such as { type: "object", properties: {} }.');
  let check: ((value: unknown) => StandardSchemaV1.Result<T>) | undefined;
  return {
    '~standard': {
      version: 1,
      vendor: 'rondo',
      validate(value) {
        if (check) return check(value);
        return import('@cfworker/json-schema').then(({ Validator }) => {
          // biome-ignore lint/suspicious/noExplicitAny: the library's own schema type is narrower than a JSON document
          const validator = new Validator(schema as any, '2020-12', false);
          check = (v) => {
            const { valid, errors } = validator.validate(v);
            if (valid) return { value: v as T };
            // a failing keyword is reported together with its parents; the last is the most specific
            const issues = errors.filter((e) => e.keyword !== 'properties' && e.keyword !== 'items');
            return {
              issues: (issues.length ? issues : errors).map((e) => ({
                message: e.error,
                path: e.instanceLocation.split('/').slice(1),
              })),
            };
          };
          return check(value);
        });
      },
      jsonSchema: { input: () => schema as Record<string, unknown>, output: () => schema as Record<string, unknown> },
    },
  };
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
    return rest;
  } catch (error) {
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

function verdict<T>(result: StandardSchemaV1.Result<T>): Validated<T> {
  if (!result.issues) return { ok: true, value: result.value };
  const problem = result.issues
    .map(({ path, message }) => {
      const at = path?.map((p) => String(typeof p === 'object' ? p.key : p)).join('.');
      return at ? `${at}: ${message}` : message;
    })
    .join('; ');
  return { ok: false, problem };
}

const thrown = (error: unknown) => ({ ok: false as const, problem: error instanceof Error ? error.message : String(error) });
