import { expect, test } from 'vitest';
import { endpointOf } from '../../src/adapters/agentcore/wire/gateway/smithy/endpoint.ts';
import { plainText, SmithyModel } from '../../src/adapters/agentcore/wire/gateway/smithy/model.ts';
import { operationsOf } from '../../src/adapters/agentcore/wire/gateway/smithy/operations.ts';
import type { Operation } from '../../src/adapters/gateway/openapi/operations.ts';
import { requestOf } from '../../src/adapters/gateway/openapi/request.ts';
import { type Ast, library } from '../agentcore/fixtures/smithy.ts';

const NS = 'example.library#';
const modelOf = (change: (shapes: Ast['shapes']) => void = () => {}) => {
  const model = library();
  change(model.shapes);
  return new SmithyModel(JSON.stringify(model));
};

const ref = (name: string) => ({ ref: name });
const fn = (name: string, ...argv: unknown[]) => ({ fn: name, argv });
const endpoint = (url: string, properties = {}, ...conditions: unknown[]) => ({
  type: 'endpoint',
  conditions,
  endpoint: { url, properties },
});

/** Rules as those of most services: by region, partition, and what clients are set to. */
const RULES = {
  version: '1.0',
  parameters: {
    Region: { builtIn: 'AWS::Region', type: 'String' },
    UseFIPS: { builtIn: 'AWS::UseFIPS', required: true, default: false, type: 'Boolean' },
    Endpoint: { builtIn: 'SDK::Endpoint', type: 'String' },
  },
  rules: [
    endpoint('https://own.example', {}, fn('isSet', ref('Endpoint'))),
    {
      type: 'tree',
      conditions: [{ ...fn('aws.partition', ref('Region')), assign: 'Partition' }],
      rules: [
        endpoint('https://books-fips.{Region}.{Partition#dnsSuffix}', {}, fn('booleanEquals', ref('UseFIPS'), true)),
        endpoint(
          'https://books.global.{Partition#dnsSuffix}',
          { authSchemes: [{ name: 'sigv4', signingName: 'books', signingRegion: 'us-east-1' }] },
          fn('stringEquals', ref('Region'), 'eu-west-1'),
        ),
        endpoint('https://books.{Region}.{Partition#dnsSuffix}', {}, fn('not', fn('booleanEquals', ref('UseFIPS'), true))),
      ],
    },
  ],
};
const ruled = (rules: object) =>
  modelOf((shapes) => Object.assign(shapes[`${NS}Library`].traits, { 'smithy.rules#endpointRuleSet': rules }));

test.each([
  ['us-east-1', 'https://books.us-east-1.amazonaws.com', 'library-sign', 'us-east-1'],
  ['cn-north-1', 'https://books.cn-north-1.amazonaws.com.cn', 'library-sign', 'cn-north-1'],
  ['eu-west-1', 'https://books.global.amazonaws.com', 'books', 'us-east-1'],
])('the endpoint rules say where a service is in %s', (region, url, service, signed) => {
  expect(endpointOf(ruled(RULES), region)).toEqual({ url, service, region: signed });
});

test('without rules, or with a function that is not known, the prefix says it', () => {
  const plain = { url: 'https://library.us-east-1.amazonaws.com', service: 'library-sign', region: 'us-east-1' };
  expect(endpointOf(modelOf(), 'us-east-1')).toEqual(plain);
  const unknown = { ...RULES, rules: [endpoint('https://x.example', {}, fn('aws.parseArn', ref('Region')))] };
  expect(endpointOf(ruled(unknown), 'us-east-1')).toEqual(plain);
});

test('a service without a prefix and without rules has no endpoint', () => {
  const nowhere = modelOf((shapes) =>
    Object.assign(shapes[`${NS}Library`].traits, { 'aws.api#service': { sdkId: 'Library' }, 'aws.auth#sigv4': {} }),
  );
  expect(() => endpointOf(nowhere, 'us-east-1')).toThrow(
    expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining('no endpoint') }),
  );
});

const schemaOf = (model: SmithyModel, name: string) =>
  (operationsOf(model, 'https://a.example').document.components as { schemas: Record<string, object> }).schemas[name];

test('a member has the traits of its shape, of mixins, and of what is applied', () => {
  const model = modelOf((shapes) => {
    shapes[`${NS}Signed`] = {
      type: 'structure',
      members: { by: { target: 'smithy.api#String', traits: { 'smithy.api#documentation': 'Who.' } } },
      traits: { 'smithy.api#mixin': {} },
    };
    shapes[`${NS}Chapter`].mixins = [{ target: `${NS}Signed` }];
    shapes[`${NS}Chapter$by`] = { type: 'apply', traits: { 'smithy.api#required': {} } };
    shapes[`${NS}Chapter$title`] = { type: 'apply', traits: { 'smithy.api#length': { max: 9 } } };
  });
  expect(schemaOf(model, 'Chapter')).toMatchObject({
    required: ['by', 'title'],
    properties: { by: { description: 'Who.' }, title: { maxLength: 9 }, chapters: { $ref: '#/components/schemas/Chapters' } },
  });
});

test('mixins that lead back to themselves are refused', () => {
  const model = modelOf((shapes) => Object.assign(shapes[`${NS}Chapter`], { mixins: [{ target: `${NS}Chapter` }] }));
  expect(() => schemaOf(model, 'Chapter')).toThrow('lead back to it');
});

test.each<[string, object, object]>([
  [
    'a sparse list',
    { type: 'list', member: { target: 'smithy.api#Long' }, traits: { 'smithy.api#sparse': {} } },
    { items: { anyOf: [{ type: 'integer' }, { type: 'null' }] } },
  ],
  [
    'a map',
    { type: 'map', key: { target: `${NS}Isbn` }, value: { target: 'smithy.api#Float' } },
    { additionalProperties: { type: 'number' }, propertyNames: { pattern: '^[0-9]{13}$' } },
  ],
  ['a union', { type: 'union', members: { a: { target: 'smithy.api#Unit' } } }, { minProperties: 1, maxProperties: 1 }],
  [
    'a set',
    { type: 'set', member: { target: 'smithy.api#Byte' }, traits: { 'smithy.api#uniqueItems': {} } },
    { items: { type: 'integer' }, uniqueItems: true },
  ],
  [
    'an enum of Smithy 1',
    { type: 'list', member: { target: 'smithy.api#String', traits: { 'smithy.api#enum': [{ value: 'a' }, { value: 'b' }] } } },
    { items: { enum: ['a', 'b'] } },
  ],
])('%s as JSON Schema', (_, shape, schema) => {
  const model = modelOf((shapes) => Object.assign(shapes, { [`${NS}Chapters`]: shape }));
  expect(schemaOf(model, 'Chapters')).toMatchObject(schema);
});

test('a pattern of another dialect is left to the service', () => {
  const model = modelOf((shapes) => {
    shapes[`${NS}Chapters`].member = { target: 'smithy.api#String', traits: { 'smithy.api#pattern': '(?i)a' } };
  });
  expect(schemaOf(model, 'Chapters')).toMatchObject({ items: { type: 'string' } });
  expect(schemaOf(model, 'Chapters')).not.toHaveProperty('items.pattern');
});

test.each(['Authorization', 'x-amz-security-token', 'content-type', 'a b'])('no argument sets the header %s', async (name) => {
  const model = modelOf((shapes) => {
    shapes[`${NS}PutBookInput`].members.metadata.traits['smithy.api#httpPrefixHeaders'] = '';
  });
  const put = operationsOf(model, 'https://a.example').operations.find((operation) => operation.name === 'PutBook') as Operation;
  const sent = (metadata: Record<string, string>) =>
    requestOf(put, { isbn: '1', metadata, body: {} }, { server: new URL('https://a.example'), headers: {} });
  expect((await sent({ Other: 'x' })).headers).toMatchObject({ other: 'x' });
  await expect(sent({ [name]: 'x' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENTS', outcome: 'not-run' });
});

test('shapes of one name in two namespaces are two definitions', () => {
  const model = modelOf((shapes) => {
    shapes['other#Chapters'] = { type: 'list', member: { target: 'smithy.api#Boolean' } };
    shapes[`${NS}PutBookInput`].members.more = { target: 'other#Chapters' };
  });
  expect([schemaOf(model, 'Chapters'), schemaOf(model, 'Chapters_2')]).toMatchObject([{ items: {} }, { items: { type: 'boolean' } }]);
});

test('a chain of shapes that is longer than the stack is written', () => {
  const model = modelOf((shapes) => {
    for (let i = 0; i < 30_000; i++)
      shapes[`${NS}Link${i}`] = { type: 'list', member: { target: i === 29_999 ? 'smithy.api#String' : `${NS}Link${i + 1}` } };
    shapes[`${NS}PutBookInput`].members.chain = { target: `${NS}Link0` };
  });
  expect(schemaOf(model, 'Link29999')).toMatchObject({ type: 'array' });
});

test('documentation is told as text', () => {
  expect(plainText('<p>Use <code>a</code> &lt; b&nbsp;.</p><ul><li> One </li><li>Two</li></ul>')).toBe('Use a < b .\nOne\nTwo');
  expect(plainText('<p></p>')).toBeUndefined();
});

const astOf = (shapes: object) =>
  new SmithyModel(JSON.stringify({ smithy: '2.0', shapes: { 'a#S': { type: 'service', version: '1' }, ...shapes } }));
const mixin = (...of: string[]) => ({
  type: 'structure',
  members: {},
  traits: { 'smithy.api#mixin': {} },
  mixins: of.map((target) => ({ target })),
});

test('a mixin is read once, however many have it, and mixins have a depth', () => {
  const chain = (depth: number, times: number) =>
    Object.fromEntries(Array.from({ length: depth }, (_, i) => [`a#M${i}`, mixin(...(i === 0 ? [] : Array(times).fill(`a#M${i - 1}`)))]));
  const last = { type: 'structure', members: { own: { target: 'smithy.api#String' } }, mixins: [{ target: 'a#M59' }] };
  const first = { ...mixin(), members: { given: { target: 'smithy.api#String' } } };
  expect(Object.keys(astOf({ ...chain(60, 2), 'a#M0': first, 'a#Last': last }).shape('a#Last').members)).toEqual(['given', 'own']);
  expect(() => astOf(chain(200, 1)).shape('a#M199')).toThrow('more than 100 deep');
  expect(() => astOf({ 'a#A': mixin('a#B'), 'a#B': mixin('a#A') }).shape('a#A')).toThrow('lead back to it');
});

/** The operation of a service with one, whose input has these members. */
function inputOf(members: object, more: object = {}) {
  const service = { type: 'service', version: '1', traits: { 'aws.protocols#restJson1': {} }, operations: [{ target: 'a#Op' }] };
  const traits = { 'smithy.api#http': { method: 'POST', uri: '/x' } };
  const op = { type: 'operation', input: { target: 'a#In' }, traits };
  const { document, operations } = operationsOf(
    astOf({ 'a#S': service, 'a#Op': op, 'a#In': { type: 'structure', members }, ...more }),
    'https://a.example',
  );
  return { schemas: (document.components as { schemas: object }).schemas, operation: operations[0] as Operation };
}
const query = (name: string) => ({ target: 'smithy.api#String', traits: { 'smithy.api#httpQuery': name } });

test('shapes may have the names of what every object has', () => {
  const y = { y: { target: 'smithy.api#String' } };
  const more = JSON.parse(`{ "a#__proto__": { "type": "structure", "members": ${JSON.stringify(y)} } }`);
  const object = { type: 'object', properties: { y: { type: 'string' } } };
  expect(Object.entries(inputOf({ x: { target: 'a#__proto__' } }, more).schemas)).toEqual([['__proto__', object]]);
  const named = inputOf({ x: { target: 'a#constructor' } }, { 'a#constructor': { type: 'structure', members: y } });
  expect(Object.entries(named.schemas)).toEqual([['constructor', object]]);
  const { operation } = inputOf({ x: { target: 'a#W', traits: { 'smithy.api#length': { min: 1 } } } }, { 'a#W': { type: 'constructor' } });
  expect(operation.body?.schema).toMatchObject({ properties: { x: {} } });
  expect(() => inputOf({ x: { target: 'smithy.api#constructor' } })).toThrow('no shape');
});

test('each member of a request has a name of its own, though one is called body', () => {
  const { operation } = inputOf({ body: query('b'), query_body: query('qb'), own: { target: 'smithy.api#String' } });
  expect(operation.parameters.map(({ property, name }) => [property, name])).toEqual([
    ['query_body', 'b'],
    ['query_body_2', 'qb'],
  ]);
  expect(operation.parameters.every((parameter) => !('member' in parameter))).toBe(true);
});
