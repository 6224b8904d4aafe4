import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, SignJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { agent, Engine, memoryJournal, RondoError } from '../../src/index.ts';
import { bearer, jwt, listen, problemOf, readJson, type ServeOptions, serve } from '../../src/server/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { around } from '../kit/journals.ts';
import { refused } from '../kit/runs.ts';
import { deferred } from '../kit/time.ts';
import { get, post, raw } from './http.ts';

beforeEach(() => void vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined));
afterEach(() => void vi.restoreAllMocks());

const echo = agent({ name: 'echo', instructions: '', model: scripted(() => 'ok') });

async function serving(o: ServeOptions = {}) {
  const engine = new Engine();
  const server = await serve(engine, echo, o);
  onTestFinished(async () => {
    await server.close();
    await engine.close();
  });
  return server;
}

describe('a caller with a token', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const token = (claims: object, o: { issuer?: string; audience?: string; expires?: string } = {}, key = privateKey) =>
    new SignJWT({ sub: 'ana', scope: 'runs other', ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: 'one' })
      .setIssuer(o.issuer ?? 'https://id.example.com')
      .setAudience(o.audience ?? 'support')
      .setExpirationTime(o.expires ?? '5m')
      .sign(key);
  const options = { issuer: 'https://id.example.com', audience: 'support', algorithms: ['ES256'], scopes: ['runs'] };

  test('is who the token says, where all of it fits', async () => {
    const { url } = await serving({ auth: bearer({ verify: jwt({ ...options, keys: publicKey }) }) });
    const good = await token({});
    expect((await post(`${url}/runs`, { input: 'hi' }, { authorization: `Bearer ${good}` })).status).toBe(201);
    const [head, body] = good.split('.');
    const bad = {
      missing: undefined,
      rubbish: 'Bearer rubbish',
      'another scheme': `Basic ${good}`,
      'no signature': `Bearer ${head}.${body}.`,
      'the algorithm none': `Bearer ${Buffer.from('{"alg":"none"}').toString('base64url')}.${body}.`,
      'another key': `Bearer ${await token({}, {}, stranger.privateKey)}`,
      'another issuer': `Bearer ${await token({}, { issuer: 'https://evil.example.com' })}`,
      'another audience': `Bearer ${await token({}, { audience: 'billing' })}`,
      expired: `Bearer ${await token({}, { expires: '-1m' })}`,
      'no subject': `Bearer ${await token({ sub: '' })}`,
      'a scope too few': `Bearer ${await token({ scope: 'other' })}`,
    };
    for (const [why, authorization] of Object.entries(bad)) {
      const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
      for (const path of ['/runs/x', '/runs/x/events']) {
        const answer = await fetch(url + path, { headers });
        expect([why, answer.status, answer.headers.get('www-authenticate')]).toEqual([why, 401, 'Bearer']);
        expect(await answer.json()).toEqual({ error: { code: 'UNAUTHENTICATED', message: 'Who calls is not known.' } });
      }
    }
  });

  test('is checked by the keys that the issuer publishes', async () => {
    const jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256' };
    let up = false;
    const issuer = createServer((_, response) => {
      if (up) response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: [jwk] }));
      else response.writeHead(500).end();
    });
    await new Promise<void>((resolve) => issuer.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void issuer.close().closeAllConnections());
    const keys = new URL(`http://127.0.0.1:${(issuer.address() as AddressInfo).port}/jwks`);
    const { url } = await serving({ auth: bearer({ verify: jwt({ ...options, keys }) }) });
    const authorization = `Bearer ${await token({})}`;
    // keys that cannot be had now are no fault of the token
    expect((await fetch(`${url}/runs/x`, { headers: { authorization } })).status).toBe(503);
    up = true;
    expect((await fetch(`${url}/runs/x`, { headers: { authorization } })).status).toBe(404);
  });

  test('has a tenant and roles where the application says which', async () => {
    const principal = vi.fn(({ sub, org }: { sub?: string; org?: unknown }) => ({ id: String(sub), tenant: String(org) }));
    const { url } = await serving({ auth: bearer({ verify: jwt({ ...options, keys: publicKey, principal }) }) });
    const ana = { authorization: `Bearer ${await token({ org: 'acme' })}` };
    const eve = { authorization: `Bearer ${await token({ sub: 'eve', org: 'evil' })}` };
    const { body } = await post(`${url}/runs`, { input: 'hi' }, ana);
    expect((await get(`${url}/runs/${body.runId}`, ana)).status).toBe(200);
    expect((await get(`${url}/runs/${body.runId}`, eve)).status).toBe(404);
  });

  test('is answered 503 where it cannot be known now, and the operator is told why', async () => {
    const { url } = await serving({ auth: bearer({ verify: () => Promise.reject(new Error('secret-host is down')) }) });
    const answer = await get(`${url}/runs/x`, { authorization: 'Bearer x' });
    expect(answer.status).toBe(503);
    expect(JSON.stringify(answer)).not.toContain('secret-host');
    expect(String(vi.mocked(process.emitWarning).mock.calls[0]?.[0])).toContain('secret-host is down');
  });

  test.each([
    ['keys that are missing', { keys: undefined as never }],
    ['a short secret', { keys: new Uint8Array(8) }],
    ['keys over plain http', { keys: new URL('http://example.com/jwks') }],
  ])('cannot be checked with %s', async (_, o) => {
    await refused('CONFIG_INVALID', () => jwt({ ...options, ...o }));
  });
});

describe('a body', () => {
  const limits = { maxBytes: 2_000, maxDepth: 20 };

  test.each<[string, string | undefined, Record<string, string>, number, string]>([
    ['of another type', '{"input":"x"}', { 'content-type': 'text/plain' }, 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['of a form', 'input=x', { 'content-type': 'application/x-www-form-urlencoded' }, 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['that is compressed', '{"input":"x"}', { 'content-encoding': 'gzip' }, 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['that is too large', JSON.stringify({ input: 'x'.repeat(2_000) }), {}, 413, 'BODY_TOO_LARGE'],
    ['that is too deep', `{"input":${'['.repeat(20)}${']'.repeat(20)}}`, {}, 422, 'BODY_TOO_DEEP'],
    ['that is cut off', '{"input":', {}, 400, 'BAD_REQUEST'],
    ['that is empty', '', {}, 400, 'BAD_REQUEST'],
    ['that is not an object', '["x"]', {}, 400, 'BAD_REQUEST'],
    ['without an input', '{}', {}, 400, 'BAD_REQUEST'],
    ['with a field that is misspelt', '{"input":"x","sesion":"s"}', {}, 400, 'BAD_REQUEST'],
    ['that says who asks', '{"input":"x","by":{"id":"boss"}}', {}, 400, 'BAD_REQUEST'],
    ['with a session that is not a name', '{"input":"x","session":7}', {}, 400, 'BAD_REQUEST'],
    ['with an agent that is not served', '{"input":"x","agent":"other"}', {}, 400, 'BAD_REQUEST'],
    ['with an agent that is an object without a text', '{"input":"x","agent":{"toString":1}}', {}, 400, 'BAD_REQUEST'],
    ['with a list for an agent, whose text is one', '{"input":"x","agent":["echo"]}', {}, 400, 'BAD_REQUEST'],
    ['with an input that the agent does not take', '{"input":7}', {}, 400, 'CONFIG_INVALID'],
  ])('%s is refused', async (_, body, headers, status, code) => {
    const { url } = await serving(limits);
    const answer = await post(`${url}/runs`, body, headers);
    expect([answer.status, answer.body.error.code]).toEqual([status, code]);
    expect(answer.body.error.message.length).toBeGreaterThan(10);
    // and the next one is taken
    expect((await post(`${url}/runs`, { input: 'x' })).status).toBe(201);
  });

  test.each(['x', '', '-1', '5', '5, 5', '1e1', '0x5'])('that is larger than its length "%s" says is refused', async (length) => {
    const headers = { 'content-type': 'application/json', 'content-length': length };
    const request = (body: string) => new Request('http://localhost/', { method: 'POST', headers, body });
    await expect(readJson(request(`"${'x'.repeat(2_000)}"`), limits)).rejects.toMatchObject({ status: 413, code: 'BODY_TOO_LARGE' });
    expect(await readJson(request(`"${'x'.repeat(1_998)}"`), limits)).toHaveLength(1_998);
  });

  test.each<[string, string, number]>([
    ['of brackets alone', `${'['.repeat(1_000)}${']'.repeat(1_000)}`, 422],
    ['of more values than the engine copies', `[${'{},'.repeat(2_500_000)}{}]`, 413],
  ])('%s is refused before it is parsed, which would take many times its memory', async (_, body, status) => {
    const parse = vi.spyOn(JSON, 'parse');
    const request = new Request('http://localhost/', { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    await expect(readJson(request, { maxBytes: 20_000_000 })).rejects.toMatchObject({ status });
    expect(parse).not.toHaveBeenCalled();
  });

  test('that is not text is refused', async () => {
    const { url } = await serving();
    const body = Buffer.concat([Buffer.from('{"input":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]);
    const answer = await fetch(`${url}/runs`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    expect(answer.status).toBe(400);
  });

  test('without an end is refused as soon as it is too large, and its sender gets the answer', async () => {
    const { url } = await serving(limits);
    let sent = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += 1_000;
        controller.enqueue(Buffer.alloc(1_000, 'x'));
        if (sent >= 10_000_000) controller.close();
      },
    });
    const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: endless, duplex: 'half' as const };
    const answer = await fetch(`${url}/runs`, init);
    expect(answer.status).toBe(413);
  });

  test('that comes too slowly is given up', async () => {
    const { port } = await serving({ timeout: 50 });
    const text = await raw(
      port,
      'POST /runs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"input"',
    );
    expect(text).toMatch(/^HTTP\/1.1 408 /);
    expect(text).toContain('REQUEST_TIMEOUT');
  });

  test('whose sender hangs up half-way troubles no one', async () => {
    const reading = deferred();
    const ended = deferred<unknown>();
    await using server = await listen(async (request) => {
      reading.resolve();
      await readJson(request).catch(ended.resolve);
      return new Response();
    });
    const { connect } = await import('node:net');
    const socket = connect(server.port, '127.0.0.1');
    socket.write('POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{');
    await reading.promise;
    socket.destroy();
    expect(await ended.promise).toMatchObject({ status: 400, message: 'The body broke off.' });
    expect(process.emitWarning).not.toHaveBeenCalled();
  });
});

describe('unknown targets', () => {
  test.each(['/', '/runsx', '/runs/x/other', '/runs/x/events/y', '/runs/%ff', '/other/runs'])('%s is answered 404', async (path) => {
    const { url } = await serving();
    expect((await fetch(url + path)).status).toBe(404);
  });

  test.each(['//', 'http://[', '*', '//runs'])('the target %s is answered 404', async (target) => {
    const { port } = await serving();
    expect(await raw(port, `GET ${target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`)).toMatch(/^HTTP\/1.1 404 /);
  });

  test.each([
    'localhost/runs/x/cancel?',
    'localhost/runs#',
    'localhost\\runs',
    'ana@localhost',
    'localhost:99999',
    'local host',
    '[x]',
    '',
  ])('a Host of %j is answered 400, and is not a part of the path', async (host) => {
    const { port } = await serving();
    const text = await raw(port, `POST /public HTTP/1.1\r\nhost: ${host}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`);
    expect(text).toMatch(/^HTTP\/1.1 400 /);
    expect(text).toContain('The header Host');
  });

  test.each(['localhost', 'LOCALHOST:8080', '127.0.0.1:1', '[::1]:80', '[::1]'])('a Host of %j is one of this machine', async (host) => {
    const { port } = await serving();
    expect(await raw(port, `GET /public HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`)).toMatch(/^HTTP\/1.1 404 /);
  });

  test.each([
    ['DELETE', '/runs/x', 'GET'],
    ['GET', '/runs', 'POST'],
    ['TRACE', '/runs', null],
  ])('the method %s of %s is answered 405', async (method, path, allow) => {
    const { port } = await serving();
    const text = await raw(port, `${method} ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`);
    expect(text).toMatch(/^HTTP\/1.1 405 /);
    expect(/^allow: (.*)\r$/m.exec(text)?.[1] ?? null).toBe(allow);
  });
});

test('a server error exposes only its code, and the operator gets the rest', async () => {
  const inner = memoryJournal();
  const journal = around(inner, {
    read: () => {
      throw new RondoError('JOURNAL_UNAVAILABLE', 'the file /secret/runs.db is locked');
    },
  });
  await using engine = new Engine({ journal });
  await using server = await serve(engine, echo, { worker: false });
  expect(await get(`${server.url}/runs/x`)).toEqual({
    status: 503,
    body: { error: { code: 'JOURNAL_UNAVAILABLE', message: 'The server cannot do this now. Try again later.' } },
  });
  expect(String(vi.mocked(process.emitWarning).mock.calls[0]?.[0])).toContain('serve(): RondoError: the file /secret/runs.db is locked');
});

test('a package that is missing is told to the operator, and a caller may come again: nothing that they sent is wrong', () => {
  const told: unknown[] = [];
  const cause = Object.assign(new Error("Cannot find package 'x'"), { code: 'ERR_MODULE_NOT_FOUND' });
  const missing = new RondoError('CONFIG_INVALID', 'It needs the package x: npm install x', { cause });
  const { status, problem } = problemOf(missing, (error) => told.push(error));
  expect({ status, problem }).toEqual({ status: 503, problem: { code: 'UNAVAILABLE', message: expect.not.stringContaining('npm') } });
  expect(told).toEqual([missing]);
});
