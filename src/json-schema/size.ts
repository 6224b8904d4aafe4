import { RondoError } from '../errors.ts';
import { MAX_DEPTH } from '../json.ts';

/** Size limits of a schema document. They are lower for a server's: it is untrusted, and part of every prompt. */
export const LARGEST = { own: { nodes: 50_000, chars: 2_000_000 }, foreign: { nodes: 5_000, chars: 65_536 }, atOnce: 5_000 };

/** Counts shared objects as often as they occur, so a cyclic or exponentially large document is refused. */
export function checkSize(given: unknown, max: typeof LARGEST.own, where: string): void {
  let { nodes, chars } = max;
  const visit = (value: unknown, depth: number): void => {
    if (typeof value === 'string') chars -= value.length;
    if (--nodes < 0 || chars < 0 || depth > MAX_DEPTH || typeof value === 'bigint') {
      const bounds = `${max.nodes} values, ${max.chars} characters and ${MAX_DEPTH} levels`;
      throw new RondoError('CONFIG_INVALID', `${where} must be plain JSON of at most ${bounds}. Describe less.`);
    }
    if (typeof value !== 'object' || value === null) return;
    for (const [name, field] of Object.entries(value)) {
      chars -= name.length;
      visit(field, depth + 1);
    }
  };
  visit(given, 1);
}

/** Cuts a text to at most `max` UTF-16 units, without splitting a surrogate pair. */
export const cut = (text: string, max: number) => (text.length > max ? `${text.slice(0, max - 1).replace(/[\ud800-\udbff]$/, '')}…` : text);
