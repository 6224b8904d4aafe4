/** An MCP server that answers only requests which it admits, and records what they carry. */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { onTestFinished } from 'vitest';

export const ENDPOINT = 'https://tools.example/mcp';
/** Its one tool, as a static schema of a target. */
export const SCHEMA = JSON.stringify({ tools: [{ name: 'echo', description: 'Says it again.', inputSchema: { type: 'object' } }] });

export interface Guarded {
  /** The requests that were admitted. */
  readonly seen: IncomingMessage[];
  /** How many were not. */
  refused: number;
  /** What the tool answers, beside that it was called. */
  answer: string;
  readonly bindings: { readonly [key: `url:${string}`]: string };
}

export async function guardedServer(admits: (request: IncomingMessage) => boolean): Promise<Guarded> {
  const sessions = new Map<string, StreamableHTTPServerTransport>();
  const state: { -readonly [K in keyof Guarded]: Guarded[K] } = { seen: [], refused: 0, answer: '', bindings: {} };
  const made = () => {
    const server = new Server({ name: 'tools', version: '1' }, { capabilities: { tools: {} } });
    server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: JSON.parse(SCHEMA).tools }));
    server.setRequestHandler(CallToolRequestSchema, ({ params }) => ({
      content: [{ type: 'text', text: `${params.name} was called ${state.answer}`.trim() }],
    }));
    return server;
  };
  const http = createServer(async (request, response) => {
    if (!admits(request)) {
      state.refused++;
      return void response.writeHead(401).end();
    }
    state.seen.push(request);
    let transport = sessions.get(String(request.headers['mcp-session-id']));
    if (!transport) {
      const fresh = new StreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        onsessioninitialized: (id) => void sessions.set(id, fresh),
      });
      await made().connect(fresh as never);
      transport = fresh;
    }
    await transport.handleRequest(request, response);
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void http.close().closeAllConnections());
  state.bindings = { [`url:${ENDPOINT}`]: `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp` };
  return state;
}
