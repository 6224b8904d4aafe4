/** JSON pointers in the fragment of a URI, such as `#/$defs/Pet`. */
import type { Json } from '../json.ts';

/** What a pointer leads to in a document; undefined for nothing. */
export function pointed(document: Json, ref: string): Json | undefined {
  let at: Json | undefined = document;
  for (const step of ref.slice(1).split('/').slice(1)) {
    const name = nameOf(step);
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return undefined;
    at = (at as { [name: string]: Json })[name];
  }
  return at;
}

/** Decodes one step. */
export const nameOf = (step: string): string => decoded(step).replaceAll('~1', '/').replaceAll('~0', '~');

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
