/** What a consent was begun with, changed before it ends. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as data from '@aws-sdk/client-bedrock-agentcore';
import * as control from '@aws-sdk/client-bedrock-agentcore-control';
import { expect, test } from 'vitest';
import { browser, consentAs } from './browser.ts';
import { ask, desk, newProvider, PROVIDER, RETURN, WORKLOAD } from './desk.ts';
import { closing, type Started, tokenFor } from './server.ts';

const ana = { userId: 'ana' };
const DENIED = { name: 'AccessDeniedException', message: 'Invalid or expired session' };
type Custom = control.CustomOauth2ProviderConfigInput;

const complete = ({ client }: Started, sessionUri: string | undefined) =>
  client.send(new data.CompleteResourceTokenAuthCommand({ sessionUri, userIdentifier: ana }));
const rule = ({ server }: Started) => server.calls().at(-1)?.rule;

async function begun(started: Started) {
  const token = await tokenFor(started, WORKLOAD, ana);
  const { authorizationUrl = '', sessionUri } = await ask(started, token, 'USER_FEDERATION');
  return { token, authorizationUrl, sessionUri };
}

/** A consent that the person gave, up to the return of the browser. */
async function returned(started: Started) {
  const { authorizationUrl, ...rest } = await begun(started);
  await consentAs(browser(), 'ana', authorizationUrl, RETURN);
  return rest;
}

/** Another authorization server. `got`: the bodies that reached its token endpoint. */
async function otherServer(): Promise<{ config: Partial<Custom>; got: string[] }> {
  const got: string[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    got.push(body);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ access_token: 'of another server', token_type: 'bearer', expires_in: 3_600 }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing({ close: () => server.closeAllConnections() });
  closing(server);
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const authorizationServerMetadata = { issuer, authorizationEndpoint: `${issuer}/authorize`, tokenEndpoint: `${issuer}/token` };
  return { config: { oauthDiscovery: { authorizationServerMetadata } }, got };
}

function update({ server, controls }: Started, more: Partial<Custom>) {
  const { discoveryUrl, clientId, clientSecret } = server.authorization;
  return controls.send(
    new control.UpdateOauth2CredentialProviderCommand({
      name: PROVIDER,
      credentialProviderVendor: 'CustomOauth2',
      oauth2ProviderConfigInput: { customOauth2ProviderConfig: { oauthDiscovery: { discoveryUrl }, clientId, clientSecret, ...more } },
    }),
  );
}

const remove = ({ controls }: Started) => controls.send(new control.DeleteOauth2CredentialProviderCommand({ name: PROVIDER }));

const CHANGES: [string, (started: Started, other: Partial<Custom>) => Promise<unknown>][] = [
  ['was given another server', update],
  ['was given another client', (started) => update(started, { clientId: 'other' })],
  ['was deleted', remove],
  ['was deleted and made again', (started) => remove(started).then(() => newProvider(started))],
  ['was deleted and made again at another server', (started, other) => remove(started).then(() => newProvider(started, other))],
];

test.each(CHANGES)('a code goes to no server where the provider %s since', async (_, change) => {
  const started = await desk();
  const { config, got } = await otherServer();
  const { token, sessionUri } = await returned(started);
  const { authorizationUrl, sessionUri: open } = await begun(started);
  await change(started, config);
  await expect(complete(started, sessionUri)).rejects.toMatchObject(DENIED);
  expect(rule(started)).toContain('provider');
  expect((await fetch(authorizationUrl, { redirect: 'manual' })).status).toBe(403);
  expect(got).toEqual([]);
  if (change !== remove)
    for (const uri of [sessionUri, open])
      expect(await ask(started, token, 'USER_FEDERATION', { sessionUri: uri as string })).toMatchObject({ sessionStatus: 'FAILED' });
});

test('a consent goes on where the provider got another secret, and a refresh token stays', async () => {
  const started = await desk();
  const { token, sessionUri } = await returned(started);
  await update(started, { clientSecret: 'a wrong one' });
  await update(started, {});
  await complete(started, sessionUri);
  const { accessToken } = await ask(started, token, 'USER_FEDERATION');
  await update(started, {});
  await started.server.clock.advance(3_599_000);
  const renewed = await ask(started, await tokenFor(started, WORKLOAD, ana), 'USER_FEDERATION');
  expect(renewed.accessToken).not.toBe(accessToken);
  expect(renewed.accessToken).toBeDefined();
});

test('a refresh token goes to no other server than the one that gave it: the user is asked again', async () => {
  const started = await desk();
  const { config, got } = await otherServer();
  const { sessionUri } = await returned(started);
  await complete(started, sessionUri);
  await update(started, config);
  await started.server.clock.advance(3_599_000);
  const again = await ask(started, await tokenFor(started, WORKLOAD, ana), 'USER_FEDERATION');
  expect(again).toMatchObject({ sessionStatus: 'IN_PROGRESS' });
  expect(got).toEqual([]);
});

async function workloadAgain({ controls }: Started) {
  await controls.send(new control.DeleteWorkloadIdentityCommand({ name: WORKLOAD }));
  await controls.send(new control.CreateWorkloadIdentityCommand({ name: WORKLOAD, allowedResourceOauth2ReturnUrls: [RETURN] }));
}

test('a workload that is made again, in the same millisecond, has neither the tokens nor the consents of the one before', async () => {
  const started = await desk();
  const { token, sessionUri } = await returned(started);
  const { authorizationUrl } = await begun(started);
  await workloadAgain(started);
  await expect(ask(started, token, 'USER_FEDERATION')).rejects.toMatchObject({ name: 'UnauthorizedException' });
  await expect(complete(started, sessionUri)).rejects.toMatchObject(DENIED);
  expect(rule(started)).toContain(WORKLOAD);
  expect((await fetch(authorizationUrl, { redirect: 'manual' })).status).toBe(403);
  expect((await begun(started)).sessionUri).toBeDefined();
});

test('a browser goes to no return URL that is not registered any more', async () => {
  const started = await desk();
  const { authorizationUrl, sessionUri, token } = await begun(started);
  const location = (await fetch(authorizationUrl, { redirect: 'manual' })).headers.get('location') as string;
  const { searchParams } = new URL(location);
  const urls = (allowedResourceOauth2ReturnUrls: string[]) =>
    started.controls.send(new control.UpdateWorkloadIdentityCommand({ name: WORKLOAD, allowedResourceOauth2ReturnUrls }));
  await urls([`${RETURN}/other`]);
  const back = `${searchParams.get('redirect_uri')}?code=c&state=${searchParams.get('state')}`;
  const response = await fetch(back, { redirect: 'manual' });
  expect([response.status, response.headers.get('location')]).toEqual([403, null]);
  expect(rule(started)).toContain(RETURN);
  expect(
    await ask(started, token, 'USER_FEDERATION', { sessionUri: sessionUri as string, resourceOauth2ReturnUrl: `${RETURN}/other` }),
  ).toMatchObject({
    sessionStatus: 'FAILED',
  });
});
