/**
 * Act: runs what the newest answer asked for and has not ended yet, until nothing more can run without a person. Each call is prepared
 * (`prepare.ts`), started (`start.ts`), executed (`execute.ts`) and finished, whether it was just asked for or a crash cut it off.
 *
 * I1. Siblings that need no person run first, and a call that has ended never runs again.
 * I2. What has run is written down before the run is given up.
 */
import { RondoError } from '../errors.ts';
import { assertBound } from '../hitl/approvals.ts';
import type { Draft } from '../journal/entries.ts';
import type { Call } from '../journal/fold.ts';
import { callsLeft } from './budget.ts';
import type { Blocked, Due, Prepared } from './call.ts';
import { hasContentPolicy, resultAllowed } from './content.ts';
import { descend } from './descend.ts';
import { execute } from './execute.ts';
import { held } from './held.ts';
import { endedLate } from './late.ts';
import { reopened, startNext } from './start.ts';
import type { Scope } from './types.ts';

/** Sub-agents that cannot go on, why, and how many decisions there were then: a new one may be theirs. */
type Asleep = Map<Call, { blocked: Blocked; decisions: number }>;

/** @param due calls of the newest answer that were prepared already, in the order asked. */
export async function act(scope: Scope, due: readonly Due[]): Promise<Blocked | undefined> {
  const { frame } = scope;
  const asleep: Asleep = new Map();
  for (;;) {
    await runCalls(scope, due, asleep);
    if (frame.unfinished === 0 || scope.halt) return undefined;
    await scope.drive.log.adopt();
    const { due: next, prepared, wrote } = await reopened(scope, pending(scope, asleep));
    if (!wrote) return blockedBy(scope, prepared, asleep);
    due = next;
  }
}

/** The calls to look at next: those that a crash or a halt cut off; then sub-agents that a decision may have woken; then those not begun. */
function pending({ frame, run }: Scope, asleep: Asleep): readonly Call[] {
  for (const call of frame.calls) if (call.status !== 'finished') assertBound(run.runId, call);
  const started = frame.calls.filter((c) => c.status === 'started');
  const cutOff = started.filter((c) => !asleep.has(c));
  if (cutOff.length > 0) return cutOff;
  const woken = started.filter((c) => asleep.get(c)?.decisions !== run.decisions);
  for (const call of woken) asleep.delete(call);
  return woken.length > 0 ? woken : frame.calls.filter((c) => c.status === 'open');
}

/** Why nothing can go on. */
function blockedBy(scope: Scope, prepared: readonly Prepared[], asleep: Asleep): Blocked {
  const stopped = [...asleep.values()].find(({ blocked }) => 'crossed' in blocked);
  if (stopped) return stopped.blocked;
  if (asleep.size > 0 || prepared.some((p) => p.go === 'wait')) return { waiting: true };
  const hold = prepared.find((p) => p.go === 'hold');
  if (hold?.go === 'hold') return { crossed: hold.crossed, at: hold.at };
  return (prepared.some((p) => p.go === 'start') && callsLeft(scope).crossing) || { waiting: true };
}

/** Runs the calls that are started, each in a lane of its own that goes on with the queue of the others. */
async function runCalls(scope: Scope, due: readonly Due[], asleep: Asleep): Promise<void> {
  const [first, second] = due;
  if (first?.started && !second) return lane(scope, first, [], asleep);
  const queue = due.filter((d) => !d.started);
  const ends = await Promise.allSettled(due.filter((d) => d.started).map((d) => lane(scope, d, queue, asleep)));
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed) throw failed.reason;
}

/** A call that the run's halt cut off stays started: the next claim sees to it. */
async function lane(scope: Scope, first: Due, queue: Due[], asleep: Asleep): Promise<void> {
  for (let due: Due | undefined = first; due; ) {
    const { call, ready } = due as Due;
    const { name, effect, delegate, description } = ready.tool;
    if (delegate) {
      const { decisions } = scope.run;
      const blocked = await descend(scope, call, ready, delegate);
      if (blocked) asleep.set(call, { blocked, decisions });
      due = await finish(scope, undefined, queue);
      continue;
    }
    const { epoch } = scope.run;
    const span = scope.trace.tool(call.step, { call: call.id, name, effect, id: call.providerId, input: ready.shown, description });
    const ended = await execute(scope, call, ready, span);
    if (!ended) return;
    const finished = ended.ok && hasContentPolicy(scope) ? await resultAllowed(scope, name, ended) : ended;
    try {
      due = await finish(scope, finished, queue);
    } catch (error) {
      if (RondoError.is(error, 'RUN_BUSY')) endedLate(scope, call.id, epoch, finished);
      throw error;
    }
    span.end(finished);
  }
}

/**
 * Writes how a call ended (undefined where that is in the journal already) together with the start of the next one in the queue.
 * @returns the next call, now started. One that a limit holds back stays open: it is looked at again when the others have ended.
 */
async function finish(scope: Scope, finished: Draft | undefined, queue: Due[]): Promise<Due | undefined> {
  const next = scope.halt ? undefined : queue.shift();
  if (next) return (await startNext(scope, next, finished)) ? next : undefined;
  if (finished) await held(scope, () => [finished]);
  return undefined;
}
