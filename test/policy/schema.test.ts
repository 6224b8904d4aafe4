import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../../src/json.ts';
import { allows, call, policyOf, watched } from './setup.ts';

const toolWith = (properties: JsonObject, more: JsonObject = {}) => ({ name: 'pay', input: { type: 'object', properties, ...more } });
const when = (condition: string) => `permit(principal, action, resource) when { ${condition} };`;

/** The types of the arguments, by Cedar's own printer. */
async function typesOf(
  properties: JsonObject,
  more: JsonObject = {},
): Promise<{ types: Record<string, string>; notes: readonly string[] }> {
  const { schema, notes } = await policyOf({ tools: [toolWith(properties, more)] });
  const [, body = ''] = /action "pay"[\s\S]*?\n {6}input: \{\n([\s\S]*?)\n {6}\},/.exec(schema) ?? [];
  const lines = body.split('\n').flatMap((line) => [...line.matchAll(/^ {8}"?([^":]+)"?(\??): (.*?),?$/g)]);
  return {
    types: Object.fromEntries(lines.map(([, name = '', optional, type = '']) => [name + optional, type.replaceAll('__cedar::', '')])),
    notes,
  };
}

describe('each argument has the type of its JSON Schema', () => {
  test.each([
    ['a text', { type: 'string' }, 'String'],
    ['an integer', { type: 'integer' }, 'Long'],
    ['a boolean', { type: 'boolean' }, 'Bool'],
    ['a number', { type: 'number' }, 'decimal'],
    ['a list', { type: 'array', items: { type: 'integer' } }, 'Set<Long>'],
    ['a list of lists', { type: 'array', items: { type: 'array', items: { type: 'string' } } }, 'Set<Set<String>>'],
    ['a choice of texts', { enum: ['a', 'b'] }, 'String'],
    ['a choice of integers', { enum: [1, 2] }, 'Long'],
    ['a choice of numbers', { enum: [1, 2.5] }, 'decimal'],
    ['one text', { const: 'a' }, 'String'],
    ['a $ref', { $ref: '#/$defs/money~1cents' }, 'Long'],
    ['a choice of one', { anyOf: [{ type: 'string' }] }, 'String'],
    [
      'alternatives of one type',
      {
        oneOf: [
          { type: 'string', pattern: 'a' },
          { type: 'string', pattern: 'b' },
        ],
      },
      'String',
    ],
    ['allOf with one', { allOf: [{ type: 'string' }] }, 'String'],
  ])('%s', async (_, schema, type) => {
    const $defs = { 'money/cents': { type: 'integer' } };
    expect((await typesOf({ x: schema }, { required: ['x'], $defs })).types).toEqual({ x: type });
    expect((await typesOf({ x: schema }, { $defs })).types).toEqual({ 'x?': type });
  });

  test.each([
    ['with null as a type', { type: ['string', 'null'] }],
    ['with null as a choice', { enum: ['a', null] }],
    ['with null as an alternative', { anyOf: [{ type: 'string' }, { type: 'null' }] }],
  ])('an argument %s is optional, and null is as if it were missing', async (_, schema) => {
    const tool = toolWith({ x: schema }, { required: ['x'] });
    expect((await typesOf({ x: schema }, { required: ['x'] })).types).toEqual({ 'x?': 'String' });
    const policy = await policyOf({ tools: [tool], policies: when('!(context.input has x)') });
    expect(allows(policy, { tool: 'pay', input: { x: null } })).toBe(true);
    expect(allows(policy, { tool: 'pay', input: { x: 'a' } })).toBe(false);
  });

  test.each([
    ['several types', { type: ['string', 'integer'] }, 'it is of several types'],
    ['alternatives of several types', { anyOf: [{ type: 'string' }, { type: 'integer' }] }, 'it is of several types'],
    ['no type', {}, 'does not say a type'],
    ['true', true, 'does not say a type'],
    ['an object without fields', { type: 'object', additionalProperties: { type: 'string' } }, 'its fields are not known'],
    ['a list of anything', { type: 'array' }, 'its items are not of one type'],
    ['a tuple', { type: 'array', prefixItems: [{ type: 'string' }], items: { type: 'string' } }, 'its items are not of one type'],
    ['a $ref to nothing', { $ref: '#/$defs/none' }, '$ref'],
    ['a $ref out of the document', { $ref: 'https://example.com/x' }, '$ref'],
    ['a $ref to itself', { $ref: '#/$defs/loop' }, '$ref'],
    ['null alone', { type: 'null' }, 'does not say a type'],
  ])('%s is left out, with a note', async (_, schema, why) => {
    const { types, notes } = await typesOf(
      { x: schema as JsonObject, y: { type: 'string' } },
      { $defs: { loop: { $ref: '#/$defs/loop' } } },
    );
    expect(types).toEqual({ 'y?': 'String' });
    expect(notes.filter((note) => note.startsWith('pay: input.x')).join()).toContain(why);
  });

  test('a schema that contains itself is cut where it is too deep', async () => {
    const $defs = { node: { type: 'object', properties: { name: { type: 'string' }, next: { $ref: '#/$defs/node' } } } };
    const { notes, schema } = await policyOf({ tools: [toolWith({ node: { $ref: '#/$defs/node' } }, { $defs })] });
    expect(schema).toContain('next');
    expect(notes.join()).toMatch(/input\.node\.next.* is left out: it is more than 6 levels deep/);
  });

  test('a schema of a thousand thousand arguments is bounded', async () => {
    const wide = (n: number, of: JsonObject): JsonObject => ({
      type: 'object',
      properties: Object.fromEntries(Array.from({ length: n }, (_, i) => [`f${i}`, of])),
    });
    const { notes } = await policyOf({ tools: [{ name: 'pay', input: wide(1_000, wide(1_000, { type: 'string' })) }] });
    expect(notes.join()).toContain('a tool has at most 1000 arguments');
  });

  test('names of the prototype are names', async () => {
    const properties = JSON.parse('{"__proto__":{"type":"integer"},"constructor":{"type":"integer"},"toString":{"type":"integer"}}');
    const tools = [toolWith(properties), { name: '__proto__', input: { type: 'object' } }];
    const condition = ['__proto__', 'constructor', 'toString'].map((name) => `(context.input has ${name} && context.input.${name} == 1)`);
    const policy = await policyOf({
      tools,
      policies: when(condition.join(' || ')).replace('action,', 'action == AgentCore::Action::"pay",'),
    });
    expect(allows(policy, { tool: 'pay', input: {} })).toBe(false);
    for (const name of ['__proto__', 'constructor', 'toString'])
      expect(allows(policy, { tool: 'pay', input: JSON.parse(`{"${name}":1}`) }), name).toBe(true);
    const own = await policyOf({ tools, policies: 'permit(principal, action == AgentCore::Action::"__proto__", resource);' });
    expect(allows(own, { tool: '__proto__', input: {} })).toBe(true);
    expect(own.offers({ by: { id: 'a' }, tools: ['__proto__', 'pay'] })).toEqual(['__proto__']);
  });
});

describe('a value that Cedar cannot hold', () => {
  const NUMBERS = {
    price: { type: 'number' },
    count: { type: 'integer' },
    note: { type: 'string' },
    list: { type: 'array', items: { type: 'string' } },
  };

  test.each([
    ['a number of five digits after the point', { price: 0.12345 }, 'price'],
    ['a number that is too large', { price: 1e300 }, 'price'],
    ['an integer above 2^53', { count: 2 ** 53 }, 'count'],
    ['an integer that is none', { count: 1.5 }, 'count'],
    ['another type', { count: '1' }, 'count'],
    ['a lone surrogate', { note: '\ud800' }, 'note'],
    ['null in a list', { list: ['a', null] }, 'list[1]'],
  ])('%s denies a call whose policies look at it, and no other', async (_, input, name) => {
    const tools = [toolWith(NUMBERS)];
    const [argument] = name.split('[');
    const { policy, decisions } = await watched({ tools, policies: when(`context.input has ${argument} || context.agent == "support"`) });
    expect(policy.decide(call({ tool: 'pay', input }))).toMatchObject({
      allow: false,
      reason: expect.stringContaining(`input.${name} is`),
    });
    expect(decisions).toMatchObject([{ decision: 'deny', policies: [], errors: [expect.stringContaining(`input.${name} is`)] }]);
    expect(allows(await policyOf({ tools }), { tool: 'pay', input })).toBe(true);
  });

  test('does not deny where policies look at another argument of the call', async () => {
    const policy = await policyOf({ tools: [toolWith(NUMBERS)], policies: when('context.input has count && context.input.count == 1') });
    expect(allows(policy, { tool: 'pay', input: { count: 1, price: 0.12345, note: '\ud800', list: [null] } })).toBe(true);
  });

  test('what is at the edge is decided exactly', async () => {
    const policies = when('context.input has price && context.input.price.greaterThan(decimal("922337203685476.9"))');
    const policy = await policyOf({ tools: [toolWith(NUMBERS)], policies });
    expect(allows(policy, { tool: 'pay', input: { price: 922_337_203_685_477 } })).toBe(true);
    expect(allows(policy, { tool: 'pay', input: { price: 922_337_203_685_476 } })).toBe(false);
    const counts = await policyOf({ tools: [toolWith(NUMBERS)], policies: when('context.input has count && context.input.count == 0') });
    expect(allows(counts, { tool: 'pay', input: { count: -0 } })).toBe(true);
  });
});
