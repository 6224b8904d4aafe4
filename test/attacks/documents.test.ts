/** JSON Schema documents that cannot be checked against, and values that cost more to check than they are worth. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { jsonSchema, tool } from 'rondo';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Json } from '../../src/json.ts';
import { describe as describeSchema, type JsonSchema, type Schema, validate } from '../../src/schema.ts';

const problem = async (schema: Schema, value: unknown) => {
  const checked = await validate(schema, value);
  return checked.ok ? 'fits' : checked.problem;
};
const many = <T>(n: number, item: (i: number) => T) => Array.from({ length: n }, (_, i) => item(i));
const nested = (levels: number) => {
  let schema: JsonSchema = { type: 'string' };
  for (let i = 0; i < levels; i++) schema = { type: 'object', properties: { a: schema } };
  return schema;
};
const shared = (levels: number) => {
  let schema: JsonSchema = { type: 'string' };
  for (let i = 0; i < levels; i++) schema = { properties: { a: schema, b: schema } };
  return schema;
};
const circle: { [k: string]: Json } = {};
circle.properties = { a: circle, b: circle };

describe('a document that cannot be checked against is an error where it is declared', () => {
  it.each<[string, unknown, RegExp]>([
    ['a bad pattern', { properties: { a: { pattern: '(' } } }, /#\/properties\/a\/pattern must be a regular expression/],
    ['a bad name of patternProperties', { patternProperties: { '(': {} } }, /must be named by a regular expression/],
    ['properties: null', { properties: null }, /#\/properties must be an object of schemas/],
    ['a subschema that is none', { items: 'string' }, /#\/items must be a schema/],
    ['allOf that is not a list', { allOf: {} }, /#\/allOf must be a list/],
    ['a type that is none', { type: 'text' }, /#\/type must be one or more of object/],
    ['required: true', { properties: { a: { required: true } } }, /must be a list of names/],
    ['minLength: "1"', { minLength: '1' }, /must be a whole number/],
    ['a $ref to nowhere', { $ref: '#/$defs/a' }, /"#\/\$defs\/a" must lead to a schema of the same document/],
    ['a $ref to another document', { $ref: 'https://example.test/a.json' }, /no other is loaded/],
    ['a $ref to what is not a schema', { $ref: '#/title', title: 'x' }, /must be a schema/],
    ['a $ref to itself', { $defs: { a: { anyOf: [{ $ref: '#/$defs/a' }] } }, $ref: '#/$defs/a' }, /leads back to itself/],
    ['10,000 levels', nested(10_000), /200 levels/],
    ['a million values in few objects', shared(30), /50000 values/],
    ['a circle of objects', circle, /values|levels/],
    ['a BigInt', { minimum: 1n }, /plain JSON/],
  ])('%s', (_, document, message) => {
    const refused = expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringMatching(message) });
    expect(() => jsonSchema(document as JsonSchema)).toThrow(refused);
  });

  it('also if another library returns such a document', () => {
    const own = z.object({});
    const input = { '~standard': { ...own['~standard'], jsonSchema: { input: () => nested(10_000), output: () => ({}) } } };
    const declared = () => tool({ name: 'deep', description: '', input: input as unknown as typeof own, execute: () => null });
    expect(declared).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining('"deep"') }));
  });

  it('without loading the validator', () => {
    const door = fileURLToPath(new URL('../../src/json-schema.ts', import.meta.url));
    const code = `import { registerHooks } from 'node:module';
      registerHooks({ resolve(name, context, next) { if (name.includes('cfworker')) console.log('loaded'); return next(name, context); } });
      const { jsonSchema } = await import(${JSON.stringify(door)});
      const schema = jsonSchema({ type: 'object' });
      console.log('declared');
      console.log(JSON.stringify(await schema['~standard'].validate({})));`;
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' });
    expect(stdout.trim().split('\n')).toEqual(['declared', 'loaded', '{"value":{}}']);
  });
});

describe('a document', () => {
  it('may name and refer to its parts, and to itself', async () => {
    const schema = jsonSchema({
      $id: 'https://example.test/root.json',
      type: 'object',
      properties: {
        a: { $ref: '#/$defs/a~1b%20c' },
        b: { $ref: '#named' },
        c: { $ref: 'https://example.test/root.json' },
        d: { $ref: 'https://example.test/root.json#/$defs/named' },
      },
      $defs: { 'a/b c': { type: 'string' }, named: { $anchor: 'named', type: 'number' } },
    });
    expect(await problem(schema, { a: 'x', b: 1, c: { c: { a: 'x' } }, d: 1 })).toBe('fits');
    for (const wrong of [{ a: 1 }, { b: 'x' }, { d: 'x' }]) expect(await problem(schema, wrong)).toMatch(/^[abd]: Instance type/);
    expect(await problem(schema, { c: { c: { a: 1 } } })).toMatch(/^c\.c\.a: /);
  });

  it('is not written into, and no later change of it matters', async () => {
    const document = { type: 'object', properties: { a: { type: 'string' } as { type: string } } };
    const schema = jsonSchema(document);
    document.properties.a.type = 'number';
    expect(await problem(schema, { a: 'x' })).toBe('fits');
    expect(describeSchema(schema, 'it')).toEqual({ type: 'object', properties: { a: { type: 'string' } } });
    expect(await problem(jsonSchema(Object.freeze({ type: 'object', $defs: Object.freeze({}) })), {})).toBe('fits');
    expect(Reflect.ownKeys(document)).toEqual(['type', 'properties']);
  });
});

describe('a value that costs too much to check is refused, not checked', () => {
  it.each<[string, JsonSchema, unknown]>([
    ['unique objects', { uniqueItems: true }, many(20_000, (i) => ({ i }))],
    ['a choice of many, wrong each time', { items: { enum: many(2_000, (i) => `code ${i}`) } }, many(9_000, () => 0)],
    ['many missing names', { items: { required: many(500, (i) => `name ${i}`) } }, many(9_000, () => ({}))],
    ['many properties', { items: { properties: Object.fromEntries(many(2_000, (i) => [`k${i}`, true])) } }, many(9_000, () => ({}))],
    ['many schemas', { items: { allOf: many(2_000, () => ({ type: 'number' })) } }, many(9_000, () => 0)],
  ])('%s', async (_, document, value) => {
    expect(await problem(jsonSchema(document), value)).toBe('it is too large, or nested too deeply, to be checked: pass less');
  });

  it('and honest ones are checked', async () => {
    const unique = jsonSchema({ uniqueItems: true });
    expect(
      await problem(
        unique,
        many(1_000, (i) => ({ i })),
      ),
    ).toBe('fits');
    expect(await problem(unique, [...many(1_000, (i) => ({ i })), { i: 7 }])).toMatch(/Duplicate/);
    const rows = jsonSchema({ items: { type: 'object', properties: { a: { enum: ['x', 'y'] }, b: { type: 'number' } }, required: ['a'] } });
    expect(
      await problem(
        rows,
        many(3_000, (i) => ({ a: 'x', b: i })),
      ),
    ).toBe('fits');
  });
});

describe('the report about an invalid value', () => {
  it('is ten issues, and 2,000 characters', async () => {
    const closed = jsonSchema({ type: 'object', additionalProperties: false });
    const keys = Object.fromEntries(many(20_000, (i) => [`wrong${i}`, 1]));
    for (const schema of [closed, z.strictObject({}), z.record(z.string(), z.string())]) {
      const told = await problem(schema, keys);
      expect(told).toMatch(/wrong0/);
      expect(told.length).toBeLessThanOrEqual(2_000);
      const issues = told.split('; ');
      expect(issues.length).toBeLessThanOrEqual(11);
      expect(issues.at(-1)).toMatch(/…$|^and more$/);
    }
    const long = await problem(
      jsonSchema({ items: { type: 'string', enum: ['x'.repeat(5_000)] } }),
      many(100, () => 'y'),
    );
    expect(long.length).toBeLessThanOrEqual(2_000);
  });

  it('survives a schema that throws any value', async () => {
    const odd = Object.create(null);
    for (const thrown of ['a text', odd, undefined, Object.defineProperty(new Error(), 'message', { get: () => odd.x.y })]) {
      const schema = { '~standard': { validate: () => Promise.reject(thrown) } } as unknown as Schema;
      expect(typeof (await problem(schema, 1))).toBe('string');
    }
    expect(await problem(jsonSchema({ additionalProperties: true, propertyNames: {} }), { '\ud800': 1 })).toMatch(/not well-formed text/);
  });
});
