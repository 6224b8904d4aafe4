/** Schemas that servers send and models abuse: no network, no loop, no pollution, no standstill. */
import { describe, expect, test } from 'vitest';
import { Engine, type Json, jsonSchema } from '../../src/index.ts';
import { foreignSchema } from '../../src/json-schema.ts';
import { validate } from '../../src/schema.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { asks, ends, failure, shown } from '../kit/runs.ts';
import { type Anything, clerk, ledgered, sockets } from './setup.ts';

/** Calls a tool of this schema with these arguments: what became of it. `of`: declared by the program, or sent by a server. */
async function called(schema: Anything, input: Json, of: 'program' | 'server' = 'program') {
  const opened = sockets();
  let declared: ReturnType<typeof ledgered>;
  try {
    declared = ledgered({ input: of === 'program' ? jsonSchema<Anything>(schema) : foreignSchema(schema, 'the tool'), effect: 'read' });
  } catch (error) {
    return { ledger: [], code: (error as { code: string }).code, sockets: opened.length };
  }
  const { tool, ledger } = declared;
  const model = scripted([asks(['act', {}]), asks(['act', input]), 'done']);
  await ends(new Engine().run(clerk(model, [tool]), 'go'), 'completed');
  const last = shown(model.requests[2]).at(-1);
  return { ledger, code: last?.isError ? failure(last).code : undefined, sockets: opened.length };
}

/** Any of these is a refusal in good order; a bad schema is best refused where it is declared. */
const REFUSED = /^(INVALID_ARGUMENTS|CONFIG_INVALID)$/;

describe('a schema that points elsewhere', () => {
  test.each<[string, Anything]>([
    ['a metadata service', { $ref: 'http://169.254.169.254/latest/meta-data' }],
    ['a port of this machine', { $ref: 'http://127.0.0.1:1/schema.json' }],
    ['the same, in other digits', { properties: { a: { $ref: 'http://0x7f.1/x' } } }],
    ['IPv6 for it', { allOf: [{ $ref: 'http://[::ffff:127.0.0.1]/x' }] }],
    ['a file', { $ref: 'file:///etc/passwd' }],
    ['a place in itself that there is not', { $ref: '#/$defs/none' }],
    ['something inherited', { $ref: '#/constructor' }],
  ])('%s, is not followed: no socket, the call is refused', async (_, more) => {
    const { ledger, code, sockets: opened } = await called({ type: 'object', ...more }, { a: 1 });
    expect(opened).toBe(0);
    expect(code).toMatch(REFUSED);
    expect(ledger.filter((input) => (input as Anything).a)).toEqual([]);
  });

  test('by a $schema that is not known is refused: what it means cannot be known', async () => {
    const { code, sockets: opened } = await called({ type: 'object', $schema: 'http://127.0.0.1:1/draft' }, { a: 1 });
    expect({ opened, code }).toEqual({ opened: 0, code: 'CONFIG_INVALID' });
  });

  test('by $schema or $id only is not fetched and works', async () => {
    const {
      code,
      sockets: opened,
      ledger,
    } = await called({ type: 'object', $schema: 'https://json-schema.org/draft/2020-12/schema', $id: 'http://127.0.0.1:1/tool' }, { a: 1 });
    expect({ opened, code }).toEqual({ opened: 0, code: undefined });
    expect(ledger).toHaveLength(2);
  });
});

describe('an invalid schema', () => {
  test.each<[string, Anything]>([
    ['a loop of one', { $ref: '#' }],
    ['a loop of two', { $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } }, $ref: '#/$defs/a' }],
    ['a pattern that is none', { properties: { a: { pattern: '(' } } }],
    ['properties that are null', { properties: null }],
    ['a property that is null', { properties: { a: null } }],
    ['an enum that is a text', { properties: { a: { enum: 'abc' } } }],
    ['anyOf that is an object', { properties: { a: { anyOf: {} } } }],
  ])('%s, refuses the call and nothing else', async (_, more) => {
    const { ledger, code } = await called({ type: 'object', ...more }, { a: 'x' });
    expect(code).toMatch(REFUSED);
    expect(ledger.filter((input) => (input as Anything).a)).toEqual([]);
  });
});

describe('keys that every object inherits', () => {
  const withKey = (key: string) => JSON.parse(`{"a":1,"${key}":{"polluted":1}}`) as Json;
  test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf'])('%s is a key like any other', async (key) => {
    const verdict = async (schema: Anything, value: Json) => (await validate(jsonSchema(schema), value)).ok;
    const property = (of: object) => JSON.parse(`{"type":"object","properties":{"${key}":${JSON.stringify(of)}}}`);
    expect(await verdict({ type: 'object', properties: { a: {} }, additionalProperties: false }, withKey(key))).toBe(false);
    expect(await verdict({ type: 'object', properties: { a: {} }, additionalProperties: { type: 'string' } }, withKey(key))).toBe(false);
    expect(await verdict({ type: 'object', properties: { a: {} }, unevaluatedProperties: false }, withKey(key))).toBe(false);
    expect(await verdict({ type: 'object', required: [key] }, {})).toBe(false);
    expect(await verdict({ type: 'object', maxProperties: 1 }, withKey(key))).toBe(false);
    expect(await verdict(property({ type: 'string' }), withKey(key))).toBe(false);
    expect(await verdict(property({ type: 'object' }), withKey(key))).toBe(true);
    expect(await verdict(property({ type: 'string' }), {})).toBe(true);
    expect(({} as Anything).polluted).toBeUndefined();
  });
});

describe('nothing stops the process for long', () => {
  // each of these took half a minute before it was stopped: the time limit of a test is what fails
  const doubling = () => {
    const $defs: Anything = { d0: { type: 'object' } };
    for (let i = 1; i <= 22; i++) $defs[`d${i}`] = { allOf: [{ $ref: `#/$defs/d${i - 1}` }, { $ref: `#/$defs/d${i - 1}` }] };
    return { type: 'object', $defs, $ref: '#/$defs/d22' };
  };
  const stubborn = `${'a'.repeat(30)}!`;
  const cases: [string, 'program' | 'server', () => [Anything, Json]][] = [
    // a pattern of the program's own is the program's own fault
    [
      'a pattern that backtracks without end',
      'server',
      () => [{ type: 'object', properties: { a: { type: 'string', pattern: '^(a+)+$' } } }, { a: stubborn }],
    ],
    [
      'a pattern for names that does',
      'server',
      () => [{ type: 'object', patternProperties: { '^(a+)+$': { type: 'string' } } }, { [stubborn]: 'x' }],
    ],
    [
      'a format that does',
      'server',
      () => [{ type: 'object', properties: { a: { type: 'string', format: 'uri-template' } } }, { a: '{'.repeat(100_000) }],
    ],
  ];
  for (const of of ['program', 'server'] as const)
    cases.push(
      ['references that double', of, () => [doubling(), {}]],
      [
        'unique items, and twenty thousand of them',
        of,
        () => [
          { type: 'object', properties: { a: { type: 'array', uniqueItems: true } } },
          { a: Array.from({ length: 20_000 }, (_, i) => ({ i })) },
        ],
      ],
      [
        'unique items, as many as may be',
        of,
        () => [
          { type: 'object', properties: { a: { type: 'array', uniqueItems: true } } },
          { a: Array.from({ length: 9_900 }, (_, i) => `${i}`) },
        ],
      ],
      [
        'fifty thousand mistakes',
        of,
        () => [
          { type: 'object', additionalProperties: { type: 'string' } },
          Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`k${i}`, i])),
        ],
      ],
      [
        'choices that multiply with the depth of the arguments',
        of,
        () => {
          const node: Anything = { type: 'object', properties: { next: { anyOf: Array.from({ length: 8 }, () => ({ $ref: '#' })) } } };
          let value: Anything = { last: true };
          for (let i = 0; i < 40; i++) value = { next: value };
          return [{ ...node, required: ['next'] }, value];
        },
      ],
    );
  test.each(cases)('%s, of a %s', async (_, of, make) => {
    const { code, ledger } = await called(...make(), of);
    expect(code === undefined ? ledger.length > 0 : REFUSED.test(code)).toBe(true);
  });
});
