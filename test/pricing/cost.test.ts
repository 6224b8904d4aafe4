import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cost, reserve } from '../../src/pricing/cost.ts';
import type { Price } from '../../src/pricing/price.ts';
import { price } from '../../src/pricing/prices.ts';

const rates: Price = { input: 3, output: 15, cacheRead: 0.3, cacheWrite: 3.75, source: 'test', date: '2026-01-01' };
const plain: Price = { input: 3, output: 15, source: 'test', date: '2026-01-01' };

test('a call costs its tokens at their rates', () => {
  expect(cost({ input: 1_000_000, output: 0 }, rates)).toBe(3);
  expect(cost({ input: 1_000, output: 200, cacheRead: 5_000, cacheWrite: 400, reasoning: 150 }, rates)).toBe(0.009);
  expect(cost({ input: 1, output: 0 }, { ...plain, input: 0.035 })).toBe(35e-9);
  expect(cost({ input: 5, output: 5 }, price('standin/rules'))).toBe(0);
});

test('an unknown cost is undefined, never 0', () => {
  expect(cost(undefined, rates)).toBeUndefined();
  expect(cost({ input: 1, output: 1 }, undefined)).toBeUndefined();
  expect(cost({ input: 1, output: 1, cacheRead: 1 }, plain)).toBeUndefined();
  expect(cost({ input: 1, output: 1, cacheWrite: 1 }, plain)).toBeUndefined();
  expect(cost({ input: Number.NaN, output: 1 }, rates)).toBeUndefined();
  expect(cost({ input: -5, output: 1 }, { ...plain, output: 1 })).toBeUndefined();
  // a rate that is not needed may be unknown
  expect(cost({ input: 1_000, output: 0, cacheRead: 0, cacheWrite: 0 }, plain)).toBe(0.003);
});

test('a long request is charged at its own rates, every token of it', () => {
  const tiered: Price = { ...rates, long: { over: 100, input: 6, output: 30, cacheRead: 0.6 } };
  expect(cost({ input: 60, output: 10, cacheRead: 40 }, tiered)).toBe((60 * 3 + 40 * 0.3 + 10 * 15) / 1e6);
  expect(cost({ input: 61, output: 10, cacheRead: 40 }, tiered)).toBe((61 * 6 + 40 * 0.6 + 10 * 30) / 1e6);
  expect(cost({ input: 101, output: 0, cacheWrite: 1 }, tiered)).toBeUndefined();
});

test('the reservation counts every new byte as a token, at the dearest input rate, plus the whole output limit', () => {
  expect(reserve({ measuredTokens: 1_000, newBytes: 200, maxOutput: 4_096 }, rates)).toEqual({
    tokens: 5_296,
    usd: (1_200 * 3.75 + 4_096 * 15) / 1e6,
  });
  expect(reserve({ measuredTokens: 1, newBytes: 2, maxOutput: 3 }, undefined)).toEqual({ tokens: 6, usd: undefined });
  const tiered: Price = { ...plain, long: { over: 100, input: 6, output: 30 } };
  expect(reserve({ measuredTokens: 100, newBytes: 0, maxOutput: 10 }, tiered).usd).toBe((100 * 3 + 10 * 15) / 1e6);
  expect(reserve({ measuredTokens: 100, newBytes: 1, maxOutput: 10 }, tiered).usd).toBe((101 * 6 + 10 * 30) / 1e6);
  // where long requests are cheaper, the bytes may be fewer tokens
  const cheaper = { ...tiered, long: { over: 100, input: 0.5, output: 1 } };
  expect(reserve({ measuredTokens: 100, newBytes: 1, maxOutput: 10 }, cheaper).usd).toBe((101 * 3 + 10 * 15) / 1e6);
});

test('no call costs more than was reserved for it', () => {
  const tokens = fc.nat({ max: 300_000 });
  const rate = fc.double({ min: 0, max: 100, noNaN: true });
  const all = fc.record({ input: rate, output: rate, cacheRead: rate, cacheWrite: rate });
  fc.assert(
    fc.property(tokens, tokens, tokens, tokens, tokens, all, all, (input, cacheRead, cacheWrite, output, slack, base, long) => {
      // a longer request is never cheaper
      const dearer = Object.fromEntries(Object.entries(long).map(([k, v]) => [k, v + base[k as keyof typeof base]])) as typeof base;
      const p: Price = { ...base, long: { over: 200_000, ...dearer }, source: 's', date: 'd' };
      const measured = Math.floor((input + cacheRead + cacheWrite) / 2);
      const o = { measuredTokens: measured, newBytes: input + cacheRead + cacheWrite - measured + slack, maxOutput: output + slack };
      const reserved = reserve(o, p);
      const spent = cost({ input, output, cacheRead, cacheWrite }, p);
      expect(reserved.tokens).toBeGreaterThanOrEqual(input + cacheRead + cacheWrite + output);
      expect(reserved.usd).toBeGreaterThanOrEqual(spent ?? Number.NaN);
    }),
    { numRuns: 2_000 },
  );
});
