/** `/ws` of the protocol AG-UI: each text message of a client is a `RunAgentInput`, and each of the server an event of its turn. */
import type { WebSocket } from 'ws';
import type { agUiTurns } from '../../ag-ui/handler.ts';
import { type Asked, within } from './invocation.ts';
import type { Invocations } from './invocations.ts';
import { attend, sender, TOO_MANY } from './socket.ts';

/** Inputs that wait for the turn before them. */
const MOST = 10;
/** The code of a close. */
const NO_TEXT = 1003;

/**
 * One turn at a time, in the order of the inputs: an event does not say of which turn it is, and an error would end the one that goes on. A socket
 * that closes ends no run.
 */
export function converseInEvents(o: Invocations, asked: Asked, socket: WebSocket, turns: ReturnType<typeof agUiTurns>): void {
  const gone = new AbortController();
  attend(o, socket, () => gone.abort());
  const send = sender(socket);
  let waiting = 0;
  let last = Promise.resolve();

  const take = (text: string) =>
    within(asked, async () => {
      if (gone.signal.aborted || o.closing.aborted) return;
      for await (const event of turns(text, asked, gone.signal)) await send(JSON.stringify(event));
    });

  socket.on('message', (data, binary) => {
    if (binary) return socket.close(NO_TEXT, 'a message is a text frame of JSON');
    if (waiting > MOST) return socket.close(TOO_MANY, `more than ${MOST} inputs wait`);
    waiting++;
    last = last
      .then(() => take(String(data)))
      .catch(o.tell)
      .finally(() => {
        waiting--;
      });
  });
}
