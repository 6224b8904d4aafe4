/** Joins the times of a run with its trace. */
import type { RunResult } from '../engine/read/results.ts';
import type { TraceRecord } from '../engine/trace/trace-record.ts';
import { invalid } from '../errors.ts';
import type { CallId } from '../journal/entries/entries.ts';
import { prefixTokens } from '../testing/prefix-share.ts';
import type { CallMeasure, RunMeasure, StepMeasure } from './measure.ts';
import { type Clock, stepKey } from './meter.ts';
import { covered, round, type Span } from './spans.ts';

type Invoked = TraceRecord & { type: 'MODEL_INVOCATION' };
type Called = TraceRecord & { type: 'TOOL_INVOCATION' | 'NODE' | 'DURABLE_STEP' | 'FOREIGN_TURN' };

/** What the trace and the clock say of a run, without its checks. */
export type Measured = Omit<RunMeasure, 'scenario' | 'variant' | 'run' | 'ok' | 'checks'>;

const CALLS = { TOOL_INVOCATION: 'tool', NODE: 'node', DURABLE_STEP: 'step', FOREIGN_TURN: 'turn' } as const;

export function measured(result: RunResult, trace: readonly TraceRecord[], clock: Clock): Measured {
  const whole: Span = [clock.started, clock.ended];
  const answers = trace.filter((record): record is Invoked => record.type === 'MODEL_INVOCATION');
  const ended = trace.filter((record): record is Called => record.type in CALLS && endsCall(record as Called));
  const costs = costsOf(trace);
  const calls = ended.filter(({ callId }) => !clock.frames.has(callId)).map((record) => callOf(record, clock, costs));
  const { models, pauses, started } = clock;
  if (answers.some(({ status }) => status === 'SUCCEEDED') && models.size === 0)
    throw invalid('The engine of the benchmark does not use what it is given. Write engine: (o) => new Engine({ ...o, journal }).');
  const paused = covered(pauses, whole);
  const asked = [...models.values()];
  const ran = calls.map((call): Span => [started + call.at, started + call.at + call.ms]);
  const busy = covered([...asked, ...ran, ...pauses], whole);
  const steps = stepsOf(answers, trace, calls, clock);
  const first = Math.min(...clock.first.values());
  return {
    runId: result.runId,
    status: result.status,
    ...errorOf(result),
    ms: round(whole[1] - whole[0] - paused),
    modelMs: round(covered(asked, whole)),
    callMs: round(covered(ran, whole)),
    engineMs: round(whole[1] - whole[0] - busy),
    ...(Number.isFinite(first) && { firstTokenMs: round(first - started) }),
    usage: { ...result.usage },
    costUsd: result.costUsd ?? null,
    ...(clock.guardrailsUsd !== 0 && { guardrailsUsd: clock.guardrailsUsd }),
    modelCalls: answers.filter(({ status }) => status === 'SUCCEEDED').length,
    toolCalls: calls.filter(({ kind, attempts }) => kind === 'tool' && attempts > 0).length,
    prefix: prefixTokens(clock.asked),
    retries: retriesIn(answers) + calls.reduce((sum, { attempts }) => sum + Math.max(0, attempts - 1), 0),
    steps,
    calls,
  };
}

const endsCall = ({ status, retryScheduledInMs }: Called) => status !== 'INTERRUPTED' && retryScheduledInMs === undefined;

const retriesIn = (answers: readonly Invoked[]) => answers.filter(({ status }) => status === 'FAILED' || status === 'INTERRUPTED').length;

function errorOf(result: RunResult): { error?: { code: string; message: string } } {
  switch (result.status) {
    case 'completed':
      return {};
    case 'failed':
      return { error: { code: result.error.code, message: result.error.message } };
    case 'stopped': {
      const { name, max, used } = result.limit;
      return { error: { code: 'LIMIT_REACHED', message: `The limit ${name} of ${max} was reached (used: ${used ?? 'unknown'}).` } };
    }
    case 'paused': {
      const what = result.approvals[0] ? `an approval (${result.approvals[0].kind})` : 'a time or an event';
      return { error: { code: 'PAUSED', message: `The run waits for ${what}. A scenario answers approvals with decide.` } };
    }
    case 'cancelled':
      return { error: { code: 'CANCELLED', message: result.reason ?? 'The run was cancelled.' } };
  }
}

function callOf(record: Called, clock: Clock, costs: ReadonlyMap<CallId, number | null>): CallMeasure {
  const { callId, path, step, attempt, status, errorCode, frame, type } = record;
  const spans = clock.tools.get(callId);
  const end = clock.finished.get(callId);
  // a call without a wrapper, such as a function of a graph, ends when its event comes
  const [from, to] = spans
    ? [spans[0]?.[0] ?? 0, spans.at(-1)?.[1] ?? 0]
    : [(end?.at ?? clock.started) - (end?.ms ?? 0), end?.at ?? clock.started];
  return {
    kind: CALLS[type],
    name: nameOf(record),
    callId,
    agent: path.at(-1) ?? '',
    ...(frame !== undefined && { frame }),
    step,
    at: round(from - clock.started),
    ms: round(to - from),
    attempts: attempt,
    ok: status === 'SUCCEEDED',
    costUsd: costs.get(callId) === undefined ? 0 : (costs.get(callId) as number | null),
    ...('cached' in record && record.cached && { cached: true as const }),
    ...(errorCode !== undefined && { error: errorCode }),
  };
}

/** US dollars of all attempts of a call; null if one is unknown. */
function costsOf(trace: readonly TraceRecord[]): Map<CallId, number | null> {
  const costs = new Map<CallId, number | null>();
  for (const record of trace) {
    if (record.type !== 'TOOL_INVOCATION' && record.type !== 'FOREIGN_TURN') continue;
    const { callId, costUsd = 0 } = record;
    const before = costs.get(callId);
    const unknown = before === null || ('costError' in record && record.costError !== undefined);
    costs.set(callId, unknown ? null : Math.round(((before ?? 0) + costUsd) * 1e9) / 1e9);
  }
  return costs;
}

function nameOf(record: Called): string {
  switch (record.type) {
    case 'TOOL_INVOCATION':
      return record.toolName;
    case 'NODE':
      return record.node;
    case 'DURABLE_STEP':
      return `${record.node}/${record.name}`;
    case 'FOREIGN_TURN':
      return record.agent;
  }
}

/** The steps in the order of their answers. */
function stepsOf(answers: readonly Invoked[], trace: readonly TraceRecord[], calls: readonly CallMeasure[], clock: Clock): StepMeasure[] {
  /** When the last result of a step was in the journal, by `stepKey`. */
  const over = new Map<string, number>();
  /** What a step waited for: its calls, and the sub-agents that answer some of them. */
  const within = new Map<string, Span[]>();
  for (const record of trace) {
    if (record.type !== 'TOOL_INVOCATION' && record.type !== 'DELEGATION') continue;
    const key = stepKey(record.frame, record.step);
    const end = clock.finished.get(record.callId);
    if (end) over.set(key, Math.max(over.get(key) ?? 0, end.at));
    const began = clock.frames.get(record.callId);
    if (end && began !== undefined) within.set(key, [...(within.get(key) ?? []), [began, end.at]]);
  }
  for (const { frame, step, at, ms } of calls) {
    const key = stepKey(frame, step);
    within.set(key, [...(within.get(key) ?? []), [clock.started + at, clock.started + at + ms]]);
  }
  const steps: StepMeasure[] = [];
  for (const answer of answers) {
    const { frame, step, path } = answer;
    const key = stepKey(frame, step);
    const asked = clock.models.get(key);
    if (answer.status !== 'SUCCEEDED' || !asked) continue;
    const before = stepKey(frame, step - 1);
    const start =
      step > 1 ? (over.get(before) ?? clock.models.get(before)?.[1]) : frame === undefined ? clock.started : clock.frames.get(frame);
    const from = start ?? asked[0];
    const to = Math.max(asked[1], over.get(key) ?? 0);
    const first = clock.first.get(key);
    const pauses = (span: Span) => covered(clock.pauses, span);
    steps.push({
      agent: path.at(-1) ?? '',
      path,
      ...(frame !== undefined && { frame }),
      step,
      model: answer.model ?? '',
      at: round(from - clock.started),
      observeMs: round(asked[0] - from - pauses([from, asked[0]])),
      thinkMs: round(asked[1] - asked[0]),
      actMs: round(to - asked[1] - pauses([asked[1], to])),
      engineMs: round(to - from - covered([asked, ...(within.get(key) ?? []), ...clock.pauses], [from, to])),
      // two calls of one sub-agent at the same time have one path: a first piece outside of the call is that of the other
      ...(first !== undefined && first >= asked[0] && first <= asked[1] && { firstTokenMs: round(first - asked[0]) }),
      ...(answer.usage && { usage: answer.usage }),
      costUsd: answer.costUsd ?? null,
      retries: answers.filter((other) => other !== answer && stepKey(other.frame, other.step) === key && other.status !== 'SUCCEEDED')
        .length,
    });
  }
  return steps;
}
