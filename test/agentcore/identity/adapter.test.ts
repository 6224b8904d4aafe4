import * as control from '@aws-sdk/client-bedrock-agentcore-control';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { agentcoreIdentity, userIdOf } from '../../../src/adapters/agentcore/identity/index.ts';
import { serve } from '../../../src/adapters/agentcore/runtime/index.ts';
import { consentCallback } from '../../../src/adapters/identity/index.ts';
import { agent, Engine, type Identity, type RunResult, tool } from '../../../src/index.ts';
import { scripted } from '../../../src/testing/index.ts';
import { browser, consentAs } from './browser.ts';
import { claimsOf, desk, PROVIDER, RETURN, WORKLOAD } from './desk.ts';
import { closing, jwtOf, type Started, tokenFor } from './server.ts';
import { APP, signIn } from './sign-in.ts';

const USERS = { identity: { authorization: { users: ['ana', 'ben'], redirectUrls: [APP] } } };
const EXCHANGE = { onBehalfOfTokenExchangeConfig: { grantType: 'TOKEN_EXCHANGE' as const } };
const jwt = (sub: string, jti: string) => jwtOf({ iss: 'https://idp.example', sub, jti, exp: Date.now() / 1_000 + 3_000 });

type Occasion = Parameters<Identity['get']>[0];
const occasion = (more: Partial<Occasion> = {}): Occasion => ({
  provider: PROVIDER,
  scopes: ['calendar.read'],
  by: { id: 'ana' },
  runId: 'run-1',
  agent: 'assistant',
  tool: 'calendar',
  signal: AbortSignal.timeout(60_000),
  ...more,
});
const identityOf = (more: object = {}) =>
  agentcoreIdentity({ workload: WORKLOAD, returnUrl: RETURN, polling: { every: 1, for: 0 }, ...more });

/** A consent up to the return of the browser. */
async function returnedUrl(identity: Identity, request: Occasion, as = 'ana'): Promise<{ url: string; handle: string }> {
  const asked = await identity.get(request);
  if (!('consentUrl' in asked)) throw new Error('no consent was asked for');
  return { url: await consentAs(browser(), as, asked.consentUrl, RETURN), handle: asked.handle };
}

/** An engine whose agent reads the calendar of its user. */
function assistant(identity: Identity) {
  const seen: (string | undefined)[] = [];
  const calendar = tool({
    name: 'calendar',
    description: 'Lists the meetings of today',
    input: z.object({}),
    effect: 'read',
    credentials: { calendar: { provider: PROVIDER, scopes: ['calendar.read'], flow: 'user' } },
    execute: (_, { credentials }) => {
      seen.push(credentials.calendar);
      return ['10:00 stand-up'];
    },
  });
  const model = scripted([{ toolCalls: [{ name: 'calendar', input: {} }] }, 'At ten.']);
  const served = agent({ name: 'assistant', instructions: '', model, tools: [calendar] });
  const engine = closing(new Engine({ identity, agents: [served] }));
  return { engine, served, seen };
}

function consentOf(result: RunResult) {
  const consent = result.status === 'paused' ? result.approvals[0] : undefined;
  if (consent?.kind !== 'consent') throw new Error(`the run did not pause for a consent: ${JSON.stringify(result)}`);
  return consent;
}

test('a run pauses for a consent, the browser comes back to consentCallback, and the tool gets the token of the user', async () => {
  const { server } = await desk(USERS);
  const identity = identityOf();
  const { engine, served, seen } = assistant(identity);
  const paused = await engine.run(served, 'What is on today?', { by: { id: 'ana' } });
  const consent = consentOf(paused);
  const back = await consentAs(browser(), 'ana', consent.url, RETURN);
  const page = (id: string) =>
    consentCallback(engine, identity, { authenticate: () => ({ by: { id } }), returnUrls: [RETURN], resume: false });
  expect((await page('ben')(new Request(back))).status).toBe(403);
  expect((await page('ana')(new Request(back))).status).toBe(200);
  const done = await engine.resume(paused.runId);
  expect(done.status).toBe('completed');
  expect(claimsOf(seen[0])).toMatchObject({ sub: 'ana', scope: 'calendar.read' });
  // the attempt of ben was refused before AWS was asked
  expect(server.calls().filter(({ operation }) => operation === 'CompleteResourceTokenAuth')).toHaveLength(1);
});

test('keys, tokens of the application, and tokens for the user who signed in', async () => {
  const started = await desk(USERS, EXCHANGE);
  await started.controls.send(new control.CreateApiKeyCredentialProviderCommand({ name: 'weather', apiKey: 'key-of-the-weather' }));
  const identity = identityOf();
  expect(await identity.get(occasion({ provider: 'weather', flow: 'api-key', by: undefined }))).toEqual({
    token: 'key-of-the-weather',
    flow: 'api-key',
  });
  const machine = await identity.get(occasion({ flow: 'client', by: undefined }));
  const { accessToken } = await signIn(started.server, 'ana');
  const assertion = { type: 'jwt', token: accessToken };
  const exchanged = await identity.get(occasion({ flow: 'exchange', assertion, audiences: ['https://api.example'] }));
  if (!('token' in machine) || !('token' in exchanged)) throw new Error('no token');
  expect(claimsOf(machine.token)).toMatchObject({ sub: 'rondo', scope: 'calendar.read' });
  expect(machine.expiresAt).toBe((claimsOf(machine.token).exp as number) * 1_000);
  expect(claimsOf(exchanged.token)).toMatchObject({ sub: 'ana', aud: 'https://api.example' });
});

test('a consent that began with a token of the user ends with this very token only', async () => {
  await desk(USERS);
  const identity = identityOf();
  const own = jwt('ana', '1');
  const { url, handle } = await returnedUrl(identity, occasion({ assertion: { type: 'jwt', token: own } }));
  const back = (token: string | undefined, id = 'ana') =>
    identity.returned({
      url,
      by: { id },
      ...(token !== undefined && { assertion: { type: 'jwt', token } }),
      signal: AbortSignal.timeout(60_000),
    });
  for (const token of [jwt('ana', '2'), jwt('ben', '1'), undefined])
    await expect(back(token)).rejects.toMatchObject({ code: 'CONSENT_MISMATCH' });
  expect(await back(own)).toEqual({ runId: 'run-1', handle, provider: PROVIDER, outcome: 'granted' });
  await expect(back(own)).rejects.toMatchObject({ code: 'CONSENT_USED', details: { runId: 'run-1', handle, outcome: 'granted' } });
});

test('a changed state cannot end the consent of another user: AgentCore compares too', async () => {
  await desk(USERS);
  const identity = identityOf();
  const { url } = await returnedUrl(identity, occasion());
  const forged = new URL(url);
  const other = await returnedUrl(identity, occasion({ by: { id: 'ben' } }), 'ben');
  forged.searchParams.set('state', new URL(other.url).searchParams.get('state') as string);
  const returning = identity.returned({ url: forged.href, by: { id: 'ben' }, signal: AbortSignal.timeout(60_000) });
  await expect(returning).rejects.toMatchObject({ code: 'CONSENT_EXPIRED' });
  expect(await identity.get(occasion({ by: { id: 'ben' } }))).toMatchObject({ consentUrl: expect.any(String) });
});

test('a forged return declines nothing of another user', async () => {
  await desk(USERS);
  const identity = identityOf();
  const { engine, served } = assistant(identity);
  const paused = await engine.run(served, 'What is on today?', { by: { id: 'ana' } });
  const consent = consentOf(paused);
  const handle = new URL(consent.url).searchParams.get('request_uri') as string;
  // the state of a consent of ben, with the run of ana in it
  const own = await returnedUrl(identity, occasion({ by: { id: 'ben' }, runId: paused.runId }), 'ben');
  const forged = new URL(own.url);
  forged.searchParams.set('session_id', handle);
  forged.searchParams.set('error', 'access_denied');
  const page = consentCallback(engine, identity, { authenticate: () => ({ by: { id: 'ben' } }), returnUrls: [RETURN], resume: false });
  await page(new Request(forged.href));
  expect(await engine.inspect(paused.runId, { by: { id: 'ana' } })).toMatchObject({ approvals: [{ id: consent.id }] });
});

test('a return to another address, without a consent, too late, or after a decline says so', async () => {
  const { server } = await desk(USERS);
  const identity = identityOf();
  const { url, handle } = await returnedUrl(identity, occasion());
  const back = (at: string) => identity.returned({ url: at, by: { id: 'ana' }, signal: AbortSignal.timeout(60_000) });
  await expect(back(RETURN)).rejects.toMatchObject({ code: 'CONSENT_NOT_FOUND' });
  await expect(back(url.replace('/consent', '/other'))).rejects.toMatchObject({ code: 'RETURN_URL_REFUSED' });
  const asked = (await identity.get(occasion())) as { consentUrl: string };
  const person = browser();
  const page = await person.open(asked.consentUrl, RETURN);
  expect(await back((await person.press(page, 'cancel', '1', RETURN)).url)).toMatchObject({ outcome: 'declined' });
  // the user has declined nothing where the provider failed
  for (const [error, code] of [
    ['server_error', 'PROVIDER_UNAVAILABLE'],
    ['temporarily_unavailable', 'PROVIDER_UNAVAILABLE'],
    ['invalid_scope', 'PROVIDER_REFUSED'],
  ])
    await expect(back(`${url}&error=${error}`)).rejects.toMatchObject({ code });
  await server.clock.advance(600_000);
  await expect(back(url)).rejects.toMatchObject({ code: 'CONSENT_EXPIRED', details: { runId: 'run-1', handle } });
});

test('complete waits for the token of the session, and a session that failed is CONSENT_DECLINED', async () => {
  await desk(USERS);
  const identity = identityOf({ polling: { every: 5, for: 60_000 } });
  const request = occasion();
  const { url, handle } = await returnedUrl(identity, request);
  let done = false;
  const completing = identity.complete({ ...request, handle }).then(() => {
    done = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(done).toBe(false);
  await identity.returned({ url, by: { id: 'ana' }, signal: request.signal });
  await completing;
  expect(claimsOf(((await identity.get(request)) as { token: string }).token).sub).toBe('ana');
  const again = (await identity.get({ ...request, force: true })) as { consentUrl: string; handle: string };
  const person = browser();
  await person.press(await person.open(again.consentUrl, RETURN), 'cancel', '1', RETURN);
  await expect(identity.complete({ ...request, handle: again.handle })).rejects.toMatchObject({ code: 'CONSENT_DECLINED' });
});

test('a forced consent that was approved without being given hands out no token of before', async () => {
  await desk(USERS);
  const identity = identityOf();
  const { url } = await returnedUrl(identity, occasion());
  await identity.returned({ url, by: { id: 'ana' }, signal: AbortSignal.timeout(60_000) });
  const forced = occasion({ force: true });
  const { handle } = (await identity.get(forced)) as { handle: string };
  await expect(identity.complete({ ...forced, handle })).rejects.toMatchObject({ code: 'CONSENT_EXPIRED' });
});

test.each([
  ['the answer of CompleteResourceTokenAuth is lost', 'reset=CompleteResourceTokenAuth'],
  ['CompleteResourceTokenAuth fails after its effect', 'error-after=CompleteResourceTokenAuth'],
])('when %s, the consent is granted all the same', async (_, fault) => {
  await desk({ ...USERS, faults: [fault] });
  const identity = identityOf();
  const { url } = await returnedUrl(identity, occasion());
  expect(await identity.returned({ url, by: { id: 'ana' }, signal: AbortSignal.timeout(60_000) })).toMatchObject({ outcome: 'granted' });
});

test('a throttle is waited for, and told as PROVIDER_UNAVAILABLE after three attempts', async () => {
  const { server } = await desk({ ...USERS, faults: ['throttle=GetWorkloadAccessToken'] });
  const getting = identityOf().get(occasion({ flow: 'client' }));
  await expect(getting).rejects.toMatchObject({ code: 'PROVIDER_UNAVAILABLE', details: { aws: 'ThrottlingException', retryable: true } });
  expect(server.calls().filter(({ operation }) => operation === 'GetWorkloadAccessToken')).toHaveLength(3);
});

test.each([
  ['a provider that there is not', {}, { provider: 'nothing', flow: 'client' }, 'CONFIG_INVALID', 'ResourceNotFoundException'],
  ['a workload that there is not', { workload: 'nothing' }, { flow: 'client' }, 'CONFIG_INVALID', 'ResourceNotFoundException'],
  ['a return URL that is not registered', { returnUrl: 'https://app.example/x' }, {}, 'PROVIDER_REFUSED', 'ValidationException'],
  ['no return URL', { returnUrl: undefined }, {}, 'CONFIG_INVALID', undefined],
  ['a run without a user', {}, { by: undefined }, 'NOT_PERMITTED', undefined],
  [
    'a token of the caller that is over',
    {},
    { assertion: { type: 'jwt', token: jwtOf({ iss: 'a', sub: 'b', exp: 1 }) } },
    'CONSENT_EXPIRED',
    undefined,
  ],
  ['no token of the caller where only that will do', { users: 'token' }, {}, 'CONSENT_EXPIRED', undefined],
  ['no token of the caller to exchange', {}, { flow: 'exchange' }, 'CONSENT_EXPIRED', undefined],
] as const)('%s', async (_, options, request, code, aws) => {
  await desk(USERS);
  const getting = identityOf(options).get(occasion(request as Partial<Occasion>));
  await expect(getting).rejects.toMatchObject({ code, ...(aws && { details: { aws } }) });
});

test('in a served invocation the workload token of the platform is used, and its session is completed elsewhere', async () => {
  const started: Started = await desk(USERS);
  // the platform's workload is one that no caller can get a token of
  const identity = identityOf({ workload: 'not-there' });
  const { engine, served } = assistant(identity);
  const serving = closing(
    await serve(engine, served, { port: 0, container: true, journal: 'ephemeral', host: '127.0.0.1', signals: false }),
  );
  const headers = {
    'content-type': 'application/json',
    'x-amzn-bedrock-agentcore-runtime-session-id': 'a-session-of-at-least-33-characters',
    'x-amzn-bedrock-agentcore-runtime-user-id': 'ana',
    workloadaccesstoken: await tokenFor(started, WORKLOAD, { userId: 'ana' }),
  };
  const body = JSON.stringify({ prompt: 'What is on today?' });
  const answer = (await (await fetch(`${serving.url}/invocations`, { method: 'POST', headers, body })).json()) as RunResult;
  const consent = consentOf(answer);
  const url = await consentAs(browser(), 'ana', consent.url, RETURN);
  const returning = identityOf().returned({ url, by: { id: 'ana' }, signal: AbortSignal.timeout(60_000) });
  expect(await returning).toMatchObject({ runId: answer.runId, outcome: 'granted' });
});

test('a run that another user resumes in their own invocation does not act with the workload token of that user', async () => {
  const started: Started = await desk(USERS);
  const identity = identityOf();
  const { engine, served, seen } = assistant(identity);
  // ben has consented before: his token is there
  const ben = await returnedUrl(identity, occasion({ by: { id: 'ben' } }), 'ben');
  await identity.returned({ url: ben.url, by: { id: 'ben' }, signal: AbortSignal.timeout(60_000) });
  const paused = await engine.run(served, 'What is on today?', { by: { id: 'ana' } });
  const { id: approval } = consentOf(paused);
  const approves = tool({
    name: 'approve',
    description: 'Approves what waits, and lets it go on',
    input: z.object({}),
    effect: 'read',
    execute: async () => {
      await engine.decide(paused.runId, [{ approval, type: 'approve' }], { by: { id: 'ben' } });
      return (await engine.resume(paused.runId, { by: { id: 'ben' } })).status;
    },
  });
  const desked = agent({
    name: 'approver',
    instructions: '',
    model: scripted([{ toolCalls: [{ name: 'approve', input: {} }] }, 'Approved.']),
    tools: [approves],
  });
  const serving = closing(
    await serve(closing(new Engine({ agents: [desked] })), desked, {
      ...{ port: 0, container: true, journal: 'ephemeral', host: '127.0.0.1', signals: false },
    }),
  );
  const headers = {
    'content-type': 'application/json',
    'x-amzn-bedrock-agentcore-runtime-session-id': 'a-session-of-at-least-33-characters',
    'x-amzn-bedrock-agentcore-runtime-user-id': 'ben',
    workloadaccesstoken: await tokenFor(started, WORKLOAD, { userId: 'ben' }),
  };
  const answer = await fetch(`${serving.url}/invocations`, { method: 'POST', headers, body: JSON.stringify({ prompt: 'Approve it.' }) });
  expect(await answer.json()).toMatchObject({ status: 'completed' });
  // ana has not consented: she is asked again, and the tool gets nothing of ben
  expect(seen).toEqual([]);
  expect((await engine.inspect(paused.runId, { by: { id: 'ana' } })).status).toBe('paused');
});

test('no two principals have the same user id, and none is too long', () => {
  const principals = [
    { id: 'a' },
    { id: 'a', tenant: 'b' },
    { id: 'b:a' },
    { id: 'tenant:b:a' },
    { id: 'a:b', tenant: 'c' },
    { id: 'b', tenant: 'c:a' },
    { id: 'sha256:x' },
    { id: 'a'.repeat(129) },
    { id: 'a'.repeat(130) },
    { id: 'a'.repeat(200), tenant: 'b' },
  ];
  const ids = principals.map(userIdOf);
  expect(new Set(ids).size).toBe(principals.length);
  expect(ids[0]).toBe('a');
  for (const id of ids) expect(id.length).toBeLessThanOrEqual(128);
  expect(userIdOf({ id: 'a', tenant: '' })).toBe('a');
});

test.each([
  ['no workload', {}, 'workload'],
  ['a return URL with a query', { workload: 'desk', returnUrl: 'https://a.example/?b' }, 'returnUrl'],
  ['a misspelt option', { workload: 'desk', returnURL: RETURN }, 'Did you mean "returnUrl"'],
  ['users of another kind', { workload: 'desk', users: 'jwt' }, 'users'],
])('%s is refused where it is declared', (_, options, why) => {
  expect(() => agentcoreIdentity(options as never)).toThrow(why);
});
