/** Applies the entries about calls: tool calls, sub-agents, and nodes of graphs. */
import { isResumable } from '../../errors.ts';
import { sizeOf } from '../../json.ts';
import type { EntryOf, FoundTool, Patch } from '../entries/entries.ts';
import { count, giveBack } from './amounts.ts';
import { begins, costs, owes, refunds, settles } from './charges.ts';
import { promptParts, resultPart, say } from './conversation.ts';
import {
  callOf,
  didNotRun,
  everyCallOf,
  hasAsked,
  isCutOff,
  isOwn,
  joined,
  midTurn,
  newFrame,
  openFrames,
  reach,
  startsEffect,
  unfinishedCalls,
  writtenOf,
} from './frame.ts';
import { patched } from './patch.ts';
import { nothingSpent, spendTurn } from './spent.ts';
import type { Approval, Call, Frame, RunFold } from './state.ts';

/** Notes the entry by which a node began, which its first one says. */
function nodeBegins({ tasks }: Frame, call: Call, { seq }: { readonly seq: number }): void {
  if (tasks) call.begun ??= seq;
}

/** A call starts, or starts again. What was known of its earlier end no longer counts. */
export function begun(run: RunFold, frame: Frame, entry: EntryOf<'call.started'>): void {
  const call = callOf(run, frame, entry.call);
  if (entry.effect === 'idempotent' && mayHaveRun(call)) call.unsure = true;
  call.finished = undefined;
  // the settled outcome was that of an earlier start
  call.settled = undefined;
  // nodes of a graph do not count as tool calls, and a call that asked a person midway is counted already
  if (call.status === 'open' && !frame.tasks && !hasAsked(call) && entry.seq > run.inherited)
    for (let f: Frame | undefined = frame; f; f = f.parent) f.spent.toolCalls++;
  call.status = 'started';
  nodeBegins(frame, call, entry);
  call.effect = entry.effect;
  call.epoch = run.epoch;
  if (entry.input !== undefined) call.agreed = { input: entry.input };
  begins(frame, call, entry.seq > run.inherited ? entry.usd : undefined);
  if (startsEffect(run, frame, entry)) {
    call.since = entry.at;
    count(frame, call, entry.amount);
    run.effects++;
  }
  if (!entry.intent) return;
  call.intent = entry.intent;
  if (frame.kind === 'foreign') frame.claim = { call: call.id, intent: entry.intent };
  run.intents++;
}

/** Whether an earlier start of a call may have taken effect. */
const mayHaveRun = ({ status, finished, settled }: Call): boolean =>
  settled?.outcome !== 'not-run' && (finished ? finished.error?.outcome === 'unknown' : status === 'started');

/** A person is asked about a call, which is open until the decision. */
export function requested(run: RunFold, frame: Frame, entry: EntryOf<'approval.requested'>): void {
  const call = callOf(run, frame, entry.call);
  const approval: Approval = { asked: entry, call, frame };
  run.approvals.set(entry.id, approval);
  call.approval = approval;
  nodeBegins(frame, call, entry);
  // a node asks while it runs, so it becomes open again
  if (frame.kind === 'graph') call.status = 'open';
  if (entry.midway) {
    call.status = 'open';
    giveBack(call);
    refunds(call);
    run.failedClaims = 0;
  }
  // a consent or a question does not change the arguments; a new question about edited arguments repeats them in `input`
  if (entry.kind === 'tool') {
    call.shown++;
    call.allowed = undefined;
    call.agreed = undefined;
    if (entry.input === undefined) call.edited = undefined;
  }
  call.asked++;
}

/** A call waits without a process. */
export function waits(run: RunFold, frame: Frame, began: EntryOf<'wait.began'>): void {
  const call = callOf(run, frame, began.call);
  call.wait = { began, call, frame };
  nodeBegins(frame, call, began);
  if (began.event) run.listens = true;
  // a node is open while it waits, as a call of a tool is
  call.status = 'open';
  run.failedClaims = 0;
}

/** The first decision on an approval counts, and later ones are ignored. */
export function decided(run: RunFold, entry: EntryOf<'approval.decided'>): void {
  const approval = run.approvals.get(entry.id);
  if (!approval || approval.decided) return;
  approval.decided = entry;
  run.decisions++;
  run.failedClaims = 0;
  const { decision } = entry;
  const { asked, call } = approval;
  if (asked.midway) call.answered = approval;
  if (asked.kind === 'tool' && (decision.type === 'approve' || decision.type === 'edit')) call.allowed = approval;
  if (decision.type === 'edit') call.edited = { input: decision.input, note: decision.note };
  else if (decision.type === 'approve' && asked.kind === 'tool') call.agreed = { input: asked.input ?? writtenOf(call) };
}

/** A sub-agent starts to answer a call. */
export function opened(run: RunFold, parent: Frame, entry: EntryOf<'frame.opened'>): void {
  const call = callOf(run, parent, entry.call);
  const frame = newFrame({
    id: call.id,
    agent: entry.agent,
    // not the call's id: it contains a sequence number, which differs if the model is asked again; the id of a node is stable
    position: `${parent.position}/${parent.tasks ? call.id : `${call.step}${call.id.slice(call.id.indexOf('.'))}`}`,
    parent,
    fingerprint: entry.fingerprint,
    spent: nothingSpent(),
    at: entry.at,
    history: entry.history ?? [],
  });
  frame.input = entry.input;
  call.status = 'started';
  nodeBegins(parent, call, entry);
  parent.children.push(frame);
  call.frame = frame;
  run.frames.set(call.id, frame);
  run.failedClaims = 0;
  say(run, frame, { role: 'user', content: promptParts(entry.input) });
}

/** A call ends, and with it the frame of the sub-agent that answers it. */
export function finished(run: RunFold, frame: Frame, entry: EntryOf<'call.finished'>): void {
  run.failedClaims = 0;
  const call = callOf(run, frame, entry.call);
  if (call.status === 'finished') return;
  call.status = 'finished';
  call.finished = entry;
  if (entry.found) frame.found = new Map([...(frame.found ?? []), ...entry.found.map((tool): [string, FoundTool] => [tool.name, tool])]);
  if (entry.named)
    frame.named = new Map([
      ...(frame.named ?? []),
      ...entry.named.flatMap(({ source, names }) => names.map((name): [string, string] => [name, source])),
    ]);
  // for a sub-agent, its own calls have set `acted`
  if (!call.frame && call.effect && call.effect !== 'read' && entry.error?.outcome !== 'not-run')
    for (let f: Frame | undefined = frame; f && !f.acted; f = f.parent) f.acted = true;
  if (call.frame) close(run, call.frame, entry);
  if (entry.seq > run.inherited && (entry.usage || entry.unmetered))
    for (let f: Frame | undefined = frame; f; f = f.parent) spendTurn(f.spent, entry);
  else if (entry.seq > run.inherited) costs(frame, call, entry);
  if (entry.seq > run.inherited && entry.abandoned) owes(frame, call.id, entry.abandoned);
  // an inherited call is settled in the run it was copied from, unless a graph or a foreign agent of this run continues from it
  if (
    entry.error?.outcome === 'unknown' &&
    call.effect === 'once' &&
    (entry.seq > run.inherited || frame.tasks) &&
    !(call.intent?.over && didNotRun(entry))
  )
    run.unknowns.set(call.id, { call, since: entry.at });
  else run.unknowns.delete(call.id);
  if (call.amount && entry.error?.outcome === 'unknown' && call.effect === 'idempotent') run.doubtful.set(call.id, call);
  // another call did it, and its amount counts there
  if (entry.repeated && !isOwn(run, call, entry.repeated)) giveBack(call);
  if (entry.error && (entry.error.outcome !== 'unknown' || (call.intent?.over && didNotRun(entry)))) giveBack(call);
  if (frame.tasks) ended(run, frame, call, entry);
  // once all calls have finished, the model sees their results in the order it asked
  else if (--frame.unfinished === 0) say(run, frame, { role: 'tool', content: frame.calls.map(resultPart) });
}

/** A node of a graph ends, a turn of a foreign agent, or a durable step. */
function ended(run: RunFold, frame: Frame, call: Call, entry: EntryOf<'call.finished'>): void {
  if (entry.state) changed(run, frame, call, entry.state, entry.seq);
  if (entry.output !== undefined) run.size += sizeOf(entry.output);
  frame.last = call;
  // the node needs the result of a durable step until the node has ended
  if (call.id.includes('/')) return;
  // durable steps that a crash interrupted, and that the node did not repeat
  for (const step of call.durable?.values() ?? []) if (isCutOff(step)) run.unknowns.set(step.id, { call: step, since: entry.at });
  if (entry.ok) frame.tasks?.delete(call.id);
  visited(frame, call.name, entry);
  reach(frame, entry.seq, entry.next, call.step + 1);
  for (const node of entry.joined ?? []) joined(frame, node, call.step + 1);
}

/** Ends a frame and all frames below it, and drops their content. Their spending stays. */
function close(run: RunFold, frame: Frame, { ok, error, at }: Pick<EntryOf<'call.finished'>, 'ok' | 'error' | 'at'>): void {
  const turn = midTurn(frame);
  if (turn) run.unknowns.set(turn.id, { call: turn, since: at });
  for (const call of everyCallOf(frame)) {
    if (call.frame) close(run, call.frame, { ok: false, at });
    if (isCutOff(call)) run.unknowns.set(call.id, { call, since: at });
    call.frame = undefined;
  }
  run.frames.delete(frame.id);
  frame.ended = { ok, at, code: error?.code };
  frame.messages = [];
  frame.seen = undefined;
  frame.calls = [];
  frame.unfinished = 0;
  frame.tasks = frame.tasks && new Map();
  frame.newest = undefined;
  frame.last = undefined;
  frame.state = undefined;
  frame.input = undefined;
  frame.instructions = undefined;
  frame.memory = undefined;
  frame.tools = undefined;
  frame.found = undefined;
  frame.named = undefined;
}

/**
 * On resume of a failed run: reopens failed nodes and foreign turns whose error is temporary. Calls that an operator settled stay, and so
 * do `once` calls whose outcome is unknown.
 */
export function reopen(run: RunFold): void {
  for (const { tasks } of openFrames(run))
    for (const call of tasks?.values() ?? []) {
      const { error } = call.finished ?? {};
      if (!error || !isResumable(error) || call.settled || (error.outcome === 'unknown' && call.effect === 'once')) continue;
      call.status = 'open';
      call.finished = undefined;
      call.since = undefined;
      call.begun = undefined;
      call.frame = undefined;
      call.approval = undefined;
      call.allowed = undefined;
      call.answered = undefined;
      call.wait = undefined;
    }
}

/** The outcome of a call became known in another way than by its end. */
export function outcomeSettled(run: RunFold, entry: EntryOf<'outcome.settled'>): void {
  const unknown = run.unknowns.get(entry.call)?.call ?? run.doubtful.get(entry.call);
  run.unknowns.delete(entry.call);
  run.doubtful.delete(entry.call);
  if (unknown && entry.outcome !== 'done') giveBack(unknown);
  if (unknown && entry.outcome === 'not-run') refunds(unknown);
  if (entry.seq > run.inherited) settles(run, entry);
  for (const call of unfinishedCalls(run))
    if (call.id === entry.call) {
      call.settled = entry;
      if (entry.outcome === 'not-run') refunds(call);
    }
}

function changed(run: RunFold, frame: Frame, { name }: Call, patch: Patch, seq: number): void {
  frame.state = patched(frame.state ?? null, patch, run.own);
  run.size += sizeOf(patch);
  if (!('keys' in patch)) return;
  frame.written ??= new Map();
  for (const key of Object.keys(patch.keys)) frame.written.set(key, { seq, node: name });
}

function visited({ visits }: Frame, node: string, { ok, ms }: EntryOf<'call.finished'>): void {
  if (!visits) return;
  let visit = visits.get(node);
  if (!visit) {
    visit = { runs: 0, ms: 0, failed: false };
    visits.set(node, visit);
  }
  visit.failed = !ok;
  if (!ok) return;
  visit.runs++;
  visit.ms += ms;
}
