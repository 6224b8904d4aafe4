/** Page tokens. A token belongs to its list and its query. */
import { digest } from '../../journal/canonical.ts';
import type { Json } from '../../json.ts';
import type { MemoryPage, PageQuery } from '../../ports/memory-store.ts';
import { refused } from './errors.ts';

export interface Cursor<P extends Json> {
  /** The position after which the page begins. Absent: the first page. */
  readonly after: P | undefined;
  readonly limit: number;
  /** A page of what was found: `limit` + 1 entries where more follow. */
  page<R, T>(found: readonly R[], position: (last: R) => P, item: (row: R) => T): MemoryPage<T>;
}

/**
 * @param of the list and everything of the query that decides what is on it.
 * @throws RondoError `MEMORY_INPUT_INVALID` for a token of another list, and a limit that is not 1 to 100.
 */
export function cursor<P extends Json>(of: Json, { limit = 20, after }: PageQuery): Cursor<P> {
  if (!Number.isInteger(limit) || limit < 1 || limit > 100) throw refused('limit', 'give a whole number from 1 to 100');
  const list = digest(of).slice(0, 16);
  const token = (position: P) => Buffer.from(JSON.stringify([list, position])).toString('base64url');
  return {
    after: after === undefined ? undefined : (positionOf(after, list) as P),
    limit,
    page(found, position, item) {
      const rows = found.slice(0, limit);
      const last = rows.at(-1);
      return { items: rows.map(item), ...(found.length > limit && last !== undefined && { next: token(position(last)) }) };
    },
  };
}

function positionOf(token: string, list: string): Json {
  const said = parsed(token);
  if (!Array.isArray(said) || said.length !== 2 || said[0] !== list || said[1] === null)
    throw refused('after', 'give the `next` of a page of this list, with the same query');
  return said[1] as Json;
}

function parsed(token: unknown): unknown {
  try {
    return typeof token === 'string' ? JSON.parse(Buffer.from(token, 'base64url').toString()) : undefined;
  } catch {
    return undefined;
  }
}
