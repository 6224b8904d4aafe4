import { expect, test } from 'vitest';
import { startAgentCore } from '../../../src/adapters/agentcore/wire/index.ts';
import { jwtAuthorizer } from '../../../src/server/index.ts';
import { browser } from './browser.ts';
import { ask, claimsOf, desk, WORKLOAD } from './desk.ts';
import { start, tokenFor } from './server.ts';
import { APP, authorizationUrl, signIn, tokenRequest } from './sign-in.ts';

const USERS = { identity: { authorization: { users: ['ana', 'ben'], redirectUrls: [APP] } } };

test('a user signs in at the page, allows, and the application gets tokens that can be verified', async () => {
  const { server } = await start(USERS);
  const person = browser();
  const page = await person.open(authorizationUrl(server).url, APP);
  expect(page.text).toContain('<title>Sign in</title>');
  expect(page.text).toContain('Sign in as ana');
  const consent = await person.press(page, 'user', 'ana', APP);
  expect(consent.text).toContain('You are signed in as <strong>ana</strong>');
  const { idToken, accessToken } = await signIn(server, 'ben');
  expect(claimsOf(idToken).sub).toBe('ben');
  const { discoveryUrl, clientId } = server.authorization;
  const checked = await jwtAuthorizer({ discoveryUrl, allowedClients: [clientId] }).check(accessToken);
  expect(checked).toMatchObject({ ok: true, by: { id: 'ben' } });
});

test.each([
  ['without PKCE', { code_challenge: undefined, code_challenge_method: undefined }, 'invalid_request'],
  ['with plain PKCE', { code_challenge_method: 'plain' }, 'invalid_request'],
])('a request %s comes back refused', async (_, more, error) => {
  const { server } = await start(USERS);
  const { url } = await browser().open(authorizationUrl(server, more).url, APP);
  expect(new URL(url).searchParams.get('error')).toBe(error);
});

test.each([
  ['a redirect URL that is not registered', { redirect_uri: `${APP}/x` }],
  ['a client that there is not', { client_id: 'other' }],
])('%s is refused on the page, and the browser is sent nowhere', async (_, more) => {
  const { server } = await start(USERS);
  const page = await browser().open(authorizationUrl(server, more).url);
  expect(page).toMatchObject({ status: 400, url: expect.stringContaining(server.authorization.url) });
  expect(page.text).toContain('role="alert"');
});

test('a user that was not told is not signed in, and a sign-in belongs to its browser', async () => {
  const { server } = await start(USERS);
  const person = browser();
  const page = await person.open(authorizationUrl(server).url, APP);
  expect((await person.press({ ...page, text: 'name="user" value="eve"' }, 'user', 'eve', APP)).text).toContain('<title>Sign in</title>');
  expect((await browser().open(page.url)).status).toBe(400);
});

test('a code is for one exchange, its verifier, and a minute', async () => {
  const { server } = await start(USERS);
  const person = browser();
  await signIn(server, 'ana', person);
  const exchanged = async (wait: number, wrong: object = {}) => {
    // the browser is signed in, and has consented
    const { url, verifier } = authorizationUrl(server);
    const code = new URL((await person.open(url, APP)).url).searchParams.get('code') as string;
    await server.clock.advance(wait);
    const form = { grant_type: 'authorization_code', code, redirect_uri: APP, code_verifier: verifier, ...wrong };
    const first = await tokenRequest(server, form);
    return [first.status, (await tokenRequest(server, form)).status];
  };
  expect(await exchanged(0)).toEqual([200, 400]);
  expect(await exchanged(0, { code_verifier: 'a'.repeat(43) })).toEqual([400, 400]);
  expect(await exchanged(60_000)).toEqual([400, 400]);
});

const EXCHANGE = { onBehalfOfTokenExchangeConfig: { grantType: 'TOKEN_EXCHANGE' as const } };
const ACTOR = {
  onBehalfOfTokenExchangeConfig: {
    grantType: 'TOKEN_EXCHANGE' as const,
    tokenExchangeGrantTypeConfig: { actorTokenContent: 'M2M' as const, actorTokenScopes: ['act'] },
  },
};
const BEARER = { onBehalfOfTokenExchangeConfig: { grantType: 'JWT_AUTHORIZATION_GRANT' as const } };

test.each([
  ['token exchange', EXCHANGE, undefined],
  ['token exchange with an actor', ACTOR, { sub: 'rondo' }],
  ['a JWT as a grant', BEARER, undefined],
])('ON_BEHALF_OF_TOKEN_EXCHANGE by %s gives a token for the user who signed in', async (_, provider, act) => {
  const started = await desk(USERS, provider);
  const { accessToken: userToken } = await signIn(started.server, 'ana');
  const token = await tokenFor(started, WORKLOAD, { userToken });
  const audiences = ['https://api.example/orders'];
  const { accessToken } = await ask(started, token, 'ON_BEHALF_OF_TOKEN_EXCHANGE', { audiences });
  const claims = claimsOf(accessToken);
  expect(claims).toMatchObject({ sub: 'ana', aud: audiences[0], scope: 'calendar.read' });
  expect(claims.act).toEqual(act);
  expect((await ask(started, token, 'ON_BEHALF_OF_TOKEN_EXCHANGE', { audiences })).accessToken).toBe(accessToken);
});

test('an exchange needs the JWT of a user, of this issuer, and a provider that says how', async () => {
  const started = await desk(USERS, EXCHANGE);
  const flow = 'ON_BEHALF_OF_TOKEN_EXCHANGE';
  await expect(ask(started, await tokenFor(started, WORKLOAD, { userId: 'ana' }), flow)).rejects.toMatchObject({
    name: 'ValidationException',
  });
  const { idToken } = await signIn(started.server, 'ana');
  const forged = `${idToken.split('.').slice(0, 2).join('.')}.${'A'.repeat(342)}`;
  await expect(ask(started, await tokenFor(started, WORKLOAD, { userToken: forged }), flow)).rejects.toMatchObject({
    name: 'ValidationException',
  });
  expect(started.server.calls().at(-1)?.rule).toContain('invalid_grant');
  const plain = await desk(USERS);
  const { idToken: other } = await signIn(plain.server, 'ana');
  await expect(ask(plain, await tokenFor(plain, WORKLOAD, { userToken: other }), flow)).rejects.toMatchObject({
    message: expect.stringContaining('onBehalfOfTokenExchangeConfig'),
  });
});

test('a reset forgets users who are signed in, clients of before go on', async () => {
  const started = await desk(USERS);
  await signIn(started.server, 'ana');
  const headers = { authorization: `Bearer ${started.server.adminToken}` };
  await fetch(`${started.server.url}/_rondo/reset`, { method: 'POST', headers });
  expect(claimsOf((await signIn(started.server, 'ana')).idToken).sub).toBe('ana');
});

test.each([
  ['a user without a name', { users: [''] }, 'users'],
  ['a URL that is none', { redirectUrls: ['callback'] }, 'redirectUrls'],
  ['a lifetime in seconds', { lifetimes: { code: 60 } }, 'milliseconds'],
  ['a misspelt option', { user: ['ana'] }, 'Did you mean "users"'],
])('%s is refused at the start', async (_, authorization, why) => {
  await expect(startAgentCore({ identity: { authorization: authorization as object } })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining(why),
  });
});
