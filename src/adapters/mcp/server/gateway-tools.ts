/** The tools of a source as a gateway serves them: the list for a caller, and the result of a call. */
import type { CallToolResult, Tool as Described } from '@modelcontextprotocol/sdk/types.js';
import type { Failure } from '../../../errors.ts';
import { sha256 } from '../../../journal/canonical.ts';
import type { EntryOf } from '../../../journal/entries/entries.ts';
import { isObject } from '../../../json-schema/keywords.ts';
import { definition } from '../../../loop/tools/tool.ts';
import type { ChangedList } from '../../../ports/materials.ts';
import type { Materials, OpenedSource, Tool, ToolSource } from '../../../ports/tool.ts';
import { toContent } from './content.ts';
import { INVALID_PARAMS, RpcError } from './offering.ts';

export interface ServedSource extends OpenedSource {
  /** All tools that can be listed, those that agents answer too. */
  listAll(): Promise<readonly Tool[]>;
  /** Of the tools that agents answer, those that the caller may be shown. */
  agents(): Promise<readonly Tool[]>;
  /** Whether the source has tools that only a search finds. */
  searches(): Promise<boolean>;
  search: NonNullable<OpenedSource['search']>;
}

/**
 * A source whose tools are all found by name, so that a run has only the one that it calls. `changed` is called when it offers others, as its listener.
 * @param own materials in addition to those of the source, and before them.
 */
export function foundByName(source: ToolSource, changed: (list?: ChangedList) => void, own?: Materials): ToolSource {
  return {
    name: source.name,
    ...(source.perCaller && { perCaller: true }),
    ...(source.secrets && { secrets: source.secrets }),
    ...(source.agents && { agents: source.agents }),
    async open(o): Promise<ServedSource> {
      const opened = await source.open(o);
      const listAll = async () => (opened.listAll ? opened.listAll() : opened.list());
      const materials = own && opened.materials ? both(own, opened.materials) : (own ?? opened.materials);
      return {
        list: async () => [],
        ...(materials && { materials }),
        listAll,
        agents: async () => (await opened.agents?.()) ?? source.agents ?? [],
        async searches() {
          await opened.list();
          return opened.search !== undefined;
        },
        search: async (query, options) => (opened.search ? opened.search(query, options) : []),
        async find(name, options) {
          const byName = ({ name: other }: Tool) => other === name;
          const ownOne = (await own?.tools())?.find(byName);
          if (ownOne) return ownOne;
          const found = await opened.find?.(name, options);
          if (found) return found;
          // what is listed has no slash in its name
          const others = name.includes('/') ? await opened.materials?.tools() : await opened.list();
          return others?.find(byName);
        },
        changed(listener) {
          return (
            opened.changed?.((list) => {
              listener(list);
              changed(list);
            }) ?? (() => undefined)
          );
        },
        close: () => opened.close(),
      };
    },
  };
}

/** What both have. */
const both = (one: Materials, other: Materials): Materials => ({
  resources: async (o) => [...(await one.resources(o)), ...(await other.resources(o))],
  templates: async (o) => [...(await one.templates(o)), ...(await other.templates(o))],
  prompts: async (o) => [...(await one.prompts(o)), ...(await other.prompts(o))],
  tools: async () => [...(await one.tools()), ...(await other.tools())],
  callOf: async (request, o) => (await one.callOf(request, o)) ?? other.callOf(request, o),
});

/** A tool as MCP describes it. */
export function described(tool: Tool): Described {
  const { name, description, effect } = tool;
  const inputSchema = { ...definition(tool).spec.input, type: 'object' } as Described['inputSchema'];
  const hints = { read: { readOnlyHint: true }, idempotent: { idempotentHint: true }, once: undefined }[effect];
  return { name, description, inputSchema, ...(hints && { annotations: hints }) };
}

/** One page of a list. The cursor names the last item of the page before, so that an item that came or went before it shifts nothing. */
export function pageOf<T extends object>(
  items: readonly T[],
  { nameOf, cursor, size }: { nameOf: (item: T) => string; cursor: string | undefined; size: number | false },
): { items: readonly T[]; nextCursor?: string } {
  if (size === false) return { items };
  const last = cursor === undefined ? -1 : items.findIndex((item) => cursorOf(nameOf(item)) === cursor);
  if (cursor !== undefined && last < 0)
    throw new RpcError(INVALID_PARAMS, 'The cursor is of nothing that is listed now. List from the start.');
  const page = items.slice(last + 1, last + 1 + size);
  const end = page.at(-1);
  return { items: page, ...(end && last + 1 + size < items.length && { nextCursor: cursorOf(nameOf(end)) }) };
}

const cursorOf = (name: string) => sha256(name).slice(0, 24);

/** A tool that succeeded: its content, and its output as structured content if that is an object. */
export function doneResult({ output = null, content }: EntryOf<'call.finished'>): CallToolResult {
  const parts = content ?? [{ type: 'text' as const, text: typeof output === 'string' ? output : JSON.stringify(output) }];
  return { content: parts.flatMap(toContent), ...(isObject(output) && { structuredContent: output }) };
}

/** A tool that failed: what the model of an agent would be told, and the code. */
export function failedResult({ code, message, retryable, outcome, retryAfter }: Failure): CallToolResult {
  const error = { code, retryable, outcome, ...(retryAfter !== undefined && { retryAfter }) };
  return { content: [{ type: 'text', text: message }], isError: true, _meta: { 'rondo/error': error } };
}
