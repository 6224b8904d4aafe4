/** A server that closes answers the calls under way, ends all its streams, and cancels nothing. Nor does the end of a session. */
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { type McpHandlerOptions, mcpHandler } from '../../src/adapters/mcp/index.ts';
import { Engine } from '../../src/index.ts';
import { listen } from '../../src/server/index.ts';
import { all } from '../kit/journals.ts';
import { until } from '../kit/time.ts';
import { held } from '../server/held.ts';

beforeEach(() => void vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined));
afterEach(() => void vi.restoreAllMocks());

const OLD = { 'mcp-protocol-version': '2025-11-25' };
const NEW = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'looker' };
const META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'raw', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
};

async function serving(o: McpHandlerOptions) {
  const { agent, begun, finish } = held();
  const engine = new Engine();
  const server = await listen(mcpHandler(engine, agent, o));
  onTestFinished(async () => {
    await server.close({ grace: 0 });
    await engine.close();
  });
  const asked = (method: string, headers: Record<string, string>, body?: object) =>
    fetch(`${server.url}/mcp`, {
      method,
      headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
      ...(body && { body: JSON.stringify({ jsonrpc: '2.0', id: 7, ...body }) }),
    });
  const calling = { method: 'tools/call', params: { name: agent.name, arguments: { prompt: 'go' } } };
  const statuses = async () => (await all(engine.runs({ by: { id: 'anonymous' } }))).map(({ status }) => status);
  return { agent, begun, finish, server, asked, calling, statuses };
}

const CLOSES = /"code":-32000,"message":"The server closes. Send the request again."/;

test.each(['2025-11-25', '2026-07-28'])('a call over %s is answered, and its run goes on', async (version) => {
  const { agent, begun, finish, server, asked, calling, statuses } = await serving({});
  const { params } = calling;
  const call =
    version === '2025-11-25'
      ? asked('POST', OLD, calling)
      : asked('POST', { ...NEW, 'mcp-name': agent.name }, { ...calling, params: { ...params, _meta: META } });
  await begun;
  // without an answer, the connection would stay until the test fails
  await server.close({ grace: 200_000 });
  expect(await (await call).text()).toMatch(CLOSES);
  finish('seen');
  await until(async () => (await statuses())[0] === 'completed');
  expect(process.emitWarning).not.toHaveBeenCalled();
});

/** The headers of a session that has begun. */
async function begunSession(asked: Awaited<ReturnType<typeof serving>>['asked']): Promise<Record<string, string>> {
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'raw', version: '1' } };
  const first = await asked('POST', OLD, { method: 'initialize', params });
  await first.text();
  return { ...OLD, 'mcp-session-id': first.headers.get('mcp-session-id') ?? '' };
}

test('a session ends, with its call and with the stream of messages of the server', async () => {
  const { begun, finish, server, asked, calling, statuses } = await serving({ sessions: true });
  const own = await begunSession(asked);
  const heard = await asked('GET', own);
  const call = await asked('POST', own, calling);
  await begun;
  await server.close({ grace: 200_000 });
  expect(await call.text()).toMatch(CLOSES);
  expect(await heard.text()).not.toContain('error');
  finish('seen');
  await until(async () => (await statuses())[0] === 'completed');
});

test('a run goes on when the client ends the session of its call', async () => {
  const { begun, finish, asked, calling, statuses } = await serving({ sessions: true });
  const own = await begunSession(asked);
  const call = await asked('POST', own, calling);
  await begun;
  expect((await asked('DELETE', own)).status).toBe(200);
  await call.text();
  finish('seen');
  await until(async () => (await statuses())[0] !== 'running');
  expect(await statuses()).toEqual(['completed']);
});
