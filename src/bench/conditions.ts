/** Conditions on a report, such as `costUsd > +5%`, by which a script decides whether a measurement is good enough. */
import { invalid } from '../errors.ts';
import { checkOptions, hint } from '../options.ts';
import type { Report } from './benchmark.ts';
import { type Comparison, compared, NUMBER_NAMES } from './compare.ts';
import { type Spread, STATISTICS, type Statistic } from './stats.ts';
import { type Summary, summarised } from './summary.ts';

const ABSOLUTE = ['mean', 'min', 'p50', 'p95', 'p99', 'max'] as const satisfies readonly (keyof Spread)[];
const EXAMPLE = "Write a number, a comparison and a limit: 'costUsd > +5%', 'ms.p95 > 2000' or 'passRate < 0.9'";

/** A condition, read. */
export interface Condition {
  /** As it was written. */
  text: string;
  /** As in a comparison: `ms`, `step.thinkMs`, `passRate`. */
  number: string;
  of: (typeof ABSOLUTE)[number];
  sign: '>' | '>=' | '<' | '<=';
  /** In the unit of the number; in percent if it is `relative`. */
  limit: number;
  /** The limit is a change in percent of a baseline. */
  relative: boolean;
}

/** Whether a condition holds for a variant. */
export interface Outcome {
  condition: string;
  variant: string;
  /** Also if the number is unknown or was not measured: a script must not go on because of what it does not know. */
  holds: boolean;
  /** The measured number, in words. */
  why: string;
}

const FORM = /^\s*([\w.]+?)(?:\.(\w+))?\s*(>=|<=|>|<)\s*([+-])?(\d+(?:\.\d+)?|\.\d+)\s*(%)?\s*$/;

/**
 * Reads a condition: `number`, or `number.statistic` (mean is the default), a comparison, and a limit. `+5%` and `-5%` are changes against
 * a baseline, `2000` is a value.
 * @throws RondoError `CONFIG_INVALID`, with a suggestion for an unknown name.
 */
export function condition(text: string): Condition {
  const found = typeof text === 'string' ? FORM.exec(text) : null;
  const where = `condition '${text}'`;
  if (!found) throw invalid(`The ${where} cannot be read. ${EXAMPLE}.`);
  const [, before = '', after, sign, plus, digits, percent] = found;
  // "step.thinkMs" is a name as it stands
  const whole = after === undefined ? before : `${before}.${after}`;
  const [number, of = 'mean'] = NUMBER_NAMES.includes(whole) || before === 'step' ? [whole] : [before, after];
  if (!NUMBER_NAMES.includes(number)) throw invalid(`The ${where} names the number "${number}". ${hint(number, NUMBER_NAMES)}`);
  if (number === 'passRate' && of !== 'mean') throw invalid(`The ${where}: a rate has no ${of}. Write passRate.`);
  if ((plus === undefined) !== (percent === undefined))
    throw invalid(
      percent
        ? `The ${where}: a change has a sign, +${digits}% or -${digits}%, and a value has no percent sign.`
        : `The ${where}: a change is in percent, ${plus}${digits}%, and a value has no sign, ${digits}.`,
    );
  const relative = percent !== undefined;
  const allowed: readonly string[] = relative ? STATISTICS : ABSOLUTE;
  if (!allowed.includes(of))
    throw invalid(`The ${where} names "${of}"${relative ? ', and a change is one of mean, p50 and p95' : ''}. ${hint(of, allowed)}`);
  return {
    text: text.trim(),
    number,
    of: of as Condition['of'],
    sign: sign as Condition['sign'],
    limit: Number(`${plus ?? ''}${digits}`),
    relative,
  };
}

/**
 * Which conditions hold, for each variant over all its scenarios.
 *
 * A change holds if it crosses the limit and can be told from 0. With fewer than 5 rounds there is no interval, and the change alone decides.
 * @param o.baseline as for `compared()`; conditions on changes need it, or a second variant.
 * @throws RondoError `CONFIG_INVALID` for a condition that cannot be read, or has no baseline.
 */
export function failIf(report: Report, conditions: readonly (string | Condition)[], o: { baseline?: Report | string } = {}): Outcome[] {
  checkOptions(o, { baseline: 'baseline: lastReport' }, 'failIf()');
  const read = conditions.map((one) => (typeof one === 'string' ? condition(one) : one));
  const comparisons = read.some(({ relative }) => relative) ? compared(report, o) : [];
  const summaries = summarised(report);
  return read.flatMap((one) =>
    one.relative
      ? comparisons.map((comparison) => ofChange(one, comparison))
      : report.variants.map((variant) => ofValue(one, summaries.find((summary) => summary.variant === variant) as Summary)),
  );
}

const crosses = ({ sign, limit }: Condition, value: number): boolean => {
  switch (sign) {
    case '>':
      return value > limit;
    case '>=':
      return value >= limit;
    case '<':
      return value < limit;
    case '<=':
      return value <= limit;
  }
};

const named = ({ number, of }: Condition) => (number === 'passRate' ? number : `${number}.${of}`);

function ofValue(one: Condition, summary: Summary): Outcome {
  const { text, number, of } = one;
  const { variant, run, step, passRate } = summary;
  const spreads: { readonly [name: string]: Spread | undefined } = number.startsWith('step.') ? step : run;
  const value = number === 'passRate' ? passRate.value : spreads[number.replace(/^step\./, '')]?.[of];
  if (value === undefined || Number.isNaN(value)) return { condition: text, variant, holds: true, why: unknown(one) };
  return { condition: text, variant, holds: crosses(one, value), why: `${named(one)} is ${tidy(value)}` };
}

function ofChange(one: Condition, { base, other, parts }: Comparison): Outcome {
  const { text, number, of } = one;
  const difference = parts[0]?.differences.find((d) => d.number === number && d.of === (of as Statistic));
  const outcome = (holds: boolean, why: string): Outcome => ({ condition: text, variant: other.variant, holds, why });
  if (!difference) return outcome(true, unknown(one));
  const { base: before, other: now, percent, told } = difference;
  const from = `${named(one)} was ${tidy(before)} in "${base.variant}" and is ${tidy(now)}`;
  // a change from nothing has no percentage: any rise crosses every limit
  const value = percent?.value ?? (now === before ? 0 : now > before ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY);
  const interval = told === undefined || !percent ? '' : `, 95% interval ${signed(percent.low)} to ${signed(percent.high)}`;
  const change = Number.isFinite(value) ? ` (${signed(value)}${interval})` : '';
  if (told === false && crosses(one, value) && !crosses(one, 0)) return outcome(false, `${from}${change}: no difference that can be told`);
  return outcome(crosses(one, value), `${from}${change}`);
}

const unknown = (one: Condition) =>
  `${one.number} ${one.number === 'costUsd' ? 'is unknown: a model has no price, or no run passed' : 'was not measured, or no run passed'}`;

const tidy = (value: number) => Number(value.toPrecision(4)).toString();
const signed = (percent: number) => `${percent < 0 ? '-' : '+'}${Number(Math.abs(percent).toPrecision(3))}%`;
