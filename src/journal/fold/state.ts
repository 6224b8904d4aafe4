/** The types of a run's state. Only `apply` in fold.ts, with the functions it calls, changes it. */
import type { Json } from '../../json.ts';
import type { Fact } from '../../ports/memory.ts';
import type { Message } from '../../ports/model.ts';
import type { Effect } from '../../ports/tool.ts';
import type { Amount, CallId, EntryOf, FoundTool, Intent, Limits, Reshaped, RunStatus } from '../entries/entries.ts';
import type { Recording } from '../entries/outbox.ts';
import type { Spent } from './spent.ts';

/** A run. Its spending is that of its root frame, which includes all frames below. */
export interface RunFold extends Spent {
  readonly runId: string;
  /** Sequence number of the next entry, which is the number of applied entries. */
  next: number;
  status: RunStatus;
  /** The first entry of the journal. */
  started: EntryOf<'run.started'>;
  /** How it ended or paused; undefined while it is running. */
  settled?: EntryOf<'run.settled'>;
  /** The process of the newest claim; undefined unless the run is running. */
  owner?: string;
  /** Hash of the agent's declaration at the newest claim. */
  fingerprint: string;
  /** Number of the newest claim: 0 for the start, and one more for each `run.claimed`. */
  epoch: number;
  /** Consecutive claims after a crash without progress since; those of a run that was given back do not count. Detects a crash loop. */
  failedClaims: number;
  /** Limits given for this run. Those of the agent and of the engine apply too. */
  limits: Limits;
  /** The first request to cancel the run. */
  cancelled?: EntryOf<'message.received'> & { kind: 'cancel' };
  readonly root: Frame;
  /** Frames of sub-agents that have not ended, by the call that they answer. The root is not among them. */
  readonly frames: Map<CallId, Frame>;
  /** All approvals, open and decided, by id. */
  readonly approvals: Map<string, Approval>;
  /** Number of decided approvals. */
  decisions: number;
  /** Calls whose outcome is unknown, for an operator to settle. */
  readonly unknowns: Map<CallId, Unknown>;
  /** Calls that may run twice, have ended with an unknown outcome, and count their amount until it is settled. */
  readonly doubtful: Map<CallId, Call>;
  /** How many calls started with an intent. */
  intents: number;
  /** How many calls started that are effects: see `since` of a call. */
  effects: number;
  /** A call has waited for an event. */
  listens?: true;
  /** It goes on beside another run of its session. */
  aside?: true | undefined;
  /** Conversations to record in a memory once the run has completed, by key. */
  readonly outbox: Map<string, Recording>;
  /** Sequence number of the last entry copied from the run that this one was forked from; -1 without a fork. Costs up to it are the other run's. */
  inherited: number;
  /** Characters of all texts, states and outputs, bounded by {@link BOUND}. */
  size: number;
  /** Milliseconds of work in the claims that ended. Time spent paused does not count. */
  workMs: number;
  /** Time of the newest claim, epoch milliseconds. */
  claimedAt: number;
  /** Time of the newest entry, and of the newest that only its owner may append, epoch milliseconds. */
  lastAt: number;
  workedAt: number;
  /** W3C traceparent of the newest claim. */
  trace?: string;
  /** Lists in states that only this fold refers to, so it may grow them in place: see `patched`. */
  own: WeakSet<object>;
}

/** One agent's part of a run: a conversation with the calls of its newest answer, or a state with nodes to run. */
export interface Frame {
  /** Id of the call that it answers; empty for the root. */
  readonly id: string;
  /** Name of the agent. */
  readonly agent: string;
  /** Names of the agents from the root down to this one. */
  readonly path: readonly string[];
  /**
   * The position of the frame in the tree, by steps and indices instead of sequence numbers. It stays the same if a crash lost entries and
   * the model is asked again. Idempotency keys are derived from it.
   */
  readonly position: string;
  /** Undefined for the root. */
  readonly parent: Frame | undefined;
  /** Frames opened below this one, including ended ones, in the order they were opened. */
  readonly children: Frame[];
  /** Hash of the agent's declaration when the frame was opened. */
  readonly fingerprint: string;
  /** The spending of this frame and all frames below. */
  readonly spent: Spent;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  /** Milliseconds of work in the claims that ended, and the time from which the current claim counts. */
  workMs: number;
  workSince: number;
  /** Time of the newest entry of this frame or one below it, of those that only the run's owner may append. */
  lastAt: number;
  /** It only waited until a decision came, and has done nothing since. */
  rested?: true | undefined;
  /** The prompt; undefined once the frame has ended, like all other content of it. */
  input?: Json;
  /** Set once it has ended. `code`: of its failure. `at`: epoch milliseconds. */
  ended?: { ok: boolean; code?: string; at: number };
  /** A call with an effect other than `read` may have run in this frame or below. */
  acted?: true;
  /** The whole conversation. */
  messages: Message[];
  /** What the model sees of it, once it was compacted; undefined: all of it. */
  seen?: Seen | undefined;
  /** Number of leading messages that come from earlier runs of the session, or from the parent. */
  inherited: number;
  /** Number of the newest step. A step is one model answer, or one layer of nodes. */
  step: number;
  /** Calls of the newest answer, in the order the model asked. */
  calls: Call[];
  /** How many of `calls` have not finished. */
  unfinished: number;

  /** A frame without a conversation: a graph, or an agent of another framework. It has the fields down to `last`. */
  kind?: 'graph' | 'foreign';
  /** Tasks that are to run, running or failed, by id. One that succeeded is removed. */
  tasks?: Map<CallId, Call>;
  /** By name of a node: its newest task, but for those of `send`. It may have ended. */
  newest?: Map<string, Call> | undefined;
  /** Of a graph, its state; of a foreign agent, what it left at its last pause and what it asked there. */
  state?: Json;
  /** By name of a node. */
  visits?: Map<string, Visit>;
  /** By field of the state: the entry and the node that wrote it last. */
  written?: Map<string, { seq: number; node: string }>;
  /** The node that ended last. */
  last?: Call;
  /** Of a foreign agent that has a key: its intent, and its newest turn, which holds the claim. */
  claim?: { call: CallId; intent: Intent };

  /** Instructions, memory and tools as the journal last recorded them. */
  instructions?: string;
  /** Undefined: the memory was not asked yet. Empty: it knew nothing, or could not be asked. */
  memory?: readonly Fact[];
  /** The changes that `step` wrappers made to the last request. */
  reshaped?: Reshaped | undefined;
  tools?: EntryOf<'context.changed'>['tools'];
  /** Tools that the model has found and may call through `call_tool`, by name. */
  found?: ReadonlyMap<string, FoundTool>;
  /** The source of each tool that was named without its schema, by name. */
  named?: ReadonlyMap<string, string>;
  /**
   * Size of the conversation in tokens, by the usage of the newest answer, and the number of messages it covers.
   * `fixed`: instructions, tools and schema have not changed since.
   */
  measured: { tokens: number; messages: number; fixed: boolean };
  /** About how many tokens the request has, and the number of messages that the model sees which this covers. Unlike `measured` no bound. */
  size: { tokens: number; messages: number };
  /** How often in a row the conversation was compacted because the model had refused it. */
  refusals: number;
  /** How often the model was asked to repair its output. */
  repairs: number;
  /** Messages that arrived while the agent worked, and that the model has not seen yet. */
  readonly waiting: (readonly Message[])[];
}

/** The part of a conversation that its model sees. */
export interface Seen {
  readonly messages: Message[];
  /** Of each of them, its index in the whole conversation; -1 for what stands in the place of messages that are left out. */
  readonly at: number[];
  /** The results that are left out, by reference: message and part in the whole conversation. */
  readonly cleared: Map<string, readonly [message: number, part: number]>;
}

/** A tool call, a call to a sub-agent, a node of a graph, or a durable step of a node. */
export interface Call {
  readonly id: CallId;
  /** Name of the tool, agent, node or step. */
  readonly name: string;
  /** The provider's id, which the result must have. Empty if no model made the call. */
  readonly providerId: string;
  /** The arguments as the model wrote them; for a node, the input of its `send`. */
  readonly input: Json;
  /** The node was reached by `send`, with an input of its own. */
  readonly sent?: true;
  /** The step of the answer that asked for it; for a node, its layer: how many nodes are on the longest path to it. */
  step: number;
  /** `open`: not started. It waits for its turn, a decision, or a higher limit. */
  status: 'open' | 'started' | 'finished';
  /** Set when the call starts. */
  effect?: Effect;
  /** A node: the number of the entry that first says that it began, which is at the latest when an upstream node starts again. */
  begun?: number | undefined;
  /** The number of the claim in which it started. If that is not the current claim, a crash interrupted the call. */
  epoch?: number;
  /** It may run twice, and has started before: that may have taken effect, whatever becomes of this start. */
  unsure?: boolean;
  /** The newest approval asked for it, and how many were asked. */
  approval?: Approval;
  asked: number;
  /** How many of them were about the call itself, and showed its arguments. */
  shown: number;
  /** The approval of the call itself, once a person has approved or edited it. A question or a consent that comes later does not replace it. */
  allowed?: Approval | undefined;
  /** The newest decided approval that it asked for while it ran, see `NeedsPerson`. */
  answered?: Approval | undefined;
  /** What it waits for, once it waits for a time. */
  wait?: Wait;
  /** The arguments as edited by a person. */
  edited?: { input: Json; note?: string | undefined };
  /** The arguments that were approved, or that it started with. Only these may run. */
  agreed?: { input: Json };
  /** When it started, epoch milliseconds, if it is an effect of this run: no read, no node, and not copied by a fork. */
  since?: number | undefined;
  /** What it is meant to do, once it has started: see `key` of a tool. */
  intent?: Intent;
  /** What it is worth, once it has started, unless it is known not to have taken effect; and the frame whose sums have it. */
  amount?: Amount | undefined;
  /** What it was said to be worth when it started. A start after a crash need not repeat it. */
  worth?: Amount;
  countedIn?: Frame | undefined;
  /** US dollars of its last attempt that are in the sums, and the frame whose sums have them. Undefined where its tool says no cost. */
  paid?: { readonly usd: number; readonly from: Frame } | undefined;
  /** The outcome that became known later, after a timeout or from an operator. */
  settled?: EntryOf<'outcome.settled'>;
  /** How it ended. A later result does not replace it: that is in `settled`. */
  finished?: EntryOf<'call.finished'>;
  /** The frame of the sub-agent that answers it, until that ends. */
  frame?: Frame;
  /** Durable steps of a node (`ctx.durable`), by id. */
  durable?: Map<CallId, Call>;
}

export interface Approval {
  readonly asked: EntryOf<'approval.requested'>;
  readonly call: Call;
  readonly frame: Frame;
  /** The first decision; later ones are ignored. */
  decided?: EntryOf<'approval.decided'>;
}

/** A call that waits, or has waited, without a process. */
export interface Wait {
  readonly began: EntryOf<'wait.began'>;
  readonly call: Call;
  readonly frame: Frame;
}

/** A `once` call that started, and of which it is not known whether it took effect. */
export interface Unknown {
  call: Call;
  /** Epoch milliseconds. */
  since: number;
}

/** What a graph has done at one of its nodes. */
export interface Visit {
  /** Number of times the node succeeded, and the milliseconds they took in total. */
  runs: number;
  ms: number;
  /** The newest end was a failure. */
  failed: boolean;
}
