export { pricedModels } from '../pricing/prices.ts';
export { type BenchmarkOptions, benchmark, type Progress, type Report } from './benchmark.ts';
export { type ComparedPart, type ComparedSide, type Comparison, compared, type Difference } from './compare.ts';
export { type Condition, condition, failIf, type Outcome } from './conditions.ts';
export type { AgentOption, Benchmark, ModelOption, Scenario, Variant } from './declaration.ts';
export type { JudgeOptions } from './graders/ask-judge.ts';
export { exact, matches } from './graders/exact.ts';
export { grounded } from './graders/grounded.ts';
export { type RubricOptions, rubric } from './graders/rubric.ts';
export { type ExpectedCall, type TrajectoryOptions, trajectory } from './graders/trajectory.ts';
export type { Machine } from './machine.ts';
export type { CallMeasure, RunMeasure, StepMeasure } from './measure.ts';
export { type ModelMonth, type Month, type MonthOptions, month, type OtherMonth } from './month/month.ts';
export { type PaperCall, type PaperSession, paperSession, sessionOf } from './month/session.ts';
export type { OtherCall, RunDifference } from './recorded/difference.ts';
export { type FromJournalOptions, fromJournal } from './recorded/from-journal.ts';
export type { Recorded } from './recorded/recorded.ts';
export type { Estimate, Spread, Statistic } from './stats.ts';
export {
  type CheckNumbers,
  type Part,
  type RecordedNumbers,
  type RunNumbers,
  type StepNumbers,
  type Summary,
  summarised,
} from './summary.ts';
