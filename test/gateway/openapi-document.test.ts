import type { Json, Tool } from 'rondo';
import { type OpenApiOptions, openApiTools } from 'rondo/gateway';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { definition } from '../../src/loop/tools/tool.ts';
import { refused } from '../kit/runs.ts';
import { over } from './calls.ts';

let warned: ReturnType<typeof vi.spyOn>;
beforeEach(() => {
  warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
});
afterEach(() => vi.restoreAllMocks());

const OK = { 200: { description: 'ok' } };
const get = (operationId: string | undefined, more: object = {}) => ({
  ...(operationId !== undefined && { operationId }),
  responses: OK,
  ...more,
});
const doc = (paths: object, more: object = {}) => ({ openapi: '3.1.0', info: { title: 't', version: '1' }, paths, ...more }) as const;
const SERVER = 'https://api.example.com';

async function toolsOf(document: OpenApiOptions['document'], o: Partial<OpenApiOptions> = {}): Promise<readonly Tool[]> {
  const opened = await openApiTools({ document, server: SERVER, ...o }).open({ signal: AbortSignal.timeout(60_000) });
  return opened.list();
}
const inputOf = (tool: Tool | undefined) => definition(tool as Tool).spec.input as { [k: string]: Json };
const inputs = async (document: OpenApiOptions['document']) => inputOf((await toolsOf(document))[0]);

describe('a document that cannot be used is refused, with the position', () => {
  const chain = { schemas: { A: { $ref: '#/components/schemas/B' }, B: { $ref: '#/components/schemas/A' } } };
  const query = (schema: object) => get('a', { parameters: [{ name: 'q', in: 'query', schema }] });
  test.each([
    ['Swagger 2', { swagger: '2.0', info: {}, paths: {} }, /Swagger.*Convert/, '#/swagger'],
    ['no version', { info: {}, paths: {} }, /openapi is missing/, '#/openapi'],
    ['a later version', doc({}, { openapi: '4.0.0' }), /3\.0 and 3\.1/, '#/openapi'],
    ['no operations', doc({ '/a': { summary: 'nothing' } }), /no operations/, '#/paths'],
    ['no paths', doc({}), /no operations/, '#/paths'],
    [
      'two equal operation ids',
      doc({ '/a': { get: get('x') }, '/b': { post: get('x') } }),
      /"x": #\/paths\/~1a\/get and #\/paths\/~1b\/post/,
      '#/paths/~1b/post',
    ],
    [
      'two names that are made equal',
      doc({ '/a/b': { get: get(undefined) }, '/a_b': { get: get(undefined) } }),
      /"get_a_b"/,
      '#/paths/~1a_b/get',
    ],
    [
      'a missing reference',
      doc({ '/a': { get: query({ $ref: '#/components/schemas/Nope' }) } }),
      /leads to nothing/,
      '#/paths/~1a/get/parameters/0/schema/$ref',
    ],
    [
      'a remote reference',
      doc({ '/a': { get: query({ $ref: 'https://evil.example/x.json#/A' }) } }),
      /not fetched/,
      '#/paths/~1a/get/parameters/0/schema/$ref',
    ],
    [
      'a reference to a file',
      doc({ '/a': { get: query({ $ref: './secrets.yaml' }) } }),
      /not fetched/,
      '#/paths/~1a/get/parameters/0/schema/$ref',
    ],
    [
      'references in a circle',
      doc({ '/a': { get: query({ $ref: '#/components/schemas/A' }) } }, { components: chain }),
      /leads back/,
      '#/paths/~1a/get/parameters/0/schema/$ref',
    ],
    [
      'a style that the place has not',
      doc({ '/a': { get: get('a', { parameters: [{ name: 'h', in: 'header', style: 'form', schema: {} }] }) } }),
      /simple/,
      '#/paths/~1a/get/parameters/0/style',
    ],
    ['a path without its parameter', doc({ '/a/{id}': { get: get('a') } }), /\{id\}/, '#/paths/~1a~1{id}/get'],
  ] as const)('%s', async (_, document, says, at) => {
    const error = await refused('CONFIG_INVALID', toolsOf(document as never));
    expect(error.message).toMatch(says);
    expect(error.details).toMatchObject({ at });
  });

  test('what the parser finds is told by its words, and never as a file', async () => {
    const invalid = { ...doc({ '/a': { get: { operationId: 'a', responses: 7 } } }) };
    expect((await refused('CONFIG_INVALID', toolsOf(invalid))).message).toMatch(/not valid OpenAPI[\s\S]*responses/);
    expect((await refused('CONFIG_INVALID', toolsOf('openapi: 3.1.0\ninfo:\n  title: x\n version: ['))).message).toMatch(
      /neither JSON nor YAML/,
    );
    expect((await refused('CONFIG_INVALID', toolsOf('{"openapi": "3.1.0",}{'))).message).toMatch(/neither JSON nor YAML/);
    for (const text of ['/etc/passwd', 'not found', 'true', 'null', '5', '- a', '<html></html>'])
      expect((await refused('CONFIG_INVALID', toolsOf(text))).message).toMatch(
        /document is an OpenAPI document, as an object or as its text in JSON or YAML\.$/,
      );
    expect((await refused('CONFIG_INVALID', toolsOf('./openapi.yaml'))).message).toMatch(/Read ".\/openapi.yaml" first/);
    expect((await refused('CONFIG_INVALID', toolsOf('https://api.example.com/openapi.json'))).message).toMatch(/Read/);
    const bomb = [
      'a: &a [x,x,x,x,x,x,x,x]',
      ...'bcdefgh'.split('').map((n, i) => `${n}: &${n} [${Array(8).fill(`*${'abcdefg'[i]}`).join(',')}]`),
    ];
    expect((await refused('CONFIG_INVALID', toolsOf(`openapi: 3.1.0\n${bomb.join('\n')}`))).message.length).toBeLessThan(2_000);
  });

  test('a run says the same, and the model is not asked', async () => {
    const { engine, agent: own, model } = over(openApiTools({ document: doc({}), server: SERVER }), ['never']);
    expect((await refused('CONFIG_INVALID', engine.run(own, 'go'))).message).toMatch(/no operations/);
    expect(model.requests).toHaveLength(0);
  });
});

test('options that are wrong are refused where they are written', async () => {
  const document = doc({ '/a': { get: get('a') } });
  await refused('CONFIG_INVALID', () => openApiTools({ document, sever: SERVER } as never));
  await refused('CONFIG_INVALID', () => openApiTools({ document, server: 'ftp://x' }));
  const secret = await refused('CONFIG_INVALID', () => openApiTools({ document, server: 'https://user:pass@api.example.com' }));
  expect(secret.message).not.toContain('pass@');
  const header = await refused('CONFIG_INVALID', () =>
    openApiTools({ document, server: SERVER, headers: { 'x-key': 'the-key\n' + 'x-admin: 1' } }),
  );
  expect(header.message).not.toContain('the-key');
  await refused('CONFIG_INVALID', () => openApiTools({ document, server: SERVER, idempotencyHeader: 'Idempotency Key' }));
  expect(
    (await refused('CONFIG_INVALID', () => openApiTools({ document, credentials: { type: 'api-key', provider: 'x' } }))).message,
  ).toMatch(/server that you name/);
  expect((await refused('CONFIG_INVALID', () => openApiTools({ document, headers: { 'x-key': 'k' } }))).message).toMatch(
    /server that you name/,
  );
  const withAuth = (credentials: unknown) => () => openApiTools({ document, server: SERVER, credentials: credentials as never });
  await refused('CONFIG_INVALID', withAuth({ type: 'apikey', provider: 'x' }));
  await refused('CONFIG_INVALID', withAuth({ type: 'api-key' }));
  await refused('CONFIG_INVALID', withAuth({ type: 'api-key', provider: 'x', in: 'query' }));
  await refused('CONFIG_INVALID', withAuth({ type: 'sigv4', service: 's3', region: 'us-east-1' }));
  await refused('CONFIG_INVALID', withAuth([{ type: 'oauth', provider: 'x' }, { type: 'pass-through' }]));
  expect((await refused('CONFIG_INVALID', toolsOf(document, { allow: ['b'] }))).message).toMatch(
    /no tool "b", which allow names. It has a\./,
  );
  await refused('CONFIG_INVALID', toolsOf(document, { effects: { b: 'read' } }));
});

test('the text of a document is JSON or YAML', async () => {
  const document = doc({ '/a': { get: get('a', { summary: 'All of A' }) } });
  const yaml =
    'openapi: 3.0.3\ninfo: {title: t, version: "1"}\npaths:\n  /a:\n    get:\n      operationId: a\n      summary: All of A\n      responses: {"200": {description: ok}}\n';
  for (const text of [JSON.stringify(document), yaml])
    expect((await toolsOf(text)).map((t) => [t.name, t.description, t.effect])).toEqual([['a', 'All of A', 'read']]);
});

test('names, descriptions and effects: an operationId, or the method and the path; what models take', async () => {
  const document = doc({
    '/pets/{pet-id}': {
      parameters: [{ name: 'pet-id', in: 'path', required: true, schema: { type: 'string' } }],
      get: get(undefined),
      put: get('pets/replace', { description: 'Puts', deprecated: true }),
      delete: get('x'.repeat(80)),
      head: get('pets.peek'),
    },
  });
  const tools = await toolsOf(document, { prefix: 'zoo_', effects: { 'pets/replace': 'idempotent' } });
  expect(tools.map((t) => [t.name, t.effect])).toEqual([
    ['zoo_get_pets_pet_id', 'read'],
    ['zoo_pets_replace', 'idempotent'],
    [expect.stringMatching(/^zoo_x{51,60}/), 'once'],
    ['zoo_pets_peek', 'read'],
  ]);
  expect(tools.every(({ name }) => name.length <= 64)).toBe(true);
  expect(tools[1]?.description).toBe('Deprecated.\nPuts');
  expect(await toolsOf(document, { allow: ['pets.peek'] })).toHaveLength(1);
});

describe('the input of a tool', () => {
  test('has a parameter by its name; of two with the same name, and one named body, with its place', async () => {
    const string = { type: 'string' };
    const document = doc({
      '/a/{id}': {
        post: get('a', {
          parameters: [
            { name: 'id', in: 'path', required: true, schema: string },
            { name: 'id', in: 'query', description: 'The other', schema: string },
            { name: 'body', in: 'query', required: true, schema: { type: 'integer' } },
            { name: 'Authorization', in: 'header', schema: string },
            { name: 'X-Trace', in: 'header', schema: string },
          ],
          requestBody: { required: true, description: 'What to make', content: { 'application/json': { schema: { type: 'object' } } } },
        }),
      },
    });
    expect(await inputs(document)).toEqual({
      type: 'object',
      properties: {
        path_id: string,
        query_id: { type: 'string', description: 'The other' },
        query_body: { type: 'integer' },
        'X-Trace': string,
        body: { type: 'object', description: 'What to make' },
      },
      required: ['path_id', 'query_body', 'body'],
    });
  });

  test('has names that models take, and the service gets its own', async () => {
    const of = (name: string, place = 'query') => ({ name, in: place, schema: { type: 'string' } });
    const long = 'x'.repeat(80);
    const parameters = [of('$filter'), of('page[size]'), of('page_size'), of('$'), of(long), of(`${long}y`), of('a.b-c')];
    const { properties } = await inputs(
      doc({ '/a': { get: get('a', { parameters, requestBody: { content: { 'application/json': {} } } }) } }),
    );
    const names = Object.keys(properties as object);
    expect(names).toEqual(['filter', 'query_page_size', 'query_page_size_2', 'parameter', 'x'.repeat(64), `${'x'.repeat(60)}_2`, 'a.b-c']);
  });

  test('has no parameter that the query of the server has', async () => {
    const parameters = ['account', 'limit'].map((name) => ({ name, in: 'query', schema: { type: 'string' } }));
    const document = doc({ '/a': { get: get('a', { parameters: [...parameters, { name: 'account', in: 'header', schema: {} }] }) } });
    const [own] = await toolsOf(document, { server: `${SERVER}/v1?account=42` });
    expect(Object.keys(inputOf(own).properties as object)).toEqual(['limit', 'header_account']);
  });

  test('has references as $defs: a schema that contains itself survives, is JSON, and is checked', async () => {
    const document = doc(
      { '/a': { post: get('a', { requestBody: { content: { 'application/json': { schema: { $ref: '#/components/schemas/Tree' } } } } }) } },
      {
        components: {
          schemas: {
            Tree: {
              type: 'object',
              required: ['name', 'id'],
              properties: {
                id: { type: 'string', readOnly: true },
                name: { $ref: '#/components/schemas/Name' },
                children: { type: 'array', items: { $ref: '#/components/schemas/Tree' } },
                $ref: { type: 'string' },
              },
              example: { name: 'root' },
            },
            Name: { type: 'string', maxLength: 5 },
            Unused: { type: 'object', properties: { x: { $ref: '#/components/schemas/Name' } } },
          },
        },
      },
    );
    const [own] = await toolsOf(document);
    expect(inputOf(own)).toEqual({
      type: 'object',
      properties: { body: { $ref: '#/$defs/Tree' } },
      $defs: {
        Tree: {
          type: 'object',
          required: ['name'],
          properties: {
            name: { $ref: '#/$defs/Name' },
            children: { type: 'array', items: { $ref: '#/$defs/Tree' } },
            $ref: { type: 'string' },
          },
        },
        Name: { type: 'string', maxLength: 5 },
      },
    });
    const check = async (body: unknown) => 'issues' in (await definition(own as Tool).options.input['~standard'].validate({ body }));
    expect(await check({ name: 'root', children: [{ name: 'leaf' }] })).toBe(false);
    expect(await check({ name: 'root', children: [{ name: 'too long' }] })).toBe(true);
  });

  test('has no field that the service sets, behind a reference or in another part of allOf, and does not require it', async () => {
    const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });
    const text = { type: 'string' };
    const schemas = {
      Id: { type: 'integer', readOnly: true },
      Named: { required: ['id', 'name'] },
      Cat: { type: 'object', required: ['id', 'name', 'at'], properties: { id: ref('Id'), name: text, at: { allOf: [ref('Id')] } } },
      Base: { properties: { id: { readOnly: true } } },
      Pet: { allOf: [ref('Base'), ref('Named'), { required: ['id', 'name'], properties: { id: text, name: text } }] },
      Dog: { properties: { base: { ...ref('Base'), required: ['id', 'name'] } } },
      Order: { allOf: [ref('Named')], required: ['id'], properties: { pet: ref('Pet') } },
    };
    const oneOf = ['Cat', 'Pet', 'Dog', 'Order'].map(ref);
    const { $defs } = await inputs(
      doc(
        { '/a': { put: get('a', { requestBody: { content: { 'application/json': { schema: { oneOf } } } } }) } },
        { components: { schemas } },
      ),
    );
    const used = (name: string) => ({ $ref: `#/$defs/${name}` });
    expect($defs).toEqual({
      Cat: { type: 'object', required: ['name'], properties: { name: text } },
      Base: { properties: {} },
      Pet: { allOf: [used('Base'), used('Named'), { required: ['name'], properties: { name: text } }] },
      // of a pet, which gets its id, and of an order, which does not
      Named: { required: ['name'] },
      Named_2: { required: ['id', 'name'] },
      Dog: { properties: { base: { ...used('Base'), required: ['name'] } } },
      Order: { allOf: [used('Named_2')], required: ['id'], properties: { pet: used('Pet') } },
    });
  });

  test('is of JSON Schema 2020-12, also from OpenAPI 3.0', async () => {
    const schema = {
      type: 'object',
      properties: {
        a: { type: 'string', nullable: true, enum: ['x', 'y'], example: 'x' },
        b: { type: 'number', minimum: 0, exclusiveMinimum: true, maximum: 9, exclusiveMaximum: false },
        c: { nullable: true, allOf: [{ $ref: '#/components/schemas/C' }] },
        d: { $ref: '#/components/schemas/C', description: 'ignored beside a reference' },
      },
      discriminator: { propertyName: 'a' },
      'x-own': true,
    };
    const of = (openapi: string) =>
      inputs({
        ...doc(
          { '/a': { put: get('a', { requestBody: { content: { 'application/json': { schema } } } }) } },
          { components: { schemas: { C: { type: 'string' } } } },
        ),
        openapi,
      });
    expect((await of('3.0.3')).properties).toEqual({
      body: {
        type: 'object',
        properties: {
          a: { type: ['string', 'null'], enum: ['x', 'y', null] },
          b: { type: 'number', exclusiveMinimum: 0, maximum: 9 },
          c: { anyOf: [{ allOf: [{ $ref: '#/$defs/C' }] }, { type: 'null' }] },
          d: { $ref: '#/$defs/C' },
        },
      },
    });
  });

  test('of a form says which fields are files, and of bytes that they are', async () => {
    const form = {
      type: 'object',
      properties: {
        title: { type: 'string' },
        photo: { type: 'string', format: 'binary' },
        more: { type: 'array', items: { type: 'string', format: 'binary' } },
      },
    };
    const FILE = {
      type: 'object',
      description: expect.any(String),
      properties: { name: expect.anything(), text: expect.anything(), base64: expect.anything() },
    };
    const of = async (type: string, schema: object) =>
      ((await inputs(doc({ '/a': { post: get('a', { requestBody: { content: { [type]: { schema } } } }) } }))).properties as { body: Json })
        .body;
    expect(await of('multipart/form-data', form)).toEqual({
      type: 'object',
      properties: { title: { type: 'string' }, photo: FILE, more: { type: 'array', items: FILE } },
    });
    expect(await of('application/octet-stream', { type: 'string', format: 'binary' })).toEqual(FILE);
    expect(await of('text/plain', {})).toEqual({ type: 'string' });
  });
});

test('a reason that several operations share is told once', async () => {
  const { message } = await refused('CONFIG_INVALID', toolsOf(doc({ '/a': { get: get('a'), post: get('b') } }), { server: undefined }));
  expect(message).toContain('"a", "b": ');
  expect(message.match(/the server of the document is not given/g)).toHaveLength(1);
});

test('an operation that cannot be offered is left out with a word, and fails if allow names it', async () => {
  const huge = {
    type: 'object',
    properties: Object.fromEntries(Array.from({ length: 3_000 }, (_, i) => [`field_${i}`, { type: 'string' }])),
  };
  const document = doc({ '/a': { get: get('a'), post: get('b', { requestBody: { content: { 'application/json': { schema: huge } } } }) } });
  expect((await toolsOf(document)).map((t) => t.name)).toEqual(['a']);
  expect(warned.mock.calls[0]?.[0]).toMatch(/left out. "b": /);
  await refused('CONFIG_INVALID', toolsOf(document, { allow: ['b'] }));
});
