import { type Failure, RondoError } from '../errors.ts';
import { assertBound } from '../hitl/approvals.ts';
import { parse, parseAgain } from '../hitl/arguments.ts';
import { contextOf } from '../hitl/gate.ts';
import type { Draft } from '../journal/entries.ts';
import type { Call } from '../journal/fold.ts';
import { writtenOf } from '../journal/frame.ts';
import { Halted, inTime, unlessHalted } from '../reliability/patience.ts';
import { Starts } from './admit.ts';
import type { Due, Ready, Staged } from './call.ts';
import type { Blocked } from './child.ts';
import { credentials } from './credentials.ts';
import { descend } from './descend.ts';
import { endedLate, execute, idempotencyKey, keep } from './execute.ts';
import { held } from './held.ts';
import { callsLeft } from './limits.ts';
import type { Observed } from './output.ts';
import { needsPower, stage, stagedEntry, startEntry } from './stage.ts';
import type { Scope, ToolDefinition } from './types.ts';

/**
 * Act: runs what the newest answer asked for and has not ended yet, until nothing more can run without a person.
 * @param due calls that the gate has let through already, in the order asked.
 */
export async function act(scope: Scope, due: readonly Due[]): Promise<Blocked | undefined> {
  const { agent, frame } = scope;
  const asleep: Asleep = new Map();
  for (;;) {
    if (due.length === 1) await perform(scope, due[0] as Due, [], asleep);
    else if (due.length > 1) {
      const queue = [...due];
      const ends = await Promise.allSettled(queue.splice(0, agent.parallel).map((first) => perform(scope, first, queue, asleep)));
      // what has run is written down before the run is given up
      const failed = ends.find((end) => end.status === 'rejected');
      if (failed) throw failed.reason;
    }
    if (frame.unfinished === 0 || scope.halt) return undefined;
    const next = await restage(scope, asleep);
    if (!Array.isArray(next)) return next as Blocked;
    due = next;
  }
}

/** Sub-agents that cannot go on, why, and how many decisions there were then: a new one may be theirs. */
type Asleep = Map<Call, { blocked: Blocked; decisions: number }>;

/**
 * Runs a call, writes down how it ended, and goes on with the queue. A call that the run's halt cut off stays started:
 * the next claim sees to it.
 */
async function perform(scope: Scope, first: Due, queue: Due[], asleep: Asleep): Promise<void> {
  for (let due: Due | undefined = first; due; ) {
    const { call, ready } = due as Due;
    const { name, effect, delegate, description } = ready.tool;
    if (delegate) {
      const { decisions } = scope.run;
      const blocked = await descend(scope, call, ready, delegate);
      if (blocked) asleep.set(call, { blocked, decisions });
      due = scope.halt ? undefined : await begun(scope, queue.shift());
      continue;
    }
    const { epoch } = scope.run;
    const span = scope.trace.tool(call.step, { call: call.id, name, effect, id: call.providerId, input: ready.shown, description });
    const finished = await execute(scope, call, ready, span);
    if (!finished) return;
    const next: Due | undefined = scope.halt ? undefined : queue.shift();
    const drafts: Draft[] = [finished];
    const starts = new Starts(scope);
    const goes = next && (next.intended || starts.take());
    if (next && goes && !next.intended) drafts.push(intent(next));
    try {
      const pending = held(scope, () => drafts, next?.ready.tool.effect === 'once');
      if (pending) await pending;
    } catch (error) {
      if (RondoError.is(error, 'RUN_BUSY')) endedLate(scope, call, epoch, finished);
      throw error;
    } finally {
      starts.clear();
    }
    span.end(finished);
    // one that a limit holds back stays open: it is looked at again when the others have ended
    due = goes ? next : undefined;
  }
}

const intent = ({ call, ready }: Due): Draft => startEntry(call.id, call, ready);

/** A call of the queue with its intent written down; undefined where there is none, or none that may start. */
async function begun(scope: Scope, due: Due | undefined): Promise<Due | undefined> {
  if (!due || due.intended) return due;
  const starts = new Starts(scope);
  if (!starts.take()) return undefined;
  try {
    await scope.append(() => [intent(due)], due.ready.tool.effect === 'once');
  } finally {
    starts.clear();
  }
  return due;
}

/** Takes calls that have not run to the gate (again), and sees to those that a crash cut off. */
async function restage(scope: Scope, asleep: Asleep): Promise<readonly Due[] | Blocked> {
  const { run, host, frame } = scope;
  await scope.drive.log.adopt();
  for (const call of frame.calls) if (call.status !== 'finished') assertBound(run.runId, call);
  const cutOff = frame.calls.filter((c) => c.status === 'started' && !asleep.has(c));
  if (cutOff.length > 0) return recover(scope, cutOff);
  const woken = frame.calls.filter((c) => c.status === 'started' && asleep.get(c)?.decisions !== run.decisions);
  for (const call of woken) asleep.delete(call);
  if (woken.length > 0) return recover(scope, woken);

  const open = frame.calls.filter((c) => c.status === 'open');
  const now = await host.now();
  const staged = await unlessHalted(Promise.resolve(stage(scope, open, now)), scope.cancel);
  const starts = new Starts(scope);
  const { drafts, due } = intents(scope, open, staged, starts, now);
  if (drafts.length > 0) {
    try {
      await scope.append(() => drafts, needsPower(staged));
    } finally {
      starts.clear();
    }
    return due;
  }
  const stopped = [...asleep.values()].find(({ blocked }) => 'crossed' in blocked);
  if (stopped) return stopped.blocked;
  if (asleep.size > 0 || staged.some((s) => s.go === 'wait')) return { waiting: true };
  const hold = staged.find((s) => s.go === 'hold');
  if (hold?.go === 'hold') return { crossed: hold.crossed, at: hold.at };
  return (staged.some((s) => s.go === 'start') && callsLeft(scope).crossing) || { waiting: true };
}

/** The entries that a stage leads to, and the calls to run after them. Calls beyond the cap are entered when their turn comes. */
function intents(
  scope: Scope,
  calls: readonly Call[],
  staged: readonly Staged[],
  starts: Starts,
  now: number,
): { drafts: Draft[]; due: Due[] } {
  const drafts: Draft[] = [];
  const due: Due[] = [];
  staged.forEach((s, i) => {
    const call = calls[i] as Call;
    const intended = due.length < scope.agent.parallel;
    if (s.go === 'start' && intended && !starts.take()) return;
    const draft = s.go !== 'start' || intended ? stagedEntry(scope, call.id, call, s, now) : undefined;
    if (draft) drafts.push(draft);
    if (s.go === 'start') due.push({ call, ready: s, intended });
  });
  return { drafts, due };
}

/** What a process that takes over does with calls that were running: see DESIGN, "Crashes". */
async function recover(scope: Scope, calls: readonly Call[]): Promise<readonly Due[]> {
  // a sub-agent that was at work goes on where it was
  const [going, cutOff] = [calls.filter((c) => isDelegate(scope, c)), calls.filter((c) => !isDelegate(scope, c))];
  const again: Due[] = going.map((call) => goOn(scope, call));
  if (cutOff.length === 0) return again;
  const found = await Promise.all(cutOff.map((call) => inquire(scope, call)));
  const drafts: Draft[] = [];
  let power = false;
  found.forEach((f, i) => {
    const call = cutOff[i] as Call;
    if ('ready' in f) {
      again.push({ call, ready: f.ready, intended: true });
      // a second intent, so that a crash in this attempt is told from one in the first
      drafts.push(startEntry(call.id, call, f.ready));
      power ||= f.ready.tool.effect === 'once';
    } else drafts.push({ type: 'call.finished', call: call.id, attempts: 0, ms: 0, ...f });
  });
  await scope.append(() => drafts, power);
  return again;
}

const isDelegate = (scope: Scope, call: Call) => scope.tools.get(call.name)?.delegate !== undefined;

function goOn(scope: Scope, call: Call): Due {
  const tool = scope.tools.get(call.name) as ToolDefinition;
  const input = writtenOf(call);
  return { call, intended: true, ready: { tool, input, value: input, shown: input, exact: true, context: undefined } };
}

/** Milliseconds a tool's `check` may take. */
const CHECK_TIMEOUT = 60_000;

type Found = { ready: Ready } | ({ ok: true } & Observed) | { ok: false; error: Failure };

async function inquire(scope: Scope, call: Call): Promise<Found> {
  const tool = scope.tools.get(call.name);
  const once = call.effect === 'once';
  const lostTrack = (why: string): Found => ({
    ok: false,
    error: {
      code: once ? 'OUTCOME_UNKNOWN' : 'TOOL_NOT_FOUND',
      message: why,
      retryable: false,
      attempts: 1,
      outcome: call.effect === 'read' ? 'failed' : 'unknown',
    },
  });
  const { settled } = call;
  if (settled?.outcome === 'done') return { ok: true, output: settled.output ?? null };
  if (settled?.outcome === 'failed')
    return {
      ok: false,
      error: { code: 'TOOL_FAILED', message: settled.note ?? 'It failed.', retryable: false, attempts: 1, outcome: 'failed' },
    };
  if (!tool) return lostTrack(`The process stopped while ${call.name} ran, and the tool is no longer there to find out what it did.`);
  const input = writtenOf(call);
  const { input: schema } = tool.options;
  const parsing = call.agreed ? parseAgain(schema, input, call.agreed.input, true) : parse(schema, input);
  const valid = await unlessHalted(Promise.resolve(parsing), scope.cancel);
  if (!valid.ok)
    return lostTrack(`The process stopped while ${call.name} ran, and the tool no longer takes these arguments: ${valid.problem}.`);
  const checked = contextOf(tool, scope.run.started.context);
  if (!checked.ok)
    return lostTrack(`The process stopped while ${call.name} ran, and the run has not what the tool needs: ${checked.problem}.`);
  const context = checked.value;
  if (once && settled?.outcome !== 'not-run') {
    const unknown = lostTrack(
      `The process stopped while ${call.name} ran. Nobody knows whether it took effect: do not repeat it, find out first.`,
    );
    if (!tool.options.check) return unknown;
    try {
      const q = { idempotencyKey: idempotencyKey(scope, call), input: valid.value, context };
      const asked = async () => tool.options.check?.(q, { signal: scope.cancel.signal });
      const answer = await unlessHalted(inTime(asked(), CHECK_TIMEOUT, 'the check', scope.cancel), scope.cancel);
      if (answer?.outcome === 'done') return { ok: true, ...keep(scope, tool, answer.output) };
      if (answer?.outcome !== 'not-run') return unknown;
    } catch (error) {
      if (error instanceof Halted) throw error;
      return unknown;
    }
  }
  const got = tool.options.credentials ? await unlessHalted(credentials(scope, tool), scope.cancel) : undefined;
  if (got && !got.ok) return lostTrack(`The process stopped while ${call.name} ran, and its credentials could not be had again.`);
  return { ready: { ...valid, tool, input, context, ...(got && { credentials: got.values }) } };
}
