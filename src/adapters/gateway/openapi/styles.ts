/** How the value of a parameter is written: the styles of OpenAPI, which are those of RFC 6570 and three more for queries. */
import { ToolError } from '../../../errors.ts';
import type { Json, JsonObject } from '../../../json.ts';
import { isObject } from '../../../json-schema/keywords.ts';

export type Place = 'path' | 'query' | 'header' | 'cookie';
export type Style = 'form' | 'spaceDelimited' | 'pipeDelimited' | 'deepObject' | 'simple' | 'label' | 'matrix';

/** The styles of each place, the default first. */
export const STYLES: Readonly<Record<Place, readonly Style[]>> = {
  path: ['simple', 'label', 'matrix'],
  query: ['form', 'spaceDelimited', 'pipeDelimited', 'deepObject'],
  header: ['simple'],
  cookie: ['form'],
};
export const isStyle = (value: unknown): value is Style => Object.values(STYLES).some((styles) => styles.includes(value as Style));

/** Set by what is sent, and by credentials: OpenAPI says to ignore such parameters. */
export const NOT_PARAMETERS: ReadonlySet<string> = new Set(
  'accept content-type authorization host content-length connection transfer-encoding keep-alive te trailer upgrade expect cookie proxy-authorization'.split(
    ' ',
  ),
);
/** Set by a signature of AWS. */
const SIGNED: ReadonlySet<string> = new Set(['x-amz-date', 'x-amz-content-sha256', 'x-amz-security-token']);

export interface Parameter {
  /** The name of the argument. */
  readonly property: string;
  readonly name: string;
  readonly in: Place;
  readonly style: Style;
  readonly explode: boolean;
  /** Reserved characters are sent as they are. */
  readonly reserved: boolean;
  /** The value is sent as JSON. */
  readonly json: boolean;
  readonly required: boolean;
  readonly description: string | undefined;
  /** Unconverted. */
  readonly schema: Json | undefined;
  /** The position of the schema. */
  readonly at: string;
  /** In a path: it is several segments, with a slash between. */
  readonly greedy?: boolean;
  /** In a header: an object, each of whose fields is a header, with `name` before that of the field. */
  readonly prefixed?: boolean;
  /** In a query: an object, each of whose fields is a parameter. */
  readonly listed?: boolean;
}

/** How text is written into a part of a request. */
type Write = (text: string) => string;

/** A value that cannot be sent as it was meant. Nothing was sent. */
export const refused = (why: string) => new ToolError('INVALID_ARGUMENTS', why, { outcome: 'not-run' });

/** The same text. @throws ToolError `INVALID_ARGUMENTS` for half of a character, which has no bytes. */
export const whole: Write = (text) => {
  if (text.isWellFormed()) return text;
  throw refused('An argument has half of a character in it, which cannot be sent. Write it whole.');
};
/** All but the unreserved characters of RFC 3986. @throws ToolError as `whole` does. */
export const encode: Write = (text) =>
  encodeURIComponent(whole(text)).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
/** Reserved characters stay, but for those that would end the value. */
const lenient: Write = (text) => encode(text).replace(/%(2F|3A|3F|40|24|21|27|28|29|2A|2C|3B|3D)/g, decodeURIComponent);
const asIs: Write = (text) => text;

const textOf = (value: Json): string => (typeof value === 'string' ? value : JSON.stringify(value));
const isAbsent = (value: Json | undefined): value is null | undefined => value === undefined || value === null;
const pairsOf = (value: JsonObject): [string, Json][] => Object.entries(value).filter(([, field]) => !isAbsent(field));

/** In place of `{name}` in a path. @throws ToolError `INVALID_ARGUMENTS` for an empty value, which would call another operation. */
export function inPath(p: Parameter, value: Json): string {
  const written = pathText(p, value);
  if (written === '') throw refused(`${p.property} is empty, and the path needs it.`);
  return written;
}

function pathText({ name, style, explode, json, greedy }: Parameter, value: Json): string {
  if (greedy) return textOf(value).split('/').map(encode).join('/');
  if (json) return encode(JSON.stringify(value));
  const lead = style === 'label' ? '.' : style === 'matrix' ? ';' : '';
  const between = explode && style === 'label' ? '.' : explode && style === 'matrix' ? ';' : ',';
  const key = style === 'matrix' ? `${encode(name)}=` : '';
  if (Array.isArray(value)) {
    if (value.length === 0) return '';
    const items = value.map((item) => encode(textOf(item)));
    return explode && style === 'matrix' ? items.map((item) => lead + key + item).join('') : lead + key + items.join(between);
  }
  if (isObject(value)) {
    const fields = pairsOf(value).map(([field, of]) => `${encode(field)}${explode ? '=' : ','}${encode(textOf(of))}`);
    return fields.length === 0 ? '' : lead + (explode ? '' : key) + fields.join(between);
  }
  const text = isAbsent(value) ? '' : encode(textOf(value));
  return text === '' ? '' : lead + key + text;
}

/** What a value adds to a query: `name=value`, encoded. */
export function inQuery(p: Pick<Parameter, 'name' | 'style' | 'explode' | 'reserved' | 'json'>, value: Json): string[] {
  const write = p.reserved ? lenient : encode;
  const name = encode(p.name);
  if (isAbsent(value)) return [];
  if (p.json) return [`${name}=${write(JSON.stringify(value))}`];
  if (p.style === 'deepObject' && typeof value === 'object') return deep(name, value, write);
  const between = p.style === 'spaceDelimited' ? '%20' : p.style === 'pipeDelimited' ? '%7C' : ',';
  if (Array.isArray(value)) {
    const items = value.map((item) => write(textOf(item)));
    if (items.length === 0) return [];
    return p.explode ? items.map((item) => `${name}=${item}`) : [`${name}=${items.join(between)}`];
  }
  if (isObject(value)) {
    const fields = pairsOf(value).map(([field, of]) => [encode(field), write(textOf(of))] as const);
    if (p.explode) return fields.map(([field, of]) => `${field}=${of}`);
    return fields.length === 0 ? [] : [`${name}=${fields.flat().join(between)}`];
  }
  return [`${name}=${write(textOf(value))}`];
}

/** `filter[price][min]=1`: nested objects, which OpenAPI leaves open, as servers read them. */
function deep(name: string, value: Json, write: Write): string[] {
  if (isAbsent(value)) return [];
  if (Array.isArray(value)) return value.map((item) => `${name}=${write(textOf(item))}`);
  if (isObject(value)) return Object.entries(value).flatMap(([field, of]) => deep(`${name}%5B${encode(field)}%5D`, of, write));
  return [`${name}=${write(textOf(value))}`];
}

/** The value of a header. @throws ToolError `INVALID_ARGUMENTS` for characters that a header cannot have. */
export function inHeader({ property, explode, json }: Parameter, value: Json): string {
  const text = json ? JSON.stringify(value) : simple(value, explode, asIs);
  if (/[^\t\x20-\x7e\x80-\xff]/.test(text)) throw refused(`${property} has characters that a header cannot have.`);
  return text;
}

/** The headers of a value with a prefix. @throws ToolError `INVALID_ARGUMENTS` for one that the application or the protocol sets. */
export function inHeaders(p: Parameter, value: Json): [name: string, value: string][] {
  return pairsOf(isObject(value) ? value : {}).map(([field, of]) => {
    const name = (p.name + field).toLowerCase();
    if (!/^[\w!#$%&'*+.^`|~-]+$/.test(name) || NOT_PARAMETERS.has(name) || SIGNED.has(name))
      throw refused(`${p.property}: ${JSON.stringify(field)} cannot be the name of a header.`);
    return [name, inHeader({ ...p, property: `${p.property}.${field}` }, of)];
  });
}

/** The parameters of a query that are the fields of a value. */
export const inListed = (value: Json): string[] =>
  pairsOf(isObject(value) ? value : {}).flatMap(([name, of]) =>
    inQuery({ name, style: 'form', explode: true, reserved: false, json: false }, of),
  );

/** The value of a cookie. */
export const inCookie = ({ json }: Parameter, value: Json): string => (json ? encode(JSON.stringify(value)) : simple(value, false, encode));

function simple(value: Json, explode: boolean, write: Write): string {
  if (isAbsent(value)) return '';
  if (Array.isArray(value)) return value.map((item) => write(textOf(item))).join(',');
  if (!isObject(value)) return write(textOf(value));
  return pairsOf(value)
    .map(([field, of]) => `${write(field)}${explode ? '=' : ','}${write(textOf(of))}`)
    .join(',');
}
