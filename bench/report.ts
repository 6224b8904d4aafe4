/** The results as text. */
import type { Spread } from './harness.ts';
import { hereText } from './here.ts';
import { judge, type Table, type Target } from './result.ts';
import type { PeerResults, ScenarioResult } from './results/results.ts';

/** Scenarios in the order in which they ran; where and when is said once for those that ran together. */
export function benchText(scenarios: Readonly<Record<string, ScenarioResult>>): string {
  const all = Object.values(scenarios).sort((a, b) => a.machine.at.localeCompare(b.machine.at));
  const texts = all.flatMap(({ machine, tables }, i) => [
    ...(all[i - 1]?.machine.at === machine.at ? [] : [hereText(machine)]),
    ...tables.map(tableText),
  ]);
  const targets = all.flatMap((scenario) => scenario.targets);
  return [...texts, ...(targets.length > 0 ? [targetsText(targets)] : [])].join('\n\n');
}

export const peersText = ({ machine, about, tables }: PeerResults) =>
  [
    hereText(machine),
    ...Object.entries(about).map(([name, text]) => `${name}: ${text}`),
    ...tables.map((table) => `\n${tableText(table)}`),
  ].join('\n');

/** Three significant digits, and no more than the number has. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size >= 1_000) return Math.round(value).toLocaleString('en-GB');
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : 2;
  return Number.isInteger(value) ? String(value) : value.toFixed(digits);
}

/** `median (min..max)`; a number that was counted, not timed, stands alone. */
function shown({ p50, min, max }: Spread): string {
  return min === max ? number(p50) : `${number(p50)} (${number(min)}..${number(max)})`;
}

export function tableText({ title, unit, columns, rows, notes = [] }: Table): string {
  const lines = [['', ...columns], ...rows.map(({ name, cells }) => [name, ...cells.map((cell) => (cell ? shown(cell) : '-'))])];
  return [`${title} (${unit})`, ...aligned(lines), ...notes.map((note) => `  ${note}`)].join('\n');
}

export function targetsText(judged: readonly Target[]): string {
  const targets = judged.map(judge);
  const reasons = [...new Set(targets.flatMap(({ pass, why }) => (!pass && why ? why : [])))];
  const lines = targets.map(({ name, measured, unit, limit, atLeast, basis, pass, by, why }) => {
    const bound = `${atLeast ? '>=' : '<='} ${number(limit)} ${unit}`;
    const reason = pass || !why ? '' : ` [${reasons.indexOf(why) + 1}]`;
    return [
      name,
      shown(measured),
      basis ? `${bound}, ${basis}` : bound,
      pass ? `PASS, ${number(by)}% to spare` : `MISS by ${number(by)}%${reason}`,
    ];
  });
  const missed = targets.filter(({ pass }) => !pass).length;
  return [
    'Targets, judged by the median: the word of one run on one machine',
    ...aligned([['', 'measured', 'limit', 'verdict'], ...lines]),
    ...reasons.map((why, i) => `  [${i + 1}] ${why}`),
    `${targets.length - missed} reached, ${missed} missed`,
  ].join('\n');
}

/** Columns of one width: the first to the left, the others to the right. */
function aligned(lines: readonly (readonly string[])[]): string[] {
  const columns = Math.max(...lines.map((line) => line.length));
  const widths = Array.from({ length: columns }, (_, i) => Math.max(...lines.map((line) => line[i]?.length ?? 0)));
  return lines.map((line) =>
    line
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}
