/** Wrong params of a request are the caller's fault: -32602 and the member, in every revision, and no text of a library. */
import { expect, onTestFinished, test, vi } from 'vitest';
import { gatewayHandler, type McpHandlerOptions, mcpHandler } from '../../src/adapters/mcp/index.ts';
import { agent, Engine } from '../../src/index.ts';
import type { Handler } from '../../src/server/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { sourceOf } from './served.ts';

const materials: McpHandlerOptions = {
  auth: 'none',
  resources: [{ uri: 'book:///1', name: 'one', read: () => 'A book.' }],
  prompts: [{ name: 'greet', arguments: { who: { complete: () => [] } }, get: () => 'Hello.' }],
};
const begin = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } };
const argument = { name: 'who', value: 'a' };

const TASK = 'io.modelcontextprotocol/related-task';

type Wrong = readonly [method: string, params: unknown, message: string];
const EVERYWHERE: readonly Wrong[] = [
  ['tools/list', { cursor: 7 }, '"cursor" is not of the type string'],
  ['tools/call', {}, '"name" is missing'],
  ['tools/call', { name: 7 }, '"name" is not of the type string'],
  ['tools/call', { name: 'x', arguments: ['a'] }, '"arguments" is not of the type object'],
  ['tools/call', { name: 'x', _meta: 7 }, '"_meta" is not of the type object'],
  ['tools/call', { name: 'x', _meta: { progressToken: {} } }, '"_meta.progressToken" is not valid'],
  ['tools/call', { name: 'x', _meta: { [TASK]: 7 } }, `"_meta.${TASK}" is not of the type object`],
  ['tools/call', { name: 'x', _meta: { [TASK]: null } }, `"_meta.${TASK}" is not of the type object`],
  ['tools/call', { name: 'x', _meta: { [TASK]: {} } }, `"_meta.${TASK}.taskId" is missing`],
  ['tools/list', { _meta: { [TASK]: { taskId: 7 } } }, `"_meta.${TASK}.taskId" is not of the type string`],
  ['resources/list', { cursor: {} }, '"cursor" is not of the type string'],
  ['resources/templates/list', { cursor: null }, '"cursor" is not of the type string'],
  ['resources/read', {}, '"uri" is missing'],
  ['resources/read', { uri: ['a'] }, '"uri" is not of the type string'],
  ['prompts/list', { cursor: true }, '"cursor" is not of the type string'],
  ['prompts/get', {}, '"name" is missing'],
  ['prompts/get', { name: 'greet', arguments: { who: 1 } }, '"arguments.who" is not of the type string'],
  ['prompts/get', { name: 'greet', arguments: { ['w'.repeat(500)]: 1 } }, `"arguments.${'w'.repeat(90)}" is not of the type string`],
  ['completion/complete', { argument }, '"ref" is missing'],
  ['completion/complete', { ref: { type: 'ref/none' }, argument }, '"ref" is not valid'],
  [
    'completion/complete',
    { ref: { type: 'ref/prompt', name: 'greet' }, argument: { name: 'who', value: 1 } },
    '"argument.value" is not of the type string',
  ],
  ['tools/list', [], '"params" is not of the type object'],
  ['tools/list', 'all', '"params" is not of the type object'],
];
const BEFORE_2026: readonly Wrong[] = [
  ['tools/call', undefined, '"params" is missing'],
  ['initialize', undefined, '"params" is missing'],
  ['initialize', { ...begin, protocolVersion: undefined }, '"protocolVersion" is missing'],
  ['initialize', { ...begin, capabilities: 7 }, '"capabilities" is not of the type object'],
  ['initialize', { ...begin, clientInfo: { name: 'test' } }, '"clientInfo.version" is missing'],
];
const OF_SESSIONS: readonly Wrong[] = [
  ['logging/setLevel', { level: 'loud' }, '"level" is one of debug, info, notice, warning, error, critical, alert, emergency'],
  ['resources/subscribe', {}, '"uri" is missing'],
  ['resources/unsubscribe', { uri: 1 }, '"uri" is not of the type string'],
];

const META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
};
const isPlain = (params: unknown): params is { _meta?: unknown } => typeof params === 'object' && params !== null && !Array.isArray(params);

/** Sends requests as they are. */
function sender(handler: Handler, headers: Record<string, string> = {}) {
  // biome-ignore lint/suspicious/noExplicitAny: what the tests look into
  return async (body: object): Promise<{ session: string | null; messages: any[] }> => {
    const response = await handler(
      new Request('http://localhost/mcp', {
        method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
        body: JSON.stringify(body),
      }),
    );
    const text = await response.text();
    const lines = text.startsWith('{') ? [text] : [...text.matchAll(/^data: (\{.*)$/gm)].map(([, data]) => data as string);
    return { session: response.headers.get('mcp-session-id'), messages: lines.map((line) => JSON.parse(line)) };
  };
}

const servers = {
  'of agents': (o: McpHandlerOptions) => mcpHandler(engine(), agent({ name: 'x', instructions: '', model: scripted(() => 'done') }), o),
  'of a gateway': (o: McpHandlerOptions) => gatewayHandler(engine(), sourceOf('shop', []), o),
};
function engine(): Engine {
  const made = new Engine();
  onTestFinished(() => made.close());
  return made;
}
const refusal = (id: number, message: string) => ({ jsonrpc: '2.0', id, error: { code: -32602, message: `Invalid params: ${message}.` } });

test.each(Object.entries(servers))('a server %s refuses wrong params, with and without sessions', async (_, server) => {
  const plain = sender(server(materials));
  for (const [method, params, message] of [...EVERYWHERE, ...BEFORE_2026])
    expect((await plain({ jsonrpc: '2.0', id: 1, method, params })).messages, method).toEqual([refusal(1, message)]);

  const handler = server({ ...materials, sessions: true });
  const { session } = await sender(handler)({ jsonrpc: '2.0', id: 0, method: 'initialize', params: begin });
  const inSession = sender(handler, { 'mcp-session-id': session as string, 'mcp-protocol-version': '2025-11-25' });
  for (const [method, params, message] of [...EVERYWHERE, ...BEFORE_2026, ...OF_SESSIONS]) {
    const send = method === 'initialize' ? sender(handler) : inSession;
    const answer = await send({ jsonrpc: '2.0', id: 1, method, params });
    expect(answer.messages, method).toEqual([refusal(1, message)]);
    // an initialization that was refused began nothing
    if (method === 'initialize') expect(answer.session).toBe(null);
  }
  expect((await inSession({ jsonrpc: '2.0', id: 2, method: 'logging/setLevel', params: { level: 'debug' } })).messages).toMatchObject([
    { result: {} },
  ]);
});

test.each(Object.entries(servers))('a server %s refuses wrong params of 2026-07-28', async (_, server) => {
  const handler = server(materials);
  const send = (method: string, params: unknown) => {
    const named = isPlain(params) ? (params as { name?: unknown; uri?: unknown }) : {};
    const name = named.name ?? named.uri;
    const headers = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': method, ...(name !== undefined && { 'mcp-name': String(name) }) };
    const meta = isPlain(params) && isPlain(params._meta ?? {}) ? { ...META, ...(params._meta as object) } : undefined;
    return sender(handler, headers)({ jsonrpc: '2.0', id: 1, method, params: meta ? { ...(params as object), _meta: meta } : params });
  };
  for (const [method, params, message] of EVERYWHERE) expect((await send(method, params)).messages, method).toEqual([refusal(1, message)]);
  expect((await send('tools/list', {})).messages).toMatchObject([{ result: {} }]);
  // a member of earlier revisions, which this one passes over
  expect(JSON.stringify((await send('tools/call', { name: 'none', task: 7 })).messages)).toMatch(/There is no tool/);
});

test('in a batch each request has its own answer', async () => {
  const list = { jsonrpc: '2.0', method: 'tools/list' };
  const { messages } = await sender(servers['of agents'](materials), { 'mcp-protocol-version': '2025-03-26' })([
    { ...list, id: 1, params: { cursor: 7 } },
    { ...list, id: 2 },
  ]);
  expect(messages).toContainEqual(refusal(1, '"cursor" is not of the type string'));
  expect(messages).toContainEqual(expect.objectContaining({ id: 2, result: { tools: [expect.objectContaining({ name: 'x' })] } }));
});

test('a method that is not offered stays unknown, whatever its params', async () => {
  const send = sender(servers['of agents']({ auth: 'none' }));
  for (const method of ['prompts/get', 'resources/read', 'completion/complete', 'logging/setLevel', 'none'])
    expect((await send({ jsonrpc: '2.0', id: 1, method, params: { name: 7 } })).messages).toMatchObject([
      { id: 1, error: { code: -32601 } },
    ]);
});

/** A server with sessions or without, and how a client of 2025-11-25 speaks to it. */
async function spokenTo(sessions: boolean) {
  const handler = servers['of agents']({ ...materials, sessions });
  const { session } = await sender(handler)({ jsonrpc: '2.0', id: 0, method: 'initialize', params: begin });
  const headers = { 'mcp-protocol-version': '2025-11-25', ...(session && { 'mcp-session-id': session }) };
  return { handler, headers, send: sender(handler, headers) };
}

test.each([false, true])('the wish for a task is passed over, with sessions: %s', async (sessions) => {
  const { send } = await spokenTo(sessions);
  for (const task of [{}, { ttl: 1_000 }, 7])
    expect(
      (await send({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'x', arguments: { prompt: 'hi' }, task } })).messages,
    ).toMatchObject([{ id: 1, result: { structuredContent: { output: 'done' } } }]);
});

test.each([false, true])("what a client does wrong is not in the operator's log, with sessions: %s", async (sessions) => {
  const warned = vi.spyOn(process, 'emitWarning');
  onTestFinished(() => warned.mockRestore());
  const { handler, headers, send } = await spokenTo(sessions);
  const answer = { jsonrpc: '2.0', id: 99, result: {} };
  const progress = { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 99, progress: 1 } };
  const cancelled = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: {} } };
  for (const body of [
    {},
    [],
    { jsonrpc: '1.0', id: 1, method: 'ping' },
    { jsonrpc: '2.0', id: {}, method: 'ping' },
    answer,
    progress,
    cancelled,
  ])
    await send(body);
  const status = async (method: string, own: Record<string, string>) => {
    const response = await handler(
      new Request('http://localhost/mcp', {
        method,
        headers: { 'content-type': 'application/json', ...headers, ...own },
        ...(method === 'POST' && { body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' }) }),
      }),
    );
    return response.status;
  };
  expect(await status('POST', { accept: 'text/html' })).toBe(406);
  if (sessions) expect(await status('GET', { accept: 'text/event-stream', 'last-event-id': 'none' })).toBe(400);
  expect((await send({ jsonrpc: '2.0', id: 2, method: 'ping' })).messages).toMatchObject([{ result: {} }]);
  expect(warned).not.toHaveBeenCalled();
});
