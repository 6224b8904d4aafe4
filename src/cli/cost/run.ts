/** `rondo cost`. */
import { writeFileSync } from 'node:fs';
import { extname, resolve } from 'node:path';
import { benchmark, month, type PaperSession, paperSession, pricedModels, type Report, sessionOf } from '../../bench/index.ts';
import { loadBenchmark, loadReport } from '../bench/load.ts';
import { progressBar } from '../bench/progress.ts';
import { terminalTables } from '../bench/terminal.ts';
import { EXIT, type ExitCode, type Io, Unusable } from '../io.ts';
import { monthTables, type NamedMonth } from './tables.ts';

export interface CostOptions {
  sessions?: number;
  model?: readonly string[];
  steps?: number;
  context?: number;
  output?: number;
  memory?: number;
  runs?: number;
  budget?: number;
  under?: number;
  json?: string | true;
}

/** What is counted: the sessions of one variant of a report, or one on paper. */
interface Counted extends Pick<NamedMonth, 'name' | 'left' | 'measured'> {
  sessions: readonly PaperSession[];
}

/** Models of a session on paper: one family, through its generations. */
const DEFAULT_MODELS = ['haiku', 'sonnet'];

/** @throws Unusable and RondoError `CONFIG_INVALID`. */
export async function cost(file: string | undefined, o: CostOptions, io: Io): Promise<ExitCode> {
  const { sessions = 1_000, memory, under, json } = o;
  const { counted, report } = file === undefined ? { counted: [onPaper(o)], report: undefined } : await measuredBy(file, o, io);
  const months = counted.map(({ sessions: own, ...named }): NamedMonth => {
    const models = modelsOf(o.model, own);
    return { ...named, ...month(own, { sessions, ...(models && { models }), ...(memory !== undefined && { memoryGb: memory }) }) };
  });
  if (json !== undefined) {
    const text = `${JSON.stringify({ months })}\n`;
    if (json === true) io.out(text);
    else writeFileSync(resolve(io.cwd, json), text);
  }
  if (json !== true) io.out(terminalTables(months.flatMap(monthTables), io));
  if (report?.incomplete === 'cancelled') return EXIT.interrupted;
  if (report?.incomplete === 'budget') {
    io.err(`Incomplete: the budget is used up after ${report.runs.length} measured runs. The month is made of these.\n`);
    return EXIT.incomplete;
  }
  return under === undefined ? EXIT.ok : judged(months, under, io);
}

function onPaper({ steps = 5, context = 2_000, output = 300 }: CostOptions): Counted {
  const name = `${steps} calls of ${context} tokens of input and ${output} of output`;
  return { name, sessions: [paperSession({ steps, context, output })], left: 0, measured: false };
}

async function measuredBy(file: string, o: CostOptions, io: Io): Promise<{ counted: Counted[]; report: Report }> {
  for (const option of ['steps', 'context', 'output'] as const)
    if (o[option] !== undefined) throw new Unusable(`--${option} is of a session on paper. With a file, the session is what it measures.`);
  const isReport = extname(file) === '.json';
  for (const option of ['runs', 'budget'] as const)
    if (isReport && o[option] !== undefined)
      throw new Unusable(
        `--${option} is for measuring, and ${file} is a report of what was measured. Leave it out, or name the benchmark.`,
      );
  const report = isReport ? loadReport(file, io.cwd) : await measure(file, o, io);
  const counted = report.variants.map((variant): Counted => {
    const runs = report.runs.filter((run) => run.variant === variant);
    const sessions = runs.flatMap((run) => (run.ok ? [sessionOf(run) ?? []].flat() : []));
    if (sessions.length === 0)
      throw new Unusable(
        `${report.name}, ${variant}: no run passed with a known usage, so there is nothing to count. See rondo bench ${file}.`,
      );
    return {
      name: report.variants.length > 1 ? `${report.name}, ${variant}` : report.name,
      sessions,
      left: runs.length - sessions.length,
      measured: true,
    };
  });
  return { counted, report };
}

async function measure(file: string, { runs, budget }: CostOptions, io: Io): Promise<Report> {
  const declared = await loadBenchmark(file, io.cwd);
  const bar = progressBar(io);
  try {
    const given = { ...(runs !== undefined && { runs }), ...(budget !== undefined && { budget }) };
    return await benchmark({ ...declared, ...given }, { signal: io.signal, onProgress: bar.show });
  } finally {
    bar.end();
  }
}

/** Models by key, or by a part of the names in the table. Undefined: those that were measured. */
function modelsOf(given: readonly string[] | undefined, sessions: readonly PaperSession[]): string[] | undefined {
  const asked = given ?? (sessions.some(({ models }) => models.length > 0) ? undefined : DEFAULT_MODELS);
  return asked?.flatMap((name) => {
    if (name.includes('/')) return [name];
    const found = pricedModels().filter((key) => key.includes(name));
    if (found.length === 0)
      throw new Unusable(`The table has no model "${name}". Write provider/id, or a part of: ${pricedModels().join(', ')}.`);
    return found;
  });
}

/** 1 if one of the models is dearer. An unknown price is not under anything. */
function judged(months: readonly NamedMonth[], under: number, io: Io): ExitCode {
  let code: ExitCode = EXIT.ok;
  for (const { name, models, measured } of months)
    for (const { model, cachedUsd, uncachedUsd, measuredUsd } of models) {
      // a session on paper has no cache tokens of its own
      const usd = measured ? measuredUsd : (cachedUsd ?? uncachedUsd);
      if (usd !== null && usd <= under) continue;
      io.err(`--under ${under} does not hold for ${model} (${name}): ${usd === null ? 'its price is unknown' : `$${usd}`}\n`);
      code = EXIT.failed;
    }
  return code;
}
