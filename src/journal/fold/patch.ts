/**
 * Patches of a graph's state. Each step writes what it changed instead of the whole state: a list that grows by one item a step would
 * otherwise take space quadratic in its length.
 */
import type { Json } from '../../json.ts';
import type { Patch } from '../entries/entries.ts';

/** The patch from `before` to `after`; undefined if they are equal. Parts are compared by identity first, so unchanged ones cost nothing. */
export function diff(before: Json, after: Json): Patch | undefined {
  if (before === after) return undefined;
  if (Array.isArray(before) && Array.isArray(after)) {
    if (after.length < before.length || before.some((item, i) => item !== after[i]))
      return same(before, after) ? undefined : { set: after };
    return after.length === before.length ? undefined : { push: after.slice(before.length) };
  }
  if (!isObject(before) || !isObject(after)) return { set: after };
  const keys: { [key: string]: Patch | null } = {};
  for (const key of Object.keys(after)) {
    const change = Object.hasOwn(before, key) ? diff(before[key] as Json, after[key] as Json) : { set: after[key] as Json };
    if (change) define(keys, key, change);
  }
  for (const key of Object.keys(before)) if (!Object.hasOwn(after, key)) define(keys, key, null);
  return Object.keys(keys).length > 0 ? { keys } : undefined;
}

/**
 * The state after a patch; the patch is not changed. Lists in `own` belong to this state alone and grow in place; otherwise a list that
 * grows at every step would be copied at every step. A list that is copied here is added to `own`.
 */
export function patched(before: Json, patch: Patch, own: WeakSet<object> = new WeakSet()): Json {
  if ('set' in patch) return patch.set;
  if ('push' in patch) {
    const list = own.has(before as Json[]) ? (before as Json[]) : [...(before as Json[])];
    own.add(list);
    for (const item of patch.push) list.push(item);
    return list;
  }
  const after: { [key: string]: Json } = { ...(before as { [key: string]: Json }) };
  for (const key of Object.keys(patch.keys)) {
    const change = patch.keys[key] as Patch | null;
    if (change === null) delete after[key];
    else define(after, key, patched(after[key] as Json, change, own));
  }
  return after;
}

/** Sets a key that may be `__proto__`, which a plain assignment would not create. */
function define<T>(object: { [key: string]: T }, key: string, value: T): void {
  if (key === '__proto__') Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
  else object[key] = value;
}

const isObject = (value: Json): value is { readonly [key: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const same = (a: Json, b: Json) => JSON.stringify(a) === JSON.stringify(b);
