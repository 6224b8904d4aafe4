/** A call of a tool over HTTP: `gatewayHandler()`, where it is a run with a journal, beside a server of the official MCP SDK alone. */
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js';
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { gateway } from '../../src/adapters/gateway/index.ts';
import { gatewayHandler } from '../../src/adapters/mcp/index.ts';
import { Engine, memoryJournal, tool } from '../../src/index.ts';
import { type Handler, listen } from '../../src/server/index.ts';
import { type Contender, interleave, ratio, spread, timesOf } from '../harness.ts';
import type { Scenario } from '../result.ts';

const CALLS = 20;
const SDK = 'a server of the MCP SDK alone';
const RONDO = 'gatewayHandler() of a gateway';
const NAME = 'shop___look';

/** As the SDK's own examples have it, without sessions: a server and a transport for each request. */
const official: Handler = async (request) => {
  const server = new Server({ name: 'shop', version: '1' }, { capabilities: { tools: {} } });
  server.setRequestHandler(ListToolsRequestSchema, () => ({
    tools: [{ name: NAME, description: 'looks', inputSchema: { type: 'object' as const } }],
  }));
  server.setRequestHandler(CallToolRequestSchema, () => ({ content: [{ type: 'text', text: 'seen' }] }));
  const transport = new WebStandardStreamableHTTPServerTransport({});
  // biome-ignore lint/suspicious/noExplicitAny: the SDK's own types differ in an optional field
  await server.connect(transport as any);
  return transport.handleRequest(request);
};

/** The official client, one call after the other. */
async function calling(name: string, handler: Handler, end: () => Promise<void>): Promise<Contender> {
  const server = await listen(handler);
  const client = new Client({ name: 'bench', version: '1' });
  // biome-ignore lint/suspicious/noExplicitAny: the SDK's own types differ in an optional field
  await client.connect(new StreamableHTTPClientTransport(new URL(`${server.url}/mcp`)) as any);
  return {
    name,
    prepare: () => ({
      units: CALLS,
      async run() {
        for (let i = 0; i < CALLS; i++) {
          const { content } = (await client.callTool({ name: NAME, arguments: {} })) as { content: { text?: string }[] };
          if (content[0]?.text !== 'seen') throw new Error(`${name} answered ${JSON.stringify(content)}`);
        }
      },
    }),
    async close() {
      await client.close();
      await server.close({ grace: 0 });
      await end();
    },
  };
}

export const mcpServing: Scenario = async ({ quick }) => {
  const rounds = quick ? { rounds: 2, warmUp: 1 } : { rounds: 25, warmUp: 5, longest: 20_000 };
  const look = tool({ name: 'look', description: 'looks', input: { type: 'object' }, effect: 'read', execute: () => 'seen' });
  const engine = new Engine({ journal: memoryJournal() });
  const served = gatewayHandler(engine, gateway({ name: 'office', targets: { shop: [look] } }));
  const times = await interleave(
    [await calling(SDK, official, async () => undefined), await calling(RONDO, served, () => engine.close())],
    rounds,
  );
  return {
    tables: [
      {
        title: 'A tools/call over HTTP, by the official client',
        unit: 'µs',
        columns: ['a call', 'beside the SDK'],
        rows: [SDK, RONDO].map((name) => ({ name, cells: [spread(timesOf(times, name)), ratio(times, name, SDK)] })),
      },
    ],
    targets: [],
  };
};
