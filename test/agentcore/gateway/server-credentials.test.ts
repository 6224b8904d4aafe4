/** Credentials of targets that are MCP servers: the server admits only requests that carry them, its listing included. */
import * as control from '@aws-sdk/client-bedrock-agentcore-control';
import { expect, onTestFinished, test, vi } from 'vitest';
import { jwtAuthorizer } from '../../../src/server/index.ts';
import { issuer } from '../../server/issuer.ts';
import { claimsOf } from '../identity/desk.ts';
import { signIn } from '../identity/sign-in.ts';
import { ENDPOINT, guardedServer, SCHEMA } from './guarded.ts';
import { BINDINGS, connected, refunds, textOf, withGateway } from './kit.ts';
import { bearerIn, oauth, provided, withUsers } from './users.ts';

const KEY = 'key-of-the-tools-81';
const ECHO = { name: 'Tools___echo', arguments: {} };

const target = (credential: control.CredentialProviderConfiguration, server: Partial<control.McpServerTargetConfiguration> = {}) => ({
  name: 'Tools',
  targetConfiguration: { mcp: { mcpServer: { endpoint: ENDPOINT, ...server } } },
  credentialProviderConfigurations: [credential],
});

const tokenless = { authorizerType: 'NONE' as const };

test.each<[string, Partial<control.GatewayApiKeyCredentialProvider>, { header?: string; value?: string; query?: string }]>([
  ['a header', { credentialParameterName: 'x-api-key' }, { header: 'x-api-key', value: KEY }],
  [
    'a header with a prefix',
    { credentialParameterName: 'authorization', credentialPrefix: 'Key' },
    { header: 'authorization', value: `Key ${KEY}` },
  ],
  ['the query', { credentialLocation: 'QUERY_PARAMETER' as const, credentialParameterName: 'appid' }, { query: `/mcp?appid=${KEY}` }],
])('an API key in %s is in each request, and in no answer', async (_, place, { header, value, query }) => {
  const tools = await guardedServer(({ headers, url }) => (header === undefined ? url === query : headers[header] === value));
  tools.answer = `with ${KEY}`;
  const gateway = await withGateway(tokenless, { bindings: tools.bindings });
  const { credentialProviderArn: providerArn = '' } = await gateway.controls.send(
    new control.CreateApiKeyCredentialProviderCommand({ name: 'tools', apiKey: KEY }),
  );
  const provider = { apiKeyCredentialProvider: { providerArn, ...place } };
  expect(await gateway.target(target({ credentialProviderType: 'API_KEY', credentialProvider: provider }))).toMatchObject({
    status: 'READY',
  });
  const answer = textOf(await (await connected(gateway.url)).callTool(ECHO));
  expect(answer).toMatch(/^echo was called with /);
  expect(answer).not.toContain(KEY);
  expect(tools.refused).toBe(0);
  expect(tools.seen.length).toBeGreaterThan(4);
});

test.each(['DEFAULT', 'DYNAMIC'] as const)(
  'a token of the gateway itself, by client credentials, with listing mode %s',
  async (listingMode) => {
    const tools = await guardedServer(({ headers }) => headers.authorization?.startsWith('Bearer ') === true);
    const idp = await issuer();
    const authorizer = { customJWTAuthorizer: { discoveryUrl: idp.discoveryUrl, allowedClients: ['web'] } };
    const gateway = await withGateway({ authorizerType: 'CUSTOM_JWT', authorizerConfiguration: authorizer }, { bindings: tools.bindings });
    const credential = oauth(await provided(gateway), { customParameters: { resource: 'https://tools.example' } });
    expect(await gateway.target(target(credential, { listingMode }))).toMatchObject({ status: 'READY' });
    const inbound = await idp.token({ sub: 'ana', client_id: 'web' });
    const client = await connected(gateway.url, { token: inbound });
    expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(['Tools___echo']);
    expect(textOf(await client.callTool(ECHO))).toBe('echo was called');
    const { discoveryUrl, clientId } = gateway.server.authorization;
    const checked = jwtAuthorizer({ discoveryUrl, allowedClients: [clientId], allowedScopes: ['tools.use'] });
    for (const { headers } of tools.seen) {
      // the caller's own token stays at the gateway
      expect(headers.authorization).not.toContain(inbound);
      expect(await checked.check(bearerIn(headers.authorization))).toMatchObject({ ok: true, claims: { aud: 'https://tools.example' } });
    }
    expect(tools.refused).toBe(0);
  },
);

test('a token that was exchanged for that of each caller', async () => {
  const tools = await guardedServer(({ headers }) => headers.authorization !== undefined);
  const gateway = await withUsers({ bindings: tools.bindings });
  const providerArn = await provided(gateway, { onBehalfOfTokenExchangeConfig: { grantType: 'TOKEN_EXCHANGE' } });
  const credential = oauth(providerArn, { grantType: 'TOKEN_EXCHANGE' });
  const made = await gateway.target(target(credential, { mcpToolSchema: { inlinePayload: SCHEMA } }));
  expect(made).toMatchObject({ status: 'READY' });
  expect(tools.seen).toEqual([]);
  for (const user of ['ana', 'ben']) {
    const { accessToken } = await signIn(gateway.server, user);
    const client = await connected(gateway.url, { token: accessToken });
    tools.seen.length = 0;
    expect(textOf(await client.callTool(ECHO))).toBe('echo was called');
    for (const { headers } of tools.seen) {
      expect(headers.authorization).not.toContain(accessToken);
      expect(claimsOf(bearerIn(headers.authorization))).toMatchObject({ sub: user, scope: 'tools.use' });
    }
  }
});

test('a signature of the gateway, which another gateway verifies', async () => {
  const signed = await withGateway({}, { bindings: BINDINGS });
  await signed.target(refunds());
  const outer = await withGateway(tokenless, { bindings: { [`url:${ENDPOINT}`]: signed.url } });
  Object.assign(process.env, signed.server.env);
  const role = (iam: control.IamCredentialProvider) => ({
    credentialProviderType: 'GATEWAY_IAM_ROLE' as const,
    credentialProvider: { iamCredentialProvider: iam },
  });
  expect(await outer.target(target(role({ service: 'bedrock-agentcore' })))).toMatchObject({ status: 'READY' });
  const client = await connected(outer.url);
  expect(textOf(await client.callTool({ name: 'Tools___Refund___process', arguments: { amount: 7 } }))).toBe('refunded 7');
  const callers = signed.server.calls().filter(({ operation }) => operation?.startsWith('InvokeGateway'));
  expect(new Set(callers.map(({ caller }) => caller))).toEqual(
    new Set([`arn:aws:iam::123456789012:user/${signed.server.env.AWS_ACCESS_KEY_ID}`]),
  );
  // a signature for another service is refused there
  const other = await outer.target({ ...target(role({ service: 'execute-api' })), name: 'Other' });
  expect(other).toMatchObject({ status: 'FAILED' });
});

test.each(['results', 'calls'] as const)('the keys of a signature are in no error of a server that says them again: %s', async (fails) => {
  const tools = await guardedServer(() => true);
  const gateway = await withGateway(tokenless, { bindings: tools.bindings });
  vi.stubEnv('AWS_SESSION_TOKEN', 'session/of+the=gateway-4711');
  onTestFinished(() => void vi.unstubAllEnvs());
  const iam = { iamCredentialProvider: { service: 'execute-api' } };
  await gateway.target(target({ credentialProviderType: 'GATEWAY_IAM_ROLE', credentialProvider: iam }));
  Object.assign(tools, { fails, answer: `with ${process.env.AWS_SESSION_TOKEN} and ${process.env.AWS_SECRET_ACCESS_KEY}` });
  const refused = await (await connected(gateway.url)).callTool(ECHO);
  expect(refused.isError).toBe(true);
  expect(textOf(refused)).toContain('echo was called with [secret AWS session token] and [secret AWS secret]');
  expect(tools.seen.at(-1)?.headers['x-amz-security-token']).toBe(process.env.AWS_SESSION_TOKEN);
});

test('a key is not in the reason why a target failed', async () => {
  const tools = await guardedServer(() => true);
  Object.assign(tools, { fails: 'lists', answer: `for ${KEY}` });
  const gateway = await withGateway(tokenless, { bindings: tools.bindings });
  const { credentialProviderArn: providerArn = '' } = await gateway.controls.send(
    new control.CreateApiKeyCredentialProviderCommand({ name: 'tools', apiKey: KEY }),
  );
  const provider = { apiKeyCredentialProvider: { providerArn, credentialParameterName: 'x-api-key' } };
  const made = await gateway.target(target({ credentialProviderType: 'API_KEY', credentialProvider: provider }));
  expect(made).toMatchObject({ status: 'FAILED', reasons: expect.stringContaining('no list for [secret outbound]') });
});

test('credentials that are gone end a call: the client is told nothing, and the log why', async () => {
  const tools = await guardedServer(() => true);
  const gateway = await withGateway(tokenless, { bindings: tools.bindings });
  const { credentialProviderArn: providerArn = '' } = await gateway.controls.send(
    new control.CreateApiKeyCredentialProviderCommand({ name: 'tools', apiKey: KEY }),
  );
  const provider = { apiKeyCredentialProvider: { providerArn, credentialParameterName: 'x-api-key' } };
  await gateway.target(target({ credentialProviderType: 'API_KEY', credentialProvider: provider }));
  await gateway.controls.send(new control.DeleteApiKeyCredentialProviderCommand({ name: 'tools' }));
  tools.seen.length = 0;
  const refused = await (await connected(gateway.url)).callTool(ECHO);
  expect(refused.isError).toBe(true);
  expect(textOf(refused)).toContain('An internal error occurred');
  expect(textOf(refused)).not.toContain('Credential provider');
  expect(gateway.server.calls().findLast(({ operation }) => operation === 'InvokeGateway tools/call')?.rule).toContain('was not found');
  expect(tools.seen).toEqual([]);
});

test.each([
  ['no JSON', '{', 'not JSON'],
  ['a list', '[]', "mcpToolSchema must be an object with 'tools' array"],
  ['a tool without a name', JSON.stringify({ tools: [{ inputSchema: {} }] }), 'tools[0] has no name'],
  ['a tool without a schema', JSON.stringify({ tools: [{ name: 'a' }] }), 'no inputSchema'],
])('a static tool schema that is %s makes the target FAILED, with the reason', async (_, inlinePayload, reason) => {
  const gateway = await withGateway(tokenless);
  const credential = {
    credentialProviderType: 'GATEWAY_IAM_ROLE' as const,
    credentialProvider: { iamCredentialProvider: { service: 'lambda' } },
  };
  const made = await gateway.target(target(credential, { mcpToolSchema: { inlinePayload } }));
  expect(made).toMatchObject({ status: 'FAILED', reasons: expect.stringContaining(reason) });
});

const providerArn = 'arn:aws:bedrock-agentcore:us-east-1:123456789012:token-vault/default/oauth2credentialprovider/tools';
const consent = oauth(providerArn, { grantType: 'AUTHORIZATION_CODE', defaultReturnUrl: 'https://app.example/consent' });
const jwt = {
  authorizerType: 'CUSTOM_JWT' as const,
  authorizerConfiguration: {
    customJWTAuthorizer: { discoveryUrl: 'https://idp.example/.well-known/openid-configuration', allowedClients: ['web'] },
  },
};

test.each<[string, Partial<control.CreateGatewayCommandInput>, Parameters<typeof target>, string]>([
  ['a role without a service', tokenless, [{ credentialProviderType: 'GATEWAY_IAM_ROLE' }], 'iamCredentialProvider'],
  ['OAuth without a provider', tokenless, [{ credentialProviderType: 'OAUTH' }], 'oauthCredentialProvider'],
  ['a consent at a gateway of AWS_IAM', {}, [consent], '3LO Auth is not supported when gateway authorizer type is AWS_IAM'],
  ['a consent at a gateway of NONE', tokenless, [consent], '3LO Auth is not supported when gateway authorizer type is NONE'],
  [
    'a consent at a gateway of an older version',
    { ...jwt, protocolConfiguration: { mcp: { supportedVersions: ['2025-06-18'] } } },
    [consent],
    '2025-11-25',
  ],
  ['a consent without a return URL', jwt, [oauth(providerArn, { grantType: 'AUTHORIZATION_CODE' })], 'defaultReturnUrl'],
  ['a consent for a list that is asked for each time', jwt, [consent, { listingMode: 'DYNAMIC' }], 'DYNAMIC'],
])('%s is refused', async (_, input, [credential, server], why) => {
  const gateway = await withGateway(input);
  await expect(gateway.target(target(credential, server))).rejects.toMatchObject({
    name: 'ValidationException',
    message: expect.stringContaining(why),
  });
});
