/** What the page draws of a report. */

import type { Report, RunMeasure, StepMeasure } from '../../bench/index.ts';
import { inputOf } from '../../journal/fold/spent.ts';
import type { Chart, PageData, Plot, Series, Timeline, TimelineRow, Unit } from '../page/data.ts';
import { ms } from './format.ts';

/** Bytes of all timelines: a page stays small enough to be sent by mail. */
const TIMELINES_BYTES = 120_000;
/** Lines that a reader can tell apart. */
const MOST_LINES = 8;
const PERCENTS = [...Array.from({ length: 20 }, (_, i) => i * 5), 96, 97, 98, 99, 100];

interface Group {
  name: string;
  runs: readonly RunMeasure[];
}

/** @returns also the number of runs whose timelines were left out. */
export function pageData(report: Report): { data: PageData; leftOut: number } {
  const groups = groupsOf(report);
  const charts: Chart[] = [
    { id: 'latency', plots: latencies(groups) },
    { id: 'step-cost', plots: [perStep(groups, 'Cost by step', 'usd', meanCost)] },
    { id: 'turn-cost', plots: [cumulative(groups)] },
    { id: 'cache', plots: [perStep(groups, 'Cached input by step', 'percent', cachedShare)] },
  ];
  const drawn = charts.map(({ id, plots }) => ({ id, plots: plots.filter(hasValues) })).filter(({ plots }) => plots.length > 0);
  const timelines = timelinesOf(report);
  return { data: { charts: drawn, timelines }, leftOut: report.runs.length - timelines.length };
}

const hasValues = ({ series }: Plot) => series.some(({ values }) => values.some((value) => value !== null));

/** Each scenario of each variant, or, where those are too many, each variant. Runs that did not pass say nothing about time and cost. */
function groupsOf({ variants, scenarios, runs }: Report): Group[] {
  const passed = runs.filter(({ ok }) => ok);
  const of = (variant: string, scenario?: string): Group => ({
    name:
      [...(variants.length > 1 ? [variant] : []), ...(scenario !== undefined && scenarios.length > 1 ? [scenario] : [])].join(' · ') ||
      'all runs',
    runs: passed.filter((run) => run.variant === variant && (scenario === undefined || run.scenario === scenario)),
  });
  const each = variants.flatMap((variant) => scenarios.map((scenario) => of(variant, scenario)));
  const shown = each.length <= MOST_LINES ? each : variants.slice(0, MOST_LINES).map((variant) => of(variant));
  return shown.filter((group) => group.runs.length > 0);
}

function latencies(groups: readonly Group[]): Plot[] {
  const steps = (number: (step: StepMeasure) => number | undefined) => (run: RunMeasure) => run.steps.map(number);
  const numbers: [string, (run: RunMeasure) => readonly (number | undefined)[]][] = [
    ['whole run', (run) => [run.ms]],
    ['first token', (run) => [run.firstTokenMs]],
    ['step: think', steps((step) => step.thinkMs)],
    ['step: act', steps((step) => step.actMs)],
    ['step: observe', steps((step) => step.observeMs)],
    ['step: engine', steps((step) => step.engineMs)],
  ];
  return numbers.map(([name, valuesOf]) => ({
    name,
    xLabel: 'percentile',
    unit: 'ms',
    x: PERCENTS,
    series: groups.map((group): Series => {
      const sorted = group.runs
        .flatMap(valuesOf)
        .filter((value) => value !== undefined)
        .sort((a, b) => a - b);
      return { name: group.name, values: PERCENTS.map((percent) => quantile(sorted, percent / 100)) };
    }),
  }));
}

function quantile(sorted: readonly number[], share: number): number | null {
  if (sorted.length === 0) return null;
  const at = share * (sorted.length - 1);
  const [below, above] = [sorted[Math.floor(at)] as number, sorted[Math.ceil(at)] as number];
  return tidy(below + (at - Math.floor(at)) * (above - below));
}

/** All steps of a run in the order of their answers, those of sub-agents included: the turns that were paid. */
function perStep(groups: readonly Group[], name: string, unit: Unit, of: (steps: readonly StepMeasure[]) => number | null): Plot {
  const longest = Math.max(0, ...groups.flatMap(({ runs }) => runs.map(({ steps }) => steps.length)));
  const x = Array.from({ length: longest }, (_, i) => i + 1);
  const at = ({ runs }: Group, step: number) => runs.flatMap(({ steps }) => steps.slice(step - 1, step));
  return {
    name,
    xLabel: 'step',
    unit,
    x,
    series: groups.map((group) => ({ name: group.name, values: x.map((step) => of(at(group, step))) })),
  };
}

function meanCost(steps: readonly StepMeasure[]): number | null {
  const known = steps.map(({ costUsd }) => costUsd);
  if (known.length === 0 || known.includes(null)) return null;
  return tidy(known.reduce<number>((sum, usd) => sum + (usd ?? 0), 0) / known.length);
}

function cachedShare(steps: readonly StepMeasure[]): number | null {
  let [cached, all] = [0, 0];
  for (const { usage } of steps) {
    cached += usage?.cacheRead ?? 0;
    all += usage ? inputOf(usage) : 0;
  }
  return all === 0 ? null : tidy((cached / all) * 100);
}

/** What a run has cost after so many steps, in the mean. A run that ended before costs no more. */
function cumulative(groups: readonly Group[]): Plot {
  const plot = perStep(groups, 'Cost against turns', 'usd', meanCost);
  const series = groups.map(({ name, runs }): Series => {
    const own = Math.max(0, ...runs.map(({ steps }) => steps.length));
    const known = runs.every(({ steps }) => steps.every(({ costUsd }) => costUsd !== null));
    const sums = runs.map(({ steps }) => plot.x.map((step) => steps.slice(0, step).reduce((sum, { costUsd }) => sum + (costUsd ?? 0), 0)));
    const mean = (i: number) => tidy(sums.reduce((sum, run) => sum + (run[i] ?? 0), 0) / runs.length);
    return { name, values: plot.x.map((step, i) => (known && step <= own ? mean(i) : null)) };
  });
  return { ...plot, xLabel: 'steps so far', series };
}

/** Those that did not pass, then the slowest of each group, then the others, as many as fit; in the order of the report. */
function timelinesOf(report: Report): Timeline[] {
  const slowest = new Map<string, RunMeasure>();
  for (const run of report.runs) {
    const key = JSON.stringify([run.variant, run.scenario]);
    if (run.ms > (slowest.get(key)?.ms ?? -1)) slowest.set(key, run);
  }
  const rank = (run: RunMeasure) => ([...slowest.values()].includes(run) ? 0 : run.ok ? 2 : 1);
  const kept = new Map<RunMeasure, Timeline>();
  let bytes = 0;
  for (const run of [...report.runs].sort((a, b) => rank(a) - rank(b))) {
    const timeline = timelineOf(run, report);
    bytes += JSON.stringify(timeline).length;
    if (bytes > TIMELINES_BYTES && kept.size > 0) break;
    kept.set(run, timeline);
  }
  return report.runs.flatMap((run) => kept.get(run) ?? []);
}

function timelineOf(run: RunMeasure, { variants, scenarios }: Report): Timeline {
  const steps = run.steps.map(
    (step): TimelineRow => ({
      label: `${step.agent}, step ${step.step}`,
      kind: 'step',
      depth: step.path.length - 1,
      at: tidy(step.at),
      ms: [step.observeMs, step.thinkMs, step.actMs].map(tidy),
    }),
  );
  const calls = run.calls.map((call): TimelineRow => {
    const asked = run.steps.find((step) => step.frame === call.frame && step.step === call.step);
    const label = `${call.kind === 'tool' ? '' : `${call.kind} `}${call.name}${call.attempts > 1 ? `, ${call.attempts} attempts` : ''}`;
    const depth = (asked?.path.length ?? 1) - 1;
    return { label, kind: 'call', depth, at: tidy(call.at), ms: [tidy(call.ms)], ...(!call.ok && { error: call.error ?? 'failed' }) };
  });
  const name = [...(variants.length > 1 ? [run.variant] : []), ...(scenarios.length > 1 ? [run.scenario] : []), `run ${run.run}`];
  const why = run.error?.code ?? run.checks.find(({ pass }) => !pass)?.name ?? 'did not pass';
  return {
    name: `${name.join(' · ')}: ${ms(run.ms)} ms${run.ok ? '' : `, ${why}`}`,
    ms: tidy(run.ms),
    ...(!run.ok && { error: why }),
    rows: [...steps, ...calls].sort((a, b) => a.at - b.at || a.depth - b.depth),
  };
}

/** Six digits are more than a plot shows. */
const tidy = (value: number) => Number(value.toPrecision(6));
