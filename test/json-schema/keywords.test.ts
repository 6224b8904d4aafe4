/** What would change a verdict is checked or refused, never ignored. */

import { describe, expect, it } from 'vitest';
import { isLinear } from '../../src/json-schema/pattern.ts';
import { foreignSchema, jsonSchema } from '../../src/json-schema.ts';
import type { JsonSchema } from '../../src/schema.ts';
import { validate } from '../../src/schema.ts';

const fits = async (schema: JsonSchema, value: unknown) => (await validate(jsonSchema(schema), value)).ok;
const foreign = async (schema: JsonSchema, value: unknown) => (await validate(foreignSchema(schema, 'it'), value)).ok;

describe('a document of an older draft', () => {
  const dependencies = {
    dependencies: { card: ['address'], gift: { properties: { note: { type: 'string' } }, required: ['note'] }, never: false },
  };

  it.each<[object, boolean]>([
    [{}, true],
    [{ card: 1 }, false],
    [{ card: 1, address: 1 }, true],
    [{ gift: 1 }, false],
    [{ gift: 1, note: 7 }, false],
    [{ gift: 1, note: 'x' }, true],
    [{ never: 1 }, false],
  ])('has its dependencies checked: %o', async (value, ok) => {
    expect(await fits(dependencies, value)).toBe(ok);
    expect(await foreign(dependencies, value)).toBe(ok);
  });

  it('has its dependencies merged with the current keywords', async () => {
    const both = { ...dependencies, dependentRequired: { a: ['b'] }, dependentSchemas: { c: { required: ['d'] } } };
    for (const value of [{ a: 1 }, { c: 1 }, { card: 1 }]) expect(await fits(both, value)).toBe(false);
    expect(await fits(both, { a: 1, b: 1, c: 1, d: 1 })).toBe(true);
  });

  it('has a $ref without siblings, if it declares draft 7', async () => {
    const schema = { properties: { a: { $ref: '#/definitions/list', maxItems: 1 } }, definitions: { list: { type: 'array' } } };
    expect(await fits(schema, { a: [1, 2] })).toBe(false);
    expect(await fits({ ...schema, $schema: 'http://json-schema.org/draft-07/schema#' }, { a: [1, 2] })).toBe(true);
    expect(await fits({ ...schema, $schema: 'http://json-schema.org/draft-07/schema#' }, { a: 1 })).toBe(false);
  });
});

describe('a reference', () => {
  const item = { $dynamicAnchor: 'item', type: 'string' };

  it('that is dynamic is followed if it has one possible target', async () => {
    const list = { type: 'array', items: { $dynamicRef: '#item' }, $defs: { item } };
    expect([await fits(list, ['a']), await fits(list, [1])]).toEqual([true, false]);
    const tree = { type: 'object', properties: { kids: { items: { $recursiveRef: '#' } }, n: { type: 'number' } } };
    expect([await fits(tree, { kids: [{ n: 1 }] }), await fits(tree, { kids: [{ n: 'x' }] })]).toEqual([true, false]);
  });

  it('that is dynamic is refused if it has several possible targets', () => {
    const schema = {
      $id: 'https://example.test/root',
      $ref: 'list',
      $defs: { own: { ...item, type: 'number' }, list: { $id: 'list', items: { $dynamicRef: '#item' }, $defs: { item } } },
    };
    expect(() => jsonSchema(schema)).toThrow(/\$dynamicRef.*must lead to one schema.*Write \$ref/);
    expect(() => jsonSchema({ items: { $dynamicRef: '#nowhere' } })).toThrow(/must lead to a schema of the same document/);
  });

  it('starts from the address of the part that it stands in', async () => {
    const schema = {
      $id: 'https://example.test/root',
      properties: { a: { $ref: 'part' }, b: { $ref: '#/$defs/x' }, c: { $ref: '/part#named' } },
      $defs: {
        x: { type: 'number' },
        part: { $id: 'part', $ref: '#/$defs/x', $defs: { x: { $anchor: 'named', type: 'string' } } },
      },
    };
    expect(await fits(schema, { a: 'text', b: 1, c: 'text' })).toBe(true);
    for (const wrong of [{ a: 1 }, { b: 'text' }, { c: 1 }]) expect(await fits(schema, wrong)).toBe(false);
  });

  it('to a name that two schemas have is refused', () => {
    const schema = {
      properties: { a: { $ref: '#x' } },
      $defs: { a: { $anchor: 'x', type: 'string' }, b: { $anchor: 'x', type: 'number' } },
    };
    expect(() => jsonSchema(schema)).toThrow(/must lead to a schema/);
  });

  it('does not treat an example as a schema', () => {
    const schema = { properties: { a: { $ref: 'https://example.test/x' } }, enum: [{ $id: 'https://example.test/x', type: 'string' }] };
    expect(() => jsonSchema(schema)).toThrow(/no other is loaded/);
  });
});

describe('what is not JSON Schema', () => {
  it.each<[JsonSchema, RegExp]>([
    [{ type: 'string', nullable: true }, /nullable.*type: \["string", "null"\]/],
    [{ divisibleBy: 2 }, /multipleOf/],
    [{ disallow: 'string' }, /written as not/],
    [{ extends: {} }, /allOf/],
    [{ format: 'idn-email' }, /pattern/],
    [{ format: 'iri' }, /pattern/],
    [{ $schema: 'https://example.test/my-dialect' }, /\$schema.*draft/],
    [{ $schema: 'http://json-schema.org/draft-03/schema#' }, /\$schema.*draft/],
    [{ exclusiveMinimum: true }, /number/],
  ])('%o is refused, and says what to write', (schema, said) => {
    expect(() => jsonSchema({ properties: { a: schema } })).toThrow(said);
    expect(() => jsonSchema(schema)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });

  it("is left to the server in a server's document, and never refuses valid values", async () => {
    const all: JsonSchema[] = [
      { nullable: true },
      { $schema: 'https://example.test/x', required: ['b'] },
      { unevaluatedItems: false, format: 'iri' },
    ];
    for (const odd of all) expect(await foreign(odd, { a: 1 })).toBe(true);
    expect(
      await foreign({ properties: { a: { unevaluatedItems: false, if: { type: 'array' }, then: { prefixItems: [true] } } } }, { a: [1] }),
    ).toBe(true);
  });
});

describe('a format', () => {
  it('that JSON Schema defines is checked', async () => {
    expect([await fits({ format: 'uri' }, 'https://a.example'), await fits({ format: 'uri' }, 'no uri')]).toEqual([true, false]);
    expect([await fits({ format: 'date' }, '2026-02-28'), await fits({ format: 'date' }, '2026-02-30')]).toEqual([true, false]);
  });

  it('that it does not define is an annotation, also one that the validator knows: it would take years for some texts', async () => {
    for (const format of ['url', 'json-pointer-uri-fragment', 'my-own', '__proto__'])
      expect(await fits({ type: 'string', format }, `http://${'a'.repeat(60)}`)).toBe(true);
  });
});

describe('a pattern of a server', () => {
  it.each([
    '^[a-z0-9-]{3,20}$',
    '^\\d{4}-\\d{2}-\\d{2}$',
    '^(GET|POST)$',
    '[A-Z]{2}',
    '^https?://',
    '^\\w+$',
    '^v?\\d+?$',
    '^\\u0041[^\\]]*$',
    '',
  ])('that is certainly linear is checked: %s', (pattern) => expect(isLinear(pattern)).toBe(true));

  it.each([
    '^(a+)+$',
    '^(a|a)*$',
    'a+b',
    '^a*a*$',
    '^(?=a)a',
    '^(?<!a)a',
    '^(?<n>a)\\k<n>$',
    '^(a)\\1$',
    '^a|b+c',
    '^a?a?a?a?a?a?a?aaaaaaa$',
    '^(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)(a|b)$',
    '^a{0,50}a{0,50}$',
    '^\\p{L}+$',
    '^[a',
  ])('that may not be is left to the server: %s', (pattern) => expect(isLinear(pattern)).toBe(false));

  it('tells a slip where it is checked', async () => {
    const schema = { properties: { id: { type: 'string', pattern: '^[A-Z]{2}\\d+$' }, slow: { type: 'string', pattern: '^(a+)+$' } } };
    expect(await foreign(schema, { id: 'AB12' })).toBe(true);
    expect(await foreign(schema, { id: 'ab12' })).toBe(false);
    expect(await foreign(schema, { slow: `${'a'.repeat(40)}!` })).toBe(true);
  });
});

it('the work of one check is bounded, and for a document of a server more tightly', async () => {
  const anyOf = Array.from({ length: 1_000 }, () => ({ type: 'string' }));
  const schema = { properties: { a: { items: { anyOf } } } } as JsonSchema;
  const value = { a: Array.from({ length: 100 }, () => 1) };
  const told = async (s: typeof schema, make: (s: JsonSchema) => ReturnType<typeof foreignSchema>) => {
    const checked = await validate(make(s), value);
    return checked.ok ? 'fits' : checked.problem;
  };
  expect(await told(schema, (s) => foreignSchema(s, 'it'))).toMatch(/too large/);
  expect(await told(schema, (s) => jsonSchema(s) as ReturnType<typeof foreignSchema>)).not.toMatch(/too large/);
});
