/** agentcoreRuntime() against the local server: the official client signs, and the programs are processes. */
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as data from '@aws-sdk/client-bedrock-agentcore';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import {
  type AgentCoreRuntimeOptions,
  agentcoreRuntime,
  type RuntimeCommandOptions,
  runtimeCard,
  runtimeCommand,
} from '../../src/adapters/agentcore/runtime/index.ts';
import type { AgentCoreOptions } from '../../src/adapters/agentcore/wire/index.ts';
import { texter } from '../../src/engine/read/text.ts';
import { agent, approve, Engine, type Json, memoryJournal, type RunEvent } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { folder } from '../kit/folder.ts';
import { until } from '../kit/time.ts';
import { issuer } from '../server/issuer.ts';
import { type Deployed, deployed, sessionId } from './runtime.ts';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const DESK = ['node', '--no-warnings', '--import', here('../../scripts/source.ts'), here('fixtures/desk.ts')] as const;
const ana = { id: 'ana', tenant: 't' };
const ben = { id: 'ben', tenant: 't', roles: ['lead'] };

const engines: Engine[] = [];
afterEach(async () => {
  vi.restoreAllMocks();
  for (const engine of engines.splice(0)) await engine.close();
});

/** A runtime whose program serves an agent of ours. `done` is what its tools did. */
async function desk(o: AgentCoreOptions = {}): Promise<Deployed & { done(): string[] }> {
  const path = folder('desk');
  const file = join(path, 'done.txt');
  const env = { DESK_JOURNAL: join(path, 'runs.db'), DESK_DONE: file };
  const of = await deployed({}, { binding: { command: [...DESK], env }, ...o });
  return { ...of, done: () => (existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []) };
}

function caller(of: Pick<Deployed, 'arn'>, o: Partial<AgentCoreRuntimeOptions> = {}) {
  const remote = agentcoreRuntime({ arn: of.arn, user: ({ by, decidedBy }) => (decidedBy ?? by)?.id, ...o });
  const engine = new Engine({ journal: memoryJournal(), agents: [remote] });
  engines.push(engine);
  return { remote, engine, run: (input: string) => engine.run(remote, input, { by: ana }) };
}

const invocations = ({ server }: Deployed) => server.calls().filter(({ operation }) => operation === 'InvokeAgentRuntime');

test('a turn streams its text, gives its output and usage, and its name is that of the runtime', async () => {
  const of = await desk();
  const { remote, engine } = caller(of);
  expect(remote.name).toBe('demo');
  const run = engine.run(remote, 'hello', { by: ana });
  const events: RunEvent[] = [];
  for await (const event of run) events.push(event);
  expect(await run).toMatchObject({ status: 'completed', output: 'You said hello.', usage: { input: 7, output: 3 } });
  const text = texter();
  expect(events.map(text).join('')).toBe('You said hello.');
});

test('an approval of its run is one of the top run; the decision goes back, into another process of the session', async () => {
  const of = await desk();
  const { remote } = caller(of);
  const boss = agent({
    name: 'boss',
    instructions: '',
    agents: [remote],
    model: scripted(({ messages }) =>
      messages.at(-1)?.role === 'user'
        ? { toolCalls: [{ name: 'demo', input: { task: 'pay 5' } }] }
        : `told: ${JSON.stringify(messages.at(-1)?.content)}`,
    ),
  });
  const engine = new Engine({ journal: memoryJournal(), agents: [boss] });
  engines.push(engine);
  const paused = await engine.run(boss, 'go', { by: ana });
  if (paused.status !== 'paused') return expect.fail(JSON.stringify(paused));
  const [asked] = paused.approvals;
  expect(asked).toMatchObject({ kind: 'tool', tool: 'pay', input: { cents: 5 }, reason: 'it is money', roles: ['lead'] });
  expect(of.done()).toEqual([]);
  await of.server.clock.advance(900_000);
  await expect(engine.decide(paused.runId, [approve(asked as never)], { by: ana })).rejects.toMatchObject({ code: 'NOT_PERMITTED' });
  await engine.decide(paused.runId, [approve(asked as never, 'seen')], { by: ben });
  const end = await engine.resume(paused.runId, { by: ana });
  expect(end).toMatchObject({ status: 'completed', output: expect.stringContaining('paid 5') });
  expect(of.done()).toEqual(['pay 5']);
  const sessions = new Set(invocations(of).map(({ path }) => path));
  // the clock of the server went on, so the first signature was too old
  // 409: on a slow machine the session is still being ended
  const statuses = invocations(of).map(({ status }) => status);
  expect([sessions.size, statuses.filter((status) => status !== 409)]).toEqual([1, [200, 403, 200]]);
});

test('500 after the effect: the agent ran once, the outcome is unknown, and nothing is sent again', async () => {
  const of = await desk({ faults: ['error-after=InvokeAgentRuntime'] });
  const end = await caller(of).run('note 1');
  expect(end).toMatchObject({ status: 'failed', error: { code: 'SERVICE_UNAVAILABLE', outcome: 'unknown', attempts: 1 } });
  await until(() => of.done().length > 0);
  expect([invocations(of).length, of.done()]).toEqual([1, ['note 1']]);
});

test('the same where it may be sent again: three calls, and the request id lets the agent run once', async () => {
  const of = await desk({ faults: ['error-after=InvokeAgentRuntime'] });
  const end = await caller(of, { effect: 'idempotent' }).run('note 1');
  expect(end).toMatchObject({ status: 'failed', error: { code: 'SERVICE_UNAVAILABLE', attempts: 3 } });
  await until(() => of.done().length > 0);
  expect([invocations(of).length, of.done()]).toEqual([3, ['note 1']]);
});

test('a stream that breaks is followed by a repeat of the request, and the agent runs once', async () => {
  const of = await desk({ faults: ['reset-stream=InvokeAgentRuntime:0.5'], seed: 7 });
  const { run } = caller(of);
  const noted: string[] = [];
  // an answer that came in one chunk was whole before the break
  while (invocations(of).length === noted.length && noted.length < 20) {
    noted.push(`note ${noted.length}`);
    expect(await run(noted.at(-1) as string)).toMatchObject({ status: 'completed', output: expect.stringContaining('noted') });
  }
  expect(invocations(of).length).toBeGreaterThan(noted.length);
  expect(of.done()).toEqual(noted);
});

test('a failure of the remote run keeps its code', async () => {
  const end = await caller(await desk()).run('fail');
  expect(end).toMatchObject({
    status: 'failed',
    error: { code: 'ACCESS_DENIED', message: expect.stringContaining('agent "demo" failed') },
  });
});

test('programs of others: JSON, text and streams, by a payload of their own, in one session for the thread', async () => {
  const of = await deployed();
  const ask = async (input: Json, more: Partial<AgentCoreRuntimeOptions> = {}) => {
    const end = await caller(of, { payload: () => input, ...more }).run('x');
    return end.status === 'completed' ? end.output : end;
  };
  const headers = (await ask({ act: 'headers' })) as Record<string, string>;
  expect(headers['x-amzn-bedrock-agentcore-runtime-session-id']).toMatch(/^rondo-[0-9a-f]{64}$/);
  expect(headers).toMatchObject({ 'content-type': 'application/json', 'x-amzn-bedrock-agentcore-runtime-user-id': 'ana' });
  expect(await ask({ act: 'stream', chunks: 3 })).toEqual([0, 1, 2]);
  const own = sessionId('mine');
  expect(((await ask({ act: 'headers' }, { session: () => own })) as typeof headers)['x-amzn-bedrock-agentcore-runtime-session-id']).toBe(
    own,
  );
  expect(await caller(of).run('hello')).toMatchObject({ output: { echo: { prompt: 'hello', requestId: expect.any(String) } } });
});

const failing = async (of: Pick<Deployed, 'arn'>, input: Json = {}, more: Partial<AgentCoreRuntimeOptions> = {}) => {
  const end = await caller(of, { payload: () => input, retry: { attempts: 1 }, ...more }).run('x');
  return end.status === 'failed' ? [end.error.code, end.error.outcome] : [end.status];
};

test('errors: their codes, and whether the program may have acted', async () => {
  const of = await deployed();
  expect(await failing(of, { act: 'fail', status: 500 })).toEqual(['AGENTCORE_RUNTIME_FAILED', 'unknown']);
  expect(await failing(of, { act: 'fail', status: 400 })).toEqual(['AGENTCORE_RUNTIME_FAILED', 'unknown']);
  expect(await failing({ arn: of.arn.replace(/-\w+$/, '-0000000000') })).toEqual(['NOT_FOUND', 'not-run']);
  expect(await failing(of, {}, { session: () => 'short' })).toEqual(['AGENTCORE_SESSION_INVALID', 'not-run']);
  expect(await failing(of, {}, { maxBytes: 3 })).toEqual(['AGENTCORE_TOO_LARGE', 'unknown']);
  const wrong = { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wrong' };
  const client = new data.BedrockAgentCoreClient({ maxAttempts: 1, credentials: wrong });
  expect(await failing(of, {}, { client })).toEqual(['ACCESS_DENIED', 'not-run']);
  expect(await failing(of, {}, { client: new data.BedrockAgentCoreClient({}) })).toEqual(['AGENTCORE_CLIENT_RETRIES', 'not-run']);
  expect(
    await failing(
      of,
      {},
      { endpoint: 'http://127.0.0.1:9', client: new data.BedrockAgentCoreClient({ maxAttempts: 1, endpoint: 'http://127.0.0.1:9' }) },
    ),
  ).toMatchObject([expect.any(String), 'not-run']);
});

test.each([
  ['throttle', ['THROTTLING', 'not-run']],
  ['reset', [expect.any(String), 'unknown']],
  ['reset-stream', ['STREAM_BROKEN', 'unknown']],
])('a fault: %s', async (fault, expected) => {
  const of = await deployed({}, { faults: [`${fault}=InvokeAgentRuntime`] });
  expect(await failing(of, { act: 'stream', chunks: 50, size: 100_000 })).toEqual(expected);
  expect(invocations(of)).toHaveLength(1);
});

test('a quota of sessions is told as one, and what is throttled is sent again', async () => {
  const of = await deployed({}, { sessions: { newPerSecond: 1 } });
  expect(await failing(of)).toEqual(['completed']);
  expect(await failing(of)).toEqual(['AGENTCORE_QUOTA', 'not-run']);
  const slow = await deployed({}, { faults: ['throttle=InvokeAgentRuntime:0.5'], seed: 3 });
  for (let i = 0; i < 3; i++) expect((await caller(slow, { retry: { attempts: 8, initialDelay: 1 } }).run('x')).status).toBe('completed');
  expect(invocations(slow).length).toBeGreaterThan(3);
});

test('a cancelled run ends the session of the runtime', async () => {
  const of = await deployed();
  const { engine, remote } = caller(of, { payload: () => ({ act: 'stream', chunks: 1, hold: true }) });
  const run = engine.run(remote, 'x', { by: ana });
  await until(() => invocations(of).length === 1);
  await engine.cancel(run.id, { by: ana });
  expect((await run).status).toBe('cancelled');
  await until(() => of.server.calls().some(({ operation, status }) => operation === 'StopRuntimeSession' && status === 200));
});

/** A runtime that takes tokens, and one. */
async function guarded(more: object = {}, o: AgentCoreOptions = {}) {
  const idp = await issuer();
  const authorizer = { customJWTAuthorizer: { discoveryUrl: idp.discoveryUrl, allowedClients: ['web'] } };
  const allowed = { requestHeaderAllowlist: ['Authorization'] };
  const of = await deployed({ authorizerConfiguration: authorizer, requestHeaderConfiguration: allowed, ...more }, o);
  const token = await idp.token({ client_id: 'web', sub: 'ana' });
  return { of, auth: { bearer: () => token } };
}

/** Global `fetch` gives up on an answer that has not begun after five minutes, so no call of a runtime goes by it. */
function withoutFetch(): void {
  const { fetch } = globalThis;
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (url, init) => {
    if (String(url).includes('/runtimes/')) throw new Error('a call of a runtime went by fetch');
    return fetch(url, init);
  });
}

test('with a token: the program is called, the token is masked, and a refused one is told', async () => {
  withoutFetch();
  const { of, auth } = await guarded();
  const end = await caller(of, { auth, payload: () => ({ act: 'headers' }) }).run('x');
  expect(end).toMatchObject({ status: 'completed', output: { authorization: 'Bearer [secret authorization]' } });
  expect(await failing(of, {}, { auth: { bearer: 'not-a-token' } })).toMatchObject([
    expect.stringMatching(/UNAUTHENTICATED|ACCESS_DENIED/),
    'not-run',
  ]);
  expect(await failing(of)).toEqual(['ACCESS_DENIED', 'not-run']);
  expect(
    await failing(
      of,
      {},
      {
        auth: {
          bearer: () => {
            throw new Error('no');
          },
        },
      },
    ),
  ).toEqual(['AGENTCORE_NO_CREDENTIALS', 'not-run']);
});

test('with a token: a cancelled run ends its session, and the answer that has not begun', async () => {
  withoutFetch();
  const { of, auth } = await guarded();
  const { engine, remote } = caller(of, { auth, payload: () => ({ act: 'stream', chunks: 1, hold: true }) });
  const run = engine.run(remote, 'x', { by: ana });
  await until(() => of.server.sessions().running.some(({ busy }) => busy));
  await engine.cancel(run.id, { by: ana });
  expect((await run).status).toBe('cancelled');
  await until(() => of.server.calls().some(({ operation, status }) => operation === 'StopRuntimeSession' && status === 200));
});

test('with a token: a redirect is refused, since it would take the token with it, and a broken connection is told; no error holds the token', async () => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    if (asked.length === 1) response.writeHead(307, { location: '/elsewhere' }).end();
    else if (/\/(commands|agent-card\.json)$/.test(request.url ?? ''))
      response.writeHead(403).end(JSON.stringify({ message: request.headers.authorization }));
    else request.socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const arn = 'arn:aws:bedrock-agentcore:us-east-1:123456789012:runtime/desk-abcdefghij';
  const o = { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, auth: { bearer: 'token-of-ana' } };
  expect(await failing({ arn }, {}, o)).toEqual(['REDIRECTED', 'unknown']);
  expect(asked).toEqual([expect.stringContaining('/invocations')]);
  expect(await failing({ arn }, {}, o)).toEqual(['NETWORK', 'unknown']);
  expect(await failing({ arn }, {}, { ...o, endpoint: 'http://127.0.0.1:9' })).toEqual(['NETWORK', 'not-run']);
  const refused = await commanded('ls', { arn, ...o });
  expect(refused).toMatchObject({
    code: 'ACCESS_DENIED',
    message: expect.stringContaining('tool "run_command" on AgentCore: Bearer [secret authorization]'),
  });
  const error = await runtimeCard({ arn, ...o }).catch((e) => e as Error);
  expect(error).toMatchObject({ code: 'ACCESS_DENIED', message: 'agent "desk" on AgentCore: Bearer [secret authorization]' });
});

test('the card of an A2A runtime', async () => {
  const of = await deployed({ protocolConfiguration: { serverProtocol: 'A2A' } });
  expect(await runtimeCard({ arn: of.arn })).toMatchObject({ name: 'fixture', url: expect.stringContaining('/invocations/') });
  await expect(runtimeCard({ arn: (await deployed()).arn.replace(/-\w+$/, '-0000000000') })).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('the card of a runtime that takes tokens', async () => {
  withoutFetch();
  const { of, auth } = await guarded({ protocolConfiguration: { serverProtocol: 'A2A' } });
  expect(await runtimeCard({ arn: of.arn, auth })).toMatchObject({ name: 'fixture' });
  await expect(runtimeCard({ arn: of.arn, auth: { bearer: 'none' } })).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
});

/** The result of a command, or its error. */
async function commanded(command: string, o: Partial<RuntimeCommandOptions> & { arn: string }) {
  const model = scripted(({ messages }) =>
    messages.length === 1 ? { toolCalls: [{ name: 'run_command', input: { command } }] } : JSON.stringify(messages.at(-1)?.content),
  );
  const tools = [runtimeCommand({ session: () => sessionId('shell'), ...o })];
  const operator = agent({ name: 'operator', instructions: '', model, tools });
  const engine = new Engine({ journal: memoryJournal(), agents: [operator] });
  engines.push(engine);
  const { runId } = await engine.run(operator, 'go', { by: ana });
  for await (const e of engine.entries(runId, { by: ana })) if (e.type === 'call.finished') return e.output ?? e.error;
  return undefined;
}

test('a command in a session of a runtime that takes tokens', async () => {
  withoutFetch();
  const { of, auth } = await guarded();
  const run = (command: string, more: Partial<RuntimeCommandOptions> = {}) => commanded(command, { arn: of.arn, auth, ...more });
  expect(await run('echo Grüße; echo err >&2; exit 3')).toEqual({ exitCode: 3, status: 'COMPLETED', stdout: 'Grüße\n', stderr: 'err\n' });
  expect(await run('yes | head -c 1000000')).toMatchObject({ status: 'COMPLETED', cut: true, stdout: 'y\n'.repeat(8_192) });
  expect(await run('x', { auth: { bearer: 'none' } })).toMatchObject({ code: 'UNAUTHENTICATED', outcome: 'not-run' });
  expect(await run('x', { auth: 'sigv4' })).toMatchObject({ code: 'ACCESS_DENIED', outcome: 'not-run' });
});

test.each([
  ['reset-stream', { code: 'STREAM_BROKEN', outcome: 'unknown' }],
  ['throttle', { code: 'THROTTLING', outcome: 'not-run' }],
])('a fault of a command that is sent with a token: %s', async (fault, expected) => {
  const { of, auth } = await guarded({}, { faults: [`${fault}=InvokeAgentRuntimeCommand`] });
  expect(await commanded('seq 100000', { arn: of.arn, auth })).toMatchObject(expected);
});

test('a command in the session of an agent: its output, its exit code, its end by the time limit', async () => {
  const of = await deployed();
  const run = (command: string) => commanded(command, { arn: of.arn });
  expect(await run('echo out; echo err >&2; exit 3')).toEqual({ exitCode: 3, status: 'COMPLETED', stdout: 'out\n', stderr: 'err\n' });
  const long = await run('yes | head -c 1000000; echo end');
  expect(long).toMatchObject({ status: 'COMPLETED', exitCode: 0, cut: true, stdout: 'y\n'.repeat(8_192) });
  expect(await run('echo x'.padEnd(70_000))).toMatchObject({ code: 'VALIDATION', outcome: 'not-run' });
  expect(() => runtimeCommand({ arn: of.arn, timeout: 0 })).toThrowError(expect.objectContaining({ code: 'CONFIG_INVALID' }));
});

test.each<[string, object]>([
  ['no ARN', {}],
  ['the ARN of something else', { arn: 'arn:aws:lambda:us-east-1:123456789012:function:x' }],
  ['an endpoint that is not a URL', { endpoint: 'localhost' }],
  ['auth that is neither', { auth: 'none' }],
  ['a token with the AWS client', { auth: { bearer: 't' }, client: {} }],
  ['an option that is not there', { sesion: () => '' }],
])('is refused: %s', (_, o) => {
  const arn = 'arn:aws:bedrock-agentcore:us-east-1:123456789012:runtime/desk-a1b2c3d4e5';
  expect(() => agentcoreRuntime({ ...('endpoint' in o || 'auth' in o || 'sesion' in o ? { arn } : {}), ...o } as never)).toThrowError(
    expect.objectContaining({ code: 'CONFIG_INVALID' }),
  );
});
