import type { Tool as ToolDescription } from '@modelcontextprotocol/sdk/types.js';

/** Most pages, tools and characters that are read of a listing, in case it never ends. */
export const MOST_LISTED = { pages: 100, tools: 10_000, chars: 16 * 1024 * 1024 };

/** `cut`: why the list is not complete. */
export interface Listing {
  tools: readonly ToolDescription[];
  cut?: string;
}

interface Page {
  tools: ToolDescription[];
  nextCursor?: string | undefined;
}

/** All pages of a listing, within the time of one request: a server that never sends the last page counts as one that does not answer. */
export async function listTools(ask: (params: { cursor?: string }, timeout: number) => Promise<Page>, ms: number): Promise<Listing> {
  const until = performance.now() + ms;
  const tools: ToolDescription[] = [];
  const cursors = new Set<string>();
  let chars = MOST_LISTED.chars;
  let cursor: string | undefined;
  for (let page = 0; ; page++) {
    const left = until - performance.now();
    if (left <= 0) throw Object.assign(new Error('it did not come to its last page in time'), { code: -32001 });
    const answer = await ask(cursor === undefined ? {} : { cursor }, Math.max(1, left));
    for (const tool of answer.tools) {
      if (tools.length >= MOST_LISTED.tools) return { tools, cut: `the list has more than ${MOST_LISTED.tools} tools` };
      chars -= JSON.stringify(tool).length;
      if (chars < 0) return { tools, cut: `the list has more than ${MOST_LISTED.chars} characters` };
      tools.push(tool);
    }
    cursor = answer.nextCursor;
    if (cursor === undefined) return { tools };
    if (cursors.has(cursor)) return { tools, cut: 'its pages lead back to one that was read' };
    if (page + 1 >= MOST_LISTED.pages) return { tools, cut: `the list has more than ${MOST_LISTED.pages} pages` };
    cursors.add(cursor);
  }
}
