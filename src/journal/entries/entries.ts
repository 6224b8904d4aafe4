/**
 * The journal's entries, format version 3: see docs/journal.md.
 *
 * An entry is appended once and never changed. An absent field has its default: without `frame` an entry belongs to the root frame.
 * A new optional field keeps the version. Any other change raises {@link VERSION} and adds an upcaster.
 */
import type { Failure } from '../../errors.ts';
import type { Json, JsonObject } from '../../json.ts';
import type { Judged } from '../../ports/guardrail.ts';
import type { Fact } from '../../ports/memory.ts';
import type { Message, Part, ToolChoice, Usage } from '../../ports/model.ts';
import type { Principal } from '../../ports/principal.ts';
import type { Decision, DecisionType, Effect } from '../../ports/tool.ts';
import type { JsonSchema } from '../../schema.ts';
import type { HandOut } from './hand-out.ts';
import type { Amount, Charge, Intent, Used } from './intent.ts';
import type { Crossed, Limits } from './limits.ts';
import type { FoundTool, LeftOut, NamedTools, Reshaped } from './request.ts';
import type { RunStatus } from './status.ts';
import type { Began, TakenEvent } from './wait.ts';

export type { Amount, Crossed, Decision, FoundTool, HandOut, Intent, Limits, NamedTools, Reshaped, RunStatus };

/** The format that this version writes. It reads older ones, too: see upcast.ts. */
export const VERSION = 3;

/** `<sequence number of the model's answer>.<index in it>`. Not the provider's id, which need not be unique. */
export type CallId = string;

/** Limits of one journal: number of entries, and characters of text. A run that reaches one stops. Its session can continue in a new run. */
export const BOUND = { entries: 50_000, size: 64 * 1024 * 1024 } as const;

/** What a frame without a conversation runs next: a node of a graph, or a turn of a foreign agent. */
export interface Reached {
  /** The name of the node. Empty for the turn of a foreign agent. */
  node: string;
  /** The input given by `send`. */
  input?: Json;
}

/** A change of a frame's state: `set` replaces it, `push` appends to a list, `keys` patches fields of an object, where null removes one. */
export type Patch = { set: Json } | { push: readonly Json[] } | { keys: { readonly [key: string]: Patch | null } };

/** An entry before it gets version, number and time. `frame`: id of the call that its frame answers; absent for the root frame. */
export type Draft = Body & Judged & { frame?: string | undefined };

type Body =
  | {
      type: 'run.started';
      agent: string;
      /** Hash of the agent's declaration. A later claim with another one validates the open calls again. */
      fingerprint: string;
      input: Json;
      /** The messages before the input, if the application passed a conversation. */
      earlier?: readonly Message[];
      owner: string;
      /** It waits for a process that begins it: its first `run.claimed` does, and names the run before it in its session. */
      queued?: true;
      by?: Principal;
      session?: string;
      /** All principals of the tenant may continue the session. */
      shared?: true;
      /** The run before this one in its session, whose messages this one continues. */
      previous?: string;
      /** How many entries of that run count. Later ones are not part of this conversation. */
      previousSeq?: number;
      /** Number of runs since one last had `history`. */
      depth?: number;
      /** The session's messages, repeated every few runs so that a start reads a bounded number of journals. */
      history?: readonly Message[];
      /** Time of the newest run before it in its session, if the clock of this process is behind it: this run comes after that one. */
      after?: number;
      context?: Json;
      /** Depth in a tree of agents that another engine drives. Default 0. */
      level?: number;
      toolChoice?: ToolChoice;
      /** The run that this one was forked from, and the sequence number of the last entry copied from it. */
      fork?: { run: string; at: number };
      /** The copied entries up to this one have lost their content, because the run that they are from was forgotten. */
      forgotten?: number;
      tags?: { readonly [k: string]: string };
      limits?: Limits;
      /** W3C traceparent of the run's first `invoke_agent` span. */
      trace?: string;
    }
  | {
      type: 'run.claimed';
      owner: string;
      epoch: number;
      fingerprint: string;
      by?: Principal;
      limits?: Limits;
      /** Another run has its session, so it goes on beside that one. */
      aside?: true;
      /** The process that drove the run gave it back, as an engine does that is closed: it did not die. */
      released?: true;
      /** Upper bound on the cost of a model call that the crash interrupted. */
      lost?: { tokens: number; usd?: number };
      /** traceparent of the claim's own `invoke_agent` span. */
      trace?: string;
      /** As in `run.started`: in the first claim of a queued run, and of a run beside whose start another one of its session began. */
      previous?: string;
      previousSeq?: number;
      depth?: number;
      history?: readonly Message[];
      after?: number;
    }
  | {
      type: 'run.settled';
      status: Exclude<RunStatus, 'queued' | 'running'>;
      output?: Json;
      error?: Failure;
      limit?: Crossed;
      reason?: string;
      /** Milliseconds of work in this claim. */
      ms: number;
    }
  | { type: 'message.received'; kind: 'cancel'; by?: Principal; reason?: string }
  | { type: 'message.received'; kind: 'repair'; text: string; step: number }
  /** A message to the run's agent while it works: it waits until `context.changed` says that it was heard. */
  | { type: 'message.received'; kind: 'steering'; content: readonly Part[]; earlier?: readonly Message[]; by?: Principal }
  /** `heard`: how many messages that waited the agent is shown from now on. */
  | {
      type: 'context.changed';
      instructions?: string;
      memory?: readonly Fact[];
      /** The code of the failure where the memory could not be asked; `memory` is empty then. */
      memoryError?: string;
      tools?: readonly { name: string; hash: string }[];
      /** The changes that `step` wrappers make to requests from now on; null: none any more. */
      reshaped?: Reshaped | null;
      heard?: number;
    }
  | ({ type: 'context.compacted' } & LeftOut)
  | {
      type: 'model.responded';
      step: number;
      /** `provider/id` of the model that answered. */
      model: string;
      standin?: true;
      /** The only copy of the calls' inputs. */
      content: readonly Part[];
      stop: 'end' | 'tools' | 'length' | 'context' | 'blocked';
      usage?: Usage;
      /** US dollars. Absent if the price or the usage is unknown. */
      usd?: number;
      ms: number;
      attempts?: number;
      /** Indexes of the calls made through `call_tool`: each is recorded as a call of the tool that it names. */
      through?: readonly number[];
    }
  | {
      type: 'attempt.failed';
      /** `model`, `summary` for the model call that writes one, or the id of the call. */
      of: 'model' | 'summary' | CallId;
      step: number;
      attempt: number;
      code: string;
      message: string;
      /** Milliseconds until the next attempt. Absent for the last one. */
      retryIn?: number;
      /** The model that is asked instead, `provider/id`. */
      fallback?: string;
      /** `provider/id` of the model that failed. */
      model?: string;
      /** Upper bound on the cost of the attempt. Absent if it certainly did not run. */
      lost?: { tokens: number; usd?: number };
      /** Of a call: US dollars that the attempt cost, and the credentials that it was handed again before it. */
      usd?: number;
      credentials?: readonly HandOut[];
    }
  /** A frame for a sub-agent. Its id is that of the call that it answers, and it ends with that call. */
  | {
      type: 'frame.opened';
      call: CallId;
      agent: string;
      fingerprint: string;
      input: Json;
      /** Messages of the parent that are shared with the sub-agent. */
      history?: readonly Message[];
    }
  /** The conversation of this frame must be recorded in its agent's memory once the run has completed. */
  | { type: 'memory.due'; key: string }
  /** The end of an attempt to record it. Without `error` it is recorded; with `error` and no `retryIn` there is no further attempt. */
  | {
      type: 'memory.recorded';
      /** The key of the `memory.due`. */
      key: string;
      /** The number of the attempt, from 1. */
      attempt: number;
      /** `message` only for a ToolError or RondoError, whose message is meant to be read: other messages may hold secrets. */
      error?: { code: string; message?: string };
      /** Milliseconds until the next attempt. */
      retryIn?: number;
    }
  /** The frame has a state instead of a conversation: it is a graph, or an agent of another framework. */
  | { type: 'frame.began'; kind: 'graph' | 'foreign'; state: Json; next: readonly Reached[] }
  /** The new state with which a fork begins, or with which a graph goes on whose schema has more fields now. */
  | { type: 'state.changed'; state: Json }
  /** In a fork: replaces a copied entry that does not apply, such as a claim, a pause, or a decision on a call that is made again. */
  | { type: 'entry.omitted'; was: string }
  | {
      type: 'call.started';
      call: CallId;
      effect: Effect;
      /** The arguments that the tool gets, if its schema changed the written ones and no approval has recorded them. */
      input?: Json;
      intent?: Intent;
      amount?: Amount;
      /** US dollars of one attempt, where its tool knows them before. The first one counts from now on. */
      usd?: number;
      credentials?: readonly HandOut[];
    }
  | ({
      type: 'call.finished';
      call: CallId;
      ok: boolean;
      /** The tool's output as JSON, bounded. Absent if `error` is set. */
      output?: Json;
      /** What the model sees, if the tool's `toModel` returned something other than the output. */
      content?: readonly Part[];
      error?: Failure;
      attempts: number;
      ms: number;
      /** Bytes that were cut off the output. */
      cut?: number;
      /** Set for `find_tools`: the tools that the model may call from now on. */
      found?: readonly FoundTool[];
      named?: readonly NamedTools[];
      /** For a node or a foreign agent's turn: the change of state, and what runs next. */
      state?: Patch;
      next?: readonly Reached[];
      /** The joins that it reached by a longer path than that of the task which waits there, by name. */
      joined?: readonly string[];
      /** Attempts at a foreign agent's turn that were given up while they ran. The sums are unknown until each has said what it used. */
      abandoned?: number;
      /** The call did not run: its intent was done before, by this call, at this time by the store's clock. */
      repeated?: { run: string; call: CallId; at: number };
      /** The call did not run: its result is that of this call, which began at this time. Of a `read` tool with `cache`. */
      cached?: { run: string; call: CallId; at: number };
      /** The tool has a `cache`, and this result was not in it. */
      missed?: true;
      /** The event that it waited for. Its data is the output. */
      event?: TakenEvent;
      /** Those that it was handed again since it started, or since its last failed attempt. */
      credentials?: readonly HandOut[];
    } & Charge &
      Used)
  | {
      type: 'approval.requested';
      id: string;
      call: CallId;
      kind: 'tool' | 'question' | 'consent';
      tool: string;
      /** SHA-256 of the canonical arguments, in hex. */
      digest: string;
      /** The arguments that the tool will get, if they differ from those that the model wrote. */
      input?: Json;
      /** What the call is meant to do, where its tool has a `key`. */
      intent?: Pick<Intent, 'name' | 'key' | 'digest'>;
      /** Hash of the tool as the model knew it. If the tool has changed since, the approval is asked for again. */
      hash?: string;
      /** What a second call of the tool does, as it was declared: the same. Absent in older entries. */
      effect?: Effect;
      reason?: string;
      roles?: readonly string[];
      allow: readonly DecisionType[];
      /** Epoch milliseconds, by the store's clock. */
      expiresAt?: number;
      question?: string;
      answer?: JsonSchema;
      provider?: string;
      url?: string;
      /** For a consent: the identity's handle, by which it completes the consent. */
      handle?: string;
      /** The call asked while it ran, had not had its effect, and runs again with the answer; and what it left for that. */
      midway?: true;
      state?: Json;
    }
  | { type: 'approval.decided'; id: string; decision: Decision; by: Principal; digest: string }
  /** The call waits without a process. It ends once what it waits for has come. */
  | ({ type: 'wait.began'; call: CallId } & Began)
  /** An event did not fit what the call waits for, so it goes on waiting. */
  | { type: 'event.rejected'; call: CallId; id: string; problem: string }
  /** Its cost is that of a late result. */
  | ({
      type: 'outcome.settled';
      call: CallId;
      /**
       * A late result of a call that had timed out, an operator's statement, or what a tool's `check` found for a later call. It does not
       * change what the model has seen.
       */
      source: 'late' | 'operator' | 'check';
      outcome: 'done' | 'failed' | 'not-run';
      note?: string;
      output?: Json;
      by?: Principal;
      /** Of an `idempotent` call: what it was meant to do. The fold keeps no such call once it has ended. */
      intent?: Intent;
    } & Charge &
      Used)
  /** An operator lets the intent of a call that is done be done once more. */
  | { type: 'intent.reopened'; call: CallId; intent: Intent; by: Principal; reason: string }
  /** An operator has seen that a call gave up, or that its outcome is unknown, and needs no more of it. */
  | { type: 'call.dismissed'; call: CallId; by: Principal; reason: string }
  /** A grader scored the run after its end. */
  | {
      type: 'run.evaluated';
      /** The grader. */
      name: string;
      pass: boolean;
      /** From 0 to 1. */
      score: number;
      reason?: string;
      /** What the grader itself cost, in US dollars, which is not part of the run's cost. Absent if unknown. */
      usd?: number;
      /** The grader could not judge the run. */
      failed?: true;
      ms: number;
    };

interface Stamp {
  /** The version of this entry's format. */
  v: number;
  /** Position in the run's journal, from 0, without gaps. */
  seq: number;
  /** Epoch milliseconds. */
  at: number;
}
// distributes over the union, so that narrowing by `type` works
type Stamped<D> = D extends Draft ? D & Stamp : never;
/** An entry as a store keeps it. Its `type` tells which fields it has. */
export type Entry = Stamped<Draft>;
export type EntryType = Entry['type'];
export type EntryOf<T extends EntryType> = Extract<Entry, { type: T }>;

/** Entry types that any process may append, also to a run that another one drives. */
export const FOREIGN: ReadonlySet<string> = new Set([
  'approval.decided',
  'message.received',
  'outcome.settled',
  'memory.recorded',
  'intent.reopened',
  'call.dismissed',
  'run.evaluated',
] satisfies EntryType[]);

/** An entry of any format version, as a store returns it. */
export type RawEntry = { v: number; seq: number; at: number; type: string } & JsonObject;
