/** Answers of authorization servers that are not as RFC 6749 says, and what a user takes back. */
import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { localIdentity, presets, sqliteVault } from 'rondo/identity';
import { afterEach, expect, test, vi } from 'vitest';
import { folder } from '../../kit/folder.ts';

const CALLBACK = 'https://app.example.com/consent';
const by = { id: 'ana' };
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** A token endpoint that answers by the grant. */
async function answering(of: (grant: string) => [status: number, body: object] | 'nothing'): Promise<string> {
  const server: Server = createServer(async (request, response) => {
    const answer = of(new URLSearchParams(await text(request)).get('grant_type') ?? '');
    if (answer !== 'nothing') response.writeHead(answer[0], { 'content-type': 'application/json' }).end(JSON.stringify(answer[1]));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(
    () => server.close(),
    () => server.closeAllConnections(),
  );
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const vaultOf = () => {
  const vault = sqliteVault(':memory:', { current: 'k1', keys: { k1: randomBytes(32).toString('hex') } });
  ends.push(() => vault.close());
  return vault;
};
const occasion = { by, runId: 'r1', agent: 'a', tool: 't', signal: AbortSignal.timeout(60_000) };
const codeOf = (doing: Promise<unknown>) =>
  doing.then(
    () => 'none',
    (error: { code?: string }) => error.code,
  );

/** GitHub answers errors of its token endpoint with status 200. */
test.each([
  ['bad_refresh_token', 200],
  ['invalid_grant', 400],
  ['invalid_grant', 200],
])('a refresh token that is refused as %s, with status %i, leads to a new consent', async (error, status) => {
  const given = { access_token: 'ghu_1', token_type: 'bearer', expires_in: 28_800, refresh_token: 'ghr_1' };
  const url = await answering((grant) =>
    grant === 'refresh_token' ? [status, { error, error_description: 'It is over.' }] : [200, given],
  );
  const endpoints = { issuer: url, authorization: `${url}/authorize`, token: `${url}/token` };
  let now = Date.now();
  const identity = localIdentity({
    vault: vaultOf(),
    now: () => now,
    callback: CALLBACK,
    providers: { github: { ...presets.github, endpoints, clientId: 'x', clientSecret: 'y' } },
  });
  const wanted = { provider: 'github', flow: 'user', scopes: ['repo'], ...occasion } as const;
  const asked = await identity.get(wanted);
  const state = 'consentUrl' in asked && new URL(asked.consentUrl).searchParams.get('state');
  await identity.returned({ url: `${CALLBACK}?code=abc&state=${state}`, by, signal: occasion.signal });
  expect(await identity.get(wanted)).toMatchObject({ token: 'ghu_1' });
  now += 28_900_000;
  expect(await identity.get({ ...wanted, runId: 'r2' })).toMatchObject({ consentUrl: expect.stringContaining(endpoints.authorization) });
});

test('an error with status 200 is told as what it is', async () => {
  const url = await answering(() => [200, { error: 'incorrect_client_credentials' }]);
  const identity = localIdentity({
    vault: vaultOf(),
    providers: { crm: { endpoints: { issuer: url, token: `${url}/token` }, clientId: 'x', clientSecret: 'y' } },
  });
  const got = identity.get({ provider: 'crm', flow: 'client', ...occasion });
  await expect(got).rejects.toMatchObject({ code: 'PROVIDER_REFUSED', details: { error: 'incorrect_client_credentials' } });
});

test('revoke() of all that a user has takes the token that they signed in with out of the vault, and of one provider leaves it', async () => {
  const url = await answering(() => [
    200,
    { access_token: 'at', token_type: 'bearer', expires_in: 3_600, issued_token_type: 'urn:ietf:params:oauth:token-type:access_token' },
  ]);
  const vault = vaultOf();
  const identity = localIdentity({
    vault,
    keepAssertions: true,
    providers: { crm: { endpoints: { issuer: url, token: `${url}/token` }, clientId: 'x', clientSecret: 'y' } },
  });
  const claims = Buffer.from(JSON.stringify({ sub: 'ana', exp: Math.floor(Date.now() / 1_000) + 86_400 })).toString('base64url');
  const wanted = { provider: 'crm', flow: 'exchange', ...occasion } as const;
  const kinds = async () => (await vault.list({})).map(({ kind }) => kind).sort();
  await identity.get({ ...wanted, assertion: { type: 'jwt', token: `e30.${claims}.x` } });
  expect(await kinds()).toEqual(['assertion', 'exchanged']);
  await identity.revoke({ by, provider: 'crm' });
  expect(await kinds()).toEqual(['assertion']);
  await identity.revoke({ by });
  expect(await kinds()).toEqual([]);
  expect(await codeOf(identity.get(wanted))).toBe('CONSENT_EXPIRED');
});

const endless = (url: string) => ({ issuer: url, authorization: `${url}/authorize`, token: `${url}/token` });

test.each([0, 1e300, 1e308, 2 ** 60])(
  'a token that is said to end in %d seconds is kept, and the user is not asked again and again',
  async (seconds) => {
    const given = { access_token: 'at-1', token_type: 'bearer', expires_in: seconds };
    const url = await answering(() => [200, given]);
    const path = join(folder('identity'), 'vault.db');
    const keys = { current: 'k1', keys: { k1: randomBytes(32).toString('hex') } };
    const identityOf = () => {
      const vault = sqliteVault(path, keys);
      ends.push(() => vault.close());
      return localIdentity({
        vault,
        callback: CALLBACK,
        providers: { crm: { endpoints: endless(url), clientId: 'x', clientSecret: 'y' } },
      });
    };
    const identity = identityOf();
    const wanted = { provider: 'crm', flow: 'user', scopes: ['a'], ...occasion } as const;
    const asked = await identity.get(wanted);
    const state = 'consentUrl' in asked && new URL(asked.consentUrl).searchParams.get('state');
    expect(await identity.returned({ url: `${CALLBACK}?code=abc&state=${state}`, by, signal: occasion.signal })).toMatchObject({
      outcome: 'granted',
    });
    for (const one of [identity, identityOf()]) {
      expect(await one.get(wanted)).toEqual({ token: 'at-1', flow: 'user' });
      expect(await one.get({ ...wanted, flow: 'client' })).toEqual({ token: 'at-1', flow: 'client' });
    }
  },
);

test.each([3_600.123456789, 1e300])('the token of a caller whose exp is %d seconds from now is taken', async (seconds) => {
  const url = await answering(() => [200, { access_token: 'at', token_type: 'bearer', expires_in: 3_600, issued_token_type: 'urn:x' }]);
  const identity = localIdentity({
    vault: vaultOf(),
    keepAssertions: true,
    providers: { crm: { endpoints: { issuer: url, token: `${url}/token` }, clientId: 'x', clientSecret: 'y' } },
  });
  const claims = Buffer.from(JSON.stringify({ sub: 'ana', exp: Date.now() / 1_000 + seconds })).toString('base64url');
  const wanted = { provider: 'crm', flow: 'exchange', ...occasion } as const;
  expect(await identity.get({ ...wanted, assertion: { type: 'jwt', token: `e30.${claims}.x` } })).toMatchObject({ token: 'at' });
});

test.each(['user', 'client'] as const)(
  'a provider that does not answer is waited for once by those who ask at once for the flow %s: a token that lasts is handed out, and without one all are told',
  async (flow) => {
    let [down, requests, now] = [false, 0, Date.now()];
    const given = { access_token: 'at', token_type: 'bearer', expires_in: 90, refresh_token: 'rt' };
    const url = await answering(() => {
      requests++;
      return down ? 'nothing' : [200, given];
    });
    const identity = localIdentity({
      vault: vaultOf(),
      timeout: 300,
      now: () => now,
      callback: CALLBACK,
      providers: { crm: { endpoints: endless(url), clientId: 'x', clientSecret: 'y' } },
    });
    const wanted = { provider: 'crm', flow, scopes: ['a'], ...occasion } as const;
    const asked = await identity.get(wanted);
    const state = 'consentUrl' in asked && new URL(asked.consentUrl).searchParams.get('state');
    if (state) await identity.returned({ url: `${CALLBACK}?code=abc&state=${state}`, by, signal: occasion.signal });
    down = true;
    now += 60_000;
    const all = <T>(one: () => Promise<T>) => Promise.all(Array.from({ length: 6 }, one));
    const from = requests;
    for (const got of await all(() => identity.get(wanted))) expect(got).toMatchObject({ token: 'at' });
    expect(await identity.get(wanted)).toMatchObject({ token: 'at' });
    expect(requests - from).toBe(1);
    now += 60_000;
    expect(await all(() => codeOf(identity.get(wanted)))).toEqual(Array.from({ length: 6 }, () => 'PROVIDER_UNAVAILABLE'));
    expect(requests - from).toBe(2);
    // who asks after that asks for themselves
    down = false;
    expect(await identity.get(wanted)).toMatchObject({ token: 'at' });
  },
);

test('a discovery document that cannot be had any more is waited for every half minute, and not by each request', async () => {
  let [documents, hangs] = [0, false];
  const server = createServer((request, response) => {
    const issuer = `http://${request.headers.host}`;
    const found = request.url?.startsWith('/.well-known/');
    if (found) documents++;
    if (found && hangs) return;
    const body = found ? { issuer, token_endpoint: `${issuer}/token` } : { access_token: 'at', token_type: 'bearer', expires_in: 3_600 };
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(
    () => server.close(),
    () => server.closeAllConnections(),
  );
  const discovery = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const identity = localIdentity({ vault: vaultOf(), timeout: 300, providers: { crm: { discovery, clientId: 'x', clientSecret: 'y' } } });
  const token = (scope: string) => identity.get({ provider: 'crm', flow: 'client', scopes: [scope], ...occasion });
  let passed = 0;
  const real = performance.now.bind(performance);
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => real() + passed);
  ends.push(() => clock.mockRestore());
  await token('a');
  hangs = true;
  passed += 3_600_001;
  for (const scope of ['b', 'c', 'd']) expect(await token(scope)).toMatchObject({ token: 'at' });
  expect(documents).toBe(2);
  passed += 30_001;
  hangs = false;
  await token('e');
  expect(documents).toBe(3);
});

test('revoke() asks a provider for all tokens at once: one that is slow is waited for once', async () => {
  const arrived: (() => void)[] = [];
  let most = 0;
  const server = createServer(async (request, response) => {
    const body = new URLSearchParams(await text(request));
    const given = { access_token: `at-${body.get('code')}`, token_type: 'bearer', expires_in: 3_600 };
    const answer = () => void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(given));
    if (request.url !== '/revoke') return answer();
    most = Math.max(most, arrived.push(answer));
    // answered once all three are there
    if (arrived.length === 3) for (const one of arrived.splice(0)) one();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(
    () => server.close(),
    () => server.closeAllConnections(),
  );
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const vault = vaultOf();
  const identity = localIdentity({
    vault,
    timeout: 2_000,
    callback: CALLBACK,
    providers: { crm: { endpoints: { ...endless(url), revocation: `${url}/revoke` }, clientId: 'x', clientSecret: 'y' } },
  });
  for (const scope of ['a', 'b', 'c']) {
    const asked = await identity.get({ provider: 'crm', flow: 'user', scopes: [scope], ...occasion });
    const state = 'consentUrl' in asked && new URL(asked.consentUrl).searchParams.get('state');
    await identity.returned({ url: `${CALLBACK}?code=${scope}&state=${state}`, by, signal: occasion.signal });
  }
  expect(await identity.revoke({ by })).toEqual([{ provider: 'crm', outcome: 'revoked' }]);
  expect(most).toBe(3);
  expect(await vault.list({})).toEqual([]);
});
