/**
 * Compares measurements, with 95% intervals from a bootstrap: rounds are drawn with replacement, as wholes, because what slows the machine
 * for a while slows all runs of a round. Variants of one report ran in the same rounds, so the same rounds are drawn for both.
 */
import { invalid } from '../errors.ts';
import { checkOptions, hint } from '../options.ts';
import type { Report } from './benchmark.ts';
import type { RunMeasure } from './measure.ts';
import { RUN_NUMBERS, STEP_NUMBERS } from './numbers.ts';
import { drawn, type Estimate, estimate, generator, type Sample, STATISTICS, type Statistic, sample, weighted } from './stats.ts';

type Compared = Pick<Report, 'name' | 'at' | 'runs' | 'variants' | 'scenarios'>;

/** How a statistic of one number differs. */
export interface Difference {
  /** As in a summary: `ms` and `costUsd` of a run, `step.thinkMs` of a step, `passRate` of all runs. */
  number: string;
  of: Statistic;
  base: number;
  other: number;
  /** `other - base`. */
  change: Estimate;
  /** The change in percent of `base`. Absent where `base` is 0, or is 0 in too many draws. */
  percent?: Estimate;
  /**
   * Whether a difference can be told: the interval does not contain 0. Absent with fewer than 5 rounds on a side: an interval from so few
   * would be too narrow, so there is none, and `low` and `high` equal the value.
   */
  told?: boolean;
}

/** The differences of one scenario, or of all. */
export interface ComparedPart {
  /** Absent: all scenarios that both sides have. */
  scenario?: string;
  /** Rounds of the base and of the other. */
  rounds: readonly [base: number, other: number];
  differences: readonly Difference[];
  /** Numbers that one side has and the other does not know: a model without a price, or no run that passed. */
  unknown: readonly string[];
}

/** Which variant of which report. */
export interface ComparedSide {
  report: string;
  variant: string;
  /** Epoch milliseconds. */
  at: number;
}

/** Two variants, of one report or of two. `other` is compared with `base`. */
export interface Comparison {
  base: ComparedSide;
  other: ComparedSide;
  /** The same rounds measured both. */
  paired: boolean;
  /** All scenarios first, where there are several. */
  parts: readonly ComparedPart[];
  /** Scenarios that only one side has. They are not compared. */
  only: { base: readonly string[]; other: readonly string[] };
}

/** Fewer rounds give no interval. */
const LEAST_ROUNDS = 5;
const DRAWS = 1_000;

/** Each number with its values of some runs: of those that passed, but `passRate`. Null: one is unknown. */
const NUMBERS: readonly [name: string, values: (runs: readonly RunMeasure[]) => readonly number[] | null][] = [
  ['passRate', (runs) => runs.map(({ ok }) => Number(ok))],
  ...Object.entries(RUN_NUMBERS).map(([name, number]): (typeof NUMBERS)[number] => [name, (runs) => known(runs.filter(isOk).map(number))]),
  ...Object.entries(STEP_NUMBERS).map(([name, number]): (typeof NUMBERS)[number] => [
    `step.${name}`,
    (runs) => known(runs.filter(isOk).flatMap(({ steps }) => steps.map(number))),
  ]),
];

/** The names of all numbers that are compared. */
export const NUMBER_NAMES: readonly string[] = NUMBERS.map(([name]) => name);

function isOk({ ok }: RunMeasure): boolean {
  return ok;
}

function known(values: readonly (number | null | undefined)[]): readonly number[] | null {
  return values.includes(null) ? null : values.filter((value): value is number => typeof value === 'number');
}

/**
 * How variants differ from a baseline, one comparison for each.
 * @param o.baseline another report, whose variant of the same name, or whose only one, is compared; or the name of a variant of this
 *   report. Default: the first variant.
 * @param o.variant compares this one only.
 * @throws RondoError `CONFIG_INVALID` if there is nothing to compare.
 */
export function compared(report: Compared, o: { baseline?: Compared | string; variant?: string } = {}): Comparison[] {
  checkOptions(o, { baseline: "baseline: 'without memory'", variant: "variant: 'with memory'" }, 'compared()');
  const { baseline = report.variants[0] as string, variant } = o;
  const within = typeof baseline === 'string';
  if (within) variantIn(report, baseline);
  if (variant !== undefined) variantIn(report, variant);
  const others = variant === undefined ? report.variants.filter((name) => !within || name !== baseline) : [variant];
  if (others.length === 0)
    throw invalid(`Report "${report.name}" has one variant, "${baseline}", and nothing to compare it with. Give another report.`);
  return others.map((name) => {
    const base = within ? side(report, baseline) : side(baseline, variantLike(baseline, name));
    return comparison(base, side(report, name), within);
  });
}

interface Side extends ComparedSide {
  runs: readonly RunMeasure[];
  scenarios: readonly string[];
}

const side = ({ name, at, runs, scenarios }: Compared, variant: string): Side => {
  const own = runs.filter((run) => run.variant === variant);
  return { report: name, variant, at, runs: own, scenarios: scenarios.filter((scenario) => own.some((run) => run.scenario === scenario)) };
};

function variantIn({ name, variants }: Compared, variant: string): void {
  if (!variants.includes(variant)) throw invalid(`Report "${name}" has no variant "${variant}". ${hint(variant, variants)}`);
}

function variantLike({ name, variants }: Compared, variant: string): string {
  if (variants.includes(variant)) return variant;
  if (variants.length === 1) return variants[0] as string;
  throw invalid(`The baseline "${name}" has no variant "${variant}" to compare with. ${hint(variant, variants)}`);
}

function comparison(base: Side, other: Side, paired: boolean): Comparison {
  const both = base.scenarios.filter((scenario) => other.scenarios.includes(scenario));
  if (both.length === 0)
    throw invalid(
      `"${base.variant}" of report "${base.report}" and "${other.variant}" of report "${other.report}" have no scenario in common that was run.`,
    );
  const parts = both.map((scenario) => partOf(base, other, paired, [scenario], scenario));
  return {
    base: { report: base.report, variant: base.variant, at: base.at },
    other: { report: other.report, variant: other.variant, at: other.at },
    paired,
    parts: parts.length === 1 ? parts : [partOf(base, other, paired, both), ...parts],
    only: {
      base: base.scenarios.filter((scenario) => !both.includes(scenario)),
      other: other.scenarios.filter((scenario) => !both.includes(scenario)),
    },
  };
}

function partOf(base: Side, other: Side, paired: boolean, scenarios: readonly string[], scenario?: string): ComparedPart {
  const own = [base, other].map(({ runs }) => runs.filter((run) => scenarios.includes(run.scenario))) as [RunMeasure[], RunMeasure[]];
  const rounds = own.map((runs) => new Set(runs.map(({ run }) => run))) as [Set<number>, Set<number>];
  // a round that measured one side only is drawn as well: it is empty for the other
  const either = new Set([...rounds[0], ...rounds[1]]);
  const [bases, others] = own.map((runs, i) =>
    [...(paired ? either : (rounds[i] as Set<number>))].map((round) => runs.filter(({ run }) => run === round)),
  );
  const samples: [name: string, base: Sample, other: Sample][] = [];
  const unknown: string[] = [];
  for (const [name, values] of NUMBERS) {
    const [a, b] = [samplesOf(bases ?? [], values), samplesOf(others ?? [], values)];
    if (a?.values.length && b?.values.length) samples.push([name, a, b]);
    else if (!a || !b || a.values.length + b.values.length > 0) unknown.push(name);
  }
  const sizes: [number, number] = [rounds[0].size, rounds[1].size];
  return {
    ...(scenario !== undefined && { scenario }),
    rounds: sizes,
    differences: differencesOf(samples, paired, Math.min(...sizes) >= LEAST_ROUNDS),
    unknown,
  };
}

function samplesOf(rounds: readonly RunMeasure[][], values: (runs: readonly RunMeasure[]) => readonly number[] | null): Sample | undefined {
  const units = rounds.map(values);
  return units.includes(null) ? undefined : sample(units as readonly (readonly number[])[]);
}

/** What was found in draws of rounds: the values of a statistic on both sides. */
interface Draws {
  base: number[];
  other: number[];
}

function differencesOf(samples: readonly (readonly [string, Sample, Sample])[], paired: boolean, enough: boolean): Difference[] {
  const found = samples.map(([number, a, b]) => ({ number, a, b, draws: STATISTICS.map((): Draws => ({ base: [], other: [] })) }));
  // a number that is the same in all runs is so in all draws
  const varying = found.filter(({ a, b }) => varies(a) || varies(b));
  const random = generator();
  for (let i = 0; enough && i < DRAWS; i++) {
    const [, first, second] = samples[0] as [string, Sample, Sample];
    const base = drawn(first.units, random);
    const other = paired ? base : drawn(second.units, random);
    for (const { a, b, draws } of varying) {
      const [inBase, inOther] = [weighted(a, base), weighted(b, other)];
      // a draw of rounds in which one side has no value says nothing
      if (!inBase || !inOther) continue;
      for (const [at, of] of STATISTICS.entries()) {
        draws[at]?.base.push(inBase[of]);
        draws[at]?.other.push(inOther[of]);
      }
    }
  }
  return found.flatMap(({ number, a, b, draws }) => {
    const every = { length: Math.max(a.units, b.units) };
    const [base, other] = [a, b].map(
      (of) =>
        weighted(
          of,
          Array.from(every, () => 1),
        ) as { [of in Statistic]: number },
    );
    return STATISTICS.filter((of) => number !== 'passRate' || of === 'mean').map((of) => {
      const whole = { number, of, base: base?.[of] as number, other: other?.[of] as number };
      return difference(whole, draws[STATISTICS.indexOf(of)] as Draws, enough);
    });
  });
}

const varies = ({ values }: Sample) => values[0] !== values[values.length - 1];

function difference(whole: Pick<Difference, 'number' | 'of' | 'base' | 'other'>, draws: Draws, enough: boolean): Difference {
  const { base, other } = whole;
  const exact = (value: number): Estimate => ({ value, low: value, high: value });
  const value = minus(other, base);
  const percent = (value / base) * 100;
  if (draws.base.length === 0)
    return { ...whole, change: exact(value), ...(base !== 0 && { percent: exact(percent) }), ...(enough && { told: value !== 0 }) };
  const changes = draws.base.map((before, i) => minus(draws.other[i] as number, before));
  const change = estimate(value, changes);
  const shares = changes.flatMap((by, i) => (draws.base[i] === 0 ? [] : [(by / (draws.base[i] as number)) * 100]));
  const told = change.low > 0 || change.high < 0;
  // a draw without a percentage could be any, so few of them may be missing
  return { ...whole, change, ...(base !== 0 && shares.length >= changes.length * 0.99 && { percent: estimate(percent, shares) }), told };
}

/** Sums of doubles drift: the same price, added up in two orders, is the same price. */
function minus(a: number, b: number): number {
  const difference = a - b;
  return Math.abs(difference) <= 1e-9 * Math.max(Math.abs(a), Math.abs(b)) ? 0 : difference;
}
