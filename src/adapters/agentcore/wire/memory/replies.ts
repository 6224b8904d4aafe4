/** Answers that a client token gives again. */
import { joining } from '../../../../flight.ts';
import type { World } from '../call.ts';
import type { Output } from '../codec/encode.ts';

const REPLY = 'memory-reply';
interface Reply {
  id: string;
  answer: Output;
  /** Epoch milliseconds. */
  at: number;
}

/** Milliseconds that an answer is kept. A client repeats a request within minutes. */
const KEPT = 86_400_000;

export function removeReplies({ state }: Pick<World, 'state'>, memory: string): void {
  for (const { id } of state.list<Reply>(REPLY, memory)) state.delete(REPLY, id);
}

/**
 * The answer of the first request with a client token. A request with the same token is ignored, whatever it holds, as AWS documents it for events.
 * Without a token, `make` is called each time.
 */
export function replies({ state, clock }: Pick<World, 'state' | 'clock'>) {
  const isOver = ({ at }: Reply) => clock.now() >= at + KEPT;
  const join = joining<string, Output>();
  return async (operation: string, memory: string, token: string | undefined, make: () => Promise<Output>): Promise<Output> => {
    if (token === undefined) return make();
    const id = `${operation} ${memory} ${token}`;
    const known = state.get<Reply>(REPLY, id);
    if (known && !isOver(known)) return known.answer;
    return join(id, async () => {
      const answer = await make();
      for (const old of state.page<Reply>(REPLY, memory, { maxResults: 10 }).items) if (isOver(old)) state.delete(REPLY, old.id);
      state.put(REPLY, id, { id, answer, at: clock.now() } satisfies Reply, memory);
      return answer;
    });
  };
}
export type Replies = ReturnType<typeof replies>;
