import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { CallToolResult, ClientCapabilities } from '@modelcontextprotocol/sdk/types.js';
import { onTestFinished } from 'vitest';
import { z } from 'zod';
import { type ApprovalRule, Engine, type EngineOptions, type Principal, type Tool, type ToolSource, tool } from '../../src/index.ts';
import { bearer, type Handler, listen } from '../../src/server/index.ts';

const people: Record<string, Principal> = {
  ana: { id: 'ana' },
  ben: { id: 'ben', roles: ['lead'] },
  eve: { id: 'eve' },
};
export const auth = bearer({ verify: (token) => people[token] });

/** A handler on a port of its own. */
export async function serving(handler: (engine: Engine) => Handler, o: EngineOptions = {}) {
  const engine = new Engine(o);
  const server = await listen(handler(engine));
  onTestFinished(async () => {
    // a connection of a client that has left may stay open for seconds
    await server.close({ grace: 0 });
    await engine.close();
  });
  return { engine, url: `${server.url}/mcp`, port: server.port };
}

/** The SDK's client, unmodified. */
export async function connected(
  url: string,
  o: {
    token?: string;
    headers?: Record<string, string>;
    sessionId?: string;
    capabilities?: ClientCapabilities;
    before?: (client: Client) => void;
  } = {},
): Promise<Client & { leave(): Promise<void> }> {
  const headers = { ...(o.token && { authorization: `Bearer ${o.token}` }), ...o.headers };
  const client = new Client({ name: 'test', version: '1' }, { capabilities: o.capabilities ?? {} });
  o.before?.(client);
  const transport = new StreamableHTTPClientTransport(new URL(url), {
    requestInit: { headers },
    ...(o.sessionId && { sessionId: o.sessionId }),
  });
  // biome-ignore lint/suspicious/noExplicitAny: the SDK's own types differ in an optional field
  await client.connect(transport as any);
  onTestFinished(() => client.close());
  return Object.assign(client, { leave: () => transport.terminateSession() });
}

export const call = async (client: Client, name: string, args: object, meta?: object): Promise<CallToolResult> =>
  (await client.callTool({ name, arguments: { ...args }, ...(meta && { _meta: { ...meta } }) })) as CallToolResult;
export const said = ({ content }: CallToolResult) => content.map((part) => (part.type === 'text' ? part.text : '')).join('');
// biome-ignore lint/suspicious/noExplicitAny: what the tests look into
export const data = (result: CallToolResult): any => result.structuredContent;

/** A source of these tools. With `searched`, it lists none of them. */
export function sourceOf(name: string, tools: readonly Tool[], o: { searched?: boolean } = {}): ToolSource {
  const find = (tool: string) => tools.find((one) => one.name === tool);
  return {
    name,
    open: async () => ({
      list: async () => (o.searched ? [] : tools),
      ...(o.searched && {
        listAll: async () => tools,
        search: async (query: string, { limit }: { limit: number }) =>
          tools.filter((one) => one.description.includes(query)).slice(0, limit),
        find: async (tool: string) => find(tool),
      }),
      close: async () => {},
    }),
  };
}

/** A tool that needs an approval, and what it sent. */
export function sending(approval: true | ApprovalRule = true) {
  const sent: string[] = [];
  const send = tool({
    name: 'send',
    description: 'Sends',
    input: z.object({ text: z.string() }),
    approval,
    execute({ text }) {
      sent.push(text);
      return 'sent';
    },
  });
  return { sent, send };
}
