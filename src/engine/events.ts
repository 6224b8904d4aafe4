import type { Failure } from '../errors.ts';
import { type Approval, view } from '../hitl/approvals.ts';
import type { CallId, Decision, Entry, EntryOf } from '../journal/entries.ts';
import { type Call, type Frame, type RunFold, unfinishedCalls } from '../journal/fold.ts';
import { argumentsOf, callsOf } from '../journal/frame.ts';
import { copyJson, type Json } from '../json.ts';
import type { ToolOutcome } from '../loop/middleware.ts';
import type { Transient } from '../loop/types.ts';

import type { Message, Part, Usage } from '../ports/model.ts';
import type { Principal } from '../ports/principal.ts';
import { type RunResult, resultOf } from './results.ts';

interface At {
  runId: string;
  /** The agents from the top run down to the one that speaks. */
  path: readonly string[];
  step: number;
  /** Epoch milliseconds. */
  at: number;
}

/** How a graph's node ended: with the fields of the state that it changed, or its failure. */
export type NodeOutcome = { ok: true; changed: readonly string[] } | { ok: false; error: Failure };

/**
 * What happens in a run. With `seq`: an entry of the journal, seen after it was committed, once and in order. Without:
 * shown while it happens, kept nowhere; a delta's `attempt` tells when a retry began the text anew.
 */
export type RunEvent = At &
  (
    | ({ seq: number } & (
        | { type: 'run.started'; agent: string; input: Json }
        | { type: 'run.resumed' }
        | { type: 'model.finished'; message: Message; model: string; usage?: Usage; costUsd?: number; ms: number }
        | { type: 'attempt.failed'; callId?: CallId; attempt: number; code: string; message: string; retryIn?: number; fallback?: string }
        | { type: 'agent.started'; callId: CallId; agent: string; input: Json }
        | { type: 'node.finished'; callId: CallId; node: string; outcome: NodeOutcome; next: readonly string[]; ms: number }
        | { type: 'tool.started'; callId: CallId; tool: string; input: Json; attempt: number }
        | { type: 'tool.finished'; callId: CallId; tool: string; outcome: ToolOutcome; attempts: number; ms: number }
        | { type: 'approval.asked'; approval: Approval }
        | { type: 'approval.decided'; decision: Decision; by: Principal }
        | { type: 'outcome.settled'; callId: CallId; source: 'late' | 'operator'; outcome: 'done' | 'failed' | 'not-run' }
        | { type: 'message.received'; content: readonly Part[]; by?: Principal }
        | { type: 'run.ended'; result: RunResult }
      ))
    | ({ seq?: undefined } & Transient)
  );

/** The event of an entry, after the fold has taken it: copies, so that no reader changes the journal. Undefined where it concerns nobody outside. */
export function eventOf(run: RunFold, entry: Entry): RunEvent | undefined {
  const frame = entry.frame === undefined ? run.root : (run.frames.get(entry.frame) ?? run.root);
  const base = {
    runId: run.runId,
    path: frame.path,
    step: frame.step,
    at: entry.at,
    seq: entry.seq,
  };
  switch (entry.type) {
    case 'run.started':
      return { ...base, type: 'run.started', agent: entry.agent, input: copyJson(entry.input) };
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
      const { of, attempt, code, message, retryIn, fallback } = entry;
      return {
        ...base,
        step: entry.step,
        type: 'attempt.failed',
        attempt,
        code,
        message,
        ...(of !== 'model' && { callId: of }),
        ...(retryIn !== undefined && { retryIn }),
        ...(fallback !== undefined && { fallback }),
      };
    }
    case 'frame.opened': {
      const opened = run.frames.get(entry.call) ?? frame;
      return { ...base, path: opened.path, type: 'agent.started', callId: entry.call, agent: entry.agent, input: copyJson(entry.input) };
    }
    case 'call.started': {
      // a node has no arguments, and a foreign agent's turn is the agent
      if (frame.tasks) return undefined;
      const call = called(run, frame, entry.call);
      const input = call ? argumentsOf(call) : null;
      return { ...base, type: 'tool.started', callId: entry.call, tool: call?.name ?? '', input: copyJson(input), attempt: 1 };
    }
    case 'call.finished': {
      if (frame.kind) return frame.kind === 'graph' ? nodeEvent(frame, entry, base) : undefined;
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
      };
    }
    case 'approval.requested': {
      const approval = run.approvals.get(entry.id);
      return approval && { ...base, type: 'approval.asked', approval: view(run, approval) };
    }
    case 'approval.decided':
      return {
        ...base,
        type: 'approval.decided',
        decision: copyJson(entry.decision),
        by: { ...entry.by },
      };
    case 'message.received':
      if (entry.kind !== 'steering') return undefined;
      return { ...base, type: 'message.received', content: copyJson(entry.content), ...(entry.by && { by: { ...entry.by } }) };
    case 'outcome.settled':
      return { ...base, type: 'outcome.settled', callId: entry.call, source: entry.source, outcome: entry.outcome };
    case 'run.settled':
      return { ...base, type: 'run.ended', result: resultOf(run) as RunResult };
    default:
      return undefined;
  }
}

/** What a node's function did under a name of its own is told with its node. */
function nodeEvent(frame: Frame, entry: EntryOf<'call.finished'>, base: At & { seq: number }): RunEvent | undefined {
  if (entry.call.includes('/')) return undefined;
  const { error, state, next = [] } = entry;
  return {
    ...base,
    type: 'node.finished',
    callId: entry.call,
    node: frame.last?.name ?? '',
    outcome: error ? { ok: false, error: { ...error } } : { ok: true, changed: state && 'keys' in state ? Object.keys(state.keys) : [] },
    next: next.map(({ node }) => node),
    ms: entry.ms,
  };
}

/** A call after the entry that may have ended it. */
const called = (run: RunFold, frame: Frame, id: CallId): Call | undefined => {
  for (const call of callsOf(frame)) if (call.id === id) return call;
  return unfinishedCalls(run).find((call) => call.id === id);
};
