/** Calls of tools that wait without a process: how they begin, and how they end. */
import { notRun } from '../errors.ts';
import type { Wait } from '../journal/fold.ts';
import { dueOf } from '../journal/wait.ts';
import type { Prepared, Startable } from './call.ts';
import type { Scope } from './types.ts';
import { beginning, woken } from './wait.ts';

/** A call that the gate let through waits in place of running. */
export async function asleep(scope: Scope, { tool, shown }: Startable): Promise<Prepared> {
  const { waits } = tool;
  if (!waits) throw new Error(`tool ${tool.name} does not wait`);
  const now = await scope.host.now();
  const began = beginning(waits.of(shown), now, waits.longest);
  if (typeof began !== 'string') return { go: 'sleep', ...began };
  const message = `${began}. It is ${new Date(now).toISOString()} now. Correct the arguments and call ${tool.name} again.`;
  return { go: 'refuse', error: notRun('INVALID_ARGUMENTS', message) };
}

/** What becomes of a call that waits. @param now epoch milliseconds by the store's clock. */
export const ended = (wait: Wait, now: number): Prepared => (now < dueOf(wait) ? { go: 'wait' } : { go: 'answer', output: woken(now) });
