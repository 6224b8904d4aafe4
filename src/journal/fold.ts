/**
 * The fold: what a run is, computed from its entries and nothing else. The live engine and a replay call the same
 * `apply`, so they cannot disagree. It calls no user code and never fails on entries that this engine wrote.
 */
import { isResumable, RondoError } from '../errors.ts';
import type { Message, Part } from '../ports/model.ts';
import type { CallId, Entry, EntryOf, Limits, RunStatus } from './entries.ts';
import { type Approval, type Call, callOf, everyCallOf, type Frame, newFrame, promptParts, reach, resultPart, writtenOf } from './frame.ts';
import { finished, isCutOff, opened, reopen, say, sizeOf } from './frames.ts';
import { nothingSpent, type Spent, spend } from './spent.ts';

export type { Approval, Call, Frame } from './frame.ts';

export interface Unknown {
  call: Call;
  since: number;
}

export interface RunFold extends Spent {
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
  /** The sub-agents that have not ended, by the call they answer. */
  readonly frames: Map<CallId, Frame>;
  /** Every approval ever asked, by id. */
  readonly approvals: Map<string, Approval>;
  /** Decisions taken so far. */
  decisions: number;
  readonly unknowns: Map<CallId, Unknown>;
  /** The last entry that was taken over from the run this one was forked from, which paid for it; -1: none. */
  inherited: number;
  /** Characters of the conversations' texts, of this run alone. */
  size: number;
  /** Working time of the claims that ended, ms. */
  workMs: number;
  claimedAt: number;
  /** When the newest entry was made. */
  lastAt: number;
  trace?: string;
  /** Lists of states that only this fold has: see `patched`. */
  own: WeakSet<object>;
}

/** The state before the first entry. `history` is the live context of the session's earlier runs. */
export function emptyFold(runId: string, agent: string, history: readonly Message[] = []): RunFold {
  const spent = nothingSpent();
  const run = {
    ...spent,
    runId,
    next: 0,
    status: 'running' as const,
    // apply() of the first entry sets it; a fold without one is never shown to anybody
    started: undefined as unknown as EntryOf<'run.started'>,
    fingerprint: '',
    epoch: 0,
    fruitless: 0,
    limits: {},
    root: undefined as unknown as Frame,
    frames: new Map<CallId, Frame>(),
    approvals: new Map<string, Approval>(),
    decisions: 0,
    unknowns: new Map<CallId, Unknown>(),
    inherited: -1,
    size: 0,
    workMs: 0,
    claimedAt: 0,
    lastAt: 0,
    own: new WeakSet(),
  };
  // what the root spent is what the run spent
  run.root = newFrame({ id: '', agent, position: '', parent: undefined, fingerprint: '', spent: run, at: 0, history });
  return run;
}

/** Takes one entry into the state. */
export function apply(run: RunFold, entry: Entry): void {
  run.next = entry.seq + 1;
  take(run, entry.frame === undefined ? run.root : frameOf(run, entry.frame), entry);
  if (entry.seq === run.inherited) reopen(run);
  if (entry.frame !== undefined) touch(run.frames.get(entry.frame), entry.at);
  run.lastAt = entry.at;
}

/** Of a frame, and of those it is in. */
function touch(frame: Frame | undefined, at: number): void {
  for (let f = frame; f; f = f.parent) f.lastAt = at;
}

function frameOf(run: RunFold, id: string): Frame {
  const frame = run.frames.get(id);
  if (!frame) throw new RondoError('JOURNAL_DAMAGED', `the journal names frame ${id}, which is not open. Restore it from a backup.`);
  return frame;
}

function take(run: RunFold, frame: Frame, entry: Entry): void {
  switch (entry.type) {
    case 'run.started':
      run.started = entry;
      run.owner = entry.owner;
      run.fingerprint = entry.fingerprint;
      run.limits = entry.limits ?? {};
      run.inherited = entry.fork?.at ?? -1;
      run.claimedAt = entry.at;
      run.trace = entry.trace;
      frame.input = entry.input;
      say(run, frame, { role: 'user', content: promptParts(entry.input) });
      return;
    case 'run.claimed':
      claimed(run, frame, entry);
      return;
    case 'run.settled':
      run.status = entry.status;
      run.settled = entry;
      run.owner = undefined;
      run.workMs += entry.ms;
      // nobody may ever come back to find out what they did
      for (const call of unfinishedCalls(run)) if (isCutOff(call)) run.unknowns.set(call.id, { call, since: entry.at });
      // one that waited for people while others worked did not work
      for (const f of run.frames.values()) f.workMs += workedOf(f, entry.ms);
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
      if (entry.seq > run.inherited) lose(frame, entry.lost);
      return;
    case 'frame.opened':
      opened(run, frame, entry);
      return;
    case 'frame.began':
      frame.kind = entry.kind;
      frame.tasks = new Map();
      frame.visits = new Map();
      frame.state = entry.state;
      run.size += sizeOf(entry.state);
      reach(frame, entry.seq, entry.next, 1);
      return;
    case 'entry.omitted':
      return;
    case 'state.changed':
      frame.state = entry.state;
      return;
    case 'call.started': {
      const call = callOf(frame, entry.call);
      call.finished = undefined;
      // said of an earlier time
      call.settled = undefined;
      // nodes are no calls of tools
      if (call.status === 'open' && !frame.tasks && entry.seq > run.inherited)
        for (let f: Frame | undefined = frame; f; f = f.parent) f.spent.toolCalls++;
      call.status = 'started';
      call.effect = entry.effect;
      call.epoch = run.epoch;
      if (entry.input !== undefined) call.agreed = { input: entry.input };
      return;
    }
    case 'call.finished':
      finished(run, frame, entry);
      return;
    case 'approval.requested': {
      const call = callOf(frame, entry.call);
      const approval: Approval = { asked: entry, call, frame };
      run.approvals.set(entry.id, approval);
      call.approval = approval;
      // one that was begun asks first
      if (frame.kind === 'graph') call.status = 'open';
      // consent is about no arguments; a question of its own about an edit says so
      if (entry.kind === 'tool') {
        call.agreed = undefined;
        if (entry.input === undefined) call.edited = undefined;
      }
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
      const { asked, call } = approval;
      if (decision.type === 'edit') call.edited = { input: decision.input, note: decision.note };
      else if (decision.type === 'approve' && asked.kind === 'tool') call.agreed = { input: asked.input ?? writtenOf(call) };
      return;
    }
    case 'outcome.settled': {
      run.unknowns.delete(entry.call);
      for (const call of unfinishedCalls(run)) if (call.id === entry.call) call.settled = entry;
      return;
    }
    default:
      throw new RondoError(
        'JOURNAL_DAMAGED',
        `the journal has an entry of the unknown type "${(entry as { type: string }).type}". Restore it from a backup.`,
      );
  }
}

/**
 * How long a sub-agent worked in a claim. Entries have the time of the wall clock, which may have been set in between: it is no less than
 * nothing, and no more than the whole claim, where that was measured.
 */
const workedOf = ({ lastAt, workSince }: Frame, most = Number.POSITIVE_INFINITY) => Math.min(Math.max(0, lastAt - workSince), most);

function claimed(run: RunFold, frame: Frame, entry: EntryOf<'run.claimed'>): void {
  if (run.status === 'running') {
    run.fruitless++;
    run.workMs += Math.max(0, run.lastAt - run.claimedAt);
    for (const f of run.frames.values()) f.workMs += workedOf(f);
  } else run.fruitless = 0;
  if (run.status === 'failed') reopen(run);
  for (const f of run.frames.values()) f.workSince = entry.at;
  run.status = 'running';
  run.settled = undefined;
  for (const call of unfinishedCalls(run)) if (call.status === 'started') run.unknowns.delete(call.id);
  run.owner = entry.owner;
  run.epoch = entry.epoch;
  if (entry.fingerprint !== run.fingerprint) frame.measured.fixed = false;
  run.fingerprint = entry.fingerprint;
  run.claimedAt = entry.at;
  if (entry.limits) run.limits = { ...run.limits, ...entry.limits };
  lose(frame, entry.lost);
  run.trace = entry.trace ?? run.trace;
}

function responded(run: RunFold, frame: Frame, entry: EntryOf<'model.responded'>): void {
  run.fruitless = 0;
  frame.step = entry.step;
  // sent again, what a provider refused would be refused again, with all that is said after it
  const refused = entry.stop === 'blocked';
  if (refused) leaveOut(frame);
  else say(run, frame, { role: 'assistant', content: entry.content });
  const calls: Call[] = [];
  for (const part of refused ? [] : entry.content) {
    if (part.type !== 'toolCall') continue;
    const id = `${entry.seq}.${calls.length}`;
    calls.push({ id, name: part.name, providerId: part.id, input: part.input, step: entry.step, status: 'open', asked: 0 });
  }
  frame.calls = calls;
  frame.unfinished = calls.length;
  const { usage } = entry;
  if (usage)
    frame.measured = {
      tokens: usage.input + usage.output + (usage.cacheRead ?? 0) + (usage.cacheWrite ?? 0),
      messages: frame.messages.length,
      fixed: true,
    };
  // what a fork was forked from was paid for there
  if (entry.seq <= run.inherited) return;
  for (let f: Frame | undefined = frame; f; f = f.parent) {
    f.spent.steps++;
    if (!usage) f.spent.unmetered = true;
    spend(f.spent, usage, entry.usd);
  }
}

const REFUSED: Part = { type: 'text', text: "(Left out here: a filter of the model's provider refused it.)" };

/**
 * Leaves out what was said since the last answer: the provider took what came before it. The results of calls stay results, so that
 * the model knows what it did.
 */
function leaveOut({ messages }: Frame): void {
  const from = messages.findLastIndex(({ role }) => role === 'assistant') + 1;
  for (let i = from; i < messages.length; i++) {
    const { role, content } = messages[i] as Message;
    const left = content.map((part): Part => (part.type === 'toolResult' ? { ...part, output: [REFUSED] } : REFUSED));
    messages[i] = { role, content: role === 'user' ? [REFUSED] : left };
  }
}

/** Charges what a call that was cut off may have cost. */
function lose(frame: Frame, lost: { tokens: number; usd?: number } | undefined): void {
  if (!lost) return;
  for (let f: Frame | undefined = frame; f; f = f.parent) spend(f.spent, { input: lost.tokens, output: 0 }, lost.usd);
}

/** The conversation as a later run of the session may continue it: no call is left without a result. */
export function closedMessages(run: RunFold): readonly Message[] {
  const { messages, calls, unfinished } = run.root;
  return unfinished > 0 ? [...messages, { role: 'tool', content: calls.map(resultPart) }] : messages;
}

/** The calls of all frames that may still be going on: the root's first, then those of sub-agents in the order they began. */
export function unfinishedCalls({ root, frames }: RunFold): readonly Call[] {
  const calls: Call[] = [];
  gather(root, calls);
  for (const frame of frames.values()) gather(frame, calls);
  return calls;
}

function gather(frame: Frame, into: Call[]): void {
  // what a step of a node's function came to is its node's to know
  for (const call of everyCallOf(frame)) if (!call.id.includes('/') || call.status === 'started' || isUnknown(call)) into.push(call);
}

const isUnknown = ({ finished }: Call) => finished?.error?.outcome === 'unknown';

/** Whether nothing can come of a run any more: one that failed may go on where the world mends, or somebody says what nobody knew. */
export function isOver({ status, settled }: Pick<RunFold, 'status' | 'settled'>): boolean {
  if (status === 'failed') return !(settled?.error && isResumable(settled.error));
  return status === 'completed' || status === 'cancelled';
}

/** Approvals that wait for a decision, in the order in which the calls were asked for. */
export function openApprovals(run: RunFold): Approval[] {
  if (isOver(run)) return [];
  const open: Approval[] = [];
  for (const { status, approval } of unfinishedCalls(run)) if (status === 'open' && approval && !approval.decided) open.push(approval);
  return open;
}
