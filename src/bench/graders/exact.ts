import type { Grader } from '../../engine/evaluate/check.ts';
import { invalid } from '../../errors.ts';
import { canonical } from '../../journal/canonical.ts';
import { type Json, jsonIn } from '../../json.ts';
import { schemaOf } from '../../json-schema.ts';
import { checkOptions, plain } from '../../options.ts';
import { type Schema, type SchemaLike, validate } from '../../schema.ts';
import { short } from './short.ts';

const NAMED = { name: "name: 'the answer'" };

/** The output is this value: of objects, the order of the fields does not matter; of texts, spaces around them. */
export function exact(expected: unknown, o: { name?: string } = {}): Grader {
  checkOptions(o, NAMED, 'exact()', { name: 'text' });
  if (expected === undefined) throw invalid("exact() needs the expected output: exact('42').");
  const wanted = plain(expected, 'the expected output');
  return {
    name: o.name ?? 'exact',
    grade: ({ output }) => {
      const pass = output !== undefined && same(output, wanted);
      return { pass, reason: pass ? '' : `The output is ${short(output)}, and not ${short(wanted)}.` };
    },
  };
}

const same = (a: Json, b: Json) => (typeof a === 'string' && typeof b === 'string' ? a.trim() === b.trim() : canonical(a) === canonical(b));

/** The output fits a schema. Of a text that is JSON, the JSON must. */
export function matches(schema: SchemaLike, o: { name?: string } = {}): Grader {
  checkOptions(o, NAMED, 'matches()', { name: 'text' });
  const declared: Partial<Schema> | undefined = schemaOf(schema, 'matches()');
  if (typeof declared?.['~standard']?.validate !== 'function')
    throw invalid('matches() takes a schema: matches(z.object({ orderId: z.string() })), or plain JSON Schema.');
  return {
    name: o.name ?? 'matches',
    grade: async ({ output }) => {
      const first = await validate(declared as Schema, output);
      if (first.ok) return { pass: true };
      const parsed = typeof output === 'string' ? jsonIn(output) : undefined;
      const second = parsed === undefined ? first : await validate(declared as Schema, parsed);
      return { pass: second.ok, reason: second.ok ? '' : `The output does not fit: ${second.problem}` };
    },
  };
}
