/** One agent's part of a run: a conversation and the calls of its newest answer, or a state and the nodes that were reached. */
import { RondoError } from '../errors.ts';
import { isSameJson, type Json } from '../json.ts';
import type { Message, Part, ToolResultPart } from '../ports/model.ts';
import type { Effect } from '../ports/tool.ts';
import type { CallId, EntryOf, Reached } from './entries.ts';
import type { Spent } from './spent.ts';

export interface Approval {
  readonly asked: EntryOf<'approval.requested'>;
  readonly call: Call;
  readonly frame: Frame;
  decided?: EntryOf<'approval.decided'>;
}

/** A tool's call, a delegation, or a node of a graph that was reached. */
export interface Call {
  readonly id: CallId;
  readonly name: string;
  /** The provider's id, which its result must carry. */
  readonly providerId: string;
  readonly input: Json;
  /** A node that was sent to, with `input` for it alone. */
  readonly sent?: true;
  /** Of a node: how many came before it on its way. */
  readonly step: number;
  /** `open`: not started; it waits for its turn, for a person, or for a higher limit. */
  status: 'open' | 'started' | 'finished';
  effect?: Effect;
  /** The claim under which it started: an older one than today's means a crash cut it off. */
  epoch?: number;
  /** The newest approval asked for it, and how many there were. */
  approval?: Approval;
  asked: number;
  /** The arguments that a person put in the place of the model's. */
  edited?: { input: Json; note?: string | undefined };
  /** What the tool gets, as a person approved it or as it was started: only that may run. */
  agreed?: { input: Json };
  /** What became known of it after it was given up. */
  settled?: EntryOf<'outcome.settled'>;
  finished?: EntryOf<'call.finished'>;
  /** The sub-agent that answers it, while it does. */
  frame?: Frame;
  /** What a node's function did under a name of its own. */
  durable?: Map<string, Call>;
}

export interface Visit {
  /** How often the node ended, and in how many ms in all. */
  runs: number;
  ms: number;
  /** What it came to last was a failure. */
  failed: boolean;
}

export interface Frame {
  /** The id of the call it answers; empty for the root. */
  readonly id: string;
  readonly agent: string;
  /** The agents from the top run down to this one. */
  readonly path: readonly string[];
  /** Where in the tree it is, the same after power was lost and a model asked again: what idempotency keys hang on. */
  readonly position: string;
  readonly parent: Frame | undefined;
  readonly children: Frame[];
  readonly fingerprint: string;
  readonly spent: Spent;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  /** Working time of the claims that ended, ms, and since when it counts on. */
  workMs: number;
  workSince: number;
  /** When its newest entry was made, or one of what is below it. */
  lastAt: number;
  /** What it was given. */
  input?: Json;
  ended?: { ok: boolean; code?: string; at: number };
  /** A call of it, or of what is below it, that is no read has run, as far as is known. */
  acted?: true;
  messages: Message[];
  /** How many of them come from elsewhere: earlier runs of the session, or the parent. */
  readonly inherited: number;
  step: number;
  /** Calls of the newest answer, in the order asked. */
  calls: Call[];
  unfinished: number;
  /** Instead of a conversation: nodes that were reached and have not ended, the state, and how often each node ended, in how many ms. */
  kind?: 'graph' | 'foreign';
  tasks?: Map<CallId, Call>;
  state?: Json;
  visits?: Map<string, Visit>;
  /** By field of the state: the entry that wrote it last, and of which node. */
  written?: Map<string, { seq: number; node: string }>;
  /** The node that ended last. */
  last?: Call;
  instructions?: string;
  memory?: readonly string[];
  tools?: EntryOf<'context.changed'>['tools'];
  /**
   * Tokens of the conversation as last measured by a model, and how many messages that covers. `fixed`: whether the
   * instructions, tools and schema of the next request are the measured ones.
   */
  measured: { tokens: number; messages: number; fixed: boolean };
  repairs: number;
}

export function newFrame(o: {
  id: string;
  agent: string;
  position: string;
  parent: Frame | undefined;
  fingerprint: string;
  spent: Spent;
  at: number;
  history: readonly Message[];
}): Frame {
  return {
    id: o.id,
    agent: o.agent,
    path: o.parent ? [...o.parent.path, o.agent] : [o.agent],
    position: o.position,
    parent: o.parent,
    children: [],
    fingerprint: o.fingerprint,
    spent: o.spent,
    startedAt: o.at,
    workMs: 0,
    workSince: o.at,
    lastAt: o.at,
    messages: [...o.history],
    inherited: o.history.length,
    step: 0,
    calls: [],
    unfinished: 0,
    measured: { tokens: 0, messages: 0, fixed: false },
    repairs: 0,
  };
}

/** Depth of a frame below the root's. */
export const depthOf = (frame: Frame) => frame.path.length - 1;

/** The calls of a frame that may still be going on, in the order asked. */
export const callsOf = (frame: Frame): Iterable<Call> => (frame.tasks ? frame.tasks.values() : frame.calls);

/** The same, and what the functions of nodes do under names of their own. */
export function* everyCallOf(frame: Frame): Generator<Call, void, undefined> {
  for (const call of callsOf(frame)) {
    yield call;
    if (call.durable) yield* call.durable.values();
  }
}

/** @throws RondoError `JOURNAL_DAMAGED`. */
export function callOf(frame: Frame, id: CallId): Call {
  const call = frame.tasks ? taskOf(frame.tasks, id) : frame.calls[Number(id.slice(id.indexOf('.') + 1))];
  if (call?.id !== id)
    throw new RondoError('JOURNAL_DAMAGED', `the journal names call ${id}, which nothing before it made. Restore it from a backup.`);
  return call;
}

/** A node, or what its function does under a name: `<node's id>/<name>`. */
function taskOf(tasks: Map<CallId, Call>, id: CallId): Call | undefined {
  const slash = id.indexOf('/');
  if (slash < 0) return tasks.get(id);
  const task = tasks.get(id.slice(0, slash));
  if (!task) return undefined;
  task.durable ??= new Map();
  let call = task.durable.get(id);
  if (!call) {
    call = { id, name: id.slice(slash + 1), providerId: '', input: null, step: task.step, status: 'open', asked: 0 };
    task.durable.set(id, call);
  }
  return call;
}

/** Nodes that were reached by the entry at `seq`. */
export function reach(frame: Frame, seq: number, next: readonly Reached[] | undefined, step: number): void {
  const { tasks } = frame;
  if (!next || !tasks) return;
  next.forEach(({ node, input }, i) => {
    const id = `${seq}.${i}`;
    // a turn of a foreign agent has no name of its own
    const name = node || frame.agent;
    const task: Call = { id, name, providerId: '', input: input ?? null, step, status: 'open', asked: 0 };
    tasks.set(id, input === undefined ? task : { ...task, sent: true });
  });
  if (next.length > 0) frame.step = Math.max(frame.step, step);
}

/** What was written last of a call's arguments: by a person, or else by the model. */
export const writtenOf = ({ edited, input }: Pick<Call, 'edited' | 'input'>): Json => (edited ? edited.input : input);

/** What its tool gets, or got. */
export const argumentsOf = (call: Pick<Call, 'agreed' | 'edited' | 'input'>): Json => (call.agreed ? call.agreed.input : writtenOf(call));

/** What the model is told of a finished call; of an unfinished one, that it did not end. */
export function resultPart(call: Call): ToolResultPart {
  const { finished, providerId: id } = call;
  if (!finished) {
    const outcome = call.status === 'started' && call.effect !== 'read' ? 'unknown' : 'not-run';
    return { type: 'toolResult', id, output: [{ type: 'text', text: JSON.stringify({ code: 'RUN_ENDED', outcome }) }], isError: true };
  }
  const edited = call.edited && !isSameJson(call.edited.input, call.input) ? call.edited : undefined;
  if (finished.error) {
    const told = edited ? { ...finished.error, arguments: editText(call, edited) } : finished.error;
    return { type: 'toolResult', id, output: [{ type: 'text', text: JSON.stringify(told) }], isError: true };
  }
  const output = finished.content ?? outputParts(finished.output);
  return { type: 'toolResult', id, output: edited ? [{ type: 'text', text: `[${editText(call, edited)}]` }, ...output] : output };
}

/** Characters of arguments that are told again. */
const MAX_EDIT = 16_384;

/** The model sees its own arguments in the conversation, and would take them for what was done. */
function editText(call: Call, { note }: { note?: string | undefined }): string {
  const json = JSON.stringify(argumentsOf(call));
  const told = json.length > MAX_EDIT ? `${json.slice(0, MAX_EDIT)} (cut)` : json;
  return `A person changed the arguments of this call. In place of yours, these were used: ${told}${note ? `. Their note: ${note}` : ''}`;
}

const outputParts = (output: Json | undefined): readonly Part[] => [
  { type: 'text', text: typeof output === 'string' ? output : output === undefined ? 'null' : JSON.stringify(output) },
];

/** The parts of an input: a text or parts as they are, anything else as its JSON. */
export function promptParts(input: Json): readonly Part[] {
  if (typeof input === 'string') return [{ type: 'text', text: input }];
  if (Array.isArray(input) && input.every((part) => typeof (part as { type?: unknown } | null)?.type === 'string'))
    return input as readonly Part[];
  return [{ type: 'text', text: JSON.stringify(input) }];
}

export function charsOf(part: Part): number {
  switch (part.type) {
    case 'text':
    case 'reasoning':
      return part.text.length;
    case 'image':
    case 'document':
      return part.data.length;
    case 'toolResult': {
      let chars = 0;
      for (const inner of part.output) chars += charsOf(inner);
      return chars;
    }
    default:
      return 0;
  }
}
