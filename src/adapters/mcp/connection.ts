import type { Client } from '@modelcontextprotocol/sdk/client/index.js';
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import { context, isSpanContextValid, trace } from '@opentelemetry/api';
import { ToolError } from '../../errors.ts';
import type { JsonObject } from '../../json.ts';
import type { ToolContext } from '../../ports/tool.ts';
import type { Secrets } from '../../secrets.ts';
import { consenting } from './auth/consenting.ts';
import { callError, notConnected, unavailable } from './failure.ts';
import { current, type Pending } from './fetch.ts';
import { type Listing, listTools } from './listing.ts';
import type { Bound } from './options.ts';
import { loadClient, loadTypes } from './sdk.ts';
import { openWire, type Wire } from './wire.ts';

/** The envelope times a call out, not the SDK, so this is the longest timer. */
const NEVER = 2 ** 31 - 1;
/** How long progress may extend a call, ms. It bounds a server that reports progress for ever. */
const LONGEST_CALL = 3_600_000;

interface Peer {
  client: Client;
  wire: Wire;
  types: Awaited<ReturnType<typeof loadTypes>>;
  /** Open calls: a dropped connection is closed when the last of them has ended. */
  busy: number;
  given?: 'up';
}

/** Keeps one connection to a server, and reconnects at the next call after it broke. */
export class Connection {
  /** Called when the server may offer other tools: it sent a notification, or it is a new process. */
  onChanged: () => void = () => {};
  readonly #options: Bound;
  readonly #name: string;
  readonly #secrets: Secrets;
  #peer: Promise<Peer> | undefined;
  #connecting: AbortController | undefined;
  #closed = false;
  #calls = 0;
  readonly #progress = new Map<unknown, { ctx: ToolContext; began: number }>();

  constructor(options: Bound, name: string, secrets: Secrets) {
    this.#options = options;
    this.#name = name;
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
    return ctx ? consenting(this.#name, this.#options.access, ctx, () => this.#list()) : this.#list();
  }

  async #list(): Promise<Listing> {
    const { client, types } = await this.#connected();
    const limit = this.#options.startTimeout ?? 30_000;
    try {
      return await listTools(
        // not client.listTools(): it would compile the output schemas of an untrusted server
        (params, timeout) =>
          asked((options) => client.request({ method: 'tools/list', params }, types.ListToolsResultSchema, { ...options, timeout })),
        limit,
      );
    } catch (error) {
      throw unavailable(this.#options, this.#name, 'did not list its tools', (await this.#notes()) ?? '', error);
    }
  }

  /** @throws ToolError with the outcome of the call, as far as it is known; NeedsPerson if a person must consent first. */
  call(tool: string, input: JsonObject, ctx: ToolContext): Promise<CallToolResult> {
    return consenting(this.#name, this.#options.access, ctx, () => this.#call(tool, input, ctx));
  }

  async #call(tool: string, input: JsonObject, ctx: ToolContext): Promise<CallToolResult> {
    const peer = await raced(this.#connected(), ctx.signal);
    const stop = new AbortController();
    const onAbort = () => stop.abort(ctx.signal.reason);
    ctx.signal.addEventListener('abort', onAbort);
    const progressToken = `rondo-${++this.#calls}`;
    this.#progress.set(progressToken, { ctx, began: performance.now() });
    peer.busy++;
    try {
      const params = { name: tool, arguments: input as Record<string, unknown>, _meta: { ...meta(ctx), progressToken } };
      return await asked((options) =>
        peer.client.request({ method: 'tools/call', params }, peer.types.CallToolResultSchema, {
          ...options,
          signal: stop.signal,
          timeout: NEVER,
        }),
      );
    } catch (error) {
      if (ctx.signal.aborted)
        throw new ToolError('ABORTED', `The call of ${tool} was given up.`, { outcome: 'unknown', cause: ctx.signal.reason });
      const { failure, broken } = callError(peer.wire.flaw() ?? error, this.#name, tool);
      if (broken) this.#giveUp(peer);
      throw failure;
    } finally {
      ctx.signal.removeEventListener('abort', onAbort);
      this.#progress.delete(progressToken);
      peer.busy--;
      if (peer.given && peer.busy === 0) void peer.client.close().catch(() => {});
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#connecting?.abort(new Error('closed'));
    const peer = await this.#peer?.catch(() => undefined);
    this.#peer = undefined;
    if (!peer) return;
    await Promise.race([peer.wire.bye().catch(() => {}), delay(1_000)]);
    await peer.client.close().catch(() => {});
    await Promise.race([peer.wire.gone, delay(5_000)]);
  }

  #connected(): Promise<Peer> {
    if (this.#closed) return Promise.reject(notConnected(this.#name, new Error('closed')));
    this.#peer ??= this.#connect().catch((error) => {
      this.#peer = undefined;
      throw error;
    });
    return this.#peer;
  }

  async #connect(): Promise<Peer> {
    const o = this.#options;
    this.#connecting = new AbortController();
    const { signal } = this.#connecting;
    const [{ Client }, types, wire] = await Promise.all([loadClient(), loadTypes(), openWire(o, this.#name, this.#secrets)]);
    const client = new Client({ name: 'rondo', version: '0.1.0' });
    const peer: Peer = { client, wire, types, busy: 0 };
    client.setNotificationHandler(types.ToolListChangedNotificationSchema, () => {
      this.onChanged();
    });
    client.onclose = () => this.#giveUp(peer);
    // read from the transport: the SDK loses a progress that arrives together with the result
    wire.transport.onmessage = (message) => {
      if ('method' in message && message.method === 'notifications/progress') this.#onProgress(message.params ?? {});
    };
    try {
      await client.connect(wire.transport, { timeout: o.startTimeout ?? 30_000, signal });
    } catch (error) {
      // the SDK has started to close it; without this wait, the child process would outlive ours
      wire.kill();
      await client.close().catch(() => {});
      await Promise.race([wire.gone, delay(5_000)]);
      signal.throwIfAborted();
      throw unavailable(o, this.#name, 'did not start', wire.notes(), error);
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
    const call = this.#progress.get(progressToken);
    if (!call) return;
    if (performance.now() - call.began < LONGEST_CALL) call.ctx.alive();
    call.ctx.progress({ progress, ...more });
  }

  async #notes(): Promise<string | undefined> {
    return (await this.#peer?.catch(() => undefined))?.wire.notes();
  }

  /** The next call opens a new connection; open calls on this one may still end. */
  #giveUp(peer: Peer): void {
    if (peer.given) return;
    peer.given = 'up';
    void this.#peer?.then(
      (now) => {
        if (now === peer) this.#peer = undefined;
      },
      () => {},
    );
  }
}

/** One request. It also ends when its answer can no longer arrive. */
function asked<T>(request: (options: { onresumptiontoken(): void }) => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const pending: Pending = { resumable: false, lost: reject };
    const onresumptiontoken = () => {
      pending.resumable = true;
    };
    current.run(pending, () => request({ onresumptiontoken })).then(resolve, reject);
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
