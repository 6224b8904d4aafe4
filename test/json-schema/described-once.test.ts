import { expect, test } from 'vitest';
import { z } from 'zod';
import { type Schema, tool } from '../../src/index.ts';
import { describe } from '../../src/schema.ts';

const made = (input: Schema) => tool({ name: 'look', description: 'Looks', input, execute: () => 1 });

/** A schema that counts how often it is converted. */
function counted(schema: Schema) {
  const seen = { conversions: 0 };
  const { jsonSchema, ...props } = schema['~standard'];
  const input: typeof jsonSchema.input = (target) => {
    seen.conversions++;
    return jsonSchema.input(target);
  };
  return { seen, schema: { '~standard': { ...props, jsonSchema: { ...jsonSchema, input } } } as Schema };
}

test('the schema of tools that are made for each request is converted once, and each has a document of its own', () => {
  const { seen, schema } = counted(z.object({ id: z.number() }));
  for (let i = 0; i < 3; i++) made(schema);
  const first = describe(schema, 'it');
  const expected = structuredClone(first);
  (first.properties as { id: unknown }).id = 'changed';
  expect(describe(schema, 'it')).toEqual(expected);
  expect(seen.conversions).toBe(1);
});

test('a schema that cannot be converted is told each time, with the name of what declares it', () => {
  const { seen, schema } = counted(z.object({ at: z.date() }));
  for (const where of ['the input of tool "a"', 'the input of tool "b"'])
    expect(() => describe(schema, where)).toThrow(`${where} cannot be written as JSON Schema`);
  expect(seen.conversions).toBe(2);
});
