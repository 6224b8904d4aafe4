import { expect, test } from 'vitest';
import { lacking } from '../../src/adapters/bedrock/families.ts';
import { told } from '../../src/adapters/bedrock/schema.ts';
import type { JsonObject } from '../../src/json.ts';
import { foreignSchema } from '../../src/json-schema.ts';
import type { JsonSchema } from '../../src/schema.ts';

const MODELS = ['anthropic.claude-sonnet-4-5', 'amazon.nova-pro-v1:0'];
const large = (letter: string, length: number): JsonObject => ({
  type: 'object',
  properties: { p: { enum: [letter.repeat(length)] } },
});
const refs = (count: number, to: (i: number) => string) => Array.from({ length: count }, (_, i) => ({ $ref: `#/$defs/${to(i)}` }));

/** A chain in which each schema leads to the next twice. */
const doubling = Object.fromEntries([
  ...Array.from({ length: 30 }, (_, i): [string, JsonObject] => {
    const next = { $ref: `#/$defs/${i + 1}` };
    return [String(i), { type: 'object', properties: { x: next, y: next } }];
  }),
  ['30', large('z', 30_000)],
]);

// any server may declare these: they are within the limits of its schemas
const SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  'all of many': { type: 'object', allOf: refs(900, (i) => (i % 2 ? 'a' : 'b')), $defs: { a: large('a', 18_000), b: large('b', 18_000) } },
  'one of many': { type: 'object', anyOf: refs(900, (i) => (i % 2 ? 'a' : 'b')), $defs: { a: large('a', 18_000), b: large('b', 18_000) } },
  'the same in many properties': {
    type: 'object',
    properties: Object.fromEntries(refs(900, () => 'a').map((ref, i) => [`k${i}`, ref])),
    $defs: { a: large('a', 40_000) },
  },
  'a chain that doubles': { type: 'object', properties: { r: { $ref: '#/$defs/0' } }, $defs: doubling },
  'a choice of chains that double': { anyOf: [{ $ref: '#/$defs/0' }, { $ref: '#/$defs/1' }], $defs: doubling },
};

test.each(Object.entries(SCHEMAS))('references do not make a schema many times as large for a model: %s', (_, schema) => {
  foreignSchema(schema, 'the schema');
  const size = JSON.stringify(schema).length;
  for (const id of MODELS) expect(JSON.stringify(told(schema, lacking(id)).schema).length).toBeLessThan(4 * size);
});

test('a schema that is small with all its references is rewritten whole', () => {
  const point = { type: 'object', properties: { x: { type: 'number' }, y: { type: 'number' } }, required: ['x', 'y'] };
  const corners = Object.fromEntries(['a', 'b', 'c', 'd'].map((name) => [name, { $ref: '#/$defs/point' }]));
  const { schema } = told({ type: 'object', properties: corners, $defs: { point } }, lacking('amazon.nova-pro-v1:0'));
  expect(schema.properties).toEqual({ a: point, b: point, c: point, d: point });
  const shapes = ['line', 'area', 'text'].map((kind) => ({ type: 'object', properties: { kind: { const: kind } }, required: ['kind'] }));
  const union = told({ anyOf: shapes }, lacking('anthropic.claude-sonnet-4-5')).schema;
  expect(union).toMatchObject({
    properties: { kind: { anyOf: [{ anyOf: [{ const: 'line' }, { const: 'area' }] }, { const: 'text' }] } },
    required: ['kind'],
  });
});
