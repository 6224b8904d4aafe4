/** The tools that policies are about. */
import { invalid } from '../../errors.ts';
import { isSameJson } from '../../json.ts';
import { isAgent } from '../../loop/definition.ts';
import { delegated } from '../../loop/sub-agent.ts';
import { FIND_TOOLS } from '../../loop/tools/finding.ts';
import { isTool } from '../../loop/tools/tool.ts';
import type { Agent, ToolDefinition } from '../../loop/types.ts';
import type { Materials, OpenedSource, Tool, ToolSource } from '../../ports/tool.ts';
import { inTime } from '../../reliability/patience.ts';
import type { JsonSchema } from '../../schema.ts';

/** A tool by what a policy needs of it. */
export interface DescribedTool {
  /** As in the calls that are decided, such as `shop___refund`. */
  name: string;
  /** Another name that calls of it have: a gateway shortens names of more than 64 characters. */
  short?: string;
  /** The JSON Schema of its arguments. */
  input: JsonSchema;
  /** The units of its amounts. Default: any. */
  units?: readonly string[];
}

/** Tools and agents, sources of tools such as a gateway or `mcpTools()`, and descriptions. */
export type PolicyTools = ToolSource | readonly (Tool | Agent | ToolSource | DescribedTool)[];

/** The engine's own tools that only read. They are called like others, so a policy decides about them. */
export const BUILT_IN: readonly DescribedTool[] = [
  { name: FIND_TOOLS, input: { type: 'object', properties: { query: { type: 'string' } }, required: ['query'] }, units: [] },
  { name: 'read_result', input: { type: 'object' }, units: [] },
];

/** Milliseconds until a source must have listed its tools. */
const PATIENCE = 30_000;

/** All tools by name. @throws RondoError `CONFIG_INVALID`; and what a source throws. */
export async function describedTools(given: PolicyTools, where: string): Promise<ReadonlyMap<string, DescribedTool>> {
  const items: readonly unknown[] = Array.isArray(given) ? given : [given];
  const all = await Promise.all(items.map((item) => toolsOf(item, where)));
  const tools = new Map<string, DescribedTool>();
  for (const tool of all.flat()) {
    const other = tools.get(tool.name);
    // agents may share a tool
    if (other && !isSameJson(other.input, tool.input))
      throw invalid(`${where}: two tools are named "${tool.name}", with other arguments. Rename one: a policy could not tell them apart.`);
    tools.set(tool.name, tool);
  }
  return tools;
}

const ofDefinition = ({ name, spec, options }: ToolDefinition): DescribedTool => ({
  name,
  input: spec.input,
  ...(options.units && { units: options.units }),
});

async function toolsOf(item: unknown, where: string): Promise<readonly DescribedTool[]> {
  if (isTool(item)) return [ofDefinition(item)];
  if (isAgent(item)) return [ofDefinition(delegated(item))];
  const { open, name, input } = (item ?? {}) as { open?: unknown; name?: unknown; input?: unknown };
  if (typeof open === 'function') return listed(item as ToolSource);
  if (typeof name === 'string' && name !== '' && typeof input === 'object' && input !== null) return [item as DescribedTool];
  throw invalid(
    `${where}: tools is a list of what tool() and agent() return, of sources such as gateway() and mcpTools(), or of { name, input }, where input is JSON Schema.`,
  );
}

/** What a gateway has besides: all of its tools, also those that are only found and those that read, and their names in full. */
interface Whole extends OpenedSource {
  all?(): Promise<readonly FullNamed[]>;
  readonly materials?: Materials & { readers?(): Promise<readonly FullNamed[]> };
}
interface FullNamed {
  readonly tool: Tool;
  readonly fullName: string;
}

const NONE: Promise<readonly never[]> = Promise.resolve([]);

async function listed(source: ToolSource): Promise<readonly DescribedTool[]> {
  const opened: Whole = await source.open({ signal: AbortSignal.timeout(PATIENCE) });
  const soon = <T>(answer: Promise<T>) => inTime(answer, PATIENCE, `the tools of ${source.name}`);
  try {
    const { materials } = opened;
    if (opened.all)
      return [...(await soon(opened.all())), ...(await soon(materials?.readers?.() ?? NONE))].map(({ tool, fullName }) => ({
        ...ofDefinition(tool as ToolDefinition),
        name: fullName,
        ...(tool.name !== fullName && { short: tool.name }),
      }));
    const agents = (source as { agents?: readonly Tool[] }).agents ?? [];
    // a searched source lists some of its tools, and has all in listAll: two lists may name one tool
    const found = await soon(opened.listAll?.() ?? NONE);
    const tools = [...agents, ...(await soon(opened.list())), ...found, ...(await soon(materials?.tools() ?? NONE))];
    return tools.map((tool) => ofDefinition(tool as ToolDefinition));
  } finally {
    await opened.close();
  }
}
