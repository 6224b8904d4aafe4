/** Nodes that wait without a process: for a time, or for an event. */
import { ToolError } from '../errors.ts';
import { type Began, dueOf } from '../journal/entries/wait.ts';
import type { Call } from '../journal/fold/fold.ts';
import { arrival, awaiting, timedOut } from '../loop/call/arrival.ts';
import type { Blocked } from '../loop/call/call.ts';
import { beginning } from '../loop/call/wait.ts';
import type { Node } from './definition.ts';
import { end, fail, itemOf, type Scheduling } from './ending.ts';

export async function runWait(schedule: Scheduling, task: Call, node: Extract<Node, { kind: 'wait' }>): Promise<Blocked | undefined> {
  const since = Date.now();
  const now = await schedule.scope.host.now();
  const failed = await begin(schedule, task, () => beginning(node.wait(schedule.state, itemOf(task)), now));
  if (failed) return fail(schedule, task, failed.error);
  return task.wait && now < dueOf(task.wait) ? { waiting: true } : end(schedule, task, undefined, since);
}

export async function runEvent(schedule: Scheduling, task: Call, node: Extract<Node, { kind: 'event' }>): Promise<Blocked | undefined> {
  const since = Date.now();
  const { scope } = schedule;
  const { event: name, schema } = node;
  const now = await scope.host.now();
  const failed = await begin(schedule, task, () =>
    awaiting(scope, { name, key: node.key(schedule.state, itemOf(task)), schema: schema.json }, node.for, now),
  );
  if (failed) return fail(schedule, task, failed.error);
  const { wait } = task;
  if (!wait) return { waiting: true };
  let arrived = await arrival(scope, wait, schema.schema);
  while (arrived && !arrived.ok) {
    const { id, problem } = arrived;
    await scope.append(() => [{ type: 'event.rejected', call: task.id, id, problem }]);
    arrived = await arrival(scope, wait, schema.schema);
  }
  if (!arrived && now < dueOf(wait)) return { waiting: true };
  let update: unknown;
  try {
    if (arrived) update = node.output(arrived.value, schedule.state);
    else if (node.timeout) update = node.timeout(schedule.state);
    else throw new ToolError('EVENT_TIMEOUT', timedOut(wait), { outcome: 'not-run', retryable: false });
  } catch (error) {
    return fail(schedule, task, error);
  }
  return end(schedule, task, update, since, undefined, arrived && { output: arrived.data, event: arrived.taken });
}

/** Appends the begin of a wait, unless it has begun. @returns why it cannot begin. */
async function begin({ scope }: Scheduling, task: Call, began: () => Began | string): Promise<{ error: unknown } | undefined> {
  if (task.wait) return undefined;
  let wait: Began;
  try {
    const made = began();
    if (typeof made === 'string') throw new ToolError('WAIT_INVALID', `${made}.`, { outcome: 'not-run', retryable: false });
    wait = made;
  } catch (error) {
    return { error };
  }
  await scope.append(() => [{ type: 'wait.began', call: task.id, ...wait }]);
  return undefined;
}
