import { readdirSync } from 'node:fs';
import * as data from '@aws-sdk/client-bedrock-agentcore';
import { afterEach, expect, test, vi } from 'vitest';
import { RATES } from '../../src/adapters/agentcore/wire/faults.ts';
import { folder } from '../kit/folder.ts';
import { until } from '../kit/time.ts';
import { call, type Deployed, deployed, sessionId } from './runtime.ts';
import { listOf, runs } from './sessions.ts';

afterEach(() => void vi.restoreAllMocks());

type Process = { pid: number };
type Headers = Record<string, string>;

test('a session id is a process: the same again, another id another, stopped by StopRuntimeSession, also when the stop is repeated', async () => {
  const of = await deployed();
  const one = await call<Process>(of, 'one', { act: 'pid' });
  expect(await call<Process>(of, 'one', { act: 'pid' })).toEqual(one);
  expect((await call<Process>(of, 'two', { act: 'pid' })).pid).not.toBe(one.pid);
  const stop = { agentRuntimeArn: of.arn, runtimeSessionId: sessionId('one'), clientToken: 'a-token-of-at-least-thirty-three-characters' };
  expect(await of.client.send(new data.StopRuntimeSessionCommand(stop))).toMatchObject({
    runtimeSessionId: sessionId('one'),
    statusCode: 200,
  });
  expect(runs(one.pid)).toBe(false);
  expect(await of.client.send(new data.StopRuntimeSessionCommand(stop))).toMatchObject({ statusCode: 200 });
  await expect(of.client.send(new data.StopRuntimeSessionCommand({ ...stop, clientToken: undefined }))).rejects.toMatchObject({
    name: 'ResourceNotFoundException',
  });
  expect((await call<Process>(of, 'one', { act: 'pid' })).pid).not.toBe(one.pid);
});

test('a session is reaped on the clock of the server after 900 s, and one with its own times after those', async () => {
  const of = await deployed();
  const { pid } = await call<Process>(of, 'one', { act: 'pid' });
  await of.server.clock.advance(899_999);
  expect(runs(pid)).toBe(true);
  await of.server.clock.advance(1);
  await until(() => !runs(pid));

  const short = await deployed({ lifecycleConfiguration: { idleRuntimeSessionTimeout: 60, maxLifetime: 100 } });
  const idle = await call<Process>(short, 'idle', { act: 'pid' });
  const busy = await call<Process>(short, 'busy', { act: 'pid' });
  await call(short, 'busy', { act: 'ping', status: 'HealthyBusy', time: 'fixed' });
  await short.server.clock.advance(60_000);
  await until(() => !runs(idle.pid));
  expect(runs(busy.pid)).toBe(true);
  await short.server.clock.advance(40_000);
  await until(() => !runs(busy.pid));
});

test('the program is told the session, request, user and trace, and nothing else of the caller', async () => {
  const of = await deployed();
  const sent = {
    traceId: 'Root=1-2-3',
    traceParent: '00-a-b-01',
    traceState: 'v=1',
    baggage: 'k=v',
    runtimeUserId: 'ann',
    accept: 'text/plain',
  };
  const got = await call<Headers>(of, 'one', { act: 'headers' }, { ...sent, headers: { 'x-tenant': 'acme', cookie: 'c=1' } });
  expect(got).toMatchObject({
    'x-amzn-bedrock-agentcore-runtime-session-id': sessionId('one'),
    'x-amzn-bedrock-agentcore-runtime-request-id': of.server.calls().at(-1)?.id,
    'x-amzn-bedrock-agentcore-runtime-user-id': 'ann',
    'x-amzn-trace-id': 'Root=1-2-3',
    traceparent: '00-a-b-01',
    tracestate: 'v=1',
    baggage: `k=v,session.id=${sessionId('one')}`,
    accept: 'text/plain',
    'content-type': 'application/json',
    workloadaccesstoken: expect.stringMatching(/./),
  });
  expect(got['x-amz-bedrock-agentcore-identity-wat']).toBe(got.workloadaccesstoken);
  // without a user there is none
  const { runtimeUserId: _, ...nameless } = sent;
  const other = await call<Headers>(of, 'two', { act: 'headers' }, nameless);
  for (const name of ['workloadaccesstoken', 'x-amz-bedrock-agentcore-identity-wat']) expect(other).not.toHaveProperty(name);
  for (const name of ['x-tenant', 'cookie', 'authorization', 'x-amz-date', 'user-agent']) expect(got).not.toHaveProperty(name);
});

test('an answer that has not begun after 15 minutes is a RuntimeClientError that says so', async () => {
  const of = await deployed();
  await call(of, 'one', { act: 'pid' });
  const answer = call(of, 'one', { act: 'never' });
  const refused = expect(answer).rejects.toMatchObject({ name: 'RuntimeClientError', message: expect.stringContaining('15 minutes') });
  await until(() => of.server.sessions().running.some(({ busy }) => busy));
  await of.server.clock.advance(899_999);
  expect(of.server.calls().at(-1)).toMatchObject({ operation: 'InvokeAgentRuntime', status: 200 });
  await of.server.clock.advance(1);
  await refused;
  expect(of.server.calls().at(-1)).toMatchObject({ status: 424, rule: expect.stringContaining('it took more than 15 minutes') });
});

test('a stream of more than 60 minutes breaks off, and the record of the call says why', async () => {
  const warned = vi.spyOn(process, 'emitWarning');
  const of = await deployed();
  const payload = Buffer.from(JSON.stringify({ act: 'stream', chunks: 1, hold: true }));
  const { response } = await of.client.send(
    new data.InvokeAgentRuntimeCommand({ agentRuntimeArn: of.arn, runtimeSessionId: sessionId('one'), payload }),
  );
  let text = '';
  let broke: unknown;
  const reading = (async () => {
    for await (const chunk of response as unknown as AsyncIterable<Uint8Array>) text += Buffer.from(chunk).toString();
  })().catch((error) => {
    broke = error;
  });
  await until(() => text !== '');
  await of.server.clock.advance(3_599_999);
  expect([of.server.calls().at(-1)?.rule, broke]).toEqual([undefined, undefined]);
  await of.server.clock.advance(1);
  await reading;
  expect([text, broke]).toEqual(['data: 0\n\n', expect.any(Error)]);
  const rule = 'The answer broke off: the stream took more than 60 minutes.';
  expect(of.server.calls().at(-1)).toMatchObject({ operation: 'InvokeAgentRuntime', status: 200, error: 'RuntimeClientError', rule });
  // the server did nothing wrong
  expect(warned.mock.calls).toEqual([]);
});

test('a program that ends in the middle of its answer is why that broke off', async () => {
  const of = await deployed();
  const payload = Buffer.from(JSON.stringify({ act: 'stream', chunks: 1, hold: true }));
  const input = { agentRuntimeArn: of.arn, runtimeSessionId: sessionId('one') };
  const { response } = await of.client.send(new data.InvokeAgentRuntimeCommand({ ...input, payload }));
  const reading = expect(response?.transformToString()).rejects.toThrow();
  await call(of, 'one', { act: 'exit', code: 1 });
  await reading;
  const record = () => of.server.calls().find(({ rule }) => rule?.startsWith('The answer broke off'));
  await until(() => record() !== undefined);
  expect(record()).toMatchObject({ operation: 'InvokeAgentRuntime', status: 200, error: 'RuntimeClientError' });
});

test('each operation of a runtime has a rate, for each runtime, by the clock', async () => {
  const all = { InvokeAgentRuntime: 1_000, InvokeAgentRuntimeCommand: 1_000, StopRuntimeSession: 1_000, GetAgentCard: 1_000 };
  expect(RATES).toMatchObject(all);
  const of = await deployed();
  const sent = async (arn: string) => {
    const path = `/runtimes/${encodeURIComponent(arn)}/invocations/.well-known/agent-card.json`;
    return (await fetch(`${of.server.url}${path}`, { headers: { authorization: 'Bearer none' } })).status;
  };
  const statuses = new Set<number>();
  for (let i = 0; i < 1_000; i += 50)
    for (const status of await Promise.all(Array.from({ length: 50 }, () => sent(of.arn)))) statuses.add(status);
  expect([...statuses]).toEqual([403]);
  expect([await sent(of.arn), await sent(of.arn.replace(/-\w+$/, '-0000000000'))]).toEqual([429, 404]);
  await of.server.clock.advance(1);
  expect(await sent(of.arn)).toBe(403);
});

test('the allow-list: names, reserved prefixes, Authorization, 20 of them, values of 4 KB', async () => {
  const list = (...requestHeaderAllowlist: string[]) => ({ requestHeaderConfiguration: { requestHeaderAllowlist } });
  const names = Array.from({ length: 20 }, (_, i) => `X-Own-${i}`);
  const custom = 'X-Amzn-Bedrock-AgentCore-Runtime-Custom-Team';
  const refused = { name: 'ValidationException', reason: 'FieldValidationFailed' };
  for (const bad of [[...names, 'X-Own-20'], ['x-amz-security-token'], ['X-Amzn-Other'], ['Connection'], ['Authorization'], ['a b']])
    await expect(deployed(list(...bad)), String(bad)).rejects.toMatchObject(refused);
  const of = await deployed(list(...names.slice(1), custom));
  const long = 'v'.repeat(4_096);
  const headers = { 'x-own-1': 'one', 'x-own-19': long, [custom.toLowerCase()]: 'red', 'x-own-0': 'not on the list' };
  const got = await call<Headers>(of, 'one', { act: 'headers' }, { headers });
  expect(got).toMatchObject({ 'x-own-1': 'one', 'x-own-19': long, [custom.toLowerCase()]: 'red' });
  expect(got).not.toHaveProperty('x-own-0');
  await expect(call(of, 'one', { act: 'headers' }, { headers: { 'x-own-1': `${long}v` } })).rejects.toMatchObject({
    ...refused,
    message: expect.stringContaining('X-Own-1 has more than 4096 bytes'),
  });
});

test('the 26th new session in a second is refused with 402, and as each protocol tells it', async () => {
  const of = await deployed({}, { sessions: { newPerSecond: 1 } });
  await call(of, 'one', {});
  await expect(call(of, 'two', {})).rejects.toMatchObject({
    name: 'ServiceQuotaExceededException',
    $metadata: { httpStatusCode: 402, attempts: 1 },
  });
  await call(of, 'one', {});
  await of.server.clock.advance(1_000);
  await call(of, 'two', {});
  const over = async (serverProtocol: 'MCP' | 'A2A' | 'AGUI') => {
    const other = await deployed({ protocolConfiguration: { serverProtocol } }, { sessions: { newPerSecond: 0 } });
    return call(other, 'one', { jsonrpc: '2.0', id: 7, method: 'ping' });
  };
  expect(await over('MCP')).toMatchObject({ id: 7, error: { code: -32_003 } });
  for (const protocol of ['A2A', 'AGUI'] as const)
    await expect(over(protocol)).rejects.toMatchObject({ $metadata: { httpStatusCode: 429 } });
});

test.each([
  ['HTTP', '/invocations'],
  ['MCP', '/mcp'],
  ['A2A', '/'],
  ['AGUI', '/invocations'],
] as const)('%s is served at %s', async (serverProtocol, path) => {
  const of = await deployed({ protocolConfiguration: { serverProtocol } });
  expect(await call(of, 'one', { text: 'hi' })).toEqual({ echo: { text: 'hi' }, path });
});

test('an answer streams as it comes, and a client that hangs up ends it', async () => {
  const of = await deployed();
  const input = { agentRuntimeArn: of.arn, runtimeSessionId: sessionId('one'), accept: 'text/event-stream' };
  const payload = (o: object) => ({ payload: Buffer.from(JSON.stringify({ act: 'stream', ...o })) });
  const held = await of.client.send(new data.InvokeAgentRuntimeCommand({ ...input, ...payload({ chunks: 1, hold: true }) }));
  expect(held.contentType).toBe('text/event-stream');
  // the first event is here while the answer is held open: the session is not idle
  const reader = (held.response as NonNullable<typeof held.response>).transformToWebStream().getReader();
  expect(Buffer.from((await reader.read()).value as Uint8Array).toString()).toBe('data: 0\n\n');
  const { pid } = await call<Process>(of, 'one', { act: 'pid' });
  await of.server.clock.advance(3_000_000);
  expect(runs(pid)).toBe(true);
  await reader.cancel();
  await until(async () => {
    await of.server.clock.advance(900_000);
    return !runs(pid);
  });
});

test('a payload of 100 MB arrives whole, one of a byte more does not, and chunks of 10 MB come back', async () => {
  const of = await deployed();
  const most = 100_000_000 - JSON.stringify({ act: 'size', text: '' }).length;
  expect(await call(of, 'one', { act: 'size', text: 'x'.repeat(most) })).toEqual({ length: most });
  await expect(call(of, 'one', { act: 'size', text: 'x'.repeat(most + 1) })).rejects.toMatchObject({
    $metadata: { httpStatusCode: 413 },
  });
  const { response } = await of.client.send(
    new data.InvokeAgentRuntimeCommand({
      agentRuntimeArn: of.arn,
      runtimeSessionId: sessionId('one'),
      payload: Buffer.from(JSON.stringify({ act: 'stream', chunks: 3, size: 10_000_000 })),
    }),
  );
  let length = 0;
  for await (const chunk of response as unknown as AsyncIterable<Uint8Array>) length += chunk.length;
  expect(length).toBe(30_000_000);
});

test('what the program does wrong is a RuntimeClientError, and says where to look', async () => {
  const of = await deployed();
  for (const status of [400, 404, 500, 503])
    await expect(call(of, 'one', { act: 'fail', status })).rejects.toMatchObject({
      name: 'RuntimeClientError',
      message: expect.stringContaining(`(${status})`),
      $metadata: { httpStatusCode: 424, attempts: 1 },
    });
  const dead = await deployed({}, { binding: { command: ['node', '-e', 'process.exit(3)'] } });
  await expect(call(dead, 'one', {})).rejects.toMatchObject({
    name: 'RuntimeClientError',
    message: expect.stringContaining('exited with 3'),
  });
  const unbound = await deployed({}, { bindings: {} });
  await expect(call(unbound, 'one', {})).rejects.toMatchObject({
    name: 'RuntimeClientError',
    message: expect.stringContaining('bindings'),
  });
});

test('wrong names: another runtime, endpoint, account, a session id that is too short', async () => {
  const of = await deployed();
  const notFound = { name: 'ResourceNotFoundException' };
  await expect(call({ ...of, arn: `${of.arn}x` }, 'one', {})).rejects.toMatchObject(notFound);
  await expect(call({ ...of, arn: of.arn.replace('123456789012', '210987654321') }, 'one', {})).rejects.toMatchObject(notFound);
  await expect(call(of, 'one', {}, { qualifier: 'other' })).rejects.toMatchObject(notFound);
  await expect(call(of, 'one', {}, { runtimeSessionId: 'x'.repeat(32) })).rejects.toMatchObject({ reason: 'FieldValidationFailed' });
  await expect(call({ ...of, arn: of.id }, 'one', {})).rejects.toMatchObject({ name: 'ValidationException' });
  expect(await call({ ...of, arn: of.id }, 'one', {}, { accountId: '123456789012' })).toMatchObject({ path: '/invocations' });
});

test('a command runs in the session, and its events come through the client', async () => {
  const of = await deployed();
  await call(of, 'one', { act: 'write', name: 'note.txt', text: 'of the program' });
  const run = async (command: string, timeout?: number) => {
    const { stream } = await of.client.send(
      new data.InvokeAgentRuntimeCommandCommand({
        agentRuntimeArn: of.arn,
        runtimeSessionId: sessionId('one'),
        body: { command, ...(timeout !== undefined && { timeout }) },
      }),
    );
    return stream as AsyncIterable<data.InvokeAgentRuntimeCommandStreamOutput>;
  };
  const events = (await listOf(await run('cat "$TMPDIR/note.txt"; echo wrong >&2; exit 4'))).map(({ chunk }) => chunk);
  expect(events[0]).toMatchObject({ contentStart: {} });
  expect(events.map((event) => event?.contentDelta?.stdout ?? '').join('')).toBe('of the program');
  expect(events.map((event) => event?.contentDelta?.stderr ?? '').join('')).toBe('wrong\n');
  expect(events.at(-1)).toMatchObject({ contentStop: { exitCode: 4, status: 'COMPLETED' } });

  const slow = (await run('echo begun; sleep 1000', 1))[Symbol.asyncIterator]();
  await slow.next();
  expect((await slow.next()).value?.chunk?.contentDelta?.stdout).toBe('begun\n');
  await of.server.clock.advance(1_000);
  expect((await slow.next()).value?.chunk?.contentStop).toMatchObject({ exitCode: 137, status: 'TIMED_OUT' });
  for (const timeout of [0, 3_601]) await expect(run('true', timeout)).rejects.toMatchObject({ reason: 'FieldValidationFailed' });
});

test('the card of an A2A agent, whose program knows the URL of its runtime', async () => {
  const of = await deployed({ protocolConfiguration: { serverProtocol: 'A2A' } });
  const card = async (o: Deployed) =>
    (await o.client.send(new data.GetAgentCardCommand({ agentRuntimeArn: o.arn, runtimeSessionId: sessionId('one') }))).agentCard;
  expect(await card(of)).toMatchObject({ name: 'fixture', url: `${of.server.url}/runtimes/${encodeURIComponent(of.arn)}/invocations/` });
});

test('a connection that is reset is tried three times by the client, and all reach one process', async () => {
  const logs = folder('logs');
  const of = await deployed({}, { faults: ['reset=InvokeAgentRuntime'], attempts: 3, sessions: { logs } });
  await expect(call(of, 'one', { act: 'pid' })).rejects.toMatchObject({ $metadata: { attempts: 3 } });
  expect(of.server.calls().filter(({ operation }) => operation === 'InvokeAgentRuntime')).toHaveLength(3);
  expect(readdirSync(logs)).toHaveLength(1);
});
