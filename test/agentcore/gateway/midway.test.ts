/** What an MCP server says in the middle of a call, behind a gateway: questions to the person, and log lines. */

import { CreateApiKeyCredentialProviderCommand, type CreateGatewayCommandInput } from '@aws-sdk/client-bedrock-agentcore-control';
import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import {
  CallToolRequestSchema,
  type ClientCapabilities,
  ElicitRequestSchema,
  type ElicitResult,
  ListToolsRequestSchema,
  LoggingMessageNotificationSchema,
  UrlElicitationRequiredError,
} from '@modelcontextprotocol/sdk/types.js';
import { createMcpHandler, inputRequired, McpServer } from '@modelcontextprotocol/server';
import { listen } from 'rondo/server';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { serveWith } from '../../mcp/http.ts';
import { ENDPOINT } from './guarded.ts';
import { BINDINGS, posted, textOf, withGateway } from './kit.ts';

const FORM = {
  mode: 'form',
  message: 'Delete it?',
  requestedSchema: { type: 'object', properties: { sure: { type: 'boolean' } } },
} as const;
const PAGE = { mode: 'url', message: 'Sign in there.', url: 'https://sign.example/in', elicitationId: 'e-1' } as const;
const STREAMS = { streamingConfiguration: { enableResponseStreaming: true } };
const KEY = 'key-of-the-tools-4711';
const onEvery = 'arn:aws:lambda:us-east-1:123456789012:function:onEvery';

/** A gateway before a server whose tools ask, and what the server was answered. */
async function asking(mcp: object = STREAMS, more: Partial<CreateGatewayCommandInput> = {}) {
  const answers: unknown[] = [];
  const visited = new Set<string>();
  const running = await serveWith(() => {
    const server = new Server(
      { name: 'tools', version: '1' },
      { capabilities: { tools: { listChanged: true }, resources: { subscribe: true, listChanged: true }, logging: {} } },
    );
    server.setRequestHandler(ListToolsRequestSchema, () => ({
      tools: ['delete', 'visit', 'open', 'deploy', 'change'].map((name) => ({ name, inputSchema: { type: 'object' as const } })),
    }));
    server.setRequestHandler(CallToolRequestSchema, async ({ params: { name, arguments: args } }, extra) => {
      const key = extra.requestInfo?.headers['x-api-key'];
      const done = (text: string) => ({ content: [{ type: 'text' as const, text }] });
      const ask = async (what: typeof FORM | typeof PAGE) => {
        const answer = await server
          .elicitInput(what, { relatedRequestId: extra.requestId })
          .catch(({ code, message }) => ({ code, message }));
        answers.push(answer);
        return done(`${args?.what}: ${JSON.stringify(answer)}`);
      };
      if (name === 'delete') return ask({ ...FORM, message: `Delete ${args?.what}?${key === undefined ? '' : ` ${key}`}` } as never);
      if (name === 'visit') return ask(PAGE);
      if (name === 'open') {
        if (!visited.has('page')) throw new UrlElicitationRequiredError([PAGE]);
        return done('opened');
      }
      if (name === 'change') {
        await extra.sendNotification({ method: 'notifications/tools/list_changed' });
        await extra.sendNotification({ method: 'notifications/resources/list_changed' });
        await extra.sendNotification({ method: 'notifications/resources/updated', params: { uri: 'menu://today' } });
        return done('changed');
      }
      const lines = [['debug', 'starting'], ['warning', { step: 2 }], ...(key === undefined ? [] : [['info', { sent: key }]])];
      for (const [level, data] of lines)
        await extra.sendNotification({
          method: 'notifications/message',
          params: { level: level as 'info', logger: 'deploy-service', data },
        });
      return done('deployed');
    });
    return server;
  });
  onTestFinished(() => running.close());
  const made = await withGateway(
    { authorizerType: 'NONE', protocolConfiguration: { mcp }, ...more },
    {
      bindings: {
        ...BINDINGS,
        [`url:${ENDPOINT}`]: running.url,
        [`lambda:${onEvery}`]: `${import.meta.dirname}/../fixtures/lambdas.ts#onEvery`,
      },
    },
  );
  const target = { name: 'T', targetConfiguration: { mcp: { mcpServer: { endpoint: ENDPOINT } } } };
  expect(await made.target(target)).toMatchObject({ status: 'READY' });
  return { ...made, answers, visited };
}

/** The client of the MCP SDK at whom a person sits. */
async function person(
  url: string,
  capabilities: ClientCapabilities,
  answer: (asked: { message: string }) => ElicitResult | Promise<ElicitResult>,
) {
  const client = new Client({ name: 'test', version: '1' }, { capabilities });
  const asked: unknown[] = [];
  const logged: unknown[] = [];
  if (capabilities.elicitation)
    client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
      asked.push(params);
      return answer(params);
    });
  client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => void logged.push(params));
  await client.connect(new StreamableHTTPClientTransport(new URL(url)) as never);
  onTestFinished(() => client.close());
  const call = async (name: string, what = 'it') => textOf(await client.callTool({ name: `T___${name}`, arguments: { what } }));
  return { client, asked, logged, call };
}

const BOTH: ClientCapabilities = { elicitation: { form: {}, url: {} } };
const REFUSED = { code: -32601, message: expect.stringContaining('Method not found: elicitation/create') };

test.each<ElicitResult>([{ action: 'accept', content: { sure: true } }, { action: 'decline' }, { action: 'cancel' }])(
  'a form of the server is put before the person at the client, and the server is answered within the call: $action',
  async (answer) => {
    const { url, answers } = await asking();
    const { asked, call } = await person(url, BOTH, () => answer);
    expect(await call('delete')).toBe(`it: ${JSON.stringify(answer)}`);
    expect(asked).toEqual([{ ...FORM, message: 'Delete it?' }]);
    expect(answers).toEqual([answer]);
  },
);

test('a page of the server too, with the id of the server', async () => {
  const { url, answers } = await asking();
  const { asked, call } = await person(url, BOTH, () => ({ action: 'accept' }));
  await call('visit');
  expect([asked, answers]).toEqual([[PAGE], [{ action: 'accept' }]]);
});

test('a call that is refused until a page was visited is refused with that page, and made again', async () => {
  const { url, visited } = await asking();
  const { call, asked } = await person(url, BOTH, () => ({ action: 'accept' }));
  await expect(call('open')).rejects.toMatchObject({
    code: -32042,
    data: { elicitations: [{ ...PAGE, elicitationId: expect.stringMatching(/.{16,}/) }] },
  });
  expect(asked).toEqual([]);
  visited.add('page');
  expect(await call('open')).toBe('opened');
});

test('two calls ask at once, and each gets its own answer', async () => {
  const { url } = await asking();
  const open: { message: string; answer: (result: ElicitResult) => void }[] = [];
  let both = () => {};
  const arrived = new Promise<void>((resolve) => {
    both = resolve;
  });
  const { call } = await person(url, BOTH, ({ message }) => {
    const answered = new Promise<ElicitResult>((answer) => open.push({ message, answer }));
    if (open.length === 2) both();
    return answered;
  });
  const calls = [call('delete', 'one'), call('delete', 'two')];
  await arrived;
  // the one that was asked last is answered first
  for (const { message, answer } of open.reverse()) answer({ action: 'accept', content: { sure: message === 'Delete two?' } });
  expect(await Promise.all(calls)).toEqual([
    'one: {"action":"accept","content":{"sure":false}}',
    'two: {"action":"accept","content":{"sure":true}}',
  ]);
});

test.each<[string, object, ClientCapabilities, 'delete' | 'visit']>([
  ['has no elicitation', STREAMS, {}, 'delete'],
  ['shows forms alone, and is asked to visit a page', STREAMS, { elicitation: {} }, 'visit'],
  ['shows pages alone, and is asked by a form', STREAMS, { elicitation: { url: {} } }, 'delete'],
  ['is at a gateway that does not stream', {}, BOTH, 'delete'],
])('the server is told that there is no such method where the client %s', async (_, mcp, capabilities, name) => {
  const { url, answers } = await asking(mcp);
  const { asked, call } = await person(url, capabilities, () => ({ action: 'accept' }));
  expect(await call(name)).toContain('Method not found');
  expect([answers, asked]).toEqual([[REFUSED], []]);
});

test('an answer to no question is refused, also one of another session, and a client that leaves ends its question', async () => {
  const { url, answers } = await asking();
  const begin = {
    id: 1,
    method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: BOTH, clientInfo: { name: 'a', version: '1' } },
  };
  const session = async () => ({ 'mcp-session-id': (await posted(url, begin)).headers.get('mcp-session-id') as string });
  const [own, other] = [await session(), await session()];
  const result = { action: 'accept', content: { sure: true } };
  const REFUSAL = { status: 400, body: { error: { code: -32600, message: 'No matching elicitation found for this session.' } } };
  expect(await posted(url, { id: 'x', result }, own)).toMatchObject(REFUSAL);

  const leaving = new AbortController();
  const response = await fetch(url, {
    method: 'POST',
    signal: leaving.signal,
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...own },
    body: JSON.stringify({ jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name: 'T___delete', arguments: { what: 'it' } } }),
  });
  const chunk = await response.body?.getReader().read();
  const { id, method } = JSON.parse(/^data: (.*)$/m.exec(Buffer.from(chunk?.value ?? []).toString())?.[1] ?? '{}');
  expect(method).toBe('elicitation/create');
  expect(await posted(url, { id, result }, other)).toMatchObject(REFUSAL);
  expect(answers).toEqual([]);
  leaving.abort();
  await expect.poll(() => answers).toMatchObject([{ code: -32603 }]);
  expect(await posted(url, { id, result }, own)).toMatchObject(REFUSAL);
});

test('log lines of the server are told before the result, in a stream; else they are left out', async () => {
  const { url } = await asking();
  const { call, logged } = await person(url, {}, () => ({ action: 'cancel' }));
  expect(await call('deploy')).toBe('deployed');
  expect(logged).toEqual([
    { level: 'debug', logger: 'deploy-service', data: 'starting' },
    { level: 'warning', logger: 'deploy-service', data: { step: 2 } },
  ]);
  const silent = await asking({});
  const other = await person(silent.url, {}, () => ({ action: 'cancel' }));
  expect(await other.call('deploy')).toBe('deployed');
  expect(other.logged).toEqual([]);
});

/** A gateway before a server of 2026-07-28, which ends a call with what it asks, and what it was answered. */
async function askingModern() {
  const answers: unknown[] = [];
  const handler = createMcpHandler(() => {
    const server = new McpServer({ name: 'tools', version: '2' });
    server.registerTool('delete', { description: 'Deletes.', inputSchema: z.object({}) }, (_, { mcpReq }) => {
      const { inputResponses } = mcpReq;
      if (!inputResponses)
        return inputRequired({
          inputRequests: { sure: inputRequired.elicit({ message: FORM.message, requestedSchema: FORM.requestedSchema }) },
        });
      answers.push(inputResponses.sure);
      return { content: [{ type: 'text', text: 'deleted' }] };
    });
    return server;
  });
  const running = await listen(handler.fetch);
  onTestFinished(() => running.close({ grace: 0 }));
  const made = await withGateway(
    { authorizerType: 'NONE', protocolConfiguration: { mcp: STREAMS } },
    { bindings: { [`url:${ENDPOINT}`]: `${running.url}/mcp` } },
  );
  const target = { name: 'T', targetConfiguration: { mcp: { mcpServer: { endpoint: ENDPOINT } } } };
  expect(await made.target(target)).toMatchObject({ status: 'READY' });
  return { ...made, answers };
}

const SURE = { action: 'accept' as const, content: { sure: true } };

test('a server of 2026-07-28 asks the client of a session within the call', async () => {
  const { url, answers } = await askingModern();
  const { asked, call } = await person(url, BOTH, () => SURE);
  expect(await call('delete')).toBe('deleted');
  expect([asked, answers]).toEqual([[FORM], [SURE]]);
});

test('a server of 2026-07-28 asks a client of 2026-07-28 by its answer, and gets the call again', async () => {
  const { url, answers } = await askingModern();
  const client = new ModernClient(
    { name: 'test', version: '1' },
    { versionNegotiation: { mode: { pin: '2026-07-28' } }, capabilities: { elicitation: { form: {} } } },
  );
  const asked: unknown[] = [];
  client.setRequestHandler('elicitation/create', ({ params }) => {
    asked.push(params);
    return SURE;
  });
  await client.connect(new ModernTransport(new URL(url)));
  onTestFinished(() => client.close());
  expect(textOf(await client.callTool({ name: 'T___delete', arguments: {} }))).toBe('deleted');
  expect(asked).toMatchObject([{ message: expect.stringContaining(FORM.message), requestedSchema: FORM.requestedSchema }]);
  expect(answers).toEqual([SURE]);
});

/** A call in 2026-07-28. @returns the text of the answer. */
async function modernCall(url: string, name: string, meta: object = {}): Promise<string> {
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 'a', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': BOTH,
    ...meta,
  };
  const headers = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': name };
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: {}, _meta } }),
  });
  return response.text();
}

test('in 2026-07-28 log lines are told to a request that names a level', async () => {
  const { url } = await asking();
  const deploy = async (level?: string) => {
    const text = await modernCall(url, 'T___deploy', level === undefined ? {} : { 'io.modelcontextprotocol/logLevel': level });
    expect(text).toContain('deployed');
    return ['starting', 'step'].filter((word) => text.includes(word));
  };
  expect([await deploy(), await deploy('info'), await deploy('debug')]).toEqual([[], ['step'], ['starting', 'step']]);
});

test('in 2026-07-28, in which a call is not kept open, a question in the middle of it is cancelled', async () => {
  const { url, answers } = await asking();
  expect(await modernCall(url, 'T___delete')).toContain('cancel');
  expect(answers).toEqual([{ action: 'cancel' }]);
});

test('changes of lists and of resources are told in no call, and there is no stream for them', async () => {
  const { url } = await asking();
  const { client, call } = await person(url, BOTH, () => ({ action: 'cancel' }));
  const told: string[] = [];
  client.fallbackNotificationHandler = async ({ method }) => void told.push(method);
  expect(await call('change')).toBe('changed');
  expect(told).toEqual([]);
  expect((await fetch(url, { headers: { accept: 'text/event-stream' } })).status).toBe(405);
});

test('the key that the server was sent is neither in its questions nor in its log lines', async () => {
  const own = await asking();
  const { credentialProviderArn: providerArn = '' } = await own.controls.send(
    new CreateApiKeyCredentialProviderCommand({ name: 'tools', apiKey: KEY }),
  );
  const made = await own.target({
    name: 'K',
    targetConfiguration: { mcp: { mcpServer: { endpoint: ENDPOINT } } },
    credentialProviderConfigurations: [
      {
        credentialProviderType: 'API_KEY',
        credentialProvider: { apiKeyCredentialProvider: { providerArn, credentialParameterName: 'x-api-key' } },
      },
    ],
  });
  expect(made).toMatchObject({ status: 'READY' });
  const { client, asked, logged } = await person(own.url, BOTH, () => ({ action: 'decline' }));
  for (const name of ['K___delete', 'K___deploy']) await client.callTool({ name, arguments: { what: 'the key' } });
  expect([asked.length, logged.length]).toEqual([1, 3]);
  expect(JSON.stringify([asked, logged])).not.toContain(KEY);
  expect(JSON.stringify(asked)).toContain('Delete the key');
});

test('interceptors are asked about a question, and not about log lines', async () => {
  const shared = globalThis as { interceptedByTests?: [method: string, streaming?: boolean][] };
  shared.interceptedByTests ??= [];
  const events = shared.interceptedByTests;
  const { url } = await asking(STREAMS, {
    interceptorConfigurations: [{ interceptor: { lambda: { arn: onEvery } }, interceptionPoints: ['REQUEST', 'RESPONSE'] }],
  });
  const { call, asked } = await person(url, BOTH, () => ({ action: 'decline' }));
  events.splice(0);
  await call('deploy');
  expect(events).toEqual([['tools/call'], ['tools/call', true]]);
  events.splice(0);
  await call('delete');
  expect(events).toEqual([['tools/call'], ['tools/call', true], ['tools/call', true]]);
  expect(asked).toHaveLength(1);
});
