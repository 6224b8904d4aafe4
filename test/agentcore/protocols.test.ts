/** The protocols of AgentCore Runtime beside HTTP, each served by `serve()` and driven by its own official client. */
import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { currentInvocation } from '../../src/adapters/agentcore/runtime/index.ts';
import { agent, jsonSchema, tool } from '../../src/index.ts';
import { bearer } from '../../src/server/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { approvalsIn, connect as connectA2A, get, output, send, stateOf } from '../a2a/client.ts';
import { obedient, Page } from '../ag-ui/agents.ts';
import { all } from '../kit/journals.ts';
import { until } from '../kit/time.ts';
import { SESSION, serving, session, USER } from '../runtime/serving.ts';
import { held } from '../server/held.ts';

beforeEach(() => void vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined));
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

const auth = bearer({ verify: (token) => ({ id: token }) });
const ping = async (url: string) => (await (await fetch(`${url}/ping`)).json()) as object;
const HEALTHY = { status: 'Healthy', time_of_last_update: expect.any(Number) };

describe('ag-ui', () => {
  test('a turn, an approval, and the user and the session that the platform names', async () => {
    const { clerk, paid } = obedient();
    const { url, engine } = await serving(clerk, { protocol: 'ag-ui', requireSession: true });
    const page = new Page(`${url}/invocations`, 'thread', { [SESSION]: session(), [USER]: 'ana' });
    await page.say('call pay {"to":"eve","cents":5}');
    await page.answer(() => ({ approved: true, editedArgs: { to: 'eve', cents: 4 } }));
    expect([page.shown.at(-1), paid]).toEqual([{ assistant: 'Done: paid 4 to eve' }, [{ to: 'eve', cents: 4 }]]);
    const [run] = await all(engine.runs({ by: { id: 'ana' } }));
    const decided = (await all(engine.entries(run?.runId ?? '', { by: { id: 'ana' } }))).find((e) => e.type === 'approval.decided');
    expect(decided).toMatchObject({ by: { id: 'ana' } });
    expect(await ping(url)).toEqual(HEALTHY);
  });

  test('takes what the AWS client sends without a type; without the session of the platform it refuses', async () => {
    const { url } = await serving(obedient().clerk, { protocol: 'ag-ui', requireSession: true });
    const post = (headers: Record<string, string>) =>
      fetch(`${url}/invocations`, {
        method: 'POST',
        headers: { 'content-type': 'application/octet-stream', ...headers },
        body: JSON.stringify({ threadId: 't', runId: 'r', messages: [{ id: 'u', role: 'user', content: 'hello' }] }),
      });
    expect(await (await post({ [SESSION]: session() })).text()).toContain('"result":"You said: hello"');
    expect((await post({})).status).toBe(400);
  });

  test('ends its streams when the server closes, and the run goes on', async () => {
    const { agent: looking, begun, finish } = held();
    const server = await serving(looking, { protocol: 'ag-ui' });
    const response = await fetch(`${server.url}/invocations`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ threadId: 't', runId: 'r', messages: [{ id: 'u', role: 'user', content: 'go' }] }),
    });
    await begun;
    const [text] = await Promise.all([response.text(), server.close({ grace: 60_000 })]);
    expect(text).toContain('RUN_STARTED');
    expect(text).not.toContain('RUN_FINISHED');
    finish('seen');
  });
});

describe('mcp', () => {
  const connected = async (url: string, headers: Record<string, string>) => {
    const client = new Client({ name: 'test', version: '1' });
    await client.connect(new StreamableHTTPClientTransport(new URL(`${url}/mcp`), { requestInit: { headers } }));
    onTestFinished(() => client.close());
    return client;
  };

  test('a session id that the platform issued, and a caller that it names, who decides', async () => {
    const { clerk, paid } = obedient();
    const { url } = await serving(clerk, { protocol: 'mcp', requireSession: true });
    const client = await connected(url, { 'mcp-session-id': session(), [USER]: 'ana' });
    expect((await client.listTools()).tools.map((t) => t.name)).toEqual(['clerk', 'decide']);
    const paused = await client.callTool({ name: 'clerk', arguments: { prompt: 'call pay {"to":"eve","cents":5}' } });
    const { session: own, approvals } = paused.structuredContent as { session: string; approvals: { id: string }[] };
    const decisions = approvals.map(({ id }) => ({ approval: id, type: 'approve' }));
    const done = await client.callTool({ name: 'decide', arguments: { session: own, decisions } });
    expect([done.content, paid]).toEqual([[{ type: 'text', text: 'Done: paid 5 to eve' }], [{ to: 'eve', cents: 5 }]]);
    expect((await (await connected(url, {})).listTools()).tools.map((t) => t.name)).toEqual(['clerk']);
    expect(await ping(url)).toEqual(HEALTHY);
  });

  test('only a caller who is known is asked to approve its own calls', async () => {
    const { clerk, paid } = obedient();
    const { url } = await serving(clerk, { protocol: 'mcp' });
    let asked = 0;
    const paying = async (headers: Record<string, string>) => {
      const versions = { versionNegotiation: { mode: { pin: '2026-07-28' as const } }, capabilities: { elicitation: { form: {} } } };
      const client = new ModernClient({ name: 'test', version: '1' }, versions);
      client.setRequestHandler('elicitation/create', () => {
        asked++;
        return { action: 'accept', content: { decision: 'approve' } };
      });
      await client.connect(new ModernTransport(new URL(`${url}/mcp`), { requestInit: { headers } }));
      onTestFinished(() => client.close());
      return client.callTool({ name: 'clerk', arguments: { prompt: 'call pay {"to":"eve","cents":5}' } });
    };
    expect(await paying({})).toMatchObject({ structuredContent: { status: 'paused' } });
    expect([asked, paid]).toEqual([0, []]);
    expect(await paying({ [USER]: 'ana' })).toMatchObject({ structuredContent: { status: 'completed' } });
    expect([asked, paid.length]).toEqual([1, 1]);
  });

  test('answers a call when the server closes, and the run goes on', async () => {
    const { agent: looking, begun, finish } = held();
    const server = await serving(looking, { protocol: 'mcp' });
    const versions = { versionNegotiation: { mode: { pin: '2026-07-28' as const } } };
    const clients = [await connected(server.url, {}), new ModernClient({ name: 'test', version: '1' }, versions)] as const;
    await clients[1].connect(new ModernTransport(new URL(`${server.url}/mcp`)));
    onTestFinished(() => clients[1].close());
    const request = { name: looking.name, arguments: { prompt: 'go' } };
    const calls = [clients[0].callTool(request), clients[1].callTool(request)].map((call) => call.catch((error: Error) => error.message));
    await begun;
    const status = async () => (await all(server.engine.runs({ by: { id: 'anonymous' } }))).map((run) => run.status);
    await until(async () => (await status()).length === 2);
    const [answers] = await Promise.all([Promise.all(calls), server.close({ grace: 200_000 })]);
    for (const answer of answers) expect(answer).toContain('The server closes');
    finish('seen');
    await until(async () => (await status()).every((one) => one === 'completed'));
  });

  test('a page of another site is refused where no one authenticates', async () => {
    const status = async (server: { url: string }, origin: string) => {
      const headers = { origin, 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
      const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
      return (await fetch(`${server.url}/mcp`, { method: 'POST', headers, body })).status;
    };
    const own = await serving(obedient().clerk, { protocol: 'mcp' });
    expect([await status(own, 'https://evil.example'), await status(own, 'http://localhost:3000')]).toEqual([403, 200]);
  });

  test('the context and the invocation reach the tools; a caller without a token is refused', async () => {
    const seen: unknown[] = [];
    const look = tool({
      name: 'look',
      description: 'Looks',
      input: jsonSchema<object>({ type: 'object' }),
      effect: 'read',
      execute: (_, { context }) => {
        seen.push([context, currentInvocation()?.session]);
        return 'seen';
      },
    });
    const model = scripted(({ messages }) => (messages.at(-1)?.role === 'tool' ? 'ok' : { toolCalls: [{ name: 'look', input: {} }] }));
    const looker = agent({ name: 'looker', instructions: '', tools: [look], model });
    const { url } = await serving(looker, {
      protocol: 'mcp',
      auth,
      context: ({ id }, invocation) => ({ id, session: invocation.session }),
    });
    const client = await connected(url, { authorization: 'Bearer ana', [SESSION]: session() });
    await client.callTool({ name: 'looker', arguments: { prompt: 'go' } });
    expect(seen).toEqual([[{ id: 'ana', session: session() }, session()]]);
    await expect(connected(url, {})).rejects.toThrow();
  });
});

describe('a2a', () => {
  test('a task with an approval, and the card at the root', async () => {
    const { clerk, paid } = obedient();
    const { url } = await serving(clerk, { protocol: 'a2a', auth, requireSession: true });
    const client = await connectA2A(url, 'JSONRPC', 'ana');
    const asked = await send(client, 'call pay {"to":"eve","cents":5}');
    expect(stateOf(asked)).toBe('TASK_STATE_INPUT_REQUIRED');
    const [approval] = approvalsIn(asked);
    const done = await send(client, { decisions: [{ approval: approval?.id ?? '', type: 'approve' }] }, { taskId: asked.id });
    expect([output(done), paid]).toEqual(['Done: paid 5 to eve', [{ to: 'eve', cents: 5 }]]);
    await expect(get(await connectA2A(url, 'JSONRPC', 'ben'), asked.id)).rejects.toThrow();
    expect(await ping(url)).toEqual(HEALTHY);
  });

  test("the card names the runtime's address where the platform says it, and the scheme of callers", async () => {
    vi.stubEnv('AGENTCORE_RUNTIME_URL', 'https://bedrock-agentcore.us-east-1.amazonaws.com/runtimes/arn%3Aaws/invocations/');
    const { url } = await serving(obedient().clerk, { protocol: 'a2a', auth });
    const card = await (await fetch(`${url}/.well-known/agent-card.json`, { headers: { 'a2a-version': '1.0' } })).json();
    expect(card).toMatchObject({
      supportedInterfaces: [
        { url: 'https://bedrock-agentcore.us-east-1.amazonaws.com/runtimes/arn%3Aaws/invocations/', protocolBinding: 'JSONRPC' },
        { protocolVersion: '0.3' },
      ],
      securitySchemes: { bearer: expect.any(Object) },
    });
    expect((await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' })).status).toBe(401);
  });
});
