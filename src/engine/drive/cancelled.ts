/** Cleans up after a cancelled run: unfinished calls, and agents that wait for people. */

import { failedOnce, notRun } from '../../errors.ts';
import type { Draft } from '../../journal/entries/entries.ts';
import type { RunFold } from '../../journal/fold/fold.ts';
import { callsOf, holdsIntent, openFrames } from '../../journal/fold/frame.ts';
import type { AgentDefinition } from '../../loop/types.ts';

import { agentOf } from '../read/lookup.ts';

/** Entries that end the unfinished calls of a cancelled run, because no process will find out what they did. */
export const abandoned = (run: RunFold, status: 'cancelled' | 'failed'): Draft[] =>
  // newest frames first: the end of a call closes the frames below it
  openFrames(run)
    .toReversed()
    .flatMap((frame) =>
      [...callsOf(frame)]
        .filter((call) => call.status === 'started' || holdsIntent(call))
        .map((call): Draft => {
          const message = status === 'failed' ? 'The run failed while it ran, or waited.' : 'The run was cancelled while it ran.';
          const attempts = call.status === 'started' ? 1 : 0;
          // one that asked a person has done nothing, and gives its intent back
          const error =
            attempts > 0 ? failedOnce('CANCELLED', message, call.effect === 'read' ? 'failed' : 'unknown') : notRun('CANCELLED', message);
          return { type: 'call.finished', frame: frame.id || undefined, call: call.id, ok: false, error, attempts, ms: 0 };
        }),
    );

/**
 * Functions that notify waiting agents of the cancellation. Get them before the run ends, because its frames end with it.
 * @param top undefined if the run's agent is not known here. Then no agent is notified.
 */
export function cancelHooks(top: AgentDefinition | undefined, run: RunFold): readonly (() => void)[] {
  if (!top) return [];
  return openFrames(run).flatMap((frame) => agentOf(top, frame)?.onCancelled?.(run, frame) ?? []);
}

/** The message of the reason for which a caller's signal was aborted; undefined if it has none. */
export const reasonOf = (signal: AbortSignal | undefined): string | undefined =>
  signal?.reason instanceof Error ? signal.reason.message : typeof signal?.reason === 'string' ? signal.reason : undefined;
