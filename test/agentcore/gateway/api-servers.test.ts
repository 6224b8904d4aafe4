/** OpenAPI documents as targets: which host gets the key, and what is told of a document that cannot be served. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CreateApiKeyCredentialProviderCommand } from '@aws-sdk/client-bedrock-agentcore-control';
import { expect, onTestFinished, test } from 'vitest';
import { connected, textOf, withGateway } from './kit.ts';

const API = 'https://api.example.com/v1';
const UPLOADS = 'https://upload.example.com';

type Fields = { readonly [key: string]: unknown };
const operation = (more: Fields = {}) => ({ responses: { 200: { description: 'ok' } }, ...more });
const look = { '/look': { get: operation({ operationId: 'look' }) } };
/** Its fields are in the order of `more`: a server that is named late is the server all the same. */
const documentOf = (more: Fields) => JSON.stringify({ openapi: '3.0.3', info: { title: 'Shop', version: '1' }, ...more });

/** A host that records the keys that it is sent, by path. */
async function host() {
  const keys: (readonly [path: string, key: unknown])[] = [];
  const server = createServer((request, response) => {
    keys.push([request.url ?? '', request.headers['x-api-key']]);
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"ok":true}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close().closeAllConnections());
  return { keys, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

async function targetOf(document: string) {
  const [api, uploads] = [await host(), await host()];
  const bindings = { [`url:${API}`]: api.url, [`url:${UPLOADS}`]: uploads.url, 'url:https://eu.example.com': api.url } as const;
  const { url, target, controls } = await withGateway({ authorizerType: 'NONE' }, { bindings });
  const { credentialProviderArn: providerArn = '' } = await controls.send(
    new CreateApiKeyCredentialProviderCommand({ name: 'shop', apiKey: 'key-of-the-shop' }),
  );
  const provider = { apiKeyCredentialProvider: { providerArn, credentialParameterName: 'x-api-key' } };
  const made = await target({
    name: 'Shop',
    targetConfiguration: { mcp: { openApiSchema: { inlinePayload: document } } },
    credentialProviderConfigurations: [{ credentialProviderType: 'API_KEY', credentialProvider: provider }],
  });
  return { ...made, url, api, uploads };
}

const KEY = 'key-of-the-shop';
const servers = [{ url: API }];

test.each<[string, string, { api?: string[]; uploads?: string[] }]>([
  [
    'a description that speaks of servers and of another url',
    documentOf({
      info: { title: 'Shop', version: '1', description: `Two servers: the url: ${UPLOADS} is for files.` },
      servers,
      paths: look,
    }),
    { api: ['/look'] },
  ],
  [
    'a server of one operation, before that of all',
    documentOf({ paths: { '/put': { post: operation({ operationId: 'put', servers: [{ url: UPLOADS }] }) }, ...look }, servers }),
    { api: ['/look'], uploads: ['/put'] },
  ],
  [
    'a server of one operation, after that of all',
    documentOf({ servers, paths: { ...look, '/put': { post: operation({ operationId: 'put', servers: [{ url: UPLOADS }] }) } } }),
    { api: ['/look'], uploads: ['/put'] },
  ],
  [
    'a server of a path',
    documentOf({ servers, paths: { '/put': { servers: [{ url: UPLOADS }], post: operation({ operationId: 'put' }) } } }),
    { uploads: ['/put'] },
  ],
  ['a server with a field before its url', documentOf({ servers: [{ description: UPLOADS, url: API }], paths: look }), { api: ['/look'] }],
  [
    'a variable with a default',
    documentOf({ servers: [{ url: 'https://{region}.example.com', variables: { region: { default: 'eu' } } }], paths: look }),
    { api: ['/look'] },
  ],
  [
    'YAML',
    `openapi: 3.0.3\ninfo: {title: Shop, version: '1'}\npaths: ${JSON.stringify(look)}\nservers:\n- url: ${API}\n`,
    { api: ['/look'] },
  ],
])('%s: each operation is called, with the key, where the document serves it', async (_, document, expected) => {
  const { status, reasons, url, api, uploads } = await targetOf(document);
  expect([status, reasons]).toEqual(['READY', '']);
  const client = await connected(url, { fetch });
  for (const { name } of (await client.listTools()).tools) expect(textOf(await client.callTool({ name, arguments: {} }))).toContain('ok');
  expect(api.keys).toEqual((expected.api ?? []).map((path) => [path, KEY]));
  expect(uploads.keys).toEqual((expected.uploads ?? []).map((path) => [path, KEY]));
});

test.each<[string, Fields, string[]]>([
  ['no server', { paths: look }, ['says no server', '"servers"']],
  ['a relative server', { servers: [{ url: '/v1' }], paths: look }, ['"/v1" is relative', '"servers"']],
  [
    'a server with a variable without a default',
    { servers: [{ url: 'https://{tenant}.example.com' }], paths: look },
    ['the variable {tenant}', 'default'],
  ],
  ['a server with a password', { servers: [{ url: 'https://ana:hunter2@api.example.com' }], paths: look }, ['credential provider']],
  ['a server that is not one of http', { servers: [{ url: 'ftp://api.example.com' }], paths: look }, ['not one of http']],
  [
    'one operation among others that is served nowhere',
    { servers, paths: { ...look, '/put': { post: operation({ operationId: 'put', servers: [{ url: '/files' }] }) } } },
    ['#/paths/~1put/post', '"/files" is relative'],
  ],
  [
    'two operations of the same id',
    { servers, paths: { ...look, '/see': { get: operation({ operationId: 'look' }) } } },
    ['two operations are named "look"', '#/paths/~1look/get', '#/paths/~1see/get'],
  ],
  ['no operations', { servers, paths: {} }, ['no operations']],
  [
    'a reference to another document',
    { servers, paths: { '/look': { get: operation({ parameters: [{ in: 'query', name: 'q', schema: { $ref: 'other.yaml#/Q' } }] }) } } },
    ['other.yaml#/Q'],
  ],
  [
    'a reference that leads to itself',
    {
      servers,
      paths: { '/look': { get: operation({ parameters: [{ $ref: '#/components/parameters/A' }] }) } },
      components: { parameters: { A: { $ref: '#/components/parameters/B' }, B: { $ref: '#/components/parameters/A' } } },
    },
    ['#/components/parameters/'],
  ],
])('a document with %s: the target is FAILED, and its reasons say what to do', async (_, document, told) => {
  const { status, reasons, url } = await targetOf(documentOf(document));
  expect(status).toBe('FAILED');
  expect(reasons).toMatch(/^openApiSchema: /);
  for (const text of told) expect(reasons).toContain(text);
  // what only the library takes is not advised here
  expect(reasons).not.toMatch(/hunter2|openApiTools|server: '/);
  expect((await (await connected(url, { fetch })).listTools()).tools).toEqual([]);
});

test('a schema that contains itself is a tool, and so is an operation without an id', async () => {
  const node = {
    type: 'object',
    properties: { name: { type: 'string' }, kids: { type: 'array', items: { $ref: '#/components/schemas/Node' } } },
  };
  const content = { 'application/json': { schema: { $ref: '#/components/schemas/Node' } } };
  const paths = {
    '/trees': { post: operation({ operationId: 'plant', requestBody: { content } }) },
    '/trees/{id}': { get: operation({ parameters: [{ in: 'path', name: 'id', required: true, schema: { type: 'string' } }] }) },
  };
  const { status, url, api } = await targetOf(documentOf({ servers, paths, components: { schemas: { Node: node } } }));
  expect(status).toBe('READY');
  const client = await connected(url, { fetch });
  const { tools } = await client.listTools();
  expect(tools.map(({ name }) => name)).toEqual(['Shop___plant', 'Shop___get_trees_id']);
  const body = { name: 'oak', kids: [{ name: 'ash', kids: [] }] };
  expect(textOf(await client.callTool({ name: 'Shop___plant', arguments: { body } }))).toContain('ok');
  expect(textOf(await client.callTool({ name: 'Shop___get_trees_id', arguments: { id: '7' } }))).toContain('ok');
  expect(api.keys.map(([path]) => path)).toEqual(['/trees', '/trees/7']);
});
