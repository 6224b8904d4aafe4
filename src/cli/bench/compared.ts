/** A comparison as tables, in words. */
import type { ComparedPart, Comparison, Difference, Outcome, Report } from '../../bench/index.ts';
import { change, count, ms, share, usd } from './format.ts';
import type { Table } from './tables.ts';

/** What a report says, with what it was compared with. */
export interface Findings {
  report: Report;
  comparisons: readonly Comparison[];
  outcomes: readonly Outcome[];
}

/** Shown even if they do not differ. */
const ALWAYS = ['passRate', 'ms', 'engineMs', 'firstTokenMs', 'costUsd', 'inputTokens', 'outputTokens', 'modelCalls', 'toolCalls'];

const columns = (base: string, other: string): Table['columns'] => [
  { name: 'mean of' },
  { name: base, number: true },
  { name: other, number: true },
  { name: 'change', number: true },
  { name: '95% interval', number: true },
  { name: 'p50', number: true },
  { name: 'p95', number: true },
];

/** One table for all scenarios and one for each, of what differs and of what is always asked. */
export function comparisonTables(comparisons: readonly Comparison[]): Table[] {
  return comparisons.flatMap((comparison, i) => comparison.parts.map((part, j) => partTable(comparison, part, `compare-${i}-${j}`)));
}

function partTable({ base, other, paired, only, parts }: Comparison, part: ComparedPart, id: string): Table {
  const same = base.report === other.report && base.variant === other.variant;
  const [from, to] = same
    ? ['before', 'now']
    : base.variant === other.variant
      ? [base.report, other.report]
      : [base.variant, other.variant];
  const missing = [...only.base.map((name) => `"${name}" only in the base`), ...only.other.map((name) => `"${name}" only in the other`)];
  const notes = [
    paired ? 'Measured in the same rounds.' : `Measured apart: ${day(base.at)} and ${day(other.at)}.`,
    ...(part.unknown.length > 0 ? [`Not known on both sides: ${part.unknown.join(', ')}.`] : []),
    '~: no difference that can be told.',
    ...(missing.length > 0 ? [`Not compared: ${missing.join(', ')}.`] : []),
  ];
  const numbers = [...new Set(part.differences.map(({ number }) => number))];
  const rows = numbers.map((number) => part.differences.filter((difference) => difference.number === number));
  const shown = rows.filter((row) => row.some(({ number, told }) => told || ALWAYS.includes(number)));
  const of = part.scenario === undefined || parts.length === 1 ? '' : `, ${part.scenario}`;
  return {
    id,
    title: same ? `${other.variant} against its baseline${of}` : `${to} against ${from}${of}`,
    note: notes.join(' '),
    columns: columns(from, to),
    rows: shown.map(rowOf),
  };
}

const day = (at: number) => new Date(at).toISOString().slice(0, 16).replace('T', ' ');

function rowOf(row: readonly Difference[]): string[] {
  const [mean, p50, p95] = row as [Difference, Difference?, Difference?];
  const { number, base, other, change: by, percent, told } = mean;
  const text = textOf(number);
  const interval = percent ? `${change(percent.low)} to ${change(percent.high)}` : `${text(by.low)} to ${text(by.high)}`;
  return [
    number,
    text(base),
    text(other),
    `${percent ? change(percent.value) : text(by.value)}${told === false ? ' ~' : ''}`,
    told === undefined ? 'too few runs' : interval,
    changeOf(p50),
    changeOf(p95),
  ];
}

function changeOf(difference: Difference | undefined): string {
  if (!difference) return '';
  const { number, change: by, percent, told } = difference;
  return told === false ? '~' : percent ? change(percent.value) : textOf(number)(by.value);
}

function textOf(number: string): (value: number) => string {
  if (number === 'passRate') return share;
  if (number === 'costUsd') return (value) => (value < 0 ? `-${usd(-value)}` : usd(value));
  return number.endsWith('Ms') || number === 'ms' ? (value) => `${value < 0 ? '-' : ''}${ms(Math.abs(value))}` : count;
}

/** What was asked by --fail-if. */
export const conditionTable = (outcomes: readonly Outcome[]): Table => ({
  id: 'conditions',
  title: 'Conditions',
  columns: [{ name: 'condition' }, { name: 'variant' }, { name: 'holds' }, { name: 'why' }],
  rows: outcomes.map(({ condition, variant, holds, why }) => [condition, variant, holds ? 'HOLDS' : 'no', why]),
});
