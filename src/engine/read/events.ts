import { defined } from '../../defined.ts';
import { view } from '../../hitl/approvals.ts';
import type { CallId, Entry, EntryOf } from '../../journal/entries/entries.ts';
import { damaged } from '../../journal/errors.ts';
import { type Call, type Frame, type RunFold, unfinishedCalls } from '../../journal/fold/fold.ts';
import { argumentsOf, callIn, frameOf } from '../../journal/fold/frame.ts';
import { copyJson } from '../../json.ts';
import type { ToolOutcome } from '../../loop/middleware.ts';
import type { Message } from '../../ports/model.ts';
import { type RunResult, resultOf } from './results.ts';
import type { Ending, Kept, RunEvent } from './run-event.ts';
import { waitingView } from './waiting.ts';

/**
 * The event of an entry, after it was applied to the fold. It is a copy, so that no reader changes the journal. The switch has no default,
 * so that the compiler reports an entry type without an event.
 */
export function eventOf(run: RunFold, entry: Entry): RunEvent {
  const frame = frameOf(run, entry) ?? run.root;
  const { at, seq, verdicts } = entry;
  const { path, step } = frame;
  const base = {
    runId: run.runId,
    path,
    ...(frame.id !== '' && { frame: frame.id }),
    step,
    at,
    seq,
    ...(verdicts && { verdicts: copyJson(verdicts) }),
  };
  switch (entry.type) {
    case 'run.started':
      return { ...base, type: 'run.started', agent: entry.agent, input: copyJson(entry.input), ...earlierOf(entry) };
    case 'run.claimed':
      return { ...base, type: 'run.resumed' };
    case 'model.responded': {
      const { model, usage, usd, ms, content } = entry;
      return {
        ...base,
        type: 'model.finished',
        message: { role: 'assistant', content: copyJson(content) },
        model,
        ms,
        ...(usage && { usage: { ...usage } }),
        ...(usd !== undefined && { costUsd: usd }),
      };
    }
    case 'attempt.failed': {
      const { of, attempt, code, message, retryIn, fallback, usd } = entry;
      return {
        ...base,
        step: entry.step,
        type: 'attempt.failed',
        attempt,
        code,
        message,
        ...(of === 'summary' ? { of: 'summary' as const } : of !== 'model' && { callId: of }),
        ...defined({ retryIn, fallback, costUsd: usd }),
      };
    }
    case 'frame.opened': {
      const opened = run.frames.get(entry.call) ?? frame;
      return { ...base, path: opened.path, type: 'agent.started', callId: entry.call, agent: entry.agent, input: copyJson(entry.input) };
    }
    case 'frame.began':
      if (entry.kind === 'foreign') return { ...base, type: 'foreign.started' };
      return { ...base, type: 'graph.started', next: entry.next.map(({ node }) => node) };
    case 'state.changed':
      return { ...base, type: 'state.changed', state: copyJson(entry.state) };
    case 'context.changed': {
      const { instructions, memory, memoryError, tools, heard } = entry;
      return {
        ...base,
        type: 'context.changed',
        ...defined({
          instructions: instructions === undefined ? undefined : (true as const),
          memory: memory?.length,
          memoryError,
          tools: tools?.map(({ name }) => name),
          heard,
        }),
      };
    }
    case 'context.compacted': {
      const { by: policy, refused, dropped = [], cleared = [], summary, tokens, model, usage, usd, ms } = entry;
      return {
        ...base,
        type: 'context.compacted',
        policy,
        dropped: dropped.reduce((sum, [from, to]) => sum + to - from, 0),
        cleared: cleared.length,
        tokens: { ...tokens },
        ...defined({ refused, summary, model, usage: usage && { ...usage }, costUsd: usd, ms }),
      };
    }
    case 'memory.due':
      return { ...base, type: 'memory.due' };
    case 'memory.recorded': {
      const { attempt, error, retryIn } = entry;
      return {
        ...base,
        type: 'memory.recorded',
        attempt,
        ...defined({ error: error && { ...error }, retryIn }),
      };
    }
    case 'entry.omitted':
      return { ...base, type: 'entry.omitted', was: entry.was };
    case 'call.started': {
      if (frame.kind) return taskStarted(frame, entry, base);
      const call = called(run, frame, entry.call);
      const input = call ? argumentsOf(call) : null;
      return { ...base, type: 'tool.started', callId: entry.call, tool: call?.name ?? '', input: copyJson(input), attempt: 1 };
    }
    case 'call.finished': {
      if (frame.kind) return taskFinished(frame, entry, base);
      const outcome: ToolOutcome = entry.error
        ? { ok: false, error: { ...entry.error } }
        : { ok: true, output: copyJson(entry.output ?? null) };
      return {
        ...base,
        type: 'tool.finished',
        callId: entry.call,
        tool: called(run, frame, entry.call)?.name ?? '',
        outcome,
        attempts: entry.attempts,
        ms: entry.ms,
        ...(entry.repeated && { repeated: { ...entry.repeated } }),
        ...(entry.usd !== undefined && { costUsd: entry.usd }),
        ...(entry.unpriced && { costError: { ...entry.unpriced } }),
        ...(entry.cached && { cached: { ...entry.cached } }),
      };
    }
    case 'approval.requested': {
      const approval = run.approvals.get(entry.id);
      if (!approval) throw damaged(run.runId, entry.seq, `approval ${entry.id} is not open`);
      return { ...base, type: 'approval.asked', approval: view(run, approval) };
    }
    case 'event.rejected':
      return { ...base, type: 'event.rejected', callId: entry.call, id: entry.id, problem: entry.problem };
    case 'wait.began': {
      const wait = called(run, frame, entry.call)?.wait;
      if (!wait) throw damaged(run.runId, entry.seq, `call ${entry.call} does not wait`);
      return { ...base, type: 'wait.began', waiting: waitingView(wait) };
    }
    case 'approval.decided':
      return {
        ...base,
        type: 'approval.decided',
        decision: copyJson(entry.decision),
        by: { ...entry.by },
      };
    case 'message.received':
      return messageEvent(entry, base);
    case 'outcome.settled':
      return { ...base, type: 'outcome.settled', callId: entry.call, source: entry.source, outcome: entry.outcome };
    case 'intent.reopened':
      return { ...base, type: 'intent.reopened', callId: entry.call, by: { ...entry.by }, reason: entry.reason };
    case 'call.dismissed':
      return { ...base, type: 'call.dismissed', callId: entry.call, by: { ...entry.by }, reason: entry.reason };
    case 'run.evaluated': {
      const { name, pass, score, reason, usd, failed, ms } = entry;
      return {
        ...base,
        type: 'run.evaluated',
        name,
        pass,
        score,
        ...defined({ reason, costUsd: usd }),
        ...(failed && { failed }),
        ms,
      };
    }
    case 'run.settled':
      return { ...base, type: 'run.ended', result: resultOf(run) as RunResult };
  }
}

function messageEvent(entry: EntryOf<'message.received'>, base: Kept): RunEvent {
  if (entry.kind === 'repair') return { ...base, type: 'repair.asked', text: entry.text };
  const by = entry.by && { by: copyJson(entry.by) };
  if (entry.kind === 'steering') return { ...base, type: 'message.received', content: copyJson(entry.content), ...earlierOf(entry), ...by };
  return { ...base, type: 'cancel.requested', ...by, ...(entry.reason !== undefined && { reason: entry.reason }) };
}

const earlierOf = ({ earlier }: { earlier?: readonly Message[] | undefined }) => earlier && { earlier: copyJson(earlier) };

/** The start of a graph's node, a durable step, or a foreign agent's turn. */
function taskStarted(frame: Frame, { call }: EntryOf<'call.started'>, base: Kept): RunEvent {
  if (frame.kind === 'foreign') return { ...base, type: 'turn.started', callId: call };
  const { node, name } = placeOf(frame, call);
  return name === undefined
    ? { ...base, type: 'node.started', callId: call, node }
    : { ...base, type: 'durable.started', callId: call, node, name };
}

function taskFinished(frame: Frame, entry: EntryOf<'call.finished'>, base: Kept): RunEvent {
  const { call: callId, error, state, next = [], usage, usd, attempts, ms } = entry;
  const outcome: Ending = error ? { ok: false, error: { ...error } } : { ok: true };
  if (frame.kind === 'foreign')
    return {
      ...base,
      type: 'turn.finished',
      callId,
      outcome,
      ...(usage && { usage: { ...usage } }),
      ...(usd !== undefined && { costUsd: usd }),
      ms,
    };
  const { node, name } = placeOf(frame, callId);
  if (name !== undefined) return { ...base, type: 'durable.finished', callId, node, name, outcome, attempts, ms };
  return {
    ...base,
    type: 'node.finished',
    callId,
    node,
    outcome: outcome.ok ? { ok: true, changed: state && 'keys' in state ? Object.keys(state.keys) : [] } : outcome,
    next: next.map(({ node }) => node),
    ms,
  };
}

/** The names of the node and the durable step of a call id (`<task>` or `<task>/<name>`). A task that has ended is the frame's last call. */
function placeOf({ tasks, last }: Frame, id: CallId): { node: string; name: string | undefined } {
  const end = id.indexOf('/');
  const name = end < 0 ? undefined : id.slice(end + 1);
  const node = tasks?.get(name === undefined ? id : id.slice(0, end)) ?? last;
  return { node: node?.name ?? '', name };
}

/** The call of an entry, even if the entry has just ended it. */
const called = (run: RunFold, frame: Frame, id: CallId): Call | undefined =>
  callIn(frame, id) ?? unfinishedCalls(run).find((call) => call.id === id);
