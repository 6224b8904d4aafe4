// A server that answers a call with a redirect may have done what it was asked.
import { agent, Engine } from 'rondo';
import { mcpTools } from 'rondo/mcp';
import { scripted } from 'rondo/testing';
import { expect, test } from 'vitest';
import { asks, ends, failure, shown } from '../kit/runs.ts';
import { bareServer } from './bare.ts';

/** A server that counts calls of its tool, and answers each with a redirect. */
async function redirecting(status: number, location: string) {
  const paid: string[] = [];
  const url = await bareServer({
    tools: [{ name: 'pay', inputSchema: { type: 'object' } }],
    called(answer, request, response) {
      paid.push(request.url ?? '');
      if (request.url === '/moved') answer({ content: [{ type: 'text', text: 'paid' }] });
      else response.writeHead(status, { location }).end();
    },
  });
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
