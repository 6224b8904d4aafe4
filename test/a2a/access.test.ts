import { generateKeyPairSync } from 'node:crypto';
import { connect as dial } from 'node:net';
import { verifyAgentCardSignature } from '@a2a-js/sdk';
import { SignJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { bearer, jwt, serveA2A } from '../../src/adapters/a2a/index.ts';
import { agent, Engine } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { refused } from '../kit/runs.ts';
import { approvalsIn, connect, get, message, output, send, stateOf, type Transport } from './client.ts';
import { journalFile, serve } from './process.ts';

const rpc = (url: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(`${url}/a2a`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'a2a-version': '1.0', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
const call = (method: string, params: unknown) => ({ jsonrpc: '2.0', id: 1, method, params });

beforeEach(() => {
  vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  vi.spyOn(console, 'warn').mockImplementation(() => undefined);
  vi.spyOn(console, 'debug').mockImplementation(() => undefined);
});
afterEach(() => void vi.restoreAllMocks());

describe('who calls', () => {
  it.each<Transport>(['JSONRPC', 'HTTP+JSON', '0.3'])(
    'sees nothing of what is not theirs over %s, as if it were not there',
    async (transport) => {
      const server = await serve({ auth: 'tokens' });
      const ana = await connect(server.url, transport, 'ana');
      const asked = await send(ana, 'call pay {"to":"x","cents":1}');
      const approve = { decisions: [{ approval: approvalsIn(asked)[0]?.id ?? '', type: 'approve' }] };
      for (const who of ['ben', 'eve']) {
        const other = await connect(server.url, transport, who);
        const told = async (id: string) => {
          const tries = [
            () => get(other, id),
            () => send(other, 'approve', { taskId: id }),
            () => send(other, approve, { taskId: id }),
            () => other.cancelTask({ tenant: '', id, metadata: undefined }),
            async () => {
              for await (const _ of other.resubscribeTask({ tenant: '', id })) throw new Error('it was shown');
            },
          ];
          return Promise.all(
            tries.map((t) =>
              t().then(
                () => 'shown',
                (e: Error & { cause?: Error }) => String((e.cause ?? e).message).replaceAll(id, 'ID'),
              ),
            ),
          );
        };
        const foreign = await told(asked.id);
        expect(foreign).toEqual(await told(`a2a-0-${'0'.repeat(32)}`));
        expect(new Set(foreign.map((t) => t.replace(/^.*Task not found/, 'Task not found')))).toEqual(new Set(['Task not found: ID']));
        // the same name of a context is another context
        expect(output(await send(other, 'history', { contextId: asked.contextId }))).toBe('1 messages');
        if (transport !== '0.3') {
          const { tasks } = await other.listTasks({ tenant: '', contextId: '', status: 0, pageToken: '', statusTimestampAfter: undefined });
          expect(tasks.map((t) => t.id)).not.toContain(asked.id);
        }
      }
      expect(stateOf(await get(ana, asked.id))).toBe('TASK_STATE_INPUT_REQUIRED');
      expect(server.said).toEqual([]);
    },
  );

  it('decides under its own identity: a rule with roles requires another person with one of them', async () => {
    const server = await serve({ auth: 'tokens', options: { tasks: 'tenant' } });
    const ana = await connect(server.url, 'JSONRPC', 'ana');
    const asked = await send(ana, 'call pay {"to":"boss","cents":1}');
    const approve = {
      by: { id: 'ben', roles: ['lead'] },
      decisions: [{ approval: approvalsIn(asked)[0]?.id ?? '', type: 'approve', by: { id: 'ben', roles: ['lead'] } }],
    };
    await expect(send(ana, approve, { taskId: asked.id })).rejects.toThrow('NOT_PERMITTED');
    await expect(send(ana, 'approve', { taskId: asked.id, metadata: { by: 'ben' } })).rejects.toThrow('NOT_PERMITTED');
    await expect(send(await connect(server.url, 'JSONRPC', 'eve'), 'approve', { taskId: asked.id })).rejects.toThrow('Task not found');
    expect(server.said).toEqual([]);
    const ben = await connect(server.url, 'JSONRPC', 'ben');
    expect(output(await send(ben, 'approve', { taskId: asked.id }))).toBe('paid 1 to boss');
  });

  it('is turned away without a token that fits', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const { url } = await serve({ auth: publicKey.export({ format: 'jwk' }) });
    const token = (claims: object, o: { issuer?: string; audience?: string; expires?: string } = {}, key = privateKey) =>
      new SignJWT({ sub: 'ana', scope: 'tasks', ...claims })
        .setProtectedHeader({ alg: 'ES256' })
        .setIssuer(o.issuer ?? 'https://id.example.com')
        .setAudience(o.audience ?? 'worker')
        .setExpirationTime(o.expires ?? '5m')
        .sign(key);
    const good = await token({});
    expect(output(await send(await connect(url, 'JSONRPC', good), 'hi'))).toBe('You said: hi');
    const [head, body] = good.split('.');
    const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${body}.`;
    const bad = {
      nothing: undefined,
      rubbish: 'rubbish',
      'no signature': `${head}.${body}.`,
      'the algorithm none': none,
      'another key': await token({}, {}, stranger.privateKey),
      'another issuer': await token({}, { issuer: 'https://evil.example.com' }),
      'another audience': await token({}, { audience: 'somebody else' }),
      expired: await token({}, { expires: '-1m' }),
      'no subject': await token({ sub: '' }),
      'a scope too few': await token({ scope: 'other' }),
    };
    for (const [why, value] of Object.entries(bad)) {
      const headers: Record<string, string> = value === undefined ? {} : { authorization: `Bearer ${value}` };
      for (const path of ['/a2a', '/a2a/rest/tasks']) {
        const answer = await fetch(`${url}${path}`, {
          method: path === '/a2a' ? 'POST' : 'GET',
          headers: { ...headers, 'a2a-version': '1.0' },
        });
        expect([why, path, answer.status, answer.headers.get('www-authenticate')]).toEqual([why, path, 401, 'Bearer']);
      }
    }
    const basic = await rpc(url, call('ListTasks', {}), { authorization: `Basic ${good}` });
    expect(basic.status).toBe(401);
  });

  it('gets 503 if authentication fails', async () => {
    const auth = bearer({ verify: () => Promise.reject(new Error('secret-host is down')) });
    await using server = await serveA2A(new Engine(), quiet, { auth });
    const answer = await rpc(server.url, call('ListTasks', {}), { authorization: 'Bearer x' });
    expect(answer.status).toBe(503);
    expect(await answer.text()).not.toContain('secret-host');
    // the operator is told
    expect(String(vi.mocked(process.emitWarning).mock.calls[0]?.[0])).toContain('secret-host is down');
  });
});

const quiet = agent({ name: 'quiet', instructions: '', model: scripted(() => 'ok') });

describe('where it listens', () => {
  it('refuses other machines unless configured', async () => {
    const engine = new Engine();
    await refused('CONFIG_INVALID', serveA2A(engine, quiet, { host: '0.0.0.0' }));
    // a card that leads nowhere is of no use to anybody
    await refused('CONFIG_INVALID', serveA2A(engine, quiet, { host: '0.0.0.0', auth: 'none' }));
    await using open = await serveA2A(engine, quiet, {
      host: '0.0.0.0',
      auth: 'none',
      path: '/',
      card: { url: 'https://agents.example.com/' },
    });
    expect(open.url).toBe('https://agents.example.com');
    const here = `http://127.0.0.1:${open.port}`;
    const card = await (await fetch(`${here}/.well-known/agent-card.json`, { headers: { 'a2a-version': '1.0' } })).json();
    expect((card as { supportedInterfaces: { url: string }[] }).supportedInterfaces.map((i) => i.url)).toEqual([
      'https://agents.example.com/',
      'https://agents.example.com/rest',
      'https://agents.example.com/',
    ]);
    const headers = { 'content-type': 'application/json', 'a2a-version': '1.0' };
    const listed = await fetch(here, { method: 'POST', headers, body: JSON.stringify(call('ListTasks', {})) });
    expect(await listed.json()).toMatchObject({ result: { totalSize: 0 } });
    expect((await fetch(`${here}/rest/tasks`, { headers })).status).toBe(200);
    await refused('CONFIG_INVALID', serveA2A(engine, quiet, { path: 'a2a/' }));
    await refused('CONFIG_INVALID', serveA2A(engine, quiet, { host: '0.0.0.0', auth: 'none', card: { url: here }, port: open.port }));
    await refused('CONFIG_INVALID', () => jwt({ issuer: 'i', audience: 'a', keys: new Uint8Array(8) }));
    await refused('CONFIG_INVALID', () => jwt({ issuer: 'i', audience: 'a', keys: new URL('http://example.com/jwks') }));
  });

  it('refuses DNS rebinding and cross-origin forms', async () => {
    await using server = await serveA2A(new Engine(), quiet);
    const { request } = await import('node:http');
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const r = request(
        `${server.url}/a2a`,
        { method: 'POST', headers: { host: 'evil.example.com', 'content-type': 'application/json' } },
        (a) => resolve(a.resume().statusCode),
      );
      r.on('error', reject);
      r.end('{}');
    });
    expect(status).toBe(403);
    expect((await rpc(server.url, call('ListTasks', {}), { 'content-type': 'text/plain' })).status).toBe(415);
  });

  it('survives callers that disconnect midway', async () => {
    await using server = await serveA2A(new Engine(), quiet);
    const socket = dial(server.port, '127.0.0.1');
    socket.write(
      'POST /a2a HTTP/1.1\r\nhost: localhost\r\na2a-version: 1.0\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{',
    );
    await new Promise((done) => setTimeout(done, 50));
    socket.destroy();
    await new Promise((done) => setTimeout(done, 50));
    expect(process.emitWarning).not.toHaveBeenCalled();
  });

  it('refuses invalid and oversized requests with a protocol error', async () => {
    const { url } = await serve({ options: { maxBytes: 5_000 } });
    const code = async (body: unknown, headers?: Record<string, string>) => {
      const answer = await rpc(url, body, headers);
      return [answer.status, ((await answer.json()) as { error: { code: number } }).error.code];
    };
    expect(await code('{')).toEqual([400, -32700]);
    const noEnvelope: unknown[] = [
      'null',
      '1',
      '"text"',
      [],
      [call('GetTask', { id: 'x' })],
      {},
      { id: 1, method: 'GetTask', params: { id: 'x' } },
    ];
    for (const odd of [
      { jsonrpc: '1.0' },
      { jsonrpc: 2 },
      { id: {} },
      { id: true },
      { id: [] },
      { id: 1.5 },
      { method: 7 },
      { method: '' },
      { method: undefined },
    ])
      noEnvelope.push({ ...call('GetTask', { id: 'x' }), ...odd });
    for (const body of noEnvelope) expect([body, await code(body)]).toEqual([body, [200, -32600]]);
    for (const params of [[], 'x', 7, null, true]) expect(await code(call('GetTask', params))).toEqual([200, -32602]);
    // its id comes back where it can be told
    expect(await (await rpc(url, { jsonrpc: '1.0', id: 'mine', method: 'GetTask' })).json()).toMatchObject({
      id: 'mine',
      error: { code: -32600 },
    });
    for (const historyLength of [-1, 1.5, 'x', 1e300]) {
      expect(await code(call('GetTask', { id: 'x', historyLength }))).toEqual([200, -32602]);
      expect(await code(call('ListTasks', { historyLength }))).toEqual([200, -32602]);
      const said = { messageId: 'm', role: 'ROLE_USER', parts: [{ text: 'x' }] };
      expect(await code(call('SendMessage', { message: said, configuration: { historyLength } }))).toEqual([200, -32602]);
    }
    for (const status of ['INVALID', 'completed', 'TASK_STATE_DONE', 99, -2])
      expect(await code(call('ListTasks', { status }))).toEqual([200, -32602]);
    for (const statusTimestampAfter of [
      'yesterday',
      '2026',
      '2026-11-28',
      '2026-02-30T00:00:00Z',
      '2026-11-28T12:00:00',
      '28 Nov 2026 12:00:00 GMT',
    ])
      expect([statusTimestampAfter, await code(call('ListTasks', { statusTimestampAfter }))]).toEqual([
        statusTimestampAfter,
        [200, -32602],
      ]);
    expect(
      (await (await rpc(url, call('ListTasks', { statusTimestampAfter: '2026-11-28T12:00:00.5+01:00' }))).json()) as object,
    ).toHaveProperty('result');
    expect(await code(call('Nonsense', {}))).toEqual([200, -32601]);
    expect(await code(call('SendMessage', { message: { messageId: 'x'.repeat(5_001) } }))).toEqual([413, -32600]);
    expect(await code(call('SendMessage', {}))).toEqual([200, -32602]);
    expect(await code(call('SendMessage', { message: { messageId: 'm', role: 'ROLE_USER', parts: [] } }))).toEqual([200, -32602]);
    expect(await code(call('SendMessage', { message: { messageId: 'm', role: 'ROLE_AGENT', parts: [{ text: 'x' }] } }))).toEqual([
      200, -32602,
    ]);
    expect(
      await code(
        call('SendMessage', { message: { messageId: 'm', role: 'ROLE_USER', contextId: 'c'.repeat(300), parts: [{ text: 'x' }] } }),
      ),
    ).toEqual([200, -32602]);
    expect(await code(call('GetTask', { id: '' }))).toEqual([200, -32602]);
    expect(await code(call('GetTask', { id: 'x' }), { 'a2a-version': '9.0' })).toEqual([200, -32009]);
    expect((await fetch(`${url}/elsewhere`)).status).toBe(404);
    expect((await fetch(`${url}/a2a`)).status).toBe(405);
    const rest = async (path: string, init: RequestInit = {}) =>
      (await fetch(`${url}/a2a/rest${path}`, { ...init, headers: { 'a2a-version': '1.0', 'content-type': 'application/a2a+json' } }))
        .status;
    expect(await rest('/tasks/none')).toBe(404);
    expect(await rest('/nonsense')).toBe(404);
    expect(await rest('/tasks/%ff')).toBe(400);
    for (const query of ['historyLength=-1', 'status=INVALID', 'status=completed', 'statusTimestampAfter=2026', 'pageSize=0'])
      expect([query, await rest(`/tasks?${query}`)]).toEqual([query, 400]);
    expect(await rest('/tasks?pageSize=101')).toBe(400);
    expect(await rest('/message:send', { method: 'POST', body: '[]' })).toBe(400);
    expect(await rest('/message:stream', { method: 'POST', body: '{}' })).toBe(400);
    const { url: still } = { url };
    expect(output(await send(await connect(still), 'hello'))).toBe('You said: hello');
  });
});

describe('messages', () => {
  it('that come twice start one run', async () => {
    const server = await serve();
    const client = await connect(server.url);
    const twice = { messageId: 'm-1', contextId: 'c-1' };
    const both = await Promise.all([send(client, 'hello', twice), send(client, 'hello', twice)]);
    expect(both[0]).toEqual(both[1]);
    const rest = await connect(server.url, 'HTTP+JSON');
    expect((await send(rest, 'hello', twice)).id).toBe(both[0]?.id);
    // one that says something else is another, whatever its id
    expect((await send(client, 'hello!', twice)).id).not.toBe(both[0]?.id);
  });

  it.each<Transport>(['JSONRPC', 'HTTP+JSON'])(
    'may open several tasks in one context over %s, each answered for itself',
    async (transport) => {
      const { url } = await serve();
      const client = await connect(url, transport);
      const first = await send(client, 'call pay {"to":"ana","cents":1}');
      const { contextId } = first;
      const again = message('call pay {"to":"ben","cents":2}', { contextId });
      const request = { tenant: '', message: again, configuration: undefined, metadata: undefined };
      const second = (await client.sendMessage(request)) as typeof first;
      const third = await send(client, 'hello', { contextId });
      expect([second, third].map((t) => t.contextId)).toEqual([contextId, contextId]);
      expect([first, second, third].map(stateOf)).toEqual([
        'TASK_STATE_INPUT_REQUIRED',
        'TASK_STATE_INPUT_REQUIRED',
        'TASK_STATE_COMPLETED',
      ]);
      // the same message again is the same task
      expect(((await client.sendMessage(request)) as typeof first).id).toBe(second.id);
      const { tasks } = await client.listTasks({ tenant: '', contextId, status: 0, pageToken: '', statusTimestampAfter: undefined });
      expect(tasks.map((t) => t.id)).toEqual([third.id, second.id, first.id]);
      await expect(send(client, 'approve', { taskId: first.id, contextId: 'another' })).rejects.toMatchObject({ reason: 'INVALID_PARAMS' });
      expect(output(await send(client, 'approve', { taskId: second.id, contextId }))).toBe('paid 2 to ben');
      expect(output(await send(client, 'approve', { taskId: first.id, contextId }))).toBe('paid 1 to ana');
      await expect(send(client, 'hello', { taskId: first.id })).rejects.toMatchObject({ reason: 'UNSUPPORTED_OPERATION' });
    },
  );

  it('that were delegated too often are refused', async () => {
    const { url } = await serve({ options: { maxDepth: 3 } });
    const client = await connect(url);
    expect(stateOf(await send(client, 'hi', { metadata: { 'rondo/depth': 3 } }))).toBe('TASK_STATE_COMPLETED');
    await expect(send(client, 'hi', { metadata: { 'rondo/depth': 4 } })).rejects.toMatchObject({ reason: 'UNSUPPORTED_OPERATION' });
    await expect(send(client, 'hi', { metadata: { 'rondo/depth': -1 } })).rejects.toMatchObject({ reason: 'INVALID_PARAMS' });
    await expect(
      client.sendMessage({ tenant: '', message: message('hi'), configuration: undefined, metadata: { 'rondo/depth': 4 } }),
    ).rejects.toThrow();
  });

  it('expose only the code of a failed run', async () => {
    const engine = new Engine({ journal: (await import('../../src/index.ts')).memoryJournal() });
    const failing = agent({
      name: 'failing',
      instructions: '',
      model: { provider: 'p', id: 'm', generate: () => Promise.reject(new Error('key sk-123 of db-7 is wrong')) },
    });
    await using server = await serveA2A(engine, failing);
    const task = await send(await connect(server.url), 'hi');
    expect(stateOf(task)).toBe('TASK_STATE_FAILED');
    expect(JSON.stringify(task)).not.toMatch(/sk-123|db-7/);
    expect(JSON.stringify(task.status)).toContain('MODEL_FAILED');
  });
});

describe('the card', () => {
  it('is public, complete and signed', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const { url } = await serve({ auth: 'tokens', sign: privateKey.export({ format: 'jwk' }), journal: journalFile() });
    const { agentCard } = (await connect(url)) as unknown as { agentCard: Parameters<ReturnType<typeof verifyAgentCardSignature>>[0] };
    expect(agentCard).toMatchObject({ name: 'worker', description: 'Does as it is told', capabilities: { streaming: true } });
    expect(agentCard.skills.map((s) => s.id)).toEqual(['worker']);
    expect(agentCard.supportedInterfaces.map((i) => `${i.protocolBinding} ${i.protocolVersion} ${i.url.replace(url, '')}`)).toEqual([
      'JSONRPC 1.0 /a2a',
      'HTTP+JSON 1.0 /a2a/rest',
      'JSONRPC 0.3 /a2a',
    ]);
    expect(JSON.stringify(agentCard.securitySchemes)).toContain('https://id.example.com/token');
    await verifyAgentCardSignature(async (kid) => (kid === 'one' ? publicKey : privateKey))(agentCard);
    const lie = { ...agentCard, name: 'another' };
    await expect(verifyAgentCardSignature(async () => publicKey)(lie)).rejects.toThrow('No valid signatures');
  });
});
