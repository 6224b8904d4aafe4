import { RondoError } from '../errors.ts';
import { MAX_DEPTH } from '../json.ts';

/** What a document may be. One of a server is part of every prompt, and comes from outside. */
export const LARGEST = { own: { nodes: 50_000, chars: 2_000_000 }, foreign: { nodes: 5_000, chars: 65_536 }, atOnce: 5_000 };

/** Objects that hold themselves, or each other again and again, are as large as their text would be. */
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

/** A text of at most so many characters, and no half one. */
export const cut = (text: string, max: number) => (text.length > max ? `${text.slice(0, max - 1).replace(/[\ud800-\udbff]$/, '')}…` : text);
