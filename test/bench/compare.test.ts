import { describe, expect, test } from 'vitest';
import { type Comparison, compared, type Difference, type RunMeasure } from '../../src/bench/index.ts';
import { generator } from '../../src/bench/stats.ts';
import { aReport, aRun, inRounds } from './reports.ts';

const one = (comparisons: readonly Comparison[], number: string, of = 'mean', part = 0): Difference => {
  const found = comparisons[0]?.parts[part]?.differences.find((d) => d.number === number && d.of === of);
  if (!found) throw new Error(`no ${number}`);
  return found;
};

/** Noise that is the same in each round: what slows the machine slows both variants. */
const noise = (n: number, seed: number) => {
  const random = generator(seed);
  return Array.from({ length: n }, () => random() * 100);
};

const variants = (n: number, factor: number): RunMeasure[] =>
  noise(n, 1).flatMap((slow, i) => [
    aRun({ variant: 'before', run: i + 1, ms: 100 + slow }),
    aRun({ variant: 'after', run: i + 1, ms: (100 + slow) * factor }),
  ]);

describe('differences', () => {
  test('a change that every round shows is told, with its percentage and an interval that contains it', () => {
    const difference = one(compared(aReport(variants(20, 1.05))), 'ms');
    expect(difference.percent?.value).toBeCloseTo(5, 6);
    expect(difference.percent?.low).toBeCloseTo(5, 6);
    expect(difference.percent?.high).toBeCloseTo(5, 6);
    expect(difference.told).toBe(true);
    expect(difference.change.low).toBeGreaterThan(0);
  });

  test('the rounds of one report are pairs; the same runs in two reports are not, so the noise of the machine hides the change', () => {
    const runs = variants(20, 1.05);
    const renamed = (variant: string) => aReport(runs.filter((run) => run.variant === variant).map((run) => ({ ...run, variant: 'x' })));
    const [pairs, apart] = [compared(aReport(runs)), compared(renamed('after'), { baseline: renamed('before') })];
    expect([pairs[0]?.paired, apart[0]?.paired]).toEqual([true, false]);
    expect(one(apart, 'ms').percent?.value).toBeCloseTo(one(pairs, 'ms').percent?.value as number, 9);
    expect(one(pairs, 'ms').told).toBe(true);
    expect(one(apart, 'ms').told).toBe(false);
    expect(one(apart, 'ms').change.low).toBeLessThan(0);
    expect(one(apart, 'ms').change.high).toBeGreaterThan(0);
  });

  test('the interval of a mean is that of the normal approximation, where that holds', () => {
    const values = noise(200, 7);
    const runs = [...inRounds(values, (ms) => ({ variant: 'b', ms })), ...inRounds(noise(200, 8), (ms) => ({ variant: 'a', ms: ms + 10 }))];
    const { change } = one(compared(aReport(runs)), 'ms');
    const pairs = noise(200, 8).map((ms, i) => ms + 10 - (values[i] as number));
    const mean = pairs.reduce((sum, d) => sum + d, 0) / 200;
    const half = 1.96 * Math.sqrt(pairs.reduce((sum, d) => sum + (d - mean) ** 2, 0) / 199 / 200);
    expect(change.value).toBeCloseTo(mean, 9);
    expect(change.high - change.low).toBeGreaterThan(2 * half * 0.93);
    expect(change.high - change.low).toBeLessThan(2 * half * 1.07);
  });

  test('of two samples of one distribution, about 1 in 20 means is told apart', () => {
    let told = 0;
    for (let i = 0; i < 100; i++) {
      const make = (variant: string, seed: number) => inRounds(noise(12, seed), (ms) => ({ variant, ms }));
      const report = aReport([...make('a', i * 2 + 11), ...make('b', i * 2 + 12)]);
      if (one(compared(report), 'ms').told) told++;
    }
    expect(told).toBeGreaterThan(0);
    expect(told).toBeLessThan(16);
  });

  test('the same report compared with itself has no difference, and the same interval each time', () => {
    const report = aReport(inRounds(noise(10, 3), (ms) => ({ ms })));
    const comparisons = compared(report, { baseline: report });
    expect(comparisons[0]?.parts[0]?.differences.filter(({ told, change }) => told || change.value !== 0)).toEqual([]);
    expect(compared(report, { baseline: report })).toEqual(comparisons);
  });

  test('a sum that only drifts is not a difference', () => {
    const base = aReport(inRounds(Array(7).fill(0.3), (costUsd) => ({ costUsd })));
    const other = aReport(inRounds(Array(7).fill(0.1 + 0.2), (costUsd) => ({ costUsd })));
    const { change, told } = one(compared(other, { baseline: base }), 'costUsd');
    expect([change.value, change.low, change.high, told]).toEqual([0, 0, 0, false]);
  });

  test('fewer than 5 rounds give a value and no interval', () => {
    const { change, told, percent } = one(compared(aReport(variants(4, 1.5))), 'ms');
    expect(told).toBeUndefined();
    expect(change.low).toBe(change.value);
    expect(percent?.value).toBeCloseTo(50);
    expect(one(compared(aReport(variants(5, 1.5))), 'ms').told).toBe(true);
  });

  test('percentiles, steps and the pass rate are compared as well; runs that did not pass count in the rate only', () => {
    const failed = inRounds(Array(5).fill(9_000), (ms) => ({ variant: 'b', ms, ok: false })).map((run) => ({ ...run, run: run.run + 5 }));
    const runs = [
      ...inRounds([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], (ms) => ({ variant: 'a', ms })),
      ...inRounds([2, 4, 6, 8, 10], (ms) => ({ variant: 'b', ms })),
      ...failed,
    ];
    const comparisons = compared(aReport(runs));
    expect(one(comparisons, 'ms', 'p50')).toMatchObject({ base: 5.5, other: 6 });
    expect(one(comparisons, 'ms', 'p95').base).toBeCloseTo(9.55, 9);
    expect(one(comparisons, 'step.thinkMs')).toMatchObject({ base: 4.5, other: 5 });
    expect(one(comparisons, 'passRate')).toMatchObject({ base: 1, other: 0.5, percent: { value: -50 }, told: true });
    expect(comparisons[0]?.parts[0]?.differences.filter(({ number }) => number === 'passRate')).toHaveLength(1);
  });

  test('a number that one side does not know is named, not compared', () => {
    const runs = [
      ...inRounds([1, 1, 1, 1, 1], () => ({ variant: 'a' })),
      ...inRounds([1, 1, 1, 1, 1], (n) => ({ variant: 'b', costUsd: n === 1 ? null : n })),
    ];
    const [comparison] = compared(aReport(runs));
    expect(comparison?.parts[0]?.unknown).toEqual(['costUsd']);
    expect(comparison?.parts[0]?.differences.some(({ number }) => number === 'costUsd')).toBe(false);
  });

  test('a change from 0 has no percentage', () => {
    const runs = [
      ...inRounds([0, 0, 0, 0, 0], (retries) => ({ variant: 'a', retries })),
      ...inRounds([1, 1, 1, 1, 1], (retries) => ({ variant: 'b', retries })),
    ];
    const difference = one(compared(aReport(runs)), 'retries');
    expect(difference).toMatchObject({ base: 0, other: 1, change: { value: 1, low: 1, high: 1 }, told: true });
    expect(difference.percent).toBeUndefined();
  });
});

describe('what is compared', () => {
  const of = (variant: string, scenario: string, ms = 1) => inRounds([ms, ms, ms, ms, ms], (value) => ({ variant, scenario, ms: value }));

  test('scenarios that both have, each and all together; the others are named', () => {
    const base = aReport([...of('x', 'one', 10), ...of('x', 'two', 20), ...of('x', 'old')]);
    const other = aReport([...of('x', 'one', 20), ...of('x', 'two', 20), ...of('x', 'new')]);
    const [comparison] = compared(other, { baseline: base });
    expect(comparison?.parts.map(({ scenario }) => scenario)).toEqual([undefined, 'one', 'two']);
    expect(comparison?.only).toEqual({ base: ['old'], other: ['new'] });
    const means = [0, 1, 2].map((part) => one([comparison as Comparison], 'ms', 'mean', part).percent?.value);
    expect(means[0]).toBeCloseTo(33.333, 2);
    expect(means.slice(1)).toEqual([100, 0]);
  });

  test('a round is drawn whole: two scenarios that trade their times in each round have the same sum in every draw', () => {
    const runs = noise(10, 4).flatMap((ms, i) =>
      ['a', 'b'].flatMap((variant) => [
        aRun({ variant, run: i + 1, scenario: 'one', ms }),
        aRun({ variant, run: i + 1, scenario: 'two', ms: 200 - ms + (variant === 'b' ? 2 : 0) }),
      ]),
    );
    const { change } = one(compared(aReport(runs)), 'ms');
    expect([change.low, change.value, change.high].map((value) => Math.round(value * 1e6) / 1e6)).toEqual([1, 1, 1]);
  });

  test('variants against the first, or against the one that is named; a report with one variant against any', () => {
    const three = aReport([...of('a', 's'), ...of('b', 's'), ...of('c', 's')]);
    const sides = (found: readonly Comparison[]) => found.map(({ base, other }) => `${base.variant}>${other.variant}`);
    expect(sides(compared(three))).toEqual(['a>b', 'a>c']);
    expect(sides(compared(three, { baseline: 'c' }))).toEqual(['c>a', 'c>b']);
    expect(sides(compared(three, { baseline: 'c', variant: 'b' }))).toEqual(['c>b']);
    expect(sides(compared(three, { baseline: aReport(of('z', 's')) }))).toEqual(['z>a', 'z>b', 'z>c']);
    expect(sides(compared(three, { baseline: three }))).toEqual(['a>a', 'b>b', 'c>c']);
  });

  test.each([
    ['one variant and no other report', () => compared(aReport(of('a', 's'))), /one variant, "a", and nothing to compare it with/],
    ['a variant that is not there', () => compared(aReport(of('before', 's')), { baseline: 'befor' }), /Did you mean "before"\?/],
    [
      'a baseline without the variant',
      () => compared(aReport(of('a', 's')), { baseline: aReport([...of('b', 's'), ...of('c', 's')]) }),
      /no variant "a"/,
    ],
    [
      'no scenario in common',
      () => compared(aReport(of('a', 's')), { baseline: aReport(of('a', 't')) }),
      /no scenario in common that was run/,
    ],
  ])('%s is refused', (_, compare, message) => {
    expect(compare).toThrow(message);
    expect(compare).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });
});
