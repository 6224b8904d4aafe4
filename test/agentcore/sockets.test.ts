import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { RuntimeClient } from 'bedrock-agentcore/runtime';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { folder } from '../kit/folder.ts';
import { until } from '../kit/time.ts';
import { call, type Deployed, deployed, sessionId } from './runtime.ts';
import { runs } from './sessions.ts';

/** The client of the official SDK. It takes the endpoint and the keys from the environment. */
const sdk = () => new RuntimeClient({ region: 'us-east-1' });

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

type Shell = Awaited<ReturnType<ReturnType<typeof sdk>['openShell']>>;

/** What a shell says, as it says it. */
function listening(shell: Shell): { text(): string; over: Promise<void> } {
  let all = '';
  const over = (async () => {
    for await (const frame of shell) if (frame.channel === 1 || frame.channel === 2) all += frame.text;
  })();
  return { text: () => all, over };
}

test('a shell of the official SDK: input, both outputs, its exit code, in the folder of the session', async () => {
  const of = await deployed();
  await call(of, 'one', { act: 'write', name: 'note.txt', text: 'of the program' });
  const shell = await sdk().openShell({ runtimeArn: of.arn, sessionId: sessionId('one') });
  expect(shell.reconnected).toBe(false);
  const heard = listening(shell);
  await shell.send('cat "$TMPDIR/note.txt"; echo wrong >&2; x=kept\n');
  await until(() => heard.text().includes('wrong'));
  await shell.resize(80, 24);
  await shell.sendHeartbeat();
  await shell.send('echo " $x"; exit 3\n');
  await heard.over;
  expect(heard.text()).toContain('of the program');
  expect(heard.text()).toContain(' kept');
  expect(shell.exitCode).toBe(3);
});

test('a shell outlives its connection: what it said meanwhile is replayed; another client takes it over', async () => {
  const of = await deployed();
  const client = sdk();
  const open = (shellId: string) => client.openShell({ runtimeArn: of.arn, sessionId: sessionId('one'), shellId });
  const first = await open('kept');
  const heard = listening(first);
  await first.send('echo $$; x=kept\n');
  await until(() => heard.text().includes('\n'));
  const pid = Number(heard.text());
  // it says something once nothing is connected
  await call(of, 'one', { act: 'fifo' });
  await first.send('read go < "$HOME/go"; echo later $x\n');
  first._terminateConnection();
  await heard.over;
  await call(of, 'one', { act: 'go' });
  const second = await open('kept');
  expect(second.reconnected).toBe(true);
  const again = listening(second);
  await until(() => again.text().includes('later kept'));
  expect(second.bytesDropped).toBe(0);
  expect(runs(pid)).toBe(true);

  // another client takes it
  const third = await open('kept');
  await again.over;
  expect(second.kicked).toBe(true);
  expect(third.reconnected).toBe(true);
  await third.close();
  await until(() => !runs(pid));
});

test('an eleventh shell is refused, and a shell ends after an hour', async () => {
  const of = await deployed();
  const client = sdk();
  const open = () => client.openShell({ runtimeArn: of.arn, sessionId: sessionId('one') });
  const shells = await Promise.all(Array.from({ length: 10 }, open));
  await expect(open()).rejects.toThrow('402');
  const heard = listening(shells[0] as Shell);
  await of.server.clock.advance(3_600_000);
  await heard.over;
  expect(shells[0]?.exitCode).toBe(137);
  for (const shell of shells) await shell.close();
});

/** The messages of a connection, and how it closed. */
async function connected({ arn }: Deployed, o: { sessionId?: string; headers?: Record<string, string> } = {}) {
  const { url, headers } = await sdk().generateWsConnection({ runtimeArn: arn, sessionId: o.sessionId ?? sessionId('one') });
  const socket = new WebSocket(url.replace(/^http/, 'ws'), { headers: { ...headers, ...o.headers } });
  const messages: (string | Buffer)[] = [];
  socket.on('message', (data: Buffer, binary) => messages.push(binary ? data : String(data)));
  const closed = new Promise<{ code: number; reason: string }>((resolve) =>
    socket.once('close', (code, reason) => resolve({ code, reason: String(reason) })),
  );
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  return { socket, messages, closed };
}

test('/ws reaches the program of the session: texts, bytes, headers, and the code of its close', async () => {
  const of = await deployed({ requestHeaderConfiguration: { requestHeaderAllowlist: ['X-Team'] } });
  const { socket, messages, closed } = await connected(of, { headers: { 'X-Team': 'red', 'X-Other': 'no' } });
  await until(() => messages.length === 1);
  const headers = JSON.parse(messages[0] as string);
  expect(headers).toMatchObject({ 'x-amzn-bedrock-agentcore-runtime-session-id': sessionId('one'), 'x-team': 'red' });
  expect(headers).not.toHaveProperty('authorization');
  expect(headers).not.toHaveProperty('x-other');
  const bytes = Buffer.alloc(65_536, 7);
  for (const message of ['one', 'two', bytes]) socket.send(message);
  await until(() => messages.length === 4);
  expect(messages.slice(1)).toEqual(['one', 'two', bytes]);
  // the session is in use while the connection is open
  const { pid } = await call<{ pid: number }>(of, 'one', { act: 'pid' });
  await of.server.clock.advance(2_000_000);
  expect(runs(pid)).toBe(true);
  socket.send('bye');
  expect(await closed).toEqual({ code: 4321, reason: 'as you wish' });
  // the server may see the end later than the client
  await until(async () => {
    await of.server.clock.advance(900_000);
    return !runs(pid);
  });
  await until(() => of.server.sessions().ended.length === 1);
  expect(of.server.sessions().ended).toMatchObject([{ reason: 'idle', id: sessionId('one') }]);
});

test('/ws of a runtime of AG-UI reaches that of serve()', async () => {
  const path = folder('desk');
  const env = { DESK_JOURNAL: join(path, 'runs.db'), DESK_DONE: join(path, 'done.txt'), DESK_PROTOCOL: 'ag-ui' };
  const command = ['node', '--no-warnings', '--import', here('../../scripts/source.ts'), here('fixtures/desk.ts')] as const;
  const of = await deployed({ protocolConfiguration: { serverProtocol: 'AGUI' } }, { binding: { command: [...command], env } });
  const { socket, messages } = await connected(of);
  const events = () => messages.map((message) => JSON.parse(String(message)) as { type: string; delta?: string });
  socket.send(JSON.stringify({ threadId: 't', runId: 'r', messages: [{ id: 'u', role: 'user', content: 'hello' }] }));
  await until(() => events().at(-1)?.type === 'RUN_FINISHED');
  expect(
    events()
      .map(({ delta = '' }) => delta)
      .join(''),
  ).toBe('You said hello.');
});

test('a message over 64 KB, and the 251st in a second, close the connection', async () => {
  const of = await deployed();
  const large = await connected(of);
  large.socket.send(Buffer.alloc(65_537));
  expect((await large.closed).code).toBe(1009);
  const fast = await connected(of);
  for (let i = 0; i < 251; i++) fast.socket.send('x');
  expect((await fast.closed).code).toBe(1008);
});

test('what cannot be connected is refused before the upgrade', async () => {
  const of = await deployed();
  const other = (url: string) => new Promise((resolve) => new WebSocket(url).once('error', (error) => resolve(error.message)));
  const at = (arn: string) => `${of.server.url.replace('http', 'ws')}/runtimes/${encodeURIComponent(arn)}/ws`;
  expect(await other(at(of.arn))).toContain('403');
  await expect(connected({ ...of, arn: `${of.arn}x` })).rejects.toThrow('404');
  await expect(connected(of, { sessionId: 'short' })).rejects.toThrow();
  const mute = await deployed(
    {},
    { binding: { command: ['node', '-e', 'require("http").createServer((_, r) => r.end("{}")).listen(process.env.PORT)'] } },
  );
  await expect(connected(mute)).rejects.toThrow('424');
});

/** Takes connections, and answers neither an upgrade nor anything else but pings. */
const DEAF = `const server = require('node:http').createServer((_, r) => r.end('{"status":"Healthy"}'));
server.on('upgrade', () => {}); server.listen(process.env.PORT);`;

test.each<[string, string[] | undefined, 'plainly' | 'by a reset']>([
  ['whose program never answers', ['node', '-e', DEAF], 'plainly'],
  ['while the session starts', undefined, 'by a reset'],
])('a client that leaves %s does not keep its session', async (_, command, how) => {
  const of = await deployed({}, command && { binding: { command: command as [string, ...string[]] } });
  const { url, headers } = await sdk().generateWsConnection({ runtimeArn: of.arn, sessionId: sessionId('one') });
  const lines = Object.entries({
    ...headers,
    Host: new URL(url).host,
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  const { pathname, search } = new URL(url);
  const socket = connect(of.server.port, '127.0.0.1');
  await new Promise<void>((resolve) => socket.write(`GET ${pathname}${search} HTTP/1.1\r\n${lines.join('')}\r\n`, () => resolve()));
  if (how === 'plainly') {
    await until(() => of.server.sessions().running.length === 1);
    socket.destroy();
  } else socket.resetAndDestroy();
  await until(async () => {
    if (of.server.sessions().running.length > 0) await of.server.clock.advance(901_000);
    return of.server.sessions().ended.length === 1;
  });
  expect(of.server.sessions().ended).toMatchObject([{ reason: 'idle' }]);
});

/** Takes connections, and reads nothing of them. */
const UNREAD = `const server = require('node:http').createServer((_, r) => r.end('{"status":"Healthy"}'));
const { WebSocketServer } = require('ws');
new WebSocketServer({ server, path: '/ws' }).on('connection', (socket) => socket.pause());
server.listen(process.env.PORT);`;

test('a client that leaves while its program reads nothing does not keep its session', async () => {
  const of = await deployed({}, { binding: { command: ['node', '-e', UNREAD] } });
  const { socket } = await connected(of);
  // until what lies between the two is full, and nothing leaves any more
  for (let n = 1; ; n++) {
    if (n % 50 === 0) await of.server.clock.advance(1_000);
    const left = new Promise<boolean>((resolve) => socket.send(Buffer.alloc(65_536), () => resolve(true)));
    if (!(await Promise.race([left, setTimeout(1_000, false)]))) break;
  }
  socket.terminate();
  await until(() => of.server.sessions().running.every(({ busy }) => !busy));
  await of.server.clock.advance(901_000);
  await until(() => of.server.sessions().ended.length === 1);
  expect(of.server.sessions().ended).toMatchObject([{ reason: 'idle' }]);
});

test('a header that names a session or a user must be signed; the query of a signed URL is', async () => {
  const of = await deployed();
  const user = { 'X-Amzn-Bedrock-AgentCore-Runtime-User-Id': 'admin' };
  await expect(connected(of, { headers: user })).rejects.toThrow('403');
  const url = await sdk().generatePresignedUrl({ runtimeArn: of.arn, sessionId: sessionId('one') });
  const other = { 'X-Amzn-Bedrock-AgentCore-Runtime-Session-Id': sessionId('two') };
  // the SDK leaves the port out
  const { pathname, search } = new URL(url);
  const socket = new WebSocket(`${of.server.url.replace('http', 'ws')}${pathname}${search}`, { headers: other });
  await expect(new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))).rejects.toThrow('403');
  expect(of.server.sessions().running).toEqual([]);
});
