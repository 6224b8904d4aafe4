import type { EventStore } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js';
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js';

/** Most messages and characters that one session keeps for streams that broke. */
const MOST = { messages: 1_000, chars: 4 * 1024 * 1024 };

/** The newest messages of a session, so that a client whose stream broke can read on. */
export class EventLog implements EventStore {
  readonly #events = new Map<string, { stream: string; message: JSONRPCMessage; chars: number }>();
  /** The messages that end their stream, and whether they are replayed. */
  readonly #ends = new WeakMap<JSONRPCMessage, boolean>();
  #last = 0;
  #chars = 0;

  async storeEvent(stream: string, message: JSONRPCMessage): Promise<string> {
    const id = String(++this.#last);
    const chars = JSON.stringify(message).length;
    this.#events.set(id, { stream, message, chars });
    this.#chars += chars;
    for (const [oldest, event] of this.#events) {
      if (this.#events.size <= MOST.messages && (this.#chars <= MOST.chars || this.#events.size === 1)) break;
      this.#events.delete(oldest);
      this.#chars -= event.chars;
    }
    return id;
  }

  /** The stream of a message ends with it. */
  end(message: JSONRPCMessage, { replayed = true } = {}): void {
    this.#ends.set(message, replayed);
  }

  /** What came after an event on a stream that has ended; undefined for a stream that has not, and for an event that is not kept. */
  endOf(last: string): readonly { id: string; message: JSONRPCMessage }[] | undefined {
    const stream = this.#events.get(last)?.stream;
    const events = [...this.#events].filter(([, event]) => stream !== undefined && event.stream === stream);
    if (!events.some(([, { message }]) => this.#ends.has(message))) return undefined;
    return events
      .filter(([id, { message }]) => Number(id) > Number(last) && this.#ends.get(message) !== false)
      .map(([id, { message }]) => ({ id, message }));
  }

  async getStreamIdForEventId(id: string): Promise<string | undefined> {
    return this.#events.get(id)?.stream;
  }

  /** @throws Error for an event that is not kept any more. */
  async replayEventsAfter(last: string, { send }: { send: (id: string, message: JSONRPCMessage) => Promise<void> }): Promise<string> {
    const stream = this.#events.get(last)?.stream;
    if (stream === undefined) throw new Error(`the event ${last.slice(0, 40)} is not kept any more`);
    for (const [id, event] of this.#events) if (Number(id) > Number(last) && event.stream === stream) await send(id, event.message);
    return stream;
  }
}
