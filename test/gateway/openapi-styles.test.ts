/** The table of the OpenAPI specification ("Style Examples"), and of RFC 6570 where the specification refers to it. */
import { expect, test } from 'vitest';
import { inCookie, inHeader, inPath, inQuery, type Parameter } from '../../src/adapters/gateway/openapi/styles.ts';

const COLOR = { empty: '', text: 'blue', list: ['blue', 'black', 'brown'], object: { R: 100, G: 200, B: 150 } };
const parameter = (style: Parameter['style'], explode: boolean, more: Partial<Parameter> = {}): Parameter => ({
  property: 'color',
  name: 'color',
  in: 'query',
  style,
  explode,
  reserved: false,
  json: false,
  required: false,
  description: undefined,
  schema: {},
  at: '#',
  ...more,
});

test.each([
  ['matrix', false, ';color=blue', ';color=blue,black,brown', ';color=R,100,G,200,B,150'],
  ['matrix', true, ';color=blue', ';color=blue;color=black;color=brown', ';R=100;G=200;B=150'],
  ['label', false, '.blue', '.blue,black,brown', '.R,100,G,200,B,150'],
  ['label', true, '.blue', '.blue.black.brown', '.R=100.G=200.B=150'],
  ['simple', false, 'blue', 'blue,black,brown', 'R,100,G,200,B,150'],
  ['simple', true, 'blue', 'blue,black,brown', 'R=100,G=200,B=150'],
] as const)('a path in the style %s, explode %s', (style, explode, text, list, object) => {
  const p = parameter(style, explode, { in: 'path' });
  expect([inPath(p, COLOR.text), inPath(p, COLOR.list), inPath(p, COLOR.object)]).toEqual([text, list, object]);
  expect(() => inPath(p, COLOR.empty)).toThrow(/empty/);
  expect(() => inPath(p, [])).toThrow(/empty/);
});

test.each([
  ['form', false, 'color=blue', 'color=blue,black,brown', 'color=R,100,G,200,B,150'],
  ['form', true, 'color=blue', 'color=blue&color=black&color=brown', 'R=100&G=200&B=150'],
  ['spaceDelimited', false, 'color=blue', 'color=blue%20black%20brown', 'color=R%20100%20G%20200%20B%20150'],
  ['pipeDelimited', false, 'color=blue', 'color=blue%7Cblack%7Cbrown', 'color=R%7C100%7CG%7C200%7CB%7C150'],
  ['deepObject', true, 'color=blue', 'color=blue&color=black&color=brown', 'color%5BR%5D=100&color%5BG%5D=200&color%5BB%5D=150'],
] as const)('a query in the style %s, explode %s', (style, explode, text, list, object) => {
  const written = (value: Parameters<typeof inQuery>[1]) => inQuery(parameter(style, explode), value).join('&');
  expect([written(COLOR.text), written(COLOR.list), written(COLOR.object)]).toEqual([text, list, object]);
  expect(written(COLOR.empty)).toBe('color=');
  expect(written(null)).toBe('');
  expect(written([])).toBe('');
});

test('what ends a value is encoded in each place, and allowReserved lets the rest be', () => {
  const odd = 'a/b?c&d=e#f+g,h%i é';
  expect(inPath(parameter('simple', false), odd)).toBe('a%2Fb%3Fc%26d%3De%23f%2Bg%2Ch%25i%20%C3%A9');
  expect(inQuery(parameter('form', true), odd)).toEqual(['color=a%2Fb%3Fc%26d%3De%23f%2Bg%2Ch%25i%20%C3%A9']);
  expect(inQuery(parameter('form', true, { reserved: true }), odd)).toEqual(['color=a/b?c%26d=e%23f%2Bg,h%25i%20%C3%A9']);
  expect(inQuery(parameter('form', true, { json: true }), { a: [1] })).toEqual(['color=%7B%22a%22%3A%5B1%5D%7D']);
  expect(inHeader(parameter('simple', false), ['a', 'b c'])).toBe('a,b c');
  expect(inHeader(parameter('simple', true), { a: 1, b: 2 })).toBe('a=1,b=2');
  expect(() => inHeader(parameter('simple', false), 'a\r\nx-admin: 1')).toThrow(/header/);
  expect(inCookie(parameter('form', true), ['a;b', 'c'])).toBe('a%3Bb,c');
});
