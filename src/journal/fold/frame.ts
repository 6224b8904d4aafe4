/** Creates, finds and reads frames and calls. */
import { type Failure, isResumable } from '../../errors.ts';
import type { Json } from '../../json.ts';
import type { Message } from '../../ports/model.ts';
import type { CallId, Entry, EntryOf, Reached } from '../entries/entries.ts';
import { damaged } from '../errors.ts';
import type { Spent } from './spent.ts';
import type { Approval, Call, Frame, RunFold, Wait } from './state.ts';

/** @param o `at` in epoch milliseconds; `history`: messages that the conversation begins with. */
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
    size: { tokens: 0, messages: 0 },
    refusals: 0,
    repairs: 0,
    waiting: [],
  };
}

/** The frame that an entry belongs to; undefined once it has ended. */
export const frameOf = ({ root, frames }: RunFold, { frame }: { readonly frame?: string | undefined }): Frame | undefined =>
  frame === undefined ? root : frames.get(frame);

/** The frames that have not ended: the root, then those of sub-agents in the order they started. */
export const openFrames = ({ root, frames }: RunFold): readonly Frame[] => [root, ...frames.values()];

/** Number of frames above this one. */
export const depthOf = (frame: Frame) => frame.path.length - 1;

/** The calls of the newest answer, or the nodes that have not succeeded, in the order asked. */
export const callsOf = (frame: Frame): Iterable<Call> => (frame.tasks ? frame.tasks.values() : frame.calls);

/** The same with the durable steps of each node. */
export function* everyCallOf(frame: Frame): Generator<Call, void, undefined> {
  for (const call of callsOf(frame)) {
    yield call;
    if (call.durable) yield* call.durable.values();
  }
}

/** The call with this id among those of {@link callsOf}. */
export function callIn({ tasks, calls }: Frame, id: CallId): Call | undefined {
  const call = tasks ? tasks.get(id) : calls[Number(id.slice(id.indexOf('.') + 1))];
  return call?.id === id ? call : undefined;
}

/** The call that an entry ends or settles; undefined where it is over and settled, or no entry before made it. */
export function callNamed(
  run: RunFold,
  { type, frame: id, call }: { type: string; frame?: string | undefined; call: CallId },
): Call | undefined {
  if (type !== 'call.finished') return run.unknowns.get(call)?.call ?? unfinishedCalls(run).find((c) => c.id === call);
  const frame = frameOf(run, { frame: id });
  if (!frame) return undefined;
  return callIn(frame, call) ?? frame.tasks?.get(call.slice(0, call.indexOf('/')))?.durable?.get(call);
}

/** @throws RondoError `JOURNAL_DAMAGED` if the frame has no such call. */
export function callOf(run: RunFold, frame: Frame, id: CallId): Call {
  const call = frame.tasks ? taskOf(frame.tasks, id) : callIn(frame, id);
  if (!call) throw damaged(run.runId, run.next - 1, `it names call ${id}, which no entry before it made`);
  return call;
}

/** A node's task, or one of its durable steps (`<task id>/<name>`), which is created when an entry first names it. */
function taskOf(tasks: Map<CallId, Call>, id: CallId): Call | undefined {
  const slash = id.indexOf('/');
  if (slash < 0) return tasks.get(id);
  const task = tasks.get(id.slice(0, slash));
  if (!task) return undefined;
  task.durable ??= new Map();
  let call = task.durable.get(id);
  if (!call) {
    call = newTask(id, id.slice(slash + 1), null, task.step);
    task.durable.set(id, call);
  }
  return call;
}

/** Adds a task for each node that follows the entry at `seq`. */
export function reach(frame: Frame, seq: number, next: readonly Reached[] | undefined, step: number): void {
  const { tasks } = frame;
  if (!next || !tasks) return;
  next.forEach(({ node, input }, i) => {
    const id = `${seq}.${i}`;
    // the turn of a foreign agent has an empty name
    const task = newTask(id, node || frame.agent, input ?? null, step);
    tasks.set(id, input === undefined ? task : { ...task, sent: true });
    if (input !== undefined) return;
    frame.newest ??= new Map();
    frame.newest.set(node, task);
  });
  if (next.length > 0) frame.step = Math.max(frame.step, step);
}

/** A task that waits at a join is reached once more, by a path of more nodes. */
export function joined(frame: Frame, node: string, step: number): void {
  // the one that waits is the newest
  const waits = frame.newest?.get(node);
  if (waits?.status === 'open') waits.step = Math.max(waits.step, step);
  frame.step = Math.max(frame.step, step);
}

const newTask = (id: CallId, name: string, input: Json, step: number): Call => ({
  id,
  name,
  providerId: '',
  input,
  step,
  status: 'open',
  asked: 0,
  shown: 0,
});

/** The arguments as edited by a person, else as written by the model. */
export const writtenOf = ({ edited, input }: Pick<Call, 'edited' | 'input'>): Json => (edited ? edited.input : input);

/** The arguments that the tool gets or got. */
export const argumentsOf = (call: Pick<Call, 'agreed' | 'edited' | 'input'>): Json => (call.agreed ? call.agreed.input : writtenOf(call));

/** Whether a call that starts is an effect of this run: no read, not copied by a fork, and no node, whose durable steps are the effects. */
export const startsEffect = ({ inherited }: RunFold, { kind }: Frame, { effect, seq, call }: EntryOf<'call.started'>) =>
  effect !== 'read' && seq > inherited && (kind !== 'graph' || call.includes('/'));

/** The last entry that a run with these first entries has copied: a fork's claims and effects up to it are the other run's. */
export const inheritedBy = ([first]: readonly Entry[]) => (first?.type === 'run.started' ? (first.fork?.at ?? -1) : -1);

/** Whether a call that is told of is the call itself. */
export const isOwn = ({ runId }: RunFold, { id }: Pick<Call, 'id'>, { run, call }: { run: string; call: CallId }): boolean =>
  run === runId && call === id;

/** The calls of a frame and of those below it. */
export function* callsBelow(frame: Frame): Generator<Call, void, undefined> {
  for (const call of everyCallOf(frame)) {
    yield call;
    if (call.frame) yield* callsBelow(call.frame);
  }
}

/** A frame and those below it. */
export const withBelow = (frame: Frame): readonly Frame[] => [frame, ...[...callsBelow(frame)].flatMap((call) => call.frame ?? [])];

/** Whether the end of a call says that no attempt of it was made. */
export const didNotRun = ({ error }: { error?: Failure | undefined }) => error?.attempts === 0;

/** Whether the outcome of a started `once` call would stay unknown if the run or its frame ended now. */
export const isCutOff = ({ status, effect, frame, settled }: Call) => status === 'started' && effect === 'once' && !frame && !settled;

/** Whether a call has asked a person while it ran. */
export const hasAsked = ({ approval, answered }: Partial<Pick<Call, 'approval' | 'answered'>>): boolean =>
  answered !== undefined || approval?.asked.midway !== undefined;

/** Whether a call that waits for a person holds an intent. It asked before it had an effect. */
export const holdsIntent = (call: Call) => call.status === 'open' && call.intent !== undefined && hasAsked(call);

/**
 * The newest turn of a foreign agent that holds an intent and is to go on with another turn. What it did so far is not undone, so its outcome is
 * unknown if the agent ends now. Undefined for any other frame.
 */
export function midTurn({ kind, claim, last, tasks }: Frame): Call | undefined {
  if (kind !== 'foreign' || !claim || last?.id !== claim.call || !last.finished?.ok || last.effect !== 'once') return undefined;
  return [...(tasks?.values() ?? [])].some(({ status }) => status === 'open') ? last : undefined;
}

/** The same of several frames. */
export const midTurns = (frames: readonly Frame[]): readonly Call[] => frames.flatMap((frame) => midTurn(frame) ?? []);

/** Whether a run ends for good. A failure whose cause may be gone is resumed later, in the middle of its frames. */
export const endsFinally = ({ status, error }: Pick<EntryOf<'run.settled'>, 'status' | 'error'>): boolean =>
  status === 'cancelled' || (status === 'failed' && error !== undefined && !isResumable(error));

/** Calls that have not finished: those of the root first, then those of sub-agents in the order they started. */
export function unfinishedCalls(run: RunFold): readonly Call[] {
  const calls: Call[] = [];
  // a finished durable step matters only to its node
  for (const frame of openFrames(run))
    for (const call of everyCallOf(frame))
      if (!call.id.includes('/') || call.status === 'started' || call.finished?.error?.outcome === 'unknown') calls.push(call);
  return calls;
}

/** Whether the run can never continue. A failed run can, if its error is temporary or an operator may settle an outcome. */
export function isOver({ status, settled }: Pick<RunFold, 'status' | 'settled'>): boolean {
  if (status === 'failed') return !(settled?.error && isResumable(settled.error));
  return status === 'completed' || status === 'cancelled';
}

/** Approvals that wait for a decision, in the order in which their calls were asked for. */
export function openApprovals(run: RunFold): Approval[] {
  if (isOver(run)) return [];
  const open: Approval[] = [];
  for (const { status, approval } of unfinishedCalls(run)) if (status === 'open' && approval && !approval.decided) open.push(approval);
  return open;
}

/** The calls that wait for a time, in the order in which they were asked for. */
export function openWaits(run: RunFold): Wait[] {
  if (isOver(run)) return [];
  return unfinishedCalls(run).flatMap(({ status, wait }) => (status === 'open' && wait ? [wait] : []));
}
