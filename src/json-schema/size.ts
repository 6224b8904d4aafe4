import { invalid } from '../errors.ts';
import { fits, MAX_DEPTH } from '../json.ts';

/** Size limits of a schema document. They are lower for a server's: it is untrusted, and part of every prompt. */
export const LARGEST = { own: { values: 50_000, chars: 2_000_000 }, foreign: { values: 5_000, chars: 65_536 }, atOnce: 5_000 };

/** Refuses a document that is too large, before it is copied. @throws RondoError `CONFIG_INVALID`. */
export function checkSize(given: unknown, max: typeof LARGEST.own, where: string): void {
  if (!fits(given, max))
    throw invalid(
      `${where} must be plain JSON of at most ${max.values} values, ${max.chars} characters and ${MAX_DEPTH} levels. Describe less.`,
    );
}

/** Cuts a text to at most `max` UTF-16 units, without splitting a surrogate pair. */
export const cut = (text: string, max: number) => (text.length > max ? `${text.slice(0, max - 1).replace(/[\ud800-\udbff]$/, '')}…` : text);
