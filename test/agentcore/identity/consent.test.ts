import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as data from '@aws-sdk/client-bedrock-agentcore';
import * as control from '@aws-sdk/client-bedrock-agentcore-control';
import { withAccessToken } from 'bedrock-agentcore/identity';
import { afterEach, expect, test, vi } from 'vitest';
import { folder } from '../../kit/folder.ts';
import { browser, consentAs } from './browser.ts';
import { ask, claimsOf, desk, newProvider, PROVIDER, RETURN, WORKLOAD } from './desk.ts';
import { jwtOf, type Started, tokenFor } from './server.ts';

afterEach(() => void vi.restoreAllMocks());

const ana = { userId: 'ana' };
const jwt = (sub: string, more: object = {}) => jwtOf({ iss: 'https://idp.example', sub, exp: Date.now() / 1_000 + 3_000, ...more });

const complete = ({ client }: Started, sessionUri: string | undefined, userIdentifier: data.UserIdentifier) =>
  client.send(new data.CompleteResourceTokenAuthCommand({ sessionUri, userIdentifier }));
const rule = ({ server }: Started) => server.calls().at(-1)?.rule;
const DENIED = { name: 'AccessDeniedException', message: 'Invalid or expired session', $metadata: { httpStatusCode: 403 } };

/** A consent that the person gave, up to the return of the browser. */
async function returned(started: Started, token: string, more: Partial<data.GetResourceOauth2TokenCommandInput> = {}, as = 'ana') {
  const { authorizationUrl, sessionUri, sessionStatus } = await ask(started, token, 'USER_FEDERATION', more);
  expect(sessionStatus).toBe('IN_PROGRESS');
  const back = new URL(await consentAs(browser(), as, authorizationUrl as string, RETURN));
  expect(back.searchParams.get('session_id')).toBe(sessionUri);
  return { sessionUri, back };
}

test('withAccessToken of the SDK gets the token of a user who consents in a browser (D1, USER_FEDERATION)', async () => {
  const started = await desk();
  const later = globalThis.setTimeout;
  // the SDK asks every five seconds
  vi.spyOn(globalThis, 'setTimeout').mockImplementation(((act: () => void, ms: number) => later(act, ms === 5_000 ? 5 : ms)) as never);
  const urls: string[] = [];
  const call = withAccessToken({
    workloadIdentityToken: await tokenFor(started, WORKLOAD, ana),
    providerName: PROVIDER,
    scopes: ['calendar.read'],
    authFlow: 'USER_FEDERATION',
    callbackUrl: RETURN,
    customState: 'of the application',
    onAuthUrl: (url) => void urls.push(url),
  });
  const token = call(async (given: string) => given)();
  await vi.waitUntil(() => urls.length > 0, { timeout: 60_000 });
  const back = new URL(await consentAs(browser(), 'ana', urls[0] as string, RETURN));
  expect(back.searchParams.get('state')).toBe('of the application');
  await complete(started, back.searchParams.get('session_id') as string, ana);
  expect(claimsOf(await token)).toMatchObject({ sub: 'ana', scope: 'calendar.read' });
});

test('a token that a user consented to is kept by workload, user, provider and scopes, and renewed without the user', async () => {
  const started = await desk();
  const token = await tokenFor(started, WORKLOAD, ana);
  const { sessionUri } = await returned(started, token);
  await complete(started, sessionUri, ana);
  const { accessToken } = await ask(started, token, 'USER_FEDERATION', { sessionUri });
  expect(claimsOf(accessToken).sub).toBe('ana');
  expect((await ask(started, token, 'USER_FEDERATION')).accessToken).toBe(accessToken);
  for (const other of [
    ask(started, token, 'USER_FEDERATION', { scopes: ['calendar.read', 'calendar.write'] }),
    ask(started, await tokenFor(started, WORKLOAD, { userId: 'ben' }), 'USER_FEDERATION'),
    ask(started, await tokenFor(started, WORKLOAD, { userToken: jwt('ana') }), 'USER_FEDERATION'),
  ])
    expect(await other).toMatchObject({ authorizationUrl: expect.any(String) });
  await started.server.clock.advance(3_599_000);
  const renewed = await ask(started, await tokenFor(started, WORKLOAD, ana), 'USER_FEDERATION');
  expect(renewed.accessToken).not.toBe(accessToken);
  expect(claimsOf(renewed.accessToken)).toMatchObject({ sub: 'ana', scope: 'calendar.read' });
});

test('a refresh token that was revoked asks the user again', async () => {
  const started = await desk({ identity: { authorization: { users: ['ana'], lifetimes: { refreshToken: 5_000_000 } } } });
  const { sessionUri } = await returned(started, await tokenFor(started, WORKLOAD, ana));
  await complete(started, sessionUri, ana);
  await started.server.clock.advance(5_000_000);
  const again = await ask(started, await tokenFor(started, WORKLOAD, ana), 'USER_FEDERATION');
  expect(again).toMatchObject({ sessionStatus: 'IN_PROGRESS', authorizationUrl: expect.any(String) });
  expect(again.accessToken).toBeUndefined();
});

test('a forced consent is not answered with the token of before', async () => {
  const started = await desk();
  const token = await tokenFor(started, WORKLOAD, ana);
  const first = await returned(started, token);
  await complete(started, first.sessionUri, ana);
  const { accessToken } = await ask(started, token, 'USER_FEDERATION');
  const { sessionUri } = await returned(started, token, { forceAuthentication: true });
  const waiting = await ask(started, token, 'USER_FEDERATION', { sessionUri });
  expect(waiting).toMatchObject({ sessionStatus: 'IN_PROGRESS' });
  expect(waiting.accessToken).toBeUndefined();
  await complete(started, sessionUri, ana);
  const second = await ask(started, token, 'USER_FEDERATION', { sessionUri });
  expect(second.accessToken).toBeDefined();
  expect(second.accessToken).not.toBe(accessToken);
});

test('a user who declines comes back with the error, and the session has failed', async () => {
  const started = await desk();
  const token = await tokenFor(started, WORKLOAD, ana);
  const { authorizationUrl, sessionUri } = await ask(started, token, 'USER_FEDERATION');
  const person = browser();
  const page = await person.open(authorizationUrl as string, RETURN);
  const { url } = await person.press(page, 'cancel', '1', RETURN);
  expect(new URL(url).searchParams.get('error')).toBe('access_denied');
  expect(await ask(started, token, 'USER_FEDERATION', { sessionUri })).toMatchObject({ sessionStatus: 'FAILED' });
  await expect(complete(started, sessionUri, ana)).rejects.toMatchObject(DENIED);
});

test.each([
  ['a fresh JWT of the same user', { userToken: jwt('ana', { jti: '2' }) }, 'another one of the same user'],
  ['a JWT of another user', { userToken: jwt('ben') }, 'of another user'],
  ['the user id in its place', { userId: 'ana' }, 'made for a JWT'],
])('a session that began with a JWT is not completed with %s (D2)', async (_, by, why) => {
  const started = await desk();
  const own = jwt('ana', { jti: '1' });
  const { sessionUri } = await returned(started, await tokenFor(started, WORKLOAD, { userToken: own }));
  await expect(complete(started, sessionUri, by)).rejects.toMatchObject(DENIED);
  expect(rule(started)).toContain(why);
  await complete(started, sessionUri, { userToken: own });
});

test('a session is completed once, in its time, after the browser came back, and by its own user (D2)', async () => {
  const started = await desk();
  const token = await tokenFor(started, WORKLOAD, ana);
  const open = await ask(started, token, 'USER_FEDERATION');
  await expect(complete(started, open.sessionUri, ana)).rejects.toMatchObject(DENIED);
  expect(rule(started)).toContain('has not come back');
  const { sessionUri } = await returned(started, token);
  for (const by of [{ userId: 'ben' }, { userToken: jwt('ana') }])
    await expect(complete(started, sessionUri, by)).rejects.toMatchObject(DENIED);
  const both = await Promise.allSettled([complete(started, sessionUri, ana), complete(started, sessionUri, ana)]);
  expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  await expect(complete(started, sessionUri, ana)).rejects.toMatchObject(DENIED);
  expect(rule(started)).toContain('can be used once');
  const late = await returned(started, token, { forceAuthentication: true });
  await started.server.clock.advance(600_000);
  await expect(complete(started, late.sessionUri, ana)).rejects.toMatchObject(DENIED);
  expect(rule(started)).toBe('The session is older than 10 minutes.');
  const unknown = `urn:ietf:params:oauth:request_uri:${'a'.repeat(32)}`;
  await expect(complete(started, unknown, ana)).rejects.toMatchObject(DENIED);
});

test('a JWT that expired since does not complete its session', async () => {
  const started = await desk();
  const userToken = jwt('ana', { exp: Date.now() / 1_000 + 60 });
  const { sessionUri } = await returned(started, await tokenFor(started, WORKLOAD, { userToken }));
  await started.server.clock.advance(61_000);
  await expect(complete(started, sessionUri, { userToken })).rejects.toMatchObject(DENIED);
  expect(rule(started)).toContain('has expired');
});

test.each([
  ['none', undefined, 'You must register and use'],
  ['another', `${RETURN}/2`, 'not registered'],
  ['one with another query', `${RETURN}?a=b`, 'not registered'],
])('with %s return URL nothing is begun (D3)', async (_, resourceOauth2ReturnUrl, why) => {
  const started = await desk();
  const asking = ask(started, await tokenFor(started, WORKLOAD, ana), 'USER_FEDERATION', { resourceOauth2ReturnUrl });
  await expect(asking).rejects.toMatchObject({ name: 'ValidationException', message: expect.stringContaining(why) });
});

test('a session gives its token to its own user, workload and scopes alone', async () => {
  const started = await desk();
  await started.controls.send(new control.CreateWorkloadIdentityCommand({ name: 'other', allowedResourceOauth2ReturnUrls: [RETURN] }));
  const { sessionUri } = await returned(started, await tokenFor(started, WORKLOAD, ana));
  await complete(started, sessionUri, ana);
  for (const [token, more] of [
    [await tokenFor(started, WORKLOAD, { userId: 'ben' }), {}],
    [await tokenFor(started, 'other', ana), {}],
    [await tokenFor(started, WORKLOAD, ana), { scopes: ['calendar.write'] }],
  ] as const)
    await expect(ask(started, token, 'USER_FEDERATION', { sessionUri, ...more } as never)).rejects.toMatchObject(DENIED);
});

test('users who poll at once get their own tokens (D4)', async () => {
  const started = await desk();
  const users = ['ana', 'ben'];
  const of = await Promise.all(
    users.map(async (userId) => ({ userId, token: await tokenFor(started, WORKLOAD, { userId }), got: new Set<unknown>() })),
  );
  const sessions = new Map<string, string>();
  const poll = async ({ userId, token, got }: (typeof of)[number]) => {
    const { accessToken } = await ask(started, token, 'USER_FEDERATION', { sessionUri: sessions.get(userId) as string });
    if (accessToken !== undefined) got.add(claimsOf(accessToken).sub);
  };
  const consents = of.map(async (one) => {
    const { authorizationUrl, sessionUri } = await ask(started, one.token, 'USER_FEDERATION');
    sessions.set(one.userId, sessionUri as string);
    for (let n = 0; n < 3; n++) await Promise.all([poll(one), poll(one)]);
    await consentAs(browser(), one.userId, authorizationUrl as string, RETURN);
    await Promise.all([poll(one), complete(started, sessionUri, { userId: one.userId }), poll(one), poll(one)]);
    for (let n = 0; n < 5; n++) await Promise.all([poll(one), poll(one), poll(one)]);
  });
  await Promise.all(consents);
  for (const { userId, got } of of) expect([...got]).toEqual([userId]);
});

test('the browser comes back once, with the state that it left with, to the callback of its provider', async () => {
  const started = await desk();
  const { callbackUrl } = await newProvider(started, {}, 'other');
  const { authorizationUrl } = await ask(started, await tokenFor(started, WORKLOAD, ana), 'USER_FEDERATION');
  const at = async (url: string) => (await fetch(url, { redirect: 'manual' })).status;
  const provider = (await fetch(authorizationUrl as string, { redirect: 'manual' })).headers.get('location') as string;
  const { searchParams } = new URL(provider);
  const [state, own] = [searchParams.get('state') as string, searchParams.get('redirect_uri') as string];
  expect(searchParams.get('code_challenge_method')).toBe('S256');
  expect(await at(`${own}?code=c&state=${state}x`)).toBe(403);
  expect(await at(`${callbackUrl}?code=c&state=${state}`)).toBe(403);
  expect(rule(started)).toContain('another provider');
  expect(await at(`${own}?code=c&state=${state}`)).toBe(302);
  expect(await at(`${own}?code=c&state=${state}`)).toBe(403);
  expect(await at(authorizationUrl as string)).toBe(403);
});

test('a code that the provider does not know ends the session, and no token comes of it', async () => {
  const started = await desk();
  const token = await tokenFor(started, WORKLOAD, ana);
  const { authorizationUrl, sessionUri } = await ask(started, token, 'USER_FEDERATION');
  const location = (await fetch(authorizationUrl as string, { redirect: 'manual' })).headers.get('location') as string;
  const { searchParams } = new URL(location);
  const iss = encodeURIComponent(started.server.authorization.url);
  await fetch(`${searchParams.get('redirect_uri')}?code=stolen&state=${searchParams.get('state')}&iss=${iss}`, { redirect: 'manual' });
  await expect(complete(started, sessionUri, ana)).rejects.toMatchObject({ name: 'ValidationException' });
  expect(rule(started)).toContain('invalid_grant');
  expect(await ask(started, token, 'USER_FEDERATION', { sessionUri })).toMatchObject({ sessionStatus: 'FAILED' });
});

test('what is secret is neither in the log, nor in what the admin routes tell, nor in a file (D5)', async () => {
  const path = folder('identity');
  const [state, log] = [join(path, 'state.db'), join(path, 'calls.jsonl')];
  const started = await desk({ state, log });
  const { server, controls, client } = started;
  const apiKey = 'key-of-the-weather-8f2b1c';
  await controls.send(new control.CreateApiKeyCredentialProviderCommand({ name: 'weather', apiKey }));
  const userToken = jwt('ana');
  const workloadIdentityToken = await tokenFor(started, WORKLOAD, { userToken });
  await client.send(new data.GetResourceApiKeyCommand({ workloadIdentityToken, resourceCredentialProviderName: 'weather' }));
  const { sessionUri } = await returned(started, workloadIdentityToken);
  await expect(complete(started, sessionUri, { userToken: jwt('ana', { jti: 'x' }) })).rejects.toMatchObject(DENIED);
  await complete(started, sessionUri, { userToken });
  const { accessToken } = await ask(started, workloadIdentityToken, 'USER_FEDERATION');
  const machine = await ask(started, workloadIdentityToken, 'M2M');
  const secrets = {
    apiKey,
    userToken: userToken.split('.')[1],
    workloadIdentityToken,
    accessToken: accessToken?.split('.')[2],
    machine: machine.accessToken?.split('.')[2],
    client: server.authorization.clientSecret,
  };
  const headers = { authorization: `Bearer ${server.adminToken}` };
  const told: [string, string][] = [];
  for (const route of ['calls', 'state', 'explain', 'sessions'])
    told.push([route, await (await fetch(`${server.url}/_rondo/${route}`, { headers })).text()]);
  // before it is closed, so that the journal of SQLite is looked at too
  for (const file of readdirSync(path)) told.push([file, readFileSync(join(path, file), 'latin1')]);
  await server.close();
  for (const file of readdirSync(path)) told.push([file, readFileSync(join(path, file), 'latin1')]);
  expect(told.length).toBeGreaterThan(7);
  for (const [where, text] of told)
    for (const [name, secret] of Object.entries(secrets)) expect(text.includes(secret as string), `${name} in ${where}`).toBe(false);
});
