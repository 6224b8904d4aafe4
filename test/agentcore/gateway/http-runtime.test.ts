/** Runtimes of the local server behind its gateways, as targets of http. */
import * as data from '@aws-sdk/client-bedrock-agentcore';
import * as control from '@aws-sdk/client-bedrock-agentcore-control';
import { expect, onTestFinished, test } from 'vitest';
import { issuer, SHAPES } from '../../server/issuer.ts';
import { deployed, sessionId } from '../runtime.ts';
import { gatewayOf, SESSION } from './http-kit.ts';
import { connected, signing } from './kit.ts';
import { provided } from './users.ts';

const JSON_BODY = { 'content-type': 'application/json' };
const ROLE: control.CredentialProviderConfiguration = { credentialProviderType: 'GATEWAY_IAM_ROLE' };

const asked = (url: string, body: object, headers: Record<string, string> = {}, send: typeof fetch = signing) =>
  send(url, { method: 'POST', body: JSON.stringify(body), headers: { ...JSON_BODY, [SESSION]: sessionId('one'), ...headers } });

test('a runtime is invoked at the path of its target, in the session that the caller names', async () => {
  const of = await deployed();
  const { url, target, id } = await gatewayOf(of);
  expect(url).toBe(`${of.server.url}/gateways/${id}`);
  const made = await target({ agentcoreRuntime: { arn: of.arn } }, ROLE);
  expect(made).toMatchObject({ status: 'READY', protocolType: 'HTTP' });
  const listed = await of.controls.send(new control.ListGatewayTargetsCommand({ gatewayIdentifier: id }));
  expect(listed.items).toMatchObject([{ name: 'clerk', targetType: 'AGENTCORE_RUNTIME' }]);
  const first = await asked(`${url}/clerk/invocations`, { act: 'pid' });
  expect([first.status, first.headers.get(SESSION)]).toEqual([200, sessionId('one')]);
  expect(await (await asked(`${url}/clerk/invocations`, { act: 'pid' })).json()).toEqual(await first.json());
  expect(of.server.sessions().running).toMatchObject([{ runtime: `${of.id}/DEFAULT`, id: sessionId('one') }]);
  expect(of.server.calls().at(-1)).toMatchObject({ operation: 'InvokeGateway', status: 200, path: `/gateways/${id}/clerk/invocations` });
});

test('the official client reaches it with the URL of the target as its endpoint', async () => {
  const of = await deployed();
  const { url, target } = await gatewayOf(of);
  await target({ agentcoreRuntime: { arn: of.arn } }, ROLE);
  const client = new data.BedrockAgentCoreClient({ endpoint: `${url}/clerk`, maxAttempts: 1 });
  onTestFinished(() => client.destroy());
  const invoke = (agentRuntimeArn: string) =>
    client.send(
      new data.InvokeAgentRuntimeCommand({ agentRuntimeArn, runtimeSessionId: sessionId('sdk'), payload: Buffer.from('{"a":1}') }),
    );
  const { response, runtimeSessionId } = await invoke(of.arn);
  expect(JSON.parse((await response?.transformToString()) as string)).toEqual({ echo: { a: 1 }, path: '/invocations' });
  expect(runtimeSessionId).toBe(sessionId('sdk'));
  await expect(invoke(`${of.arn}x`)).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
  await expect(
    client.send(new data.InvokeAgentRuntimeCommandCommand({ agentRuntimeArn: of.arn, body: { command: 'id' } })),
  ).rejects.toMatchObject({ name: 'UnknownOperationException' });
});

test('an answer streams, and breaks off where the client leaves', async () => {
  const of = await deployed();
  const { url, target } = await gatewayOf(of);
  await target({ agentcoreRuntime: { arn: of.arn } }, ROLE);
  const answer = await asked(`${url}/clerk/invocations`, { act: 'stream', chunks: 1, hold: true }, { accept: 'text/event-stream' });
  expect(answer.headers.get('content-type')).toBe('text/event-stream');
  const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
  const { value } = await reader.read();
  expect(Buffer.from(value as Uint8Array).toString()).toBe('data: 0\n\n');
  await reader.cancel();
  await expect.poll(() => of.server.sessions().running[0]?.busy).toBe(false);
});

test('an MCP runtime is spoken to by the client of the MCP SDK, and an A2A one has its card there', async () => {
  const mcp = await deployed(
    { protocolConfiguration: { serverProtocol: 'MCP' } },
    { binding: { command: ['node', `${import.meta.dirname}/../fixtures/mcp.mjs`] } },
  );
  const gateway = await gatewayOf(mcp);
  await gateway.target({ agentcoreRuntime: { arn: mcp.arn } }, ROLE);
  const client = await connected(`${gateway.url}/clerk/invocations`);
  expect((await client.listTools()).tools.length).toBeGreaterThan(0);

  const a2a = await deployed({ protocolConfiguration: { serverProtocol: 'A2A' } });
  const other = await gatewayOf(a2a);
  await other.target({ agentcoreRuntime: { arn: a2a.arn } }, ROLE);
  const card = await signing(`${other.url}/clerk/invocations/.well-known/agent-card.json`, { headers: { [SESSION]: sessionId('card') } });
  expect(await card.json()).toMatchObject({ name: 'fixture' });
});

test.each(['JWT_PASSTHROUGH', 'OAUTH'] as const)('a runtime that takes tokens is called with %s', async (credentialProviderType) => {
  const idp = await issuer();
  const jwt = { discoveryUrl: idp.discoveryUrl, allowedAudience: ['api://agents'] };
  const header = { requestHeaderConfiguration: { requestHeaderAllowlist: ['Authorization'] } };
  const of = await deployed({ authorizerConfiguration: { customJWTAuthorizer: jwt }, ...header });
  const { discoveryUrl, clientId } = of.server.authorization;
  if (credentialProviderType === 'OAUTH')
    await of.controls.send(
      new control.UpdateAgentRuntimeCommand({
        agentRuntimeId: of.id,
        roleArn: 'arn:aws:iam::123456789012:role/rt',
        networkConfiguration: { networkMode: 'PUBLIC' },
        agentRuntimeArtifact: (await of.controls.send(new control.GetAgentRuntimeCommand({ agentRuntimeId: of.id }))).agentRuntimeArtifact,
        authorizerConfiguration: { customJWTAuthorizer: { discoveryUrl, allowedClients: [clientId] } },
        ...header,
      }),
    );
  await of.server.clock.advance(2_000);
  const { url, target } = await gatewayOf(of, { authorizerType: 'CUSTOM_JWT', authorizerConfiguration: { customJWTAuthorizer: jwt } });
  const oauth = credentialProviderType === 'OAUTH' && {
    credentialProvider: { oauthCredentialProvider: { providerArn: await provided(of as never), scopes: ['tools.use'] } },
  };
  expect(await target({ agentcoreRuntime: { arn: of.arn } }, { credentialProviderType, ...oauth })).toMatchObject({ status: 'READY' });
  const token = await idp.token(SHAPES.okta);
  const answer = await asked(`${url}/clerk/invocations`, { act: 'headers' }, { authorization: `Bearer ${token}` }, fetch);
  expect(answer.status).toBe(200);
  const { authorization } = (await answer.json()) as { authorization: string };
  // the program gets the token that the runtime was called with
  if (credentialProviderType === 'JWT_PASSTHROUGH') expect(authorization).toBe(`Bearer ${token}`);
  else expect(authorization).not.toContain(token);
  const without = await asked(`${url}/clerk/invocations`, { act: 'headers' }, {}, fetch);
  expect(without.status).toBe(401);
  const document = await fetch(/resource_metadata="([^"]+)"/.exec(without.headers.get('www-authenticate') ?? '')?.[1] as string);
  expect(await document.json()).toMatchObject({ resource: url, authorization_servers: [idp.url] });
});

test('the keys of the caller reach a runtime, and who the caller says they are does not', async () => {
  const of = await deployed();
  const { url, target } = await gatewayOf(of);
  await target({ agentcoreRuntime: { arn: of.arn } }, { credentialProviderType: 'CALLER_IAM_CREDENTIALS' });
  const answer = await asked(`${url}/clerk/invocations`, { act: 'headers' }, { 'x-amzn-bedrock-agentcore-runtime-user-id': 'ana' });
  expect(answer.status).toBe(200);
  expect(await answer.json()).not.toHaveProperty('x-amzn-bedrock-agentcore-runtime-user-id');
  const unsigned = await asked(`${url}/clerk/invocations`, { act: 'headers' }, {}, fetch);
  expect([unsigned.status, unsigned.headers.get('x-amzn-errortype')]).toEqual([403, 'MissingAuthenticationTokenException']);
});

test.each<[string, string, string, number]>([
  ['another path of the target', '/clerk/ping', 'UnknownOperationException', 404],
  ['the target itself', '/clerk', 'UnknownOperationException', 404],
  ['a target that is not there', '/other/invocations', 'UnknownOperationException', 404],
])('%s is refused', async (_, path, name, status) => {
  const of = await deployed();
  const { url, target } = await gatewayOf(of);
  await target({ agentcoreRuntime: { arn: of.arn } }, ROLE);
  const answer = await asked(`${url}${path}`, {});
  expect([answer.status, answer.headers.get('x-amzn-errortype')]).toEqual([status, name]);
});

test('a runtime that is not there fails the target; one that goes later fails its calls', async () => {
  const of = await deployed();
  const { url, target } = await gatewayOf(of);
  const missing = await target({ agentcoreRuntime: { arn: `${of.arn.slice(0, -3)}zzz` } }, ROLE, 'missing');
  expect(missing).toMatchObject({ status: 'FAILED', statusReasons: [expect.stringContaining('was not found')] });
  expect((await asked(`${url}/missing/invocations`, {})).status).toBe(404);
  await target({ agentcoreRuntime: { arn: of.arn, qualifier: 'DEFAULT' } }, ROLE);
  await of.controls.send(new control.DeleteAgentRuntimeCommand({ agentRuntimeId: of.id }));
  await of.server.clock.advance(2_000);
  const answer = await asked(`${url}/clerk/invocations`, {});
  expect([answer.status, answer.headers.get('x-amzn-errortype')]).toEqual([404, 'ResourceNotFoundException']);
});
