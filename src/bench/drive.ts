/** Runs an agent once and measures it. */
import type { Engine } from '../engine/engine.ts';
import { type GradedRun, gradedRun } from '../engine/evaluate/check.ts';
import type { RunOptions } from '../engine/options.ts';
import type { RunResult } from '../engine/read/results.ts';
import type { TraceRecord } from '../engine/trace/trace-record.ts';
import { RondoError } from '../errors.ts';
import type { Approval } from '../hitl/approvals.ts';
import type { Decision, Limits } from '../journal/entries/entries.ts';
import { type Json, toldJson } from '../json.ts';
import { assertContext } from '../loop/context-needed.ts';
import type { Agent } from '../loop/types.ts';
import { messageOf } from '../reliability/classify.ts';
import { prefixTokens } from '../testing/prefix-share.ts';
import type { AgentOption, ModelOption, Scenario } from './declaration.ts';
import { type Measured, measured } from './measured.ts';
import type { Clock, Meter } from './meter.ts';
import { RecordedCalls } from './recorded/calls.ts';
import { asDecided } from './recorded/decisions.ts';
import { differenceOf } from './recorded/difference.ts';
import { harmless } from './recorded/harmless.ts';

export interface Driven {
  measured: Measured;
  /** Absent if there is no result to judge. */
  graded?: GradedRun;
}

export interface DriveOptions {
  engine: Engine;
  meter: Meter;
  agent: Agent;
  scenario: Scenario;
  runId: string;
  limits: Limits;
  signal: AbortSignal;
  /** The journal may be that of real runs. */
  durable: boolean;
}

/** The agent of a run, with a model of its own if it has a function for that. */
export function agentFor(agent: AgentOption, model: ModelOption | undefined): Agent {
  if (typeof agent !== 'function') return agent;
  return agent((typeof model === 'function' ? model() : model) as Parameters<typeof agent>[0]);
}

/** @returns what was measured, also of a run that the engine could not start. */
export async function driven({ engine, meter, agent, scenario, runId, limits, signal, durable }: DriveOptions): Promise<Driven> {
  const { options = {}, input, recorded } = scenario;
  const { by, session } = options;
  // a recorded run calls no tool
  if (!recorded) assertContext(agent, options.context, `scenario "${scenario.name}"`, 'options: { context: { ... } }');
  const definition = recorded && harmless(agent, durable);
  const calls = recorded && new RecordedCalls(recorded.calls);
  const decide = recorded ? asDecided(recorded, scenario.decide) : scenario.decide;
  const own = session && { session: typeof session === 'string' ? `${session}-${runId}` : { ...session, id: `${session.id}-${runId}` } };
  const clock = meter.start(runId, calls);
  try {
    const given = { ...options, ...own, id: runId, limits, signal } as RunOptions<Json>;
    let result: RunResult = await engine.run(agent, input, given);
    while (result.status === 'paused' && decide && result.approvals.length > 0) {
      const from = performance.now();
      const decisions = answers(decide, result.approvals);
      if (decisions.length === 0) break;
      for (const [approval, decision] of decisions)
        await engine.decide(runId, [decision], { by: { id: 'benchmark', ...tenantOf(by), roles: [...(approval.roles ?? [])] } });
      clock.pauses.push([from, performance.now()]);
      result = await engine.resume(runId, { signal, ...(by && { by }) });
    }
    clock.ended = performance.now();
    const trace: TraceRecord[] = [];
    for await (const record of engine.exportTrace(runId, { content: true, ...(by && { by }) })) trace.push(record);
    const graded = gradedRun(runId, toldJson(input).json, result, trace);
    const difference = recorded && calls && definition && differenceOf(recorded, graded, calls.missing, definition);
    return { measured: { ...measured(result, trace, clock), ...(difference && { difference }) }, graded };
  } catch (error) {
    if (RondoError.is(error, 'CONFIG_INVALID')) throw error;
    return { measured: failedToRun(runId, clock, error) };
  } finally {
    meter.end(runId);
  }
}

const tenantOf = (by: { tenant?: string } | undefined) => (by?.tenant === undefined ? {} : { tenant: by.tenant });

function answers(decide: (approval: Approval) => Decision | undefined, approvals: readonly Approval[]): [Approval, Decision][] {
  return approvals.flatMap((approval): [Approval, Decision][] => {
    const decision = decide(approval);
    return decision ? [[approval, decision]] : [];
  });
}

/** A run that has no result: the engine could not do its job. What it cost is unknown. */
const failedToRun = (runId: string, clock: Clock, error: unknown): Measured => ({
  runId,
  status: 'failed',
  error: { code: RondoError.is(error) ? error.code : 'INTERNAL', message: messageOf(error) },
  ms: performance.now() - clock.started,
  modelMs: 0,
  callMs: 0,
  engineMs: 0,
  usage: { input: 0, output: 0 },
  costUsd: null,
  prefix: prefixTokens([]),
  modelCalls: 0,
  toolCalls: 0,
  retries: 0,
  steps: [],
  calls: [],
});
