/** What is said of a report, as tables: the terminal, Markdown and the page show the same. */
import { type Part, type RecordedNumbers, type Report, type Spread, type Summary, summarised } from '../../bench/index.ts';
import { count, grouped, ms, NONE, share, usd, within } from './format.ts';

export interface Table {
  id: string;
  title: string;
  /** What the numbers are. */
  note?: string;
  columns: readonly Column[];
  rows: readonly (readonly string[])[];
}

export interface Column {
  name: string;
  /** Numbers are at the right. */
  number?: true;
}

/** One row of something: how each column is called, and how it gets its text. Columns without a choice are left out. */
type Cells<T> = readonly (readonly [name: string, cell: (item: T) => string, kind?: 'number' | 'text'])[];

const ALL = 'all';

/** The tables that have something to say. */
export function tablesOf(report: Report): Table[] {
  const summaries = summarised(report);
  const wholes = summaries.filter((one) => summaries.find(({ variant }) => variant === one.variant) === one);
  const where: Cells<One> = [
    ...(report.variants.length > 1 ? ([['variant', ({ of }: One) => of.variant, 'text']] as const) : []),
    ...(report.scenarios.length > 1 ? ([['scenario', ({ of }: One) => of.scenario ?? ALL, 'text']] as const) : []),
  ];
  const variant = where.filter(([name]) => name === 'variant');
  const each = summaries.map((of) => ({ of }));
  const parts = (list: (of: Summary) => readonly Part[]) => wholes.flatMap((of) => list(of).map((part) => ({ of, part })));
  const made: Table[] = [
    table('runs', 'Runs', 'Times of runs that passed, in ms. In brackets: the 95% interval.', [...where, ...RUNS], each),
    table(
      'time',
      'Time',
      'In ms, of runs that passed. The engine is what is left without models, tools and sub-agents.',
      [...where, ...TIMES],
      times(summaries),
    ),
    table(
      'money',
      'Money',
      'Means per run that passed. Input is not cached; output has the reasoning in it. Prefix kept: of all input, what the request before had at the same place, and the most that could be.',
      [...where, ...MONEY],
      each,
    ),
    table(
      'agents',
      'Agents',
      'Sums over the runs that passed; think is the model call, in ms.',
      [...variant, ...STEPS],
      parts(({ agents }) => agents),
    ),
    table(
      'models',
      'Models',
      'Sums over the runs that passed; think is the model call, in ms.',
      [...variant, ...STEPS],
      parts(({ models }) => models),
    ),
    table(
      'tools',
      'Tools',
      'Calls in runs that passed, in ms.',
      [...variant, ...TOOLS],
      parts(({ tools }) => tools),
    ),
    table(
      'checks',
      'Checks',
      'Broken: the check itself failed.',
      [...where, ...CHECKS],
      summaries.filter(isLeaf(summaries)).flatMap((of) => of.checks.map((check) => ({ of, check }))),
    ),
    table(
      'recorded',
      'Beside the recorded runs',
      'Sums over all runs. No tool was executed; calls that are not in the recording were answered as not executed.',
      [...variant, ...RECORDED],
      wholes.flatMap((of) => (of.recorded ? [{ of, recorded: of.recorded }] : [])),
    ),
    passTable(report, where, summaries),
    table(
      'failures',
      'Failures',
      'Runs that did not pass, by cause, with the first of each.',
      [...where, ...FAILURES],
      failuresOf(report, summaries),
    ),
  ];
  return made.filter(({ rows }) => rows.length > 0);
}

/** The summaries of one scenario. The summary of all scenarios would count their runs twice. */
const isLeaf = (summaries: readonly Summary[]) => (one: Summary) =>
  one.scenario !== undefined || !summaries.some(({ variant, scenario }) => variant === one.variant && scenario !== undefined);

function table<T>(id: string, title: string, note: string, cells: Cells<T>, items: readonly T[]): Table {
  const columns = cells.map(([name, , kind = 'number']): Column => ({ name, ...(kind === 'number' && { number: true }) }));
  return { id, title, note, columns, rows: items.map((item) => cells.map(([, cell]) => cell(item))) };
}

type One = { of: Summary };

const RUNS: Cells<One> = [
  ['passed', ({ of }) => `${of.passed}/${of.runs}`],
  ['pass rate', ({ of }) => within(of.passRate)],
  ['p50', ({ of }) => ms(of.run.ms?.p50)],
  ['p95', ({ of }) => ms(of.run.ms?.p95)],
  ['p99', ({ of }) => ms(of.run.ms?.p99)],
  ['first token', ({ of }) => ms(of.run.firstTokenMs?.p50)],
  ['cost', ({ of }) => costOf(of)],
];

const MONEY: Cells<One> = [
  ['input', ({ of }) => count(of.run.inputTokens?.mean)],
  ['cached', ({ of }) => count(of.run.cachedTokens?.mean)],
  ['written', ({ of }) => count(of.run.writtenTokens?.mean)],
  ['output', ({ of }) => count(of.run.outputTokens?.mean)],
  ['reasoning', ({ of }) => count(of.run.reasoningTokens?.mean)],
  ['prefix kept', ({ of }) => (of.prefix ? `${share(of.prefix.share)} of ${share(of.prefix.highest)}` : NONE)],
  ['model calls', ({ of }) => count(of.run.modelCalls?.mean)],
  ['tool calls', ({ of }) => count(of.run.toolCalls?.mean)],
  ['retries', ({ of }) => count(of.run.retries?.mean)],
  ['cost', ({ of }) => costOf(of)],
  ['cost p95', ({ of }) => (of.run.costUsd ? usd(of.run.costUsd.p95) : NONE)],
];

/** The mean. Without a run that passed there is none, which is not unknown. */
const costOf = (of: Summary) => (of.passed === 0 ? NONE : usd(of.run.costUsd?.mean));

interface Time extends One {
  part: string;
  spread: Spread;
}

const TIMES: Cells<Time> = [
  ['part', ({ part }) => part, 'text'],
  ['mean', ({ spread }) => ms(spread.mean)],
  ['p50', ({ spread }) => ms(spread.p50)],
  ['p95', ({ spread }) => ms(spread.p95)],
  ['p99', ({ spread }) => ms(spread.p99)],
];

const times = (summaries: readonly Summary[]): Time[] =>
  summaries.flatMap((of) => {
    const { run, step } = of;
    const parts: [string, Spread | undefined][] = [
      ['step: observe', step.observeMs],
      ['step: think', step.thinkMs],
      ['step: act', step.actMs],
      ['step: engine', step.engineMs],
      ['step: first token', step.firstTokenMs],
      ['run: models', run.modelMs],
      ['run: tools', run.callMs],
      ['run: engine', run.engineMs],
      ['run', run.ms],
    ];
    return parts.flatMap(([part, spread]) => (spread ? [{ of, part, spread }] : []));
  });

type OfPart = One & { part: Part };

const STEPS: Cells<OfPart> = [
  ['name', ({ part }) => part.name, 'text'],
  ['steps', ({ part }) => grouped(part.count)],
  ['retries', ({ part }) => grouped(part.retries)],
  ['think p50', ({ part }) => ms(part.ms?.p50)],
  ['think p95', ({ part }) => ms(part.ms?.p95)],
  ['input', ({ part }) => grouped(part.inputTokens)],
  ['cached', ({ part }) => grouped(part.cachedTokens)],
  ['output', ({ part }) => grouped(part.outputTokens)],
  ['cost', ({ part }) => usd(part.costUsd)],
];

const TOOLS: Cells<OfPart> = [
  ['name', ({ part }) => part.name, 'text'],
  ['calls', ({ part }) => grouped(part.count)],
  ['failed', ({ part }) => grouped(part.failed)],
  ['retries', ({ part }) => grouped(part.retries)],
  ['p50', ({ part }) => ms(part.ms?.p50)],
  ['p95', ({ part }) => ms(part.ms?.p95)],
  ['p99', ({ part }) => ms(part.ms?.p99)],
  ['cost', ({ part }) => usd(part.costUsd)],
  ['cache hits', ({ part }) => grouped(part.cache?.hits ?? 0)],
  ['saved', ({ part }) => (part.cache ? usd(part.cache.savedUsd) : NONE)],
];

/** Of runs from a recording, beside the recorded ones. */
const RECORDED: Cells<One & { recorded: RecordedNumbers }> = [
  ['runs', ({ recorded }) => grouped(recorded.runs)],
  ['same output', ({ recorded }) => grouped(recorded.sameOutput)],
  ['calls added', ({ recorded }) => grouped(recorded.calls.added)],
  ['removed', ({ recorded }) => grouped(recorded.calls.removed)],
  ['effects added', ({ recorded }) => grouped(recorded.effects.added)],
  ['removed', ({ recorded }) => grouped(recorded.effects.removed)],
  ['not executed', ({ recorded }) => grouped(recorded.missing)],
  ['input', ({ recorded: { was, is } }) => `${grouped(was.inputTokens)} → ${grouped(is.inputTokens)}`],
  ['output', ({ recorded: { was, is } }) => `${grouped(was.outputTokens)} → ${grouped(is.outputTokens)}`],
  ['cost', ({ recorded: { was, is } }) => `${usd(was.costUsd)} → ${usd(is.costUsd)}`],
];

const CHECKS: Cells<One & { check: Summary['checks'][number] }> = [
  ['check', ({ check }) => check.name, 'text'],
  ['passed', ({ check }) => `${check.passed}/${check.of}`],
  ['broken', ({ check }) => grouped(check.failed)],
  ['cost', ({ check }) => usd(check.costUsd)],
];

/** pass@k has as many columns as there are runs to tell. */
function passTable(report: Report, where: Cells<One>, summaries: readonly Summary[]): Table {
  const own = summaries.filter(({ passAt, runs }) => runs > 1 && Object.keys(passAt).length > 0);
  const all = own.every(({ runs, passed }) => runs === passed);
  const ks = [...new Set(own.flatMap(({ passAt }) => Object.keys(passAt)))].map(Number).sort((a, b) => a - b);
  const cells: Cells<One> = ks.map((k) => [`pass@${k}`, ({ of }) => (of.passAt[k] ? within(of.passAt[k]) : NONE)]);
  const judged = report.runs.some(({ checks }) => checks.length > 0);
  return table(
    'pass',
    'pass@k',
    'How likely at least one of k runs passes.',
    [...where, ...cells],
    all && !judged ? [] : own.map((of) => ({ of })),
  );
}

type Failure = One & { cause: string; runs: number; first: string };

const FAILURES: Cells<Failure> = [
  ['cause', ({ cause }) => cause, 'text'],
  ['runs', ({ runs }) => grouped(runs)],
  ['first', ({ first }) => first, 'text'],
];

function failuresOf(report: Report, summaries: readonly Summary[]): Failure[] {
  return summaries.filter(isLeaf(summaries)).flatMap((of) =>
    Object.entries(of.failures).map(([cause, runs]) => {
      const own = report.runs.filter(
        (run) => !run.ok && run.variant === of.variant && (of.scenario === undefined || run.scenario === of.scenario),
      );
      const error = own.find((run) => run.error?.code === cause)?.error?.message;
      const reason = own.flatMap(({ checks }) => checks).find(({ name, pass }) => name === cause && !pass)?.reason;
      return { of, cause, runs, first: error ?? reason ?? '' };
    }),
  );
}
