import type { Report, RunMeasure, StepMeasure } from '../../src/bench/index.ts';

/** A run as it could have been measured. */
export function aRun(o: Partial<RunMeasure> = {}): RunMeasure {
  const ms = o.ms ?? 100;
  const step: StepMeasure = {
    agent: 'a',
    path: ['a'],
    step: 1,
    model: 'scripted/m',
    at: 0,
    observeMs: 1,
    thinkMs: ms - 1,
    actMs: 0,
    engineMs: 1,
    usage: { input: 100, output: 10 },
    costUsd: 0.001,
    retries: 0,
  };
  return {
    scenario: 'go',
    variant: 'default',
    run: 1,
    runId: 'r',
    ok: true,
    status: 'completed',
    checks: [],
    ms,
    modelMs: ms - 1,
    callMs: 0,
    engineMs: 1,
    usage: { input: 100, output: 10 },
    costUsd: 0.001,
    prefix: { input: 100, prefix: 0, highest: 0, read: 0, unmetered: 0 },
    modelCalls: 1,
    toolCalls: 0,
    retries: 0,
    steps: [step],
    calls: [],
    ...o,
  };
}

export function aReport(runs: readonly RunMeasure[], o: Partial<Report> = {}): Report {
  return {
    format: 1,
    name: 'support',
    at: Date.UTC(2026, 0, 2),
    machine: { node: 'v24.0.0', platform: 'linux x64', cpu: 'a processor', cores: 2, memoryGb: 8 },
    settings: { runs: runs.length, warmUp: 1, concurrency: 1 },
    scenarios: [...new Set(runs.map(({ scenario }) => scenario))],
    variants: [...new Set(runs.map(({ variant }) => variant))],
    runs,
    spentUsd: 0,
    ...o,
  };
}

/** One run for each value, in rounds from 1. */
export const inRounds = (values: readonly number[], make: (value: number) => Partial<RunMeasure>): RunMeasure[] =>
  values.map((value, i) => aRun({ run: i + 1, ...make(value) }));
