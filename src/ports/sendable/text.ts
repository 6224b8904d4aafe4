import type { Json } from '../../json.ts';

/**
 * A text without half surrogate pairs: strict parsers of JSON refuse the whole request for one of them. A text is cut in the middle
 * of an emoji by a tool that counts in UTF-16, and some models write such halves themselves.
 */
export const wellFormed = (text: string): string => (text.isWellFormed() ? text : text.toWellFormed());

/** JSON whose texts are all well formed, names of fields included. What is well formed is not copied. */
export function wellFormedJson<T extends Json | undefined>(value: T): T;
export function wellFormedJson(value: Json | undefined): Json | undefined {
  if (typeof value === 'string') return wellFormed(value);
  if (typeof value !== 'object' || value === null || isWellFormed(value)) return value;
  if (Array.isArray(value)) return value.map((item: Json) => wellFormedJson(item));
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [wellFormed(key), wellFormedJson(field)]));
}

export function isWellFormed(value: Json): boolean {
  if (typeof value === 'string') return value.isWellFormed();
  if (typeof value !== 'object' || value === null) return true;
  for (const key in value) if (!key.isWellFormed() || !isWellFormed((value as { [k: string]: Json })[key] as Json)) return false;
  return true;
}
