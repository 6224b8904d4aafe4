/**
 * The journal's entries, version 1. Written by hand: this is a storage format, see docs/journal.md.
 *
 * An entry is appended once and never changed. What is left out is its default: no `frame` is the root frame.
 * A new optional field keeps the version; anything else raises {@link VERSION} and adds an upcaster.
 */
import type { Failure } from '../errors.ts';
import type { Json, JsonObject } from '../json.ts';
import type { Message, Part, Usage } from '../ports/model.ts';
import type { Principal } from '../ports/principal.ts';
import type { Decision, DecisionType, Effect } from '../ports/tool.ts';
import type { JsonSchema } from '../schema.ts';

export type { Decision };

export const VERSION = 1;

/** `<sequence number of the model's answer>.<index in it>`: ours, the provider's id is payload. */
export type CallId = string;

/** What a run may hold before it stops, to be gone on with as a new run of its session: entries, and characters of text. */
export const BOUND = { entries: 50_000, size: 64 * 1024 * 1024 } as const;

/** The limit a run stopped at; `journal` is the bound of every run, and cannot be raised. */
export interface Crossed {
  name: keyof Limits | 'journal';
  max: number;
  /** null: unknown, because a model did not say what it used, or its price is not known. */
  used: number | null;
  /** What the next call would have taken at its most, beyond `used`; left out where `used` or that is unknown, as of time. */
  needed?: number;
}

export interface Limits {
  /** Turns of the loop. Default 50. */
  steps?: number;
  toolCalls?: number;
  /** Input and output together, cached ones included. */
  tokens?: number;
  costUsd?: number;
  /** Working time in milliseconds; waiting for a human does not count. */
  time?: number;
  /** Nesting of sub-agents: 0 is an agent without any. Default 8. */
  depth?: number;
  /** Wall clock, epoch milliseconds. */
  deadline?: number;
}

export type RunStatus = 'running' | 'paused' | 'completed' | 'failed' | 'cancelled' | 'stopped';

/** A node of a graph that was reached, or whatever else a frame without a model has to do next. */
export interface Reached {
  node: string;
  /** What `send` gave it. */
  input?: Json;
}

/** What changed of a frame's state. `push` adds to the end of a list, `keys` changes some of an object, null takes one away. */
export type Patch = { set: Json } | { push: readonly Json[] } | { keys: { readonly [key: string]: Patch | null } };

/** An entry before it is stamped. `frame`: the sub-agent or graph it belongs to, by the call it was opened for; left out for the root. */
export type Draft = Body & { frame?: string | undefined };

type Body =
  | {
      type: 'run.started';
      agent: string;
      /** Hash of the agent's declaration; a later claim with another one revalidates open calls. */
      fingerprint: string;
      input: Json;
      owner: string;
      by?: Principal;
      session?: string;
      /** The session is one that all of the tenant share. */
      shared?: true;
      /** The run before this one in its session, whose live context this one continues. */
      previous?: string;
      /** How many entries that one had then: what it came to later is no part of this conversation. */
      previousSeq?: number;
      /** How many runs back the session's context was last written out, see `history`. */
      depth?: number;
      /** The session's live context, written out every few runs so that a start reads a bounded number of them. */
      history?: readonly Message[];
      context?: Json;
      /** How deep in a tree of agents that others drive this run already is. Left out: 0. */
      level?: number;
      /** The run this one was forked from, and the last entry that was taken over. */
      fork?: { run: string; at: number };
      tags?: { readonly [k: string]: string };
      limits?: Limits;
      /** W3C traceparent of the first `invoke_agent` span. */
      trace?: string;
    }
  | {
      type: 'run.claimed';
      owner: string;
      epoch: number;
      fingerprint: string;
      by?: Principal;
      limits?: Limits;
      /** What a model call that the crash cut off may have cost: an upper bound. */
      lost?: { tokens: number; usd?: number };
      /** traceparent of the claim's own `invoke_agent` span. */
      trace?: string;
    }
  | {
      type: 'run.settled';
      status: Exclude<RunStatus, 'running'>;
      output?: Json;
      error?: Failure;
      limit?: Crossed;
      reason?: string;
      /** Working time of this claim in milliseconds. */
      ms: number;
    }
  | { type: 'message.received'; kind: 'cancel'; by?: Principal; reason?: string }
  | { type: 'message.received'; kind: 'repair'; text: string; step: number }
  | { type: 'context.changed'; instructions?: string; memory?: readonly string[]; tools?: readonly { name: string; hash: string }[] }
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
      /** US dollars; left out where the price or the usage is unknown. */
      usd?: number;
      ms: number;
      attempts?: number;
    }
  | {
      type: 'attempt.failed';
      /** `model`, or the call. */
      of: 'model' | CallId;
      step: number;
      attempt: number;
      code: string;
      message: string;
      /** Milliseconds until the next attempt; left out where there is none. */
      retryIn?: number;
      /** The model that takes over, `provider/id`. */
      fallback?: string;
      /** `provider/id` of the model that failed. */
      model?: string;
      /** What the attempt may have cost all the same, an upper bound; left out where it is known that nothing ran. */
      lost?: { tokens: number; usd?: number };
    }
  /** A sub-agent's part of the run begins: a frame by the id of the call it is to answer, which ends with that call. */
  | {
      type: 'frame.opened';
      call: CallId;
      agent: string;
      fingerprint: string;
      input: Json;
      /** What it sees of its parent's conversation, where that is shared. */
      history?: readonly Message[];
    }
  /** A frame that has a state instead of a conversation: a graph, or a foreign agent. */
  | { type: 'frame.began'; kind: 'graph' | 'foreign'; state: Json; next: readonly Reached[] }
  /** A fork begins with another state. */
  | { type: 'state.changed'; state: Json }
  /** In a fork, in the place of an entry of the old run that does not hold in the new one: a claim, a pause, a decision on a call that is to be made anew. */
  | { type: 'entry.omitted'; was: string }
  | {
      type: 'call.started';
      call: CallId;
      effect: Effect;
      /** What the tool gets, where its schema made something else of what was written, and no approval says so already. */
      input?: Json;
    }
  | {
      type: 'call.finished';
      call: CallId;
      ok: boolean;
      /** The tool's output as JSON, bounded; left out where `error` is set. */
      output?: Json;
      /** What the model sees, where the tool's `toModel` says other than the output. */
      content?: readonly Part[];
      error?: Failure;
      attempts: number;
      ms: number;
      /** Bytes of output that were cut off. */
      cut?: number;
      /** Of a graph's node or a foreign agent's turn: what it changed, and what it leads to. */
      state?: Patch;
      next?: readonly Reached[];
      /** What a foreign agent's turn used, and cost in US dollars. */
      usage?: Usage;
      usd?: number;
      /** What it said of that made no sense, so the sums of the run are unknown. */
      unmetered?: true;
    }
  | {
      type: 'approval.requested';
      id: string;
      call: CallId;
      kind: 'tool' | 'question' | 'consent';
      tool: string;
      /** SHA-256 of the canonical arguments, in hex. */
      digest: string;
      /** The arguments as the tool will get them, where that is not what the model wrote. */
      input?: Json;
      /** Hash of the tool as the model knew it: a changed one is asked about again. */
      hash?: string;
      reason?: string;
      roles?: readonly string[];
      allow: readonly DecisionType[];
      /** Epoch milliseconds, by the store's clock. */
      expiresAt?: number;
      question?: string;
      answer?: JsonSchema;
      provider?: string;
      url?: string;
    }
  | { type: 'approval.decided'; id: string; decision: Decision; by: Principal; digest: string }
  | {
      type: 'outcome.settled';
      call: CallId;
      /** A late result of a call that had timed out, or an operator's word. Changes nothing the model has seen. */
      source: 'late' | 'operator';
      outcome: 'done' | 'failed' | 'not-run';
      note?: string;
      output?: Json;
      by?: Principal;
    };

interface Stamp {
  /** The version of this entry's format. */
  v: 1;
  /** Position in the run's journal, from 0, without gaps. */
  seq: number;
  /** Epoch milliseconds. */
  at: number;
}
// distributes over the union, so that narrowing by `type` works
type Stamped<D> = D extends Draft ? D & Stamp : never;
export type Entry = Stamped<Draft>;
export type EntryType = Entry['type'];
export type EntryOf<T extends EntryType> = Extract<Entry, { type: T }>;

/** Entry kinds that anybody may append, also to a run that another process drives. */
export const FOREIGN: ReadonlySet<string> = new Set(['approval.decided', 'message.received', 'outcome.settled'] satisfies EntryType[]);

/** The fields of an entry that may be large, and so may be stored apart from it, by kind. */
export const BULKY: Readonly<Partial<Record<EntryType, readonly string[]>>> = {
  'run.started': ['input', 'history', 'context'],
  'run.settled': ['output'],
  'context.changed': ['instructions', 'memory', 'tools'],
  'model.responded': ['content'],
  'frame.opened': ['input', 'history'],
  'frame.began': ['state', 'next'],
  'state.changed': ['state'],
  'call.started': ['input'],
  'call.finished': ['output', 'content', 'state', 'next'],
  'approval.requested': ['input'],
  'approval.decided': ['decision'],
  'outcome.settled': ['output'],
};

/** An entry of any version, as a store returns it. */
export type RawEntry = { v: number; seq: number; at: number; type: string } & JsonObject;
