import { connect } from 'node:net';
import * as control from '@aws-sdk/client-bedrock-agentcore-control';
import { afterEach, expect, test } from 'vitest';
import { type AgentCore, type AgentCoreOptions, movableClock, startAgentCore } from '../../src/adapters/agentcore/wire/index.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

const NEW = {
  agentRuntimeName: 'demo',
  roleArn: 'arn:aws:iam::123456789012:role/rt',
  networkConfiguration: { networkMode: 'PUBLIC' as const },
  agentRuntimeArtifact: { containerConfiguration: { containerUri: '123456789012.dkr.ecr.us-east-1.amazonaws.com/demo:latest' } },
};
const HOUR = 3_600_000;

async function start(o: AgentCoreOptions = {}): Promise<{ server: AgentCore; client: control.BedrockAgentCoreControlClient }> {
  const server = await startAgentCore({ clock: movableClock({ start: Date.now(), frozen: true }), ...o });
  open.push(server);
  const credentials = { accessKeyId: server.env.AWS_ACCESS_KEY_ID as string, secretAccessKey: server.env.AWS_SECRET_ACCESS_KEY as string };
  const client = new control.BedrockAgentCoreControlClient({ endpoint: server.url, region: 'us-east-1', credentials });
  open.push({ close: () => client.destroy() });
  return { server, client };
}

const names = async (client: control.BedrockAgentCoreControlClient) =>
  (await client.send(new control.ListAgentRuntimesCommand({}))).agentRuntimes?.map(({ agentRuntimeName }) => agentRuntimeName);

async function admin({ url, adminToken }: AgentCore, method: string, path: string, body?: unknown, token = adminToken) {
  const response = await fetch(`${url}/_rondo/${path}`, {
    method,
    headers: { authorization: `Bearer ${token}` },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

test('the unmodified client follows the clock of the server: a call after a move of an hour is signed again, and succeeds', async () => {
  const { server, client } = await start();
  await client.send(new control.CreateAgentRuntimeCommand(NEW));
  await server.clock.advance(HOUR);
  expect(await names(client)).toEqual(['demo']);
  expect(server.calls().map(({ status, error }) => error ?? status)).toEqual([202, 'InvalidSignatureException', 200]);
});

test('the admin moves the clock, to a time too, and never back', async () => {
  const { server } = await start({ clock: movableClock({ start: Date.UTC(2030, 0, 1), frozen: true }) });
  expect((await admin(server, 'POST', 'clock', { advance: 1_500 })).body).toEqual({
    now: Date.UTC(2030, 0, 1) + 1_500,
    iso: '2030-01-01T00:00:01.500Z',
  });
  expect((await admin(server, 'POST', 'clock', { to: '2030-01-01T01:00:00Z' })).body.iso).toBe('2030-01-01T01:00:00.000Z');
  for (const wrong of [
    { advance: -1 },
    { advance: '1' },
    { to: '2029-01-01T00:00:00Z' },
    { to: 'soon' },
    { advance: 1e300 },
    { to: '+010000-01-01' },
    {},
    [],
    '{',
    'null',
  ])
    expect(await admin(server, 'POST', 'clock', wrong)).toMatchObject({ status: 400, body: { message: expect.any(String) } });
  expect((await admin(server, 'GET', 'clock')).body.iso).toBe('2030-01-01T01:00:00.000Z');
});

test('the admin sets faults, and ends them', async () => {
  const { server, client } = await start();
  expect(await admin(server, 'PUT', 'faults', { faults: ['error=CreateAgentRuntime'] })).toMatchObject({ status: 200 });
  await expect(client.send(new control.CreateAgentRuntimeCommand(NEW))).rejects.toMatchObject({ name: 'InternalServerException' });
  expect(await names(client)).toEqual([]);
  expect(await admin(server, 'PUT', 'faults', { faults: ['slow=X'] })).toMatchObject({ status: 400 });
  await admin(server, 'PUT', 'faults', { faults: [] });
  await client.send(new control.CreateAgentRuntimeCommand(NEW));
  expect((await admin(server, 'GET', 'state')).body.resources).toMatchObject({ runtime: 1 });
  await admin(server, 'POST', 'reset');
  expect(await names(client)).toEqual([]);
});

test('the log says which rule refused a call, and has no token and no secret', async () => {
  const { server } = await start({ faults: ['throttle=ListAgentRuntimes'] });
  const call = async (more: object, command: object = new control.ListAgentRuntimesCommand({})) => {
    const client = new control.BedrockAgentCoreControlClient({ endpoint: server.url, region: 'us-east-1', maxAttempts: 1, ...more });
    await client.send(command as control.ListAgentRuntimesCommand).catch(() => undefined);
    client.destroy();
    return (await admin(server, 'GET', 'explain')).body;
  };
  const key = { accessKeyId: server.env.AWS_ACCESS_KEY_ID as string, secretAccessKey: server.env.AWS_SECRET_ACCESS_KEY as string };
  expect(await call({ credentials: key })).toMatchObject({
    operation: 'ListAgentRuntimes',
    status: 429,
    rule: 'The fault throttle=ListAgentRuntimes:1 was injected.',
  });
  expect(await call({ credentials: { ...key, accessKeyId: 'OTHER' } })).toMatchObject({
    status: 403,
    rule: expect.stringContaining('OTHER'),
  });
  expect(await call({ credentials: { ...key, sessionToken: 'hush' } })).toMatchObject({ rule: expect.stringContaining('session token') });
  expect(await call({ credentials: { ...key, secretAccessKey: 'x' } })).toMatchObject({
    rule: expect.stringContaining('POST\n/runtimes/\n'),
  });
  expect(await call({ credentials: key, region: 'eu-west-1' })).toMatchObject({ rule: expect.stringContaining('us-east-1') });
  const missing = await call({ credentials: key }, new control.GetAgentRuntimeCommand({ agentRuntimeId: 'demo-abcdefghij' }));
  expect(missing).toMatchObject({ status: 404, error: 'ResourceNotFoundException', caller: expect.stringContaining(key.accessKeyId) });
  expect((await admin(server, 'GET', `explain?id=${missing.id}`)).body).toEqual(missing);
  expect((await admin(server, 'GET', 'explain?id=none')).status).toBe(404);
  const told = JSON.stringify(server.calls());
  for (const hidden of ['hush', key.secretAccessKey, server.adminToken]) expect(told).not.toContain(hidden);
});

test.each(['', 'x', 'a'.repeat(32)])('the admin token %j is refused', async (token) => {
  const { server } = await start();
  expect((await admin(server, 'GET', 'calls', undefined, token)).status).toBe(401);
});

test('no other site may read what the server answers', async () => {
  const { server } = await start();
  const response = await fetch(`${server.url}/_rondo/clock`, {
    method: 'OPTIONS',
    headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
  });
  expect([...response.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
});

/** Sends bytes as they are. */
const raw = (server: AgentCore, text: string, hangUp = false) =>
  new Promise<string>((resolve, reject) => {
    const socket = connect(server.port, '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.on('error', reject).on('close', () => resolve(answer));
    socket.write(text, () => hangUp && socket.destroy());
  });

test('a body over the limit gets an answer before it is sent, and the server goes on', async () => {
  const { server, client } = await start();
  const answer = await raw(server, 'PUT /runtimes/ HTTP/1.1\r\nhost: localhost\r\ncontent-length: 12000001\r\nconnection: close\r\n\r\n');
  expect(answer).toMatch(/^HTTP\/1.1 413 .*x-amzn-errortype: RequestEntityTooLargeException/is);
  const chunk = 'x'.repeat(1_000_000);
  const chunks = Array.from({ length: 13 }, () => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('');
  const head = 'PUT /runtimes/ HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n';
  expect(await raw(server, `${head}${chunks}0\r\n\r\n`)).toMatch(/^HTTP\/1.1 413 /);
  expect(server.calls().map(({ error }) => error)).toEqual(['RequestEntityTooLargeException', 'RequestEntityTooLargeException']);
  expect(await names(client)).toEqual([]);
});

test('a client that hangs up in its body leaves a line in the log, and no effect', async () => {
  const { server, client } = await start();
  await raw(server, 'PUT /runtimes/ HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{', true);
  expect(await names(client)).toEqual([]);
  await expect.poll(() => server.calls().map(({ error }) => error)).toContain('RequestTimeoutException');
});

test.each([
  [
    'a path that there is not',
    'GET /nothing HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n',
    '403',
    'MissingAuthenticationToken',
  ],
  ['no host', 'GET /runtimes/ HTTP/1.0\r\n\r\n', '403', 'AccessDenied'],
  ['an upgrade of nothing', 'GET /ws HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n', '404', ''],
  [
    'an upgrade of nothing whose sender sends more',
    `GET /ws HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n${'x'.repeat(100_000)}`,
    '404',
    '',
  ],
  [
    'an upgrade to something else than a WebSocket, as it is without one',
    'GET /nothing HTTP/1.1\r\nhost: localhost\r\nconnection: close, upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n\r\n',
    '403',
    'MissingAuthenticationToken',
  ],
  [
    'another method with an upgrade to a WebSocket, as it is without one',
    'POST /nothing HTTP/1.1\r\nhost: localhost\r\nconnection: close, upgrade\r\nupgrade: websocket\r\ncontent-length: 2\r\n\r\n{}',
    '403',
    'MissingAuthenticationToken',
  ],
  ['a broken escape', 'GET /tags/%zz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n', '403', 'MissingAuthenticationToken'],
])('%s is answered with an error', async (_, text, status, name) => {
  const { server } = await start();
  const answer = await raw(server, text);
  expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  expect(answer).toContain(name);
});

test('a connection that was refused an upgrade does not keep the server from its end', async () => {
  const server = await startAgentCore();
  const socket = connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true });
  open.push({ close: () => socket.destroy() });
  socket.write('GET /ws HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n');
  // it has the answer, and does not end its side
  await new Promise((resolve) => socket.once('data', resolve));
  await server.close();
});

test('open to other machines, it takes their names for it, and nothing else as Host', async () => {
  await using server = await startAgentCore({ host: '0.0.0.0', open: true });
  const told = (host: string) => raw(server, `GET /nothing HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`);
  expect(await told('wire.example.com:80')).toContain('MissingAuthenticationToken');
  for (const host of ['wire.example.com/gateways', 'a", error="b', 'ana@wire.example.com'])
    expect(await told(host)).toContain('The Host header names another server.');
});

test('a port that is taken is a clear error', async () => {
  const { server } = await start();
  await expect(startAgentCore({ port: server.port })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining(`127.0.0.1:${server.port}`),
  });
});
