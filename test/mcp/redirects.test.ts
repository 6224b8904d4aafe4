// A server that answers a call with a redirect may have done what it was asked.
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { agent, Engine } from 'rondo';
import { mcpTools } from 'rondo/mcp';
import { scripted } from 'rondo/testing';
import { expect, onTestFinished, test } from 'vitest';
import { asks, ends, failure, shown } from '../kit/runs.ts';

const HEADERS = { 'content-type': 'application/json' };

/** A server that counts calls of its tool, and answers each with a redirect. */
async function redirecting(status: number, location: string) {
  const paid: string[] = [];
  const answer = (response: ServerResponse, id: unknown, result: object) =>
    response.writeHead(200, HEADERS).end(JSON.stringify({ jsonrpc: '2.0', id, result }));
  const server = createServer(async (request, response) => {
    if (request.method !== 'POST') return response.writeHead(405).end();
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const { id, method } = JSON.parse(Buffer.concat(parts).toString()) as { id?: number; method: string };
    if (method === 'initialize')
      return answer(response, id, {
        protocolVersion: '2025-06-18',
        capabilities: { tools: {} },
        serverInfo: { name: 'bank', version: '1' },
      });
    if (id === undefined) return response.writeHead(202).end();
    if (method === 'tools/list') return answer(response, id, { tools: [{ name: 'pay', inputSchema: { type: 'object' } }] });
    paid.push(request.url ?? '');
    if (request.url === '/moved') return answer(response, id, { content: [{ type: 'text', text: 'paid' }] });
    return response.writeHead(status, { location }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close().closeAllConnections());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
  const model = scripted([asks(['pay', {}]), asks(['pay', {}]), 'done']);
  const source = mcpTools({ url, intents: { pay: { key: () => 'order-7' } } });
  await using engine = new Engine();
  await ends(engine.run(agent({ name: 'a', instructions: '', model, tools: [source] }), 'go'), 'completed');
  return { paid, results: shown(model.requests.at(-1)) };
}

test.each([
  [301, '/receipt/1'],
  [302, 'https://pay.example/done'],
  [303, '/receipt/1'],
])('a call that is answered with HTTP %i is unknown, and is not made again under its key', async (status, location) => {
  const { paid, results } = await redirecting(status, location);
  expect(paid).toEqual(['/mcp']);
  expect(results.map((result) => failure(result))).toMatchObject([
    { code: 'MCP_REDIRECTED', outcome: 'unknown' },
    { code: 'OUTCOME_UNKNOWN', outcome: 'unknown' },
  ]);
});

test('a call that is answered with HTTP 308 to another origin did not run, and may be made again', async () => {
  const { paid, results } = await redirecting(308, 'https://pay.example/mcp');
  expect(paid).toEqual(['/mcp', '/mcp']);
  expect(results.map((result) => failure(result))).toMatchObject([
    { code: 'MCP_REDIRECTED', outcome: 'not-run' },
    { code: 'MCP_REDIRECTED', outcome: 'not-run' },
  ]);
});

test('a redirect by HTTP 307 to the same origin is followed, and what was done there is done once', async () => {
  const { paid, results } = await redirecting(307, '/moved');
  expect(paid).toEqual(['/mcp', '/moved']);
  expect(results.map(({ isError }) => isError)).toEqual([false, false]);
});
