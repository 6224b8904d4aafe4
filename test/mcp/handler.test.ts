import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { z } from 'zod';
import { type McpHandlerOptions, mcpHandler, mcpTools } from '../../src/adapters/mcp/index.ts';
import { type Agent, agent, Engine, graph, type Principal } from '../../src/index.ts';
import { bearer, listen } from '../../src/server/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { obedient } from '../ag-ui/agents.ts';
import { all } from '../kit/journals.ts';
import { ends, refused } from '../kit/runs.ts';
import { until } from '../kit/time.ts';
import { held } from '../server/held.ts';
import { raw } from '../server/http.ts';

beforeEach(() => void vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined));
afterEach(() => void vi.restoreAllMocks());

const people: Record<string, Principal> = { ana: { id: 'ana' }, ben: { id: 'ben', roles: ['lead'] } };
const auth = bearer({ verify: (token) => people[token] });

async function serving(agents: Agent | readonly Agent[], o: McpHandlerOptions = {}) {
  const engine = new Engine();
  const server = await listen(mcpHandler(engine, agents, o));
  onTestFinished(async () => {
    // a connection of a client that has left may stay open for seconds
    await server.close({ grace: 0 });
    await engine.close();
  });
  return { engine, url: `${server.url}/mcp`, port: server.port };
}

/** The SDK's client, unmodified. */
async function connected(url: string, o: { token?: string; headers?: Record<string, string>; sessionId?: string } = {}): Promise<Client> {
  const headers = { ...(o.token && { authorization: `Bearer ${o.token}` }), ...o.headers };
  const client = new Client({ name: 'test', version: '1' });
  await client.connect(
    new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers }, ...(o.sessionId && { sessionId: o.sessionId }) }),
  );
  onTestFinished(() => client.close());
  return client;
}

const call = async (client: Client, name: string, args: object, meta?: object): Promise<CallToolResult> =>
  (await client.callTool({ name, arguments: { ...args }, ...(meta && { _meta: { ...meta } }) })) as CallToolResult;
const said = ({ content }: CallToolResult) => content.map((part) => (part.type === 'text' ? part.text : '')).join('');
// biome-ignore lint/suspicious/noExplicitAny: what the tests look into
const data = (result: CallToolResult): any => result.structuredContent;

test('a call without its prompt is told which field is missing', async () => {
  const { url } = await serving(agent({ name: 'desk', instructions: '', model: scripted([]) }));
  const result = await call(await connected(url), 'desk', { message: 'hello' });
  expect(result.isError).toBe(true);
  expect(said(result)).toContain('"prompt" is missing');
});

describe('the official client', () => {
  test('finds each agent as a tool with its input, and calls it', async () => {
    const sum = graph({
      name: 'sum',
      description: 'Adds',
      state: z.object({ a: z.number(), b: z.number() }),
      nodes: { add: ({ a, b }) => ({ a: a + b }) },
      edges: { start: 'add', add: 'end' },
      output: ({ a }) => a,
    });
    const { url } = await serving([obedient().clerk, sum]);
    const client = await connected(url);
    const { tools } = await client.listTools();
    expect(tools.map((t) => t.name)).toEqual(['clerk', 'sum']);
    expect(tools[0]?.inputSchema).toMatchObject({ type: 'object', required: ['prompt'] });
    expect(tools[1]).toMatchObject({ description: 'Adds', inputSchema: { properties: { a: { type: 'number' } } } });
    const first = await call(client, 'clerk', { prompt: 'hello' });
    expect([said(first), first.isError, data(first)]).toEqual([
      'You said: hello',
      undefined,
      { status: 'completed', session: expect.stringMatching(/^mcp-/), output: 'You said: hello' },
    ]);
    expect(said(await call(client, 'clerk', { prompt: 'history', session: data(first).session }))).toBe('2 of the user');
    expect(said(await call(client, 'clerk', { prompt: 'history' }))).toBe('1 of the user');
    expect(data(await call(client, 'sum', { a: 1, b: 2 }))).toMatchObject({ output: 3 });
  });

  test('is served with a session id that the server did not issue, as a platform adds it', async () => {
    const { url } = await serving(obedient().clerk);
    const added = await connected(url, { headers: { 'mcp-session-id': 'issued-by-the-platform-0123456789abcdef' } });
    expect(said(await call(added, 'clerk', { prompt: 'hello' }))).toBe('You said: hello');
    // a client that goes on in a session of another process initializes nothing
    const resumed = await connected(url, { sessionId: 'issued-by-another-process' });
    expect((await resumed.listTools()).tools).toHaveLength(1);
    expect(said(await call(resumed, 'clerk', { prompt: 'hello' }))).toBe('You said: hello');
  });

  test('hears of progress if it asks for it', async () => {
    const { url } = await serving(obedient().clerk);
    const client = await connected(url);
    const heard: string[] = [];
    const request = { name: 'clerk', arguments: { prompt: 'call pay {"to":"me","cents":5}' } };
    await client.callTool(request, undefined, { onprogress: ({ message }) => heard.push(message ?? '') });
    expect(heard).toEqual(['clerk: step 1', 'clerk calls pay', 'clerk: step 2']);
  });

  test('sends a call twice and the agent runs once; our own client does so by itself', async () => {
    const { clerk, paid } = obedient();
    const { url } = await serving(clerk);
    const client = await connected(url);
    const meta = { 'rondo/idempotency-key': 'k1' };
    const args = { prompt: 'call pay {"to":"me","cents":5}' };
    const first = await call(client, 'clerk', args, meta);
    expect(await call(client, 'clerk', args, meta)).toEqual(first);
    expect(paid).toHaveLength(1);
    await using engine = new Engine();
    const model = scripted(({ messages }) => (messages.at(-1)?.role === 'tool' ? 'ok' : { toolCalls: [{ name: 'clerk', input: args }] }));
    const desk = agent({ name: 'desk', instructions: '', model, tools: [mcpTools({ url })] });
    await ends(engine.run(desk, 'go'), 'completed');
    expect(paid).toHaveLength(2);
  });

  test.each(['2025-11-25', '2026-07-28'] as const)(
    'a model that calls by mcpTools() does not approve its own call, over %s',
    async (protocol) => {
      const { clerk, paid } = obedient();
      const { url } = await serving(clerk, { auth, elicit: false });
      const offered: string[][] = [];
      const answered: string[] = [];
      const model = scripted(({ messages, tools }) => {
        offered.push(tools.map(({ name }) => name));
        if (messages.at(-1)?.role !== 'tool')
          return { toolCalls: [{ name: 'clerk', input: { prompt: 'call pay {"to":"eve","cents":5}' } }] };
        answered.push(JSON.stringify(messages.at(-1)));
        return 'It waits.';
      });
      await using engine = new Engine();
      const calling = async (allow?: string[]) => {
        const tools = [mcpTools({ url, protocol, headers: { authorization: 'Bearer ana' }, ...(allow && { allow }) })];
        await ends(engine.run(agent({ name: `desk${allow?.length ?? ''}`, instructions: '', model, tools }), 'go'), 'completed');
      };
      await calling();
      expect([offered[0], paid]).toEqual([['clerk'], []]);
      expect(answered[0]).toMatch(/A person answers, not the model.*ap_/s);
      await calling(['clerk', 'decide']);
      expect(offered.at(-1)).toEqual(['clerk', 'decide']);
    },
  );

  test('leaves, and the run goes on; with cancelOnDisconnect it is cancelled', async () => {
    for (const cancelOnDisconnect of [false, true]) {
      const { agent: looking, begun, finish } = held();
      const { url, engine } = await serving(looking, { cancelOnDisconnect });
      const client = await connected(url);
      const gone = call(client, looking.name, { prompt: 'go' }).catch(() => undefined);
      await begun;
      await client.close();
      await gone;
      const run = async () => (await all(engine.runs({ by: { id: 'anonymous' } })))[0];
      if (!cancelOnDisconnect) finish('seen');
      const ended = await until(async () => {
        const newest = await run();
        return newest?.status === 'running' ? undefined : newest;
      });
      expect(ended.status).toBe(cancelOnDisconnect ? 'cancelled' : 'completed');
    }
  });
});

describe('an approval', () => {
  const order = { prompt: 'call pay {"to":"boss","cents":500}' };

  test('pauses the call, which says how to decide; decide is of the authenticated caller', async () => {
    const { clerk, paid } = obedient();
    const { url } = await serving(clerk, { auth });
    const [ana, ben] = [await connected(url, { token: 'ana' }), await connected(url, { token: 'ben' })];
    expect((await ana.listTools()).tools.map((t) => t.name)).toEqual(['clerk', 'decide']);
    const paused = await call(ana, 'clerk', order);
    const { status, session, approvals } = data(paused);
    expect([status, approvals]).toEqual(['paused', [expect.objectContaining({ tool: 'pay', input: { to: 'boss', cents: 500 } })]]);
    expect(said(paused)).toContain(`${approvals[0].id}: may clerk call pay with {"to":"boss","cents":500}? (money to boss)`);
    expect(said(paused)).toContain('the tool decide');
    const decisions = [{ approval: approvals[0].id, type: 'edit', input: { to: 'boss', cents: 4 } }];
    const refusedCall = await call(ana, 'decide', { session, decisions });
    expect([refusedCall.isError, refusedCall._meta?.['rondo/error']]).toEqual([true, { code: 'NOT_PERMITTED', retryable: false }]);
    expect(paid).toEqual([]);
    const done = await call(ben, 'decide', { session, decisions });
    expect([said(done), data(done).status]).toEqual(['Done: paid 4 to boss', 'completed']);
    expect(paid).toEqual([{ to: 'boss', cents: 4 }]);
  });

  test('cannot be decided without authentication, nor by whom the application leaves out', async () => {
    const { clerk, paid } = obedient();
    const open = await connected((await serving(clerk)).url);
    const anyone = { prompt: 'call pay {"to":"eve","cents":5}' };
    expect((await open.listTools()).tools.map((t) => t.name)).toEqual(['clerk']);
    const paused = await call(open, 'clerk', anyone);
    expect(said(paused)).not.toContain('the tool decide');
    const decision = { session: data(paused).session, decisions: [{ approval: data(paused).approvals[0].id, type: 'approve' }] };
    expect((await call(open, 'decide', decision)).isError).toBe(true);
    const { url } = await serving(obedient().clerk, { auth, decide: ({ id }) => id === 'ben' });
    expect((await (await connected(url, { token: 'ana' })).listTools()).tools).toHaveLength(1);
    expect((await (await connected(url, { token: 'ben' })).listTools()).tools).toHaveLength(2);
    expect(paid).toEqual([]);
  });
});

describe('bad input', () => {
  test('a failure is told by its code, in the form that our own client reads', async () => {
    const { url } = await serving(obedient().clerk, { limits: { toolCalls: 0 } });
    const client = await connected(url);
    const cases: [string, object, string][] = [
      ['clerk', { prompt: 'call pay {"to":"me","cents":5}' }, 'LIMIT_TOOLCALLS'],
      ['clerk', { prompt: 'fail OOPS' }, 'OOPS'],
      ['clerk', {}, 'INPUT_REFUSED'],
      ['clerk', { prompt: 5 }, 'INPUT_REFUSED'],
      ['nothing', { prompt: 'x' }, 'AGENT_NOT_REGISTERED'],
    ];
    for (const [name, args, code] of cases) {
      const result = await call(client, name, args);
      expect([result.isError, result._meta?.['rondo/error']]).toMatchObject([true, { code }]);
    }
  });

  test('requests that are no MCP, of strangers, or of another host get an HTTP error', async () => {
    const { url } = await serving(obedient().clerk, { auth, maxBytes: 1_000 });
    const post = (body: string, headers: Record<string, string> = {}) =>
      fetch(url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          authorization: 'Bearer ana',
          ...headers,
        },
        body,
      });
    expect((await post('{}', { authorization: 'Bearer eve' })).status).toBe(401);
    expect((await post('{')).status).toBe(400);
    expect((await post('{"jsonrpc":"1.0"}')).status).toBe(400);
    expect((await post(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: { x: 'x'.repeat(2_000) } }))).status).toBe(
      413,
    );
    expect((await fetch(url, { headers: { authorization: 'Bearer ana' } })).status).toBe(405);
    const { port } = await serving(obedient().clerk);
    const head =
      'POST /mcp HTTP/1.1\r\nhost: evil.example\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}';
    expect(await raw(port, head)).toMatch(/^HTTP\/1.1 403/);
  });

  test('arguments that are of another type are refused with a code, and no operator is told', async () => {
    const { url } = await serving(obedient().clerk, { auth });
    const client = await connected(url, { token: 'ana' });
    const key = { 'rondo/idempotency-key': 'k1' };
    for (const session of [null, 7, '', {}, { id: 'x', shared: true }, 'x'.repeat(501)]) {
      const answer = await call(client, 'clerk', { prompt: 'hello', session }, key);
      expect(answer, JSON.stringify(session)).toMatchObject({ isError: true, _meta: { 'rondo/error': { code: 'INPUT_REFUSED' } } });
    }
    for (const agent of [null, 7, {}, { toString: 7 }, 'no-one'])
      expect(await call(client, 'decide', { agent, session: 's', decisions: [{ approval: 'a', type: 'approve' }] })).toMatchObject({
        isError: true,
        _meta: { 'rondo/error': { code: agent === null ? 'APPROVAL_NOT_FOUND' : 'AGENT_NOT_REGISTERED' } },
      });
    expect(process.emitWarning).not.toHaveBeenCalled();
  });

  test('no agent may have the name of the tool that decides', async () => {
    await using engine = new Engine();
    const decide = agent({ name: 'decide', instructions: '', model: scripted(() => 'ok') });
    await refused('CONFIG_INVALID', async () => mcpHandler(engine, decide));
  });
});
