/** An MCP server that answers only requests which it admits, and records what they carry. */
import type { IncomingMessage } from 'node:http';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { onTestFinished } from 'vitest';
import { serveWith } from '../../mcp/http.ts';

export const ENDPOINT = 'https://tools.example/mcp';
/** Its one tool, as a static schema of a target. */
export const SCHEMA = JSON.stringify({ tools: [{ name: 'echo', description: 'Says it again.', inputSchema: { type: 'object' } }] });

export interface Guarded {
  /** The requests that were admitted. */
  readonly seen: IncomingMessage[];
  /** How many were not. */
  refused: number;
  /** The names of its tools. */
  names: readonly string[];
  /** What the tool answers, beside that it was called. */
  answer: string;
  /** Whether the answers of lists and of calls are errors with this text. */
  fails: 'lists' | 'calls' | 'results' | undefined;
  readonly bindings: { readonly [key: `url:${string}`]: string };
}

export async function guardedServer(admits: (request: IncomingMessage) => boolean): Promise<Guarded> {
  const state: { -readonly [K in keyof Guarded]: Guarded[K] } = {
    seen: [],
    refused: 0,
    names: ['echo'],
    answer: '',
    fails: undefined,
    bindings: {},
  };
  const made = () => {
    const server = new Server({ name: 'tools', version: '1' }, { capabilities: { tools: {} } });
    server.setRequestHandler(ListToolsRequestSchema, () => {
      if (state.fails === 'lists') throw new Error(`no list ${state.answer}`);
      return { tools: state.names.map((name) => ({ ...JSON.parse(SCHEMA).tools[0], name })) };
    });
    server.setRequestHandler(CallToolRequestSchema, ({ params }) => {
      const text = `${params.name} was called ${state.answer}`.trim();
      if (state.fails === 'calls') throw new Error(text);
      return { content: [{ type: 'text', text }], isError: state.fails === 'results' };
    });
    return server;
  };
  const http = await serveWith(made, (request) => {
    const admitted = admits(request);
    if (admitted) state.seen.push(request);
    else state.refused++;
    return admitted;
  });
  onTestFinished(() => http.close());
  state.bindings = { [`url:${ENDPOINT}`]: http.url };
  return state;
}
