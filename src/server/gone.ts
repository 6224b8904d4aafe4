import type { Engine } from '../engine/engine.ts';
import type { Principal } from '../ports/principal.ts';
import { serverCloses } from './listen.ts';
import type { TakenTurn } from './turns.ts';

/** Cancels the run of a turn if its caller leaves before the turn has ended. A server that closes cancels nothing. */
export function cancelWhenGone(engine: Engine, turn: TakenTurn, by: Principal, signal: AbortSignal, tell: (error: unknown) => void): void {
  const cancel = () => {
    if (!serverCloses(signal)) engine.cancel(turn.runId, { by, reason: 'its caller left' }).catch(tell);
  };
  whenGone(turn, signal, cancel);
}

/** Calls `act` if the caller of a turn leaves before the turn has ended. Then the signal, which may be of a socket with many turns, keeps nothing of it. */
export function whenGone({ result }: TakenTurn, signal: AbortSignal, act: () => void): void {
  if (signal.aborted) act();
  else signal.addEventListener('abort', act, { once: true });
  const over = () => signal.removeEventListener('abort', act);
  result.then(over, over);
}
