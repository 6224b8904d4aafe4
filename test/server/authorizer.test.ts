import { createHmac, generateKeyPairSync } from 'node:crypto';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SignJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { agent, Engine } from '../../src/index.ts';
import { bearer, type JwtAuthorizerOptions, jwt, jwtAuthorizer, serve } from '../../src/server/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { refused } from '../kit/runs.ts';
import { get, post } from './http.ts';
import { issuer, pair, SHAPES } from './issuer.ts';

beforeEach(() => void vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined));
afterEach(() => void vi.restoreAllMocks());

type Options = Omit<JwtAuthorizerOptions, 'discoveryUrl'>;

const claim = (
  name: string,
  type: 'STRING' | 'STRING_ARRAY',
  operator: 'EQUALS' | 'CONTAINS' | 'CONTAINS_ANY',
  value: string | string[],
) => ({
  inboundTokenClaimName: name,
  inboundTokenClaimValueType: type,
  authorizingClaimMatchValue: {
    claimMatchOperator: operator,
    claimMatchValue: typeof value === 'string' ? { matchValueString: value } : { matchValueStringList: value },
  },
});

/** Options that let the access token of a provider in, and who its caller is then. */
const PROVIDERS: Record<keyof typeof SHAPES, { o: Options; by: object }> = {
  cognito: {
    o: {
      allowedClients: ['1example23456789'],
      allowedScopes: ['agents/invoke'],
      customClaims: [claim('token_use', 'STRING', 'EQUALS', 'access'), claim('cognito:groups', 'STRING_ARRAY', 'CONTAINS', 'support')],
      principal: { id: 'username', tenant: 'custom:tenant', roles: 'cognito:groups' },
    },
    by: { id: 'ana', tenant: 'acme', roles: ['support', 'lead'] },
  },
  okta: {
    o: {
      allowedAudience: ['api://agents'],
      allowedScopes: ['agents.invoke'],
      customClaims: [
        claim('cid', 'STRING', 'EQUALS', '0oa1gjh63g214q0Hq0g4'),
        claim('groups', 'STRING_ARRAY', 'CONTAINS_ANY', ['boss', 'lead']),
      ],
      principal: { tenant: 'org', roles: 'groups' },
    },
    by: { id: 'ana@acme.example', tenant: 'acme', roles: ['lead', 'Everyone'] },
  },
  entra: {
    o: {
      allowedAudience: ['other', 'api://11111111-2222-3333-4444-555555555555'],
      allowedClients: ['22222222-3333-4444-5555-666666666666'],
      allowedScopes: ['Agents.Invoke'],
      principal: { id: 'oid', tenant: 'tid' },
    },
    by: { id: '33333333-4444-5555-6666-777777777777', tenant: 'acme', roles: ['lead'] },
  },
  auth0: {
    o: {
      allowedAudience: ['https://agents.example.com'],
      allowedClients: ['my-client-id'],
      allowedScopes: ['invoke:agents'],
      customClaims: [claim('permissions', 'STRING_ARRAY', 'CONTAINS', 'invoke:agents')],
      principal: { tenant: 'org_id', roles: 'https://example.com/roles' },
    },
    by: { id: 'auth0|507f1f77bcf86cd799439020', tenant: 'acme', roles: ['lead'] },
  },
};

const reasonOf = async (o: JwtAuthorizerOptions, token: string) => {
  const checked = await jwtAuthorizer(o).check(token);
  return checked.ok ? 'ok' : checked.reason;
};

describe.each(Object.entries(PROVIDERS))('a token of %s', (name, { o, by }) => {
  test('is let in, and says who its caller is', async () => {
    const { token, discoveryUrl } = await issuer();
    const claims = SHAPES[name as keyof typeof SHAPES];
    expect(await jwtAuthorizer({ ...o, discoveryUrl }).check(await token(claims))).toMatchObject({ ok: true, by, claims });
  });

  test('is refused where one of the lists is of somebody else', async () => {
    const { token, discoveryUrl } = await issuer();
    const good = await token(SHAPES[name as keyof typeof SHAPES]);
    expect(await reasonOf({ ...o, discoveryUrl, allowedAudience: ['elsewhere'] }, good)).toBe('audience');
    expect(await reasonOf({ ...o, discoveryUrl, allowedClients: ['somebody'] }, good)).toBe('client');
    expect(await reasonOf({ ...o, discoveryUrl, allowedScopes: ['everything'] }, good)).toBe('scope');
    expect(await reasonOf({ ...o, discoveryUrl, principal: { tenant: 'missing' } }, good)).toBe('principal');
  });
});

test('claims that are asked for become those of the principal, as texts; others do not', async () => {
  const { token, discoveryUrl } = await issuer();
  const o = {
    discoveryUrl,
    allowedClients: ['web'],
    principal: { claims: ['groups', 'level', 'active', 'address', 'missing', 'toString'] },
  };
  const claims = { sub: 'ana', azp: 'web', groups: ['a', 'b'], level: 3, active: true, address: { city: 'Rome' }, email: 'a@example.com' };
  expect(await jwtAuthorizer(o).check(await token(claims))).toMatchObject({
    ok: true,
    by: { id: 'ana', claims: { groups: 'a b', level: '3', active: 'true' } },
  });
  const checked = await jwtAuthorizer(o).check(await token(claims));
  expect(checked.ok && Object.keys(checked.by.claims ?? {})).toEqual(['groups', 'level', 'active']);
});

describe('custom claims', () => {
  const claims = { sub: 'ana', text: 'a', list: ['a', 'b'], number: 7, mixed: ['a', 7] };
  test.each([
    [claim('text', 'STRING', 'EQUALS', 'a'), true],
    [claim('text', 'STRING', 'EQUALS', 'A'), false],
    [claim('list', 'STRING', 'EQUALS', 'a'), false],
    [claim('number', 'STRING', 'EQUALS', '7'), false],
    [claim('missing', 'STRING', 'EQUALS', 'a'), false],
    [claim('toString', 'STRING', 'EQUALS', 'a'), false],
    [claim('list', 'STRING_ARRAY', 'CONTAINS', 'b'), true],
    [claim('list', 'STRING_ARRAY', 'CONTAINS', 'c'), false],
    [claim('text', 'STRING_ARRAY', 'CONTAINS', 'a'), false],
    [claim('mixed', 'STRING_ARRAY', 'CONTAINS', 'a'), false],
    [claim('list', 'STRING_ARRAY', 'CONTAINS_ANY', ['c', 'b']), true],
    [claim('list', 'STRING_ARRAY', 'CONTAINS_ANY', ['c', 'd']), false],
  ])('%j', async (customClaim, fits) => {
    const { token, discoveryUrl } = await issuer();
    expect(await reasonOf({ discoveryUrl, customClaims: [customClaim] }, await token(claims))).toBe(fits ? 'ok' : 'claim');
  });
});

describe('a bad token', () => {
  const o = { allowedClients: ['1example23456789'] };
  test('is refused, and no text of it is told', async () => {
    const idp = await issuer();
    const { discoveryUrl, token, publicKey } = idp;
    const good = await token(SHAPES.cognito);
    const [head = '', body = '', signature = ''] = good.split('.');
    const header = (fields: object) => Buffer.from(JSON.stringify(fields)).toString('base64url');
    // the public key, which everybody knows, as the secret of a symmetric signature
    const forged = `${header({ alg: 'HS256', kid: '1', typ: 'JWT' })}.${body}`;
    const mac = createHmac('sha256', publicKey.export({ type: 'spki', format: 'pem' }))
      .update(forged)
      .digest('base64url');
    const bad: Record<string, [string, string]> = {
      rubbish: ['rubbish', 'token'],
      'without a signature': [`${head}.${body}.`, 'token'],
      'the algorithm none': [`${header({ alg: 'none' })}.${body}.`, 'token'],
      'the algorithm none, with a signature': [`${header({ alg: 'none', kid: '1' })}.${body}.${signature}`, 'token'],
      'key confusion': [`${forged}.${mac}`, 'token'],
      'another key': [await token(SHAPES.cognito, { key: pair().privateKey }), 'token'],
      'a key that is not published': [await token(SHAPES.cognito, { kid: 'other' }), 'token'],
      'other claims': [
        `${head}.${Buffer.from(JSON.stringify({ ...SHAPES.cognito, username: 'eve' })).toString('base64url')}.${signature}`,
        'token',
      ],
      'another issuer': [await token(SHAPES.cognito, { issuer: 'https://evil.example.com' }), 'token'],
      expired: [await token(SHAPES.cognito, { expires: '-1h' }), 'expired'],
      'not valid yet': [await token({ ...SHAPES.cognito, nbf: Math.floor(Date.now() / 1_000) + 3_600 }), 'token'],
      'no subject': [await token({ ...SHAPES.cognito, sub: undefined }), 'principal'],
    };
    const authorizer = jwtAuthorizer({ ...o, discoveryUrl });
    expect((await authorizer.check(good)).ok).toBe(true);
    for (const [why, [bearer, reason]] of Object.entries(bad)) {
      const checked = await authorizer.check(bearer);
      expect([why, checked.ok ? 'ok' : checked.reason]).toEqual([why, reason]);
      if (!checked.ok && bearer.length > 20) expect(checked.message).not.toContain(bearer.slice(0, 20));
    }
  });

  test('of the issuer before its keys were changed is refused, and one of the new key is let in', async () => {
    const idp = await issuer();
    const authorizer = jwtAuthorizer({ ...o, discoveryUrl: idp.discoveryUrl });
    const old = await idp.token(SHAPES.cognito);
    expect((await authorizer.check(old)).ok).toBe(true);
    idp.rotate();
    // the set of keys is fetched again for a key that it does not have, but not more often than every half minute
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 31_000 });
    onTestFinished(() => void vi.useRealTimers());
    expect((await authorizer.check(await idp.token(SHAPES.cognito))).ok).toBe(true);
    expect((await authorizer.check(old)).ok).toBe(false);
    expect(idp.asked.filter((path) => path.includes('openid')).length).toBe(1);
  });

  test('and one that cannot be checked now are different things', async () => {
    const idp = await issuer();
    const authorizer = jwtAuthorizer({ ...o, discoveryUrl: idp.discoveryUrl });
    idp.up = false;
    const token = await idp.token(SHAPES.cognito);
    await expect(authorizer.check(token)).rejects.toThrow('HTTP 503');
    idp.up = true;
    expect((await authorizer.check(token)).ok).toBe(true);
  });
});

describe.each<[string, unknown]>([
  ['an error', { error: 'temporarily_unavailable' }],
  ['a list', []],
  ['keys that are no list', { keys: {} }],
  ['no keys', { keys: [] }],
  ['a key that is null', { keys: [null] }],
  ['a key that is too short', { keys: [{ kty: 'RSA', kid: '1', alg: 'RS256', e: 'AQAB', n: 'AQAB' }] }],
  ['a key without its number', { keys: [{ kty: 'RSA', kid: '1', alg: 'RS256' }] }],
])('an issuer that publishes %s for its keys', (_, instead) => {
  test.each(['jwt', 'jwtAuthorizer'])('is at fault, not the token that %s checks: 503, and the operator is told', async (by) => {
    const idp = await issuer();
    idp.instead = instead;
    const verify = jwt({ issuer: idp.url, audience: 'support', keys: new URL(idp.jwks) });
    const auth = by === 'jwt' ? bearer({ verify }) : jwtAuthorizer({ discoveryUrl: idp.discoveryUrl, allowedAudience: ['support'] }).auth;
    await using engine = new Engine();
    await using server = await serve(engine, agent({ name: 'echo', instructions: '', model: scripted(() => 'ok') }), { auth });
    const authorization = `Bearer ${await idp.token({ sub: 'ana', aud: 'support' })}`;
    expect((await get(`${server.url}/runs/x`, { authorization })).status).toBe(503);
    expect(process.emitWarning).toHaveBeenCalled();
  });
});

test('an old discovery document is used while the issuer fails, which is asked at most every half minute', async () => {
  const idp = await issuer();
  const authorizer = jwtAuthorizer({ allowedClients: ['1example23456789'], discoveryUrl: idp.discoveryUrl });
  const token = await idp.token(SHAPES.cognito);
  let passed = 0;
  const now = performance.now.bind(performance);
  vi.spyOn(performance, 'now').mockImplementation(() => now() + passed);
  const asked = async (ms: number) => {
    passed += ms;
    for (let i = 0; i < 3; i++) expect((await authorizer.check(token)).ok).toBe(true);
    return idp.asked.filter((path) => path.includes('openid')).length;
  };
  expect(await asked(0)).toBe(1);
  idp.up = false;
  expect(await asked(600_001)).toBe(2);
  expect(await asked(30_001)).toBe(3);
  idp.up = true;
  expect(await asked(30_001)).toBe(4);
  expect(await asked(500_000)).toBe(4);
});

test('a server tells an unknown caller where to get a token, and takes the caller that the token names', async () => {
  const { discoveryUrl, url: issued, token } = await issuer();
  const resourceMetadata = 'https://agents.example.com/.well-known/oauth-protected-resource?qualifier=DEFAULT';
  const { auth, metadata } = jwtAuthorizer({
    discoveryUrl,
    allowedScopes: ['agents/invoke'],
    advertisedScopeMapping: { 'agents/invoke': 'api://agents/invoke' },
    resourceMetadata,
  });
  await using engine = new Engine();
  await using server = await serve(engine, agent({ name: 'echo', instructions: '', model: scripted(() => 'ok') }), { auth });
  const answer = await fetch(`${server.url}/runs/x`);
  expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([
    401,
    `Bearer resource_metadata="${resourceMetadata}", scope="api://agents/invoke"`,
  ]);
  expect(metadata('https://agents.example.com/invocations')).toEqual({
    resource: 'https://agents.example.com/invocations',
    authorization_servers: [issued],
    bearer_methods_supported: ['header'],
    scopes_supported: ['api://agents/invoke'],
  });
  const headers = { authorization: `Bearer ${await token(SHAPES.cognito)}` };
  expect((await post(`${server.url}/runs`, { input: 'hi' }, headers)).status).toBe(201);
});

test.each<[string, object]>([
  ['no list at all', {}],
  ['an empty list', { allowedAudience: [] }],
  ['a list that is a text', { allowedClients: 'web' }],
  ['a scope with a quote', { allowedScopes: ['a"b'] }],
  ['another discovery URL', { allowedClients: ['web'], discoveryUrl: 'https://id.example.com/jwks' }],
  ['a discovery URL over plain http', { allowedClients: ['web'], discoveryUrl: 'http://id.example.com/.well-known/openid-configuration' }],
  ['a metadata URL with a quote', { allowedClients: ['web'], resourceMetadata: 'https://x.example/"' }],
  ['an operator that does not fit', { customClaims: [claim('a', 'STRING', 'CONTAINS', 'x')] }],
  ['a list where a text is needed', { customClaims: [claim('a', 'STRING_ARRAY', 'CONTAINS', ['x'])] }],
  ['a claim without a name', { customClaims: [claim('', 'STRING', 'EQUALS', 'x')] }],
  ['a claim that is null', { customClaims: [null] }],
])('an authorizer is refused with %s', async (_, o) => {
  const discoveryUrl = 'https://id.example.com/.well-known/openid-configuration';
  await refused('CONFIG_INVALID', () => jwtAuthorizer({ discoveryUrl, ...o } as JwtAuthorizerOptions));
});

test('a document that names keys inside of the network gets no request there, unless the origin is allowed', async () => {
  const [idp, inside] = [await issuer(), await issuer()];
  idp.jwks = `${inside.url}/jwks`;
  const o = { discoveryUrl: idp.discoveryUrl, allowedClients: ['1example23456789'] };
  const token = await inside.token(SHAPES.cognito, { issuer: idp.url });
  await expect(jwtAuthorizer(o).check(token)).rejects.toMatchObject({
    code: 'PROVIDER_UNAVAILABLE',
    message: expect.stringMatching(/not a public address.*Add its origin to allow/),
  });
  expect(inside.asked).toEqual([]);
  expect(await jwtAuthorizer({ ...o, allow: [inside.url] }).check(token)).toMatchObject({ ok: true });
});

test.each(['jwt', 'jwtAuthorizer'])('a key set without an end is read no further than a megabyte by %s', async (by) => {
  let sent = 0;
  const listening = createServer((request, response) => {
    const origin = `http://${request.headers.host}`;
    if (request.url !== '/jwks') return void response.end(JSON.stringify({ issuer: origin, jwks_uri: `${origin}/jwks` }));
    const more = () => {
      if (response.destroyed) return;
      sent += 65_536;
      if (response.write(' '.repeat(65_536))) setImmediate(more);
      else response.once('drain', more);
    };
    more();
  });
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void (listening.closeAllConnections(), listening.close()));
  const origin = `http://127.0.0.1:${(listening.address() as AddressInfo).port}`;
  const check =
    by === 'jwt'
      ? jwt({ issuer: origin, audience: 'support', keys: new URL(`${origin}/jwks`) })
      : jwtAuthorizer({ discoveryUrl: `${origin}/.well-known/openid-configuration`, allowedClients: ['web'] }).check;
  const token = await new SignJWT({ client_id: 'web' })
    .setProtectedHeader({ alg: 'ES256', kid: '1' })
    .sign(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
  await expect(check(token)).rejects.toMatchObject({ code: 'PROVIDER_UNAVAILABLE' });
  // and what the sockets hold
  expect(sent).toBeLessThan(9_000_000);
});

type Answer = (response: ServerResponse, path: string, origin: string) => unknown;
const document =
  (o: (origin: string) => object, keys: Answer): Answer =>
  (response, path, origin) =>
    path === '/jwks' ? keys(response, path, origin) : response.end(JSON.stringify(o(origin)));
const named = (origin: string) => ({ issuer: 'https://id.example', jwks_uri: `${origin}/jwks` });
const HTML: Answer = (response) => response.end('<html>');
const ELSEWHERE: Answer = (response) => response.writeHead(302, { location: 'http://169.254.169.254/latest/meta-data/' }).end();

test.each<[string, Answer, string]>([
  ['a page', HTML, 'openid-configuration is not JSON'],
  ['null', (response) => response.end('null'), 'names no issuer'],
  ['not found', (response) => response.writeHead(404).end(), 'was answered with HTTP 404'],
  ['a redirect', ELSEWHERE, 'it redirects'],
  ['a connection that breaks', (response) => response.destroy(), 'openid-configuration could not be had'],
  [
    'half of it',
    (response) => response.writeHead(200, { 'content-length': 99 }).write('{', () => response.destroy()),
    'did not come to its end',
  ],
  ['no keys', document(() => ({ issuer: 'x' }), HTML), 'names no jwks_uri over https'],
  ['a page for its keys', document(named, HTML), '/jwks could not be had'],
  ['a redirect for its keys', document(named, ELSEWHERE), '/jwks could not be had'],
  ['an empty list of keys', document(named, (response) => response.end('{"keys":[]}')), '/jwks is empty'],
])('an issuer that answers %s is named to the operator, with what is wrong there', async (_, answer, why) => {
  const listening = createServer((request, response) => void answer(response, request.url ?? '', `http://${request.headers.host}`));
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void (listening.closeAllConnections(), listening.close()));
  const origin = `http://127.0.0.1:${(listening.address() as AddressInfo).port}`;
  const authorizer = jwtAuthorizer({ discoveryUrl: `${origin}/.well-known/openid-configuration`, allowedClients: ['web'] });
  const token = await new SignJWT({ client_id: 'web' })
    .setProtectedHeader({ alg: 'ES256', kid: '1' })
    .sign(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
  const error: unknown = await authorizer.check(token).catch((e: unknown) => e);
  expect(error).toMatchObject({ code: 'PROVIDER_UNAVAILABLE', message: expect.stringContaining(why) });
  expect((error as Error).message).toContain(origin);
  expect((error as Error).message).not.toContain(token);
});
