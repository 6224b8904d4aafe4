/** Answers that a client token gives again. */
import { randomUUID } from 'node:crypto';
import { joining } from '../../../../flight.ts';
import type { World } from '../call.ts';
import type { Output } from '../codec/encode.ts';
import { AwsError } from '../codec/error.ts';

const REPLY = 'memory-reply';
/** It is there before the effect, and has no answer until that is over. */
interface Reply {
  key: string;
  answer?: Output;
  goneAt: number;
}

/** Milliseconds that an answer is kept. A client repeats a request within minutes. */
const KEPT = 86_400_000;

/** Of a request with a client token. */
export interface Attempt {
  /**
   * For what is stored: the same for all attempts. The effect and its reply are in two files, so a server that is killed between the two has no reply.
   * Then the request that comes again finds the effect by its key.
   */
  readonly key: string;
  /** One before it had no answer: its effect may be there. */
  readonly again: boolean;
}

/**
 * The answer of the first request with a client token. A request with the same token is ignored, whatever it holds, as AWS documents it for events.
 * Without a token, `make` is called each time, with undefined.
 */
export function replies({ state, clock }: Pick<World, 'state' | 'clock'>) {
  const join = joining<string, Output>();
  return async (
    operation: string,
    memory: string,
    token: string | undefined,
    make: (attempt: Attempt | undefined) => Promise<Output>,
  ): Promise<Output> => {
    if (token === undefined) return make(undefined);
    const id = `${operation} ${memory} ${token}`;
    const known = state.get<Reply>(REPLY, id);
    if (known?.answer) return known.answer;
    return join(id, async () => {
      const reply: Reply = known ?? { key: randomUUID(), goneAt: clock.now() + KEPT };
      if (!known) state.put(REPLY, id, reply, memory);
      try {
        const answer = await make({ key: reply.key, again: known !== undefined });
        state.put(REPLY, id, { ...reply, answer } satisfies Reply, memory);
        return answer;
      } catch (error) {
        // what is refused has no effect
        if (error instanceof AwsError) state.delete(REPLY, id);
        throw error;
      }
    });
  };
}
export type Replies = ReturnType<typeof replies>;
