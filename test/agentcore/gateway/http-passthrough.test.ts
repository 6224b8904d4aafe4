/** Services behind gateways as targets of http: what is passed on, and what is not. */
import * as control from '@aws-sdk/client-bedrock-agentcore-control';
import { expect, onTestFinished, test } from 'vitest';
import { sigV4 } from '../../../src/server/index.ts';
import { signedHeaders } from '../../../src/server/sigv4.ts';
import { issuer } from '../../server/issuer.ts';
import { started } from '../memory/kit.ts';
import { type Credential, ENDPOINT, gatewayOf, type Seen, service } from './http-kit.ts';
import { CREATE, signing } from './kit.ts';

type Answer = Parameters<typeof service>[0];
const echo: Answer = (_, response) => void response.end('{}');

/** A gateway with the target `orders`, which is a service that answers so. */
async function fronted({
  answer = echo,
  passthrough = {},
  credential,
  gateway = {},
}: {
  answer?: Answer;
  passthrough?: Partial<control.PassthroughTargetConfiguration>;
  credential?: Credential;
  gateway?: Partial<control.CreateGatewayCommandInput>;
} = {}) {
  const { seen, bindings } = await service(answer);
  const of = await started({ bindings });
  const { url, id, target } = await gatewayOf(of, gateway);
  const made = await target({ passthrough: { endpoint: ENDPOINT, protocolType: 'CUSTOM', ...passthrough } }, credential, 'orders');
  return { ...of, url: `${url}/orders`, id, made, seen };
}

test('a request is passed on as it is, without what the caller proved itself with', async () => {
  const { url, seen, made, controls, id } = await fronted();
  expect(made).toMatchObject({ status: 'READY', protocolType: 'HTTP' });
  const listed = await controls.send(new control.ListGatewayTargetsCommand({ gatewayIdentifier: id }));
  expect(listed.items).toMatchObject([{ targetType: 'PASSTHROUGH' }]);
  const body = JSON.stringify({ cents: 12.5, note: 'ä' });
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'])
    await signing(`${url}/orders/7%20a?q=a%26b&q=c`, {
      method,
      body,
      headers: { 'content-type': 'application/json', 'x-trace': 't1', cookie: 'c=1' },
    });
  for (const method of ['GET', 'OPTIONS', 'HEAD']) await signing(`${url}/orders`, { method });
  await signing(`${url}/`);
  await signing(url);
  expect(seen.map((one) => [one.method, one.url, one.body])).toEqual([
    ...['POST', 'PUT', 'PATCH', 'DELETE'].map((method) => [method, '/v1/orders/7%20a?q=a%26b&q=c', body]),
    ...['GET', 'OPTIONS', 'HEAD'].map((method) => [method, '/v1/orders', '']),
    ['GET', '/v1', ''],
    ['GET', '/v1', ''],
  ]);
  const [{ headers }] = seen as [Seen];
  expect(headers).toMatchObject({ 'content-type': 'application/json', 'x-trace': 't1', cookie: 'c=1' });
  for (const name of ['authorization', 'x-amz-date', 'x-amz-content-sha256', 'x-amz-security-token'])
    expect(headers).not.toHaveProperty(name);
});

test('an answer comes as it is: its status and headers, and bytes as they are written', async () => {
  const { url } = await fronted({
    answer({ url: path }, response) {
      if (path === '/v1/moved') return void response.writeHead(302, { location: 'https://elsewhere.example/' }).end();
      if (path === '/v1/cookies') return void response.writeHead(404, { 'set-cookie': ['a=1', 'b=2'], 'x-own': 'yes' }).end('no');
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n');
    },
  });
  const moved = await signing(`${url}/moved`, { redirect: 'manual' });
  expect([moved.status, moved.headers.get('location')]).toEqual([302, 'https://elsewhere.example/']);
  const cookies = await signing(`${url}/cookies`);
  expect([cookies.status, cookies.headers.getSetCookie(), cookies.headers.get('x-own'), await cookies.text()]).toEqual([
    404,
    ['a=1', 'b=2'],
    'yes',
    'no',
  ]);
  const streamed = await signing(`${url}/events`);
  const reader = (streamed.body as ReadableStream<Uint8Array>).getReader();
  expect(Buffer.from((await reader.read()).value as Uint8Array).toString()).toBe('data: 1\n\n');
  await reader.cancel();
});

test.each<['CLIENT_OVERRIDE' | 'STATIC_OVERRIDE' | undefined, string]>([
  [undefined, 'qualifier=mine&arn=a%2Fb'],
  ['CLIENT_OVERRIDE', 'qualifier=mine&arn=a%2Fb'],
  ['STATIC_OVERRIDE', 'qualifier=prod&arn=a%2Fb'],
])('parameters of the target, by %s', async (staticQueryParameterConflictResolution, query) => {
  const { url, seen } = await fronted({
    passthrough: {
      staticQueryParameters: { arn: 'a/b', qualifier: 'prod' },
      ...(staticQueryParameterConflictResolution && { staticQueryParameterConflictResolution }),
    },
  });
  await signing(`${url}/x?qualifier=mine`);
  expect(seen[0]?.url).toBe(`/v1/x?${query}`);
});

test.each<[string, Partial<control.GatewayApiKeyCredentialProvider>, (seen: Seen) => unknown, unknown]>([
  ['a header', { credentialParameterName: 'x-api-key' }, ({ headers }) => headers['x-api-key'], 'key-1'],
  ['the query', { credentialLocation: 'QUERY_PARAMETER', credentialParameterName: 'key' }, ({ url }) => url, '/v1/x?a=1&key=key-1'],
])('a key in %s, whatever the caller sends there', async (_, place, where, expected) => {
  const { seen, bindings } = await service(echo);
  const of = await started({ bindings });
  const { credentialProviderArn: providerArn = '' } = await of.controls.send(
    new control.CreateApiKeyCredentialProviderCommand({ name: 'orders', apiKey: 'key-1' }),
  );
  const { url, target } = await gatewayOf(of);
  await target(
    { passthrough: { endpoint: ENDPOINT, protocolType: 'CUSTOM' } },
    {
      credentialProviderType: 'API_KEY',
      credentialProvider: { apiKeyCredentialProvider: { providerArn, ...place } },
    },
  );
  await signing(`${url}/clerk/x?a=1&key=theirs`, { headers: { 'x-api-key': 'theirs' } });
  expect(where(seen[0] as Seen)).toBe(place.credentialLocation ? expected : 'key-1');
});

test('the signature of the gateway covers what is sent', async () => {
  const { url, seen, server } = await fronted({
    credential: {
      credentialProviderType: 'GATEWAY_IAM_ROLE',
      credentialProvider: { iamCredentialProvider: { service: 'execute-api', region: 'eu-west-1' } },
    },
    passthrough: { staticQueryParameters: { stage: 'prod' } },
  });
  const { AWS_ACCESS_KEY_ID: accessKeyId = '', AWS_SECRET_ACCESS_KEY: secretAccessKey = '' } = server.env;
  const keys = { accessKeyId, secretAccessKey };
  const answer = await signing(`${url}/orders/a%20b`, { method: 'POST', body: '{"a":1}', headers: { 'content-type': 'application/json' } });
  expect(answer.status).toBe(200);
  const [one] = seen as [Seen];
  expect(one.headers.authorization).toContain('/eu-west-1/execute-api/aws4_request');
  const authenticate = sigV4({ keys: [keys], service: 'execute-api' });
  const request = { ...one, body: async () => Buffer.from(one.body) };
  expect(await authenticate(request)).toMatchObject({ id: keys.accessKeyId });
});

test('a signed URL of the caller, with the token of JWT_PASSTHROUGH, and neither with other credentials', async () => {
  const idp = await issuer();
  const { url, seen } = await fronted({
    credential: { credentialProviderType: 'JWT_PASSTHROUGH' },
    gateway: {
      authorizerType: 'CUSTOM_JWT',
      authorizerConfiguration: { customJWTAuthorizer: { discoveryUrl: idp.discoveryUrl, allowedClients: ['web'] } },
    },
  });
  const token = await idp.token({ sub: 'ana', client_id: 'web' });
  expect((await fetch(`${url}/x`, { headers: { authorization: `Bearer ${token}` } })).status).toBe(200);
  expect(seen[0]?.headers.authorization).toBe(`Bearer ${token}`);
  expect((await fetch(`${url}/x`)).status).toBe(401);

  const other = await fronted({ gateway: { authorizerType: 'NONE' } });
  await fetch(`${other.url}/x?X-Amz-Signature=s&a=1`, { headers: { authorization: 'Bearer theirs' } });
  expect(other.seen[0]).toMatchObject({ url: '/v1/x?a=1' });
  expect(other.seen[0]?.headers).not.toHaveProperty('authorization');
});

test.each(['/../admin', '/%2e%2e/admin', '/a/..%2fadmin', '//admin', '/a/./b', '/a%5c..%5cadmin'])(
  'the path %s is refused',
  async (path) => {
    const { id, seen, server } = await fronted({ gateway: { authorizerType: 'NONE' } });
    const { connect } = await import('node:net');
    const socket = connect(server.port, '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    // `fetch` would write the path in another way
    socket.end(`GET /gateways/${id}/orders${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n`);
    let text = '';
    for await (const chunk of socket) text += chunk;
    expect(text).toMatch(/^HTTP\/1.1 400 /);
    expect(text).toContain('ValidationException');
    expect(seen).toEqual([]);
  },
);

test.each<['DEBUG' | undefined, string | RegExp]>([
  [undefined, /^An internal error occurred/],
  ['DEBUG', 'ECONNREFUSED'],
])('a service that is not there, with exceptionLevel %s', async (exceptionLevel, told) => {
  const of = await started({ bindings: { 'url:https://orders.example': 'http://127.0.0.1:1' } });
  const { url, target } = await gatewayOf(of, exceptionLevel ? { exceptionLevel } : {});
  await target({ passthrough: { endpoint: ENDPOINT, protocolType: 'CUSTOM' } });
  const answer = await signing(`${url}/clerk/x`);
  expect(answer.status).toBe(500);
  expect(((await answer.json()) as { message: string }).message).toEqual(
    told instanceof RegExp ? expect.stringMatching(told) : expect.stringContaining(told),
  );
  expect(of.server.calls().at(-1)).toMatchObject({ error: 'InternalServerException', rule: expect.stringContaining('ECONNREFUSED') });
});

test('a service that breaks off in the middle breaks the answer off, and the server goes on', async () => {
  const { url, server } = await fronted({
    answer({ url: path }, response) {
      if (path === '/v1/well') return void response.end('well');
      response.writeHead(200, { 'content-length': '100' }).write('half');
      setImmediate(() => response.destroy());
    },
  });
  await expect(signing(`${url}/x`).then((answer) => answer.text())).rejects.toThrow();
  expect(server.calls().at(-1)).toMatchObject({ status: 200, rule: expect.stringContaining('aborted') });
  expect(await (await signing(`${url}/well`)).text()).toBe('well');
  expect(server.calls().at(-1)).toMatchObject({ status: 200 });
});

test('a limit of requests of the target answers 429 with the members of AWS', async () => {
  const { url, id, controls, server, seen } = await fronted();
  await controls.send(
    new control.CreateGatewayRateLimitCommand({
      gatewayIdentifier: id,
      dimensionKeys: ['targetName'],
      entries: [{ dimensions: { targetName: 'orders' }, requests: [{ rate: 1, period: 'minute' }] }],
    }),
  );
  await server.clock.advance(30_000);
  // its signature is of the time of this machine
  const send: typeof fetch = (to, init = {}) => {
    const { AWS_ACCESS_KEY_ID: accessKeyId = '', AWS_SECRET_ACCESS_KEY: secretAccessKey = '' } = server.env;
    const signed = signedHeaders(
      { method: 'GET', url: new URL(String(to)), headers: {}, body: '' },
      { accessKeyId, secretAccessKey },
      { region: 'us-east-1', service: 'bedrock-agentcore', at: server.clock.now() },
    );
    return fetch(to, { ...init, headers: signed });
  };
  expect((await send(`${url}/x`)).status).toBe(200);
  const limited = await send(`${url}/x`);
  expect([limited.status, await limited.json()]).toEqual([
    429,
    expect.objectContaining({
      success: false,
      error: expect.any(String),
      limitKey: 'targetName=orders',
      metric: 'requests',
      retryAfter: 60,
    }),
  ]);
  expect(seen).toHaveLength(1);
});

const LAMBDA = 'arn:aws:lambda:us-east-1:123456789012:function:guard';
const GUARDED = {
  interceptorConfigurations: [{ interceptor: { lambda: { arn: LAMBDA } }, interceptionPoints: ['REQUEST' as const] }],
};
const passthrough = { endpoint: ENDPOINT, protocolType: 'CUSTOM' as const };

test.each<[string, control.HttpTargetConfiguration, Credential | undefined, Partial<control.CreateGatewayCommandInput>, string, string]>([
  [
    'a connector',
    { connector: { source: { connectorId: 'agentcore-memory' } } },
    undefined,
    {},
    'NotImplementedException',
    'http.connector',
  ],
  ['a gateway with interceptors', { passthrough }, undefined, GUARDED, 'NotImplementedException', 'interceptors'],
  [
    'keys of the caller',
    { passthrough },
    { credentialProviderType: 'CALLER_IAM_CREDENTIALS' },
    {},
    'NotImplementedException',
    'CALLER_IAM',
  ],
  [
    'keys of the caller where callers do not sign',
    { passthrough },
    { credentialProviderType: 'CALLER_IAM_CREDENTIALS' },
    { authorizerType: 'NONE' },
    'ValidationException',
    'AWS_IAM or AUTHENTICATE_ONLY',
  ],
  [
    'a token that callers do not have',
    { passthrough },
    { credentialProviderType: 'JWT_PASSTHROUGH' },
    {},
    'ValidationException',
    'CUSTOM_JWT',
  ],
  [
    'the role without a service',
    { passthrough },
    { credentialProviderType: 'GATEWAY_IAM_ROLE' },
    {},
    'ValidationException',
    'iamCredentialProvider',
  ],
  [
    'an ARN that is not of a runtime',
    { agentcoreRuntime: { arn: 'arn:aws:bedrock-agentcore:us-east-1:123456789012:harness/h-abcdefghij' } },
    undefined,
    {},
    'ValidationException',
    '',
  ],
  [
    'a service without TLS',
    { passthrough: { ...passthrough, endpoint: 'http://orders.example' } },
    undefined,
    {},
    'ValidationException',
    'endpoint',
  ],
])('%s is refused when the target is made', async (_, http, credential, gateway, name, why) => {
  const { target } = await gatewayOf(await started(), gateway);
  await expect(target(http, credential)).rejects.toMatchObject({ name, message: expect.stringContaining(why) });
});

test('interceptors that came later are not left out', async () => {
  const { url, id, controls, server, seen } = await fronted();
  const { protocolType: _, ...settings } = CREATE;
  await controls.send(
    new control.UpdateGatewayCommand({
      ...settings,
      name: 'Desk',
      roleArn: CREATE.roleArn,
      authorizerType: 'AWS_IAM',
      gatewayIdentifier: id,
      ...GUARDED,
    }),
  );
  await server.clock.advance(2_000);
  expect((await signing(`${url}/x`)).status).toBe(501);
  expect(seen).toEqual([]);
});

test('a schema that is not OpenAPI fails the target, with the reason', async () => {
  const { made } = await fronted({ passthrough: { schema: { source: { inlinePayload: '{"openapi":"2"}' } } } });
  expect(made).toMatchObject({ status: 'FAILED', statusReasons: [expect.stringContaining('OpenAPI 3.0')] });
});
