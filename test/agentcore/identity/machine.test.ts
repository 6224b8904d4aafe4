import * as control from '@aws-sdk/client-bedrock-agentcore-control';
import { withAccessToken } from 'bedrock-agentcore/identity';
import { expect, test } from 'vitest';
import { jwtAuthorizer } from '../../../src/server/index.ts';
import { ask, claimsOf, desk, newProvider, PROVIDER, WORKLOAD } from './desk.ts';
import { tokenFor } from './server.ts';

test('withAccessToken of the SDK gets a token of the workload (D1, M2M), which an API accepts', async () => {
  const started = await desk();
  const workloadIdentityToken = await tokenFor(started, WORKLOAD);
  const call = withAccessToken({ workloadIdentityToken, providerName: PROVIDER, scopes: ['calendar.read'], authFlow: 'M2M' });
  const token = await call(async (_: string, given: string) => given)('today');
  const { discoveryUrl, clientId } = started.server.authorization;
  const checked = await jwtAuthorizer({ discoveryUrl, allowedClients: [clientId], allowedScopes: ['calendar.read'] }).check(token);
  expect(checked).toMatchObject({ ok: true, claims: { scope: 'calendar.read', aud: 'urn:rondo:api' } });
});

test('the token is kept by its scopes until it is about to end, and asked for once by all who ask at once', async () => {
  const started = await desk();
  const token = await tokenFor(started, WORKLOAD);
  const get = async (scopes: string[]) => (await ask(started, token, 'M2M', { scopes })).accessToken;
  const all = await Promise.all([get(['a', 'b']), get(['b', 'a']), get(['a', 'b', 'a'])]);
  expect(new Set(all).size).toBe(1);
  expect(await get(['a'])).not.toBe(all[0]);
  const next = await tokenFor(started, WORKLOAD, { userId: 'ana' });
  expect((await ask(started, next, 'M2M', { scopes: ['a', 'b'] })).accessToken).toBe(all[0]);
  await started.server.clock.advance(3_539_000);
  expect(await get(['a', 'b'])).toBe(all[0]);
  await started.server.clock.advance(1_000);
  expect(await get(['a', 'b'])).not.toBe(all[0]);
});

test('a token is for a resource that was named, and what the service says itself cannot be replaced', async () => {
  const started = await desk();
  const token = await tokenFor(started, WORKLOAD);
  const { accessToken } = await ask(started, token, 'M2M', { resources: ['https://api.example/calendar'] });
  expect(claimsOf(accessToken)).toMatchObject({ aud: 'https://api.example/calendar' });
  await expect(ask(started, token, 'M2M', { customParameters: { client_id: 'other' } })).rejects.toMatchObject({
    name: 'ValidationException',
    message: expect.stringContaining('client_id'),
  });
});

test('a provider answers with its callback URL and without its secret, is changed, and ends with its tokens', async () => {
  const started = await desk();
  const { controls, server } = started;
  const { clientSecret } = server.authorization;
  const got = await controls.send(new control.GetOauth2CredentialProviderCommand({ name: PROVIDER }));
  expect(got).toMatchObject({
    status: 'READY',
    credentialProviderVendor: 'CustomOauth2',
    credentialProviderArn: 'arn:aws:bedrock-agentcore:us-east-1:123456789012:token-vault/default/oauth2credentialprovider/calendar',
    callbackUrl: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/identities\/oauth2\/callback\/[0-9a-f-]{36}$/),
    oauth2ProviderConfigOutput: { customOauth2ProviderConfig: { clientId: 'rondo' } },
    clientSecretArn: { secretArn: expect.stringContaining('/oauth2/calendar') },
  });
  expect(JSON.stringify(got)).not.toContain(clientSecret);
  const token = await tokenFor(started, WORKLOAD);
  const first = await ask(started, token, 'M2M');
  await controls.send(new control.DeleteOauth2CredentialProviderCommand({ name: PROVIDER }));
  await expect(ask(started, token, 'M2M')).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
  await newProvider(started);
  expect((await ask(started, token, 'M2M')).accessToken).not.toBe(first.accessToken);
  expect((await controls.send(new control.ListOauth2CredentialProvidersCommand({}))).credentialProviders).toHaveLength(1);
});

test.each([
  ['the secret is wrong', { clientSecret: 'not the secret' }, 'ValidationException', 'invalid_client'],
  [
    'the server is not there',
    { oauthDiscovery: { discoveryUrl: 'http://127.0.0.1:9/.well-known/openid-configuration' } },
    'InternalServerException',
    'could not be reached',
  ],
])('when %s, the client is told an AWS error, and the log says why', async (_, provider, name, why) => {
  const started = await desk({}, provider);
  await expect(ask(started, await tokenFor(started, WORKLOAD), 'M2M')).rejects.toMatchObject({ name });
  expect(started.server.calls().at(-1)?.rule).toContain(why);
});

test.each([
  ['a URL that is not https', { oauthDiscovery: { discoveryUrl: 'http://idp.example/.well-known/openid-configuration' } }, 'https'],
  ['a key of KMS', { clientAuthenticationMethod: 'PRIVATE_KEY_JWT' as const }, 'KMS'],
  ['no client', { clientId: undefined }, 'clientId'],
])('a provider with %s is refused where it is declared', async (_, provider, why) => {
  await expect(desk({}, provider)).rejects.toMatchObject({ name: 'ValidationException', message: expect.stringContaining(why) });
});

test.each([
  ['GithubOauth2', { githubOauth2ProviderConfig: { clientId: 'a', clientSecret: 'b' } }, 'https://github.com/login/oauth/authorize'],
  ['MicrosoftOauth2', { microsoftOauth2ProviderConfig: { clientId: 'a', clientSecret: 'b', tenantId: 't1' } }, '/t1/v2.0/.well-known/'],
  [
    'OktaOauth2',
    { includedOauth2ProviderConfig: { clientId: 'a', clientSecret: 'b', issuer: 'https://a.okta.com' } },
    'https://a.okta.com/',
  ],
] as const)('%s is known by its own configuration', async (credentialProviderVendor, oauth2ProviderConfigInput, where) => {
  const { controls } = await desk();
  const creating = (vendor: typeof credentialProviderVendor | 'SlackOauth2') =>
    controls.send(
      new control.CreateOauth2CredentialProviderCommand({ name: 'x', credentialProviderVendor: vendor, oauth2ProviderConfigInput }),
    );
  await expect(creating('SlackOauth2')).rejects.toMatchObject({ name: 'ValidationException' });
  expect(JSON.stringify((await creating(credentialProviderVendor)).oauth2ProviderConfigOutput)).toContain(where);
});
