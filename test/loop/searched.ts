import type { Json, OpenedSource, Tool, ToolOptions, ToolSource } from '../../src/index.ts';
import { tool } from '../../src/index.ts';
import { anything } from '../kit/runs.ts';

type Over = Partial<ToolOptions<string, typeof anything, typeof anything, never, Json>>;

/** A tool whose output says which arguments it got. */
export const named = (name: string, over: Over = {}): Tool =>
  tool({ name, description: `does ${name}`, input: anything, execute: (input) => `${name} ${JSON.stringify(input)}`, ...over });

/** A source that is searched: by a part of a tool's name. `asked` tells what the engine asked it for. */
export function searched(tools: readonly Tool[], over: Partial<OpenedSource> = {}, name = 'shop') {
  const asked: string[] = [];
  const state = { tools, tell: () => {} };
  const made: ToolSource = {
    name,
    open: async () => ({
      list: async () => [],
      search: async (query) => {
        asked.push(`search ${query}`);
        return state.tools.filter((t) => t.name.includes(query));
      },
      find: async (wanted) => {
        asked.push(`find ${wanted}`);
        return state.tools.find((t) => t.name === wanted);
      },
      changed(listener) {
        state.tell = listener;
        return () => {};
      },
      close: async () => undefined,
      ...over,
    }),
  };
  const becomes = (...now: Tool[]) => {
    state.tools = now;
    state.tell();
  };
  return { made, asked, becomes };
}

export const find = (query: string) => ['find_tools', { query }] as const;
export const call = (name: string, args: Json = {}, id?: string) => ['call_tool', { name, arguments: args }, id] as const;

interface Answer {
  tools: { name: string; description: string; input: Json }[];
  others?: string[];
  note?: string;
  unavailable?: { source: string; reason: string }[];
}
/** What `find_tools` answered. */
export const answerIn = (seen: { text: string } | undefined) => JSON.parse(seen?.text ?? 'null') as Answer;
