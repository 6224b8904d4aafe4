/** Drives the frame of a foreign agent: one turn at a time, with people's answers between turns. */
import type { Scope, Settlement } from '../loop/types.ts';
import { answers } from './asks.ts';
import { take } from './turn.ts';
import { type Foreign, type State, TURN } from './types.ts';

/** Takes turns until the agent completes, fails, pauses or stops at a limit. @returns undefined if the run was halted. */
export async function drive(scope: Scope, own: Foreign): Promise<Settlement | undefined> {
  const { frame } = scope;
  if (!frame.tasks)
    await scope.append(() => [{ type: 'frame.began', kind: 'foreign', state: { state: null, asks: {} }, next: [{ node: TURN }] }]);
  for (;;) {
    if (scope.stopsHere()) return undefined;
    await scope.drive.log.adopt();
    const { asks } = frame.state as State;
    const calls = [...(frame.tasks?.values() ?? [])];
    const turn = calls.find((call) => asks[call.id] === undefined);
    if (!turn) {
      const answered = answers(scope, calls, asks, await scope.host.now());
      if (!answered) return { status: 'paused' };
      await scope.append(() => answered);
      continue;
    }
    const end = await take(scope, own, turn);
    if (end !== 'paused') return end;
  }
}
