/** `rondo bench <file>`. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Benchmark, benchmark, compared, condition, failIf, type Outcome, type Report } from '../../bench/index.ts';
import { hint } from '../../options.ts';
import { EXIT, type ExitCode, type Io, Unusable } from '../io.ts';
import { loadBenchmark, loadReport } from './load.ts';
import { checkOutputs, type Outputs, writeOutputs } from './outputs.ts';
import { progressBar } from './progress.ts';

export interface BenchOptions extends Outputs {
  runs?: number;
  warmUp?: number;
  concurrency?: number;
  budget?: number;
  only?: readonly string[];
  variant?: readonly string[];
  baseline?: string;
  from?: string;
  limit?: number;
  tenant?: string;
  failIf?: readonly string[];
}

/** @throws Unusable and RondoError `CONFIG_INVALID` before anything is spent. */
export async function bench(file: string, o: BenchOptions, io: Io): Promise<ExitCode> {
  checkOutputs(o, io);
  const conditions = (o.failIf ?? []).map(condition);
  const loaded = await loadBenchmark(file, io.cwd);
  const { from } = o;
  const declared = narrowed(from === undefined ? loaded : await recordedIn(from, loaded, o, io), o, file);
  const baseline = baselineOf(o.baseline, declared, io);
  if (baseline === undefined && conditions.some(({ relative }) => relative))
    throw new Unusable('A change, such as +5%, needs something to compare with: --baseline <report.json>, or several variants.');
  const bar = o.quiet ? undefined : progressBar(io);
  let report: Report;
  try {
    report = await benchmark(declared, { signal: io.signal, ...(bar && { onProgress: bar.show }) });
  } finally {
    bar?.end();
  }
  // a benchmark that ended early may not have run the variant, or any scenario, that the baseline has
  const measured = report.incomplete === undefined || canCompare(report, baseline);
  const comparisons = baseline !== undefined && measured ? compared(report, { baseline }) : [];
  const outcomes = measured ? failIf(report, conditions, { ...(baseline !== undefined && { baseline }) }) : [];
  await writeOutputs({ report, comparisons, outcomes }, report, o, io);
  if (report.incomplete === 'cancelled') return EXIT.interrupted;
  if (report.incomplete === 'budget') {
    io.err(`Incomplete: the budget is used up after ${report.runs.length} measured runs. Raise --budget, or lower --runs.\n`);
    return EXIT.incomplete;
  }
  return verdict(report, outcomes, io);
}

function canCompare(report: Report, baseline: Report | string | undefined): boolean {
  try {
    if (baseline !== undefined) compared(report, { baseline });
    return true;
  } catch {
    return false;
  }
}

/** 1 if a condition holds, or, where none is about the share of runs that passed, if one did not pass. */
function verdict(report: Report, outcomes: readonly Outcome[], io: Io): ExitCode {
  const held = outcomes.filter(({ holds }) => holds);
  for (const { condition, variant, why } of held) io.err(`--fail-if '${condition}' holds for ${variant}: ${why}\n`);
  const judged = outcomes.some((outcome) => /^passRate\b/.test(outcome.condition));
  const failed = report.runs.filter(({ ok }) => !ok).length;
  if (failed > 0 && !judged)
    io.err(`${failed} of ${report.runs.length} runs did not pass. How many may fail is said by --fail-if 'passRate < 0.9'.\n`);
  return held.length > 0 || (failed > 0 && !judged) ? EXIT.failed : EXIT.ok;
}

/** The benchmark with the runs of a journal as its scenarios. */
async function recordedIn(file: string, declared: Benchmark, { limit, tenant }: BenchOptions, io: Io): Promise<Benchmark> {
  const { recordedBenchmark } = await import('./from.ts');
  return recordedBenchmark(resolve(io.cwd, file), declared, {
    ...(limit !== undefined && { limit }),
    ...(tenant !== undefined && { tenant }),
  });
}

/** The declaration with what the command line says. */
function narrowed(declared: Benchmark, o: BenchOptions, file: string): Benchmark {
  const { runs, warmUp, concurrency, budget, only, variant } = o;
  const given = { runs, warmUp, concurrency, budget };
  const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  // an invalid declaration is refused by benchmark(), which says why
  const scenarios = Array.isArray(declared.scenarios) ? declared.scenarios : [];
  const picked: Partial<Benchmark> = {};
  if (only) {
    const names = scenarios.map(({ name }) => name);
    for (const name of only) known(name, names, 'scenario', file);
    picked.scenarios = scenarios.filter(({ name }) => only.includes(name));
  }
  if (variant) {
    const variants = declared.variants ?? { default: {} };
    for (const name of variant) known(name, Object.keys(variants), 'variant', file);
    picked.variants = Object.fromEntries(Object.entries(variants).filter(([name]) => variant.includes(name)));
  }
  return { ...declared, ...set, ...picked };
}

function known(name: string, names: readonly string[], what: string, file: string): void {
  if (!names.includes(name)) throw new Unusable(`${file} has no ${what} "${name}". ${hint(name, names)}`);
}

/** A report, or a variant of the benchmark itself: by default the first of several. */
function baselineOf(given: string | undefined, declared: Benchmark, io: Io): Report | string | undefined {
  const variants = Object.keys(declared.variants ?? { default: {} });
  if (given === undefined) return variants.length > 1 ? variants[0] : undefined;
  if (variants.includes(given)) {
    if (variants.length > 1) return given;
    throw new Unusable(`"${given}" is the only variant, so there is nothing to compare with it.`);
  }
  if (!existsSync(resolve(io.cwd, given)))
    throw new Unusable(`--baseline ${given} is neither a file nor a variant. The variants are ${variants.join(', ')}.`);
  const report = loadReport(given, io.cwd);
  const missing = variants.filter((variant) => report.variants.length !== 1 && !report.variants.includes(variant));
  if (missing.length > 0)
    throw new Unusable(`The report ${given} has no variant "${missing[0]}" to compare with. It has ${report.variants.join(', ')}.`);
  const scenarios = Array.isArray(declared.scenarios) ? declared.scenarios.map(({ name }) => name) : [];
  if (!scenarios.some((name) => report.scenarios.includes(name)))
    throw new Unusable(`The report ${given} has no scenario of this benchmark. It has ${report.scenarios.join(', ')}.`);
  return report;
}
