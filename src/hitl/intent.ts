/** What a call is meant to do, as its tool's `key` names it. */

import { digest } from '../journal/canonical.ts';
import type { Intent } from '../journal/entries/entries.ts';
import type { Approval } from '../journal/fold/fold.ts';
import { copyJson, type Json, plainJson } from '../json.ts';
import type { ToolOptions } from '../ports/tool.ts';
import { bounded, messageOf } from '../reliability/classify.ts';
import { atOnce } from '../reliability/patience.ts';
import type { Schema } from '../schema.ts';
import type { Arguments } from './arguments.ts';

/** An intent, before anything is known of what was done under its key. */
export type Meant = Pick<Intent, 'name' | 'key' | 'digest' | 'remember'>;

/** What a tool declares of its intents. */
export interface Keyed {
  /** The name under which its keys are unique, unless it declares an `intent`. */
  readonly name: string;
  // biome-ignore lint/suspicious/noExplicitAny: inside, a declaration's types are gone
  readonly options: Pick<ToolOptions<string, Schema, Schema, string, any>, 'key' | 'intent' | 'same' | 'remember'>;
}

/** Characters of a key, after Unicode normalization. */
const LONGEST = 512;

/**
 * @param asked the newest approval of the call. What was computed for it counts for the arguments that a person saw, and for no others.
 * @returns undefined for a tool without a key; a text says why there is none.
 */
export function meant(tool: Keyed, { value, shown, exact }: Arguments, asked: Approval['asked'] | undefined): Meant | string | undefined {
  const { key, intent = tool.name, same, remember } = tool.options;
  if (!key) return undefined;
  // a function of its own arguments: what it does to them, the tool must not see
  const own = () => (exact ? copyJson(shown) : value);
  try {
    const bound = digest(shown);
    // not the digest of what `same` compares: a person may have edited what the key is made of
    if (asked?.intent?.name === intent && asked.digest === bound) return { ...asked.intent, ...(remember && { remember }) };
    const found = named(intent, atOnce(key(own())), same ? digest(plainJson(atOnce(same(own()))) ?? null) : bound);
    return typeof found === 'string'
      ? `the key of ${tool.name} cannot be used, so the call was not made: ${found}.`
      : { ...found, ...(remember && { remember }) };
  } catch (error) {
    return bounded(`the key of ${tool.name} could not be found out, so the call was not made: ${messageOf(error)}`);
  }
}

/** An intent by its name and key. @param arguments_ digest of what must be the same. @returns a text that says why the key cannot be used. */
export function named(name: string, key: unknown, arguments_: string = digest(null)): Meant | string {
  if (typeof key !== 'string') return `it is ${key === null ? 'null' : typeof key}, not a text`;
  const text = key.normalize('NFC');
  if (text === '') return 'it is empty';
  if (text.length > LONGEST) return `it has ${text.length} characters, and may have ${LONGEST}`;
  return text.isWellFormed() ? { name, key: text, digest: arguments_ } : 'it is not valid Unicode';
}

/** The fields in which two values differ, by name; what is not an object differs as a whole. */
export function differing(a: Json, b: Json): readonly string[] {
  if (typeof a !== 'object' || typeof b !== 'object' || !a || !b || Array.isArray(a) || Array.isArray(b)) return [];
  const [x, y] = [a as { [k: string]: Json }, b as { [k: string]: Json }];
  const told = (value: Json | undefined) => (value === undefined ? '' : digest(value));
  return [...new Set([...Object.keys(x), ...Object.keys(y)])].filter((field) => told(x[field]) !== told(y[field])).sort();
}
