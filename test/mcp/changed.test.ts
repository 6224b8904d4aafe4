/** What a server tells of its lists: which of them are asked for again, and who is told. */
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { CallToolRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { McpOptions } from '../../src/adapters/mcp/index.ts';
import { serveWith } from './http.ts';
import { using } from './support.ts';

/** A server with a tool that says, on the stream of its call, that a list is another now. */
async function telling() {
  const state = { listed: 0 };
  const http = await serveWith(() => {
    const list = { listChanged: true };
    const server = new Server({ name: 'shop', version: '1' }, { capabilities: { tools: list, resources: list, prompts: list } });
    server.setRequestHandler(ListToolsRequestSchema, () => {
      state.listed++;
      return { tools: [{ name: 'tell', inputSchema: { type: 'object' as const } }] };
    });
    server.setRequestHandler(CallToolRequestSchema, async ({ params }, { sendNotification }) => {
      await sendNotification({ method: `notifications/${params.arguments?.list}/list_changed` } as never);
      return { content: [{ type: 'text', text: 'told' }] };
    });
    return server;
  });
  onTestFinished(() => http.close());
  return Object.assign(state, { url: http.url });
}

describe.each([undefined, 'auto'] as const)('a server says that a list has changed (protocol %s)', (protocol) => {
  const told = async (o: Partial<McpOptions>) => {
    const server = await telling();
    const heard: string[] = [];
    await using({ url: server.url, name: 'shop', ...(protocol && { protocol }), ...o }, async ({ call, changed, list }) => {
      let now = '';
      changed?.(() => heard.push(`${now} ${server.listed}`));
      for (now of ['tools', 'prompts', 'resources', 'tools']) {
        await call('tell', { list: now });
        await list();
      }
    });
    return { heard, listed: server.listed };
  };

  it('lists the tools again for a change of tools alone', async () => {
    expect(await told({ resources: true, prompts: true })).toEqual({ heard: ['tools 1', 'tools 2'], listed: 3 });
  });

  it('tells of the resources and prompts that are passed on', async () => {
    expect(await told({ pass: ['prompts'] })).toEqual({ heard: ['tools 1', 'prompts 2', 'tools 2'], listed: 3 });
  });
});
