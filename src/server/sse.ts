import type { RunEvent } from '../engine/read/run-event.ts';
import type { Run } from '../engine/run.ts';
import { RondoError } from '../errors.ts';
import { checkOptions } from '../options.ts';
import { assertEvents } from './accept.ts';
import { HttpError } from './errors.ts';

/** A Server-Sent Event. `data` is sent as JSON. A client that reconnects sends the last `id` that it received. */
export interface ServerEvent {
  id?: number | string;
  /** The name of the event. Absent: `message`, as browsers take it. */
  event?: string;
  data: unknown;
}

export interface StreamOptions {
  /** The signal of the request. It ends the stream. */
  signal?: AbortSignal;
  /** Milliseconds between comments that keep proxies from closing a quiet connection. Default 15,000. */
  heartbeat?: number;
  /** Most bytes that are written at once. Default: no limit. */
  maxChunk?: number;
  /** Makes the data of the event `error`, which ends a stream that fails. Default: `{ code, message, details }` of a RondoError. */
  problem?: (error: unknown) => unknown;
}

const OPTIONS = {
  signal: 'signal: request.signal',
  heartbeat: 'heartbeat: 15_000',
  maxChunk: 'maxChunk: 65_536',
  problem: 'problem: (error) => ({ code })',
} satisfies Record<keyof StreamOptions, string>;

const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache, no-transform',
  // disables the response buffering of nginx
  'x-accel-buffering': 'no',
};

/** Events as a streaming `Response` with backpressure. When the reader disconnects, the source's `return()` is called. */
export function eventStream(events: AsyncIterable<ServerEvent>, o: StreamOptions = {}): Response {
  checkOptions(o, OPTIONS, 'eventStream()');
  const { signal, heartbeat = 15_000, problem = told, maxChunk = Number.POSITIVE_INFINITY } = o;
  const encoder = new TextEncoder();
  let source: AsyncIterator<ServerEvent> | undefined;
  let beat: NodeJS.Timeout | undefined;
  let ended = false;
  let end = () => {};
  const put = (controller: ReadableStreamDefaultController<Uint8Array>, event: ServerEvent) => {
    const bytes = encoder.encode(frame(event));
    for (let at = 0; at < bytes.length; at += maxChunk)
      controller.enqueue(bytes.length <= maxChunk ? bytes : bytes.subarray(at, at + maxChunk));
  };
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      source = events[Symbol.asyncIterator]();
      end = () => {
        if (ended) return;
        leave();
        controller.close();
      };
      if (signal?.aborted) return end();
      signal?.addEventListener('abort', end, { once: true });
      // a reader that has stalled gets no more heartbeats
      beat = setInterval(() => {
        if ((controller.desiredSize ?? 0) > 0) controller.enqueue(encoder.encode(': keep-alive\n\n'));
      }, heartbeat);
      beat.unref();
    },
    async pull(controller) {
      try {
        const item = await source?.next();
        if (ended) return;
        if (item && !item.done) return put(controller, item.value);
      } catch (error) {
        if (ended) return;
        put(controller, { event: 'error', data: problem(error) });
      }
      end();
    },
    cancel: () => leave(),
  });
  function leave(): void {
    ended = true;
    clearInterval(beat);
    signal?.removeEventListener('abort', end);
    // not awaited: the source may be waiting for its next event
    Promise.resolve(source?.return?.()).catch(() => undefined);
  }
  return new Response(body, { headers: HEADERS });
}

// JSON has no raw line breaks, so one data line is enough
const frame = ({ id, event, data }: ServerEvent) =>
  `${id === undefined ? '' : `id: ${id}\n`}${event === undefined ? '' : `event: ${event}\n`}data: ${JSON.stringify(data)}\n\n`;

/** The public part of an error: a RondoError with its message, anything else without. */
const told = (error: unknown) =>
  RondoError.is(error)
    ? { code: error.code, message: error.message, details: error.details }
    : { code: 'INTERNAL', message: 'the run could not be followed' };

/**
 * The events of a run as Server-Sent Events: `event` is the event's type, `data` its JSON, `id` its sequence number, so that
 * a browser that reconnects sends `Last-Event-ID`, see {@link lastEventId}. Text deltas have no id.
 * An engine error ends the stream with an event `error` of `{ code, message, details }`. A reader that disconnects does not cancel the run.
 *
 * @param o.signal the signal of the request. It ends the stream, not the run.
 * @throws RondoError `CONFIG_INVALID` for a result in place of a run.
 */
export function sse(run: Run | AsyncIterable<RunEvent>, o: StreamOptions = {}): Response {
  assertEvents(run, 'sse()');
  return eventStream(serverEvents(run), o);
}

/** Not an async generator, because its `return()` would wait for a pending `next()`. */
function serverEvents(run: AsyncIterable<RunEvent>): AsyncIterable<ServerEvent> {
  return {
    [Symbol.asyncIterator]() {
      const events = run[Symbol.asyncIterator]();
      return {
        async next() {
          const { done, value } = await events.next();
          return done ? { done, value: undefined } : { done: false, value: serverEvent(value) };
        },
        async return() {
          await events.return?.();
          return { done: true, value: undefined };
        },
      };
    },
  };
}

const serverEvent = (event: RunEvent): ServerEvent => ({
  ...(event.seq !== undefined && { id: event.seq }),
  event: event.type,
  data: event,
});

/**
 * The position of a reader in a run's events, for `engine.watch(runId, { after })`: the header `Last-Event-ID` that a reconnecting browser
 * sends, else `?after=` of the URL. Undefined if it has neither.
 * @throws HttpError 400 for a value that is not a sequence number.
 */
export function lastEventId(request: Request): number | undefined {
  // the header first: a browser reconnects with the same URL, so `?after=` is older
  const text = request.headers.get('last-event-id') || new URL(request.url).searchParams.get('after');
  if (text === null || text === '') return undefined;
  if (!/^\d{1,15}$/.test(text)) throw new HttpError(400, 'Last-Event-ID, or ?after=, is the id of an event: a whole number.');
  return Number(text);
}

/** Waits for the first item, so that an error before it can still set the response status. Undefined if there are no items. */
export async function begun<T>(items: AsyncIterable<T>): Promise<AsyncIterable<T> | undefined> {
  const iterator = items[Symbol.asyncIterator]();
  const first = await iterator.next();
  if (first.done) return undefined;
  let told = false;
  return {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        if (told) return iterator.next();
        told = true;
        return first;
      },
      return: async () => (await iterator.return?.()) ?? { done: true, value: undefined },
    }),
  };
}
