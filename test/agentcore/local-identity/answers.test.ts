/** Answers of authorization servers that are not as RFC 6749 says, and what a user takes back. */
import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { localIdentity, presets, sqliteVault } from 'rondo/identity';
import { afterEach, expect, test } from 'vitest';

const CALLBACK = 'https://app.example.com/consent';
const by = { id: 'ana' };
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** A token endpoint that answers by the grant. */
async function answering(of: (grant: string) => [status: number, body: object]): Promise<string> {
  const server: Server = createServer(async (request, response) => {
    const [status, body] = of(new URLSearchParams(await text(request)).get('grant_type') ?? '');
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(() => server.close());
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
