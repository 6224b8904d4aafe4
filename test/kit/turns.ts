/** What a turn of a foreign agent is given. */
import type { TurnContext } from '../../src/ports/foreign.ts';
import { Secrets } from '../../src/secrets.ts';

/** What the engine gives to a turn. */
export function context(o: Partial<TurnContext> = {}): TurnContext {
  return {
    signal: new AbortController().signal,
    idempotencyKey: 'key',
    thread: 'thread',
    attempt: 1,
    runId: 'run',
    session: undefined,
    by: undefined,
    context: undefined,
    depth: 1,
    traceparent: undefined,
    secrets: new Secrets(),
    alive: () => undefined,
    decidedBy: undefined,
    emit: undefined,
    ...o,
  };
}

/** A state as the journal gives it back. */
export const stored = <T>(state: T): T => JSON.parse(JSON.stringify(state)) as T;
