import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import { context, isSpanContextValid, trace } from '@opentelemetry/api';
import { NeedsPerson, ToolError } from '../../errors.ts';
import { lazy } from '../../flight.ts';
import { type JsonObject, sizeOf } from '../../json.ts';
import type { ChangedList, MaterialKind } from '../../ports/materials.ts';
import type { Effect, ToolContext } from '../../ports/tool.ts';
import { inTime } from '../../reliability/patience.ts';
import type { Secrets } from '../../secrets.ts';
import { consenting } from './auth/consenting.ts';
import type { Dialect, Events } from './dialect.ts';
import { toVisit } from './elicitation.ts';
import { type Asked, callError, notConnected, unavailable } from './failure.ts';
import { current, type Pending } from './fetch.ts';
import { legacy } from './legacy.ts';
import { type Listing, listTools } from './listing.ts';
import type { Elicited } from './midway.ts';
import { modern } from './modern.ts';
import { OpenCall } from './open-call.ts';
import type { Bound } from './options.ts';
import { isModern } from './options.ts';
import { openWire, type Wire } from './wire.ts';

/** The envelope times a call out, not the SDK, so this is the longest timer. */
const NEVER = 2 ** 31 - 1;
/** The answers to a first request that a server of another transport gives. */
const OLD: ReadonlySet<unknown> = new Set([400, 404, 405]);
/** How long progress may extend a call, ms. It bounds a server that reports progress for ever. */
const LONGEST_CALL = 3_600_000;
/** Characters of a line that a server logs; a longer one is left out. */
const LARGEST_LINE = 65_536;

interface Peer {
  dialect: Dialect;
  wire: Wire;
  /** Open calls: a dropped connection is closed when the last of them has ended. */
  busy: number;
  dropped?: boolean;
}

/** Keeps one connection to a server, and reconnects at the next call after it broke. */
export class Connection {
  /** Called when the server says that a list has changed; without one when it is a new process, which may have others of all. */
  onChanged: (list?: ChangedList) => void = () => {};
  readonly #options: Bound;
  readonly name: string;
  readonly #secrets: Secrets;
  readonly #peer = lazy(() => this.#connect());
  #connecting: AbortController | undefined;
  #closed = false;
  /** The server speaks HTTP with SSE. */
  #old = false;
  #calls = 0;
  /** The calls that are under way, by their progress token. */
  readonly #open = new Map<unknown, OpenCall>();

  constructor(options: Bound, name: string, secrets: Secrets) {
    this.#options = options;
    this.name = name;
    this.#secrets = secrets;
  }

  async open(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const onAbort = () => this.#connecting?.abort(signal.reason);
    signal.addEventListener('abort', onAbort);
    try {
      await this.#connected();
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** @param ctx of the call that a person may be asked for. */
  list(ctx?: ToolContext): Promise<Listing> {
    return ctx ? consenting(this.name, this.#options.access, ctx, () => this.#list()) : this.#list();
  }

  async #list(): Promise<Listing> {
    const { dialect } = await this.#connected();
    const limit = this.#options.startTimeout ?? 30_000;
    try {
      return await listTools((params, timeout) => asked((options) => dialect.list(params, { ...options, timeout })), limit);
    } catch (error) {
      throw unavailable(this.#options, this.#told, 'did not list its tools', (await this.#notes()) ?? '', error);
    }
  }

  /** @throws ToolError with the outcome of the call, as far as it is known; NeedsPerson if a person must consent first. */
  call(tool: string, input: JsonObject, ctx: ToolContext, effect: Effect): Promise<CallToolResult> {
    return consenting(this.name, this.#options.access, ctx, () => this.#call(tool, input, ctx, effect));
  }

  async #call(tool: string, input: JsonObject, ctx: ToolContext, effect: Effect): Promise<CallToolResult> {
    const peer = await raced(this.#connected(), ctx.signal);
    const { elicit, midway } = this.#options;
    const call = new OpenCall({ server: this.name, tool, effect, ctx, answering: elicit, midway: midway?.() });
    const onAbort = () => call.stop.abort(ctx.signal.reason);
    ctx.signal.addEventListener('abort', onAbort);
    const progressToken = `rondo-${++this.#calls}`;
    this.#open.set(progressToken, call);
    peer.busy++;
    try {
      const params = { name: tool, arguments: input as Record<string, unknown>, _meta: { ...meta(ctx), progressToken } };
      const result = await call.answered((more) =>
        asked((options) => peer.dialect.call({ ...params, ...more }, { ...options, signal: call.stop.signal, timeout: NEVER }), call),
      );
      if (call.asks) throw call.asks;
      return result;
    } catch (error) {
      if (NeedsPerson.is(error)) throw error;
      if (call.asks) throw call.asks;
      if (ctx.signal.aborted)
        throw new ToolError('ABORTED', `The call of ${tool} was given up.`, { outcome: 'unknown', cause: ctx.signal.reason });
      const visit = toVisit(error, this.name);
      if (visit) throw visit;
      const { failure, broken } = callError(peer.wire.flaw() ?? error, { ...this.#asked(tool), effect });
      if (broken) this.#giveUp(peer);
      throw failure;
    } finally {
      ctx.signal.removeEventListener('abort', onAbort);
      this.#open.delete(progressToken);
      peer.busy--;
      if (peer.dropped && peer.busy === 0) void peer.dialect.close().catch(() => {});
    }
  }

  #asked(what: string): Asked {
    const { trustAnnotations, trustRefusals } = this.#options;
    return { server: this.name, what, trusted: trustAnnotations === true || trustRefusals === true, mask: this.#secrets.mask };
  }

  /** The call that a message without a token is about: the one on whose stream it came, or the only one. */
  #callOfMessage(): OpenCall | undefined {
    return (current.getStore()?.of as OpenCall | undefined) ?? (this.#open.size === 1 ? [...this.#open.values()][0] : undefined);
  }

  /** The server asks in the middle of a call. */
  async #elicited(params: JsonObject): Promise<Elicited> {
    const call = this.#callOfMessage();
    return call ? call.elicited(params) : { action: 'cancel' };
  }

  /** Reads something else than tools. @param ctx of the call that a person may be asked for. @throws ToolError */
  read(method: string, params: JsonObject, signal: AbortSignal, ctx?: ToolContext): Promise<JsonObject> {
    const run = async () => {
      const peer = await raced(this.#connected(), signal);
      const timeout = this.#options.startTimeout ?? 30_000;
      try {
        return await asked((options) => peer.dialect.request(method, params, { ...options, signal, timeout }));
      } catch (error) {
        const { failure, broken } = callError(peer.wire.flaw() ?? error, this.#asked(method));
        if (broken) this.#giveUp(peer);
        throw failure;
      }
    };
    return ctx ? consenting(this.name, this.#options.access, ctx, run) : run();
  }

  /** Which of these the server says that it has. */
  async has<W extends MaterialKind>(what: readonly W[]): Promise<W[]> {
    const { dialect } = await this.#connected();
    return what.filter((one) => dialect.has(one));
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#connecting?.abort(new Error('closed'));
    const peer = await this.#peer.current()?.catch(() => undefined);
    this.#peer.forget();
    if (!peer) return;
    await Promise.race([peer.wire.bye().catch(() => {}), delay(1_000)]);
    await peer.dialect.close().catch(() => {});
    await Promise.race([peer.wire.gone, delay(5_000)]);
  }

  #connected(): Promise<Peer> {
    if (this.#closed) return Promise.reject(notConnected(this.name, new Error('closed')));
    return this.#peer();
  }

  async #connect(): Promise<Peer> {
    const o = this.#options;
    try {
      return await this.#connectBy(o, this.#old);
    } catch (error) {
      // what a server of HTTP with SSE answers, which came before streamable HTTP
      const { code } = ((error as Error).cause ?? {}) as { code?: unknown };
      if (o.url === undefined || this.#old || !OLD.has(code)) throw error;
      const peer = await this.#connectBy(o, true).catch(() => {
        throw error;
      });
      this.#old = true;
      return peer;
    }
  }

  async #connectBy(o: Bound, old: boolean): Promise<Peer> {
    this.#connecting = new AbortController();
    const { signal } = this.#connecting;
    const { protocol } = o;
    const wire = await openWire(o, this.name, this.#secrets, old);
    const events: Events = {
      changed: (list) => this.onChanged(list),
      closed: () => this.#giveUp(peer),
      elicited: (params) => this.#elicited(params),
    };
    const later = isModern(o) && !old;
    const dialect = await (later ? modern(wire, events, protocol === 'auto' ? undefined : protocol) : legacy(wire, events));
    const peer: Peer = { dialect, wire, busy: 0 };
    // read from the transport: the SDK loses a progress that arrives together with the result
    wire.transport.onmessage = (message) => {
      if (!('method' in message)) return;
      if (message.method === 'notifications/progress') this.#onProgress(message.params ?? {});
      if (message.method === 'notifications/message') this.#onLog((message.params ?? {}) as JsonObject);
    };
    try {
      const timeout = o.startTimeout ?? 30_000;
      // the SDK waits for the first event of the old transport without a limit
      await inTime(dialect.connect({ timeout, signal }), timeout * 2, `MCP server "${this.name}"`);
    } catch (error) {
      // the SDK has started to close it; without this wait, the child process would outlive ours
      wire.kill();
      await dialect.close().catch(() => {});
      await Promise.race([wire.gone, delay(5_000)]);
      signal.throwIfAborted();
      throw unavailable(o, this.#told, 'did not start', wire.notes(), error);
    } finally {
      // the SDK would cancel a handshake that ended long ago
      this.#connecting = undefined;
    }
    this.onChanged();
    return peer;
  }

  #onProgress({ progressToken, progress, total, message }: { [k: string]: unknown }): void {
    if (typeof progress !== 'number') return;
    const more = { ...(typeof total === 'number' && { total }), ...(typeof message === 'string' && { message }) };
    const call = this.#open.get(progressToken);
    if (!call) return;
    if (performance.now() - call.began < LONGEST_CALL) call.ctx.alive();
    call.ctx.progress({ progress, ...more });
  }

  /** What the server logs in the middle of a call is told as the tool's own. */
  #onLog({ level, logger, data }: JsonObject): void {
    if (typeof level !== 'string' || data === undefined || sizeOf(data) > LARGEST_LINE) return;
    this.#callOfMessage()?.logged({ level, data, ...(typeof logger === 'string' && { logger }) });
  }

  get #told() {
    return { name: this.name, mask: this.#secrets.mask };
  }

  async #notes(): Promise<string | undefined> {
    return (await this.#peer.current()?.catch(() => undefined))?.wire.notes();
  }

  /** The next call opens a new connection; open calls on this one may still end. */
  #giveUp(peer: Peer): void {
    if (peer.dropped) return;
    peer.dropped = true;
    void this.#peer.current()?.then(
      (now) => {
        if (now === peer) this.#peer.forget();
      },
      () => {},
    );
  }
}

/** Milliseconds for which a server may go on with a request that is over, such as to end it once it was told that it is cancelled. */
const LINGER = 1_000;

/** One request. It also ends when its answer can no longer arrive. */
function asked<T>(request: (options: { onresumptiontoken(): void }) => Promise<T>, of?: OpenCall): Promise<T> {
  return new Promise((resolve, reject) => {
    const over = new AbortController();
    const pending: Pending = { resumable: false, lost: reject, of, over: over.signal };
    const onresumptiontoken = () => {
      pending.resumable = true;
    };
    const end = () => setTimeout(() => over.abort(new Error('The request is over.')), LINGER).unref();
    current
      .run(pending, () => request({ onresumptiontoken }))
      .finally(end)
      .then(resolve, reject);
  });
}

function meta(ctx: ToolContext): Record<string, string> {
  const span = trace.getSpanContext(context.active());
  const traceparent = span && isSpanContextValid(span) && `00-${span.traceId}-${span.spanId}-0${span.traceFlags & 1}`;
  return { 'rondo/idempotency-key': ctx.idempotencyKey, ...(traceparent && { traceparent }) };
}

/** Waits at most as long as the call may take. The connection is shared and stays. */
function raced<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () =>
      reject(new ToolError('ABORTED', 'The call was given up before it was sent.', { outcome: 'not-run', cause: signal.reason }));
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

const delay = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms).unref());
