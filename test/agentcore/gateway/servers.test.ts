import { SynchronizeGatewayTargetsCommand } from '@aws-sdk/client-bedrock-agentcore-control';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { expect, onTestFinished, test } from 'vitest';
import { serveWith } from '../../mcp/http.ts';
import { connected, textOf, withGateway } from './kit.ts';

const OPEN = { authorizerType: 'NONE' as const };
const ENDPOINT = 'https://tools.example/mcp';

/** An MCP server whose tools a test may change, and the targets that reach it. */
async function served() {
  const state = { tools: ['echo'] };
  const running = await serveWith(() => {
    const server = new Server({ name: 'tools', version: '1' }, { capabilities: { tools: {} } });
    server.setRequestHandler(ListToolsRequestSchema, () => ({
      tools: state.tools.map((name) => ({ name, description: `Does ${name}.`, inputSchema: { type: 'object' as const } })),
    }));
    server.setRequestHandler(CallToolRequestSchema, ({ params }) => ({ content: [{ type: 'text', text: `${params.name} was called` }] }));
    return server;
  });
  onTestFinished(() => running.close());
  const target = (listingMode: 'DEFAULT' | 'DYNAMIC') => ({
    name: 'Tools',
    targetConfiguration: { mcp: { mcpServer: { endpoint: ENDPOINT, listingMode } } },
  });
  return { state, target, running, bindings: { [`url:${ENDPOINT}`]: running.url } as const };
}

const names = async (url: string) => (await (await connected(url)).listTools()).tools.map(({ name }) => name);

test('an MCP server is called; what it lists is kept until it is synchronized', async () => {
  const { state, target, bindings } = await served();
  const { url, target: made, controls, id, server } = await withGateway(OPEN, { bindings });
  const { id: targetId, status } = await made(target('DEFAULT'));
  expect(status).toBe('READY');
  const client = await connected(url);
  expect(textOf(await client.callTool({ name: 'Tools___echo', arguments: {} }))).toBe('echo was called');
  state.tools = ['echo', 'add'];
  expect(await names(url)).toEqual(['Tools___echo']);
  const { targets } = await controls.send(new SynchronizeGatewayTargetsCommand({ gatewayIdentifier: id, targetIdList: [targetId] }));
  expect(targets).toMatchObject([{ status: 'SYNCHRONIZING' }]);
  expect(await names(url)).toEqual(['Tools___echo']);
  await server.clock.advance(2_000);
  expect(await names(url)).toEqual(['Tools___echo', 'Tools___add']);
  expect(textOf(await client.callTool({ name: 'Tools___add', arguments: {} }))).toBe('add was called');
});

test('a DYNAMIC server is listed each time', async () => {
  const { state, target, bindings } = await served();
  const { url, target: made } = await withGateway(OPEN, { bindings });
  await made(target('DYNAMIC'));
  const client = await connected(url);
  expect(await names(url)).toEqual(['Tools___echo']);
  expect(textOf(await client.callTool({ name: 'Tools___echo', arguments: {} }))).toBe('echo was called');
  state.tools = ['add'];
  expect(await names(url)).toEqual(['Tools___add']);
  expect(textOf(await client.callTool({ name: 'Tools___add', arguments: {} }))).toBe('add was called');
});

test('a server that cannot be reached makes the target FAILED, with the reason', async () => {
  const { target, running, bindings } = await served();
  running.close();
  const { url, target: made } = await withGateway(OPEN, { bindings });
  expect(await made(target('DEFAULT'))).toMatchObject({ status: 'FAILED', reasons: expect.stringContaining('Tools') });
  expect(await names(url)).toEqual([]);
});

test('a server that fails later leaves the other targets as they are', async () => {
  const { target, running, bindings } = await served();
  const { url, target: made, controls, id, server } = await withGateway(OPEN, { bindings });
  const { id: targetId } = await made(target('DEFAULT'));
  running.close();
  await controls.send(new SynchronizeGatewayTargetsCommand({ gatewayIdentifier: id, targetIdList: [targetId] }));
  await server.clock.advance(2_000);
  expect(await names(url)).toEqual(['Tools___echo']);
  const refused = await (await connected(url)).callTool({ name: 'Tools___echo', arguments: {} });
  expect(refused.isError).toBe(true);
});
