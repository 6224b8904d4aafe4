/** Percentiles, and intervals for what was measured a few times. */

/** Of numbers that were measured; without any, there is none. */
export interface Spread {
  n: number;
  mean: number;
  min: number;
  p50: number;
  p95: number;
  p99: number;
  max: number;
}

/** An estimate with its 95% interval. */
export interface Estimate {
  value: number;
  low: number;
  high: number;
}

/** @returns undefined for no numbers. Between two measured values a percentile is interpolated. */
export function spread(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined;
  const sorted = [...values].sort((a, b) => a - b);
  return {
    n: sorted.length,
    mean: values.reduce((sum, value) => sum + value, 0) / values.length,
    min: sorted[0] as number,
    p50: quantile(sorted, 0.5),
    p95: quantile(sorted, 0.95),
    p99: quantile(sorted, 0.99),
    max: sorted.at(-1) as number,
  };
}

/** Of sorted numbers. */
function quantile(sorted: readonly number[], share: number): number {
  const at = share * (sorted.length - 1);
  const below = sorted[Math.floor(at)] as number;
  return below + (at - Math.floor(at)) * ((sorted[Math.ceil(at)] as number) - below);
}

/** The 0.975 quantile of the normal distribution. */
const Z = 1.959964;

/** A share of successes with its Wilson interval, which also fits few trials and shares near 0 and 1. */
export function share(successes: number, trials: number): Estimate {
  if (trials === 0) return { value: Number.NaN, low: 0, high: 1 };
  const p = successes / trials;
  const z2 = Z * Z;
  const middle = (p + z2 / (2 * trials)) / (1 + z2 / trials);
  const half = (Z / (1 + z2 / trials)) * Math.sqrt((p * (1 - p)) / trials + z2 / (4 * trials * trials));
  return { value: p, low: successes === 0 ? 0 : Math.max(0, middle - half), high: successes === trials ? 1 : Math.min(1, middle + half) };
}

/**
 * pass@k: the probability that at least one of `k` runs is right, by the unbiased estimator of `n` runs. The interval is that of the share
 * of right runs, carried over.
 */
export function passAt(k: number, passed: number, n: number): Estimate {
  let none = 1;
  for (let i = 0; i < k; i++) none *= Math.max(0, n - passed - i) / (n - i);
  const { low, high } = share(passed, n);
  return { value: 1 - none, low: 1 - (1 - low) ** k, high: 1 - (1 - high) ** k };
}
