import type { Failure } from '../../errors.ts';
import type { Approval } from '../../hitl/approvals.ts';
import type { CallId, Decision } from '../../journal/entries/entries.ts';
import type { Json } from '../../json.ts';
import type { ToolOutcome } from '../../loop/middleware.ts';
import type { Transient } from '../../loop/types.ts';
import type { Judged } from '../../ports/guardrail.ts';
import type { Message, Part, Usage } from '../../ports/model.ts';
import type { Principal } from '../../ports/principal.ts';
import type { RunResult } from './results.ts';
import type { Waiting } from './waiting.ts';

interface At {
  runId: string;
  /** The agents from the run's top agent down to the one that the event is from. */
  path: readonly string[];
  /** Of an event below the top agent: the call that its agent answers. It tells two calls of one sub-agent apart. */
  frame?: CallId;
  step: number;
  /** Epoch milliseconds. */
  at: number;
}

/** How a graph's node ended: with the fields of the state that it changed, or its failure. */
export type NodeOutcome = { ok: true; changed: readonly string[] } | { ok: false; error: Failure };

/** How a durable step or a foreign agent's turn ended. Its result is in the journal. */
export type Ending = { ok: true } | { ok: false; error: Failure };

/** An event that is in the journal. */
export type Kept = At & Judged & { seq: number };

/**
 * An event of a run. With `seq`: it is in the journal, and is delivered after its commit, once and in order. Without: it is live only and
 * not stored; if a delta's `attempt` increases, a retry has started the text again.
 */
export type RunEvent = At &
  Judged &
  (
    | ({ seq: number } /** `earlier`: the messages before the input, if the input was a conversation. */ & (
        | { type: 'run.started'; agent: string; input: Json; earlier?: readonly Message[] }
        | { type: 'run.resumed' }
        | { type: 'model.finished'; message: Message; model: string; usage?: Usage; costUsd?: number; ms: number }
        | {
            type: 'attempt.failed';
            callId?: CallId;
            of?: 'summary';
            attempt: number;
            code: string;
            message: string;
            retryIn?: number;
            fallback?: string;
            /** US dollars that the attempt of a tool cost. */
            costUsd?: number;
          }
        | { type: 'agent.started'; callId: CallId; agent: string; input: Json }
        /**
         * The model request changed, in the fields that are set. `memory` counts facts, `tools` are names, `heard` counts messages. `memoryError`:
         * the code of the failure where the memory could not be asked.
         */
        | { type: 'context.changed'; instructions?: true; memory?: number; memoryError?: string; tools?: readonly string[]; heard?: number }
        /** The model sees less of the conversation from now on: see docs/context.md. `dropped` and `cleared` count messages and results. */
        | {
            type: 'context.compacted';
            policy: string;
            /** The model had refused the conversation, because it was too long. */
            refused?: true;
            dropped: number;
            cleared: number;
            summary?: string;
            /** About how many tokens the request had, and has now. */
            tokens: { before: number; after: number };
            /** Of the call that wrote the summary. */
            model?: string;
            usage?: Usage;
            costUsd?: number;
            ms?: number;
          }
        | { type: 'repair.asked'; text: string }
        | { type: 'graph.started'; next: readonly string[] }
        | { type: 'foreign.started' }
        | { type: 'node.started'; callId: CallId; node: string }
        | { type: 'node.finished'; callId: CallId; node: string; outcome: NodeOutcome; next: readonly string[]; ms: number }
        | { type: 'durable.started'; callId: CallId; node: string; name: string }
        | { type: 'durable.finished'; callId: CallId; node: string; name: string; outcome: Ending; attempts: number; ms: number }
        | { type: 'turn.started'; callId: CallId }
        | { type: 'turn.finished'; callId: CallId; outcome: Ending; usage?: Usage; costUsd?: number; ms: number }
        | { type: 'state.changed'; state: Json }
        | { type: 'tool.started'; callId: CallId; tool: string; input: Json; attempt: number }
        | {
            type: 'tool.finished';
            callId: CallId;
            tool: string;
            outcome: ToolOutcome;
            attempts: number;
            ms: number;
            /** It did not run: its intent was done before, by this call, at this time. */
            repeated?: { run: string; call: CallId; at: number };
            /** US dollars of the last attempt, where the tool declares its cost; or why they are unknown. */
            costUsd?: number;
            costError?: { code: 'COST_INVALID'; message: string };
            /** It did not run: its result is that of this call, from the cache of the tool. */
            cached?: { run: string; call: CallId; at: number };
          }
        | { type: 'approval.asked'; approval: Approval }
        | { type: 'wait.began'; waiting: Waiting }
        | { type: 'event.rejected'; callId: CallId; id: string; problem: string }
        | { type: 'approval.decided'; decision: Decision; by: Principal }
        | { type: 'outcome.settled'; callId: CallId; source: 'late' | 'operator' | 'check'; outcome: 'done' | 'failed' | 'not-run' }
        | { type: 'intent.reopened'; callId: CallId; by: Principal; reason: string }
        | { type: 'call.dismissed'; callId: CallId; by: Principal; reason: string }
        /** `costUsd`: of the grader itself; absent if unknown. `failed`: it could not judge. */
        | {
            type: 'run.evaluated';
            name: string;
            pass: boolean;
            score: number;
            reason?: string;
            costUsd?: number;
            failed?: true;
            ms: number;
          }
        | { type: 'message.received'; content: readonly Part[]; earlier?: readonly Message[]; by?: Principal }
        | { type: 'cancel.requested'; by?: Principal; reason?: string }
        | { type: 'memory.due' }
        | { type: 'memory.recorded'; attempt: number; error?: { code: string; message?: string }; retryIn?: number }
        | { type: 'entry.omitted'; was: string }
        | { type: 'run.ended'; result: RunResult }
      ))
    | ({ seq?: undefined } & Transient)
  );
