import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { root } from '../../scripts/doors.ts';
import { NUMBER_NAMES } from '../../src/bench/compare.ts';
import { condition, failIf } from '../../src/bench/index.ts';
import { aReport, inRounds } from './reports.ts';

describe('reading', () => {
  test.each([
    ['costUsd > +5%', { number: 'costUsd', of: 'mean', sign: '>', limit: 5, relative: true }],
    ['ms.p95>2000', { number: 'ms', of: 'p95', sign: '>', limit: 2000, relative: false }],
    ['passRate < 0.9', { number: 'passRate', of: 'mean', sign: '<', limit: 0.9, relative: false }],
    [' step.thinkMs.p50 >= -2.5% ', { number: 'step.thinkMs', of: 'p50', sign: '>=', limit: -2.5, relative: true }],
    ['step.actMs <= .5', { number: 'step.actMs', of: 'mean', sign: '<=', limit: 0.5, relative: false }],
    ['outputTokens.max > 900', { number: 'outputTokens', of: 'max', sign: '>', limit: 900, relative: false }],
  ])('%s', (text, read) => {
    expect(condition(text)).toEqual({ text: text.trim(), ...read });
  });

  test.each([
    ['costUSD > 5', 'Did you mean "costUsd"?'],
    ['step.thinkms > 5', 'Did you mean "step.thinkMs"?'],
    ['price > 5', 'There are passRate, ms,'],
    ['ms.p96 > 5', 'Did you mean "p95"?'],
    ['ms.p99 > +5%', 'a change is one of mean, p50 and p95'],
    ['passRate.p95 < 0.9', 'Write passRate.'],
    ['ms > 5%', '+5% or -5%'],
    ['ms > +5', '+5%'],
    ['ms = 5', "'ms.p95 > 2000'"],
    ['ms > 5 s', 'cannot be read'],
    ['', 'cannot be read'],
    ['ms', 'cannot be read'],
  ])('%s is refused, with what to write', (text, advice) => {
    expect(() => condition(text)).toThrow(advice);
    expect(() => condition(text)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });
});

const noisy = [80, 120, 90, 110, 100, 95, 105, 85, 115, 100];
const of = (values: readonly number[], variant = 'default') => inRounds(values, (ms) => ({ variant, ms }));
const holds = (...[report, conditions, o]: Parameters<typeof failIf>) => failIf(report, conditions, o).map((outcome) => outcome.holds);

describe('values', () => {
  const report = aReport(of(noisy));

  test.each([
    ['ms > 100', false],
    ['ms >= 100', true],
    ['ms < 100.5', true],
    ['ms <= 99', false],
    ['ms.max > 119', true],
    ['ms.min < 80', false],
    ['ms.p95 > 117', true],
    ['passRate < 1', false],
    ['step.engineMs > 0.5', true],
  ])('%s: %s', (text, held) => {
    expect(holds(report, [text])).toEqual([held]);
  });

  test('a share of runs that passed, of all scenarios', () => {
    const half = aReport([...inRounds([1, 2], (n) => ({ scenario: 'a', ok: n === 1 })), ...inRounds([1, 2], () => ({ scenario: 'b' }))]);
    expect(failIf(half, ['passRate < 0.9'])).toEqual([
      { condition: 'passRate < 0.9', variant: 'default', holds: true, why: 'passRate is 0.75' },
    ]);
    expect(holds(half, ['passRate < 0.75'])).toEqual([false]);
  });

  test('each condition is asked of each variant', () => {
    const two = aReport([...of([1, 1], 'a'), ...of([9, 9], 'b')]);
    expect(failIf(two, ['ms > 5', 'ms < 5']).map(({ condition, variant, holds }) => `${condition} ${variant} ${holds}`)).toEqual([
      'ms > 5 a false',
      'ms > 5 b true',
      'ms < 5 a true',
      'ms < 5 b false',
    ]);
  });

  test('an unknown cost holds in every condition, whatever its sign: unknown is not 0', () => {
    const unknown = aReport(inRounds([1, 2], (n) => ({ costUsd: n === 1 ? null : 1 })));
    const conditions = ['costUsd > 1', 'costUsd < 1', 'costUsd > +1%'];
    expect(holds(unknown, conditions, { baseline: unknown })).toEqual([true, true, true]);
    expect(failIf(unknown, ['costUsd > 1'])[0]?.why).toBe('costUsd is unknown: a model has no price, or no run passed');
    expect(holds(aReport(inRounds([1], () => ({ ok: false }))), ['ms > 1000'])).toEqual([true]);
  });
});

describe('changes', () => {
  const base = aReport(of(noisy));
  const times = (factor: number) => aReport(of(noisy.map((ms) => ms * factor)));

  test('a change holds if it crosses the limit and can be told from none', () => {
    expect(holds(times(1.5), ['ms > +5%', 'ms > +60%', 'ms < -5%', 'ms.p95 > +5%'], { baseline: base })).toEqual([
      true,
      false,
      false,
      true,
    ]);
    expect(holds(times(0.5), ['ms < -20%', 'ms > +5%'], { baseline: base })).toEqual([true, false]);
  });

  test('a change within the noise does not hold, and its words say so', () => {
    const [outcome] = failIf(times(1.06), ['ms > +5%'], { baseline: base });
    expect(outcome?.holds).toBe(false);
    expect(outcome?.why).toMatch(
      /^ms\.mean was 100 in "default" and is 106 \(\+6%, 95% interval -[\d.]+% to \+[\d.]+%\): no difference that can be told$/,
    );
  });

  test('a demand for an improvement holds until the improvement is measured', () => {
    expect(holds(times(0.99), ['ms > -10%'], { baseline: base })).toEqual([true]);
    expect(holds(times(0.5), ['ms > -10%'], { baseline: base })).toEqual([false]);
  });

  test('with fewer than 5 rounds the change alone decides', () => {
    const few = (ms: number) => aReport(of([ms, ms + 20]));
    expect(holds(few(106), ['ms > +5%'], { baseline: few(100) })).toEqual([true]);
    expect(holds(few(104), ['ms > +5%'], { baseline: few(100) })).toEqual([false]);
  });

  test('the baseline is the first variant, if there is no other', () => {
    const two = aReport([
      ...of(noisy, 'before'),
      ...of(
        noisy.map((ms) => ms * 2),
        'after',
      ),
    ]);
    expect(failIf(two, ['ms > +5%'])).toMatchObject([{ variant: 'after', holds: true }]);
    expect(failIf(two, ['ms > +5%'], { baseline: 'after' })).toMatchObject([{ variant: 'before', holds: false }]);
    expect(() => failIf(base, ['ms > +5%'])).toThrow('nothing to compare it with');
  });

  test('a rise from 0 crosses every limit', () => {
    const retries = (n: number) => aReport(inRounds([n, n, n, n, n], (value) => ({ retries: value })));
    expect(holds(retries(1), ['retries > +500%'], { baseline: retries(0) })).toEqual([true]);
    expect(holds(retries(0), ['retries > +5%', 'retries >= +0%'], { baseline: retries(0) })).toEqual([false, true]);
  });
});

test('docs/benchmark.md names every number that a condition may be about', () => {
  const page = readFileSync(join(root, 'docs', 'benchmark.md'), 'utf8');
  expect(NUMBER_NAMES.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
});
