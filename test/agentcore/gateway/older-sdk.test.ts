/** A local server without the SDK of 2026-07-28, which is an optional one. */
import { expect, test, vi } from 'vitest';
import { invalid } from '../../../src/errors.ts';
import { ENDPOINT, guardedServer } from './guarded.ts';
import { connected, textOf, withGateway } from './kit.ts';

vi.mock('../../../src/adapters/mcp/sdk.ts', async (original) => ({
  ...(await original<object>()),
  loadModern: async () => {
    throw invalid('protocol of mcpTools() needs the MCP SDK: npm install @modelcontextprotocol/client');
  },
}));

test('an MCP server is spoken to in 2025-11-25', async () => {
  const tools = await guardedServer(() => true);
  const { url, target } = await withGateway({ authorizerType: 'NONE' }, { bindings: tools.bindings });
  const made = await target({ name: 'Tools', targetConfiguration: { mcp: { mcpServer: { endpoint: ENDPOINT } } } });
  expect(made).toMatchObject({ status: 'READY' });
  expect(textOf(await (await connected(url)).callTool({ name: 'Tools___echo', arguments: {} }))).toBe('echo was called');
  expect(new Set(tools.seen.flatMap(({ headers }) => headers['mcp-protocol-version'] ?? []))).toEqual(new Set(['2025-11-25']));
});
