/** Operations of an OpenAPI document against a service that reads requests with code of others. */
import type { Json } from 'rondo';
import { type OpenApiOptions, openApiTools } from 'rondo/gateway';
import { describe, expect, test } from 'vitest';
import { calling } from '../../gateway/calls.ts';
import { type Received, type Reference, reference } from './reference.ts';

const OK = { 200: { description: 'ok' } };
type Operation = { method?: string; path?: string; parameters?: object[]; content?: Record<string, object>; openapi?: string };

const documentOf = ({ method = 'get', path = '/a', parameters = [], content, openapi = '3.1.0' }: Operation) => ({
  openapi,
  info: { title: 't', version: '1' },
  paths: { [path]: { [method]: { operationId: 'op', parameters, responses: OK, ...(content && { requestBody: { content } }) } } },
});

async function asked(service: Reference, operation: Operation, input: Json, o: Partial<OpenApiOptions> = {}) {
  const source = openApiTools({ document: documentOf(operation), server: `${service.url}/v1`, ...o });
  const called = await calling(source, 'op', input);
  return { ...called, got: service.received.at(-1) as Received };
}

const list = { type: 'array', items: { type: 'string' } };
const object = { type: 'object' };
const string = { type: 'string' };

describe('parameters arrive as they were meant', () => {
  test('in the path, with all that could end it', async () => {
    const service = await reference(['/v1/users/:id/files/:name']);
    const path = '/users/{id}/files/{name}';
    const parameters = ['id', 'name'].map((name) => ({ name, in: 'path', required: true, schema: string }));
    for (const name of ['a/b', '?x=1', 'a#b', '100% ü 漢 😀', 'a+b&c', ';m=1', '%2e%2e'] as const) {
      const { got } = await asked(service, { path, parameters }, { id: 'u 1', name });
      expect(got.params).toEqual({ id: 'u 1', name });
    }
    for (const name of ['..', '.', '']) {
      const { failure, isError } = await asked(service, { path, parameters }, { id: 'u', name });
      expect(isError && failure).toMatchObject({ code: 'INVALID_ARGUMENTS', outcome: 'not-run' });
    }
    expect(service.received).toHaveLength(7);
  });

  test('in the query: lists and objects in each style, decoded by qs', async () => {
    const service = await reference();
    const of = async (parameter: object, value: Json) =>
      (await asked(service, { parameters: [{ name: 'q', in: 'query', ...parameter }] }, { q: value })).got;
    const odd = ['a,b', 'c&d=e', 'ü +'];
    expect((await of({ schema: list }, odd)).query).toEqual({ q: odd });
    expect((await of({ schema: list, explode: false }, ['a', 'b c'])).query).toEqual({ q: 'a,b c' });
    expect((await of({ schema: list, style: 'spaceDelimited', explode: false }, ['a', 'b'])).query).toEqual({ q: 'a b' });
    expect((await of({ schema: list, style: 'pipeDelimited', explode: false }, ['a', 'b'])).query).toEqual({ q: 'a|b' });
    expect((await of({ schema: object, style: 'deepObject', explode: true }, { min: 1, sub: { tags: ['x', 'y'] } })).query).toEqual({
      q: { min: '1', sub: { tags: ['x', 'y'] } },
    });
    expect((await of({ schema: object }, { R: 100, G: 'a&b' })).query).toEqual({ R: '100', G: 'a&b' });
    expect((await of({ content: { 'application/json': { schema: object } } }, { a: [1, { b: '"' }] })).query).toEqual({
      q: '{"a":[1,{"b":"\\""}]}',
    });
    expect((await of({ schema: string, allowReserved: true }, 'a/b?c&d#e')).query).toEqual({ q: 'a/b?c&d#e' });
    expect((await of({ schema: { type: 'boolean' } }, false)).query).toEqual({ q: 'false' });
    const named = await asked(service, { parameters: [{ name: '$filter', in: 'query', schema: string }] }, { filter: 'a eq 1' });
    expect(named.got.query).toEqual({ $filter: 'a eq 1' });
  });

  test('in headers and cookies; what the client sets, and a second header in one, is refused', async () => {
    const service = await reference();
    const parameters = [
      { name: 'X-List', in: 'header', schema: list },
      { name: 'X-Map', in: 'header', explode: true, schema: object },
      { name: 'sid', in: 'cookie', schema: string },
      { name: 'theme', in: 'cookie', schema: string },
    ];
    const { got } = await asked(service, { parameters }, { 'X-List': ['a', 'b'], 'X-Map': { a: 1 }, sid: 'x;y', theme: 'd k' });
    expect(got.headers).toMatchObject({ 'x-list': 'a,b', 'x-map': 'a=1', cookie: 'sid=x%3By; theme=d%20k' });
    const bad = await asked(service, { parameters }, { 'X-List': ['a\r\nx-admin: true'] });
    expect(bad.failure).toMatchObject({ code: 'INVALID_ARGUMENTS', outcome: 'not-run' });
    expect(service.received).toHaveLength(1);
  });
});

describe('bodies arrive as they were meant', () => {
  const sends = async (content: Record<string, object>, body: Json) => {
    const service = await reference();
    return (await asked(service, { method: 'post', content }, { body })).got;
  };

  test('JSON, of any media type of it', async () => {
    const body = { name: 'ü', list: [1, null, { deep: true }] };
    for (const type of ['application/json', 'application/json; charset=utf-8', '*/*']) {
      const got = await sends({ 'text/plain': { schema: string }, [type]: { schema: {} } }, body);
      expect(got.body).toEqual(body);
      expect(got.headers['content-type']).toMatch(/^application\/json/);
    }
  });

  test('a form, with the styles of its fields', async () => {
    const content = {
      'application/x-www-form-urlencoded': {
        schema: object,
        encoding: { filter: { style: 'deepObject', explode: true }, ids: { style: 'form', explode: false } },
      },
    };
    const got = await sends(content, { text: 'a b&c=d+é', list: ['x', 'y'], filter: { min: 1 }, ids: [1, 2], raw: { a: 1 } });
    expect(got.body).toEqual({ text: 'a b&c=d+é', list: ['x', 'y'], filter: { min: '1' }, ids: '1,2', raw: '{"a":1}' });
  });

  test('multipart, with files of text and of bytes', async () => {
    const file = { type: 'string', format: 'binary' };
    const schema = { type: 'object', properties: { photo: file, more: { type: 'array', items: file }, meta: object, title: string } };
    const content = { 'multipart/form-data': { schema, encoding: { photo: { contentType: 'image/png' } } } };
    const got = await sends(content, {
      title: 'Ünicode',
      photo: { name: 'a "b".png', base64: Buffer.from('PNG').toString('base64') },
      more: [{ text: 'one' }, { name: 'two.txt', text: 'two' }],
      meta: { a: 1 },
    });
    expect(got.body).toEqual([
      ['title', 'Ünicode'],
      ['photo', { file: 'a "b".png', type: 'image/png', text: 'PNG' }],
      ['more', { file: 'more', type: 'application/octet-stream', text: 'one' }],
      ['more', { file: 'two.txt', type: 'application/octet-stream', text: 'two' }],
      ['meta', '{"a":1}'],
    ]);
  });

  test('text and bytes', async () => {
    expect((await sends({ 'text/plain': { schema: string } }, 'häl\nlo')).body).toBe('häl\nlo');
    const bytes = Buffer.from([0, 255, 10]).toString('base64');
    expect((await sends({ 'application/octet-stream': {} }, { base64: bytes })).body).toEqual({ bytes });
    expect((await sends({ 'image/*': {} }, { text: 'x' })).headers['content-type']).toBe('application/octet-stream');
  });
});

describe('an answer', () => {
  test('is JSON, text, an image, or nothing; and no more of it is read than was said', async () => {
    const service = await reference();
    const says = async (answer: Reference['answers'][number], operation: Operation = {}, o: Partial<OpenApiOptions> = {}) => {
      service.answers.push(answer);
      return asked(service, operation, {}, o);
    };
    expect((await says({ body: '{"a":[1]}' })).value).toEqual({ a: [1] });
    expect((await says({ body: '{"a":[1', headers: { 'content-type': 'application/problem+json' } })).value).toBe('{"a":[1');
    expect((await says({ body: Buffer.from([0x68, 0xe9]), headers: { 'content-type': 'text/plain; charset=latin1' } })).value).toBe('hé');
    expect((await says({ body: 'PNG', headers: { 'content-type': 'image/png' } })).value).toBe('(image)');
    expect((await says({ status: 204, headers: {} }, { method: 'delete' })).value).toBe(null);
    expect((await says({ headers: { 'x-total': '7' } }, { method: 'head' })).value).toMatchObject({
      status: 200,
      headers: { 'x-total': '7' },
    });
    const large = await says({ body: JSON.stringify('x'.repeat(2_000)) }, {}, { maxResponse: 1_000 });
    expect(large.failure).toMatchObject({ code: 'TOO_LARGE', attempts: 1 });
  });

  test('that is an error has the code, the outcome and the wait of the table of HTTP', async () => {
    const service = await reference();
    const fails = async (status: number, headers: Record<string, string> = {}, method = 'get') => {
      service.answers.push({ status, headers: { 'content-type': 'application/json', ...headers }, body: '{"error":"the reason"}' });
      return (await asked(service, { method }, {}, { retry: { attempts: 1 } })).failure;
    };
    expect(await fails(404)).toMatchObject({ code: 'NOT_FOUND', outcome: 'failed', retryable: false });
    expect((await fails(400)).message).toContain('answered HTTP 400: {"error":"the reason"}');
    expect(await fails(429, { 'retry-after': '7' })).toMatchObject({ code: 'THROTTLING', outcome: 'not-run', retryAfter: 7_000 });
    expect(await fails(401)).toMatchObject({ code: 'UNAUTHENTICATED' });
    expect(await fails(503, {}, 'post')).toMatchObject({ code: 'SERVICE_UNAVAILABLE', outcome: 'unknown' });
    expect((await fails(502, { 'content-type': 'text/html' })).message).not.toContain('the reason');
  });

  test('of an effect is asked for once, of a read again, under the same idempotency key', async () => {
    const service = await reference();
    const retry = { attempts: 3, initialDelay: 1 };
    service.answers.push({ status: 503 });
    await asked(service, { method: 'post' }, {}, { retry });
    expect(service.received).toHaveLength(1);
    service.answers.push({ status: 503 });
    await asked(service, {}, {}, { retry });
    expect(service.received).toHaveLength(3);
    service.answers.push({ status: 503 }, { status: 503 });
    const parameters = [{ name: 'idempotency-key', in: 'header', schema: string }];
    await asked(
      service,
      { method: 'put', parameters },
      { 'idempotency-key': 'mine' },
      { retry, effects: { op: 'idempotent' }, idempotencyHeader: 'Idempotency-Key' },
    );
    const keys = service.received.slice(3).map(({ headers }) => headers['idempotency-key']);
    expect(keys).toHaveLength(3);
    expect(new Set(keys).size).toBe(1);
    expect(keys[0]).toMatch(/./);
    expect(keys[0]).not.toBe('mine');
  });

  test('that points elsewhere is followed on the same origin, for a read', async () => {
    const service = await reference();
    const other = await reference();
    const to = (location: string, status = 302) => service.answers.push({ status, headers: { location }, body: '' });
    to('/v1/moved?x=1');
    expect((await asked(service, {}, {})).got.url).toBe('/v1/moved?x=1');
    to(`${other.url}/steal`);
    expect((await asked(service, {}, {}, { headers: { 'x-api-key': 'key-0123456789' } })).failure).toMatchObject({ code: 'REDIRECTED' });
    to('/v1/moved', 307);
    expect((await asked(service, { method: 'post' }, {})).failure).toMatchObject({ code: 'REDIRECTED', outcome: 'unknown' });
    for (let i = 0; i < 10; i++) to('/v1/round');
    const already = service.received.length;
    expect((await asked(service, {}, {})).failure).toMatchObject({ code: 'REDIRECTED' });
    expect(service.received.length - already).toBe(4);
    expect(other.received).toHaveLength(0);
    const before = service.received.length;
    service.answers.splice(0, service.answers.length, { status: 300, headers: {}, body: '' });
    const { failure } = await asked(service, {}, {});
    expect(failure).toMatchObject({ code: 'REDIRECTED', outcome: 'failed' });
    expect(failure?.message).toContain('points to no address');
    expect(service.received).toHaveLength(before + 1);
  });
});

describe('the address', () => {
  test('that only the document names must be public: a private one gets no request', async () => {
    const service = await reference();
    const document = { ...documentOf({}), servers: [{ url: `${service.url}/{base}`, variables: { base: { default: 'v1' } } }] };
    const { failure } = await calling(openApiTools({ document }), 'op', {});
    expect(failure).toMatchObject({ code: 'ADDRESS_REFUSED', outcome: 'not-run' });
    expect(service.received).toHaveLength(0);
  });

  test('that is configured replaces it, and its query is sent with each request', async () => {
    const service = await reference();
    const document = {
      ...documentOf({ parameters: [{ name: 'q', in: 'query', schema: string }] }),
      servers: [{ url: 'https://evil.example' }],
    };
    await calling(openApiTools({ document, server: `${service.url}/v2/?tenant=7` }), 'op', { q: '1' });
    expect(service.received[0]?.url).toBe('/v2/a?tenant=7&q=1');
  });

  test('where nothing listens is a failure that did not run', async () => {
    const service = await reference();
    await service.close();
    const { failure } = await asked(service, { method: 'post' }, {}, { retry: { attempts: 1 } });
    expect(failure).toMatchObject({ code: 'NETWORK', outcome: 'not-run', retryable: true });
  });
});
