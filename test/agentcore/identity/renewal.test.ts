import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as data from '@aws-sdk/client-bedrock-agentcore';
import * as control from '@aws-sdk/client-bedrock-agentcore-control';
import { expect, test } from 'vitest';
import { browser, consentAs } from './browser.ts';
import { ask, claimsOf, desk, newProvider, PROVIDER, RETURN, WORKLOAD } from './desk.ts';
import { closing, type Started, tokenFor } from './server.ts';

const ana = { userId: 'ana' };
const complete = ({ client }: Started, sessionUri: string | undefined) =>
  client.send(new data.CompleteResourceTokenAuthCommand({ sessionUri, userIdentifier: ana }));

test('a client that is refused costs a user nothing: its secret is put right, and the token is renewed', async () => {
  const started = await desk();
  const token = () => tokenFor(started, WORKLOAD, ana);
  const { authorizationUrl, sessionUri } = await ask(started, await token(), 'USER_FEDERATION');
  await consentAs(browser(), 'ana', authorizationUrl as string, RETURN);
  await complete(started, sessionUri);
  const { accessToken } = await ask(started, await token(), 'USER_FEDERATION');
  const { discoveryUrl, clientId, clientSecret } = started.server.authorization;
  const withSecret = (secret: string) =>
    started.controls.send(
      new control.UpdateOauth2CredentialProviderCommand({
        name: PROVIDER,
        credentialProviderVendor: 'CustomOauth2',
        oauth2ProviderConfigInput: {
          customOauth2ProviderConfig: { oauthDiscovery: { discoveryUrl }, clientId, clientSecret: secret },
        },
      }),
    );
  await withSecret('a wrong one');
  await started.server.clock.advance(3_599_000);
  expect((await ask(started, await token(), 'USER_FEDERATION')).accessToken).toBe(accessToken);
  await started.server.clock.advance(2_000);
  await expect(ask(started, await token(), 'USER_FEDERATION')).rejects.toMatchObject({ name: 'ValidationException' });
  await withSecret(clientSecret);
  const renewed = await ask(started, await token(), 'USER_FEDERATION');
  expect(claimsOf(renewed.accessToken).sub).toBe('ana');
  expect(renewed.accessToken).not.toBe(accessToken);
});

test('a renewal that ends after a new consent does not take the place of its token', async () => {
  const started = await desk();
  let [tokens, refuses] = [0, async () => {}];
  const server = createServer(async (request, response) => {
    const { url = '', headers } = request;
    const issuer = `http://${headers.host}`;
    const json = (body: object, status = 200) =>
      void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    if (url.startsWith('/.well-known/'))
      return json({ issuer, authorization_endpoint: `${issuer}/authorize`, token_endpoint: `${issuer}/token` });
    const { searchParams } = new URL(url, issuer);
    if (url.startsWith('/authorize')) {
      const to = `${searchParams.get('redirect_uri')}?code=c&state=${searchParams.get('state')}`;
      return void response.writeHead(302, { location: to }).end();
    }
    let body = '';
    for await (const chunk of request) body += chunk;
    if (!body.includes('refresh_token'))
      return json({ access_token: `token-${++tokens}`, refresh_token: 'r', token_type: 'bearer', expires_in: 600 });
    await refuses();
    json({ error: 'invalid_grant' }, 400);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing({ close: () => server.closeAllConnections() });
  closing(server);
  const discoveryUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/.well-known/openid-configuration`;
  await newProvider(started, { oauthDiscovery: { discoveryUrl }, clientId: 'c', clientSecret: 's' }, 'other');
  const token = await tokenFor(started, WORKLOAD, ana);
  const asked = (more = {}) => ask(started, token, 'USER_FEDERATION', { resourceCredentialProviderName: 'other', ...more });
  const consents = async (more = {}) => {
    const { authorizationUrl, sessionUri } = await asked(more);
    for (let at = authorizationUrl as string; !at.startsWith(RETURN); )
      at = (await fetch(at, { redirect: 'manual' })).headers.get('location') as string;
    await complete(started, sessionUri);
  };
  await consents();
  await started.server.clock.advance(590_000);
  let arrived = () => {};
  const renewal = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  let goOn = () => {};
  const held = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  refuses = async () => {
    arrived();
    await held;
  };
  const renewing = asked();
  await renewal;
  await consents({ forceAuthentication: true });
  goOn();
  expect((await renewing).accessToken).toBe('token-2');
  expect((await asked()).accessToken).toBe('token-2');
});
