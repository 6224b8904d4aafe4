import type { Engine } from '../engine/engine.ts';
import type { Principal } from '../ports/principal.ts';
import { serverCloses } from './listen.ts';
import type { TakenTurn } from './turns.ts';

/** Cancels the run of a turn if its caller leaves before the turn has ended. A server that closes cancels nothing. */
export function cancelWhenGone(engine: Engine, turn: TakenTurn, by: Principal, signal: AbortSignal, tell: (error: unknown) => void): void {
  const cancel = () => {
    if (!serverCloses(signal)) engine.cancel(turn.runId, { by, reason: 'its caller left' }).catch(tell);
  };
  if (signal.aborted) cancel();
  else signal.addEventListener('abort', cancel, { once: true });
  const over = () => signal.removeEventListener('abort', cancel);
  turn.result.then(over, over);
}
