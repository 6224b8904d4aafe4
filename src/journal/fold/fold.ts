/**
 * The fold: the state of a run, computed from its entries.
 *
 * I1. The state depends on the entries alone, so a live run and a replay agree: no clock, no randomness, no user code.
 * I2. Entries are never changed, so they may be shared and frozen.
 * I3. All calls of an answer have their results in one message, in the order the model asked, once the last of them has finished.
 * I4. The spending of a frame is included in that of each frame above it and of the run.
 * I5. Entries that a fork copied from another run cost it nothing.
 * I6. A `once` call that started and has no known outcome is in `unknowns` once its run has settled or its frame has ended.
 * I7. An approval keeps its first decision, and a finished call its first result.
 */
import { sizeOf } from '../../json.ts';
import type { Message } from '../../ports/model.ts';
import type { CallId, Entry, EntryOf } from '../entries/entries.ts';
import { limitsWith } from '../entries/limits.ts';
import { promised, type Recording, tried } from '../entries/outbox.ts';
import { damaged } from '../errors.ts';
import { begun, decided, finished, opened, outcomeSettled, reopen, requested, waits } from './calls.ts';
import { checks, spends } from './charges.ts';
import { compacted } from './compacted.ts';
import { leaveOut, promptParts, say, seenOf } from './conversation.ts';
import { endsFinally, frameOf, isCutOff, midTurns, newFrame, openFrames, reach, unfinishedCalls } from './frame.ts';
import { nothingSpent, spend, totalOf } from './spent.ts';
import type { Approval, Call, Frame, RunFold, Unknown } from './state.ts';
import { meant } from './through.ts';
import { counted, counts, noted } from './work.ts';

export { closedMessages } from './conversation.ts';
export { isOver, openApprovals, openWaits, unfinishedCalls } from './frame.ts';
export type { Approval, Call, Frame, RunFold, Wait } from './state.ts';

/** The state before the first entry. @param history messages that earlier runs of the session left behind. */
export function emptyFold(runId: string, agent: string, history: readonly Message[] = []): RunFold {
  const run = {
    ...nothingSpent(),
    runId,
    next: 0,
    status: 'running' as const,
    // set by the first entry
    started: undefined as unknown as EntryOf<'run.started'>,
    fingerprint: '',
    epoch: 0,
    failedClaims: 0,
    limits: {},
    root: undefined as unknown as Frame,
    frames: new Map<CallId, Frame>(),
    approvals: new Map<string, Approval>(),
    decisions: 0,
    unknowns: new Map<CallId, Unknown>(),
    doubtful: new Map<CallId, Call>(),
    intents: 0,
    effects: 0,
    outbox: new Map<string, Recording>(),
    inherited: -1,
    size: 0,
    workMs: 0,
    claimedAt: 0,
    lastAt: 0,
    workedAt: 0,
    own: new WeakSet(),
  };
  // the root frame and the run share one record of spending
  run.root = newFrame({ id: '', agent, position: '', parent: undefined, fingerprint: '', spent: run, at: 0, history });
  return run;
}

/**
 * Applies one entry to the state.
 * @throws RondoError `JOURNAL_DAMAGED` if the entry has an unknown type, or names a frame or a call that does not exist.
 */
export function apply(run: RunFold, entry: Entry): void {
  run.next = entry.seq + 1;
  const frame = frameOf(run, entry);
  if (!frame) throw damaged(run.runId, entry.seq, `it names frame ${entry.frame}, which is not open`);
  take(run, frame, entry);
  if (entry.verdicts && entry.seq > run.inherited) checks(frame, entry.verdicts);
  if (entry.seq === run.inherited) reopen(run);
  noted(run, frame, entry);
}

function take(run: RunFold, frame: Frame, entry: Entry): void {
  switch (entry.type) {
    case 'run.started':
      run.started = entry;
      if (entry.queued) run.status = 'queued';
      else run.owner = entry.owner;
      run.fingerprint = entry.fingerprint;
      run.limits = entry.limits ?? {};
      run.inherited = entry.fork?.at ?? -1;
      run.claimedAt = entry.at;
      run.trace = entry.trace;
      frame.input = entry.input;
      for (const message of entry.earlier ?? []) say(run, frame, message);
      return void say(run, frame, { role: 'user', content: promptParts(entry.input) });
    case 'run.claimed':
      return void claimed(run, frame, entry);
    case 'run.settled':
      run.status = entry.status;
      run.settled = entry;
      run.owner = undefined;
      for (const call of unfinishedCalls(run)) if (isCutOff(call)) run.unknowns.set(call.id, { call, since: entry.at });
      for (const call of endsFinally(entry) ? midTurns(openFrames(run)) : []) run.unknowns.set(call.id, { call, since: entry.at });
      return void counted(run, entry.ms);
    case 'message.received':
      if (entry.kind === 'cancel') run.cancelled ??= entry;
      else if (entry.kind === 'steering') frame.waiting.push([...(entry.earlier ?? []), { role: 'user', content: entry.content }]);
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
      if (entry.reshaped !== undefined) {
        frame.reshaped = entry.reshaped ?? undefined;
        // the measured tokens belong to the request as it was before
        frame.measured = { tokens: 0, messages: 0, fixed: false };
      }
      if (entry.heard) for (const message of frame.waiting.splice(0, entry.heard).flat()) say(run, frame, message);
      return;
    case 'context.compacted':
      return void compacted(run, frame, entry);
    case 'model.responded':
      return void responded(run, frame, entry);
    case 'attempt.failed':
      if (entry.seq <= run.inherited) return;
      lose(frame, entry.lost);
      return void spends(frame, entry);
    case 'frame.opened':
      return void opened(run, frame, entry);
    case 'frame.began':
      frame.kind = entry.kind;
      frame.tasks = new Map();
      frame.visits = new Map();
      frame.state = entry.state;
      run.size += sizeOf(entry.state);
      return void reach(frame, entry.seq, entry.next, 1);
    case 'entry.omitted':
      return;
    case 'memory.due':
      return void promised(run.outbox, frame, entry);
    case 'memory.recorded':
      return void tried(run.outbox, entry);
    case 'state.changed':
      frame.state = entry.state;
      return;
    case 'call.started':
      return void begun(run, frame, entry);
    case 'call.finished':
      return void finished(run, frame, entry);
    case 'approval.requested':
      return void requested(run, frame, entry);
    case 'approval.decided':
      return void decided(run, entry);
    case 'wait.began':
      return void waits(run, frame, entry);
    case 'event.rejected':
      run.failedClaims = 0;
      return;
    case 'outcome.settled':
      return void outcomeSettled(run, entry);
    case 'intent.reopened':
    case 'call.dismissed':
    case 'run.evaluated':
      return;
    default:
      throw damaged(run.runId, run.next - 1, `it is of the unknown type "${(entry as { type: string }).type}"`);
  }
}

/** The first entry of a run, with the run before it in its session if its first claim names one. */
export function withPrevious(started: EntryOf<'run.started'>, claim: EntryOf<'run.claimed'>): EntryOf<'run.started'> {
  const { previous, previousSeq, depth, history, after } = claim;
  if (previous === undefined) return started;
  const { previousSeq: _s, depth: _d, history: _h, ...first } = started;
  return {
    ...first,
    previous,
    ...(previousSeq !== undefined && { previousSeq }),
    ...(depth !== undefined && { depth }),
    ...(history && { history }),
    ...(after !== undefined && { after }),
  };
}

/** Puts other messages of earlier runs of its session in the place of those that a run began with. It has not answered yet. */
export function inherit({ root }: RunFold, history: readonly Message[]): void {
  root.messages = [...history, ...root.messages.slice(root.inherited)];
  root.inherited = history.length;
}

function claimed(run: RunFold, frame: Frame, entry: EntryOf<'run.claimed'>): void {
  if (run.status === 'running') {
    if (!entry.released) run.failedClaims++;
    counted(run);
  } else run.failedClaims = 0;
  if (run.status === 'failed') reopen(run);
  counts(run, entry.at);
  run.status = 'running';
  run.settled = undefined;
  for (const call of unfinishedCalls(run)) if (call.status === 'started') run.unknowns.delete(call.id);
  run.started = withPrevious(run.started, entry);
  run.owner = entry.owner;
  run.epoch = entry.epoch;
  if (entry.fingerprint !== run.fingerprint) frame.measured.fixed = false;
  run.fingerprint = entry.fingerprint;
  run.aside = entry.aside;
  if (entry.limits) run.limits = limitsWith(run.limits, entry.limits);
  lose(frame, entry.lost);
  run.trace = entry.trace ?? run.trace;
}

function responded(run: RunFold, frame: Frame, entry: EntryOf<'model.responded'>): void {
  run.failedClaims = 0;
  frame.step = entry.step;
  // blocked content is left out, because the provider would refuse every later request that contains it
  const refused = entry.stop === 'blocked';
  if (refused) leaveOut(frame);
  else say(run, frame, { role: 'assistant', content: entry.content });
  const calls: Call[] = [];
  for (const part of refused ? [] : entry.content) {
    if (part.type !== 'toolCall') continue;
    const id = `${entry.seq}.${calls.length}`;
    const { name, input } = (entry.through?.includes(calls.length) && meant(part)) || part;
    calls.push({ id, name, providerId: part.id, input, step: entry.step, status: 'open', asked: 0, shown: 0 });
  }
  frame.calls = calls;
  frame.unfinished = calls.length;
  const { usage } = entry;
  if (usage)
    frame.measured = {
      tokens: totalOf(usage),
      messages: seenOf(frame).length,
      fixed: true,
    };
  if (usage) frame.size = { tokens: frame.measured.tokens, messages: frame.measured.messages };
  frame.refusals = 0;
  if (entry.seq <= run.inherited) return;
  for (let f: Frame | undefined = frame; f; f = f.parent) {
    f.spent.steps++;
    if (!usage) f.spent.unmetered = true;
    spend(f.spent, usage, entry.usd);
  }
}

/** Charges the most that an interrupted model call may have cost. */
function lose(frame: Frame, lost: { tokens: number; usd?: number } | undefined): void {
  if (!lost) return;
  for (let f: Frame | undefined = frame; f; f = f.parent) spend(f.spent, { input: lost.tokens, output: 0 }, lost.usd);
}
