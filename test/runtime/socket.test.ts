import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { agent } from '../../src/index.ts';
import { bearer } from '../../src/server/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { deferred, eventually } from '../kit/time.ts';
import { held } from '../server/held.ts';
import { get } from '../server/http.ts';
import { connect, echo, payer, SESSION, serving, session, USER } from './serving.ts';

beforeEach(() => void vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined));
afterEach(() => void vi.restoreAllMocks());

const ana = { [SESSION]: session(), [USER]: 'ana' };

/** Resolves once the server has read what the client sent so far. */
const heard = ({ socket }: { socket: WebSocket }) =>
  new Promise((resolve) => {
    socket.once('pong', resolve);
    socket.ping();
  });

describe('/ws', () => {
  test('takes turns of the session: text, approvals and decisions', async () => {
    const { agent, paid } = payer();
    const { url } = await serving(agent);
    const client = await connect(url, ana);
    expect(await client.next()).toEqual({ type: 'session', session: session() });
    client.say({ type: 'input', input: '5' });
    expect(await client.next()).toMatchObject({ type: 'run', session: session() });
    let text = '';
    let result = await client.next();
    for (; result.type === 'text'; result = await client.next()) text += result.text;
    expect(text).toBe('I will pay.');
    expect(result).toMatchObject({ type: 'result', status: 'paused', approvals: [{ tool: 'pay', input: { cents: 5 } }] });
    client.socket.close();
    await client.closed;
    // the page is opened again: it is told what waits
    const again = await connect(url, ana);
    const hello = await again.next();
    expect(hello).toMatchObject({ type: 'session', open: { status: 'paused', approvals: [{ id: result.approvals[0].id }] } });
    again.say({ type: 'input', input: '6' });
    expect(await again.next()).toMatchObject({ type: 'error', code: 'SESSION_BUSY' });
    again.say({ type: 'decisions', decisions: [{ approval: hello.open.approvals[0].id, type: 'approve' }] });
    expect(await again.until('tool')).toMatchObject({ tool: 'pay', status: 'started', input: { cents: 5 } });
    expect(await again.until('result')).toMatchObject({ status: 'completed', output: 'It is paid.' });
    expect(paid).toEqual([5]);
  });

  test('steers and cancels the run of its turn', async () => {
    const gate = deferred();
    const asked: string[][] = [];
    const model = scripted(async ({ messages }) => {
      asked.push(messages.flatMap(({ content }) => content.flatMap((part) => (part.type === 'text' ? part.text : []))));
      if (asked.length === 1) await gate.promise;
      return 'ok';
    });
    const { url } = await serving(agent({ name: 'a', instructions: '', model }));
    const client = await connect(url, ana);
    client.say({ type: 'input', input: 'go' });
    await client.until('run');
    client.say({ type: 'steer', input: 'left' });
    client.say({ type: 'input', input: 'second' });
    expect(await client.until('error')).toMatchObject({ code: 'BAD_REQUEST' });
    gate.resolve();
    await client.until('result');
    expect(asked.at(-1)).toContain('left');

    const { agent: stuck, begun } = held();
    const other = await connect((await serving(stuck)).url, ana);
    other.say({ type: 'input', input: 'go' });
    await begun;
    other.say({ type: 'cancel', reason: 'enough' });
    expect(await other.until('result')).toMatchObject({ status: 'cancelled', reason: 'enough' });
  });

  test('knows the turn that comes while the result of the one before is still sent', async () => {
    const gate = deferred();
    const model = scripted(async ({ messages }) => {
      if (messages.length > 1) await gate.promise;
      return `message ${messages.length}`;
    });
    const { url } = await serving(agent({ name: 'a', instructions: '', model }));
    const client = await connect(url, ana);
    let taken: (() => void) | undefined;
    const send = WebSocket.prototype.send;
    vi.spyOn(WebSocket.prototype, 'send').mockImplementation(function (this: WebSocket, ...args: unknown[]) {
      const [data, options, done] = args as [Buffer, object, (error?: Error) => void];
      const isFirst = taken === undefined && String(data).includes('"type":"result"');
      if (isFirst) taken = done;
      send.call(this, data, options, isFirst ? () => undefined : done);
    });
    client.say({ type: 'input', input: 'first' });
    await client.until('result');
    client.say({ type: 'input', input: 'second' });
    await heard(client);
    taken?.();
    await client.until('run');
    client.say({ type: 'input', input: 'third' });
    expect(await client.until('error')).toMatchObject({ code: 'BAD_REQUEST' });
    gate.resolve();
    expect(await client.until('result')).toMatchObject({ output: 'message 3' });
  });

  test('that closes leaves the run, which another socket joins', async () => {
    const { agent, begun, finish } = held();
    const { url } = await serving(agent);
    const input = { type: 'input', input: 'go', requestId: 'r1' };
    const first = await connect(url, ana);
    first.say(input);
    await begun;
    first.socket.terminate();
    await first.closed;
    expect((await get(`${url}/ping`)).body.status).toBe('HealthyBusy');
    const second = await connect(url, ana);
    expect(await second.next()).toMatchObject({ type: 'session', open: { status: 'running' } });
    second.say(input);
    expect(await second.until('run')).toMatchObject({ repeated: true });
    finish('seen');
    expect(await second.until('result')).toMatchObject({ status: 'completed', output: 'seen' });
  });

  /** A client whose long result is sent to its first frame, and what lets the rest of it go. */
  async function halfSent(long: string) {
    const { url } = await serving(agent({ name: 'a', instructions: '', model: scripted(() => long) }));
    const client = await connect(url, ana);
    await client.next();
    const halved = deferred<() => void>();
    const { send } = WebSocket.prototype;
    const spy = vi.spyOn(WebSocket.prototype, 'send').mockImplementation(function (this: WebSocket, ...args: unknown[]) {
      const [data, options, done] = args as [Buffer, { fin?: boolean } | undefined, (error?: Error) => void];
      if (options?.fin !== false) return send.call(this, data, options as object, done);
      spy.mockRestore();
      send.call(this, data, options as object, () => halved.resolve(done));
    });
    client.say({ type: 'input', input: 'go' });
    return { client, rest: await halved.promise };
  }
  test('sends a message whole before the next one, however many frames it has', async () => {
    const long = 'z'.repeat(200_000);
    const { client, rest } = await halfSent(long);
    client.say({ type: 'nonsense' });
    await heard(client);
    rest();
    expect(await client.until('error')).toMatchObject({ code: 'BAD_REQUEST' });
    expect(await client.until('result')).toMatchObject({ output: long });
  });

  test('is closed for a client that has too much answered and does not read it', async () => {
    const { client } = await halfSent('z'.repeat(200_000));
    for (let i = 0; i < 110; i++) client.say({ type: 'nonsense' });
    expect(await client.closed).toBe(1008);
  });

  test('sends no frame that is larger than the platform passes on', async () => {
    const long = 'ä'.repeat(200_000);
    const { url } = await serving(agent({ name: 'a', instructions: '', model: scripted(() => long) }));
    const client = await connect(url, ana);
    const sizes: number[] = [];
    const { _socket } = client.socket as unknown as { _socket: import('node:net').Socket };
    const wire: Buffer[] = [];
    _socket.on('data', (data: Buffer) => void wire.push(data));
    client.say({ type: 'input', input: 'go' });
    expect((await client.until('result')).output).toBe(long);
    for (const size of framesIn(Buffer.concat(wire))) sizes.push(size);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(65_536);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeGreaterThan(800_000);
  });

  test('refuses bad messages, and goes on', async () => {
    const { url } = await serving(echo());
    const client = await connect(url, ana);
    await client.next();
    for (const bad of [
      '{',
      '[]',
      '7',
      '{}',
      '{"type":"shell"}',
      '{"type":"input"}',
      '{"type":"input","input":"x","by":{"id":"ben"}}',
      '{"type":"cancel"}',
    ]) {
      client.say(bad);
      expect([bad, await client.next()]).toEqual([bad, { type: 'error', code: expect.any(String), message: expect.any(String) }]);
    }
    client.socket.send(Buffer.from('{}'), { binary: true });
    expect(await client.next()).toMatchObject({ type: 'error', code: 'BAD_REQUEST' });
    client.say({ type: 'input', input: 'hi' });
    expect((await client.until('result')).output).toBe('message 1');
    client.say(`{"type":"input","input":"${'x'.repeat(70_000)}"}`);
    expect(await client.closed).toBe(1009);
  });

  test.each(['http', 'ag-ui'] as const)(
    '%s: lets in whom the token names, as a browser can send it, and no page of another site',
    async (protocol) => {
      const { url } = await serving(echo(), {
        protocol,
        auth: bearer({ verify: (token) => (token === 'good' ? { id: 'ana' } : undefined) }),
      });
      const status = (headers: Record<string, string>, protocols: string[] = [], to = url) =>
        new Promise((resolve) => {
          const socket = new WebSocket(`${to.replace('http', 'ws')}/ws`, protocols, { headers });
          socket.on('unexpected-response', (_, response) => resolve(response.statusCode));
          socket.on('error', () => undefined);
          socket.on('open', () => {
            resolve(101);
            socket.terminate();
          });
        });
      const token = `base64UrlBearerAuthorization.${Buffer.from('good').toString('base64url')}`;
      expect(await status({ [SESSION]: session() })).toBe(401);
      expect(await status({ [SESSION]: session(), authorization: 'Bearer bad' })).toBe(401);
      expect(await status({ [SESSION]: 'short', authorization: 'Bearer good' })).toBe(400);
      expect(await status({ [SESSION]: session(), authorization: 'Bearer good' })).toBe(101);
      expect(await status({ [SESSION]: session() }, [token])).toBe(101);
      const strict = await serving(echo(), { protocol, requireSession: true });
      expect(await status({}, [], strict.url)).toBe(400);
      const open = await serving(echo(), { protocol });
      expect(await status({ ...ana, origin: 'https://evil.example.com' }, [], open.url)).toBe(403);
      expect(await status({ ...ana, origin: 'null' }, [], open.url)).toBe(403);
      expect(await status({ ...ana, origin: 'http://localhost:5173' }, [], open.url)).toBe(101);
      const other = new WebSocket(`${open.url.replace('http', 'ws')}/elsewhere`);
      expect(await new Promise((resolve) => other.on('error', () => resolve('refused')).on('open', () => resolve('open')))).toBe('refused');
    },
  );

  test.each(['http', 'ag-ui'] as const)('%s: is closed with the server, and the run can be resumed', async (protocol) => {
    const { agent, begun, finish } = held();
    const { url, close, engine } = await serving(agent, { protocol });
    const client = await connect(url, ana);
    const message = { id: 'u', role: 'user', content: 'go' };
    client.say(protocol === 'http' ? { type: 'input', input: 'go' } : { threadId: 't', runId: 'r', messages: [message] });
    await begun;
    const runs = [];
    for await (const run of engine.runs({ by: { id: 'ana' } })) runs.push(run);
    const runId = runs[0]?.runId ?? '';
    const closed = close();
    expect(await client.closed).toBe(1001);
    await closed;
    finish('seen');
    await eventually(async () => expect((await engine.inspect(runId, { by: { id: 'ana' } })).status).toBe('completed'));
  });
});

/** The payload sizes of unmasked WebSocket frames. */
function* framesIn(bytes: Buffer): Generator<number> {
  for (let at = 0; at < bytes.length; ) {
    const short = (bytes[at + 1] ?? 0) & 0x7f;
    const head = short === 126 ? 4 : short === 127 ? 10 : 2;
    const size = short === 126 ? bytes.readUInt16BE(at + 2) : short === 127 ? Number(bytes.readBigUInt64BE(at + 2)) : short;
    yield size;
    at += head + size;
  }
}
