import { expect, test } from 'vitest';
import { openApiTools } from '../../src/adapters/gateway/index.ts';
import { readDocument } from '../../src/adapters/gateway/openapi/document.ts';
import type { Operation } from '../../src/adapters/gateway/openapi/operations.ts';
import { inputSchema, requestOf } from '../../src/adapters/gateway/openapi/request.ts';
import type { Tool } from '../../src/index.ts';
import type { JsonObject } from '../../src/json.ts';
import { definition } from '../../src/loop/tools/tool.ts';
import { listen } from '../../src/server/index.ts';

const ADDED = { server: new URL('https://api.example.com'), headers: {} };

/** An API with one operation, whose body is of this type. */
async function put(type: string, schema: JsonObject, more: JsonObject = {}) {
  const requestBody = { content: { [type]: { schema } } };
  const paths = { '/flag': { put: { operationId: 'setFlag', requestBody, responses: { 200: { description: 'ok' } } } } };
  const { operations } = await readDocument({ openapi: '3.1.0', info: { title: 'x', version: '1' }, paths, ...more } as never, 'test');
  return operations[0] as Operation;
}
const bodyOf = async (operation: Operation, input: JsonObject) => {
  const { body, headers } = await requestOf(operation, input, ADDED);
  return [headers['content-type'], body && Buffer.from(body as Uint8Array).toString()];
};

test('null is a body of JSON, and nothing of other types', async () => {
  const json = await put('application/json', { type: ['string', 'null'] });
  expect(await bodyOf(json, { body: null })).toEqual(['application/json', 'null']);
  expect(await bodyOf(json, {})).toEqual([undefined, undefined]);
  expect(await bodyOf({ ...json, body: { ...json.body, empty: {} } as Operation['body'] }, {})).toEqual(['application/json', '{}']);
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/pdf'])
    expect(await bodyOf(await put(type, {}), { body: null })).toEqual([undefined, undefined]);
});

test('an argument that the operation does not have is refused: what it says would be left out of what is sent', async () => {
  const json = await put('application/json', { type: 'object', properties: { text: { type: 'string' } } });
  await expect(requestOf(json, { text: 'hi' }, ADDED)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENTS',
    outcome: 'not-run',
    message: 'There is no argument "text". There are body. What is to be sent is the value of body.',
  });
  const { body: _, ...bare } = json;
  await expect(requestOf(bare as Operation, { q: 1, b: null }, ADDED)).rejects.toMatchObject({
    message: 'There is no argument "q", "b". The operation has none.',
  });
  expect(await bodyOf(json, { body: { text: 'hi' } })).toEqual(['application/json', '{"text":"hi"}']);
});

test('a schema may have the name of what every object has', async () => {
  for (const name of ['__proto__', 'constructor']) {
    const schemas = JSON.parse(`{ "${name}": { "type": "object", "properties": { "n": { "type": "number" } } } }`) as JsonObject;
    const document = { openapi: '3.1.0', components: { schemas } };
    const operation = await put('application/json', { $ref: `#/components/schemas/${name}` }, { components: { schemas } });
    const { $defs } = inputSchema(document, operation, 'test');
    expect(Object.entries($defs as JsonObject)).toEqual([[name, schemas[name]]]);
  }
});

test('the fields of an object in the query do not replace what another parameter or the application says', async () => {
  const parameters = [
    { name: 'filters', in: 'query', schema: { type: 'object' } },
    { name: 'page', in: 'query', style: 'deepObject', schema: { type: 'object' } },
    { name: 'limit', in: 'query', schema: { type: 'integer' } },
  ];
  const paths = { '/items': { get: { operationId: 'list', parameters, responses: { 200: { description: 'ok' } } } } };
  const { operations } = await readDocument({ openapi: '3.1.0', info: { title: 'x', version: '1' }, paths } as never, 'test');
  const server = new URL('https://api.example.com/v1?account=42&page[size]=5');
  const sent = async (input: JsonObject) => (await requestOf(operations[0] as Operation, input, { server, headers: {} })).url.search;
  const filters = { account: '7', limit: '9', filters: 'on', color: 'blue' };
  expect(await sent({ filters, page: { size: 9, after: 'x' }, limit: 1 })).toBe(
    '?account=42&page[size]=5&filters=on&color=blue&page%5Bafter%5D=x&limit=1',
  );
  expect(await sent({ filters })).toBe('?account=42&page[size]=5&filters=on&color=blue');
});

test('half of a character, which has no bytes, is refused before anything is sent, wherever it would be', async () => {
  const half = 'a\ud83d';
  const parameters = [
    { name: 'id', in: 'path', required: true, schema: { type: 'string' } },
    { name: 'q', in: 'query', schema: { type: 'string' } },
    { name: 'page', in: 'query', style: 'deepObject', schema: { type: 'object' } },
    { name: 'c', in: 'cookie', schema: { type: 'string' } },
    { name: 'x-h', in: 'header', schema: { type: 'string' } },
  ];
  const paths = { '/items/{id}': { get: { operationId: 'read', parameters, responses: { 200: { description: 'ok' } } } } };
  const { operations } = await readDocument({ openapi: '3.1.0', info: { title: 'x', version: '1' }, paths } as never, 'test');
  const refused = { code: 'INVALID_ARGUMENTS', outcome: 'not-run' };
  const places: JsonObject[] = [{ id: half }, { q: half }, { page: { [half]: 1 } }, { c: half }, { 'x-h': half }];
  for (const more of places)
    await expect(requestOf(operations[0] as Operation, { id: '1', ...more }, ADDED)).rejects.toMatchObject(refused);
  const file = { type: 'object', properties: { file: { type: 'string', format: 'binary' } } };
  const bodies: [string, JsonObject, JsonObject | string][] = [
    ['application/x-www-form-urlencoded', {}, { note: half }],
    ['multipart/form-data', file, { note: half }],
    ['multipart/form-data', file, { [half]: 'note' }],
    ['multipart/form-data', file, { file: { text: half } }],
    ['multipart/form-data', file, { file: { text: 'a', name: half } }],
    ['text/plain', {}, half],
    ['application/pdf', {}, { text: half }],
  ];
  for (const [type, schema, body] of bodies)
    await expect(requestOf(await put(type, schema), { body }, ADDED)).rejects.toMatchObject(refused);
  // JSON has a way to write it
  expect(await bodyOf(await put('application/json', {}), { body: half })).toEqual(['application/json', '"a\\ud83d"']);
  const form = await put('application/x-www-form-urlencoded', {});
  expect(await bodyOf(form, { body: { note: 'a\u{1f600}' } })).toEqual(['application/x-www-form-urlencoded', 'note=a%F0%9F%98%80']);
});

test('a server on this machine that only the document names is refused, with what lifts it', async () => {
  const paths = { '/orders': { get: { operationId: 'orders', responses: { 200: { description: 'ok' } } } } };
  const document = { openapi: '3.1.0', info: { title: 'x', version: '1' }, servers: [{ url: 'http://127.0.0.1:9' }], paths };
  const call = async (o: { server?: string }) => {
    const opened = await openApiTools({ document, ...o }).open({ signal: new AbortController().signal });
    const [orders] = await opened.list();
    const ctx = { signal: new AbortController().signal, credentials: {}, idempotencyKey: 'k' };
    return definition(orders as Tool).options.execute({}, ctx as never);
  };
  await expect(call({})).rejects.toMatchObject({
    code: 'ADDRESS_REFUSED',
    message: expect.stringMatching(/127\.0\.0\.1 is not a public address.*name it too: { server: /),
    outcome: 'not-run',
  });
  await expect(call({ server: 'http://127.0.0.1:9' })).rejects.toMatchObject({ code: 'NETWORK' });
});

test('a server that cannot be reached for a reason that no table lists is told by the code of the error', async () => {
  await using plain = await listen(() => new Response('x'));
  const paths = { '/orders': { get: { operationId: 'orders', responses: { 200: { description: 'ok' } } } } };
  const document = { openapi: '3.1.0', info: { title: 'x', version: '1' }, paths };
  const opened = await openApiTools({ document, server: plain.url.replace('http:', 'https:') }).open({
    signal: new AbortController().signal,
  });
  const [orders] = await opened.list();
  const ctx = { signal: new AbortController().signal, credentials: {}, idempotencyKey: 'k' };
  await expect(async () => definition(orders as Tool).options.execute({}, ctx as never)).rejects.toMatchObject({
    code: 'NETWORK',
    message: expect.stringContaining('(ERR_SSL_WRONG_VERSION_NUMBER)'),
  });
});
