import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { McpTargetConfiguration } from '@aws-sdk/client-bedrock-agentcore-control';
import { expect, test } from 'vitest';
import { folder } from '../../kit/folder.ts';
import { type Ast, library } from '../fixtures/smithy.ts';
import { connected, textOf, withGateway } from './kit.ts';
import { recorded, signedRegion } from './recorded.ts';

const OPEN = { authorizerType: 'NONE' as const };
const ENDPOINT = 'https://library.us-east-1.amazonaws.com';
const NS = 'example.library#';

const of = (smithyModel: McpTargetConfiguration['smithyModel']) => ({
  name: 'Library',
  targetConfiguration: { mcp: { smithyModel } as McpTargetConfiguration },
  credentialProviderConfigurations: [{ credentialProviderType: 'GATEWAY_IAM_ROLE' as const }],
});
const inline = (model: unknown = library()) => of({ inlinePayload: typeof model === 'string' ? model : JSON.stringify(model) });

/** A client of a gateway whose target is the library, and what the library is asked. */
async function served(reply: Parameters<typeof recorded>[0] = undefined, more: Parameters<typeof withGateway>[0] = {}) {
  const { asked, address } = await recorded(reply);
  const bindings = {
    [`url:${ENDPOINT}`]: `${address}/v1`,
    'url:https://stats.library.us-east-1.amazonaws.com': `${address}/stats`,
  } as const;
  const { url, target, server } = await withGateway({ ...OPEN, ...more }, { bindings });
  expect(await target(inline())).toMatchObject({ status: 'READY', reasons: '' });
  const client = await connected(url);
  const call = async (name: string, input: Record<string, unknown> = {}) =>
    client.callTool({ name: `Library___${name}`, arguments: input });
  return { asked, call, client, server };
}

test('the operations of a model are tools, those of its resources too', async () => {
  const { client } = await served();
  const tools = new Map((await client.listTools()).tools.map(({ name, ...rest }) => [name.slice('Library___'.length), rest]));
  expect([...tools.keys()].sort()).toEqual(['CountBooks', 'GetBook', 'ListShelves', 'PutBook', 'SearchBooks', 'UploadCover']);
  expect(tools.get('GetBook')).toMatchObject({
    description: 'Gets a book & its pages.\nSee more.',
    inputSchema: {
      required: ['shelf', 'bookPath'],
      properties: {
        tags: { type: 'array' },
        since: { type: 'string' },
        before: { format: 'date-time' },
        filters: { $ref: '#/$defs/Filters' },
      },
    },
  });
  expect(['SearchBooks', 'PutBook'].map((name) => tools.get(name)?.annotations?.readOnlyHint)).toEqual([true, undefined]);
  const { isbn, body } = tools.get('PutBook')?.inputSchema.properties ?? {};
  expect(isbn).toMatchObject({ pattern: '^[0-9]{13}$' });
  expect(body).toMatchObject({
    required: ['title'],
    properties: {
      title: { type: 'string', minLength: 1, maxLength: 200, description: 'The title.' },
      pageCount: { type: 'integer', minimum: 1, maximum: 9_999 },
      genre: { enum: ['novel', 'poem'] },
      published: { type: 'number' },
      added: { type: 'string', format: 'date-time' },
      cover: { contentEncoding: 'base64' },
    },
  });
});

test('members are sent where the model binds them', async () => {
  const { asked, call } = await served();
  await call('GetBook', {
    shelf: 'a/b',
    bookPath: 'poems/old ones',
    tags: ['x', 'y'],
    before: '2026-01-31T10:00:00Z',
    since: 'Sat, 31 Jan 2026 10:00:00 GMT',
    filters: { author: ['Ana', 'Bob'], tag: ['taken'], view: ['taken'] },
  });
  const [got] = asked;
  expect(got?.url).toBe(
    '/v1/shelves/a%2Fb/books/poems/old%20ones?view=full&tag=x&tag=y&before=2026-01-31T10%3A00%3A00Z&author=Ana&author=Bob',
  );
  expect(got?.headers['if-modified-since']).toBe('Sat, 31 Jan 2026 10:00:00 GMT');

  // a chapter within a chapter: the model recurs
  const body = {
    title: 'Odes',
    pageCount: 3,
    genre: 'poem',
    chapters: [{ title: 'I', chapters: [{ title: 'a' }] }],
    price: { dollars: 3.5 },
  };
  await call('PutBook', { isbn: '9780000000000', metadata: { Shelf: 'top' }, body });
  const put = asked.at(-1);
  expect(put).toMatchObject({
    method: 'PUT',
    url: '/v1/books/9780000000000',
    headers: { 'x-book-meta-shelf': 'top', 'content-type': 'application/json' },
  });
  expect(JSON.parse(put?.body ?? '')).toEqual(body);

  await call('UploadCover', { isbn: '9780000000000', body: { text: 'png' } });
  expect(asked.at(-1)).toMatchObject({ url: '/v1/books/9780000000000/cover', headers: { 'content-type': 'image/png' }, body: 'png' });
  await call('SearchBooks');
  expect(asked.at(-1)).toMatchObject({ method: 'POST', url: '/v1/search', body: '{}' });
  await call('ListShelves', { maxResults: 5 });
  expect(asked.at(-1)).toMatchObject({ method: 'GET', url: '/v1/shelves/?max-results=5', body: '' });
  // the operation has an address of its own
  await call('CountBooks');
  expect(asked.at(-1)?.url).toBe('/stats/count');
});

test('requests are signed for the name that the model signs with', async () => {
  const { asked, call } = await served();
  await call('SearchBooks', { body: { words: 'sea' } });
  await call('GetBook', { shelf: 'a', bookPath: 'b/c' });
  for (const one of asked) expect(signedRegion(one, 'library-sign')).toBe('us-east-1');
  expect(asked).toHaveLength(2);
});

test.each([
  ['a path that leads elsewhere', 'GetBook', { shelf: 'a', bookPath: '../../admin' }],
  ['a header that the protocol sets', 'PutBook', { isbn: '9780000000000', metadata: { 'a:b': 'x' }, body: { title: 'a' } }],
  ['what the model forbids', 'PutBook', { isbn: '9780000000000', body: { title: '' } }],
  ['two members of a union', 'PutBook', { isbn: '9780000000000', body: { title: 'a', price: { free: true, dollars: 1 } } }],
  ['a label that is missing', 'GetBook', { shelf: 'a' }],
])('%s is not sent', async (_, name, input) => {
  const { asked, call } = await served();
  expect((await call(name, input)).isError).toBe(true);
  expect(asked).toEqual([]);
});

test.each([
  ['a header', { headers: { 'x-amzn-errortype': 'example.library#NoSuchBook:http://internal/' } }],
  ['the body', { body: '{"__type":"example.library#NoSuchBook"}' }],
])('an error that %s names is told with its name to a client that may know', async (_, reply) => {
  const failing = () => ({ status: 404, body: '{"message":"There is none."}', ...reply });
  const input = { shelf: 'a', bookPath: 'b' };
  const { call } = await served(failing, { exceptionLevel: 'DEBUG' });
  expect(textOf(await call('GetBook', input))).toContain('Library answered HTTP 404 NoSuchBook: {');
  const quiet = await served(failing);
  expect(textOf(await quiet.call('GetBook', input))).not.toContain('NoSuchBook');
  expect(quiet.server.calls().findLast(({ operation }) => operation === 'InvokeGateway tools/call')?.rule).toContain('NoSuchBook');
});

test('a model in S3 is read', async () => {
  const file = join(folder('smithy'), 'model.json');
  writeFileSync(file, JSON.stringify(library()));
  const { target } = await withGateway(OPEN, { bindings: { 's3://models/library.json': file } });
  expect(await target(of({ s3: { uri: 's3://models/library.json' } }))).toMatchObject({ status: 'READY' });
});

const changed = (change: (shapes: Ast['shapes']) => void): Ast => {
  const model = library();
  change(model.shapes);
  return model;
};
const ofService = (change: (service: Ast['shapes'][string]) => void) => changed((shapes) => change(shapes[`${NS}Library`]));

test.each<[string, unknown, string]>([
  ['that is not JSON', 'namespace example.library', 'the model is not JSON'],
  ['of Smithy 1', { ...library(), smithy: '1.0' }, 'JSON form of Smithy 2.0'],
  ['without shapes', { smithy: '2.0' }, 'JSON form of Smithy 2.0'],
  ['of two services', changed((shapes) => Object.assign(shapes, { 'a#B': shapes[`${NS}Library`] })), '2 services'],
  [
    'of another protocol',
    ofService(({ traits }) => {
      delete traits['aws.protocols#restJson1'];
      traits['aws.protocols#awsJson1_0'] = {};
    }),
    'speaks aws.protocols#awsJson1_0. AgentCore takes models of aws.protocols#restJson1 alone',
  ],
  [
    'of a service that is not one of AWS',
    ofService(({ traits }) => {
      delete traits['aws.api#service'];
    }),
    'models of services of AWS alone. Give an openApiSchema',
  ],
  [
    'with an operation that streams',
    changed((shapes) => Object.assign(shapes[`${NS}Image`].traits, { 'smithy.api#streaming': {} })),
    'stream are not supported: UploadCover',
  ],
  ['without operations', ofService((service) => Object.assign(service, { operations: [], resources: [] })), 'has no operations'],
  ['with a shape that is missing', changed((shapes) => delete shapes[`${NS}Tags`]), 'no shape "example.library#Tags"'],
  [
    'with an operation without HTTP',
    changed((shapes) => delete shapes[`${NS}CountBooks`].traits['smithy.api#http']),
    'no trait smithy.api#http',
  ],
  ['with a label without a member', changed((shapes) => delete shapes[`${NS}PutBookInput`].members.isbn), 'no member for the label {isbn}'],
])('a target of a model %s is FAILED, with the reason', async (_, model, why) => {
  const { target } = await withGateway(OPEN);
  const { status, reasons } = await target(inline(model));
  expect(status).toBe('FAILED');
  expect(reasons).toContain('smithyModel: ');
  expect(reasons).toContain(why);
});

test('a target of a model needs the role of the gateway', async () => {
  const { target } = await withGateway(OPEN);
  for (const credentials of [undefined, [{ credentialProviderType: 'JWT_PASSTHROUGH' as const }]])
    await expect(target({ ...inline(), credentialProviderConfigurations: credentials })).rejects.toMatchObject({
      name: 'ValidationException',
      message: expect.stringContaining('GATEWAY_IAM_ROLE'),
    });
});
