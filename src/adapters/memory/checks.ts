/** Checks of input, shared by events and records. All throw RondoError `MEMORY_INPUT_INVALID`. */
import { LAST_TIME } from '../../days.ts';
import { type Json, plainJson } from '../../json.ts';
import { refused } from './errors.ts';

/** A text of `least` to `most` characters. */
export function text(value: unknown, field: string, least: number, most: number): string {
  if (typeof value !== 'string') throw refused(field, `give a text of ${least} to ${most} characters`);
  const said = value as string;
  // an emoji is two units of UTF-16 and one character
  const size = said.length <= most ? said.length : [...said].length;
  if (size < least || size > most) throw refused(field, `it has ${size} characters, and ${least} to ${most} are allowed`);
  if (!said.isWellFormed()) throw refused(field, 'it has half of a surrogate pair, which UTF-8 cannot hold');
  return said;
}

/** An identifier: a text without control characters. */
export function name(value: unknown, field: string, most: number): string {
  const said = text(value, field, 1, most);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (/[\u0000-\u001f\u007f]/.test(said)) throw refused(field, 'it has a control character');
  return said;
}

export function time(value: unknown, field: string): number {
  if (!Number.isInteger(value) || (value as number) < 0 || (value as number) > LAST_TIME)
    throw refused(field, 'give whole epoch milliseconds, from 0');
  return value as number;
}

export function list<T>(value: unknown, field: string, least: number, most: number): readonly T[] {
  if (!Array.isArray(value) || value.length < least || value.length > most)
    throw refused(field, `give a list of ${least} to ${most} entries`);
  return value as readonly T[];
}

/** A copy as plain JSON. */
export function json(value: unknown, field: string): Json {
  try {
    return plainJson(value) ?? null;
  } catch (error) {
    throw refused(field, `it must be plain JSON: ${(error as Error).message}`);
  }
}

/** Anything else, also a list, has no fields to check. */
export function object<T extends object>(value: unknown, field: string): T {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refused(field, 'give an object');
  return value as T;
}

/** Names and values of metadata: at most `most`, keys of 1 to 128 characters. */
export function entries(value: unknown, field: string, most: number): [string, unknown][] {
  const all = Object.entries(object(value, field));
  if (all.length > most) throw refused(field, `it has ${all.length} entries, and ${most} are allowed`);
  for (const [key] of all) {
    text(key, `${field}: the key ${JSON.stringify(key.slice(0, 40))}`, 1, 128);
    // many programs lose it, the client of AWS among them
    if (key === '__proto__') throw refused(`${field}.${key}`, 'give it another name');
  }
  return all;
}

/** An object with texts as values. */
export function texts(value: unknown, field: string, most: number, length: number): Readonly<Record<string, string>> {
  return Object.fromEntries(entries(value, field, most).map(([key, said]) => [key, text(said, `${field}.${key}`, 0, length)]));
}

export function oneOf<T extends string>(value: unknown, field: string, allowed: readonly T[]): T {
  if (!allowed.includes(value as T)) throw refused(field, `give one of ${allowed.join(', ')}`);
  return value as T;
}
