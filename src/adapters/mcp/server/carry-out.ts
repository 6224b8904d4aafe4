import { setTimeout as delay } from 'node:timers/promises';
import type { Engine } from '../../../engine/engine.ts';
import type { RunResult } from '../../../engine/read/results.ts';
import { RondoError } from '../../../errors.ts';
import type { Approval } from '../../../hitl/approvals.ts';
import { isSamePrincipal } from '../../../ports/principal.ts';
import type { Decision } from '../../../ports/tool.ts';
import { type Problem, problemOf } from '../../../server/errors.ts';
import { cancelWhenGone } from '../../../server/gone.ts';
import type { TakenTurn } from '../../../server/turns.ts';
import { isClosing, unlessClosing } from './closing.ts';
import { logOf } from './logs.ts';
import { type Caller, type CallOfRun, type Exchange, RpcError } from './offering.ts';

export interface Carrying {
  readonly engine: Engine;
  readonly cancelOnDisconnect: boolean;
  readonly tell: (error: unknown) => void;
}

/** A call, and the turn that it began; none if it is of a run that was begun before. */
export interface Begun<T> {
  readonly call: CallOfRun<T>;
  readonly turn?: TakenTurn | undefined;
  /** The caller can ask again for the same call, so it is not cancelled with the request. */
  readonly repeatable: boolean;
}

/** What `exchange.ask` throws to answer the call with a question. */
export class Interrupted extends Error {}

/**
 * Carries out a call: takes its turn, reports its progress and what it logs, has the client's person decide, and answers how the run ended, or why there
 * is none. If the server closes first, it answers that.
 */
export async function carryOut<T>(
  carrying: Carrying,
  caller: Caller,
  exchange: Exchange,
  begin: () => Promise<Begun<T>>,
  refused: (problem: Problem, retryable: boolean) => T,
): Promise<T> {
  const { tell } = carrying;
  try {
    return await unlessClosing(caller, carriedOut(carrying, caller, exchange, begin));
  } catch (error) {
    if (error instanceof RpcError || error instanceof Interrupted) throw error;
    if (!RondoError.is(error)) tell(error);
    return refused(problemOf(error, tell).problem, RondoError.is(error, 'SESSION_BUSY'));
  }
}

async function carriedOut<T>(carrying: Carrying, caller: Caller, exchange: Exchange, begin: () => Promise<Begun<T>>): Promise<T> {
  const begun = await begin();
  const { call } = begun;
  let result = await (begun.turn ? follow(carrying, caller, exchange, begun, begun.turn) : goneOn(carrying.engine, call.runId, caller));
  while (result.status === 'paused' && exchange.ask && caller.mayBeAsked && !exchange.again?.open) {
    const decisions = await exchange.ask(call.runId, result.approvals);
    if (decisions.length === 0) break;
    result = await decided(carrying, caller, exchange, begun, decisions);
  }
  return call.answer(result);
}

async function decided(
  carrying: Carrying,
  caller: Caller,
  exchange: Exchange,
  begun: Begun<unknown>,
  decisions: readonly Decision[],
): Promise<RunResult> {
  try {
    return await follow(carrying, caller, exchange, begun, await begun.call.decided(decisions));
  } catch (error) {
    // it was decided elsewhere meanwhile, or is too old
    if (!RondoError.is(error, 'APPROVAL_CLOSED') && !RondoError.is(error, 'APPROVAL_EXPIRED')) throw error;
    return goneOn(carrying.engine, begun.call.runId, caller);
  }
}

/** Reads the events of a turn to the end, which also makes the models stream. */
async function follow(
  { engine, cancelOnDisconnect, tell }: Carrying,
  caller: Caller,
  exchange: Exchange,
  { call, repeatable }: Begun<unknown>,
  turn: TakenTurn,
): Promise<RunResult> {
  if (cancelOnDisconnect) cancelWhenGone(engine, turn, caller.by, caller.gone, tell);
  const cancelled = repeatable ? undefined : exchange.cancelled;
  const cancel = () => {
    // the SDKs abort their requests too when the server closes
    if (!isClosing(caller.gone)) engine.cancel(turn.runId, { by: caller.by, reason: 'its caller cancelled the call' }).catch(tell);
  };
  if (cancelled?.aborted) cancel();
  else cancelled?.addEventListener('abort', cancel, { once: true });
  try {
    let progress: number | undefined;
    for await (const event of turn.events) {
      const line = exchange.log && logOf(event);
      if (line) {
        await exchange.log?.(line).catch(() => undefined);
        continue;
      }
      const told = exchange.progress && call.told(event);
      if (!told) continue;
      const { progress: own, ...more } = told;
      // it must grow with each notification
      progress = own !== undefined && (progress === undefined || own > progress) ? own : (progress ?? 0) + 1;
      // a client that has left gets nothing more, and the run goes on
      await exchange.progress?.({ ...more, progress }).catch(() => undefined);
    }
    return await turn.result;
  } finally {
    cancelled?.removeEventListener('abort', cancel);
  }
}

/** The result of a run that began before, as it is now: continued here where nothing else does. */
async function goneOn(engine: Engine, runId: string, { by, assertion }: Caller): Promise<RunResult> {
  for (;;) {
    const { status, seq, result } = await engine.inspect(runId, { by });
    if (result && status !== 'running' && status !== 'paused') return result;
    try {
      return (await engine.resume(runId, { by, assertion })) as RunResult;
    } catch (error) {
      if (!RondoError.is(error, 'RUN_BUSY')) throw error;
    }
    for await (const event of engine.watch(runId, { by, after: seq })) if (event.type === 'run.ended') return event.result;
  }
}

/** @see Offering.approvalsOf */
export async function approvalsOf(engine: Engine, { by }: Caller, runId: string): Promise<readonly Approval[] | undefined> {
  try {
    for await (const entry of engine.entries(runId, { by })) {
      if (entry.type !== 'run.started' || !isSamePrincipal(entry.by, by)) return undefined;
      return (await engine.inspect(runId, { by })).approvals;
    }
  } catch (error) {
    if (!RondoError.is(error, 'RUN_NOT_FOUND') && !RondoError.is(error, 'NOT_PERMITTED')) throw error;
  }
  return undefined;
}

/** Milliseconds between two looks at an approval that is decided elsewhere. */
const LOOK = 500;

/** @see Offering.isDecided */
export async function isDecided(
  engine: Engine,
  { by }: Caller,
  runId: string,
  approval: string,
  ms: number,
  signal: AbortSignal,
): Promise<boolean> {
  const until = performance.now() + ms;
  while (!signal.aborted && performance.now() < until) {
    const { approvals } = await engine.inspect(runId, { by });
    if (!approvals.some(({ id }) => id === approval)) return true;
    await delay(LOOK, undefined, { signal }).catch(() => undefined);
  }
  return false;
}
