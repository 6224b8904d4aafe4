/** Answers that a client token gives again. */
import { joining } from '../../../../flight.ts';
import type { World } from '../call.ts';
import type { Output } from '../codec/encode.ts';

const REPLY = 'memory-reply';
interface Reply {
  answer: Output;
  goneAt: number;
}

/** Milliseconds that an answer is kept. A client repeats a request within minutes. */
const KEPT = 86_400_000;

/**
 * The answer of the first request with a client token. A request with the same token is ignored, whatever it holds, as AWS documents it for events.
 * Without a token, `make` is called each time.
 */
export function replies({ state, clock }: Pick<World, 'state' | 'clock'>) {
  const join = joining<string, Output>();
  return async (operation: string, memory: string, token: string | undefined, make: () => Promise<Output>): Promise<Output> => {
    if (token === undefined) return make();
    const id = `${operation} ${memory} ${token}`;
    const known = state.get<Reply>(REPLY, id);
    if (known) return known.answer;
    return join(id, async () => {
      const answer = await make();
      state.put(REPLY, id, { answer, goneAt: clock.now() + KEPT } satisfies Reply, memory);
      return answer;
    });
  };
}
export type Replies = ReturnType<typeof replies>;
