/**
 * Copies, compares and measures JSON. A few other walks over JSON do more than these: `Secrets` masks numbers and keeps masked names
 * apart, `wellFormedJson` and `keep` of a graph's state share unchanged parts, `copyOf` copies maps.
 */
import { util } from './node.ts';
import { isUnawaited } from './unawaited.ts';

const { types } = util;

/** A JSON value. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [k: string]: Json };
export type JsonObject = { readonly [k: string]: Json };

/** Most nesting levels of JSON. Recursive functions rely on it. */
export const MAX_DEPTH = 200;
/** Values in one: what refers to itself over and over, without a circle, can be large without end. */
export const MAX_VALUES = 5_000_000;

/** Thrown for a value that JSON cannot hold. The message names it and its position. */
export class NotJson extends Error {
  readonly #what: string;
  #at = '';

  constructor(what: string) {
    super(what);
    this.#what = what;
  }

  /** Adds a field to the position, from the inside out. */
  in(key: string | number): this {
    this.#at = `${typeof key === 'number' ? `[${key}]` : `.${key}`}${this.#at}`;
    this.message = `${this.#what} (at ${this.#at.replace(/^\./, '')})`;
    return this;
  }
}

/**
 * A copy of a value as plain JSON, for programs that read it back. Values that would change (BigInt, Map, Set, bytes) or be lost
 * (functions, symbols, streams) are refused. docs/outputs.md has the table.
 * @throws NotJson for a value that JSON cannot hold, or one that is nested more than 200 levels deep.
 */
export function plainJson(value: unknown, depth = MAX_DEPTH): Json | undefined {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return value;
  return copied(value, { left: MAX_VALUES }, depth);
}

/** The state of one copy: how many more values it may have, and, for `toldJson`, what was converted. */
interface Copying {
  left: number;
  telling?: { exact: boolean; inside: object[] };
}

/**
 * A value as plain JSON for a reader: other values are converted by the table in docs/outputs.md, and those without a JSON form are
 * replaced by their name. `exact`: nothing was converted, so the JSON is equivalent to the value. Never throws.
 */
export function toldJson(value: unknown): { json: Json; exact: boolean } {
  const telling = { exact: true, inside: [] };
  const json = copied(value, { left: MAX_VALUES, telling }, MAX_DEPTH) ?? null;
  return { json, exact: telling.exact };
}

function copied(value: unknown, c: Copying, depth: number): Json | undefined {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      // JSON has no -0
      if (Number.isFinite(value)) return value === 0 ? 0 : value;
      return c.telling ? inexact(c.telling, String(value)) : null;
    case 'undefined':
      return undefined;
    case 'bigint':
      return c.telling ? inexact(c.telling, String(value)) : refused(c, 'JSON cannot hold a BigInt');
    case 'object':
      break;
    default:
      return refused(c, `JSON cannot hold a ${typeof value}`);
  }
  if (value === null) return null;
  if (depth === 0) return refused(c, `it is nested more than ${MAX_DEPTH} levels deep`);
  if (--c.left < 0) return refused(c, `it has more than ${MAX_VALUES} values`);
  const { telling } = c;
  if (!telling) return copiedObject(value, c, depth);
  if (telling.inside.includes(value)) return refused(c, 'it is in a circle: this is what it is inside of');
  telling.inside.push(value);
  try {
    return copiedObject(value, c, depth);
  } catch (error) {
    return refused(c, `it cannot be read: ${said(error)}`);
  } finally {
    telling.inside.pop();
  }
}

function copiedObject(value: object, c: Copying, depth: number): Json | undefined {
  if (Array.isArray(value)) {
    const list: Json[] = [];
    // by index, because an array may have holes
    for (let i = 0; i < value.length; i++) {
      if (--c.left < 0) return refused(c, `it has more than ${MAX_VALUES} values`);
      list.push(field(value, i, c, depth) ?? null);
    }
    return list;
  }
  const plain = isPlain(value);
  const special = plain ? undefined : specialOf(value);
  if (special) {
    if (!c.telling || special.as === undefined) return refused(c, special.refusal);
    c.telling.exact = false;
    return copied(special.as(), c, depth - 1);
  }
  if (c.telling && !plain) c.telling.exact = false;
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON === 'function') {
    if (c.telling) c.telling.exact = false;
    return copied(toJSON.call(value), c, depth - 1);
  }
  const copy: { [k: string]: Json } = {};
  const keys = Object.keys(value);
  // it would become an empty object and lose its content
  if (keys.length === 0 && (!plain || Object.getOwnPropertySymbols(value).length > 0))
    return refused(c, `JSON cannot hold ${named(value)}, which has no fields: give it a toJSON()`);
  for (const key of keys) {
    const json = field(value as { [k: string]: unknown }, key, c, depth);
    if (json !== undefined) put(copy, key, json);
  }
  return copy;
}

function field<K extends string | number>(of: { readonly [k in K]: unknown }, key: K, c: Copying, depth: number): Json | undefined {
  if (c.telling) {
    let value: unknown;
    try {
      value = of[key];
    } catch (error) {
      return refused(c, `it cannot be read: ${said(error)}`);
    }
    return copied(value, c, depth - 1);
  }
  try {
    return copied(of[key], c, depth - 1);
  } catch (error) {
    if (error instanceof NotJson) throw error.in(key);
    throw error;
  }
}

/** @returns a text that replaces the value, in `toldJson`. @throws NotJson in `plainJson`. */
function refused({ telling }: Copying, why: string): string {
  if (!telling) throw new NotJson(why);
  return inexact(telling, `[not shown: ${why}]`);
}

function inexact(telling: { exact: boolean }, text: string): string {
  telling.exact = false;
  return text;
}

function said(error: unknown): string {
  try {
    return String(error instanceof Error ? error.message : error).slice(0, 500);
  } catch {
    return 'it does not say why';
  }
}

/**
 * How to treat a value that is neither a plain object nor an array. `as`: its JSON form for `toldJson`; absent if it has none.
 * `refusal`: why `plainJson` refuses it.
 */
interface Special {
  refusal: string;
  as?: () => unknown;
}

function specialOf(value: object): Special | undefined {
  if (types.isDate(value))
    return Number.isNaN(value.getTime()) ? { refusal: 'JSON cannot hold an invalid Date', as: () => 'Invalid Date' } : undefined;
  if (types.isMap(value)) return { refusal: 'JSON cannot hold a Map: use Object.fromEntries(map), or [...map]', as: () => ofMap(value) };
  if (types.isSet(value)) return { refusal: 'JSON cannot hold a Set: use [...set]', as: () => [...value] };
  if (types.isBoxedPrimitive(value)) return { refusal: 'JSON cannot hold a boxed value', as: () => value.valueOf() };
  if (types.isRegExp(value)) return { refusal: 'JSON cannot hold a RegExp: use its source', as: () => String(value) };
  if (types.isAnyArrayBuffer(value) || ArrayBuffer.isView(value))
    return { refusal: 'JSON cannot hold bytes: use base64', as: () => ofBytes(value) };
  if (value instanceof URLSearchParams)
    return { refusal: 'JSON cannot hold URLSearchParams: use their toString()', as: () => String(value) };
  if (value instanceof Headers)
    return { refusal: 'JSON cannot hold Headers: use Object.fromEntries(headers)', as: () => Object.fromEntries(value) };
  const has = (name: string) => typeof (value as { [k: string]: unknown })[name] === 'function';
  if (isUnawaited(value) || has('then')) return { refusal: `JSON cannot hold ${named(value)}: await it` };
  // a Response, Request or Blob of any library
  if (has('arrayBuffer') && has('text')) return { refusal: `JSON cannot hold ${named(value)}: await its text(), or its json()` };
  if (has('toJSON')) return undefined;
  if (types.isNativeError(value) || value instanceof Error)
    return { refusal: 'JSON cannot hold an Error: use its message', as: () => ofError(value) };
  // the content of these is not in their fields
  if (Symbol.asyncIterator in value || Symbol.iterator in value || has('pipe'))
    return { refusal: `JSON cannot hold ${named(value)}: read it to its end, and return what it held` };
  return undefined;
}

/** Whether an object is a plain object, including one of another realm. */
export function isPlain(value: object): boolean {
  const proto = Object.getPrototypeOf(value);
  if (proto === Object.prototype || proto === null) return true;
  return Object.getPrototypeOf(proto) === null && Object.hasOwn(proto, 'hasOwnProperty');
}

const ofMap = (map: ReadonlyMap<unknown, unknown>): unknown =>
  [...map.keys()].every((key) => typeof key === 'string') ? Object.fromEntries(map) : [...map];

/** Bytes as base64, other typed arrays as a list of numbers. */
function ofBytes(value: ArrayBufferLike | ArrayBufferView): unknown {
  if (!ArrayBuffer.isView(value)) return Buffer.from(value as ArrayBuffer).toString('base64');
  const { buffer, byteOffset, byteLength } = value;
  if (types.isUint8Array(value) || types.isUint8ClampedArray(value) || types.isDataView(value))
    return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength).toString('base64');
  return [...(value as Float64Array | BigInt64Array)];
}

/** An error without its stack. */
function ofError(error: Error): unknown {
  const { name, message, cause, errors } = error as Error & { errors?: unknown };
  return { name, message, ...(cause !== undefined && { cause }), ...(Array.isArray(errors) && { errors }), ...(error as object) };
}

function named(value: object): string {
  const made = (value as { constructor?: unknown }).constructor;
  return typeof made === 'function' && made.name ? `an instance of ${made.name}` : 'an object';
}

/** Whether a value is plain JSON and equal to `json`. Undefined fields are ignored. */
export function isSameJson(value: unknown, json: Json | undefined): boolean {
  if (typeof value !== 'object' || value === null) return Object.is(value, json) || (value === 0 && json === 0);
  if (typeof json !== 'object' || json === null) return false;
  if (Array.isArray(value) || Array.isArray(json)) {
    if (!Array.isArray(value) || !Array.isArray(json) || value.length !== json.length) return false;
    for (let i = 0; i < value.length; i++) if (!isSameJson(value[i], json[i])) return false;
    return true;
  }
  if (!isPlain(value)) return false;
  let keys = 0;
  for (const key of Object.keys(value)) {
    const own = (value as { [k: string]: unknown })[key];
    if (own === undefined) continue;
    if (!Object.hasOwn(json, key) || !isSameJson(own, (json as JsonObject)[key])) return false;
    keys++;
  }
  return keys === Object.keys(json).length;
}

/** Limits on JSON: the number of values, including lists and objects, and the characters of texts and names. */
interface Room {
  values: number;
  chars: number;
}

/** Subtracts the size of a value from `room`, until one limit is used up. @returns whether the value fits. */
function take(value: unknown, room: Room, depth: number): boolean {
  if (--room.values < 0) return false;
  if (typeof value === 'string') {
    room.chars -= value.length;
    return room.chars >= 0;
  }
  if (typeof value !== 'object' || value === null) return true;
  if (depth === 0) return false;
  if (Array.isArray(value)) {
    // by index: for-in takes eight times as long
    for (let i = 0; i < value.length; i++) if (!take(value[i], room, depth - 1)) return false;
    return true;
  }
  for (const key in value) {
    room.chars -= key.length;
    if (!take((value as { [k: string]: unknown })[key], room, depth - 1)) return false;
  }
  return room.chars >= 0;
}

const NO_BOUND = Number.MAX_SAFE_INTEGER;

/**
 * Whether a value is within the limits, and nested at most 200 levels deep. It stops at the first limit, so a circular value ends too. A
 * shared object counts as often as it occurs.
 */
export const fits = (value: unknown, { values = NO_BOUND, chars = NO_BOUND }: Partial<Room>): boolean =>
  take(value, { values, chars }, MAX_DEPTH);

/** Whether JSON is nested more than 200 levels deep. */
export const isDeep = (value: Json, depth = MAX_DEPTH): boolean => !take(value, { values: NO_BOUND, chars: NO_BOUND }, depth);

/** The approximate size of JSON in characters: all texts and names, and four for each value. */
export function sizeOf(value: Json): number {
  const left: Room = { values: NO_BOUND, chars: NO_BOUND };
  take(value, left, MAX_DEPTH);
  return NO_BOUND - left.chars + 4 * (NO_BOUND - left.values);
}

/** A deep copy of plain JSON. */
export function copyJson<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(copyJson) as T;
  const copy: { [k: string]: unknown } = {};
  for (const key of Object.keys(value)) {
    const own = (value as { [k: string]: unknown })[key];
    if (own !== undefined) put(copy, key, copyJson(own));
  }
  return copy as T;
}

/** Sets a field of a copy. An assignment to `__proto__` would set the prototype. */
export function put(copy: { [k: string]: unknown }, key: string, value: unknown): void {
  if (key === '__proto__') Object.defineProperty(copy, key, { value, enumerable: true, configurable: true, writable: true });
  else copy[key] = value;
}

/** What a text of JSON says; undefined if it is none. */
export function jsonIn(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

/** Deeply freezes plain JSON. Objects that are frozen already are skipped. */
export function freezeJson<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const field of Object.values(value)) freezeJson(field);
  return Object.freeze(value);
}
