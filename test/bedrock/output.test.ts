import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { bedrock } from '../../src/adapters/bedrock/index.ts';
import { textFormat } from '../../src/adapters/bedrock/output.ts';
import { type JsonSchema, describe as schemaOf } from '../../src/schema.ts';
import { fails, says } from '../wire/bedrock.ts';
import { ask, ID, MODES, rejection, request, wire } from './setup.ts';

const w = wire();
const schema: JsonSchema = { type: 'object', properties: { total: { type: 'number' } }, required: ['total'] };
const closed = { ...schema, additionalProperties: false };

/** The schema that Bedrock would compile. */
const native = (s: JsonSchema): unknown => {
  const text = textFormat(s)?.structure?.jsonSchema?.schema;
  return text === undefined ? undefined : JSON.parse(text);
};

describe.each(MODES)('%s', (mode) => {
  test('a schema that Bedrock can hold goes as its own structured output', async () => {
    w.server.next(says('{"total":1}'));
    const { content } = await ask(bedrock(ID, { endpoint: w.server.url }), request({ output: schema, instructions: 'Add up.' }), mode);
    const { outputConfig, system } = w.server.calls[0]?.input ?? {};
    expect(outputConfig).toEqual({
      textFormat: { type: 'json_schema', structure: { jsonSchema: { name: 'answer', schema: JSON.stringify(closed) } } },
    });
    expect(system).toEqual([{ text: 'Add up.' }]);
    expect(content).toEqual([{ type: 'text', text: '{"total":1}' }]);
  });

  test('it goes beside an effort', async () => {
    w.server.next(says('{}'));
    await ask(bedrock(ID, { endpoint: w.server.url, reasoning: { effort: 'low' } }), request({ output: schema }), mode);
    expect(Object.keys(w.server.calls[0]?.input.outputConfig)).toEqual(['textFormat', 'effort']);
  });

  test('another schema is asked for in the system prompt, before the cache point', async () => {
    const open: JsonSchema = { type: 'object', additionalProperties: { type: 'number' } };
    w.server.next(says('{"a":1}'));
    await ask(bedrock(ID, { endpoint: w.server.url, cache: true }), request({ output: open, instructions: 'Add up.' }), mode);
    const { outputConfig, system } = w.server.calls[0]?.input ?? {};
    expect(outputConfig).toBeUndefined();
    expect(system).toEqual([
      { text: 'Add up.' },
      { text: expect.stringContaining(JSON.stringify(open)) },
      { cachePoint: { type: 'default' } },
    ]);
  });

  test.each([
    'The model returned the following errors: output_config.format: Extra inputs are not permitted',
    "The model returned the following errors: output_config.format.schema: For 'array' type, property 'maxItems' is not supported",
    "This model doesn't support the outputConfig.textFormat field. Remove outputConfig.textFormat and try again.",
    'Structured output is not supported by this model.',
  ])('a model that has no structured output is asked in words from then on: %s', async (message) => {
    const model = bedrock('amazon.nova-lite-v1:0', { endpoint: w.server.url });
    w.server.next(fails('ValidationException', message), says('{"total":1}'), says('{"total":2}'));
    const first = await ask(model, request({ output: schema }), mode);
    expect(first.content).toEqual([{ type: 'text', text: '{"total":1}' }]);
    await ask(model, request({ output: schema }), mode);
    expect(w.server.calls.map((c) => [c.input.outputConfig !== undefined, c.input.system !== undefined])).toEqual([
      [true, false],
      [false, true],
      [false, true],
    ]);
  });

  test.each([
    'The model returned the following errors: output_config.effort: Extra inputs are not permitted',
    "This model doesn't support the outputConfig.effort field. Remove outputConfig.effort and try again.",
  ])('an effort that is refused is an error, since it was asked for by name: %s', async (message) => {
    w.server.next(fails('ValidationException', message));
    const model = bedrock(ID, { endpoint: w.server.url, reasoning: { effort: 'max' } });
    const error = await rejection(ask(model, request({ output: schema }), mode));
    expect(error).toMatchObject({ code: 'VALIDATION', message: expect.stringContaining(message) });
  });
});

describe('what a constrained decoder can hold', () => {
  test('objects are closed, at every depth; annotations go', () => {
    const deep: JsonSchema = {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      properties: {
        list: { type: 'array', items: { type: 'object', properties: { a: { type: ['string', 'null'], default: 'x' } }, required: ['a'] } },
        either: { oneOf: [{ const: 1 }, { enum: ['a', 'b'] }] },
        when: { type: 'string', format: 'date-time' },
        point: { $ref: '#/$defs/point' },
      },
      required: ['list'],
      $defs: { point: { type: 'object', properties: { x: { type: 'integer' } }, title: 'Point' } },
    };
    expect(native(deep)).toEqual({
      type: 'object',
      properties: {
        list: {
          type: 'array',
          items: { type: 'object', properties: { a: { type: ['string', 'null'] } }, required: ['a'], additionalProperties: false },
        },
        either: { anyOf: [{ const: 1 }, { enum: ['a', 'b'] }] },
        when: { type: 'string', format: 'date-time' },
        point: { $ref: '#/$defs/point' },
      },
      required: ['list'],
      $defs: { point: { type: 'object', properties: { x: { type: 'integer' } }, title: 'Point', additionalProperties: false } },
      additionalProperties: false,
    });
  });

  test('ranges are told in the description', () => {
    const n = (s: JsonSchema) => (native({ type: 'object', properties: { n: s } }) as { properties: { n: unknown } }).properties.n;
    expect(n({ type: 'integer', minimum: 1, maximum: 9, description: 'Stars.' })).toEqual({
      type: 'integer',
      description: 'Stars. (minimum: 1, maximum: 9)',
    });
    expect(n({ type: 'string', minLength: 1, format: 'color' })).toEqual({ type: 'string', description: '(minLength: 1, format: color)' });
    expect(n({ type: 'integer', minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER })).toEqual({ type: 'integer' });
  });

  test('what Zod writes', () => {
    const s = z.object({
      id: z.string().min(1),
      n: z.number().int(),
      tags: z.array(z.enum(['a', 'b'])),
      at: z.iso.datetime().optional(),
      sub: z.object({ ok: z.boolean() }).nullable(),
    });
    expect(native(schemaOf(s, 'output'))).toMatchObject({
      additionalProperties: false,
      properties: { n: { type: 'integer' }, sub: { anyOf: [{ type: 'object', additionalProperties: false }, { type: 'null' }] } },
      required: ['id', 'n', 'tags', 'sub'],
    });
  });

  const beyond: [string, JsonSchema][] = [
    ['an open object', { type: 'object', properties: {}, additionalProperties: true }],
    ['an object of anything', { type: 'object' }],
    ['a record', { type: 'object', properties: { r: { type: 'object', additionalProperties: { type: 'string' } } } }],
    [
      'recursion',
      {
        type: 'object',
        properties: { t: { $ref: '#/$defs/t' } },
        $defs: { t: { type: 'object', properties: { next: { $ref: '#/$defs/t' } } } },
      },
    ],
    [
      'recursion in two steps',
      {
        type: 'object',
        properties: { a: { $ref: '#/$defs/a' } },
        $defs: { a: { anyOf: [{ $ref: '#/$defs/b' }] }, b: { anyOf: [{ $ref: '#/$defs/a' }] } },
      },
    ],
    ['a reference to the root', { type: 'object', properties: { t: { $ref: '#' } } }],
    ['a list of anything', { type: 'object', properties: { l: { type: 'array' } } }],
    ['anything', { type: 'object', properties: { l: {} } }],
    ['a tuple', { type: 'object', properties: { l: { type: 'array', prefixItems: [{ type: 'string' }], items: { type: 'string' } } } }],
    ['a property that is required and unknown', { type: 'object', properties: {}, required: ['a'] }],
    ['a boolean schema', { type: 'object', properties: { a: true } }],
    ['allOf', { type: 'object', properties: { a: { type: 'object', properties: {}, allOf: [] } } }],
    ['a root that is a list', { type: 'array', items: { type: 'string' } }],
    ['a root that is a string', { type: 'string' }],
  ];
  test.each(beyond)('not %s', (_, s) => {
    expect(native(s)).toBeUndefined();
  });
});

test('types of which each refers to all after it are looked at once each, not once for each way to them', () => {
  const most = 60;
  const $defs = Object.fromEntries(
    Array.from({ length: most }, (_, i): [string, object] => {
      const after = Array.from({ length: most - i - 1 }, (_, k): [string, object] => [`f${k}`, { $ref: `#/$defs/t${i + 1 + k}` }]);
      return [`t${i}`, { type: 'object', properties: Object.fromEntries([...after, ['v', { type: 'string' }]]) }];
    }),
  );
  const whole = { type: 'object', properties: { a: { $ref: '#/$defs/t0' } }, $defs } as JsonSchema;
  expect(native(whole)).toMatchObject({ properties: { a: { $ref: '#/$defs/t0' } } });
});
