/** Lists of a server that come in pages, of which there may be no last one. */
import { type Json, sizeOf } from '../../json.ts';
import type { Declared } from './dialect.ts';
import { Unanswered } from './failure.ts';
import { badResult } from './result.ts';

const MOST_PAGES = 100;
/** Most tools, and characters of their declarations, that are read of a server. */
export const MOST_LISTED = { items: 10_000, chars: 16 * 1024 * 1024 };

type Cursor = { readonly cursor?: string };

/** The items of all pages. `cut`: why they are not all. @param of what they are, for people. */
export async function pages<P extends { nextCursor?: unknown }, T>(
  of: string,
  most: { items: number; chars: number },
  ask: (at: Cursor) => Promise<P>,
  itemsOf: (page: P) => readonly T[],
): Promise<{ items: T[]; cut?: string }> {
  const items: T[] = [];
  const cursors = new Set<string>();
  let { chars } = most;
  let at: Cursor = {};
  for (let page = 0; page < MOST_PAGES; page++) {
    const answer = await ask(at);
    for (const item of itemsOf(answer)) {
      if (items.length >= most.items) return { items, cut: `the list has more than ${most.items} ${of}` };
      chars -= sizeOf(item as Json);
      if (chars < 0) return { items, cut: `the list has more than ${most.chars} characters` };
      items.push(item);
    }
    const { nextCursor: cursor } = answer;
    if (typeof cursor !== 'string') return { items };
    if (cursors.has(cursor)) return { items, cut: 'its pages lead back to one that was read' };
    cursors.add(cursor);
    at = { cursor };
  }
  return { items, cut: `the list has more than ${MOST_PAGES} pages` };
}

export interface Listing {
  tools: readonly Declared[];
  cut?: string;
}

/**
 * All tools, within the time of one request: a server that never sends the last page counts as one that does not answer. @throws ToolError
 * `MCP_BAD_RESULT` if none of them can be read.
 */
export async function listTools(
  ask: (at: Cursor, timeout: number) => Promise<{ tools: Declared[]; nextCursor?: unknown }>,
  ms: number,
): Promise<Listing> {
  const until = performance.now() + ms;
  const inTime = (at: Cursor) => {
    const left = until - performance.now();
    if (left <= 0) throw new Unanswered(true);
    return ask(at, Math.max(1, left));
  };
  const { items, ...more } = await pages('tools', MOST_LISTED, inTime, ({ tools }) => tools);
  const [first] = items;
  if (first && items.every(({ odd }) => odd !== undefined)) throw badResult(`with no tool that can be read: ${first.odd}`);
  return { tools: items, ...more };
}
