import { toStandardJsonSchema } from '@valibot/to-json-schema';
import { type } from 'arktype';
import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { agent, Engine, type Json, jsonSchema, type Model, type Schema, tool } from '../../src/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { asks, ends, failure, type Seen, shown } from '../kit/runs.ts';

/** Runs one call and tells what reached the tool and what the model was told. */
async function called(input: Schema, args: Json, approval = false) {
  const got: unknown[] = [];
  const take = tool({ name: 'take', description: 'Take', input, approval, execute: (value: unknown) => void got.push(value) });
  const model = scripted([asks(['take', args]), 'done']);
  const a = agent({ name: 'a', instructions: '', model, tools: [take] });
  const result = await new Engine().run(a, 'go');
  return { got, result, told: shown(model.requests[1])[0], spec: model.requests[0]?.tools[0] };
}

const schemas: readonly [string, Schema<unknown, { city: string; days: number }>][] = [
  ['Zod', z.object({ city: z.string(), days: z.number().int().default(3) })],
  ['ArkType', type({ city: 'string', days: 'number.integer = 3' })],
  ['Valibot', toStandardJsonSchema(v.object({ city: v.string(), days: v.optional(v.pipe(v.number(), v.integer()), 3) }))],
];

describe.each(schemas)('a schema of %s', (_, schema) => {
  test('describes itself to the model', async () => {
    const { spec } = await called(schema, { city: 'Oslo' });
    expect(spec?.input).toMatchObject({ type: 'object', properties: { city: { type: 'string' } } });
    expect(spec?.input).toMatchObject({ required: ['city'] });
  });

  test('gives the tool the parsed arguments', async () => {
    const { got, told } = await called(schema, { city: 'Oslo' });
    expect(got).toEqual([{ city: 'Oslo', days: 3 }]);
    expect(told?.isError).toBe(false);
  });

  test('refuses invalid arguments, and the agent gets the reason', async () => {
    const { got, told, result } = await called(schema, { city: 7 });
    expect(got).toEqual([]);
    expect(told?.isError).toBe(true);
    expect(failure(told)).toMatchObject({ code: 'INVALID_ARGUMENTS', outcome: 'not-run', attempts: 0 });
    expect(failure(told).message).toContain('city');
    expect(result.status).toBe('completed');
  });
});

describe('a JSON Schema', () => {
  const strict = jsonSchema<{ n: number }>({
    type: 'object',
    properties: { n: { type: 'number' } },
    required: ['n'],
    additionalProperties: false,
  });

  test('is passed to the model as it is, and its arguments to the tool', async () => {
    const { got, spec } = await called(strict, { n: 1 });
    expect(spec?.input).toEqual({ type: 'object', properties: { n: { type: 'number' } }, required: ['n'], additionalProperties: false });
    expect(got).toEqual([{ n: 1 }]);
  });

  test.each<[string, Json, string]>([
    ['a wrong type', { n: 'one' }, 'n'],
    ['a missing field', {}, 'n'],
    ['an extra key', { n: 1, approved: true }, 'approved'],
    ['a __proto__ key', JSON.parse('{"n":1,"__proto__":{"admin":true}}'), '__proto__'],
    ['no object', 'n', ''],
    ['null', null, ''],
  ])('refuses %s', async (_, args, word) => {
    const { got, told } = await called(strict, args);
    expect(got).toEqual([]);
    expect(failure(told)).toMatchObject({ code: 'INVALID_ARGUMENTS', outcome: 'not-run' });
    expect(failure(told).message).toContain(word);
  });
});

test('__proto__ and extra keys that a schema leaves out do not reach the tool', async () => {
  const args = JSON.parse('{"city":"Oslo","__proto__":{"admin":true},"constructor":{"prototype":{"admin":true}},"sudo":true}') as Json;
  const { got } = await called(z.object({ city: z.string() }), args);
  expect(got).toEqual([{ city: 'Oslo' }]);
  expect(Object.keys(got[0] as object)).toEqual(['city']);
  expect((got[0] as { admin?: boolean }).admin).toBeUndefined();
  expect(({} as { admin?: boolean }).admin).toBeUndefined();
});

test('bad arguments are refused before the gate: no one is asked to approve them', async () => {
  const { result, told, got } = await called(z.object({ city: z.string() }), { city: 7 }, true);
  expect(result.status).toBe('completed');
  expect(failure(told).code).toBe('INVALID_ARGUMENTS');
  expect(got).toEqual([]);
});

test('bad arguments are refused before the approval rule and the policy see them', async () => {
  const asked: string[] = [];
  const take = tool({
    name: 'take',
    description: 'Take',
    input: z.object({ n: z.number() }),
    approval: () => {
      asked.push('rule');
      return false;
    },
    execute: () => asked.push('tool'),
  });
  const policy = {
    decide: async () => {
      asked.push('policy');
      return { allow: true };
    },
  };
  const a = agent({ name: 'a', instructions: '', model: scripted([asks(['take', { n: 'x' }]), 'done']), tools: [take] });
  await new Engine({ policy }).run(a, 'go');
  expect(asked).toEqual([]);
});

test('an unknown tool is an observation that names the tools there are, and the run goes on', async () => {
  const known = tool({ name: 'known', description: '', input: z.object({}), execute: () => 'ok' });
  const model = scripted([asks(['unknown', {}], ['known', {}]), 'done']);
  const a = agent({ name: 'a', instructions: '', model, tools: [known] });
  const result = await ends(new Engine().run(a, 'go'), 'completed');
  const [unknown, ok] = shown(model.requests[1]);
  expect(failure(unknown)).toMatchObject({ code: 'TOOL_NOT_FOUND', outcome: 'not-run', attempts: 0 });
  expect(failure(unknown).message).toContain('known');
  expect(ok).toMatchObject({ text: 'ok', isError: false });
  expect(result.output).toBe('done');
});

test.each(['toString', '__proto__', 'constructor', 'hasOwnProperty'])('a tool called %s is unknown like any other', async (name) => {
  const model = scripted([asks([name, {}]), 'done']);
  await ends(new Engine().run(agent({ name: 'a', instructions: '', model }), 'go'), 'completed');
  expect(failure(shown(model.requests[1])[0]).code).toBe('TOOL_NOT_FOUND');
});

test('a schema that validates asynchronously, or throws, works too', async () => {
  const slow = z.object({ n: z.number() }).refine(async ({ n }) => n > 0, 'must be positive');
  expect((await called(slow, { n: 1 })).got).toEqual([{ n: 1 }]);
  expect(failure((await called(slow, { n: -1 })).told).message).toContain('must be positive');
  const broken = jsonSchema({ type: 'object' });
  const throws: Schema = {
    '~standard': {
      ...broken['~standard'],
      validate: () => {
        throw new Error('schema bug');
      },
    },
  };
  const { got, told } = await called(throws, {});
  expect(got).toEqual([]);
  expect(failure(told)).toMatchObject({ code: 'INVALID_ARGUMENTS', message: expect.stringContaining('schema bug') });
});

test('what a tool does to its arguments changes neither the journal nor what the model sees', async () => {
  const greedy = tool({
    name: 'greedy',
    description: '',
    input: jsonSchema<{ list: number[] }>({ type: 'object' }),
    execute: (input) => {
      input.list.length = 0;
      return 'emptied';
    },
  });
  const model = scripted([asks(['greedy', { list: [1, 2] }]), 'done']);
  const engine = new Engine();
  const result = await engine.run(agent({ name: 'a', instructions: '', model, tools: [greedy] }), 'go');
  const asked = model.requests[1]?.messages[1]?.content[0];
  expect(asked).toMatchObject({ type: 'toolCall', input: { list: [1, 2] } });
  expect((await engine.inspect(result.runId)).messages[1]?.content[0]).toMatchObject({ input: { list: [1, 2] } });
});

test.each<[string, () => unknown]>([
  ['too many', () => Array.from({ length: 50_000 }, (_, i) => i)],
  ['too long', () => 'x'.repeat(1_000_000)],
  ['nested too deep', () => JSON.parse(`${'['.repeat(50_000)}${']'.repeat(50_000)}`)],
  [
    'circular',
    () => {
      const a: unknown[] = [];
      a.push(a);
      return a;
    },
  ],
])('arguments that are %s are refused, and the run goes on', async (_, value) => {
  let ran = 0;
  let told: Seen | undefined;
  const take = tool({ name: 'take', description: '', input: jsonSchema({ type: 'object' }), execute: () => ++ran });
  // a scripted model counts the bytes of what it says, which cannot be done with all of these
  const model: Model = {
    provider: 'scripted',
    id: 'm',
    async generate(request) {
      told = shown(request)[0];
      if (told) return { content: [{ type: 'text', text: 'done' }], stop: 'end' };
      return { content: [{ type: 'toolCall', id: '1', name: 'take', input: { value: value() } as Json }], stop: 'tools' };
    },
  };
  await ends(new Engine().run(agent({ name: 'a', instructions: '', model, tools: [take] }), 'go'), 'completed');
  expect(ran).toBe(0);
  expect(failure(told)).toMatchObject({ code: 'INVALID_ARGUMENTS', outcome: 'not-run' });
});
