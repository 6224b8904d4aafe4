/** MCP servers that take tokens of users alone and have no static schema: an administrator consents before their tools are known. */
import { join } from 'node:path';
import * as data from '@aws-sdk/client-bedrock-agentcore';
import * as control from '@aws-sdk/client-bedrock-agentcore-control';
import { expect, test } from 'vitest';
import { type AgentCoreOptions, movableClock } from '../../../src/adapters/agentcore/wire/index.ts';
import { folder } from '../../kit/folder.ts';
import { browser, consentAs } from '../identity/browser.ts';
import { claimsOf } from '../identity/desk.ts';
import { signIn } from '../identity/sign-in.ts';
import { ENDPOINT, guardedServer, SCHEMA } from './guarded.ts';
import { connected, started, textOf } from './kit.ts';
import { bearerIn, oauth, provided, withUsers } from './users.ts';

const RETURN = 'http://127.0.0.1:9/consent';
const DENIED = { name: 'AccessDeniedException', message: 'Invalid or expired session' };
const WAITS = { name: 'ConflictException', message: expect.stringContaining('Wait until its authorization was completed or has failed.') };

/** Who a request of the gateway speaks for. */
function subjectIn(authorization: string | undefined): unknown {
  try {
    return claimsOf(bearerIn(authorization)).sub;
  } catch {
    return undefined;
  }
}

type Told = Partial<Pick<control.GetGatewayTargetResponse, 'status' | 'authorizationData'>>;

async function desk(more: Partial<control.OAuthCredentialProvider> = {}, o: AgentCoreOptions = {}) {
  const tools = await guardedServer(({ headers }) => subjectIn(headers.authorization) !== undefined);
  // the official client learns the time of the server from a refusal
  const gateway = await withUsers({ bindings: tools.bindings, attempts: 3, ...o });
  const { controls, client, id: gatewayIdentifier, server } = gateway;
  const credential = oauth(await provided(gateway), { grantType: 'AUTHORIZATION_CODE', defaultReturnUrl: RETURN, ...more });
  const settings = (mcpServer: Partial<control.McpServerTargetConfiguration> = {}) => ({
    gatewayIdentifier,
    name: 'Tools',
    targetConfiguration: { mcp: { mcpServer: { endpoint: ENDPOINT, ...mcpServer } } },
    credentialProviderConfigurations: [credential],
  });
  const { accessToken: ana } = await signIn(server, 'ana');
  return {
    ...gateway,
    tools,
    settings,
    ana,
    create: (more: object = {}) => controls.send(new control.CreateGatewayTargetCommand({ ...settings(), ...more })),
    get: (targetId: string) => controls.send(new control.GetGatewayTargetCommand({ gatewayIdentifier, targetId })),
    synchronize: (targetId: string) =>
      controls.send(new control.SynchronizeGatewayTargetsCommand({ gatewayIdentifier, targetIdList: [targetId] })),
    update: (targetId: string) => controls.send(new control.UpdateGatewayTargetCommand({ ...settings(), targetId })),
    delete: (targetId: string) => controls.send(new control.DeleteGatewayTargetCommand({ gatewayIdentifier, targetId })),
    complete: (sessionUri: string, userIdentifier: data.UserIdentifier) =>
      client.send(new data.CompleteResourceTokenAuthCommand({ sessionUri, userIdentifier })),
    /** What a user of the gateway is offered. */
    async offered() {
      const names = (await (await connected(gateway.url, { token: ana })).listTools()).tools.map(({ name }) => name);
      return names.sort();
    },
    subjects: () => new Set(tools.seen.map(({ headers }) => subjectIn(headers.authorization))),
  };
}
type Desk = Awaited<ReturnType<typeof desk>>;

function waited({ authorizationData }: Told): { url: string; userId: string } {
  const { authorizationUrl = '', userId = '' } = authorizationData?.oauth2 ?? {};
  return { url: authorizationUrl, userId };
}

/** The administrator signs in and allows. @returns the session, as the return URL is told. */
async function allowed(url: string): Promise<string> {
  return new URL(await consentAs(browser(), 'ben', url, RETURN)).searchParams.get('session_id') ?? '';
}

/** The administrator does all of it. */
async function authorized(own: Desk, told: Told): Promise<void> {
  const { url, userId } = waited(told);
  await own.complete(await allowed(url), { userId });
  await own.server.clock.advance(2_000);
}

test('a creation that is retried with its clientToken is told where the administrator consents, as the first was', async () => {
  const own = await desk();
  const token = { clientToken: 'create'.padEnd(40, '0') };
  const answers = await Promise.all([own.create(token), own.create(token)]);
  await own.server.clock.advance(2_000);
  answers.push(await own.create(token));
  await authorized(own, answers[0] as Told);
  answers.push(await own.create(token));
  const told = answers.map(({ $metadata: _, ...answer }) => answer);
  expect(told[0]).toMatchObject({ status: 'CREATE_PENDING_AUTH', authorizationData: { oauth2: { userId: expect.any(String) } } });
  for (const answer of told) expect(answer).toEqual(told[0]);
});

test('the target waits for an administrator, is listed with the token of the consent, and is then called with those of its users', async () => {
  const own = await desk();
  const made = await own.create();
  const id = made.targetId as string;
  const pending = { status: 'CREATE_PENDING_AUTH', authorizationData: made.authorizationData };
  expect(made).toMatchObject({
    status: 'CREATE_PENDING_AUTH',
    authorizationData: {
      oauth2: {
        authorizationUrl: expect.stringContaining('/identities/oauth2/authorize?request_uri='),
        userId: expect.stringMatching(/.{8,}/),
      },
    },
  });
  await own.server.clock.advance(2_000);
  expect(await own.get(id)).toMatchObject(pending);
  const { items } = await own.controls.send(new control.ListGatewayTargetsCommand({ gatewayIdentifier: own.id }));
  expect(items).toMatchObject([pending]);
  expect(await own.offered()).toEqual([]);
  for (const act of [own.update, own.synchronize, own.delete]) await expect(act(id)).rejects.toMatchObject(WAITS);

  const { url, userId } = waited(made);
  const session = new URL(url).searchParams.get('request_uri') ?? '';
  // the browser has not been there
  await expect(own.complete(session, { userId })).rejects.toMatchObject(DENIED);
  expect(await allowed(url)).toBe(session);
  for (const other of [{ userId: 'ben' }, { userToken: own.ana }]) await expect(own.complete(session, other)).rejects.toMatchObject(DENIED);
  expect(await own.get(id)).toMatchObject(pending);
  expect(own.tools.seen).toEqual([]);

  await own.complete(session, { userId });
  const listing = await own.get(id);
  expect([listing.status, listing.authorizationData]).toEqual(['CREATING', undefined]);
  expect(await own.offered()).toEqual([]);
  await own.server.clock.advance(2_000);
  expect(await own.get(id)).toMatchObject({ status: 'READY', lastSynchronizedAt: expect.any(Date) });
  await expect(own.complete(session, { userId })).rejects.toMatchObject(DENIED);
  expect(await own.offered()).toEqual(['Tools___echo']);
  expect([own.subjects(), own.tools.refused]).toEqual([new Set(['ben']), 0]);

  // the administrator has consented for the list, and for no call of another
  const client = await connected(own.url, { token: own.ana });
  const ECHO = { name: 'Tools___echo', arguments: {} };
  const asked = await client.callTool(ECHO).catch((error) => error);
  expect(asked.code).toBe(-32042);
  const back = await consentAs(browser(), 'ana', asked.data.elicitations[0].url, RETURN);
  await own.complete(new URL(back).searchParams.get('session_id') ?? '', { userToken: own.ana });
  own.tools.seen.length = 0;
  expect(textOf(await client.callTool(ECHO))).toBe('echo was called');
  expect(own.subjects()).toEqual(new Set(['ana']));
});

test.each([
  ['UPDATE_PENDING_AUTH', 'UPDATING', (own: Desk, id: string) => own.update(id)],
  ['SYNCHRONIZE_PENDING_AUTH', 'SYNCHRONIZING', async (own: Desk, id: string) => (await own.synchronize(id)).targets?.[0] ?? {}],
])('%s: the administrator consents again, and the old list is offered until then', async (status, listing, act) => {
  const own = await desk();
  const made = await own.create();
  const id = made.targetId as string;
  await authorized(own, made);
  own.tools.names = ['echo', 'add'];
  const told: Told = await act(own, id);
  expect(told).toMatchObject({ status, authorizationData: { oauth2: {} } });
  expect(waited(told).userId).not.toBe(waited(made).userId);
  await own.server.clock.advance(2_000);
  expect(await own.offered()).toEqual(['Tools___echo']);
  await own.complete(await allowed(waited(told).url), { userId: waited(told).userId });
  expect(await own.get(id)).toMatchObject({ status: listing });
  await own.server.clock.advance(2_000);
  expect(await own.get(id)).toMatchObject({ status: 'READY' });
  expect(await own.offered()).toEqual(['Tools___add', 'Tools___echo']);
});

test('without a consent in ten minutes, or with one that was declined, the change has failed; then there can be another', async () => {
  const own = await desk();
  const made = await own.create();
  const id = made.targetId as string;
  await own.server.clock.advance(599_999);
  expect(await own.get(id)).toMatchObject({ status: 'CREATE_PENDING_AUTH' });
  await own.server.clock.advance(1);
  const late = await own.get(id);
  expect(late).toMatchObject({ status: 'FAILED', statusReasons: ['The authorization was not completed within 10 minutes.'] });
  expect(late.authorizationData).toBeUndefined();
  expect((await fetch(waited(made).url, { redirect: 'manual' })).status).toBe(403);

  const again = await own.update(id);
  const person = browser();
  const { url } = await person.press(await person.open(waited(again).url, RETURN), 'cancel', '1', RETURN);
  expect(url).toContain('error=access_denied');
  expect(await own.get(id)).toMatchObject({ status: 'UPDATE_UNSUCCESSFUL', statusReasons: [expect.stringContaining('declined')] });
  await authorized(own, await own.synchronize(id).then(({ targets = [] }) => targets[0] as Told));
  expect(await own.get(id)).toMatchObject({ status: 'READY' });
  expect(await own.offered()).toEqual(['Tools___echo']);
  expect(await own.delete(id)).toMatchObject({ status: 'DELETING' });
});

test('a consent in the last two seconds counts, though its list comes when the time is over', async () => {
  const own = await desk();
  const made = await own.create();
  await own.server.clock.advance(598_000);
  await authorized(own, made);
  expect(await own.get(made.targetId as string)).toMatchObject({ status: 'READY' });
});

test('a server that is started again fails what was not consented to in time', async () => {
  const state = join(folder('administrator'), 'state.db');
  const own = await desk({}, { state });
  const { targetId = '' } = await own.create();
  await own.server.close();
  const clock = movableClock({ frozen: true, start: own.server.clock.now() + 600_000 });
  const again = await started({ state, clock, attempts: 3 });
  await clock.advance(0);
  const get = new control.GetGatewayTargetCommand({ gatewayIdentifier: own.id, targetId });
  expect(await again.controls.send(get)).toMatchObject({ status: 'FAILED' });
});

test('what cannot be asked for is the failure of the target, with the reason; so is a server that refuses the token', async () => {
  const other = await desk({ defaultReturnUrl: 'http://127.0.0.1:9/elsewhere' });
  await other.controls.send(new control.UpdateWorkloadIdentityCommand({ name: other.id, allowedResourceOauth2ReturnUrls: [RETURN] }));
  expect(await other.create()).toMatchObject({ status: 'FAILED', statusReasons: [expect.stringContaining('is not registered')] });

  const own = await desk();
  own.tools.fails = 'lists';
  const made = await own.create();
  await authorized(own, made);
  const { status, statusReasons } = await own.get(made.targetId as string);
  expect([status, statusReasons]).toEqual(['FAILED', [expect.stringContaining('no list')]]);
  // the next consent is for the next change alone
  own.tools.fails = undefined;
  await authorized(own, await own.update(made.targetId as string));
  expect(await own.offered()).toEqual(['Tools___echo']);
});

test('a static schema asks for no consent, also in place of a list', async () => {
  const own = await desk();
  const made = await own.create();
  const id = made.targetId as string;
  await authorized(own, made);
  own.tools.seen.length = 0;
  const schema = own.settings({ mcpToolSchema: { inlinePayload: SCHEMA.replace('echo', 'say') } });
  const told = await own.controls.send(new control.UpdateGatewayTargetCommand({ ...schema, targetId: id }));
  expect([told.status, told.authorizationData]).toEqual(['UPDATING', undefined]);
  await own.server.clock.advance(2_000);
  expect([await own.offered(), own.tools.seen.length]).toEqual([['Tools___say'], 0]);
});
