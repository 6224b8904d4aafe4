/** What one session uses, on paper. */

import { inputOf } from '../../journal/fold/spent.ts';
import { checkOptions } from '../../options.ts';
import type { RunMeasure } from '../measure.ts';
import { total } from '../numbers.ts';

/** One model call. All numbers are tokens. */
export interface PaperCall {
  /** All input, cached or not. */
  input: number;
  output: number;
  /** As measured: of the input, what was read from a cache and what was written to it. */
  cacheRead: number;
  cacheWrite: number;
  /** The input of the call before it of the same agent, with which this one begins: the most that a cache could answer. */
  before: number;
  /** `provider/id` of the model that was measured, and US dollars of the call; null if unknown. Absent on paper. */
  model?: string;
  usd?: number | null;
}

export interface PaperSession {
  calls: readonly PaperCall[];
  /** `provider/id` of the models that were measured. */
  models: readonly string[];
  /** US dollars of all model calls as measured, with lost attempts and summaries. Null if unknown; absent on paper. */
  paidUsd?: number | null;
  /** US dollars of the tools themselves; null if unknown. */
  toolsUsd: number | null;
  /** US dollars of the checks of guardrails; null if unknown, absent if nothing. */
  guardrailsUsd?: number | null;
  toolCalls: number;
  /** Milliseconds of the run, and of these, of the engine and the tools. */
  ms: number;
  workMs: number;
}

/** @returns undefined if a model reported no usage: then nothing can be said of what it costs. */
export function sessionOf(run: RunMeasure): PaperSession | undefined {
  const last = new Map<string, number>();
  const calls: PaperCall[] = [];
  for (const { frame = '', usage, model, costUsd: usd } of run.steps) {
    if (!usage) return undefined;
    const { output, cacheRead = 0, cacheWrite = 0 } = usage;
    const input = inputOf(usage);
    calls.push({ input, output, cacheRead, cacheWrite, before: Math.min(last.get(frame) ?? 0, input), model, usd });
    last.set(frame, input);
  }
  const toolsUsd = total(run.calls.map(({ costUsd }) => costUsd));
  const { guardrailsUsd = 0 } = run;
  const besides = total([toolsUsd, guardrailsUsd]);
  return {
    calls,
    models: [...new Set(run.steps.map(({ model }) => model))],
    paidUsd: run.costUsd === null || besides === null ? null : Math.max(0, total([run.costUsd, -besides]) ?? 0),
    toolsUsd,
    ...(guardrailsUsd !== 0 && { guardrailsUsd }),
    toolCalls: run.toolCalls,
    ms: run.ms,
    workMs: run.callMs + run.engineMs,
  };
}

/** A session that was not measured: so many steps, each with so much context. */
export function paperSession(o: { steps: number; context: number; output: number }): PaperSession {
  checkOptions(o, { steps: 'steps: 10', context: 'context: 20_000', output: 'output: 500' }, 'paperSession()');
  const { steps, context, output } = o;
  const calls = Array.from({ length: steps }, (_, i) => ({
    input: context,
    output,
    cacheRead: 0,
    cacheWrite: 0,
    before: i === 0 ? 0 : context,
  }));
  return { calls, models: [], toolsUsd: 0, toolCalls: Math.max(0, steps - 1), ms: 0, workMs: 0 };
}
