import type { Json } from '../json.ts';
import { crypto } from '../node.ts';

/**
 * JSON with sorted keys and no spaces: equal values have equal text. As RFC 8785, with numbers as JSON.stringify writes them. Fields that
 * are undefined are left out.
 */
export function canonical(value: Json): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  const object = value as { readonly [k: string]: Json };
  const fields: string[] = [];
  for (const key of Object.keys(object).sort()) {
    const field = object[key];
    if (field !== undefined) fields.push(`${JSON.stringify(key)}:${canonical(field)}`);
  }
  return `{${fields.join(',')}}`;
}

/** SHA-256 of a text's UTF-8 bytes, in hex. */
export const sha256 = (text: string) => crypto.hash('sha256', text);
/** SHA-256 of the canonical JSON, in hex. */
export const digest = (value: Json) => sha256(canonical(value));
