/** Tells a foreign agent that waits for people that its run was cancelled. */
import type { Frame, RunFold } from '../journal/fold.ts';
import { cancelContext } from './context.ts';
import type { Foreign, State } from './types.ts';

/** Milliseconds that an agent has to close what it left open. */
const LETTING_GO = 10_000;

/** The call of the agent's `cancel`; undefined where the agent has none, or does not wait. It returns at once; a failure is ignored. */
export function letGo({ cancel }: Foreign, run: RunFold, frame: Frame): (() => void) | undefined {
  const { state, asks } = (frame.state ?? {}) as Partial<State>;
  if (!cancel || frame.ended || !asks || Object.keys(asks).length === 0) return undefined;
  return () => {
    const called = async () => cancel(state ?? null, cancelContext(run, frame, LETTING_GO));
    called().catch(() => undefined);
  };
}
