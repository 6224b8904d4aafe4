/** `rondo bench compare <base> [other]`. */
import { compared, condition, failIf, type Report } from '../../bench/index.ts';
import { hint } from '../../options.ts';
import { EXIT, type ExitCode, type Io, Unusable } from '../io.ts';
import { loadReport } from './load.ts';
import { checkOutputs, writeOutputs } from './outputs.ts';
import type { BenchOptions } from './run.ts';

/** The JSON is a list of comparisons. Only conditions decide the exit code: that a run did not pass was said when it was measured. */
export async function compare(base: string, other: string | undefined, o: BenchOptions, io: Io): Promise<ExitCode> {
  checkOutputs(o, io);
  const conditions = (o.failIf ?? []).map(condition);
  const first = loadReport(base, io.cwd);
  const report = narrowed(other === undefined ? first : loadReport(other, io.cwd), o.variant, other ?? base, other === undefined);
  const baseline = other === undefined ? (first.variants[0] as string) : first;
  const comparisons = compared(report, { baseline });
  const outcomes = failIf(report, conditions, { baseline });
  await writeOutputs({ report, comparisons, outcomes }, comparisons, o, io);
  const held = outcomes.filter(({ holds }) => holds);
  for (const { condition, variant, why } of held) io.err(`--fail-if '${condition}' holds for ${variant}: ${why}\n`);
  return held.length > 0 ? EXIT.failed : EXIT.ok;
}

function narrowed(report: Report, variants: readonly string[] | undefined, file: string, within: boolean): Report {
  if (!variants) return report;
  for (const name of variants)
    if (!report.variants.includes(name)) throw new Unusable(`${file} has no variant "${name}". ${hint(name, report.variants)}`);
  // the first is what the others are compared with
  const kept = report.variants.filter((name, i) => variants.includes(name) || (within && i === 0));
  return { ...report, variants: kept, runs: report.runs.filter(({ variant }) => kept.includes(variant)) };
}
