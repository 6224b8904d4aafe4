import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { fits, isDeep, isSameJson, type Json, NotJson, plainJson, sizeOf, toldJson } from '../src/json.ts';

class Order {
  id = 7;
  #secret = 1;
  get total() {
    return this.#secret;
  }
}
class Hidden {
  #id = 7;
  get id() {
    return this.#id;
  }
}
const circle: { self?: unknown; ok: number } = { ok: 1 };
circle.self = circle;
const throwing = {
  ok: 1,
  get bad() {
    throw new Error('no entry');
  },
};
const holes: unknown[] = [1];
holes[2] = 3;
const generator = () =>
  (function* () {
    yield 1;
  })();
const cause = new TypeError('inner');

/** The value, what a reader gets, and what a program gets: a value, or part of the refusal. */
const table: readonly [string, unknown, unknown, unknown | { refused: string }][] = [
  ['plain JSON', { a: [1, 'x', null, true, { b: {} }] }, { a: [1, 'x', null, true, { b: {} }] }, { a: [1, 'x', null, true, { b: {} }] }],
  ['negative zero', { n: -0 }, { n: 0 }, { n: 0 }],
  ['undefined in an object', { a: undefined, b: 1 }, { b: 1 }, { b: 1 }],
  ['undefined in a list', [undefined, 1], [null, 1], [null, 1]],
  ['a hole', holes, [1, null, 3], [1, null, 3]],
  ['NaN', { n: Number.NaN }, { n: 'NaN' }, { n: null }],
  ['Infinity', [Number.NEGATIVE_INFINITY], ['-Infinity'], [null]],
  ['a date', { at: new Date(0) }, { at: '1970-01-01T00:00:00.000Z' }, { at: '1970-01-01T00:00:00.000Z' }],
  ['an invalid date', { at: new Date(Number.NaN) }, { at: 'Invalid Date' }, { refused: 'invalid Date (at at)' }],
  ['a URL', { u: new URL('http://a.test/b') }, { u: 'http://a.test/b' }, { u: 'http://a.test/b' }],
  ['toJSON', { toJSON: () => ({ n: 1 }) }, { n: 1 }, { n: 1 }],
  ['an instance of a class', new Order(), { id: 7 }, { id: 7 }],
  ['a null-prototype object', Object.assign(Object.create(null), { a: 1 }), { a: 1 }, { a: 1 }],
  ['an object of another realm', runInNewContext('({ a: {} })'), { a: {} }, { a: {} }],
  ['a bigint', { n: 12n }, { n: '12' }, { refused: 'BigInt (at n)' }],
  ['a Map of texts', { m: new Map([['a', 1n]]) }, { m: { a: '1' } }, { refused: 'Map' }],
  ['a Map of others', new Map([[1, new Set(['x'])]]), [[1, ['x']]], { refused: 'Map' }],
  ['a Map of another realm', runInNewContext('new Map([["a", 1]])'), { a: 1 }, { refused: 'Map' }],
  ['a Set', { s: new Set([1, 2]) }, { s: [1, 2] }, { refused: '(at s)' }],
  [
    'an error',
    Object.assign(new RangeError('far', { cause }), { code: 'E_FAR' }),
    { name: 'RangeError', message: 'far', cause: { name: 'TypeError', message: 'inner' }, code: 'E_FAR' },
    { refused: 'Error' },
  ],
  [
    'several errors',
    new AggregateError([cause], 'many'),
    { name: 'AggregateError', message: 'many', errors: [{ name: 'TypeError', message: 'inner' }] },
    { refused: 'Error' },
  ],
  ['a RegExp', [/a+/gi], ['/a+/gi'], { refused: '(at [0])' }],
  ['search parameters', new URLSearchParams({ a: '1' }), 'a=1', { refused: 'URLSearchParams' }],
  ['headers', new Headers({ a: '1' }), { a: '1' }, { refused: 'Headers' }],
  ['boxed values', [Object(1), Object('x'), Object(true)], [1, 'x', true], { refused: 'boxed' }],
  ['a Buffer', { b: Buffer.from('hi') }, { b: 'aGk=' }, { refused: 'bytes' }],
  ['bytes', new Uint8Array([104, 105]), 'aGk=', { refused: 'bytes' }],
  ['an ArrayBuffer', new Uint8Array([104, 105]).buffer, 'aGk=', { refused: 'bytes' }],
  ['a DataView', new DataView(new Uint8Array([0, 104, 105]).buffer, 1), 'aGk=', { refused: 'bytes' }],
  ['numbers in an array of their own', new Float32Array([0.5, 2]), [0.5, 2], { refused: 'bytes' }],
  ['bigints in an array of their own', new BigInt64Array([5n]), ['5'], { refused: 'bytes' }],
  ['a function', { f: () => 1, ok: 1 }, { f: expect.stringContaining('a function'), ok: 1 }, { refused: 'function (at f)' }],
  ['a function alone', () => 1, expect.stringContaining('a function'), { refused: 'function' }],
  ['a symbol', [Symbol('x')], [expect.stringContaining('symbol')], { refused: 'symbol' }],
  ['a field that is named by a symbol', { [Symbol('x')]: 1 }, expect.stringContaining('no fields'), { refused: 'no fields' }],
  ['a promise', { p: Promise.resolve(1) }, { p: expect.stringContaining('await it') }, { refused: 'await it' }],
  ['a thenable', { then: () => 1, plain: 1 }, { then: expect.stringContaining('a function'), plain: 1 }, { refused: 'function' }],
  ['a Response', { r: new Response('x') }, { r: expect.stringContaining('Response: await its text()') }, { refused: 'Response' }],
  ['a Blob', new Blob(['x']), expect.stringContaining('Blob'), { refused: 'Blob' }],
  ['a stream', new ReadableStream(), expect.stringContaining('ReadableStream'), { refused: 'ReadableStream' }],
  ['a generator', { g: generator() }, { g: expect.stringContaining('to its end') }, { refused: 'to its end' }],
  ['an iterator', new Map().values(), expect.stringContaining('to its end'), { refused: 'to its end' }],
  ['a form', new FormData(), expect.stringContaining('FormData'), { refused: 'FormData' }],
  ['a WeakMap', new WeakMap(), expect.stringContaining('WeakMap'), { refused: 'WeakMap' }],
  ['an instance without fields', { h: new Hidden() }, { h: expect.stringContaining('Hidden') }, { refused: 'Hidden' }],
  ['a getter that throws', throwing, { ok: 1, bad: expect.stringContaining('no entry') }, { refused: 'no entry' }],
  [
    'a toJSON that throws',
    {
      a: {
        toJSON() {
          throw new Error('not today');
        },
      },
    },
    { a: expect.stringContaining('not today') },
    { refused: 'not today' },
  ],
  ['a circle', circle, { ok: 1, self: expect.stringContaining('circle') }, { refused: 'nested more than 200' }],
  ['__proto__', JSON.parse('{"__proto__":{"a":1}}'), JSON.parse('{"__proto__":{"a":1}}'), JSON.parse('{"__proto__":{"a":1}}')],
];

describe.each(table)('%s', (_, value, told, kept) => {
  test('for a reader', () => {
    const { json } = toldJson(value);
    expect(json).toEqual(told);
    expect(JSON.parse(JSON.stringify(json))).toEqual(json);
  });

  test('for a program', () => {
    if (typeof kept === 'object' && kept !== null && 'refused' in kept) expect(() => plainJson(value)).toThrow(kept.refused as string);
    else expect(plainJson(value)).toEqual(kept);
  });
});

test('what is told of a value is exact only where a copy of it can stand for the value', () => {
  const inexact = table.filter(
    ([name]) => !['plain JSON', 'negative zero'].includes(name) && !/undefined|hole|null-proto|realm|__proto__/.test(name),
  );
  expect(inexact.filter(([, value]) => toldJson(value).exact).map(([name]) => name)).toEqual([]);
  expect(toldJson({ a: [1, { b: 'x' }] }).exact).toBe(true);
});

test('a refusal names the way to what is refused', () => {
  const lines = { orders: [{ ok: 1 }, { lines: { first: new Map() } }] };
  expect(() => plainJson(lines)).toThrow(
    new NotJson('JSON cannot hold a Map: use Object.fromEntries(map), or [...map] (at orders[1].lines.first)'),
  );
});

test('a value with many references to one object is bounded', () => {
  let doubled: unknown[] = [1];
  for (let i = 0; i < 60; i++) doubled = [doubled, doubled];
  expect(() => plainJson(doubled)).toThrow('more than 5000000 values');
});

test.each<[unknown, unknown, boolean]>([
  [{ a: 1, b: undefined }, { a: 1 }, true],
  [{ b: 2, a: 1 }, { a: 1, b: 2 }, true],
  [-0, 0, true],
  [{ a: 1 }, { a: 1, b: 1 }, false],
  [[1], { 0: 1 }, false],
  [new Date(0), '1970-01-01T00:00:00.000Z', false],
  [new Order(), { id: 7 }, false],
  [Number.NaN, null, false],
  [undefined, undefined, true],
])('%o and %o are the same JSON: %s', (value, json, same) => {
  expect(isSameJson(value, json as never)).toBe(same);
});

describe('bounds of JSON', () => {
  const nested = (levels: number) => JSON.parse(`${'['.repeat(levels)}1${']'.repeat(levels)}`) as Json;

  test.each<[string, unknown, { values?: number; chars?: number }, boolean]>([
    ['a text that fits', 'four', { chars: 4 }, true],
    ['a text that is longer', 'fives', { chars: 4 }, false],
    ['names count as characters', { abc: 'd' }, { chars: 3 }, false],
    ['names fit', { abc: 'd' }, { chars: 4 }, true],
    ['a name alone is too long', { abcde: 1 }, { chars: 4 }, false],
    ['texts of a list together', ['ab', 'cd', 'e'], { chars: 4 }, false],
    ['the list counts as a value', [1, 2], { values: 2 }, false],
    ['lists, objects and what is in them', [{ a: null }, true], { values: 4 }, true],
    ['a shared object counts as often as it occurs', Array(3).fill({ a: 1 }), { values: 6 }, false],
    ['no bound', { a: ['x'.repeat(1000)] }, {}, true],
    ['nested as deep as may be', nested(200), {}, true],
    ['nested deeper', nested(201), {}, false],
    ['a circle', circle, {}, false],
    ['a circle, with many values', circle, { values: 10 }, false],
  ])('%s', (_, value, bound, expected) => {
    expect(fits(value, bound)).toBe(expected);
  });

  test('nesting limits of other sizes', () => {
    expect([isDeep(nested(3), 3), isDeep(nested(4), 3), isDeep(nested(200)), isDeep(nested(201)), isDeep('x', 0)]).toEqual([
      false,
      true,
      false,
      true,
      false,
    ]);
  });

  test('the size of a value is that of its texts and names, and a little for each value', () => {
    expect([sizeOf('abc'), sizeOf(7), sizeOf(['abc', null]), sizeOf({ name: 'abc' })]).toEqual([7, 4, 15, 15]);
  });
});
