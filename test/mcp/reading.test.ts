import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js';
import {
  CallToolRequestSchema,
  GetPromptRequestSchema,
  ListPromptsRequestSchema,
  ListResourcesRequestSchema,
  ListToolsRequestSchema,
  ReadResourceRequestSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mcpTools } from '../../src/adapters/mcp/index.ts';
import { serveWith } from './http.ts';
import { toModel, using } from './support.ts';

/** A server that has all: tools, one of which runs as a task only, resources and prompts. */
function library() {
  const server = new Server({ name: 'library', version: '1' }, { capabilities: { tools: {}, resources: {}, prompts: {} } });
  const plain = { name: 'lend', description: 'Lends', inputSchema: { type: 'object' as const } };
  server.setRequestHandler(ListToolsRequestSchema, () => ({
    tools: [plain, { ...plain, name: 'scan', execution: { taskSupport: 'required' as const } }],
  }));
  server.setRequestHandler(CallToolRequestSchema, ({ params }) => ({ content: [{ type: 'text' as const, text: `${params.name} done` }] }));
  server.setRequestHandler(ListResourcesRequestSchema, () => ({ resources: [{ uri: 'book:///1', name: 'One' }] }));
  server.setRequestHandler(ReadResourceRequestSchema, ({ params }) => {
    if (params.uri === 'book:///2') return { contents: [{ uri: params.uri, mimeType: 'image/png', blob: 'iVBORw==' }] };
    if (params.uri !== 'book:///1') throw Object.assign(new Error('no such book'), { code: -32602 });
    return { contents: [{ uri: params.uri, mimeType: 'text/plain', text: 'It was a dark night.' }] };
  });
  server.setRequestHandler(ListPromptsRequestSchema, () => ({
    prompts: [{ name: 'review', arguments: [{ name: 'title', required: true }] }],
  }));
  server.setRequestHandler(GetPromptRequestSchema, ({ params }) => ({
    messages: [
      { role: 'user' as const, content: { type: 'text' as const, text: `Review ${params.arguments?.title}.` } },
      { role: 'assistant' as const, content: { type: 'text' as const, text: 'Gladly.' } },
    ],
  }));
  return server;
}

let http: Awaited<ReturnType<typeof serveWith>>;
beforeAll(async () => {
  http = await serveWith(library);
});
afterAll(() => http.close());

describe.each([undefined, 'auto'] as const)('resources and prompts of a server (protocol %s)', (protocol) => {
  const options = () => ({ url: http.url, name: 'library', resources: true, prompts: true, prefix: 'lib_', ...(protocol && { protocol }) });

  it('are tools of their own, if they are asked for', async () => {
    await using(options(), async ({ tools, call }) => {
      expect(tools.map(({ name }) => name)).toEqual([
        'lib_lend',
        'lib_list_resources',
        'lib_read_resource',
        'lib_list_prompts',
        'lib_get_prompt',
      ]);
      expect(tools.slice(1).every(({ effect }) => effect === 'read')).toBe(true);
      expect(await call('lib_list_resources')).toEqual({ resources: [{ uri: 'book:///1', name: 'One' }] });
      expect(toModel(tools, 'lib_read_resource', await call('lib_read_resource', { uri: 'book:///1' }))).toEqual([
        { type: 'text', text: 'book:///1\nIt was a dark night.' },
      ]);
      expect(await call('lib_read_resource', { uri: 'book:///2' })).toEqual([
        { type: 'image', mediaType: 'image/png', data: 'iVBORw==', name: 'book:///2' },
      ]);
      expect(await call('lib_list_prompts')).toEqual({ prompts: [{ name: 'review', arguments: [{ name: 'title', required: true }] }] });
      expect(await call('lib_get_prompt', { name: 'review', arguments: { title: 'One' } })).toEqual(
        ['user:', 'Review One.', 'assistant:', 'Gladly.'].map((text) => ({ type: 'text', text })),
      );
      await expect(call('lib_read_resource', { uri: 'book:///9' })).rejects.toMatchObject({ code: 'MCP_INVALID_PARAMS' });
    });
  });

  it('are parts for the input of a run', async () => {
    const source = mcpTools(options());
    expect(await source.resource('book:///1')).toEqual([{ type: 'text', text: 'book:///1\nIt was a dark night.' }]);
    expect(await source.prompt({ name: 'review', arguments: { title: 'One' } })).toMatchObject([
      { text: 'user:' },
      { text: 'Review One.' },
      {},
      {},
    ]);
    await expect(source.resource('book:///9')).rejects.toMatchObject({ code: 'MCP_INVALID_PARAMS' });
  });
});

it('without the options there are only tools; one that runs as a task only is left out', async () => {
  await using({ url: http.url, name: 'library' }, async ({ tools }) => expect(tools.map(({ name }) => name)).toEqual(['lend']));
  await expect(using({ url: http.url, name: 'library', allow: ['scan'] }, async () => undefined)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('task'),
  });
});

it('a server that opens the stream of the old transport, and never says where to send, does not hold the run', async () => {
  const silent = createServer((req, res) => {
    if (req.method === 'GET') res.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    else res.writeHead(405).end();
  });
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  try {
    const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/mcp`;
    await expect(using({ url, name: 'silent', startTimeout: 100 }, async () => undefined)).rejects.toMatchObject({
      code: 'MCP_UNAVAILABLE',
    });
  } finally {
    silent.close();
    silent.closeAllConnections();
  }
});

it('a server of the old HTTP with SSE is reached too', async () => {
  const transports = new Map<string, SSEServerTransport>();
  const old = createServer(async (req, res) => {
    const url = new URL(req.url ?? '/', 'http://x');
    if (url.pathname === '/mcp' && req.method === 'GET') {
      const transport = new SSEServerTransport('/messages', res);
      transports.set(transport.sessionId, transport);
      return void (await library().connect(transport));
    }
    const known = transports.get(url.searchParams.get('sessionId') ?? '');
    if (url.pathname === '/messages' && known) return void (await known.handlePostMessage(req, res));
    res.writeHead(405).end();
  });
  await new Promise<void>((resolve) => old.listen(0, '127.0.0.1', resolve));
  try {
    const url = `http://127.0.0.1:${(old.address() as AddressInfo).port}/mcp`;
    await using({ url, name: 'library' }, async ({ call }) => expect(await call('lend')).toBe('lend done'));
    await using({ url, name: 'library', protocol: 'auto' }, async ({ call }) => expect(await call('lend')).toBe('lend done'));
  } finally {
    old.close();
    old.closeAllConnections();
  }
});
