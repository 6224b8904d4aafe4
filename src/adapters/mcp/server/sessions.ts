/** The sessions of revision 2025-11-25, in the memory of this process. */
import { randomUUID } from 'node:crypto';
import type { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js';
import { invalid } from '../../../errors.ts';
import { checkOptions } from '../../../options.ts';
import { isSamePrincipal, type Principal } from '../../../ports/principal.ts';
import { LONGEST_TIMER } from '../../../reliability/timer.ts';
import { eventStream } from '../../../server/sse.ts';
import { loadServer } from '../sdk.ts';
import { authInfoOf, callerIn } from './callers.ts';
import { isClosing } from './closing.ts';
import { EventLog } from './event-log.ts';
import { legacyServer } from './legacy.ts';
import { type Caller, INVALID_PARAMS, type Served } from './offering.ts';
import { wrongParams } from './params.ts';
import { RequestStreams } from './request-streams.ts';
import { rpcAnswer } from './rpc-answer.ts';

export interface McpSessionOptions {
  /** Milliseconds without a request after which a session ends. A call under way keeps it. Default 3,600,000. */
  timeout?: number;
  /** Sessions of one caller; with one more, the one that was not used for longest ends. Default 100. */
  most?: number;
  /** Milliseconds that a person has to answer an elicitation. Then the call answers that it waits. Default 600,000. */
  elicitTimeout?: number;
}

const OPTIONS = {
  timeout: 'timeout: 3_600_000',
  most: 'most: 100',
  elicitTimeout: 'elicitTimeout: 600_000',
} satisfies Record<keyof McpSessionOptions, string>;

/** Sessions of all callers together. */
const MOST_OF_ALL = 10_000;

/** @returns undefined for a server without sessions. @throws RondoError `CONFIG_INVALID`. */
export function sessionOptions(given: boolean | McpSessionOptions | undefined, where: string): Required<McpSessionOptions> | undefined {
  if (given === undefined || given === false) return undefined;
  const o = given === true ? {} : given;
  checkOptions(o, OPTIONS, `${where}: sessions`);
  const all = { timeout: 3_600_000, most: 100, elicitTimeout: 600_000, ...o };
  for (const [name, value] of Object.entries(all))
    if (!(Number.isInteger(value) && value > 0 && value <= LONGEST_TIMER))
      throw invalid(`${where}: sessions.${name} is a whole number from 1 to ${LONGEST_TIMER}.`);
  return all;
}

interface Session {
  readonly id: string;
  readonly by: Principal;
  readonly transport: WebStandardStreamableHTTPServerTransport;
  readonly log: EventLog;
  readonly streams: RequestStreams;
  /** Requests under way, other than the stream of the server's own messages. */
  busy: number;
  timer?: NodeJS.Timeout;
  /** The server closes: the session ends with the last request under way. */
  closing: boolean;
  closed: boolean;
}

export class McpSessions {
  readonly #served: Served;
  readonly #o: Required<McpSessionOptions>;
  /** The one that was used last is the last. */
  readonly #sessions = new Map<string, Session>();

  constructor(served: Served, o: Required<McpSessionOptions>) {
    this.#served = served;
    this.#o = o;
  }

  async answer(caller: Caller, request: Request, body: unknown): Promise<Response> {
    const id = request.headers.get('mcp-session-id');
    if (id === null) {
      if (isInitialize(body)) return this.#begin(caller, request, body);
      return rpcAnswer(400, body, -32600, 'Missing required Mcp-Session-Id header');
    }
    const session = this.#sessions.get(id);
    // a session of another caller is exactly as if there were none
    if (!session || !isSamePrincipal(session.by, caller.by)) return rpcAnswer(404, body, -32001, 'Session not found');
    return this.#pass(session, caller, request, body);
  }

  async #begin(caller: Caller, request: Request, body: unknown): Promise<Response> {
    const sdk = await loadServer();
    // the SDK would say that there is no session
    const wrong = wrongParams(body, new Map([['initialize', sdk.InitializeRequestSchema]]));
    if (wrong !== undefined) return rpcAnswer(200, body, INVALID_PARAMS, wrong);
    // nothing is awaited between the count and the entry, so sessions that begin at once count each other
    if (!this.#room(caller.by)) return rpcAnswer(503, body, -32000, 'There are too many sessions. Try again later.');
    const log = new EventLog();
    const transport = new sdk.WebStandardStreamableHTTPServerTransport({ sessionIdGenerator: () => session.id, eventStore: log });
    const streams = new RequestStreams(transport, log);
    const session: Session = { id: randomUUID(), by: caller.by, transport, log, streams, busy: 1, closing: false, closed: false };
    this.#sessions.set(session.id, session);
    const { server, connect, tell } = legacyServer(sdk, this.#served, (extra) => callerIn(extra.authInfo), {
      elicitTimeout: this.#o.elicitTimeout,
      isClosed: () => session.closed,
    });
    const leave = this.#served.offering.changes.on(tell);
    // before the SDK's own listener, which aborts the requests under way: the client did not ask for that
    transport.onclose = () => {
      session.closed = true;
      leave();
      clearTimeout(session.timer);
      this.#sessions.delete(session.id);
    };
    try {
      await connect(transport);
      return await this.#pass(session, caller, request, body);
    } finally {
      session.busy--;
      this.#rest(session);
      // an initialization that was refused leaves no session
      if (transport.sessionId === undefined) await server.close();
    }
  }

  async #pass(session: Session, caller: Caller, request: Request, parsedBody: unknown): Promise<Response> {
    const { id, transport, log, streams } = session;
    this.#sessions.delete(id);
    this.#sessions.set(id, session);
    const authInfo = authInfoOf(caller);
    const closes = () => {
      session.closing ||= isClosing(request.signal);
      if (session.closing) this.#rest(session);
    };
    request.signal.addEventListener('abort', closes, { once: true });
    if (request.method === 'GET') {
      this.#rest(session);
      const last = request.headers.get('last-event-id');
      const rest = last === null ? undefined : log.endOf(last);
      return rest ? endOfStream(rest, request) : transport.handleRequest(request, { authInfo });
    }
    const forget = streams.opened(parsedBody);
    session.busy++;
    clearTimeout(session.timer);
    const done = () => {
      session.busy--;
      this.#rest(session);
    };
    try {
      const response = await transport.handleRequest(request, { parsedBody, authInfo });
      if (!response.ok) forget();
      streams.cancelled(parsedBody);
      if (!response.body) {
        done();
        return response;
      }
      return new Response(ending(response.body, done), response);
    } catch (error) {
      forget();
      done();
      throw error;
    }
  }

  /** Ends the session after its time, if nothing is under way then; with its streams at once, if the server closes. */
  #rest(session: Session): void {
    clearTimeout(session.timer);
    if (session.closed || session.busy > 0) return;
    if (session.closing) return void session.transport.close();
    session.timer = setTimeout(() => void session.transport.close(), this.#o.timeout);
    session.timer.unref();
  }

  /** Makes room for a session of a caller. @returns whether there is. */
  #room(by: Principal): boolean {
    const own = [...this.#sessions.values()].filter((session) => isSamePrincipal(session.by, by));
    if (own.length >= this.#o.most) {
      const oldest = own.find((session) => session.busy === 0);
      if (!oldest) return false;
      this.#sessions.delete(oldest.id);
      void oldest.transport.close();
    }
    return this.#sessions.size < MOST_OF_ALL;
  }
}

const isInitialize = (body: unknown): boolean =>
  typeof body === 'object' && body !== null && (body as { method?: unknown }).method === 'initialize';

/** The rest of a stream that has ended. Without one the client is told not to connect again: some do so for as long as they have read no result. */
function endOfStream(rest: ReturnType<EventLog['endOf']> & object, { signal }: Request): Response {
  if (rest.length === 0) return new Response(null, { status: 204 });
  const events = async function* () {
    for (const { id, message } of rest) yield { id, event: 'message', data: message };
  };
  return eventStream(events(), { signal });
}

/** The same bytes, and `done` is called once when there are no more: at the end, or because the reader left. */
function ending(body: ReadableStream<Uint8Array>, done: () => void): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  let over = false;
  const end = () => {
    if (!over) done();
    over = true;
  };
  return new ReadableStream({
    async pull(controller) {
      const next = await reader.read().catch((error) => {
        end();
        throw error;
      });
      if (!next.done) return controller.enqueue(next.value);
      // a cancelled reader ends the read that is pending
      if (over) return;
      end();
      controller.close();
    },
    cancel(reason) {
      end();
      return reader.cancel(reason);
    },
  });
}
