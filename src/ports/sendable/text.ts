import type { Json } from '../../json.ts';

/**
 * A text without lone surrogates, for which strict JSON parsers refuse the whole request. They come from tools that cut a text in the
 * middle of an emoji, and from some models.
 */
export const wellFormed = (text: string): string => (text.isWellFormed() ? text : text.toWellFormed());

/** JSON in which all texts are well formed, including field names. Well-formed parts are not copied. */
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
