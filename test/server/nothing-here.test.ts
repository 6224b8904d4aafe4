/** A path at which there is nothing is answered with where the server is: people try the root first. */
import { expect, onTestFinished, test } from 'vitest';
import { a2aHandler } from '../../src/adapters/a2a/index.ts';
import { agUiHandler } from '../../src/adapters/ag-ui/index.ts';
import { type Protocol, serve } from '../../src/adapters/agentcore/runtime/index.ts';
import { mcpHandler } from '../../src/adapters/mcp/index.ts';
import { agent, Engine } from '../../src/index.ts';
import { type Handler, requestHandler } from '../../src/server/index.ts';
import { scripted } from '../../src/testing/index.ts';

const named = (name: string) => agent({ name, instructions: '', model: scripted([]) });
const clerk = named('clerk');

test.each<[string, (engine: Engine) => Handler, string]>([
  ['mcpHandler()', (engine) => mcpHandler(engine, clerk), 'MCP is at /mcp.'],
  [
    'a2aHandler()',
    (engine) => a2aHandler(engine, clerk, { card: { url: 'http://localhost' } }),
    'A2A is at /a2a, and its card at /.well-known',
  ],
  ['agUiHandler()', (engine) => agUiHandler(engine, clerk, { path: '/agui' }), 'The agent is at /agui.'],
  ['agUiHandler() of several', (engine) => agUiHandler(engine, [clerk, named('other')]), 'Each agent is at /{name}.'],
  ['requestHandler()', (engine) => requestHandler(engine, clerk, { path: '/api' }), 'runs are at /api/runs.'],
])('%s', async (_, handlerOf, says) => {
  await using engine = new Engine();
  const answer = await handlerOf(engine)(new Request('http://localhost/', { method: 'POST', headers: { 'a2a-version': '1.0' } }));
  expect([answer.status, await answer.text()]).toEqual([404, expect.stringContaining(says)]);
});

test.each<[Protocol, string]>([
  ['http', 'http is at /invocations and /ws.'],
  ['ag-ui', 'ag-ui is at /invocations and /ws.'],
  ['mcp', 'mcp is at /mcp.'],
  ['a2a', 'a2a is at /, and its card at /.well-known/agent-card.json.'],
])('a runtime of %s', async (protocol, says) => {
  const engine = new Engine();
  const server = await serve(engine, clerk, { port: 0, container: false, protocol });
  onTestFinished(async () => {
    await server.close({ grace: 0 });
    await engine.close();
  });
  const answer = await fetch(`${server.url}/elsewhere`);
  expect([answer.status, await answer.text()]).toEqual([404, expect.stringContaining(says)]);
});
