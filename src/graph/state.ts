import { ToolError } from '../errors.ts';
import type { Patch } from '../journal/entries.ts';
import { diff } from '../journal/patch.ts';
import { isDeep, type Json, plainJson } from '../json.ts';
import { messageOf } from '../reliability/classify.ts';

export type State = { readonly [key: string]: Json };

/** Lists and objects that are known to be JSON, and unchangeable: what is kept of a state is not looked at again at every step. */
const known = new WeakSet<object>();

/** A value as JSON of our own: parts that came from the state stay what they are. @throws NotJson. */
export function keep(value: unknown): Json | undefined {
  if (typeof value !== 'object' || value === null) return plainJson(value);
  if (known.has(value)) return value as Json;
  let kept: Json | undefined;
  if (Array.isArray(value)) kept = value.map((item) => keep(item) ?? null);
  else if (isPlain(value)) {
    const copy: { [key: string]: Json } = {};
    for (const key of Object.keys(value)) {
      const field = keep((value as { [key: string]: unknown })[key]);
      if (field === undefined) continue;
      if (key === '__proto__') Object.defineProperty(copy, key, { value: field, enumerable: true, configurable: true, writable: true });
      else copy[key] = field;
    }
    kept = copy;
  } else return keep(plainJson(value));
  known.add(Object.freeze(kept));
  return kept;
}

function isPlain(value: object): boolean {
  const proto = Object.getPrototypeOf(value);
  return (proto === Object.prototype || proto === null) && typeof (value as { toJSON?: unknown }).toJSON !== 'function';
}

type Reducer = (now: Json, update: Json) => unknown;

/**
 * A state after a node's update, and what changed.
 * @throws ToolError `UPDATE_INVALID` for what is no object of JSON, or a reducer that throws.
 */
export function updated(
  node: string,
  state: State,
  update: unknown,
  reducers: Readonly<Record<string, Reducer | undefined>>,
): { state: State; patch: Patch | undefined } {
  if (update === undefined || update === null) return { state, patch: undefined };
  if (typeof update !== 'object' || Array.isArray(update))
    throw problem(node, `it returned ${Array.isArray(update) ? 'a list' : typeof update}, not an object with some of the state's fields`);
  const after: { [key: string]: Json } = { ...state };
  const keys: { [key: string]: Patch } = {};
  for (const key of Object.keys(update)) {
    const given = (update as { [key: string]: unknown })[key];
    if (given === undefined) continue;
    const next = value(node, key, state[key], given, Object.hasOwn(reducers, key) ? reducers[key] : undefined);
    const before = Object.hasOwn(state, key) ? state[key] : undefined;
    const change: Patch | undefined = before === undefined ? { set: next } : diff(before, next);
    if (!change) continue;
    after[key] = next;
    keys[key] = change;
  }
  if (Object.keys(keys).length === 0) return { state, patch: undefined };
  known.add(Object.freeze(after));
  return { state: after, patch: { keys } };
}

function value(node: string, key: string, now: Json | undefined, given: unknown, reducer: Reducer | undefined): Json {
  try {
    const update = keep(given) ?? null;
    const next = reducer && now !== undefined ? (keep(reducer(now, update)) ?? null) : update;
    if (isTooDeep(next, now)) throw new Error('it is nested too deeply');
    return next;
  } catch (error) {
    throw problem(node, `its update of "${key}" cannot be taken: ${messageOf(error)}`);
  }
}

/** Only what is new is looked at: a list that grows by one entry is not walked through at every step. */
function isTooDeep(next: Json, now: Json | undefined): boolean {
  if (Array.isArray(next) && Array.isArray(now)) return next.some((item, i) => item !== now[i] && isDeep(item));
  return isDeep(next);
}

const problem = (node: string, message: string) => new ToolError('UPDATE_INVALID', `node "${node}": ${message}.`, { retryable: false });
