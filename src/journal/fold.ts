/**
 * The fold: what a run is, computed from its entries and nothing else. The live engine and a replay call the same
 * `apply`, so they cannot disagree. It calls no user code and never fails on entries that this engine wrote.
 */
import { RondoError } from '../errors.ts';
import type { Json } from '../json.ts';
import type { Message, Part, ToolResultPart, Usage } from '../ports/model.ts';
import type { Effect } from '../ports/tool.ts';
import type { CallId, Entry, EntryOf, Limits, RunStatus } from './entries.ts';

export interface Approval {
  readonly asked: EntryOf<'approval.requested'>;
  decided?: EntryOf<'approval.decided'>;
}

export interface Call {
  readonly id: CallId;
  readonly name: string;
  /** The provider's id, which its result must carry. */
  readonly providerId: string;
  readonly input: Json;
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
  edited?: { input: Json };
  /** What became known of it after it was given up. */
  settled?: EntryOf<'outcome.settled'>;
  finished?: EntryOf<'call.finished'>;
}

/** One agent's part of a run: its conversation, and the calls of its newest answer. */
export interface Frame {
  readonly id: string;
  readonly agent: string;
  readonly path: readonly string[];
  readonly messages: Message[];
  /** How many of them come from earlier runs of the session. */
  readonly inherited: number;
  step: number;
  /** Calls of the newest answer, in the order asked. */
  calls: Call[];
  unfinished: number;
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

export interface Unknown {
  call: Call;
  since: number;
}

export interface RunFold {
  readonly runId: string;
  /** Sequence number of the next entry. */
  next: number;
  status: RunStatus;
  started: EntryOf<'run.started'>;
  settled?: EntryOf<'run.settled'>;
  owner?: string;
  /** Of the agent as of the newest claim. */
  fingerprint: string;
  epoch: number;
  /** Claims in a row that took over a running run and came to nothing. */
  fruitless: number;
  limits: Limits;
  cancelled?: EntryOf<'message.received'> & { kind: 'cancel' };
  readonly root: Frame;
  /** Every approval ever asked, by id. */
  readonly approvals: Map<string, Approval>;
  /** Decisions taken so far. */
  decisions: number;
  readonly unknowns: Map<CallId, Unknown>;
  usage: Usage;
  /** A model did not say what it used, so the sums are too low. */
  unmetered: boolean;
  /** Billionths of a dollar, so that sums are exact; undefined once a price was unknown. */
  nanoUsd: number | undefined;
  toolCalls: number;
  steps: number;
  /** Characters of the conversation's texts, of this run alone. */
  size: number;
  /** Working time of the claims that ended, ms. */
  workMs: number;
  claimedAt: number;
  /** When the newest entry was made. */
  lastAt: number;
  trace?: string;
}

/** The state before the first entry. `history` is the live context of the session's earlier runs. */
export function emptyFold(runId: string, agent: string, history: readonly Message[] = []): RunFold {
  return {
    runId,
    next: 0,
    status: 'running',
    // apply() of the first entry sets it; a fold without one is never shown to anybody
    started: undefined as unknown as EntryOf<'run.started'>,
    fingerprint: '',
    epoch: 0,
    fruitless: 0,
    limits: {},
    root: {
      id: '',
      agent,
      path: [],
      messages: [...history],
      inherited: history.length,
      step: 0,
      calls: [],
      unfinished: 0,
      measured: { tokens: 0, messages: 0, fixed: false },
      repairs: 0,
    },
    approvals: new Map(),
    decisions: 0,
    unknowns: new Map(),
    usage: { input: 0, output: 0 },
    unmetered: false,
    nanoUsd: 0,
    toolCalls: 0,
    steps: 0,
    size: 0,
    workMs: 0,
    claimedAt: 0,
    lastAt: 0,
  };
}

/** Takes one entry into the state. */
export function apply(run: RunFold, entry: Entry): void {
  run.next = entry.seq + 1;
  take(run, run.root, entry);
  run.lastAt = entry.at;
}

function take(run: RunFold, frame: Frame, entry: Entry): void {
  switch (entry.type) {
    case 'run.started':
      run.started = entry;
      run.owner = entry.owner;
      run.fingerprint = entry.fingerprint;
      run.limits = entry.limits ?? {};
      run.claimedAt = entry.at;
      run.trace = entry.trace;
      say(run, frame, { role: 'user', content: promptParts(entry.input) });
      return;
    case 'run.claimed':
      if (run.status === 'running') {
        run.fruitless++;
        run.workMs += run.lastAt - run.claimedAt;
      } else run.fruitless = 0;
      run.status = 'running';
      run.settled = undefined;
      for (const call of frame.calls) if (call.status === 'started') run.unknowns.delete(call.id);
      run.owner = entry.owner;
      run.epoch = entry.epoch;
      if (entry.fingerprint !== run.fingerprint) frame.measured.fixed = false;
      run.fingerprint = entry.fingerprint;
      run.claimedAt = entry.at;
      if (entry.limits) run.limits = { ...run.limits, ...entry.limits };
      lose(run, entry.lost);
      run.trace = entry.trace ?? run.trace;
      return;
    case 'run.settled':
      run.status = entry.status;
      run.settled = entry;
      run.owner = undefined;
      run.workMs += entry.ms;
      // nobody may ever come back to find out what they did
      for (const call of frame.calls)
        if (call.status === 'started' && call.effect === 'once') run.unknowns.set(call.id, { call, since: entry.at });
      return;
    case 'message.received':
      if (entry.kind === 'cancel') run.cancelled ??= entry;
      else {
        frame.repairs++;
        say(run, frame, { role: 'user', content: [{ type: 'text', text: entry.text }] });
      }
      return;
    case 'context.changed':
      frame.measured.fixed = false;
      if (entry.instructions !== undefined) frame.instructions = entry.instructions;
      if (entry.memory) frame.memory = entry.memory;
      if (entry.tools) frame.tools = entry.tools;
      return;
    case 'model.responded':
      responded(run, frame, entry);
      return;
    case 'attempt.failed':
      lose(run, entry.lost);
      return;
    case 'call.started': {
      const call = callOf(frame, entry.call);
      if (call.status === 'open') run.toolCalls++;
      call.status = 'started';
      call.effect = entry.effect;
      call.epoch = run.epoch;
      return;
    }
    case 'call.finished':
      finished(run, frame, entry);
      return;
    case 'approval.requested': {
      const approval: Approval = { asked: entry };
      run.approvals.set(entry.id, approval);
      const call = callOf(frame, entry.call);
      call.approval = approval;
      // asked for anew, the question is about the model's own arguments; consent has none
      if (entry.kind === 'tool') call.edited = undefined;
      call.asked++;
      return;
    }
    case 'approval.decided': {
      const approval = run.approvals.get(entry.id);
      if (!approval || approval.decided) return;
      approval.decided = entry;
      run.decisions++;
      run.fruitless = 0;
      const { decision } = entry;
      if (decision.type === 'edit') callOf(frame, approval.asked.call).edited = { input: decision.input };
      return;
    }
    case 'outcome.settled': {
      run.unknowns.delete(entry.call);
      const call = frame.calls.find((c) => c.id === entry.call);
      if (call) call.settled = entry;
      return;
    }
    default:
      throw new RondoError(
        'JOURNAL_DAMAGED',
        `the journal has an entry of the unknown type "${(entry as { type: string }).type}". Restore it from a backup.`,
      );
  }
}

function responded(run: RunFold, frame: Frame, entry: EntryOf<'model.responded'>): void {
  run.fruitless = 0;
  run.steps++;
  frame.step = entry.step;
  say(run, frame, { role: 'assistant', content: entry.content });
  const calls: Call[] = [];
  for (const part of entry.content) {
    if (part.type !== 'toolCall') continue;
    const id = `${entry.seq}.${calls.length}`;
    calls.push({ id, name: part.name, providerId: part.id, input: part.input, step: entry.step, status: 'open', asked: 0 });
  }
  frame.calls = calls;
  frame.unfinished = calls.length;
  const { usage } = entry;
  if (usage) {
    run.usage = addUsage(run.usage, usage);
    frame.measured = {
      tokens: usage.input + usage.output + (usage.cacheRead ?? 0) + (usage.cacheWrite ?? 0),
      messages: frame.messages.length,
      fixed: true,
    };
  } else run.unmetered = true;
  charge(run, entry.usd);
}

function finished(run: RunFold, frame: Frame, entry: EntryOf<'call.finished'>): void {
  run.fruitless = 0;
  const call = callOf(frame, entry.call);
  if (call.status === 'finished') return;
  call.status = 'finished';
  call.finished = entry;
  if (entry.error?.outcome === 'unknown' && call.effect === 'once') run.unknowns.set(call.id, { call, since: entry.at });
  else run.unknowns.delete(call.id);
  if (--frame.unfinished > 0) return;
  // all are in: the model sees them in the order it asked, whatever the order they came in
  say(run, frame, { role: 'tool', content: frame.calls.map(resultPart) });
}

function callOf(frame: Frame, id: CallId): Call {
  const call = frame.calls[Number(id.slice(id.indexOf('.') + 1))];
  if (call?.id !== id)
    throw new RondoError('JOURNAL_DAMAGED', `the journal names call ${id}, which no answer of the model made. Restore it from a backup.`);
  return call;
}

function say(run: RunFold, frame: Frame, message: Message): void {
  frame.messages.push(message);
  for (const part of message.content) run.size += charsOf(part);
}

function charsOf(part: Part): number {
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

/** What the model is told of a finished call; of an unfinished one, that it did not end. */
function resultPart(call: Call): ToolResultPart {
  const { finished, providerId: id } = call;
  if (!finished) {
    const outcome = call.status === 'started' && call.effect !== 'read' ? 'unknown' : 'not-run';
    return { type: 'toolResult', id, output: [{ type: 'text', text: JSON.stringify({ code: 'RUN_ENDED', outcome }) }], isError: true };
  }
  if (finished.error) return { type: 'toolResult', id, output: [{ type: 'text', text: JSON.stringify(finished.error) }], isError: true };
  return { type: 'toolResult', id, output: finished.content ?? outputParts(finished.output) };
}

const outputParts = (output: Json | undefined): readonly Part[] => [
  { type: 'text', text: typeof output === 'string' ? output : output === undefined ? 'null' : JSON.stringify(output) },
];

/** The parts of an input: a text or parts as they are, anything else as its JSON. */
function promptParts(input: Json): readonly Part[] {
  if (typeof input === 'string') return [{ type: 'text', text: input }];
  if (Array.isArray(input)) return input as unknown as readonly Part[];
  return [{ type: 'text', text: JSON.stringify(input) }];
}

/** The conversation as a later run of the session may continue it: no call is left without a result. */
export function closedMessages(run: RunFold): readonly Message[] {
  const { messages, calls, unfinished } = run.root;
  return unfinished > 0 ? [...messages, { role: 'tool', content: calls.map(resultPart) }] : messages;
}

function addUsage(a: Usage, b: Usage): Usage {
  const sum: Usage = { input: a.input + b.input, output: a.output + b.output };
  if (a.cacheRead || b.cacheRead) sum.cacheRead = (a.cacheRead ?? 0) + (b.cacheRead ?? 0);
  if (a.cacheWrite || b.cacheWrite) sum.cacheWrite = (a.cacheWrite ?? 0) + (b.cacheWrite ?? 0);
  if (a.reasoning || b.reasoning) sum.reasoning = (a.reasoning ?? 0) + (b.reasoning ?? 0);
  return sum;
}

const charge = (run: RunFold, usd: number | undefined) => {
  run.nanoUsd = usd === undefined || run.nanoUsd === undefined ? undefined : run.nanoUsd + Math.round(usd * 1e9);
};

/** Charges what a call that was cut off may have cost. */
const lose = (run: RunFold, lost: { tokens: number; usd?: number } | undefined) => {
  if (!lost) return;
  run.usage = { ...run.usage, input: run.usage.input + lost.tokens };
  charge(run, lost.usd);
};

export const costUsd = (run: RunFold) => (run.nanoUsd === undefined ? undefined : run.nanoUsd / 1e9);

/** Approvals that wait for a decision, in the order in which the calls were asked for. */
export function openApprovals(run: RunFold): Approval[] {
  if (run.status === 'completed' || run.status === 'cancelled' || run.status === 'failed') return [];
  const open: Approval[] = [];
  for (const { status, approval } of run.root.calls) if (status === 'open' && approval && !approval.decided) open.push(approval);
  return open;
}
