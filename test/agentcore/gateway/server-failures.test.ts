/** An MCP server behind a gateway that fails: the client is told nothing of where it is, and the log all. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { connected, textOf, withGateway } from './kit.ts';

const ENDPOINT = 'https://tools.example/mcp';
const OPAQUE = 'An internal error occurred. Please retry later.';

interface Rpc {
  id?: number;
  method: string;
}
type Answers = (rpc: Rpc, response: ServerResponse, request: IncomingMessage) => boolean | undefined;

/** A server without an SDK. `fails` answers in its place, or is silent, where it returns true. */
async function failing() {
  const state = { fails: undefined as Answers | undefined, calls: 0 };
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    if (request.method !== 'POST') return void response.writeHead(405).end();
    const rpc = JSON.parse(text) as Rpc;
    if (rpc.method === 'tools/call') state.calls++;
    if (state.fails?.(rpc, response, request)) return;
    if (rpc.id === undefined) return void response.writeHead(202).end();
    const results: { [method: string]: object } = {
      initialize: { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'tools', version: '1' } },
      'tools/list': { tools: [{ name: 'pay', inputSchema: { type: 'object' } }] },
      'tools/call': { content: [{ type: 'text', text: 'paid' }] },
    };
    const result = results[rpc.method];
    const answer = result ? { result } : { error: { code: -32_601, message: 'no such method' } };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', id: rpc.id, ...answer }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close().closeAllConnections());
  const { port } = server.address() as AddressInfo;
  return { state, port, bindings: { [`url:${ENDPOINT}`]: `http://127.0.0.1:${port}/mcp` } as const };
}

async function called(o: { debug?: boolean; listingMode?: 'DEFAULT' | 'DYNAMIC' } = {}) {
  const { state, port, bindings } = await failing();
  const { url, target, server } = await withGateway(
    { authorizerType: 'NONE', ...(o.debug && { exceptionLevel: 'DEBUG' as const }) },
    { bindings },
  );
  const { listingMode = 'DEFAULT' } = o;
  const made = await target({ name: 'T', targetConfiguration: { mcp: { mcpServer: { endpoint: ENDPOINT, listingMode } } } });
  expect(made).toMatchObject({ status: 'READY' });
  const client = await connected(url, { fetch });
  // the gateway gives up before its client does
  const call = async () => textOf(await client.callTool({ name: 'T___pay', arguments: {} }, undefined, { timeout: 3_600_000 }));
  const rule = (operation = 'InvokeGateway tools/call') => server.calls().findLast((one) => one.operation === operation)?.rule;
  return { state, port, client, call, rule };
}

const onCall =
  (act: (response: ServerResponse, request: IncomingMessage) => void): Answers =>
  ({ method }, response, request) => {
    if (method !== 'tools/call') return undefined;
    act(response, request);
    return true;
  };
const refusing: Answers = (_, response) => {
  response.writeHead(401, { 'www-authenticate': 'Bearer realm="db-7"' }).end('hunter2');
  return true;
};

afterEach(() => void vi.useRealTimers());

test.each<[string, Answers, string]>([
  [
    'dies in the middle of a call',
    onCall((response, request) =>
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': \n\n', () => request.socket.destroy()),
    ),
    'went away',
  ],
  ['answers 401', refusing, '401'],
  ['answers a page', onCall((response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>')), 'not MCP'],
])('a server that %s: the client is not told where it is, and the log why', async (_, fails, why) => {
  const { state, call, rule } = await called();
  expect(await call()).toBe('paid');
  state.fails = fails;
  const told = [await call(), await call()];
  expect(told).toEqual([OPAQUE, OPAQUE]);
  expect(rule()).toContain(why);
  state.fails = undefined;
  expect(await call()).toBe('paid');
  expect(rule()).toBeUndefined();
});

test('with the exceptionLevel DEBUG the client is told too', async () => {
  const { state, call, rule } = await called({ debug: true });
  state.fails = refusing;
  expect(await call()).toContain('401');
  expect(rule()).toContain('401');
});

test('a server that never answers its handshake', async () => {
  const { state, call, rule } = await called();
  let asked = 0;
  state.fails = () => {
    asked++;
    return true;
  };
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  let over = false;
  const calling = call().finally(() => {
    over = true;
  });
  await vi.waitFor(() => expect(asked).toBeGreaterThan(0));
  while (!over) {
    vi.advanceTimersByTime(10_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  vi.useRealTimers();
  expect(await calling).toBe(OPAQUE);
  expect(rule()).toContain('did not answer in time');
});

test.each<[string, object, string]>([
  ['a result of its own that is an error', { result: { content: [{ type: 'text', text: 'no funds' }], isError: true } }, 'no funds'],
  ['an error of JSON-RPC', { error: { code: -32_000, message: 'closed on sundays' } }, 'closed on sundays'],
])('%s is told, and logged', async (_, answer, text) => {
  const { state, call, rule } = await called();
  state.fails = ({ id, method }, response) => {
    if (method !== 'tools/call') return undefined;
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', id, ...answer }));
    return true;
  };
  expect(await call()).toContain(text);
  expect(rule()).toContain(text);
  expect(state.calls).toBe(1);
});

test('a server that is listed each time and fails: its tools are not there, and the log says why', async () => {
  const { state, client, rule, port } = await called({ listingMode: 'DYNAMIC' });
  expect((await client.listTools()).tools).toHaveLength(1);
  const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  onTestFinished(() => warned.mockRestore());
  state.fails = refusing;
  const listed = await client.listTools().then(
    ({ tools }) => JSON.stringify(tools),
    (error: Error) => error.message,
  );
  expect(listed).not.toContain(String(port));
  expect(rule('InvokeGateway tools/list')).toContain('401');
  expect(String(warned.mock.calls)).toContain('401');
});
