/** The records of `engine.exportTrace`. */
import type { Outcome } from '../../errors.ts';
import type { CallId } from '../../journal/entries/entries.ts';
import type { Json } from '../../json.ts';
import type { Usage } from '../../ports/model.ts';
import type { DecisionType } from '../../ports/tool.ts';

/** `INTERRUPTED`: the process stopped meanwhile. `NOT_RUN`: refused before any attempt, which has the number 0. */
export type TraceStatus = 'SUCCEEDED' | 'FAILED' | 'INTERRUPTED' | 'NOT_RUN';

interface About {
  /** The W3C trace id of the run's spans; without telemetry, the run's id. */
  traceId: string;
  sessionId?: string;
  /** Number of the model answer of this agent, or the layer of the graph. The same for all attempts. */
  step: number;
  runId: string;
  /** The agents from the run's top agent down to the one that did this. */
  path: readonly string[];
  /** The call that this agent answers. Absent for the top agent. */
  frame?: CallId;
  /** Epoch milliseconds of the entry, which is when the attempt ended, and the entry's number. */
  at: number;
  seq: number;
  /** The entry was copied from the run that this one was forked from: its cost is in that run's trace. */
  copied?: true;
}

interface Attempted {
  /** From 1, and counted on after a crash. */
  attempt: number;
  status: TraceStatus;
  errorCode?: string;
  /**
   * The journal has the duration of calls that needed one attempt. That of others is computed from the times of entries, so it includes the
   * time to write them, and for a model the time to prepare the request. Absent where the process stopped.
   */
  durationMs?: number;
  /** Absent for the last attempt. */
  retryScheduledInMs?: number;
  /** Only with `content`: the message of the failure. */
  message?: string;
}

interface Called extends Attempted {
  callId: CallId;
  /** What became of the effect, where the call has ended without success. */
  outcome?: Outcome;
  /** Only with `content`: what it got, and what it returned. */
  input?: Json;
  output?: Json;
}

/** One line of a trace. Fields without a value are absent. Texts, arguments and the names of persons are there only with `content: true`. */
export type TraceRecord = About &
  (
    | ({
        type: 'TOOL_INVOCATION';
        toolName: string;
        /** It did not run: its intent was done before, by this call, at this time. */
        repeated?: { run: string; call: CallId; at: number };
        /** US dollars of this attempt, where the tool declares its cost. */
        costUsd?: number;
        /** Why the cost is unknown. */
        costError?: 'COST_INVALID';
        /** It did not run: its result is that of this call, from the cache of the tool. */
        cached?: { run: string; call: CallId; at: number };
      } & Called)
    | ({
        type: 'MODEL_INVOCATION';
        /** `provider/id`. */
        model?: string;
        usage?: Usage;
        /** US dollars. Absent if unknown. */
        costUsd?: number;
        /** The tools that the answer calls. */
        toolNames?: readonly string[];
        /** Only with `content`: why these tools were chosen, where the model said so: its reasoning, else the text beside the calls. */
        reason?: string;
        /** Only with `content`: the text of the answer. */
        text?: string;
      } & Attempted)
    /** A sub-agent that answers a call, or runs as a node. It comes after what the sub-agent did. */
    | ({ type: 'DELEGATION'; toolName: string; agent: string } & Called)
    | ({ type: 'NODE'; node: string } & Called)
    | ({ type: 'DURABLE_STEP'; node: string; name: string } & Called)
    | ({ type: 'FOREIGN_TURN'; agent: string; usage?: Usage; costUsd?: number } & Called)
    /** The outcome that was found out later, of a call with an unknown outcome. */
    | {
        type: 'OUTCOME';
        toolName: string;
        callId: CallId;
        source: 'late' | 'operator' | 'check';
        outcome: 'done' | Exclude<Outcome, 'unknown'>;
        /** Of a late result: as in `TOOL_INVOCATION`. */
        costUsd?: number;
        costError?: 'COST_INVALID';
        /** Only with `content`. */
        output?: Json;
      }
    | {
        type: 'APPROVAL';
        status: 'REQUESTED' | 'DECIDED';
        approvalId: string;
        kind: 'tool' | 'question' | 'consent';
        toolName: string;
        callId: CallId;
        decision?: DecisionType;
        /** How long the decision took. */
        durationMs?: number;
        /** Only with `content`: why it is asked, or the question; and the id of the person who decided. */
        reason?: string;
        by?: string;
      }
    /**
     * A wait without a process. `WOKEN`: its time has come. `RECEIVED`: the event has. `REJECTED`: an event did not fit, and it waits on.
     * `TIMED_OUT`: no event came in time. `ENDED`: its call ended without it.
     */
    | {
        type: 'WAIT';
        status: 'BEGAN' | 'WOKEN' | 'RECEIVED' | 'REJECTED' | 'TIMED_OUT' | 'ENDED';
        toolName: string;
        callId: CallId;
        /** The latest time that it waits, epoch milliseconds. */
        until: number;
        /** The name of the event that it waits for. Absent for a time alone. */
        event?: string;
        /** The event that came. */
        eventId?: string;
        /** How long it has waited. Absent for its begin. */
        durationMs?: number;
        /** Only with `content`: what the event is about, and why one did not fit. */
        key?: string;
        message?: string;
      }
    /** `RECALL`: what the memory knew, when it changed. `RECORD`: an attempt to record the conversation; it has no duration in the journal. */
    | ({ type: 'MEMORY_OPERATION'; operation: 'RECALL'; facts: number } & Pick<Attempted, 'status' | 'errorCode'>)
    | ({ type: 'MEMORY_OPERATION'; operation: 'RECORD' } & Omit<Attempted, 'durationMs'>)
    /** A grader's score, after the end. */
    | {
        type: 'EVALUATION';
        grader: string;
        status: 'PASSED' | 'MISSED' | 'FAILED';
        score: number;
        /** Of the grader itself. */
        costUsd?: number;
        durationMs: number;
        /** Only with `content`. */
        reason?: string;
      }
    /** The model sees less of the conversation from now on, or an attempt to have a summary written failed. */
    | ({
        type: 'COMPACTION';
        policy?: string;
        /** The model had refused the conversation. */
        refused?: true;
        /** Messages that are left out, and results that are replaced by a reference. */
        dropped?: number;
        cleared?: number;
        /** About. */
        tokensBefore?: number;
        tokensAfter?: number;
        /** Of the call that wrote the summary. */
        model?: string;
        usage?: Usage;
        costUsd?: number;
        /** Only with `content`. */
        summary?: string;
      } & Attempted)
    | {
        type: 'FINAL_RESPONSE';
        status: 'SUCCEEDED' | 'FAILED' | 'STOPPED' | 'CANCELLED';
        errorCode?: string;
        /** The limit that was reached. */
        limit?: string;
        /** Of the whole run: milliseconds of work, tokens, and US dollars where they are known. */
        durationMs: number;
        usage: Usage;
        costUsd?: number;
        /** Only with `content`. */
        output?: Json;
        message?: string;
      }
  );
