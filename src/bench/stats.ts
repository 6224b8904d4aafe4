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
function quantile(sorted: ArrayLike<number>, share: number): number {
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

/** What two samples are compared by. */
export const STATISTICS = ['mean', 'p50', 'p95'] as const;
/** The mean, or a percentile. */
export type Statistic = (typeof STATISTICS)[number];

/** Values of units, such as the runs of a round, which are drawn as wholes. */
export interface Sample {
  /** How many units there are, those without a value included. */
  readonly units: number;
  /** Sorted. */
  readonly values: Float64Array;
  /** The unit of each value. */
  readonly unitOf: Uint32Array;
}

export function sample(units: readonly (readonly number[])[]): Sample {
  const all = units.flatMap((values, unit) => values.map((value) => ({ value, unit }))).sort((a, b) => a.value - b.value);
  return { units: units.length, values: Float64Array.from(all, ({ value }) => value), unitOf: Uint32Array.from(all, ({ unit }) => unit) };
}

/** The statistics of a sample whose units count as often as `weights` says; undefined if no value counts. */
export function weighted({ values, unitOf }: Sample, weights: ArrayLike<number>): { [of in Statistic]: number } | undefined {
  let [n, sum] = [0, 0];
  for (let i = 0; i < values.length; i++) {
    const weight = weights[unitOf[i] as number] as number;
    n += weight;
    sum += weight * (values[i] as number);
  }
  if (n === 0) return undefined;
  const least = values[0] as number;
  if (least === values[values.length - 1]) return { mean: least, p50: least, p95: least };
  // the places in a list that holds each value as often as it counts, in rising order
  const places = [0.5, 0.95].map((share) => share * (n - 1));
  const found: [below: number, above: number][] = [];
  let [i, passed] = [-1, 0];
  for (const place of places) {
    const until = (index: number) => {
      while (passed <= index) passed += weights[unitOf[++i] as number] as number;
      return values[i] as number;
    };
    found.push([until(Math.floor(place)), until(Math.ceil(place))]);
  }
  const [p50, p95] = found.map(([below, above], at) => below + ((places[at] as number) % 1) * (above - below));
  return { mean: sum / n, p50: p50 as number, p95: p95 as number };
}

/** Draws as many units as there are, with replacement: how often each was drawn. */
export function drawn(units: number, random: () => number): Uint32Array {
  const weights = new Uint32Array(units);
  for (let i = 0; i < units; i++) {
    const unit = Math.floor(random() * units);
    weights[unit] = (weights[unit] as number) + 1;
  }
  return weights;
}

/** The middle 95% of what was found in draws. */
export function estimate(value: number, found: readonly number[]): Estimate {
  const sorted = Float64Array.from(found).sort();
  return { value, low: quantile(sorted, 0.025), high: quantile(sorted, 0.975) };
}

/** Numbers from 0 to 1 (mulberry32), always the same ones: the same measurements get the same interval. */
export function generator(seed = 0x9e3779b9): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
