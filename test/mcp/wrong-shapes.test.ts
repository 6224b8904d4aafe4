/** Answers of a server whose shape is wrong: each is an error with a code, never a TypeError, and never a part in the journal that is none. */
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { CallToolRequestSchema, GetPromptRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { expect, it, onTestFinished } from 'vitest';
import { mcpTools } from '../../src/adapters/mcp/index.ts';
import { OpenCall } from '../../src/adapters/mcp/open-call.ts';
import type { ToolContext } from '../../src/ports/tool.ts';
import { listen } from '../../src/server/index.ts';
import { serveWith } from './http.ts';
import { using } from './support.ts';

const WRONG = [
  null,
  'a text',
  7,
  { type: 'text' },
  { type: 'text', text: 7 },
  { type: 'image', data: 'iVBORw==' },
  { type: 'image', data: 7, mimeType: 'image/png' },
  { type: 'resource' },
  { type: 'resource', resource: { uri: 'book:///1' } },
  { type: 'resource', resource: { text: 'x' } },
  { type: 'resource_link', uri: 'book:///1' },
  { type: 'unheard-of' },
  [{ type: 'text', text: 'good' }, null],
];

async function serving(content: unknown) {
  const http = await serveWith(() => {
    const server = new Server({ name: 'odd', version: '1' }, { capabilities: { tools: {}, prompts: {} } });
    server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: [{ name: 'lend', inputSchema: { type: 'object' as const } }] }));
    server.setRequestHandler(CallToolRequestSchema, () => ({ content }) as never);
    server.setRequestHandler(GetPromptRequestSchema, () => ({ messages: [{ role: 'user', content }] }) as never);
    return server;
  });
  onTestFinished(() => http.close());
  return http.url;
}

it.each([undefined, 'auto'] as const)('of a prompt (protocol %s)', async (protocol) => {
  for (const content of WRONG) {
    const url = await serving(content);
    const source = mcpTools({ url, name: 'odd', prompts: true, ...(protocol && { protocol }) });
    await expect(source.prompt({ name: 'p' }), JSON.stringify(content)).rejects.toMatchObject({
      name: 'ToolError',
      code: 'MCP_BAD_RESULT',
    });
  }
});

/** JSON-RPC without an SDK, which would check what it answers. */
async function raw(content: readonly unknown[], tools: unknown = [{ name: 'lend', inputSchema: { type: 'object' } }]) {
  const results: { readonly [method: string]: (params: { protocolVersion?: string }) => object } = {
    initialize: ({ protocolVersion }) => ({ protocolVersion, capabilities: { tools: {} }, serverInfo: { name: 'odd', version: '1' } }),
    'tools/list': () => ({ tools }),
    'tools/call': () => ({ content }),
  };
  const server = await listen(async (request) => {
    if (request.method !== 'POST') return new Response(null, { status: 405 });
    const { id, method, params } = (await request.json()) as { id?: number; method: string; params: object };
    if (id === undefined) return new Response(null, { status: 202 });
    const result = results[method]?.(params);
    return Response.json(
      result ? { jsonrpc: '2.0', id, result } : { jsonrpc: '2.0', id, error: { code: -32601, message: 'no such method' } },
    );
  });
  onTestFinished(() => server.close({ grace: 0 }));
  return `${server.url}/mcp`;
}

it.each([undefined, 'auto'] as const)('of a call (protocol %s)', async (protocol) => {
  for (const content of WRONG) {
    const url = await raw([content].flat());
    await using({ url, name: 'odd', ...(protocol && { protocol }) }, async ({ call }) => {
      await expect(call('lend'), JSON.stringify(content)).rejects.toMatchObject({ name: 'ToolError', code: 'MCP_BAD_RESULT' });
    });
  }
});

it.each([undefined, 'auto'] as const)('of a list of tools (protocol %s)', async (protocol) => {
  for (const tools of [null, 'x', {}, [null], ['x'], [{ name: 7 }], [{ name: 'a', inputSchema: 'x' }]]) {
    const url = await raw([], tools);
    await expect(
      using({ url, name: 'odd', ...(protocol && { protocol }) }, async () => undefined),
      JSON.stringify(tools),
    ).rejects.toMatchObject({
      name: 'ToolError',
      code: 'MCP_UNAVAILABLE',
    });
  }
});

const context = { signal: new AbortController().signal } as ToolContext;
const opened = (asked?: ToolContext['asked']) =>
  new OpenCall({ server: 'odd', tool: 'lend', effect: 'read', ctx: { ...context, ...(asked && { asked }) }, answering: () => ({ a: 1 }) });

it('questions whose keys are names of an object are asked like others', async () => {
  for (const key of ['constructor', '__proto__', 'toString']) {
    const sent: unknown[] = [];
    const inputRequests = Object.fromEntries([[key, { method: 'elicitation/create', params: { message: 'Which?' } }]]);
    await opened().answered(async (more) => {
      sent.push(more.inputResponses);
      return sent.length === 1 ? { resultType: 'input_required', inputRequests } : { content: [] };
    });
    expect(Object.entries(sent[1] as object)).toEqual([[key, { action: 'accept', content: { a: 1 } }]]);
  }
});

it('questions that are none are an error of the server', async () => {
  for (const inputRequests of [null, 'x', { a: null }, { a: 'x' }, { a: {} }, { a: { method: 7 } }])
    await expect(
      opened().answered(async () => ({ resultType: 'input_required', inputRequests }) as never),
      JSON.stringify(inputRequests),
    ).rejects.toMatchObject({ name: 'ToolError', code: 'MCP_BAD_RESULT' });
});

it('what another version of the program left with a call is not taken for answers', async () => {
  for (const state of ['x', { answers: [] }, { answers: {}, pending: 'a' }, { answers: {}, pending: 'a', questions: 'x' }, null]) {
    const sent: unknown[] = [];
    await opened({ answer: { a: 1 }, state } as never).answered(async (more) => {
      sent.push(more);
      return { content: [] };
    });
    expect(sent, JSON.stringify(state)).toEqual([{}]);
  }
});
