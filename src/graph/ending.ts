/** How a task of a node ends: its update or its failure is appended. */
import { type Failure, isResumable } from '../errors.ts';
import type { Draft } from '../journal/entries/entries.ts';
import type { Call } from '../journal/fold/fold.ts';
import type { Make } from '../journal/log.ts';
import type { Json } from '../json.ts';
import type { Scope } from '../loop/types.ts';
import { failureOf } from '../reliability/classify.ts';
import type { NodeTrace } from '../telemetry/trace.ts';
import type { GraphDefinition } from './definition.ts';
import { nodeFailure } from './failure.ts';
import type { State } from './state.ts';

/** The part of the scheduler that a task uses. */
export interface Scheduling {
  readonly scope: Scope;
  readonly graph: GraphDefinition;
  /** The current state, with all updates applied so far. */
  readonly state: State;
  /** Applies a task's update. @returns the entries that end it. @throws ToolError for an invalid update or route; then nothing has changed. */
  ending(task: Call, update: unknown, since: number, more?: Partial<Extract<Draft, { type: 'call.finished' }>>): Make;
  /** Appends the failure of a task. */
  failed(task: Call, thrown: unknown): Promise<undefined>;
  /** The entry that records the failure of a task. */
  failure(task: Call, error: Failure): Draft;
}

export const itemOf = (task: Call): Json | undefined => (task.sent ? task.input : undefined);

/** Applies an update and appends it. An invalid update fails the node; a journal error is thrown. */
export function end(
  schedule: Scheduling,
  task: Call,
  update: unknown,
  since: number,
  span: NodeTrace | undefined,
): undefined | Promise<undefined> {
  let ending: Make;
  try {
    ending = schedule.ending(task, update, since);
  } catch (error) {
    return fail(schedule, task, error, span);
  }
  const pending = schedule.scope.append(ending);
  if (pending) return pending.then(() => span?.end({}) as undefined);
  span?.end({});
  return undefined;
}

/**
 * Ends a task that has waited for an answer, a time or an event. If what the graph makes of that fails, and the run can be resumed, the task stays
 * open: no person is asked twice, and nothing is awaited twice.
 * @param update what the node makes of it.
 */
export async function endWaited(
  schedule: Scheduling,
  task: Call,
  since: number,
  update: () => unknown,
  more?: Parameters<Scheduling['ending']>[3],
): Promise<{ failed: Failure } | undefined> {
  let ending: Make;
  try {
    ending = schedule.ending(task, update(), since, more);
  } catch (error) {
    const failed = nodeFailure(task, error);
    return isResumable(failed) ? { failed } : fail(schedule, task, error);
  }
  await schedule.scope.append(ending);
  return undefined;
}

export async function fail(schedule: Scheduling, task: Call, thrown: unknown, span?: NodeTrace): Promise<undefined> {
  await schedule.failed(task, thrown);
  span?.end({ error: failureOf(thrown, 'NODE_FAILED') });
  return undefined;
}
