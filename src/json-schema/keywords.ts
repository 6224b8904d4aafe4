import type { JsonObject } from '../json.ts';

export const isObject = (value: unknown): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);
const isCount = (value: unknown) => Number.isInteger(value) && (value as number) >= 0;
const isText = (value: unknown) => typeof value === 'string';
const areTexts = (value: unknown) => Array.isArray(value) && value.every(isText);
const TYPES = ['object', 'array', 'string', 'number', 'integer', 'boolean', 'null'];
export function isPattern(value: unknown): boolean {
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
/**
 * The formats that JSON Schema defines, and that are checked. Any other is an annotation: the validator has a few more, and its `url` takes time
 * that doubles with each character.
 */
export const FORMATS: ReadonlySet<unknown> = new Set(
  'date-time date time duration email hostname ipv4 ipv6 uri uri-reference uri-template uuid json-pointer relative-json-pointer regex'.split(
    ' ',
  ),
);
export const PLAIN = RULES.flatMap(([keywords, fits, must]) => keywords.split(' ').map((keyword) => ({ keyword, fits, must })));
/** Keywords whose value is a list of schemas, an object of schemas, or one schema. */
export const LIST: ReadonlySet<string> = new Set(['allOf', 'anyOf', 'oneOf', 'prefixItems']);
export const MAP: ReadonlySet<string> = new Set(['properties', 'patternProperties', 'dependentSchemas']);
const ONE =
  'not if then else items additionalItems contains additionalProperties unevaluatedProperties unevaluatedItems propertyNames'.split(' ');
export const NESTED = [...LIST, ...MAP, ...ONE];
const KEYWORDS: ReadonlySet<string> = new Set([
  ...PLAIN.map(({ keyword }) => keyword),
  ...NESTED,
  ...'$ref $dynamicRef $defs definitions $schema $id $anchor $comment title description default examples deprecated'.split(' '),
]);
/** Whether a key is a JSON Schema keyword. An object with such a key may be a schema document. */
export const isKeyword = (key: string) => KEYWORDS.has(key);
/** Keywords in a server's schema that Rondo leaves to the server. */
export const ITS_OWN: ReadonlySet<string> = new Set(
  'format uniqueItems patternProperties not if then else maxContains unevaluatedProperties unevaluatedItems'.split(' '),
);

/** A document without `$schema` is of draft 2020-12. Up to draft 7, a `$ref` disables its sibling keywords. */
const DIALECT = /^https?:\/\/json-schema\.org\/(?:draft-0[467]|draft\/(?:2019-09|2020-12))\/schema#?$/;
export const isDialect = (value: unknown) => value === undefined || (isText(value) && DIALECT.test(value as string));
export const isLegacy = (value: unknown) => isText(value) && /\/draft-0[467]\//.test(value as string);

/** Keywords that are refused because they would not be checked although they change the result, and what to write instead. */
export const INSTEAD: readonly [keyword: string, changes: (value: unknown) => boolean, write: string][] = [
  ['nullable', (v) => v === true, 'type: ["string", "null"]'],
  ['divisibleBy', () => true, 'multipleOf'],
  ['disallow', () => true, 'not'],
  ['extends', () => true, 'allOf'],
  ['format', (v) => /^(?:idn-|iri)/.test(String(v)), 'a pattern'],
];
