/** Nodes that wait without a process: for a time, or for an event. */
import { ToolError } from '../errors.ts';
import { type Began, dueOf } from '../journal/entries/wait.ts';
import type { Call } from '../journal/fold/fold.ts';
import { arrival, awaiting, timedOut } from '../loop/call/arrival.ts';
import { beginning } from '../loop/call/wait.ts';
import type { Left } from '../loop/sub-agent-frame.ts';
import { messageOf } from '../reliability/classify.ts';
import { atOnce } from '../reliability/patience.ts';
import type { Node } from './definition.ts';
import { endWaited, fail, itemOf, type Scheduling } from './ending.ts';

export async function runWait(schedule: Scheduling, task: Call, node: Extract<Node, { kind: 'wait' }>): Promise<Left | undefined> {
  const since = Date.now();
  const now = await schedule.scope.host.now();
  const failed = await begin(schedule, task, () => beginning(given(node.wait(schedule.state, itemOf(task))), now));
  if (failed) return fail(schedule, task, failed.error);
  return task.wait && now < dueOf(task.wait) ? { waiting: true } : endWaited(schedule, task, since, () => undefined);
}

export async function runEvent(schedule: Scheduling, task: Call, node: Extract<Node, { kind: 'event' }>): Promise<Left | undefined> {
  const since = Date.now();
  const { scope } = schedule;
  const { event: name, schema } = node;
  const now = await scope.host.now();
  const failed = await begin(schedule, task, () =>
    awaiting(scope, { name, key: given(node.key(schedule.state, itemOf(task))), schema: schema.json }, node.for, now),
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
  const update = () => {
    if (arrived) return node.output(arrived.value, schedule.state);
    if (node.timeout) return node.timeout(schedule.state);
    throw new ToolError('EVENT_TIMEOUT', timedOut(wait), { outcome: 'not-run', retryable: false });
  };
  return endWaited(schedule, task, since, update, arrived && { output: arrived.data, event: arrived.taken });
}

const refused = (why: string) => new ToolError('WAIT_INVALID', `${why}.`, { outcome: 'not-run', retryable: false });

/** @throws ToolError `WAIT_INVALID` for a promise. */
function given<T>(answer: T): T {
  try {
    return atOnce(answer);
  } catch (error) {
    throw refused(messageOf(error));
  }
}

/** Appends the begin of a wait, unless it has begun. @returns why it cannot begin. */
async function begin({ scope }: Scheduling, task: Call, began: () => Began | string): Promise<{ error: unknown } | undefined> {
  if (task.wait) return undefined;
  let wait: Began;
  try {
    const made = began();
    if (typeof made === 'string') throw refused(made);
    wait = made;
  } catch (error) {
    return { error };
  }
  await scope.append(() => [{ type: 'wait.began', call: task.id, ...wait }]);
  return undefined;
}
