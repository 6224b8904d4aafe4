/** What a cancelled run leaves behind: calls that no process will finish, and agents that wait for people. */

import { failedOnce } from '../errors.ts';
import type { Draft } from '../journal/entries.ts';
import type { RunFold } from '../journal/fold.ts';
import { callsOf } from '../journal/frame.ts';
import type { AgentDefinition } from '../loop/types.ts';

import { agentOf } from './lookup.ts';

/** The ends of calls that a cancelled run leaves behind: no process will come back to find out what they did. */
export const abandoned = (run: RunFold, status: 'cancelled' | 'failed'): Draft[] =>
  // the newest frames first: a call that is answered closes what is below it
  [run.root, ...run.frames.values()].toReversed().flatMap((frame) =>
    [...callsOf(frame)]
      .filter((call) => call.status === 'started')
      .map((call): Draft => {
        const message = status === 'failed' ? 'The run failed while it ran, or waited.' : 'The run was cancelled while it ran.';
        const error = failedOnce('CANCELLED', message, call.effect === 'read' ? 'failed' : 'unknown');
        return { type: 'call.finished', frame: frame.id || undefined, call: call.id, ok: false, error, attempts: 1, ms: 0 };
      }),
  );

/**
 * What agents that wait for people do once no answer will come. Looked up before the run ends, because their frames end with it.
 * @param top undefined where the run's agent is not known here: then no agent can be told.
 */
export function farewells(top: AgentDefinition | undefined, run: RunFold): readonly (() => void)[] {
  if (!top) return [];
  return [run.root, ...run.frames.values()].flatMap((frame) => agentOf(top, frame)?.letGo?.(run, frame) ?? []);
}

/** Why a caller's signal was aborted, where it says so in words. */
export const reasonOf = (signal: AbortSignal | undefined): string | undefined =>
  signal?.reason instanceof Error ? signal.reason.message : typeof signal?.reason === 'string' ? signal.reason : undefined;
