/** Authorization servers that are down, slow, or answer what is not OAuth. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { CredentialRequest, Occasion } from 'rondo';
import { RondoError } from 'rondo';
import { localIdentity, sqliteVault } from 'rondo/identity';
import { afterEach, describe, expect, test } from 'vitest';

const SECRET = 'secret-5d20c9e1';
const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

const ask = (over: Partial<CredentialRequest & Occasion> = {}): CredentialRequest & Occasion => ({
  provider: 'calendar',
  flow: 'client',
  by: { id: 'ana' },
  runId: 'r1',
  agent: 'assistant',
  tool: 'meetings',
  signal: new AbortController().signal,
  ...over,
});

type Answer = (request: IncomingMessage, response: ServerResponse, issuer: string) => void;

async function identityOf(discovery: Answer, token: Answer = () => undefined) {
  const server = createServer((request, response) =>
    (request.url?.startsWith('/.well-known/') ? discovery : token)(request, response, issuer),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const vault = sqliteVault(':memory:', { current: 'k', keys: { k: Buffer.alloc(32, 7) } });
  ends.push(
    () => vault.close(),
    async () => {
      server.close();
      server.closeAllConnections();
    },
  );
  return localIdentity({
    vault,
    timeout: 2_000,
    callback: 'http://127.0.0.1:9/consent',
    providers: { calendar: { discovery: issuer, clientId: 'c', clientSecret: SECRET } },
  });
}

const json =
  (body: unknown, status = 200, type = 'application/json'): Answer =>
  (_, response) =>
    void response.writeHead(status, { 'content-type': type }).end(typeof body === 'string' ? body : JSON.stringify(body));

const good: Answer = (request, response, issuer) =>
  json({ issuer, token_endpoint: `${issuer}/token`, authorization_endpoint: `${issuer}/auth` })(request, response, issuer);

async function refusal(getting: Promise<unknown>): Promise<{ code: string; details: unknown }> {
  const error: unknown = await getting.then(
    () => undefined,
    (e: unknown) => e,
  );
  if (!RondoError.is(error)) throw new Error(`not a RondoError: ${String(error)}`);
  const said = JSON.stringify([error, error.message, error.stack, String(error.cause)]);
  expect(said).not.toContain(SECRET);
  expect(said).not.toContain('tok-');
  return { code: error.code, details: error.details };
}

const INVALID = 'PROVIDER_ANSWER_INVALID';
const tokens: readonly (readonly [string, Answer, string])[] = [
  ['a page in HTML', json('<html>welcome</html>', 200, 'text/html'), INVALID],
  ['JSON that is cut off', json('{"access_token":"tok-1', 200), INVALID],
  ['a list', json(['tok-1']), INVALID],
  ['null', json('null'), INVALID],
  ['nothing', json(''), INVALID],
  ['no token', json({ token_type: 'bearer' }), INVALID],
  ['an empty token', json({ access_token: '', token_type: 'bearer' }), INVALID],
  ['a token that is a number', json({ access_token: 7, token_type: 'bearer' }), INVALID],
  ['no type', json({ access_token: 'tok-1' }), INVALID],
  ['a type that cannot be used', json({ access_token: 'tok-1', token_type: 'mac' }), INVALID],
  ['a time that is text', json({ access_token: 'tok-1', token_type: 'bearer', expires_in: 'soon' }), INVALID],
  ['a redirect', (_, response) => void response.writeHead(302, { location: 'https://evil.example/' }).end(), INVALID],
  ['more than it may', json({ access_token: 'tok-1', token_type: 'bearer', more: 'x'.repeat(2_000_000) }), INVALID],
  ['a status of failure', json('<html>500</html>', 500, 'text/html'), 'PROVIDER_UNAVAILABLE'],
  ['too many requests', json('', 429), 'PROVIDER_UNAVAILABLE'],
  ['that it is overloaded', json({ error: 'temporarily_unavailable' }, 400), 'PROVIDER_UNAVAILABLE'],
  ['a failure in JSON', json({ error: 'oops' }, 503), 'PROVIDER_UNAVAILABLE'],
  ['a connection that breaks', (request) => void request.socket.destroy(), 'PROVIDER_UNAVAILABLE'],
  [
    'half an answer',
    (_, response) => void response.writeHead(200, { 'content-length': '500' }).end('{"acc', () => response.destroy()),
    'PROVIDER_UNAVAILABLE',
  ],
  ['never', () => undefined, 'PROVIDER_UNAVAILABLE'],
  ['a refusal', json({ error: 'invalid_client', error_description: SECRET }, 400), 'PROVIDER_REFUSED'],
  ['a refusal with a secret as its name', json({ error: `${SECRET} is wrong` }, 400), 'PROVIDER_REFUSED'],
  [
    'a challenge',
    (_, response) => void response.writeHead(401, { 'www-authenticate': `Basic realm="${SECRET}"` }).end(),
    'PROVIDER_REFUSED',
  ],
];

describe('the token endpoint answers', () => {
  test.each(tokens)('%s', async (_, answer, code) => {
    const identity = await identityOf(good, answer);
    expect((await refusal(identity.get(ask()))).code).toBe(code);
  });
});

const documents: readonly (readonly [string, Answer, string])[] = [
  ['a page in HTML', json('<html/>', 200, 'text/html'), INVALID],
  ['not found', json('', 404), INVALID],
  ['a failure', json('', 502), 'PROVIDER_UNAVAILABLE'],
  ['no endpoint', (q, s, issuer) => json({ issuer })(q, s, issuer), INVALID],
  ['another issuer', json({ issuer: 'https://evil.example', token_endpoint: 'https://evil.example/token' }), INVALID],
  ['an endpoint without TLS', (q, s, issuer) => json({ issuer, token_endpoint: 'http://evil.example/token' })(q, s, issuer), INVALID],
  ['an endpoint that is a number', (q, s, issuer) => json({ issuer, token_endpoint: 7 })(q, s, issuer), INVALID],
  ['an endpoint of another scheme', (q, s, issuer) => json({ issuer, token_endpoint: 'file:///etc/passwd' })(q, s, issuer), INVALID],
  ['never', () => undefined, 'PROVIDER_UNAVAILABLE'],
];

describe('the discovery document is', () => {
  test.each(documents)('%s', async (_, answer, code) => {
    const identity = await identityOf(answer);
    expect((await refusal(identity.get(ask()))).code).toBe(code);
    expect((await refusal(identity.get(ask({ flow: 'user', scopes: ['a'] })))).code).toBe(code);
  });

  test('missing, and there the next time', async () => {
    let there = false;
    const identity = await identityOf(
      (...of) => (there ? good : json('', 503))(...of),
      json({ access_token: 'tok-1', token_type: 'Bearer', expires_in: 60 }),
    );
    expect((await refusal(identity.get(ask()))).code).toBe('PROVIDER_UNAVAILABLE');
    there = true;
    expect(await identity.get(ask())).toMatchObject({ token: 'tok-1', expiresAt: expect.any(Number) });
  });
});

test.each([
  ['an unknown provider option', { calendar: { discovry: 'https://a.example' } }, /discovery/],
  ['a URL without TLS', { calendar: { discovery: 'http://a.example', clientId: 'c', clientSecret: SECRET } }, /https/],
  ['no client', { calendar: { discovery: 'https://a.example' } }, /clientId/],
  ['no secret', { calendar: { discovery: 'https://a.example', clientId: 'c' } }, /clientSecret/],
  ['no server', { calendar: { clientId: 'c', clientSecret: SECRET } }, /discovery/],
] as const)('a declaration with %s is CONFIG_INVALID', (_, providers, message) => {
  const vault = sqliteVault(':memory:', { current: 'k', keys: { k: Buffer.alloc(32, 7) } });
  ends.push(() => vault.close());
  const make = () => localIdentity({ vault, providers: providers as never });
  expect(make).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringMatching(message) }));
  expect(make).toThrow(expect.objectContaining({ message: expect.not.stringContaining(SECRET) }));
});

test('a document that names an endpoint inside of the network gets no request there, and no secret', async () => {
  const seen: string[] = [];
  const inside = createServer((request, response) => {
    seen.push(request.url ?? '');
    response.end('{}');
  });
  await new Promise<void>((resolve) => inside.listen(0, '127.0.0.1', resolve));
  ends.push(async () => void inside.close());
  const origin = `http://127.0.0.1:${(inside.address() as AddressInfo).port}`;
  const identity = await identityOf((request, response, issuer) =>
    json({ issuer, token_endpoint: `${origin}/token`, authorization_endpoint: `${issuer}/auth` })(request, response, issuer),
  );
  expect(await refusal(identity.get(ask()))).toMatchObject({ code: INVALID, details: { reason: 'an address that is not public' } });
  expect(seen).toEqual([]);
});
