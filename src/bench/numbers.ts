/** The numbers of a run and of a step, by name. Null: unknown. Undefined: not measured. */
import type { RunMeasure, StepMeasure } from './measure.ts';

/** Milliseconds, tokens, US dollars and counts. */
export const RUN_NUMBERS = {
  ms: (run) => run.ms,
  modelMs: (run) => run.modelMs,
  callMs: (run) => run.callMs,
  engineMs: (run) => run.engineMs,
  firstTokenMs: (run) => run.firstTokenMs,
  costUsd: (run) => run.costUsd,
  inputTokens: ({ usage }) => usage.input,
  cachedTokens: ({ usage }) => usage.cacheRead ?? 0,
  writtenTokens: ({ usage }) => usage.cacheWrite ?? 0,
  outputTokens: ({ usage }) => usage.output,
  reasoningTokens: ({ usage }) => usage.reasoning ?? 0,
  steps: ({ steps }) => steps.length,
  modelCalls: (run) => run.modelCalls,
  toolCalls: (run) => run.toolCalls,
  retries: (run) => run.retries,
} satisfies Record<string, (run: RunMeasure) => number | null | undefined>;

/** Milliseconds. */
export const STEP_NUMBERS = {
  observeMs: (step) => step.observeMs,
  thinkMs: (step) => step.thinkMs,
  actMs: (step) => step.actMs,
  engineMs: (step) => step.engineMs,
  firstTokenMs: (step) => step.firstTokenMs,
} satisfies Record<string, (step: StepMeasure) => number | undefined>;

/** Of US dollars. Null if one is unknown. Sums of doubles drift, sums of nano-dollars do not. */
export function total(dollars: readonly (number | null)[]): number | null {
  let nano = 0;
  for (const usd of dollars) {
    if (usd === null) return null;
    nano += Math.round(usd * 1e9);
  }
  return nano / 1e9;
}
