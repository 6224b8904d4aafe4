/** The run of one call, of an agent or of a tool. */
import type { Engine } from '../../../engine/engine.ts';
import type { RunResult } from '../../../engine/read/results.ts';
import type { RunEvent } from '../../../engine/read/run-event.ts';
import type { Agent } from '../../../loop/types.ts';
import { type Turn, takeTurn } from '../../../server/turns.ts';
import type { Begun } from './carry-out.ts';
import type { Caller, Progress } from './offering.ts';

/** How a call is told and answered. */
export interface Answers<T> {
  told(event: RunEvent): Partial<Progress> | undefined;
  answer(result: RunResult, runId: string): T | Promise<T>;
}

type Taken = Omit<Turn, 'by' | 'assertion' | 'requestId'>;

/**
 * Begins a run with an input, or goes on with one after decisions. Decisions about a run may be none: then it is only followed.
 * @param requestId calls with the same one of one caller are one run.
 */
export async function begin<T>(
  engine: Engine,
  agent: Agent,
  { by, assertion }: Caller,
  requestId: string | undefined,
  { told, answer }: Answers<T>,
  given: Taken,
): Promise<Begun<T>> {
  const take = (turn: Taken) => takeTurn(engine, agent, { by, assertion, ...turn, ...(turn.input !== undefined && { requestId }) });
  const known = given.runId !== undefined && given.decisions?.length === 0;
  const turn = known ? undefined : await take(given);
  const runId = turn?.runId ?? (given.runId as string);
  return {
    turn,
    repeatable: requestId !== undefined,
    call: { runId, told, answer: (result) => answer(result, runId), decided: (decisions) => take({ runId, decisions }) },
  };
}
