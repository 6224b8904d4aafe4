import type { StandardJSONSchemaV1, StandardSchemaV1, StandardTypedV1 } from '@standard-schema/spec';
import { invalid, type Mistake, RondoError } from './errors.ts';
import { copyJson, type Json, type JsonObject } from './json.ts';
import { checkSize, cut, LARGEST } from './json-schema/size.ts';
import { plain } from './options.ts';

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

/** The schemas that declarations accept: one of a library, or a plain JSON Schema document. */
export type SchemaLike =
  | Schema
  | { readonly [keyword: string]: Json | Mistake<'Wrap the fields in a schema: z.object({ ... })'> | undefined };

// biome-ignore lint/suspicious/noExplicitAny: an inference helper matches any output
export type In<S> = S extends StandardTypedV1<infer I, any> ? I : S extends JsonSchema ? Described<S> : never;
// biome-ignore lint/suspicious/noExplicitAny: an inference helper matches any input
export type Out<S> = S extends StandardTypedV1<any, infer O> ? O : S extends JsonSchema ? Described<S> : never;

/**
 * The type of the values that a literal JSON Schema document describes by `type`, `properties`, `required`, `items`, `enum` and `const`;
 * `any` for the rest.
 */
type Described<S, Depth extends 0[] = []> = Depth['length'] extends 8
  ? Unsaid
  : S extends { readonly const: infer C }
    ? C
    : S extends { readonly enum: readonly (infer E)[] }
      ? E
      : S extends { readonly type: readonly (infer T)[] }
        ? OfType<T, S, Depth>
        : S extends { readonly type: infer T }
          ? OfType<T, S, Depth>
          : Unsaid;
// biome-ignore lint/suspicious/noExplicitAny: the document does not restrict the value
type Unsaid = any;
type OfType<T, S, Depth extends 0[]> = T extends 'string'
  ? string
  : T extends 'number' | 'integer'
    ? number
    : T extends 'boolean'
      ? boolean
      : T extends 'null'
        ? null
        : T extends 'array'
          ? S extends { readonly items: infer I }
            ? Described<I, [...Depth, 0]>[]
            : Unsaid[]
          : T extends 'object'
            ? S extends { readonly properties: infer P }
              ? Fields<P, S extends { readonly required: readonly (infer R)[] } ? R : never, Depth>
              : Record<string, Unsaid>
            : Unsaid;
type Fields<P, R, Depth extends 0[]> = { -readonly [K in keyof P as K extends R ? K : never]: Described<P[K], [...Depth, 0]> } & {
  -readonly [K in keyof P as K extends R ? never : K]?: Described<P[K], [...Depth, 0]>;
};

export type Validated<T> = { ok: true; value: T } | { ok: false; problem: string };

const TARGET = { target: 'draft-2020-12' } as const;

/** What schemas said of themselves. To convert one takes most of the time of a new tool, and some make their tools for each request. */
const described = new WeakMap<Schema, JsonObject>();

/**
 * The JSON Schema of the input of a schema, converted once.
 * @throws RondoError `CONFIG_INVALID` if the schema cannot be converted; `where` is its name in the message.
 */
export function describe(schema: Schema, where: string): JsonSchema {
  const standard = (schema as Partial<Schema> | undefined)?.['~standard'];
  if (!standard?.validate)
    throw invalid(
      `${where} is not a schema. Pass a Zod (>= 4.2) or ArkType schema, or JSON Schema: { type: 'object', properties: { ... } }.`,
    );
  if (!standard.jsonSchema)
    throw invalid(
      `${where}: this ${standard.vendor} schema cannot describe itself as JSON Schema. Use Zod >= 4.2, ArkType >= 2.1.28, Valibot's toStandardJsonSchema(), or plain JSON Schema.`,
    );
  const known = described.get(schema);
  if (known) return copyJson(known);
  try {
    const { $schema: _, ...rest } = standard.jsonSchema.input(TARGET) as JsonObject;
    checkSize(rest, LARGEST.own, where);
    const made = plain(rest, where) as JsonObject;
    described.set(schema, made);
    return copyJson(made);
  } catch (error) {
    if (RondoError.is(error)) throw error;
    const { message } = error as Error;
    // what Zod says of z.date()
    const advice = message.startsWith('Date cannot') ? '. JSON has no dates: take one as a text: z.iso.datetime()' : '';
    throw invalid(`${where} cannot be written as JSON Schema: ${message}${advice}`, { cause: error });
  }
}

/** Validates a value. The problem is one line for the model, `path: message; ...`. Never throws. */
export function validate<T>(schema: Schema<unknown, T>, value: unknown): Validated<T> | Promise<Validated<T>> {
  try {
    const result = schema['~standard'].validate(value);
    return 'then' in result ? Promise.resolve(result).then(verdict, thrown) : verdict(result);
  } catch (error) {
    return thrown(error);
  }
}

/** Most issues and characters of a problem, because it is part of every later model request. */
const MOST_TOLD = { issues: 10, chars: 2_000 };

function verdict<T>(result: StandardSchemaV1.Result<T>): Validated<T> {
  if (!result.issues)
    return 'value' in result
      ? { ok: true, value: result.value }
      : { ok: false, problem: 'its schema gave neither a value nor what is wrong' };
  const told = result.issues.slice(0, MOST_TOLD.issues).map(({ path, message }) => {
    const at = path?.map((p) => String(typeof p === 'object' ? p.key : p)).join('.');
    return cut(at ? `${cut(at, 200)}: ${message}` : message, 500);
  });
  if (result.issues.length > MOST_TOLD.issues) told.push('and more');
  return { ok: false, problem: cut(told.join('; '), MOST_TOLD.chars) };
}

function thrown(error: unknown): { ok: false; problem: string } {
  let problem = 'it cannot be checked';
  try {
    problem = String(error instanceof Error ? error.message : error);
  } catch {
    // a value that does not even say what it is
  }
  return { ok: false, problem: cut(problem, MOST_TOLD.chars) };
}
