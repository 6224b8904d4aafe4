import { RondoError, type Run, type RunEvent } from '../../index.ts';

/** Milliseconds between comments that keep proxies from closing a quiet connection. */
const KEEP_ALIVE = 15_000;

/**
 * The events of a run as Server-Sent Events: `event` is the event's type, `data` its JSON, `id` its sequence number, so that
 * a browser that reconnects sends `Last-Event-ID`, to be passed to `engine.watch(runId, { after })`. Text deltas have no id.
 * An engine error ends the stream with an event `error` of `{ code, message, details }`. A reader that leaves cancels nothing.
 *
 * @param o.signal the request's: ends the stream, not the run.
 */
export function sse(run: Run | AsyncIterable<RunEvent>, o: { signal?: AbortSignal } = {}): Response {
  const encoder = new TextEncoder();
  let events: AsyncIterator<RunEvent> | undefined;
  let beat: NodeJS.Timeout | undefined;
  const leave = async () => {
    clearInterval(beat);
    o.signal?.removeEventListener('abort', leave);
    await events?.return?.();
  };
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      events = run[Symbol.asyncIterator]();
      if (o.signal?.aborted) void leave();
      else o.signal?.addEventListener('abort', leave, { once: true });
      beat = setInterval(() => controller.enqueue(encoder.encode(': keep-alive\n\n')), KEEP_ALIVE);
      beat.unref();
    },
    async pull(controller) {
      try {
        const { done, value } = await (events as AsyncIterator<RunEvent>).next();
        if (!done) return controller.enqueue(encoder.encode(frame(value)));
      } catch (error) {
        controller.enqueue(encoder.encode(`event: error\ndata: ${JSON.stringify(problem(error))}\n\n`));
      }
      await leave();
      controller.close();
    },
    cancel: leave,
  });
  return new Response(body, { headers: { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache, no-transform' } });
}

// JSON holds no raw line break, so one data line is enough
const frame = (event: RunEvent) =>
  `${event.seq === undefined ? '' : `id: ${event.seq}\n`}event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;

/** What may be told outside: an error of ours as it is, anything else without its inside. */
const problem = (error: unknown) =>
  RondoError.is(error)
    ? { code: error.code, message: error.message, details: error.details }
    : { code: 'INTERNAL', message: 'the run could not be followed' };
