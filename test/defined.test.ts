import { expect, expectTypeOf, test } from 'vitest';
import { defined } from '../src/defined.ts';

test('fields without a value are left out, and all others stay', () => {
  const given: { a: number; b: string | undefined; c: null; d: false | undefined } = { a: 0, b: undefined, c: null, d: false };
  const kept = defined(given);
  expect(Object.keys(kept)).toEqual(['a', 'c', 'd']);
  expect(kept).toStrictEqual({ a: 0, c: null, d: false });
  expectTypeOf(kept).toExtend<{ a: number; b?: string; c: null; d?: false }>();
  // @ts-expect-error: it may be absent
  const missing: { b: string } = kept;
  expect(missing.b).toBeUndefined();
});
