/** What a reader wants to know of a report. */

import { inputOf } from '../journal/fold/spent.ts';
import type { Usage } from '../ports/model.ts';
import type { Report } from './benchmark.ts';
import type { CallMeasure, RunMeasure, StepMeasure } from './measure.ts';
import { RUN_NUMBERS, STEP_NUMBERS, total } from './numbers.ts';
import { type Estimate, passAt, type Spread, share, spread } from './stats.ts';

/** Milliseconds, tokens, US dollars and counts of a run; `inputTokens` are uncached. Absent where nothing was measured, or a cost is unknown. */
export type RunNumbers = { [name in keyof typeof RUN_NUMBERS]?: Spread };

/** Milliseconds. */
export type StepNumbers = { [name in keyof typeof STEP_NUMBERS]?: Spread };

/** The part of one agent, model or tool in all runs. */
export interface Part {
  name: string;
  /** Steps, or calls. */
  count: number;
  failed: number;
  retries: number;
  ms?: Spread;
  inputTokens: number;
  cachedTokens: number;
  outputTokens: number;
  /** US dollars; null if one is unknown. Of tools: their own `cost`. */
  costUsd: number | null;
  /** Of a tool with a cache: calls that it answered, and what they would have cost, by the mean of those that ran. */
  cache?: { hits: number; savedUsd: number | null };
}

/** What one check said of all runs. */
export interface CheckNumbers {
  name: string;
  passed: number;
  of: number;
  /** Checks that failed themselves. */
  failed: number;
  costUsd: number | null;
}

/** Runs from a recording beside the recorded runs: all of them, whether they passed or not. */
export interface RecordedNumbers {
  runs: number;
  /** Calls that were not in the recording, and were answered as not executed. */
  missing: number;
  /** Calls that only the new runs, or only the recorded ones, made. */
  calls: { added: number; removed: number };
  /** Of these, the calls of tools that are not declared as `read`. */
  effects: { added: number; removed: number };
  /** Runs whose output is the recorded one. */
  sameOutput: number;
  /** Sums of the recorded runs, and of the new ones. Dollars are null if one is unknown. */
  was: { steps: number; inputTokens: number; outputTokens: number; costUsd: number | null };
  is: { steps: number; inputTokens: number; outputTokens: number; costUsd: number | null };
}

/** The runs of one variant, in one scenario or in all of them. */
export interface Summary {
  variant: string;
  /** Absent: all scenarios. */
  scenario?: string;
  runs: number;
  passed: number;
  passRate: Estimate;
  /** Of k = 1, 2, 4, ..., by k. Only of one scenario. */
  passAt: { readonly [k: string]: Estimate };
  /** Why runs did not pass: codes of errors, and names of checks, with their number. */
  failures: { readonly [why: string]: number };
  /** Of the runs that passed. */
  run: RunNumbers;
  step: StepNumbers;
  /** Shares of the input tokens: the prefix that a request has in common with the one before, the highest possible, and what was read from a cache. */
  prefix?: { share: number; highest: number; read: number };
  agents: readonly Part[];
  models: readonly Part[];
  tools: readonly Part[];
  checks: readonly CheckNumbers[];
  /** Of runs from a recording. */
  recorded?: RecordedNumbers;
}

/** One summary for each variant, and one for each of its scenarios. */
export function summarised(report: Pick<Report, 'runs' | 'variants' | 'scenarios'>): Summary[] {
  return report.variants.flatMap((variant) => {
    const own = report.runs.filter((run) => run.variant === variant);
    const scenarios = report.scenarios.map((scenario) => ({ scenario, runs: own.filter((run) => run.scenario === scenario) }));
    const each = scenarios.map(({ scenario, runs }) => summaryOf(variant, runs, scenario));
    return each.length === 1 ? each : [summaryOf(variant, own), ...each];
  });
}

function summaryOf(variant: string, runs: readonly RunMeasure[], scenario?: string): Summary {
  const passed = runs.filter(({ ok }) => ok);
  const steps = passed.flatMap((run) => run.steps);
  const calls = passed.flatMap((run) => run.calls);
  const ks = scenario === undefined ? [] : [1, 2, 4, 8, 16, 32].filter((k) => k <= runs.length);
  return {
    variant,
    ...(scenario !== undefined && { scenario }),
    runs: runs.length,
    passed: passed.length,
    passRate: share(passed.length, runs.length),
    passAt: Object.fromEntries(ks.map((k) => [k, passAt(k, passed.length, runs.length)])),
    failures: failuresOf(runs),
    run: spreads(passed, RUN_NUMBERS),
    step: spreads(steps, STEP_NUMBERS),
    ...prefixIn(passed),
    agents: partsBy(steps, ({ agent }) => agent),
    models: partsBy(steps, ({ model }) => model),
    tools: [...grouped(calls, ({ kind, name }) => (kind === 'tool' ? name : `${kind} ${name}`))].map(([name, own]) => ({
      name,
      count: own.length,
      failed: own.filter(({ ok }) => !ok).length,
      retries: own.reduce((sum, { attempts }) => sum + Math.max(0, attempts - 1), 0),
      ...named(
        'ms',
        own.map(({ ms }) => ms),
      ),
      inputTokens: 0,
      cachedTokens: 0,
      outputTokens: 0,
      costUsd: total(own.map(({ costUsd }) => costUsd)),
      ...savedBy(own),
    })),
    checks: [
      ...grouped(
        runs.flatMap(({ checks }) => checks),
        ({ name }) => name,
      ),
    ].map(([name, own]) => ({
      name,
      passed: own.filter(({ pass }) => pass).length,
      of: own.length,
      failed: own.filter(({ failed }) => failed).length,
      costUsd: total(own.map(({ costUsd }) => costUsd)),
    })),
    ...recordedIn(runs),
  };
}

function recordedIn(runs: readonly RunMeasure[]): { recorded?: RecordedNumbers } {
  const from = runs.flatMap(({ difference, ...run }) => (difference ? [{ difference, run }] : []));
  if (from.length === 0) return {};
  const differences = from.map(({ difference }) => difference);
  const added = differences.flatMap((one) => one.added);
  const removed = differences.flatMap((one) => one.removed);
  const effects = (calls: readonly { effect: boolean }[]) => calls.filter(({ effect }) => effect).length;
  return {
    recorded: {
      runs: from.length,
      missing: differences.reduce((sum, { missing }) => sum + missing, 0),
      calls: { added: added.length, removed: removed.length },
      effects: { added: effects(added), removed: effects(removed) },
      sameOutput: differences.filter(({ sameOutput }) => sameOutput).length,
      was: sums(differences.map(({ was }) => was)),
      is: sums(from.map(({ run }) => ({ ...run, steps: run.modelCalls }))),
    },
  };
}

function sums(of: readonly { steps: number; usage: Usage; costUsd: number | null }[]): RecordedNumbers['was'] {
  return {
    steps: of.reduce((sum, { steps }) => sum + steps, 0),
    inputTokens: of.reduce((sum, { usage }) => sum + inputOf(usage), 0),
    outputTokens: of.reduce((sum, { usage }) => sum + usage.output, 0),
    costUsd: total(of.map(({ costUsd }) => costUsd)),
  };
}

function prefixIn(runs: readonly RunMeasure[]): Pick<Summary, 'prefix'> {
  const sum = (of: 'input' | 'prefix' | 'highest' | 'read') => runs.reduce((total, { prefix }) => total + prefix[of], 0);
  const input = sum('input');
  return input > 0 ? { prefix: { share: sum('prefix') / input, highest: sum('highest') / input, read: sum('read') / input } } : {};
}

function savedBy(calls: readonly CallMeasure[]): Pick<Part, 'cache'> {
  const hits = calls.filter(({ cached }) => cached).length;
  if (hits === 0) return {};
  const ran = calls.filter(({ cached, attempts }) => !cached && attempts > 0);
  const paid = total(ran.map(({ costUsd }) => costUsd));
  return { cache: { hits, savedUsd: paid === null || ran.length === 0 ? null : Math.round(((hits * paid) / ran.length) * 1e9) / 1e9 } };
}

function failuresOf(runs: readonly RunMeasure[]): { [why: string]: number } {
  const failures: { [why: string]: number } = {};
  for (const { ok, error, checks } of runs) {
    if (ok) continue;
    const whys = error ? [error.code] : checks.flatMap(({ pass, name }) => (pass ? [] : [name]));
    for (const why of whys) failures[why] = (failures[why] ?? 0) + 1;
  }
  return failures;
}

function partsBy(steps: readonly StepMeasure[], key: (step: StepMeasure) => string): Part[] {
  return [...grouped(steps, key)].map(([name, own]) => ({
    name,
    count: own.length,
    failed: 0,
    retries: own.reduce((sum, { retries }) => sum + retries, 0),
    ...named(
      'ms',
      own.map(({ thinkMs }) => thinkMs),
    ),
    inputTokens: own.reduce((sum, { usage }) => sum + (usage?.input ?? 0), 0),
    cachedTokens: own.reduce((sum, { usage }) => sum + (usage?.cacheRead ?? 0), 0),
    outputTokens: own.reduce((sum, { usage }) => sum + (usage?.output ?? 0), 0),
    costUsd: total(own.map(({ costUsd }) => costUsd)),
  }));
}

function grouped<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group) group.push(item);
    else groups.set(key(item), [item]);
  }
  return groups;
}

function spreads<T, K extends string>(
  of: readonly T[],
  numbers: { readonly [name in K]: (item: T) => number | null | undefined },
): { [name in K]?: Spread } {
  const found: { [name in K]?: Spread } = {};
  for (const [name, number] of Object.entries(numbers) as [K, (item: T) => number | null | undefined][]) {
    const values = of.map(number);
    // a mean over those whose cost is known would be too low
    if (values.includes(null)) continue;
    const made = spread(values.filter((value): value is number => typeof value === 'number'));
    if (made) found[name] = made;
  }
  return found;
}

const named = <K extends string>(key: K, values: readonly number[]) => {
  const made = spread(values);
  return (made ? { [key]: made } : {}) as { [k in K]?: Spread };
};
