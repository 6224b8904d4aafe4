import { fileURLToPath } from 'node:url';
import type { McpOptions } from '../../src/adapters/mcp/index.ts';
import { mcpTools } from '../../src/adapters/mcp/index.ts';
import type { Json } from '../../src/json.ts';
import { definition } from '../../src/loop/tools/tool.ts';
import type { Tool, ToolContext } from '../../src/ports/tool.ts';

export const stdioServer = {
  name: 'fixture',
  command: process.execPath,
  args: ['--experimental-strip-types', fileURLToPath(new URL('./fixture-stdio.ts', import.meta.url))],
};

const context = (over: Partial<ToolContext> = {}): ToolContext => ({
  signal: new AbortController().signal,
  idempotencyKey: 'key-1',
  attempt: 1,
  deadline: Number.POSITIVE_INFINITY,
  runId: 'run',
  callId: '1.0',
  step: 1,
  session: undefined,
  by: undefined,
  path: ['test'],
  context: {},
  credentials: {},
  progress: () => {},
  alive: () => {},
  ...over,
});

export type Opened = Awaited<ReturnType<ReturnType<typeof mcpTools>['open']>>;

/** Opens a server for the length of a test. */
export async function using(
  options: McpOptions,
  test: (server: Opened & { call: Call; tools: readonly Tool[] }) => Promise<void>,
): Promise<void> {
  const opened = await mcpTools(options).open({ signal: new AbortController().signal });
  try {
    const tools = await opened.list();
    await test({ ...opened, tools, call: (name, input = {}, ctx = {}) => run(tools, name, input, ctx) });
  } finally {
    await opened.close();
  }
}

type Call = (name: string, input?: Json, ctx?: Partial<ToolContext>) => Promise<Json>;

async function run(tools: readonly Tool[], name: string, input: Json, ctx: Partial<ToolContext>): Promise<Json> {
  const found = tools.find((t) => t.name === name);
  if (!found) throw new Error(`no tool ${name}`);
  return definition(found).options.execute(input, context(ctx)) as Promise<Json>;
}

export const toModel = (tools: readonly Tool[], name: string, output: Json) =>
  definition(tools.find((t) => t.name === name) as Tool).options.toModel?.(output);

/** Whether a process is there. */
export function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
