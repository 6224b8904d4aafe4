/** The types of a call on its way from the gate to its end: prepared, started, finished. */
import type { NeedsPerson } from '../../errors.ts';
import type { Arguments } from '../../hitl/arguments.ts';
import type { Declared, Verdict } from '../../hitl/gate.ts';
import type { CallId, FoundTool, NamedTools } from '../../journal/entries/entries.ts';
import type { HandOut } from '../../journal/entries/hand-out.ts';
import type { Began } from '../../journal/entries/wait.ts';
import type { Call } from '../../journal/fold/fold.ts';
import type { Json } from '../../json.ts';
import type { Part } from '../../ports/model.ts';
import type { Crossing, ToolDefinition } from '../types.ts';

/** A call that the gate allowed. `input` is as written; `value` is for the first attempt, which may mutate it. */
export interface Ready extends Arguments, Declared {
  tool: ToolDefinition;
  input: Json;
  /** Set once an attempt has got `value`. Each later attempt gets a copy, or what the schema makes of the arguments again. */
  taken?: true;
  /** The run's context, as parsed by the tool's context schema. Without such a schema, as the application passed it. */
  context: unknown;
  /** Of a tool with a cache: the call that got the result, or `missed` if it ran itself. */
  cached?: { run: string; call: CallId; at: number } | 'missed' | undefined;
  /** The tool asked for a person while it ran. */
  asks?: NeedsPerson;
  /** Set once `find_tools` has run. */
  found?: readonly FoundTool[];
  /** Set with `found`: tools that the search named without their schemas. */
  named?: readonly NamedTools[];
  /** Set once `read_result` has read images or documents back. */
  parts?: readonly Part[];
  /** Tokens, by the name under which the tool declares each. Never journaled. */
  credentials?: Readonly<Record<string, string>>;
  /** When the first credential expires, epoch milliseconds. Absent if none does. */
  expiresAt?: number | undefined;
  /** What it is handed at its start, for the audit, and what it was handed again since that is in no entry yet. */
  handedOut?: readonly HandOut[] | undefined;
  handedAgain?: readonly HandOut[] | undefined;
}

/** A call that may start now. It runs once its `call.started` is in the journal. */
export type Startable = { go: 'start' } & Ready;

/** What happens with a call, once its entry is in the journal. */
export type Prepared =
  | Startable
  /** The call does not run now. `answer`: a person answered it, a `check` found its result, or its intent was done before. */
  | Exclude<Verdict<ToolDefinition>, { go: 'start' }>
  /** It waits without a process. */
  | ({ go: 'sleep' } & Began)
  /** An event came that does not fit, so it goes on waiting. */
  | { go: 'reject'; id: string; problem: string }
  | { go: 'consent'; provider: string; url: string; handle?: string }
  /** The limit of tool calls is reached. The call stays open, for a resume with a higher limit. */
  | ({ go: 'hold' } & Crossing);

/** A call to run. `started`: its `call.started` is in the journal; it does not run before. */
export interface Due {
  call: Call;
  ready: Startable;
  started: boolean;
}

/** Why a frame has not ended: it waits for people, or for a higher limit. */
export type Blocked = { waiting: true } | Crossing;
