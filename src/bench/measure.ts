/** What is measured of a run. Plain JSON. Times are milliseconds; `at` counts from the start of the run. */

import type { Checked } from '../engine/evaluate/check.ts';
import type { CallId, RunStatus } from '../journal/entries/entries.ts';
import type { Usage } from '../ports/model.ts';
import type { PrefixTokens } from '../testing/prefix-share.ts';
import type { RunDifference } from './recorded/difference.ts';

/** A call of a tool, a function of a graph, a durable step, or a turn of a foreign agent. */
export interface CallMeasure {
  kind: 'tool' | 'node' | 'step' | 'turn';
  name: string;
  callId: CallId;
  /** The name of the agent that made it. */
  agent: string;
  frame?: CallId;
  step: number;
  at: number;
  ms: number;
  attempts: number;
  ok: boolean;
  /** US dollars of all attempts: a tool's own `cost`, or a turn. Null if unknown. */
  costUsd: number | null;
  /** It did not run: its result came from the cache of the tool. */
  cached?: true;
  /** The code of its failure. */
  error?: string;
}

/** One turn of a loop: observe (make the request), think (the model's answer, with retries), act (until the last result is in the journal). */
export interface StepMeasure {
  agent: string;
  /** The agents from the run's top agent down to it. */
  path: readonly string[];
  /** The call that the agent answers. Absent for the top agent. */
  frame?: CallId;
  step: number;
  /** `provider/id`. */
  model: string;
  at: number;
  observeMs: number;
  thinkMs: number;
  actMs: number;
  /** What is left of the three without the model, the tools and the sub-agents: the engine's own share. */
  engineMs: number;
  /** From the start of the model call to the first piece of the answer. Absent where the model did not stream. */
  firstTokenMs?: number;
  /** Absent if the model reported none. */
  usage?: Usage;
  /** US dollars; null if unknown. */
  costUsd: number | null;
  /** Attempts besides the first. */
  retries: number;
}

/** One measured run. */
export interface RunMeasure {
  scenario: string;
  variant: string;
  /** From 1, in each scenario and variant. */
  run: number;
  runId: string;
  /** Completed, and all checks passed. Others are kept out of the percentiles. */
  ok: boolean;
  status: RunStatus;
  /** Why the run did not complete. */
  error?: { code: string; message: string };
  /** Those of the benchmark first, then those of the scenario. */
  checks: readonly Checked[];
  /** From the call of `run()` to its result, without the time that it waited for answers to approvals. */
  ms: number;
  /** Of these: in models, in tools and other code of the application, and the rest, the engine's own. Parallel calls count once. */
  modelMs: number;
  callMs: number;
  engineMs: number;
  /** To the first piece of the first answer. Absent where no model streamed. */
  firstTokenMs?: number;
  /** Tokens of all model calls. */
  usage: Usage;
  /** US dollars; null if unknown. */
  costUsd: number | null;
  /** Of these, what checks of guardrails cost. Absent if nothing. */
  guardrailsUsd?: number | null;
  /** Input tokens, cached ones included: those that the request before had at the same place, the most that could have been, those read from a cache. */
  prefix: PrefixTokens;
  modelCalls: number;
  toolCalls: number;
  /** Attempts besides the first, of models and calls. */
  retries: number;
  steps: readonly StepMeasure[];
  calls: readonly CallMeasure[];
  /** Of a run from a recording: what it did otherwise. */
  difference?: RunDifference;
}
