/** Answers of a server whose shape is wrong: each is an error with a code, never a TypeError, and never a part in the journal that is none. */
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { CallToolRequestSchema, GetPromptRequestSchema, ListToolsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { expect, it, onTestFinished, vi } from 'vitest';
import { mcpTools } from '../../src/adapters/mcp/index.ts';
import { OpenCall } from '../../src/adapters/mcp/open-call.ts';
import { NeedsPerson } from '../../src/errors.ts';
import type { Json } from '../../src/json.ts';
import { isObject } from '../../src/json-schema/keywords.ts';
import { definition } from '../../src/loop/tools/tool.ts';
import type { Tool, ToolContext } from '../../src/ports/tool.ts';
import { listen } from '../../src/server/index.ts';
import { serveWith } from './http.ts';
import { toModel, using } from './support.ts';

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
async function raw(answers: { readonly [method: string]: unknown }) {
  const about = { capabilities: { tools: {}, resources: {}, prompts: {}, completions: {} }, serverInfo: { name: 'odd', version: '1' } };
  const calls: string[] = [];
  const results: { readonly [method: string]: unknown } = {
    'server/discover': { supportedVersions: ['2026-07-28'], ...about },
    'tools/list': { tools: [{ name: 'lend', inputSchema: { type: 'object' } }] },
    ...answers,
  };
  const server = await listen(async (request) => {
    if (request.method !== 'POST') return new Response(null, { status: 405 });
    const { id, method, params } = (await request.json()) as { id?: number; method: string; params: { protocolVersion?: string } };
    if (id === undefined) return new Response(null, { status: 202 });
    calls.push(method);
    const { protocolVersion } = params ?? {};
    const made = method === 'initialize' ? { protocolVersion, ...about } : results[method];
    const isNew = request.headers.get('mcp-protocol-version') === '2026-07-28';
    const result = isNew && isObject(made) ? { resultType: 'complete', ttlMs: 0, cacheScope: 'private', ...made } : made;
    return Response.json(
      result === undefined ? { jsonrpc: '2.0', id, error: { code: -32601, message: 'no such method' } } : { jsonrpc: '2.0', id, result },
    );
  });
  onTestFinished(() => server.close({ grace: 0 }));
  return { url: `${server.url}/mcp`, calls };
}

/** One way to speak each revision, and the way from one to the other. */
const PROTOCOLS = ['2025-11-25', 'auto', '2026-07-28'] as const;
const BAD = { name: 'ToolError', code: 'MCP_BAD_RESULT' };
const pass = ['resources', 'prompts', 'completions'] as const;

const READ: readonly [string, object, readonly unknown[]][] = [
  [
    'resources/read',
    { uri: 'a:b' },
    [
      null,
      [],
      ...[null, 'x', [null], [{}], [{ uri: 7, text: 'x' }], [{ uri: 'a:b' }], [{ uri: 'a:b', text: 7 }], [{ uri: 'a:b', blob: null }]].map(
        (contents) => ({ contents }),
      ),
    ],
  ],
  [
    'prompts/get',
    { name: 'p' },
    [
      ...[null, 'x', [null], [{}]].map((messages) => ({ messages })),
      ...WRONG.map((content) => ({ messages: [{ role: 'user', content }] })),
    ],
  ],
  [
    'completion/complete',
    { ref: { type: 'ref/prompt', name: 'p' }, argument: { name: 'a', value: '' } },
    [null, 'x', {}, { values: null }, { values: [7] }, { values: [null] }].map((completion) => ({ completion })),
  ],
];

it.each(PROTOCOLS)('of what is passed on (protocol %s)', async (protocol) => {
  for (const [method, input, answers] of READ)
    for (const answer of answers) {
      const { url } = await raw({ [method]: answer });
      await using({ url, name: 'odd', pass, protocol }, async ({ materials }) => {
        const reader = definition((await materials?.tools())?.find(({ name }) => name === method) as Tool);
        await expect(reader.options.execute(input as Json, context), JSON.stringify(answer)).rejects.toMatchObject(BAD);
      });
    }
});

it.each(PROTOCOLS)('of a resource for the input of a run (protocol %s)', async (protocol) => {
  for (const answer of READ[0]?.[2] ?? []) {
    const { url } = await raw({ 'resources/read': answer });
    await expect(mcpTools({ url, name: 'odd', protocol }).resource('a:b'), JSON.stringify(answer)).rejects.toMatchObject(BAD);
  }
});

it.each(PROTOCOLS)('of a list that is passed on (protocol %s)', async (protocol) => {
  const lists = [
    ['resources', 'resources/list', 'resources', [null, 'x', [null], [{}], [{ uri: 7, name: 'n' }], [{ uri: 'a:b' }]]],
    ['templates', 'resources/templates/list', 'resourceTemplates', [null, 'x', [null], [{}], [{ uriTemplate: 'a:{b}' }]]],
    [
      'prompts',
      'prompts/list',
      'prompts',
      [null, 'x', [null], [{}], [{ name: 7 }], ...[null, 'x', [null], [{}]].map((given) => [{ name: 'n', arguments: given }])],
    ],
  ] as const;
  for (const [list, method, key, answers] of lists)
    for (const answer of answers) {
      const { url } = await raw({ [method]: { [key]: answer } });
      await using({ url, name: 'odd', pass, protocol }, async ({ materials }) => {
        await expect(materials?.[list](context), JSON.stringify([method, answer])).rejects.toMatchObject(BAD);
      });
    }
});

it('a list that is passed on ends where its pages lead back', async () => {
  const { url, calls } = await raw({ 'prompts/list': { prompts: [{ name: 'p' }], nextCursor: 'again' } });
  await using({ url, name: 'odd', pass }, async ({ materials }) => {
    expect(await materials?.prompts(context)).toEqual([{ name: 'p' }, { name: 'p' }]);
  });
  expect(calls.filter((method) => method === 'prompts/list')).toHaveLength(2);
});

it('structured content that is a list is not taken for parts', async () => {
  const structuredContent = [{ a: 1 }];
  for (const content of [[], [{ type: 'text', text: '[{"a":1}]' }]]) {
    const { url } = await raw({ 'tools/call': { content, structuredContent } });
    await using({ url, name: 'odd', protocol: '2026-07-28' }, async ({ tools, call }) => {
      expect(toModel(tools, 'lend', await call('lend')), JSON.stringify(content)).toBe('[{"a":1}]');
    });
    await using({ url, name: 'odd' }, async ({ call }) => {
      await expect(call('lend')).rejects.toMatchObject(BAD);
    });
  }
});

it('a server of 2025-11-25 does not end a call with questions: it is not called again', async () => {
  const { url, calls } = await raw({ 'tools/call': { content: [{ type: 'text', text: 'done' }], resultType: 'input_required' } });
  await using({ url, name: 'odd' }, async ({ call }) => expect(await call('lend')).toBe('done'));
  expect(calls.filter((method) => method === 'tools/call')).toHaveLength(1);
});

it.each([undefined, 'auto'] as const)('of a call (protocol %s)', async (protocol) => {
  for (const content of WRONG) {
    const { url } = await raw({ 'tools/call': { content: [content].flat() } });
    await using({ url, name: 'odd', ...(protocol && { protocol }) }, async ({ call }) => {
      await expect(call('lend'), JSON.stringify(content)).rejects.toMatchObject({ name: 'ToolError', code: 'MCP_BAD_RESULT' });
    });
  }
});

it.each([undefined, 'auto'] as const)('of a list of tools (protocol %s)', async (protocol) => {
  for (const tools of [null, 'x', {}, [null], ['x'], [{ name: 7 }], [{ name: 'a', inputSchema: 'x' }]]) {
    const { url } = await raw({ 'tools/list': { tools } });
    await expect(
      using({ url, name: 'odd', ...(protocol && { protocol }) }, async () => undefined),
      JSON.stringify(tools),
    ).rejects.toMatchObject({
      name: 'ToolError',
      code: 'MCP_UNAVAILABLE',
    });
  }
});

it.each([undefined, 'auto'] as const)(
  'of one tool of a list: the others are there, and a warning says which and why (protocol %s)',
  async (protocol) => {
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const lend = { name: 'lend', inputSchema: { type: 'object' } };
    const WRONG_TOOLS: readonly [unknown, RegExp][] = [
      [{ name: 'odd', inputSchema: {} }, /"odd": its declaration does not fit MCP, at inputSchema\.type: /],
      [{ name: 'odd', inputSchema: { type: 'object' }, description: 7 }, /"odd": its declaration does not fit MCP, at description: /],
      [{ name: 'odd', inputSchema: { type: 'object' }, annotations: 'x' }, /"odd": .* at annotations: /],
      [{ inputSchema: { type: 'object' } }, /"\(without a name\)": .* at name: /],
      [null, /"\(without a name\)": .* at its top: /],
    ];
    for (const [odd, why] of WRONG_TOOLS) {
      const { url } = await raw({ 'tools/list': { tools: [odd, lend, odd] } });
      await using({ url, name: 'shop', ...(protocol && { protocol }) }, async ({ tools }) =>
        expect(tools.map(({ name }) => name)).toEqual(['lend']),
      );
      expect(warned.mock.calls).toEqual([[expect.stringMatching(why), 'RondoWarning']]);
      warned.mockClear();
      await expect(
        using({ url, name: 'shop', allow: ['odd', 'lend'], ...(protocol && { protocol }) }, async () => {}),
      ).rejects.toMatchObject({
        code: 'CONFIG_INVALID',
      });
    }
    warned.mockRestore();
  },
);

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
    ).rejects.toMatchObject(BAD);
  await expect(opened().answered(async () => ({ resultType: 'input_required', requestState: 7 }) as never)).rejects.toMatchObject(BAD);
});

it('an application that fails to answer at once has a person asked', async () => {
  const answering = () => {
    throw new Error('no terminal');
  };
  const call = new OpenCall({ server: 'odd', tool: 'lend', effect: 'read', ctx: context, answering });
  const params = { message: 'Which?', requestedSchema: { type: 'object', properties: {} } };
  const inputRequests = { a: { method: 'elicitation/create', params } };
  await expect(call.answered(async () => ({ resultType: 'input_required', inputRequests }))).rejects.toSatisfy(NeedsPerson.is);
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
