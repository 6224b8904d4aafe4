/**
 * Runs the scenarios of a benchmark in each variant, in rounds: every round has one run of each, in turning order, so that what slows the
 * machine for a while slows all alike.
 */

import { newId } from '../engine/drive/ids.ts';
import { Engine } from '../engine/engine.ts';
import type { RunResult } from '../engine/read/results.ts';
import { invalid } from '../errors.ts';
import type { Limits } from '../journal/entries/entries.ts';
import { heard } from '../journal/heard.ts';
import { memoryJournal } from '../journal/memory/journal.ts';
import { agentDefinition } from '../loop/definition.ts';
import { type Benchmark, type Plan, planOf, type Scenario } from './declaration.ts';
import { agentFor, driven } from './drive.ts';
import { judged } from './judge.ts';
import { keyedTool } from './keyed.ts';
import { type Machine, machine } from './machine.ts';
import type { RunMeasure } from './measure.ts';
import { Meter } from './meter.ts';
import { Purse } from './purse.ts';

/** The format of a report in a file. */
export const REPORT_FORMAT = 1;

/** Plain JSON. What a reader wants to know of it is computed, see `summarised()`. */
export interface Report {
  format: typeof REPORT_FORMAT;
  name: string;
  /** When it began, epoch milliseconds. */
  at: number;
  machine: Machine;
  settings: { runs: number; warmUp: number; concurrency: number; budget?: number };
  scenarios: readonly string[];
  variants: readonly string[];
  /** The measured runs, in the order in which they ended. */
  runs: readonly RunMeasure[];
  /** US dollars of all runs, warm-up and judges; runs whose cost is unknown count with what was reserved for them. */
  spentUsd: number;
  /** Why runs are missing. */
  incomplete?: 'budget' | 'cancelled';
}

/** What has been measured so far, warm-up included. */
export interface Progress {
  done: number;
  of: number;
  failed: number;
  spentUsd: number;
}

export interface BenchmarkOptions {
  /** Ends the benchmark early. The report has what was measured. */
  signal?: AbortSignal;
  /** Called after each run. */
  onProgress?: (progress: Progress) => void;
}

interface Job {
  scenario: Scenario;
  variant: Plan['variants'][number];
  /** 0 or less: warm-up. */
  run: number;
}

/**
 * Measures an agent: see docs/benchmark.md.
 * @throws RondoError `CONFIG_INVALID` for a declaration that cannot be run.
 */
export async function benchmark(declared: Benchmark, o: BenchmarkOptions = {}): Promise<Report> {
  const plan = planOf(declared);
  const { concurrency, runs, warmUp, budget } = plan;
  const purse = new Purse(budget);
  const { signal = new AbortController().signal } = o;
  const benches = new Map<Plan['variants'][number], Bench>();
  const jobs = jobsOf(plan);
  const report: Report & { runs: RunMeasure[] } = {
    format: REPORT_FORMAT,
    name: plan.name,
    at: Date.now(),
    machine: machine(),
    settings: { runs, warmUp, concurrency, ...(budget !== undefined && { budget }) },
    scenarios: plan.scenarios.map(({ name }) => name),
    variants: plan.variants.map(({ name }) => name),
    runs: [],
    spentUsd: 0,
  };
  const progress: Progress = { done: 0, of: jobs.length, failed: 0, spentUsd: 0 };
  let next = 0;
  const worker = async () => {
    while (next < jobs.length && !signal.aborted && !report.incomplete) {
      const job = jobs[next++] as Job;
      const measure = await once(job, plan, { ...(benches.get(job.variant) as Bench), purse, signal });
      if (measure === 'budget') report.incomplete = 'budget';
      else if (job.run > 0 && !signal.aborted) report.runs.push(measure);
      progress.done++;
      if (measure !== 'budget' && !measure.ok) progress.failed++;
      progress.spentUsd = purse.spentUsd;
      heard(o.onProgress, [{ ...progress }]);
    }
  };
  try {
    for (const variant of plan.variants) benches.set(variant, bench(variant));
    await Promise.all(Array.from({ length: concurrency }, worker));
  } finally {
    // if one worker failed, the others begin no more
    next = jobs.length;
    // a journal that cannot be closed does not lose what was paid for
    await Promise.allSettled([...benches.values()].map(({ engine }) => engine.close()));
  }
  if (signal.aborted) report.incomplete ??= 'cancelled';
  report.spentUsd = purse.spentUsd;
  return report;
}

interface Bench {
  engine: Engine;
  meter: Meter;
  /** The engine's own. */
  limits: Limits;
  /** Its journal outlives the benchmark, so real runs may read what is noted there. */
  durable: boolean;
}

function bench(variant: Plan['variants'][number]): Bench {
  const meter = new Meter();
  const options = { use: [meter.wrapper], onEvent: meter.onEvent };
  // named, because a run that pauses in it is meant: its scenario decides at once
  const engine = variant.engine ? variant.engine(options) : new Engine({ ...options, journal: memoryJournal() });
  if (!(engine instanceof Engine))
    throw invalid(
      `variant "${variant.name}": its engine is made by a function that returns it: engine: (o) => new Engine({ ...o, journal }).`,
    );
  const { use, limits, journal } = Engine.settings(engine);
  // without it nothing is measured, and a run from a recording would execute its tools
  if (!use.includes(meter.wrapper))
    throw invalid(
      `variant "${variant.name}": its engine does not use what it is given. Write engine: (o) => new Engine({ ...o, journal }), and with wrappers of your own use: [...o.use, audit].`,
    );
  return { meter, engine, limits, durable: journal.durable };
}

function jobsOf({ scenarios, variants, runs, warmUp }: Plan): Job[] {
  const jobs: Job[] = [];
  for (let run = 1 - warmUp; run <= runs; run++) {
    const round = scenarios.flatMap((scenario) => variants.map((variant): Job => ({ scenario, variant, run })));
    jobs.push(...(run % 2 === 0 ? round.reverse() : round));
  }
  return jobs;
}

/** Whether a run was stopped by this dollar limit. */
const stoppedAt = (result: RunResult, usd: number) =>
  result.status === 'stopped' && result.limit.name === 'costUsd' && result.limit.max === usd;

/** One run and its checks. `budget`: too little is left for it. */
async function once(job: Job, plan: Plan, o: Bench & { purse: Purse; signal: AbortSignal }): Promise<RunMeasure | 'budget'> {
  const { scenario, variant, run } = job;
  const { purse, signal } = o;
  const { limits = {} } = variant;
  const share = await purse.reserve(limits.costUsd, plan.concurrency);
  if (!share) return 'budget';
  const agent = agentFor(variant.agent, scenario.model ?? variant.model);
  // a budget must not let an agent spend more than it may
  const own = limits.costUsd ?? agentDefinition(agent).limits.costUsd ?? o.limits.costUsd ?? Number.POSITIVE_INFINITY;
  const least = Math.min(own, share.usd ?? Number.POSITIVE_INFINITY);
  const costUsd = Number.isFinite(least) ? { costUsd: least } : {};
  let spent: number | null = null;
  // what a run before did under a key would not be done again; and a cached result would be that of another recording
  const isAlone = !o.durable && (scenario.recorded !== undefined || keyedTool(agentDefinition(agent)) !== undefined);
  const alone = isAlone ? bench(variant) : undefined;
  try {
    const { measured, graded } = await driven({
      ...o,
      ...alone,
      agent,
      scenario,
      runId: newId(),
      limits: { ...limits, ...costUsd },
    });
    spent = measured.costUsd;
    // the limit was what the budget had left, so the end says nothing about the agent
    if (graded && share.usd !== undefined && share.usd < own && stoppedAt(graded.result, share.usd)) return 'budget';
    share.settle(spent);
    const checks = graded
      ? await judged([...plan.checks, ...(scenario.checks ?? [])], graded, { purse, running: plan.concurrency, signal })
      : [];
    const ok = measured.status === 'completed' && checks.every(({ pass }) => pass);
    return { scenario: scenario.name, variant: variant.name, run, ...measured, ok, checks };
  } finally {
    share.settle(spent);
    await alone?.engine.close();
  }
}
