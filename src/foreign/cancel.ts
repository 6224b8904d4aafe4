/** Notifies a foreign agent that its run was cancelled while it waited for people. */
import type { Frame, RunFold } from '../journal/fold/fold.ts';
import { cancelContext } from './context.ts';
import type { Foreign, State } from './types.ts';

/** Milliseconds that the agent's `cancel` may take. */
const CANCEL_TIMEOUT = 10_000;

/**
 * A function that calls the agent's `cancel` in the background and ignores its failure; undefined if the agent has none, or does not wait
 * for people.
 */
export function cancelHook({ cancel }: Foreign, run: RunFold, frame: Frame): (() => void) | undefined {
  const { state, asks } = (frame.state ?? {}) as Partial<State>;
  if (!cancel || frame.ended || !asks || Object.keys(asks).length === 0) return undefined;
  return () => {
    const called = async () => cancel(state ?? null, cancelContext(run, frame, CANCEL_TIMEOUT));
    called().catch(() => undefined);
  };
}
