import { UpdateGatewayCommand } from '@aws-sdk/client-bedrock-agentcore-control';
import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client';
import { LATEST_PROTOCOL_VERSION } from '@modelcontextprotocol/sdk/types.js';
import { describe, expect, onTestFinished, test } from 'vitest';
import { BINDINGS, CREATE, connected, LAMBDA, posted, refunds, signing, textOf, withGateway } from './kit.ts';

const OPEN = { authorizerType: 'NONE' as const };
const INITIALIZE = (protocolVersion: string) => ({
  id: 1,
  method: 'initialize',
  params: { protocolVersion, capabilities: {}, clientInfo: { name: 'test', version: '1' } },
});
const LIST = { id: 2, method: 'tools/list', params: {} };

test('the client of the MCP SDK, signed, lists and calls a Lambda function', async () => {
  const { url, target, server } = await withGateway({}, { bindings: BINDINGS });
  expect(await target(refunds())).toMatchObject({ status: 'READY' });
  const client = await connected(url);
  const { tools } = await client.listTools();
  expect(tools).toMatchObject([
    { name: 'Refund___process', description: 'Refunds an order: process.', inputSchema: { required: ['amount'] } },
  ]);
  expect(textOf(await client.callTool({ name: 'Refund___process', arguments: { amount: 5 } }))).toBe('refunded 5');
  expect(server.calls().findLast(({ operation }) => operation === 'InvokeGateway tools/call')).toMatchObject({
    status: 200,
    caller: expect.stringContaining('arn:aws:iam::123456789012:user/'),
  });
});

test('a record keeps the beginning of what a stranger sends', async () => {
  const { url, server } = await withGateway(OPEN);
  const long = 'x'.repeat(900_000);
  await posted(url, { id: 1, method: long });
  const begun = await posted(url, INITIALIZE('2025-11-25'));
  const session = { 'mcp-session-id': begun.headers.get('mcp-session-id') as string };
  await posted(url, { id: 2, method: 'tools/call', params: { name: long, arguments: {} } }, session);
  expect(server.calls().filter(({ path }) => path.endsWith('/mcp'))).toHaveLength(3);
  expect(JSON.stringify(server.calls()).length).toBeLessThan(100_000);
});

test.each([250, 50_000])('a body of %i levels is refused as any other that is not a message', async (depth) => {
  const { url } = await withGateway(OPEN);
  const begun = await posted(url, INITIALIZE('2025-11-25'));
  const session = { 'mcp-session-id': begun.headers.get('mcp-session-id') as string };
  const value = '['.repeat(depth) + ']'.repeat(depth);
  const { status, body } = await posted(url, `{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{"a":${value}}}`, session);
  expect(status).toBe(400);
  expect(body).toMatchObject({ jsonrpc: '2.0', error: { code: -32_600, message: 'The body has too many levels' } });
});

test('a function gets the event and the client context of AWS', async () => {
  const { url, target, id } = await withGateway(OPEN, {
    bindings: { [`lambda:${LAMBDA}`]: `${import.meta.dirname}/../fixtures/lambdas.ts#seen` },
  });
  const { id: targetId } = await target(refunds());
  const client = await connected(url);
  const { event, custom, invokedFunctionArn } = JSON.parse(
    textOf(await client.callTool({ name: 'Refund___process', arguments: { amount: 5 } })),
  );
  expect(event).toEqual({ amount: 5 });
  expect(invokedFunctionArn).toBe(LAMBDA);
  expect(custom).toEqual({
    bedrockAgentCoreMessageVersion: '1.0',
    bedrockAgentCoreAwsRequestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    bedrockAgentCoreMcpMessageId: expect.any(String),
    bedrockAgentCoreGatewayId: id,
    bedrockAgentCoreTargetId: targetId,
    bedrockAgentCoreToolName: 'Refund___process',
  });
});

test('a function that throws tells the client nothing, and the log all; with DEBUG the client too', async () => {
  const { url, target, server, controls, id } = await withGateway(OPEN, { bindings: BINDINGS });
  await target(refunds());
  const call = { name: 'Refund___process', arguments: { amount: -1 } };
  const refused = await (await connected(url)).callTool(call);
  expect(refused.isError).toBe(true);
  expect(textOf(refused)).toContain('An internal error occurred. Please retry later.');
  expect(JSON.stringify(refused)).not.toContain('hunter2');
  expect(server.calls().findLast(({ operation }) => operation === 'InvokeGateway tools/call')?.rule).toContain(
    'RangeError: the ledger at db-7',
  );
  await controls.send(new UpdateGatewayCommand({ ...CREATE, ...OPEN, gatewayIdentifier: id, exceptionLevel: 'DEBUG' }));
  expect(textOf(await (await connected(url)).callTool(call))).toContain('the ledger at db-7');
});

test('a function that is not bound is told in the log', async () => {
  const { url, target, server } = await withGateway(OPEN);
  await target(refunds());
  expect((await (await connected(url)).callTool({ name: 'Refund___process', arguments: { amount: 1 } })).isError).toBe(true);
  expect(server.calls().at(-1)?.rule ?? server.calls().at(-2)?.rule).toContain(`"lambda:${LAMBDA}"`);
});

test('arguments that the schema refuses, and a tool that is not there', async () => {
  const { url, target } = await withGateway(OPEN, { bindings: BINDINGS });
  await target(refunds());
  const client = await connected(url);
  expect((await client.callTool({ name: 'Refund___process', arguments: { amount: 'much' } })).isError).toBe(true);
  await expect(client.callTool({ name: 'Refund___other', arguments: {} })).rejects.toMatchObject({ code: -32602 });
});

test('a name over 64 characters stays whole, and is called by it', async () => {
  const { url, target } = await withGateway(OPEN, { bindings: BINDINGS });
  const long = ['a', 'b'].map((end) => `${'refund_an_order_of_a_customer_that_was_not_delivered_in_time_'}${end}`);
  await target(refunds('Orders', long));
  const client = await connected(url);
  const names = (await client.listTools()).tools.map(({ name }) => name);
  expect(names).toEqual(long.map((name) => `Orders___${name}`));
  expect(textOf(await client.callTool({ name: names[1] as string, arguments: { amount: 2 } }))).toBe('refunded 2');
});

describe('a session', () => {
  test.each(['2025-03-26', '2025-06-18', LATEST_PROTOCOL_VERSION])(
    'of the version %s is begun by initialize, and needed after it',
    async (version) => {
      const { url, target } = await withGateway(
        { ...OPEN, protocolConfiguration: { mcp: { instructions: 'Refund little.' } } },
        { bindings: BINDINGS },
      );
      await target(refunds());
      const begun = await posted(url, INITIALIZE(version));
      expect(begun.body.result).toMatchObject({ protocolVersion: version, serverInfo: { name: 'Desk' }, instructions: 'Refund little.' });
      expect(await posted(url, LIST)).toMatchObject({
        status: 400,
        body: { id: 2, error: { code: -32600, message: 'Missing required Mcp-Session-Id header' } },
      });
      const session = { 'mcp-session-id': begun.headers.get('mcp-session-id') as string, 'mcp-protocol-version': version };
      expect((await posted(url, { method: 'notifications/initialized' }, session)).status).toBe(202);
      expect((await posted(url, LIST, session)).body.result.tools).toHaveLength(1);
      expect((await posted(url, LIST, { ...session, 'mcp-protocol-version': '2024-11-05' })).status).toBe(400);
      expect((await fetch(url, { method: 'DELETE', headers: session })).status).toBe(204);
      expect(await posted(url, LIST, session)).toMatchObject({ status: 404, body: { error: { code: -32600 } } });
    },
  );

  test('lasts as long as the gateway says, by the clock of the server', async () => {
    const { url, server } = await withGateway({
      ...OPEN,
      protocolConfiguration: { mcp: { sessionConfiguration: { sessionTimeoutInSeconds: 900 } } },
    });
    const session = { 'mcp-session-id': (await posted(url, INITIALIZE('2025-06-18'))).headers.get('mcp-session-id') as string };
    await server.clock.advance(899_999);
    expect((await posted(url, LIST, session)).status).toBe(200);
    await server.clock.advance(1);
    expect((await posted(url, LIST, session)).status).toBe(404);
  });

  test('is of its gateway alone', async () => {
    const first = await withGateway(OPEN);
    const session = { 'mcp-session-id': (await posted(first.url, INITIALIZE('2025-06-18'))).headers.get('mcp-session-id') as string };
    const second = await withGateway(OPEN);
    expect((await posted(second.url, LIST, session)).status).toBe(404);
  });

  test('speaks only the versions that the gateway supports', async () => {
    const { url } = await withGateway({ ...OPEN, protocolConfiguration: { mcp: { supportedVersions: ['2025-03-26'] } } });
    expect((await posted(url, INITIALIZE('2025-11-25'))).body.result.protocolVersion).toBe('2025-03-26');
  });

  test.each([
    ['a body that is not JSON', '{', -32700],
    ['a batch', '[]', -32600],
    ['a message of another protocol', '{"id":1,"method":"tools/list"}', -32600],
    ['an id that is an object', '{"jsonrpc":"2.0","id":{},"method":"tools/list"}', -32600],
  ])('%s is refused', async (_, body, code) => {
    const { url } = await withGateway(OPEN);
    expect(await posted(url, body)).toMatchObject({ status: 400, body: { error: { code } } });
  });
});

test('the client of 2026-07-28 lists and calls without a session', async () => {
  const { url, target } = await withGateway(OPEN, { bindings: BINDINGS });
  await target(refunds());
  const client = new ModernClient({ name: 'test', version: '1' }, { versionNegotiation: { mode: { pin: '2026-07-28' } } });
  await client.connect(new ModernTransport(new URL(url)));
  onTestFinished(() => client.close());
  expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(['Refund___process']);
  expect(textOf(await client.callTool({ name: 'Refund___process', arguments: { amount: 5 } }))).toBe('refunded 5');
  const older = await withGateway({ ...OPEN, protocolConfiguration: { mcp: { supportedVersions: ['2025-11-25'] } } });
  expect((await posted(older.url, LIST, { 'mcp-protocol-version': '2026-07-28' })).status).toBe(400);
});

test('a gateway that is not there, or still being created', async () => {
  const { url, server } = await withGateway(OPEN);
  expect((await posted(url.replace(/-[0-9a-z]{10}\//, '-0000000000/'), LIST)).status).toBe(404);
  expect(server.calls().at(-1)).toMatchObject({ operation: 'InvokeGateway tools/list', status: 404, error: 'ResourceNotFoundException' });
});

describe('a gateway with AWS_IAM', () => {
  test('takes signatures that hold, and nothing else', async () => {
    const { url, server } = await withGateway();
    expect((await posted(url, INITIALIZE('2025-06-18'), {}, signing)).status).toBe(200);
    expect((await posted(url, INITIALIZE('2025-06-18'))).status).toBe(403);
    expect((await posted(url, INITIALIZE('2025-06-18'), { authorization: 'Bearer abc' })).status).toBe(403);
    const tampered: typeof fetch = (to, init) => signing(to, init).then(() => fetch(to, init));
    expect((await posted(url, INITIALIZE('2025-06-18'), {}, tampered)).status).toBe(403);
    expect(server.calls().at(-1)).toMatchObject({ error: 'MissingAuthenticationTokenException' });
  });
});
