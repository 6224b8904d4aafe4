export { type BenchmarkOptions, benchmark, type Progress, type Report } from './benchmark.ts';
export type { Check, Checked, CheckFunction, GradedCall, GradedRun, Grader, Judging, Verdict } from './check.ts';
export type { AgentOption, Benchmark, ModelOption, Scenario, Variant } from './declaration.ts';
export type { Machine } from './machine.ts';
export type { CallMeasure, RunMeasure, StepMeasure } from './measure.ts';
export type { Estimate, Spread } from './stats.ts';
export { type CheckNumbers, type Part, type RunNumbers, type StepNumbers, type Summary, summarised } from './summary.ts';
