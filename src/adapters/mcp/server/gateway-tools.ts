/** The tools of a source as a gateway serves them: the list for a caller, and the result of a call. */
import type { CallToolResult, Tool as Described } from '@modelcontextprotocol/sdk/types.js';
import type { Failure } from '../../../errors.ts';
import { sha256 } from '../../../journal/canonical.ts';
import type { EntryOf } from '../../../journal/entries.ts';
import type { Json } from '../../../json.ts';
import { definition } from '../../../loop/tool.ts';
import type { Part } from '../../../ports/model.ts';
import type { OpenedSource, Tool, ToolSource } from '../../../ports/tool.ts';
import { INVALID_PARAMS, RpcError, type ToolPage } from './offering.ts';

export interface ServedSource extends OpenedSource {
  /** All tools that can be listed, those that agents answer too. */
  listAll(): Promise<readonly Tool[]>;
  /** Of the tools that agents answer, those that the caller may be shown. */
  agents(): Promise<readonly Tool[]>;
  /** Whether the source has tools that only a search finds. */
  searches(): Promise<boolean>;
  search: NonNullable<OpenedSource['search']>;
}

/** A source whose tools are all found by name, so that a run has only the one that it calls. `changed` is called when it offers others. */
export function foundByName(source: ToolSource, changed: () => void): ToolSource {
  return {
    name: source.name,
    ...(source.perCaller && { perCaller: true }),
    ...(source.secrets && { secrets: source.secrets }),
    ...(source.agents && { agents: source.agents }),
    async open(o): Promise<ServedSource> {
      const opened = await source.open(o);
      const listAll = async () => (opened.listAll ? opened.listAll() : opened.list());
      return {
        list: async () => [],
        listAll,
        agents: async () => (await opened.agents?.()) ?? source.agents ?? [],
        async searches() {
          await opened.list();
          return opened.search !== undefined;
        },
        search: async (query, options) => (opened.search ? opened.search(query, options) : []),
        async find(name, options) {
          return (await opened.find?.(name, options)) ?? (await opened.list()).find((tool) => tool.name === name);
        },
        changed(listener) {
          return (
            opened.changed?.(() => {
              listener();
              changed();
            }) ?? (() => undefined)
          );
        },
        close: () => opened.close(),
      };
    },
  };
}

/** A tool as MCP describes it. */
export function described(tool: Tool): Described {
  const { name, description, effect } = tool;
  const inputSchema = { ...definition(tool).spec.input, type: 'object' } as Described['inputSchema'];
  const hints = { read: { readOnlyHint: true }, idempotent: { idempotentHint: true }, once: undefined }[effect];
  return { name, description, inputSchema, ...(hints && { annotations: hints }) };
}

/** One page of a list. The cursor names the last tool of the page before, so that a tool that came or went before it shifts nothing. */
export function pageOf(tools: readonly Described[], cursor: string | undefined, size: number | false): ToolPage {
  if (size === false) return { tools: [...tools] };
  const last = cursor === undefined ? -1 : tools.findIndex(({ name }) => cursorOf(name) === cursor);
  if (cursor !== undefined && last < 0)
    throw new RpcError(INVALID_PARAMS, 'The cursor is of no tool that is listed now. List from the start.');
  const page = tools.slice(last + 1, last + 1 + size);
  const end = page.at(-1);
  return { tools: page, ...(end && last + 1 + size < tools.length && { nextCursor: cursorOf(end.name) }) };
}

const cursorOf = (name: string) => sha256(name).slice(0, 24);

/** A tool that succeeded: its content, and its output as structured content if that is an object. */
export function doneResult({ output = null, content }: EntryOf<'call.finished'>): CallToolResult {
  const parts = content ?? [{ type: 'text' as const, text: typeof output === 'string' ? output : JSON.stringify(output) }];
  const structured = typeof output === 'object' && output !== null && !Array.isArray(output);
  return { content: parts.flatMap(toContent), ...(structured && { structuredContent: output as { [k: string]: Json } }) };
}

function toContent(part: Part): CallToolResult['content'] {
  if (part.type === 'text') return [{ type: 'text', text: part.text }];
  if (part.type === 'image') return [{ type: 'image', data: part.data, mimeType: part.mediaType }];
  if (part.type !== 'document') return [];
  const { mediaType, data, name } = part;
  if (mediaType.startsWith('audio/')) return [{ type: 'audio', data, mimeType: mediaType }];
  const uri = name !== undefined && URL.canParse(name) ? name : `document:${encodeURIComponent(name ?? 'result')}`;
  return [{ type: 'resource', resource: { uri, mimeType: mediaType, blob: data } }];
}

/** A tool that failed: what the model of an agent would be told, and the code. */
export function failedResult({ code, message, retryable, outcome, retryAfter }: Failure): CallToolResult {
  const error = { code, retryable, outcome, ...(retryAfter !== undefined && { retryAfter }) };
  return { content: [{ type: 'text', text: message }], isError: true, _meta: { 'rondo/error': error } };
}
