/** What JSON can hold. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [k: string]: Json };
export type JsonObject = { readonly [k: string]: Json };

/** Deeper than anybody means; what recurses over JSON can rely on it. */
export const MAX_DEPTH = 200;

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
  const keys = Object.keys(value);
  // it would be an empty object, and what is in it lost
  if (keys.length === 0 && (value instanceof Map || value instanceof Set)) throw new NotJson('a Map or a Set is no JSON');
  for (const key of keys) {
    const field = plainJson((value as { [k: string]: unknown })[key], depth - 1);
    if (field === undefined) continue;
    // plain assignment would set the prototype
    if (key === '__proto__') Object.defineProperty(copy, key, { value: field, enumerable: true, configurable: true, writable: true });
    else copy[key] = field;
  }
  return copy;
}

/** Whether JSON is nested more than 200 levels deep. */
export function isDeep(value: Json, depth = MAX_DEPTH): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (depth === 0) return true;
  for (const key in value) if (isDeep((value as { [k: string]: Json })[key] as Json, depth - 1)) return true;
  return false;
}

/** A copy of what is plain JSON already. */
export const copyJson = <T>(value: T): T => plainJson(value, Number.POSITIVE_INFINITY) as T;

/** Makes plain JSON unchangeable, all the way down. */
export function freezeJson<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const field of Object.values(value)) freezeJson(field);
  return Object.freeze(value);
}
