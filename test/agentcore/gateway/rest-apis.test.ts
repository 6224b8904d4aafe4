import {
  type ApiGatewayToolConfiguration,
  type ApiGatewayToolFilter,
  CreateApiKeyCredentialProviderCommand,
  type CredentialProviderConfiguration,
} from '@aws-sdk/client-bedrock-agentcore-control';
import { expect, test } from 'vitest';
import { EXPORT, exported } from '../fixtures/rest-api.ts';
import { connected, textOf, withGateway } from './kit.ts';
import { type Asked, recorded, signedRegion } from './recorded.ts';

const OPEN = { authorizerType: 'NONE' as const };
const ALL = ['GET', 'POST', 'PUT', 'DELETE'] as const;

/** The API that stands behind the stage `prod` of `abc123`, whose export is bound, and what it was asked. */
async function stage(document: unknown = EXPORT) {
  const { asked, address } = await recorded();
  const bindings = {
    'apigateway:abc123/prod': exported(document),
    'url:https://abc123.execute-api.us-east-1.amazonaws.com/prod': `${address}/behind`,
  } as const;
  return { asked, bindings };
}

const of = (configuration: ApiGatewayToolConfiguration, credential?: CredentialProviderConfiguration) => ({
  name: 'Pets',
  targetConfiguration: { mcp: { apiGateway: { restApiId: 'abc123', stage: 'prod', apiGatewayToolConfiguration: configuration } } },
  ...(credential && { credentialProviderConfigurations: [credential] }),
});
const filters = (...paths: string[]): ApiGatewayToolFilter[] => paths.map((filterPath) => ({ filterPath, methods: [...ALL] }));

test('operations of a stage are called, at the address that is bound to the stage', async () => {
  const { bindings, asked } = await stage();
  const { url, target } = await withGateway(OPEN, { bindings });
  expect(await target(of({ toolFilters: [...filters('/pets'), { filterPath: '/pets/{petId}', methods: ['GET'] }] }))).toMatchObject({
    status: 'READY',
    reasons: '',
  });
  const client = await connected(url);
  const { tools } = await client.listTools();
  expect(tools.map(({ name }) => name).sort()).toEqual(['Pets___AddPet', 'Pets___GetPet', 'Pets___ListPets']);
  // the export does not say that there is a parameter in the path
  expect(tools.find(({ name }) => name.endsWith('GetPet'))).toMatchObject({
    inputSchema: { properties: { petId: { type: 'string' } }, required: ['petId'] },
  });
  const got = await client.callTool({ name: 'Pets___GetPet', arguments: { petId: 'a/b' } });
  expect(textOf(got)).toContain('GET /behind/pets/a%2Fb');
  await client.callTool({ name: 'Pets___AddPet', arguments: { body: { name: 'Rex' } } });
  expect(asked.at(-1)?.body).toBe('{"name":"Rex"}');
  expect(asked.at(-1)?.headers.authorization).toBeUndefined();
});

test.each<[string, ApiGatewayToolConfiguration, string[]]>([
  ['a path alone', { toolFilters: filters('/pets') }, ['AddPet', 'ListPets']],
  ['a path and a method', { toolFilters: [{ filterPath: '/pets', methods: ['GET'] }] }, ['ListPets']],
  ['all paths that begin with another', { toolFilters: [{ filterPath: '/pets/*', methods: ['GET'] }] }, ['GetPet', 'GetPhotos']],
  ['filters that overlap', { toolFilters: [...filters('/pets'), { filterPath: '/pets', methods: ['GET'] }] }, ['AddPet', 'ListPets']],
  [
    'a name and a description of their own',
    {
      toolFilters: [{ filterPath: '/*', methods: ['GET', 'DELETE'] }],
      toolOverrides: [
        { path: '/pets/{petId}', method: 'DELETE', name: 'remove_pet', description: 'Gives a pet away.' },
        { path: '/pets', method: 'GET', name: 'pets' },
      ],
    },
    ['GetHealth', 'GetPet', 'GetPhotos', 'pets', 'remove_pet'],
  ],
])('%s: the tools of the filters, without proxies and what needs a signature and a key', async (_, configuration, names) => {
  const { bindings } = await stage();
  const { url, target } = await withGateway(OPEN, { bindings });
  expect(await target(of(configuration))).toMatchObject({ status: 'READY' });
  const { tools } = await (await connected(url)).listTools();
  const found = new Map(tools.map(({ name, description = '' }) => [name.slice('Pets___'.length), description]));
  expect([...found.keys()].sort()).toEqual(names);
  if (found.has('remove_pet')) expect([found.get('remove_pet'), found.get('pets')]).toEqual(['Gives a pet away.', 'Lists the pets.']);
});

test('GATEWAY_IAM_ROLE signs for execute-api', async () => {
  const { bindings, asked } = await stage();
  const { url, target } = await withGateway(OPEN, { bindings });
  await target(of({ toolFilters: filters('/pets') }, { credentialProviderType: 'GATEWAY_IAM_ROLE' }));
  await (await connected(url)).callTool({ name: 'Pets___ListPets', arguments: { limit: 2 } });
  const [request] = asked as [Asked];
  expect(signedRegion(request, 'execute-api')).toBe('us-east-1');
  expect(request.url).toBe('/behind/pets?limit=2');
});

test('API_KEY sends a key of Identity', async () => {
  const { bindings, asked } = await stage();
  const { url, target, controls } = await withGateway(OPEN, { bindings });
  const key = new CreateApiKeyCredentialProviderCommand({ name: 'pets', apiKey: 'key-of-the-pets' });
  const { credentialProviderArn: providerArn = '' } = await controls.send(key);
  const apiKeyCredentialProvider = { providerArn, credentialParameterName: 'x-api-key' };
  await target(
    of({ toolFilters: filters('/pets') }, { credentialProviderType: 'API_KEY', credentialProvider: { apiKeyCredentialProvider } }),
  );
  await (await connected(url)).callTool({ name: 'Pets___ListPets', arguments: {} });
  expect(asked.at(-1)?.headers['x-api-key']).toBe('key-of-the-pets');
});

const override = (more: object) => ({
  toolFilters: filters('/pets'),
  toolOverrides: [{ path: '/pets', method: 'GET' as const, name: 'a', ...more }],
});

test.each<[string, ApiGatewayToolConfiguration, string]>([
  ['a filter that matches nothing', { toolFilters: filters('/cats') }, 'The filter /cats matches no path'],
  ['a wildcard that matches nothing', { toolFilters: filters('/cats/*') }, 'The filter /cats/* matches no path'],
  ['a method that there is not', { toolFilters: [{ filterPath: '/pets', methods: ['PATCH'] }] }, 'choose no operation'],
  [
    'an operation without a name',
    { toolFilters: filters('/*') },
    'Operations have no name: DELETE /pets/{petId}. Give each an operationName',
  ],
  ['a proxy resource', { toolFilters: filters('/files/{proxy+}') }, 'choose no operation'],
  ['an override of what no filter chooses', override({ path: '/health' }), 'No filter chooses GET /health'],
  ['an override of what there is not', override({ method: 'PUT' }), 'has no operation PUT /pets'],
  [
    'an override of what is left out',
    { ...override({ path: '/signed' }), toolFilters: filters('/*') },
    'GET /signed, which an override is for, is left out',
  ],
  ['a name that is taken', override({ name: 'AddPet' }), 'are both named AddPet'],
])('a target with %s is FAILED, with what to do', async (_, configuration, why) => {
  const { bindings } = await stage();
  const { target } = await withGateway(OPEN, { bindings });
  const { status, reasons } = await target(of(configuration));
  expect(status).toBe('FAILED');
  expect(reasons).toContain(why);
});

test.each<[string, unknown, string]>([
  ['that is not JSON', 'openapi: 3.0.1', 'get-export --export-type oas30'],
  ['of Swagger', { ...EXPORT, openapi: undefined, swagger: '2.0' }, 'swagger'],
])('an export %s is the reason of the failure', async (_, document, why) => {
  const { bindings } = await stage(document);
  const { target } = await withGateway(OPEN, { bindings });
  const { status, reasons } = await target(of({ toolFilters: filters('/pets') }));
  expect(status).toBe('FAILED');
  expect(reasons).toContain(why);
});

test('a stage whose export is not bound is FAILED, with what to bind', async () => {
  const { target } = await withGateway(OPEN);
  const { status, reasons } = await target(of({ toolFilters: filters('/pets') }));
  expect(status).toBe('FAILED');
  expect(reasons).toContain('Add "apigateway:abc123/prod" with the path of a file');
});

test.each<[string, ApiGatewayToolConfiguration, string, CredentialProviderConfiguration?]>([
  ['no filter', { toolFilters: [] }, 'toolFilters is empty'],
  ['a filter without methods', { toolFilters: [{ filterPath: '/pets', methods: [] }] }, 'has no methods'],
  ['a wildcard that is not at the end', { toolFilters: filters('/*/photos') }, 'filterPath /*/photos'],
  ['a path without a slash', { toolFilters: filters('pets') }, 'filterPath pets'],
  ['an override of a wildcard', override({ path: '/pets/*' }), 'not an explicit one'],
  ['an override with a blank in its name', override({ name: 'a b' }), '"a b"'],
  [
    'two overrides of one operation',
    { toolFilters: filters('/pets'), toolOverrides: ['a', 'b'].map((name) => ({ name, path: '/pets', method: 'GET' })) },
    'two overrides of GET /pets',
  ],
  ['a token of the caller', { toolFilters: filters('/pets') }, 'JWT_PASSTHROUGH', { credentialProviderType: 'JWT_PASSTHROUGH' }],
])('%s is refused', async (_, configuration, why, credential) => {
  const { target } = await withGateway(OPEN);
  await expect(target(of(configuration, credential))).rejects.toMatchObject({
    name: 'ValidationException',
    message: expect.stringContaining(why),
  });
});
