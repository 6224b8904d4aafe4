import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CreateApiKeyCredentialProviderCommand, type CredentialProviderConfiguration } from '@aws-sdk/client-bedrock-agentcore-control';
import { expect, onTestFinished, test } from 'vitest';
import { issuer } from '../../server/issuer.ts';
import { connected, textOf, withGateway } from './kit.ts';

const SERVER = 'https://api.weather.example/v1';
const DOCUMENT = JSON.stringify({
  openapi: '3.0.3',
  info: { title: 'Weather', version: '1' },
  servers: [{ url: SERVER }],
  paths: {
    '/cities/{city}': {
      get: {
        operationId: 'forecast',
        description: 'The weather of a city.',
        parameters: [{ name: 'city', in: 'path', required: true, schema: { type: 'string' } }],
        responses: { 200: { description: 'ok', content: { 'application/json': { schema: { type: 'object' } } } } },
      },
    },
  },
});

/** An API that records what it was asked. */
async function api(status = 200) {
  const asked: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    asked.push(request);
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ weather: 'rain', secret: 'db-7' }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close().closeAllConnections());
  return { asked, bindings: { [`url:${SERVER}`]: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1` } as const };
}

const target = (credential?: CredentialProviderConfiguration, document = DOCUMENT) => ({
  name: 'Weather',
  targetConfiguration: { mcp: { openApiSchema: { inlinePayload: document } } },
  ...(credential && { credentialProviderConfigurations: [credential] }),
});

const FORECAST = { name: 'Weather___forecast', arguments: { city: 'São Paulo' } };

test.each([
  ['a header', { credentialLocation: 'HEADER' as const, credentialParameterName: 'x-api-key' }, 'x-api-key', 'key-of-the-weather'],
  [
    'a header with a prefix',
    { credentialParameterName: 'authorization', credentialPrefix: 'Key' },
    'authorization',
    'Key key-of-the-weather',
  ],
  [
    'the query',
    { credentialLocation: 'QUERY_PARAMETER' as const, credentialParameterName: 'appid' },
    undefined,
    '?appid=key-of-the-weather',
  ],
])('an OpenAPI document is called, its API key in %s comes from Identity', async (_, place, header, value) => {
  const { asked, bindings } = await api();
  const idp = await issuer();
  const authorizer = { customJWTAuthorizer: { discoveryUrl: idp.discoveryUrl, allowedClients: ['web'] } };
  const {
    url,
    target: made,
    controls,
  } = await withGateway({ authorizerType: 'CUSTOM_JWT', authorizerConfiguration: authorizer }, { bindings });
  const { credentialProviderArn: providerArn = '' } = await controls.send(
    new CreateApiKeyCredentialProviderCommand({ name: 'weather', apiKey: 'key-of-the-weather' }),
  );
  const provider = { apiKeyCredentialProvider: { providerArn, ...place } };
  expect(await made(target({ credentialProviderType: 'API_KEY', credentialProvider: provider }))).toMatchObject({ status: 'READY' });
  const client = await connected(url, { token: await idp.token({ sub: 'ana', client_id: 'web' }) });
  expect((await client.listTools()).tools).toMatchObject([
    { name: 'Weather___forecast', description: expect.stringContaining('weather of a city') },
  ]);
  expect(textOf(await client.callTool(FORECAST))).toContain('rain');
  const [request] = asked as [IncomingMessage];
  expect(request.url).toBe(`/v1/cities/S%C3%A3o%20Paulo${header === undefined ? value : ''}`);
  if (header !== undefined) expect(request.headers[header]).toBe(value);
  // the caller's token stays here
  if (header !== 'authorization') expect(request.headers.authorization).toBeUndefined();
});

test.each([
  ['openApiSchema', { openApiSchema: { inlinePayload: DOCUMENT } }, 'OAUTH, API_KEY, GATEWAY_IAM_ROLE, and not JWT_PASSTHROUGH'],
  ['mcpServer', { mcpServer: { endpoint: SERVER } }, 'MCP server target does not support JWT_PASSTHROUGH credential provider type'],
])("the caller's own token does not go to a target of %s: JWT_PASSTHROUGH is refused", async (_, mcp, why) => {
  const { target: made } = await withGateway({ authorizerType: 'NONE' });
  const credentialProviderConfigurations = [{ credentialProviderType: 'JWT_PASSTHROUGH' as const }];
  await expect(made({ name: 'Weather', targetConfiguration: { mcp }, credentialProviderConfigurations })).rejects.toMatchObject({
    name: 'ValidationException',
    message: expect.stringContaining(why),
  });
});

test('an API that fails tells the client nothing, and the log its status', async () => {
  const { bindings } = await api(500);
  const { url, target: made, server } = await withGateway({ authorizerType: 'NONE' }, { bindings });
  await made(target());
  const refused = await (await connected(url)).callTool(FORECAST);
  expect(refused.isError).toBe(true);
  expect(JSON.stringify(refused)).not.toContain('db-7');
  expect(server.calls().findLast(({ operation }) => operation === 'InvokeGateway tools/call')?.rule).toContain('500');
});

test.each([
  ['Swagger 2', JSON.stringify({ swagger: '2.0', info: { title: 'a', version: '1' }, paths: {} })],
  ['a text', 'not a document'],
  ['a reference that leads nowhere', DOCUMENT.replace('{"type":"string"}', '{"$ref":"#/components/schemas/None"}')],
])('a target of %s is FAILED, with the reason', async (_, document) => {
  const { target: made } = await withGateway({ authorizerType: 'NONE' });
  const { status, reasons } = await made(target(undefined, document));
  expect(status).toBe('FAILED');
  expect(reasons).toMatch(/^openApiSchema: /);
});
