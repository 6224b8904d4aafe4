/** What judges a run: functions and graders. */

import { RondoError } from '../../errors.ts';
import type { CallId } from '../../journal/entries/entries.ts';
import { isCost } from '../../journal/fold/spent.ts';
import type { Json } from '../../json.ts';
import type { Message } from '../../ports/model.ts';
import { CancelSource } from '../../reliability/cancel.ts';
import { bounded, messageOf } from '../../reliability/classify.ts';
import { signalled } from '../../reliability/patience.ts';
import type { RunResult } from '../read/results.ts';
import type { TraceRecord } from '../trace/trace-record.ts';

/** A tool call that has ended. Calls are in the order in which they ended. */
export interface GradedCall {
  callId: CallId;
  tool: string;
  /** The name of the agent that made it. */
  agent: string;
  /** The arguments that the tool got. */
  input: Json;
  ok: boolean;
  /** Absent if it failed. */
  output?: Json;
  /** The code of its failure, and its message. */
  error?: string;
  message?: string;
  /** Attempts that ran: 0 if it was refused before the first, or its intent was done before. */
  attempts: number;
}

/** What a check sees of a run. */
export interface GradedRun {
  runId: string;
  /** As the policy and the guardrails left it. */
  input: Json;
  /** The conversation before the input, of a run that continues a session. */
  earlier?: readonly Message[];
  /** How it ended. */
  result: RunResult;
  /** The final answer. Absent unless the run completed. */
  output?: Json;
  calls: readonly GradedCall[];
}

/** What a check says of a run. */
export interface Verdict {
  pass: boolean;
  /** From 0 to 1. Default: 1 for a pass, else 0. */
  score?: number;
  /** Why. A failed check without one is hard to mend. */
  reason?: string;
  /** What the check itself cost, in US dollars: its judge's calls. Default 0; null if unknown. */
  costUsd?: number | null;
  /** The check could not judge the run, so this says nothing about it. */
  failed?: true;
}

/** What a check is given besides the run. */
export interface Judging {
  /** The most that the check may spend, in US dollars. Absent: any amount. */
  readonly costUsd?: number;
  /** Aborted when the engine is closed, the benchmark is stopped, or the check is late. */
  readonly signal: AbortSignal;
}

/** A check with a name. One that throws, or takes more than ten minutes, is reported as failed itself. */
export interface Grader {
  /** Names the check in reports. */
  readonly name: string;
  /** It asks a model, so its cost is reserved in the budget of a benchmark. */
  readonly asks?: true;
  grade(run: GradedRun, o: Judging): Verdict | Promise<Verdict>;
}

/** A function that returns whether the run is right, or a verdict. Its name is the name of the check. */
export type CheckFunction = (run: GradedRun, o: Judging) => boolean | Verdict | Promise<boolean | Verdict>;
/** What judges a run. */
export type Check = Grader | CheckFunction;

/** A verdict with the name of its check. */
export type Checked = Required<Omit<Verdict, 'failed'>> & Pick<Verdict, 'failed'> & { name: string };

/** Milliseconds that a check may take: a judge that hangs must not keep others from being asked. */
const LONGEST = 600_000;
/** Milliseconds in which a check that is told to stop may say what it has spent. */
const GRACE = 5_000;

/** Asks a check. One that throws, answers rubbish, or goes on after it was told to stop, has failed itself. */
export async function askCheck(check: Check, name: string, run: GradedRun, o: Judging): Promise<Checked> {
  const ask = (late: AbortSignal) => {
    const judging = { ...o, signal: AbortSignal.any([o.signal, late]) };
    return typeof check === 'function' ? check(run, judging) : check.grade(run, judging);
  };
  const patience = new CancelSource();
  let timer: NodeJS.Timeout | undefined;
  const { source: stopped, unlink } = CancelSource.follow(o.signal);
  stopped.add(() => {
    timer = setTimeout(() => patience.cancel(), GRACE);
  });
  try {
    return { name, ...verdictOf(await signalled<boolean | Verdict>(ask, LONGEST, 'the check', patience)) };
  } catch (error) {
    // of a judge that was not even asked nothing is unknown
    const asks = typeof check !== 'function' && check.asks && !RondoError.is(error, 'CONFIG_INVALID');
    return { name, pass: false, score: 0, costUsd: asks ? null : 0, failed: true, reason: `The check failed: ${messageOf(error)}` };
  } finally {
    unlink();
    clearTimeout(timer);
  }
}

/** @throws Error if it is neither a boolean nor a verdict. */
function verdictOf(value: unknown): Omit<Checked, 'name'> {
  if (typeof value === 'boolean') return { pass: value, score: value ? 1 : 0, reason: '', costUsd: 0 };
  const { pass, score = pass ? 1 : 0, reason = '', costUsd = 0, failed } = (value ?? {}) as Partial<Verdict>;
  if (typeof pass !== 'boolean') throw new Error('it returned neither a boolean nor { pass: boolean }');
  if (typeof score !== 'number' || !(score >= 0 && score <= 1)) throw new Error(`its score is ${score}; a score is a number from 0 to 1`);
  return {
    pass: pass && !failed,
    score,
    reason: bounded(String(reason)),
    costUsd: isCost(costUsd) ? costUsd : null,
    ...(failed && { failed }),
  };
}

/** What a check sees of a run that has ended. `trace` is with content. */
export function gradedRun(runId: string, input: Json, result: RunResult, trace: readonly TraceRecord[]): GradedRun {
  const calls = new Map<CallId, GradedCall>();
  for (const record of trace) {
    if (record.type !== 'TOOL_INVOCATION') continue;
    const { callId, toolName: tool, path, status, attempt, errorCode, retryScheduledInMs, input: given = null, output, message } = record;
    if (retryScheduledInMs !== undefined || status === 'INTERRUPTED') continue;
    calls.set(callId, {
      callId,
      tool,
      agent: path.at(-1) ?? '',
      input: given,
      ok: status === 'SUCCEEDED',
      attempts: attempt,
      ...(status === 'SUCCEEDED'
        ? { output: output ?? null }
        : { error: errorCode ?? 'TOOL_FAILED', ...(message !== undefined && { message }) }),
    });
  }
  return { runId, input, result, ...(result.status === 'completed' && { output: result.output as Json }), calls: [...calls.values()] };
}
