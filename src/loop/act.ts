/**
 * Act: runs the unfinished calls of the newest answer, until none can run without a person. Each call is prepared (`call/prepare.ts`), started
 * (`start.ts`), executed (`call/execute.ts`) and finished, whether the model just asked for it or a crash interrupted it.
 *
 * I1. Calls that need no person run first, and a call that has ended never runs again.
 * I2. Every call that has run is journaled before the run ends.
 */
import { RondoError } from '../errors.ts';
import { assertBound } from '../hitl/approvals.ts';
import type { Draft } from '../journal/entries/entries.ts';
import type { Call, RunFold } from '../journal/fold/fold.ts';
import { appendWithRetry } from './append-with-retry.ts';
import { callsLeft, needsCrossing, needsOf, roomLater } from './budget.ts';
import type { Blocked, Due, Prepared } from './call/call.ts';
import { lateCharge } from './call/charge.ts';
import { failureAllowed, resultAllowed } from './call/content.ts';
import { execute } from './call/execute.ts';
import { endedLate } from './call/late.ts';
import { midway } from './call/midway.ts';
import { reopened, startNext } from './start.ts';
import { runSubAgent } from './sub-agent-call.ts';
import type { Scope } from './types.ts';

/** Blocked sub-agents, and the number of decisions at that time. After a new decision they are tried again. */
type Asleep = Map<Call, { blocked: Blocked; decisions: number }>;

/** @param due calls of the newest answer that are prepared already, in order. @returns why calls are left; undefined if none is. */
export async function act(scope: Scope, due: readonly Due[]): Promise<Blocked | undefined> {
  const { frame } = scope;
  const asleep: Asleep = new Map();
  for (;;) {
    await runCalls(scope, due, asleep);
    if (frame.unfinished === 0 || scope.halt) return undefined;
    await scope.drive.log.adopt();
    const { due: next, prepared, wrote } = await reopened(scope, pending(scope, asleep));
    const room = wrote
      ? undefined
      : roomLater(
          scope,
          prepared.flatMap((p) => (p.go === 'start' ? [needsOf(p)] : [])),
        );
    if (room) await room;
    else if (!wrote) return blockedBy(scope, prepared, asleep);
    due = next;
  }
}

/** The calls to try next: first interrupted ones, then blocked sub-agents after a new decision, then those that have not started. */
function pending({ frame, run }: Scope, asleep: Asleep): readonly Call[] {
  for (const call of frame.calls) if (call.status !== 'finished' && !beganBefore(run, call)) assertBound(run.runId, call);
  const started = frame.calls.filter((c) => c.status === 'started');
  const cutOff = started.filter((c) => !asleep.has(c));
  if (cutOff.length > 0) return cutOff;
  const woken = started.filter((c) => asleep.get(c)?.decisions !== run.decisions);
  for (const call of woken) asleep.delete(call);
  return woken.length > 0 ? woken : frame.calls.filter((c) => c.status === 'open');
}

/** Whether its sub-agent began in the run that this one was forked from. It was approved there, and the approval names that run. */
const beganBefore = (run: RunFold, { frame, approval }: Call): boolean =>
  frame !== undefined && approval !== undefined && approval.asked.seq <= run.inherited;

/** Why no call can run. */
function blockedBy(scope: Scope, prepared: readonly Prepared[], asleep: Asleep): Blocked {
  const stopped = [...asleep.values()].find(({ blocked }) => 'crossed' in blocked);
  if (stopped) return stopped.blocked;
  if (asleep.size > 0 || prepared.some((p) => p.go === 'wait')) return { waiting: true };
  const hold = prepared.find((p) => p.go === 'hold');
  if (hold?.go === 'hold') return { crossed: hold.crossed, at: hold.at };
  for (const p of prepared) {
    const crossing = p.go === 'start' && needsCrossing(scope, needsOf(p));
    if (crossing) return crossing;
  }
  return (prepared.some((p) => p.go === 'start') && callsLeft(scope).crossing) || { waiting: true };
}

/** Runs the started calls in parallel. Each lane continues with the next queued call when its own has ended. */
async function runCalls(scope: Scope, due: readonly Due[], asleep: Asleep): Promise<void> {
  const [first, second] = due;
  if (first?.started && !second) return lane(scope, first, [], asleep);
  const queue = due.filter((d) => !d.started);
  const ends = await Promise.allSettled(due.filter((d) => d.started).map((d) => lane(scope, d, queue, asleep)));
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed) throw failed.reason;
}

/** A call that a halt interrupts stays `started`, and the next claim handles it. */
async function lane(scope: Scope, first: Due, queue: Due[], asleep: Asleep): Promise<void> {
  for (let due: Due | undefined = first; due; ) {
    const { call, ready } = due as Due;
    const { name, effect, delegate, description } = ready.tool;
    if (delegate) {
      const { decisions } = scope.run;
      const blocked = await runSubAgent(scope, call, ready, delegate);
      if (blocked) asleep.set(call, { blocked, decisions });
      due = await finish(scope, undefined, queue);
      continue;
    }
    const { epoch } = scope.run;
    const span = scope.trace?.tool(call.step, { call: call.id, name, effect, id: call.providerId, input: ready.shown, description });
    const ended = await execute(scope, call, ready, span);
    if (!ended) return;
    const asks = ready.asks && midway(scope, call, ready.asks, ended);
    const { reads } = ready.tool;
    const finished =
      asks || !scope.host.checks.result.asked
        ? ended
        : await (ended.ok ? resultAllowed(scope, name, ended, reads) : failureAllowed(scope, name, ended));
    try {
      due = await finish(scope, asks ?? finished, queue);
    } catch (error) {
      if (RondoError.is(error, 'RUN_BUSY')) endedLate(scope, call.id, epoch, { ...finished, ...lateCharge(ready.tool, finished) });
      throw error;
    }
    span?.end(finished);
  }
}

/**
 * Appends the end of a call (undefined if it is in the journal already) together with the start of the next queued call.
 * @returns the next call, now started. A call that a limit does not allow stays open and is tried again when the others have ended.
 */
async function finish(scope: Scope, finished: Draft | undefined, queue: Due[]): Promise<Due | undefined> {
  const next = scope.halt ? undefined : queue.shift();
  if (next) return (await startNext(scope, next, finished)) ? next : undefined;
  if (finished) await appendWithRetry(scope, () => [finished]);
  return undefined;
}
