import type { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js';
import type { JSONRPCMessage, RequestId } from '@modelcontextprotocol/sdk/types.js';
import type { EventLog } from './event-log.ts';

/** The requests of one POST, which share a stream: those that are open, and those that the client cancelled. */
interface Post {
  readonly open: Set<RequestId>;
  readonly cancelled: RequestId[];
}

/**
 * The streams of the requests of one session. The SDK does not answer a request that its client cancels, as the protocol wants it, and leaves the
 * stream open. Here a stream ends once each request of its POST was answered or cancelled.
 */
export class RequestStreams {
  readonly #transport: WebStandardStreamableHTTPServerTransport;
  readonly #log: EventLog;
  readonly #send: WebStandardStreamableHTTPServerTransport['send'];
  readonly #posts = new Map<RequestId, Post>();

  constructor(transport: WebStandardStreamableHTTPServerTransport, log: EventLog) {
    this.#transport = transport;
    this.#log = log;
    this.#send = transport.send.bind(transport);
    transport.send = async (message, options) => {
      try {
        await this.#send(message, options);
      } finally {
        if (!('method' in message)) this.#answered(message);
      }
    };
  }

  /** Takes note of the requests in a body. @returns what forgets them, for a body that was refused. */
  opened(body: unknown): () => void {
    const ids = messagesIn(body).flatMap(({ id, method }) => (method !== undefined && isId(id) ? [id] : []));
    const post: Post = { open: new Set(ids), cancelled: [] };
    for (const id of ids) this.#posts.set(id, post);
    return () => {
      for (const id of ids) if (this.#posts.get(id) === post) this.#posts.delete(id);
    };
  }

  /** Ends the requests that a body cancels. To be called after the SDK took the body: what it still sends about them comes before the end. */
  cancelled(body: unknown): void {
    for (const { method, params } of messagesIn(body)) {
      if (method !== 'notifications/cancelled') continue;
      const { requestId } = (params ?? {}) as { requestId?: unknown };
      if (isId(requestId)) setImmediate(() => this.#cancelled(requestId));
    }
  }

  #answered(message: JSONRPCMessage): void {
    const { id } = message as { id?: RequestId };
    const post = id === undefined ? undefined : this.#posts.get(id);
    if (id === undefined || !post?.open.delete(id)) return;
    this.#posts.delete(id);
    if (post.open.size > 0) return;
    this.#log.end(message);
    this.#close(post);
  }

  #cancelled(id: RequestId): void {
    const post = this.#posts.get(id);
    if (!post?.open.delete(id)) return;
    this.#posts.delete(id);
    post.cancelled.push(id);
    if (post.open.size === 0) this.#close(post);
  }

  #close({ cancelled }: Post): void {
    for (const id of cancelled) {
      this.#transport.closeSSEStream(id);
      // it reaches no client, because the stream is closed: the SDK forgets a request with its answer
      const answer: JSONRPCMessage = { jsonrpc: '2.0', id, error: { code: -32000, message: 'The request was cancelled.' } };
      this.#log.end(answer, { replayed: false });
      this.#send(answer).catch(() => undefined);
    }
  }
}

interface Message {
  readonly id?: unknown;
  readonly method?: unknown;
  readonly params?: unknown;
}

const isId = (id: unknown): id is RequestId => typeof id === 'string' || typeof id === 'number';

const messagesIn = (body: unknown): readonly Message[] =>
  (Array.isArray(body) ? body : [body]).filter((one): one is Message => typeof one === 'object' && one !== null);
