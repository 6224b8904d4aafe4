/** What judges a run: functions and graders. */
import type { RunResult } from '../engine/results.ts';
import type { TraceRecord } from '../engine/trace/trace-record.ts';
import type { CallId } from '../journal/entries.ts';
import type { Json } from '../json.ts';

/** A tool call that has ended. Calls are in the order in which they ended. */
export interface GradedCall {
  callId: CallId;
  tool: string;
  /** The name of the agent that made it. */
  agent: string;
  input: Json;
  ok: boolean;
  /** Absent if it failed. */
  output?: Json;
  /** The code of its failure. */
  error?: string;
  /** Attempts that ran: 0 if it was refused before the first, or its intent was done before. */
  attempts: number;
}

/** What a check sees of a run. */
export interface GradedRun {
  runId: string;
  input: Json;
  result: RunResult;
  /** The final answer. Absent unless the run completed. */
  output?: Json;
  calls: readonly GradedCall[];
}

export interface Verdict {
  pass: boolean;
  /** From 0 to 1. Default: 1 for a pass, else 0. */
  score?: number;
  /** Why. A failed check without one is hard to mend. */
  reason?: string;
  /** What the check itself cost, in US dollars: its judge's calls. Default 0; null if unknown. */
  costUsd?: number | null;
}

export interface Judging {
  /** The most that the check may spend, in US dollars. Absent: any amount. */
  readonly costUsd?: number;
  readonly signal: AbortSignal;
}

export interface Grader {
  /** Names the check in reports. */
  readonly name: string;
  /** It asks a model, so its cost is reserved in the budget of a benchmark. */
  readonly asks?: true;
  grade(run: GradedRun, o: Judging): Verdict | Promise<Verdict>;
}

/** A function that returns whether the run is right, or a verdict. Its name is the name of the check. */
export type CheckFunction = (run: GradedRun, o: Judging) => boolean | Verdict | Promise<boolean | Verdict>;
export type Check = Grader | CheckFunction;

/** A verdict with the name of its check. */
export type Checked = Required<Verdict> & {
  name: string;
  /** The check itself failed, so it says nothing about the run. */
  failed?: true;
};

/** What a check sees of a run that has ended. `trace` is with content. */
export function gradedRun(runId: string, input: Json, result: RunResult, trace: readonly TraceRecord[]): GradedRun {
  const calls = new Map<CallId, GradedCall>();
  for (const record of trace) {
    if (record.type !== 'TOOL_INVOCATION') continue;
    const { callId, toolName: tool, path, status, attempt, errorCode, retryScheduledInMs, input: given = null, output } = record;
    if (retryScheduledInMs !== undefined || status === 'INTERRUPTED') continue;
    calls.set(callId, {
      callId,
      tool,
      agent: path.at(-1) ?? '',
      input: given,
      ok: status === 'SUCCEEDED',
      attempts: attempt,
      ...(status === 'SUCCEEDED' ? { output: output ?? null } : { error: errorCode ?? 'TOOL_FAILED' }),
    });
  }
  return { runId, input, result, ...(result.status === 'completed' && { output: result.output as Json }), calls: [...calls.values()] };
}
