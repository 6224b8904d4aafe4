/** What is measured: a declaration, which a file exports for `rondo bench`. */
import type { Engine } from '../engine/engine.ts';
import type { Check } from '../engine/evaluate/check.ts';
import type { EngineOptions, RunOptions } from '../engine/options.ts';
import { invalid } from '../errors.ts';
import type { Approval } from '../hitl/approvals.ts';
import type { Decision, Limits } from '../journal/entries/entries.ts';
import { checkLimits, isAgent } from '../loop/definition.ts';
import type { Agent } from '../loop/types.ts';
import { checkOptions } from '../options.ts';
import type { Model } from '../ports/model.ts';
import type { Recorded } from './recorded/recorded.ts';

/** A model, or a function that makes one for each run: a scripted model that answers from a list is used up by one run. */
export type ModelOption = Model | (() => Model);

/** An agent, or a function that makes it for each run, with the model of the scenario or variant. */
export type AgentOption = Agent | ((model: Model) => Agent);

/** One thing that the agent is asked. */
export interface Scenario {
  /** Unique within the benchmark. */
  name: string;
  input: unknown;
  /** Of each run. A session gets a name of its own in each run, so that no run continues another. */
  options?: Pick<RunOptions<unknown>, 'by' | 'context' | 'session' | 'tags' | 'toolChoice'>;
  /** Overrides the model of the benchmark. */
  model?: ModelOption;
  /** Answers an approval. A run whose approval has no answer fails. The time until the answer is not counted. */
  decide?: (approval: Approval) => Decision | undefined;
  /** Besides those of the benchmark. */
  checks?: readonly Check[];
  /** A recorded run, see `fromJournal()`: tools are not executed, its calls answer them. */
  recorded?: Recorded;
}

/** A configuration that is measured beside others, in the same rounds. */
export interface Variant {
  agent?: AgentOption;
  model?: ModelOption;
  /** Those of a variant override those of the benchmark, one by one. */
  limits?: Limits;
  /** Makes the engine of a variant. It must pass the options on, by which its runs are measured. */
  engine?: (options: EngineOptions) => Engine;
}

/** What is measured: each scenario in each variant. What a variant leaves out is that of the benchmark. */
export interface Benchmark extends Variant {
  /** Names the report. */
  name?: string;
  scenarios: readonly Scenario[];
  /** Several configurations, interleaved, so that a slow machine slows all of them. Default: one, `default`. */
  variants?: { readonly [name: string]: Variant };
  /** Of each run. A run is right if it completes and passes all of them. */
  checks?: readonly Check[];
  /** Measured runs of each scenario in each variant. Default 10. */
  runs?: number;
  /** Runs of each before them that are not counted, but paid. Default 1. */
  warmUp?: number;
  /** Runs at the same time. Default 1: several slow each other down. */
  concurrency?: number;
  /**
   * Most US dollars for all runs, warm-up and judges. Each run starts with a limit, `limits.costUsd` or a share of what is left; the
   * spent dollars and the limits of the running ones together never exceed it.
   */
  budget?: number;
}

const VARIANT = {
  agent: 'agent: support',
  model: "model: bedrock('...')",
  limits: 'limits: { costUsd: 0.05 }',
  engine: "engine: (o) => new Engine({ ...o, journal: sqliteJournal('bench.db') })",
} satisfies Record<keyof Variant, string>;

const OPTIONS = {
  ...VARIANT,
  name: "name: 'support'",
  scenarios: "scenarios: [{ name: 'refund', input: 'Order 7 arrived broken' }]",
  variants: 'variants: { before: {}, after: { model } }',
  checks: "checks: [exact('42')]",
  runs: 'runs: 10',
  warmUp: 'warmUp: 1',
  concurrency: 'concurrency: 1',
  budget: 'budget: 1',
} satisfies Record<keyof Benchmark, string>;

const SCENARIO = {
  name: "name: 'refund'",
  input: "input: 'Order 7 arrived broken'",
  options: "options: { by: { id: 'ana' } }",
  model: 'model: () => scripted([...])',
  decide: 'decide: (approval) => approve(approval)',
  checks: "checks: [exact('42')]",
  recorded: 'scenarios: await fromJournal(journal, { agent })',
} satisfies Record<keyof Scenario, string>;

const RUN = {
  by: "by: { id: 'ana' }",
  context: "context: { tenant: 'acme' }",
  session: "session: 'ticket-7'",
  tags: "tags: { team: 'red' }",
  toolChoice: "toolChoice: 'auto'",
} satisfies Record<keyof NonNullable<Scenario['options']>, string>;

/** A declaration with its defaults, checked. */
export interface Plan {
  name: string;
  scenarios: readonly Scenario[];
  variants: readonly (Variant & { name: string; agent: AgentOption })[];
  checks: readonly Check[];
  runs: number;
  warmUp: number;
  concurrency: number;
  budget: number | undefined;
}

/** @throws RondoError `CONFIG_INVALID` for a declaration that cannot be run; nothing was spent. */
export function planOf(benchmark: Benchmark): Plan {
  checkOptions(benchmark, OPTIONS, 'a benchmark');
  const { name = 'benchmark', scenarios, variants, checks = [], runs = 10, warmUp = 1, concurrency = 1, budget } = benchmark;
  if (typeof name !== 'string' || name === '') throw invalid(`a benchmark's name is a text that is not empty.`);
  if (!Array.isArray(scenarios) || scenarios.length === 0) throw invalid(`benchmark "${name}" has no scenarios: ${OPTIONS.scenarios}.`);
  for (const scenario of scenarios) checkScenario(scenario, name);
  const twice = scenarios.find((one, i) => scenarios.findIndex((other) => other.name === one.name) < i);
  if (twice) throw invalid(`benchmark "${name}" has two scenarios named "${twice.name}". Give each a name of its own.`);
  checkChecks(checks, `benchmark "${name}"`);
  count(runs, 1, 'runs', name);
  count(warmUp, 0, 'warmUp', name);
  count(concurrency, 1, 'concurrency', name);
  if (budget !== undefined && !(typeof budget === 'number' && budget > 0 && Number.isFinite(budget)))
    throw invalid(`benchmark "${name}": the budget is ${budget}; it is in US dollars, more than 0.`);
  const named = variants ?? { default: {} };
  if (typeof named !== 'object' || Object.keys(named).length === 0)
    throw invalid(`benchmark "${name}" has no variants: ${OPTIONS.variants}.`);
  return {
    name,
    scenarios,
    variants: Object.entries(named).map(([variant, o]) => variantOf(benchmark, variant, o)),
    checks,
    runs,
    warmUp,
    concurrency,
    budget,
  };
}

function variantOf(benchmark: Benchmark, name: string, o: Variant): Plan['variants'][number] {
  const where = `variant "${name}"`;
  checkOptions(o, VARIANT, where);
  const agent = o.agent ?? benchmark.agent;
  if (!agent) throw invalid(`${where} has no agent. Write it into the benchmark, or into the variant: ${VARIANT.agent}.`);
  const model = o.model ?? benchmark.model;
  const made = typeof agent === 'function';
  if (!made && !isAgent(agent)) throw invalid(`${where}: this is not an agent. Write agent({ name, instructions, model, tools }).`);
  const modelled = benchmark.scenarios.find((scenario) => scenario.model);
  if (!made && (model || modelled))
    throw invalid(
      `${where} has an agent with a model of its own, so the model ${model ? 'beside it' : `of scenario "${modelled?.name}"`} would not be asked. ` +
        'Write agent: (model) => agent({ model, ... }).',
    );
  const without = benchmark.scenarios.find((scenario) => !scenario.model);
  if (made && !model && without)
    throw invalid(`${where} makes its agent from a model, and scenario "${without.name}" has none: ${VARIANT.model}.`);
  const limits = { ...benchmark.limits, ...o.limits };
  checkLimits(limits, where);
  const { budget } = benchmark;
  if (budget !== undefined && limits.costUsd !== undefined && limits.costUsd > budget)
    throw invalid(
      `${where}: the budget of $${budget} is smaller than one run, which may cost $${limits.costUsd} (limits.costUsd). ` +
        'Raise the budget, or lower the limit.',
    );
  const engine = o.engine ?? benchmark.engine;
  if (engine !== undefined && typeof engine !== 'function') throw invalid(`${where}: engine is a function: ${VARIANT.engine}.`);
  return { name, agent, limits, ...(model && { model }), ...(engine && { engine }) };
}

function checkScenario(scenario: Scenario, name: string): void {
  checkOptions(scenario, SCENARIO, `a scenario of benchmark "${name}"`);
  if (typeof scenario.name !== 'string' || scenario.name === '')
    throw invalid(`a scenario of benchmark "${name}" has no name: ${SCENARIO.name}.`);
  if (scenario.input === undefined) throw invalid(`scenario "${scenario.name}" has no input: ${SCENARIO.input}.`);
  const where = `scenario "${scenario.name}"`;
  // what is not of a scenario would be left out: a limit would bound nothing
  if (scenario.options !== undefined) checkOptions(scenario.options, RUN, `the options of ${where}`);
  if (scenario.decide !== undefined && typeof scenario.decide !== 'function')
    throw invalid(`${where}: decide is a function: ${SCENARIO.decide}.`);
  checkChecks(scenario.checks ?? [], where);
}

function checkChecks(checks: readonly Check[], where: string): void {
  const right = (check: Check) => typeof check === 'function' || (typeof check?.grade === 'function' && typeof check.name === 'string');
  if (!Array.isArray(checks) || !checks.every(right))
    throw invalid(`${where}: checks is a list of functions and graders: ${OPTIONS.checks}.`);
}

function count(value: number, least: number, what: string, name: string): void {
  if (!Number.isInteger(value) || value < least)
    throw invalid(`benchmark "${name}": ${what} is ${value}; it is a whole number of ${least} or more.`);
}
