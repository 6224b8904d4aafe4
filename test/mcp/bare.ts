import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

interface Bare {
  /** What `tools/list` answers. */
  tools: readonly object[];
  listed?(): void;
  /** Answers each `tools/call`, by `answer` or in any other way. */
  called(answer: (result: object) => void, request: IncomingMessage, response: ServerResponse): void;
}

/** An MCP server of a few lines, for what no SDK's server would answer. @returns its address. */
export async function bareServer({ tools, listed, called }: Bare): Promise<string> {
  const server = createServer(async (request, response) => {
    if (request.method !== 'POST') return response.writeHead(405).end();
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const { id, method } = JSON.parse(Buffer.concat(parts).toString()) as { id?: number; method: string };
    const answer = (result: object) =>
      void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', id, result }));
    if (method === 'initialize')
      return answer({ protocolVersion: '2025-06-18', capabilities: { tools: {} }, serverInfo: { name: 'bare', version: '1' } });
    if (id === undefined) return response.writeHead(202).end();
    if (method !== 'tools/list') return called(answer, request, response);
    listed?.();
    return answer({ tools });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close().closeAllConnections());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
}
