/** The token of a caller reaches the tools of a run through every server, if the server has checked it, and through none if not. */
import { describe, expect, onTestFinished, test } from 'vitest';
import { serveA2A } from '../../src/adapters/a2a/index.ts';
import { serveAgUi } from '../../src/adapters/ag-ui/index.ts';
import { type Protocol, serve as serveRuntime } from '../../src/adapters/agentcore/runtime/index.ts';
import { mcpHandler } from '../../src/adapters/mcp/index.ts';
import { type Agent, agent, Engine, jsonSchema, type Principal, tool } from '../../src/index.ts';
import { listen, serve } from '../../src/server/index.ts';
import { scripted } from '../../src/testing/index.ts';
import { asks } from '../kit/runs.ts';
import { connect } from '../runtime/serving.ts';

const TOKEN = 'tok-abcdefghijklmnop';
const BEARER = { authorization: `Bearer ${TOKEN}` };
const USER = 'x-amzn-bedrock-agentcore-runtime-user-id';

type Auth = (() => Principal) | undefined;
interface Server {
  url: string;
  close(o?: { grace?: number }): Promise<void>;
}
/** Starts a server, and the request that has its agent call its tool. */
type Way = readonly [
  name: string,
  start: (engine: Engine, of: Agent, auth: Auth) => Promise<Server>,
  send: (url: string, headers: Record<string, string>) => Promise<unknown>,
];

const post = (path: string, body: object) => async (url: string, headers: Record<string, string>) => {
  const accept = 'application/json, text/event-stream';
  const init = { method: 'POST', headers: { 'content-type': 'application/json', accept, ...headers }, body: JSON.stringify(body) };
  return (await fetch(url + path, init)).text();
};
const say = (body: object, last: string) => async (url: string, headers: Record<string, string>) => {
  const socket = await connect(url, headers);
  socket.say(body);
  await socket.until(last);
};

const IN_EVENTS = {
  threadId: 't',
  runId: 'r',
  messages: [{ id: 'm', role: 'user', content: 'go' }],
  tools: [],
  context: [],
  state: {},
  forwardedProps: {},
};
const RPC = { jsonrpc: '2.0', id: 1 };
const CALL = { ...RPC, method: 'tools/call', params: { name: 'clerk', arguments: { prompt: 'go' } } };
const MESSAGE = { kind: 'message', messageId: 'm1', role: 'user', parts: [{ kind: 'text', text: 'go' }] };
const SEND = { ...RPC, method: 'message/send', params: { message: MESSAGE } };

const runtime =
  (protocol: Protocol): Way[1] =>
  (engine, of, auth) =>
    serveRuntime(engine, of, { port: 0, container: false, protocol, ...(auth && { auth }) });

const WAYS: readonly Way[] = [
  ['http of AgentCore', runtime('http'), post('/invocations', { prompt: 'go' })],
  ['/ws of AgentCore', runtime('http'), say({ type: 'input', prompt: 'go' }, 'result')],
  ['ag-ui of AgentCore', runtime('ag-ui'), post('/invocations', IN_EVENTS)],
  ['/ws of ag-ui of AgentCore', runtime('ag-ui'), say(IN_EVENTS, 'RUN_FINISHED')],
  ['mcp of AgentCore', runtime('mcp'), post('/mcp', CALL)],
  ['a2a of AgentCore', runtime('a2a'), post('/', SEND)],
  [
    'serve()',
    (engine, of, auth) => serve(engine, of, { auth }),
    async (url, headers) => {
      const started = JSON.parse((await post('/runs', { input: 'go' })(url, headers)) as string) as { runId: string };
      return (await fetch(`${url}/runs/${started.runId}/events`, { headers })).text();
    },
  ],
  ['serveAgUi()', (engine, of, auth) => serveAgUi(engine, of, { auth }), post('/', IN_EVENTS)],
  ['serveA2A()', (engine, of, auth) => serveA2A(engine, of, { auth }), post('/a2a', SEND)],
  ['mcpHandler()', (engine, of, auth) => listen(mcpHandler(engine, of, { auth })), post('/mcp', CALL)],
];

/** Which token the tool of a run was asked for with. Fails if it was not called. */
async function assertionThrough([, start, send]: Way, auth: Auth, headers: Record<string, string>) {
  const asked: unknown[] = [];
  const identity = {
    async get({ assertion }: { assertion?: { type: string; token: string } }) {
      asked.push(assertion);
      return { token: 'x'.repeat(30) };
    },
  };
  const engine = new Engine({ identity });
  const look = tool({
    name: 'look',
    description: '',
    effect: 'read',
    input: jsonSchema<object>({ type: 'object' }),
    credentials: { key: { provider: 'crm' } },
    execute: () => 'seen',
  });
  const clerk = agent({ name: 'clerk', instructions: '', model: scripted([asks(['look', {}]), 'done']), tools: [look] });
  const server = await start(engine, clerk, auth);
  onTestFinished(async () => {
    await server.close({ grace: 0 });
    await engine.close();
  });
  await send(server.url, headers);
  expect(asked).toHaveLength(1);
  return asked[0];
}

describe.each(WAYS)('%s', (...way) => {
  test('the token of a caller who was authenticated is the assertion of the run', async () => {
    expect(await assertionThrough(way, () => ({ id: 'ana' }), BEARER)).toEqual({ type: 'jwt', token: TOKEN });
  });

  test('a token that was not checked is not', async () => {
    expect(await assertionThrough(way, undefined, BEARER)).toBeUndefined();
    expect(await assertionThrough(way, undefined, { ...BEARER, [USER]: 'ana' })).toBeUndefined();
  });

  test('an authentication says itself what its token is', async () => {
    const auth = Object.assign(() => ({ id: 'ana' }), { assertion: () => 'of-the-cookie' });
    expect(await assertionThrough(way, auth, BEARER)).toEqual({ type: 'jwt', token: 'of-the-cookie' });
  });
});
