/** The part of the fold that is about parts: how sub-agents begin and end, and what the nodes of a graph change. */
import { isResumable } from '../errors.ts';
import type { Json } from '../json.ts';
import type { Message } from '../ports/model.ts';
import type { EntryOf, Patch } from './entries.ts';
import type { RunFold } from './fold.ts';
import { type Call, callOf, charsOf, everyCallOf, type Frame, newFrame, promptParts, reach, resultPart } from './frame.ts';
import { patched } from './patch.ts';
import { nothingSpent, spend } from './spent.ts';

/** A sub-agent begins, for the call that it is to answer. */
export function opened(run: RunFold, parent: Frame, entry: EntryOf<'frame.opened'>): void {
  const call = callOf(parent, entry.call);
  const frame = newFrame({
    id: call.id,
    agent: entry.agent,
    // the sequence number is another one where an append was lost; a node's is all there is
    position: `${parent.position}/${parent.tasks ? call.id : `${call.step}${call.id.slice(call.id.indexOf('.'))}`}`,
    parent,
    fingerprint: entry.fingerprint,
    spent: nothingSpent(),
    at: entry.at,
    history: entry.history ?? [],
  });
  frame.input = entry.input;
  call.status = 'started';
  parent.children.push(frame);
  call.frame = frame;
  run.frames.set(call.id, frame);
  run.fruitless = 0;
  say(run, frame, { role: 'user', content: promptParts(entry.input) });
}

/** A call has ended, and with it the sub-agent that answered it. */
export function finished(run: RunFold, frame: Frame, entry: EntryOf<'call.finished'>): void {
  run.fruitless = 0;
  const call = callOf(frame, entry.call);
  if (call.status === 'finished') return;
  call.status = 'finished';
  call.finished = entry;
  // a part has told of itself what it did
  if (!call.frame && call.effect && call.effect !== 'read' && entry.error?.outcome !== 'not-run')
    for (let f: Frame | undefined = frame; f && !f.acted; f = f.parent) f.acted = true;
  if (call.frame) close(run, call.frame, entry);
  if ((entry.usage || entry.usd !== undefined || entry.unmetered) && entry.seq > run.inherited)
    for (let f: Frame | undefined = frame; f; f = f.parent) {
      spend(f.spent, entry.usage, entry.usd);
      if (entry.unmetered) f.spent.unmetered = true;
    }
  // a fork asks an operator of its own what it builds upon
  if (entry.error?.outcome === 'unknown' && call.effect === 'once' && (entry.seq > run.inherited || frame.tasks))
    run.unknowns.set(call.id, { call, since: entry.at });
  else run.unknowns.delete(call.id);
  if (frame.tasks) {
    if (entry.state) changed(run, frame, call, entry.state, entry.seq);
    if (entry.output !== undefined) run.size += sizeOf(entry.output);
    frame.last = call;
    // what a node's function did stays known until the node has ended
    if (call.id.includes('/')) return;
    // a step that a crash cut off, and whose node went on all the same
    for (const step of call.durable?.values() ?? []) if (isCutOff(step)) run.unknowns.set(step.id, { call: step, since: entry.at });
    if (entry.ok) frame.tasks.delete(call.id);
    visited(frame, call.name, entry);
    reach(frame, entry.seq, entry.next, call.step + 1);
    return;
  }
  if (--frame.unfinished > 0) return;
  // all are in: the model sees them in the order it asked, whatever the order they came in
  say(run, frame, { role: 'tool', content: frame.calls.map(resultPart) });
}

/**
 * What failed and may be mended is to be done anew, where a run that failed goes on: nodes, and turns of foreign agents. But what may have
 * taken effect, or what an operator said of, stays as it is.
 */
export function reopen(run: RunFold): void {
  for (const { tasks } of [run.root, ...run.frames.values()])
    for (const call of tasks?.values() ?? []) {
      const { error } = call.finished ?? {};
      if (!error || !isResumable(error) || call.settled || (error.outcome === 'unknown' && call.effect === 'once')) continue;
      call.status = 'open';
      call.finished = undefined;
      call.frame = undefined;
      call.approval = undefined;
    }
}

/** Whether nobody knows what became of a call, should nobody come back to find out. */
export const isCutOff = ({ status, effect, frame, settled }: Call) => status === 'started' && effect === 'once' && !frame && !settled;

/** A sub-agent has ended, and with it what is below it. Of its part, only what it spent is kept. */
function close(run: RunFold, frame: Frame, { ok, error, at }: EntryOf<'call.finished'>): void {
  for (const call of everyCallOf(frame)) {
    if (call.frame) close(run, call.frame, { ok: false, at } as EntryOf<'call.finished'>);
    // nobody comes back to find out what it did
    if (isCutOff(call)) run.unknowns.set(call.id, { call, since: at });
    call.frame = undefined;
  }
  run.frames.delete(frame.id);
  frame.ended = { ok, at, ...(error && { code: error.code }) };
  frame.messages = [];
  frame.calls = [];
  frame.unfinished = 0;
  frame.tasks = frame.tasks && new Map();
  frame.last = undefined;
  frame.state = undefined;
  frame.written = undefined;
  frame.input = undefined;
  frame.instructions = undefined;
  frame.memory = undefined;
  frame.tools = undefined;
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

export function say(run: RunFold, frame: Frame, message: Message): void {
  frame.messages.push(message);
  for (const part of message.content) run.size += charsOf(part);
}

/** Characters of the texts in JSON, and a few for anything else: what a state or an output adds to a journal. */
export function sizeOf(value: Json): number {
  if (typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null) return 4;
  let size = 2;
  for (const key in value) size += (Array.isArray(value) ? 1 : key.length) + sizeOf((value as { [key: string]: Json })[key] as Json);
  return size;
}
