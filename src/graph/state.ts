import { ToolError } from '../errors.ts';
import type { Patch } from '../journal/entries/entries.ts';
import { diff } from '../journal/fold/patch.ts';
import { isDeep, isPlain, type Json, MAX_DEPTH, NotJson, plainJson, put } from '../json.ts';
import { messageOf } from '../reliability/classify.ts';
import { append } from './types.ts';

export type State = { readonly [key: string]: Json };

/** Lists and objects that are already frozen JSON. They are not walked again at every step. */
const known = new WeakSet<object>();

/** A frozen JSON copy of a value. Parts in `known` are shared, not copied. @throws NotJson */
export function keep(value: unknown, depth = MAX_DEPTH): Json | undefined {
  if (typeof value !== 'object' || value === null) return plainJson(value);
  if (known.has(value)) return value as Json;
  if (depth === 0) throw new NotJson(`it is nested more than ${MAX_DEPTH} levels deep, or in a circle`);
  let kept: Json | undefined;
  if (Array.isArray(value)) kept = value.map((item) => keep(item, depth - 1) ?? null);
  else if (isPlain(value) && typeof (value as { toJSON?: unknown }).toJSON !== 'function') {
    const copy: { [key: string]: Json } = {};
    for (const key of Object.keys(value)) {
      const field = keep((value as { [key: string]: unknown })[key], depth - 1);
      if (field !== undefined) put(copy, key, field);
    }
    kept = copy;
  } else return keep(plainJson(value), depth - 1);
  known.add(Object.freeze(kept));
  return kept;
}

type Reducer = (now: Json, update: Json) => unknown;

/**
 * Applies a node's update. @returns the new state, and the patch from the old one; undefined if nothing changed.
 * @throws ToolError `UPDATE_INVALID` for an update that is not a JSON object, or a reducer that throws.
 */
export function updated(
  node: string,
  state: State,
  update: unknown,
  { reducers, fields }: { reducers: Readonly<Record<string, Reducer | undefined>>; fields: ReadonlySet<string> | undefined },
): { state: State; patch: Patch | undefined } {
  if (update === undefined || update === null) return { state, patch: undefined };
  if (typeof update !== 'object' || Array.isArray(update))
    throw problem(node, `it returned ${Array.isArray(update) ? 'a list' : typeof update}, not an object with some of the state's fields`);
  const fieldsOf = isPlain(update) ? update : ofInstance(node, update);
  const after: { [key: string]: Json } = { ...state };
  const keys: { [key: string]: Patch } = {};
  for (const key of Object.keys(fieldsOf)) {
    const given = (fieldsOf as { [key: string]: unknown })[key];
    if (given === undefined) continue;
    if (fields && !fields.has(key)) throw problem(node, `the state has no field "${key}". It has ${[...fields].join(', ')}`);
    const before = Object.hasOwn(state, key) ? state[key] : undefined;
    const change = changed(node, key, before, given, Object.hasOwn(reducers, key) ? reducers[key] : undefined);
    if (!change) continue;
    after[key] = change.value;
    keys[key] = change.patch;
  }
  if (Object.keys(keys).length === 0) return { state, patch: undefined };
  known.add(Object.freeze(after));
  return { state: after, patch: { keys } };
}

/** Converts a class instance. A Map or a generator has no own fields: without this check it would be an empty update. */
function ofInstance(node: string, update: object): object {
  try {
    const json = plainJson(update);
    if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json;
  } catch (error) {
    throw problem(node, `its update cannot be taken: ${messageOf(error)}`);
  }
  throw problem(node, "its update is not an object with some of the state's fields");
}

interface Change {
  value: Json;
  patch: Patch;
}

function changed(node: string, key: string, before: Json | undefined, given: unknown, reducer: Reducer | undefined): Change | undefined {
  try {
    // an assignment to `__proto__` would set the prototype
    if (key === '__proto__') throw new Error('no field of a state can have that name');
    const update = keep(given) ?? null;
    if (reducer === append && Array.isArray(before) && Array.isArray(update)) return longer(before, update);
    const made = reducer && before !== undefined ? reducer(before, update) : update;
    const grown = Array.isArray(before) && Array.isArray(made) ? grownBy(before, made) : undefined;
    if (grown) return longer(before as readonly Json[], grown);
    const value = keep(made) ?? null;
    if (isDeep(value)) throw new Error('it is nested too deeply');
    const patch: Patch | undefined = before === undefined ? { set: value } : diff(before, value);
    return patch && { value, patch };
  } catch (error) {
    throw problem(node, `its update of "${key}" cannot be taken: ${messageOf(error)}`);
  }
}

/** The items that were added at the end; undefined if the list changed otherwise. So the patch of a growing list holds only its new items. */
function grownBy(before: readonly Json[], made: readonly unknown[]): readonly Json[] | undefined {
  const { length } = before;
  if (made.length < length) return undefined;
  for (let i = 0; i < length; i++) if (before[i] !== made[i]) return undefined;
  const grown: Json[] = [];
  for (let i = length; i < made.length; i++) grown.push(keep(made[i]) ?? null);
  return grown;
}

function longer(before: readonly Json[], grown: readonly Json[]): Change | undefined {
  if (grown.length === 0) return undefined;
  if (isDeep(grown)) throw new Error('it is nested too deeply');
  const value = Object.freeze([...before, ...grown]);
  known.add(value);
  return { value, patch: { push: grown } };
}

const problem = (node: string, message: string) => new ToolError('UPDATE_INVALID', `node "${node}": ${message}.`, { retryable: false });
