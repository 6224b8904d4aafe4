/** Calls of tools that wait without a process: how they begin, and how they end. */
import { notRun, ToolError } from '../../errors.ts';
import { dueOf } from '../../journal/entries/wait.ts';
import type { Call, Wait } from '../../journal/fold/fold.ts';
import { messageOf } from '../../reliability/classify.ts';
import { atOnce } from '../../reliability/patience.ts';
import type { Scope, ToolDefinition, Waits } from '../types.ts';
import { arrival, awaiting, timedOut } from './arrival.ts';
import type { Prepared, Startable } from './call.ts';
import { resultAllowed } from './content.ts';
import { observed } from './output.ts';
import { beginning, woken } from './wait.ts';

/** A call that the gate let through waits in place of running. */
export async function asleep(scope: Scope, { tool, shown }: Startable, waits: Waits): Promise<Prepared> {
  const now = await scope.host.now();
  const wait = waits.of(shown);
  const { event } = waits;
  try {
    const began =
      event && 'for' in wait
        ? awaiting(scope, { name: event.name, key: atOnce(event.key(shown)), schema: event.schema.json }, wait.for, now)
        : beginning(wait, now, waits.longest);
    return typeof began === 'string' ? refused(began, tool, now) : { go: 'sleep', ...began };
  } catch (error) {
    if (ToolError.is(error)) return { go: 'refuse', error: notRun(error.code, error.message) };
    return refused(`What the call waits for could not be found out: ${messageOf(error)}`, tool, now);
  }
}

function refused(problem: string, { name }: ToolDefinition, now: number): Prepared {
  const message = `${problem}. It is ${new Date(now).toISOString()} now. Correct the arguments and call ${name} again.`;
  return { go: 'refuse', error: notRun('INVALID_ARGUMENTS', message) };
}

/** What becomes of a call that waits. @param now epoch milliseconds by the store's clock. */
export function ended(scope: Scope, call: Call, wait: Wait, tool: ToolDefinition | undefined, now: number): Prepared | Promise<Prepared> {
  if (wait.began.event) return received(scope, call, wait, tool, now);
  return now < dueOf(wait) ? { go: 'wait' } : { go: 'answer', output: woken(now) };
}

async function received(scope: Scope, { name }: Call, wait: Wait, tool: ToolDefinition | undefined, now: number): Promise<Prepared> {
  const arrived = await arrival(scope, wait, tool?.waits?.event?.schema.schema);
  if (arrived && !arrived.ok) return { go: 'reject', id: arrived.id, problem: arrived.problem };
  if (arrived) {
    const { data, value, taken } = arrived;
    const seen = tool ? observed(tool, value, scope.secrets) : { output: data };
    return resultAllowed(scope, name, { go: 'answer' as const, ...seen, event: taken });
  }
  return now < dueOf(wait) ? { go: 'wait' } : { go: 'refuse', error: notRun('EVENT_TIMEOUT', timedOut(wait)) };
}
