import type { StandardSchemaV1 } from '@standard-schema/spec';
import { invalid } from './errors.ts';
import { freezeJson, type Json, type JsonObject } from './json.ts';
import { allow, compile, type Document } from './json-schema/compile.ts';
import { isKeyword } from './json-schema/keywords.ts';
import { nameOf } from './json-schema/pointer.ts';
import { checkSize, LARGEST } from './json-schema/size.ts';
import { plain } from './options.ts';
import { describe, type JsonSchema, type Schema } from './schema.ts';

/** The `vendor` of the schemas of this file. */
export const VENDOR = 'rondo';

/**
 * A schema from a plain JSON Schema document, draft 2020-12. The validator is loaded while a model is asked that may call a tool with one, or at the first validation, so a declaration is cheap.
 * @throws RondoError `CONFIG_INVALID` if the argument is not an object, or is a document that cannot be checked: a keyword with an invalid
 * value, a pattern that is not a regular expression, a `$ref` out of the document, to nothing or in a circle, a dynamic reference with
 * several possible targets, an unknown dialect, a keyword that would not be checked.
 */
export function jsonSchema<T = Json>(schema: JsonSchema): Schema<T, T> {
  return fromDocument<T>(schema, 'own', 'jsonSchema()');
}

/**
 * The schema in a declaration: a schema of a library is returned unchanged, a plain JSON Schema document is converted by
 * {@link jsonSchema}.
 * @param where the name of the schema in errors.
 * @throws RondoError `CONFIG_INVALID` for anything else, and as `jsonSchema` does.
 */
export function schemaOf(given: unknown, where: string): Schema {
  // the schemas of some libraries are functions
  if (typeof given === 'function' || typeof given !== 'object' || given === null || '~standard' in given) return given as Schema;
  const keys = Object.keys(given);
  if (keys.length > 0 && !keys.some((key) => isKeyword(key)))
    throw invalid(
      `${where} is neither a schema nor JSON Schema: it is an object with ${keys.slice(0, 5).join(', ')}. Wrap the fields: z.object({ ... }), or { type: 'object', properties: { ... } }.`,
    );
  return fromDocument(given, 'own', where);
}

/** The schema in a declaration, and its JSON Schema document. @throws RondoError `CONFIG_INVALID` as `schemaOf` and `describe`. */
export function declaredSchema(given: unknown, where: string): { schema: Schema; json: JsonSchema } {
  const schema = schemaOf(given, where);
  return { schema, json: describe(schema, where) };
}

/**
 * A schema from a document that a server sent. It checks types, names, ranges and choices, which catch mistakes of the model. It leaves to
 * the server what could block this process (`format`, `uniqueItems`, a `pattern` that may backtrack), and keywords that depend on those
 * (`not`, `if`; `oneOf` is checked as `anyOf`). The model sees the whole document.
 * @param where the name of the schema in errors.
 * @throws RondoError `CONFIG_INVALID` as `jsonSchema`, and for more than 5,000 values or 65,536 characters.
 */
export function foreignSchema(schema: unknown, where: string): Schema<JsonObject, JsonObject> {
  return fromDocument<JsonObject>(schema, 'foreign', where);
}

function fromDocument<T>(given: unknown, whose: 'own' | 'foreign', where: string): Schema<T, T> {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw invalid(`${where} takes a JSON Schema object, such as { type: "object", properties: {} }.`);
  checkSize(given, LARGEST[whose], where);
  const document = freezeJson(plain(given, where) as JsonObject);
  const compiled = compile(document, whose === 'foreign', where);
  return {
    '~standard': {
      version: 1,
      vendor: VENDOR,
      validate: (value) =>
        library ? check<T>(library, compiled, whose, value) : load().then((run) => check<T>(run, compiled, whose, value)),
      jsonSchema: { input: () => document as Record<string, unknown>, output: () => document as Record<string, unknown> },
    },
  };
}

type Run = typeof import('@cfworker/json-schema').validate;
let library: Run | undefined;
const load = async () => (library ??= (await import('@cfworker/json-schema')).validate);

let soon: NodeJS.Immediate | undefined;

/**
 * Loads the validator in this turn of the event loop, if a tool needs it: while its model is asked, and not while its first call waits. An
 * error is told by the validation that needs it.
 */
export function loadSoon(tools: Iterable<{ readonly options: { readonly input: Schema } }>): void {
  if (library || soon) return;
  for (const { options } of tools) {
    if (options.input['~standard'].vendor !== VENDOR) continue;
    // its one large function is compiled by its first call
    const loading = () =>
      void load()
        .then((run) => run(null, {}))
        .catch(() => undefined);
    soon = setImmediate(loading);
    return;
  }
}

/** Most work of one check: about 200 milliseconds, and less for a server's document. */
const MOST_WORK = { own: 300_000, foreign: 80_000 };

function check<T>(run: Run, { root, lookup, unique }: Document, whose: 'own' | 'foreign', value: unknown): StandardSchemaV1.Result<T> {
  allow(MOST_WORK[whose], unique ? costOfUnique(value) : 0);
  try {
    const { valid, errors } = run(value, root as boolean, '2020-12', lookup as { [ref: string]: boolean }, false);
    if (valid) return { value: value as T };
    // the validator reports a failing keyword together with its parent keywords, which add nothing
    const issues = errors.filter((e) => !PARENTS.has(e.keyword));
    const told = (issues.length ? issues : errors).slice(0, 100);
    return { issues: told.map((e) => ({ message: e.error, path: e.instanceLocation.split('/').slice(1).map(nameOf) })) };
  } catch (error) {
    // thrown if the work limit is exceeded, or if there are too many errors for the stack
    if (error instanceof RangeError) return issue('it is too large, or nested too deeply, to be checked: pass less');
    return issue(error instanceof URIError ? 'a name in it is not well-formed text' : `it cannot be checked: ${(error as Error).message}`);
  }
}

const PARENTS: ReadonlySet<string> = new Set(['properties', 'items', '$ref']);
const issue = (message: string): StandardSchemaV1.FailureResult => ({ issues: [{ message }] });
/** The work of `uniqueItems` for the longest array in a value, in units of {@link Checked.cost}. Objects are compared field by field. */
function costOfUnique(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const items = Object.values(value);
  const own = Array.isArray(value) ? items.length ** 2 / (items.some((item) => typeof item === 'object') ? 8 : 64) : 0;
  return items.reduce<number>((most, item) => Math.max(most, costOfUnique(item)), own);
}
