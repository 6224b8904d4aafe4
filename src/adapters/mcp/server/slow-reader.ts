/** The streams of answers, for clients that read slowly or not at all. The SDKs write all that there is, and wait for no one. */
import { jsonIn } from '../../../json.ts';
import { isObject } from '../../../json-schema/keywords.ts';

/** Bytes of one stream that wait for its client, until what may be lost is dropped. */
const MOST = 1_000_000;
/** What a client can do without: each is of a moment, and the answer comes in any case. */
const PASSING: ReadonlySet<unknown> = new Set(['notifications/progress', 'notifications/message']);

/** The answer with a stream in which progress and log lines are left out while the client is far behind. */
export function forSlowReader(response: Response): Response {
  const { body, headers } = response;
  if (!body || !headers.get('content-type')?.startsWith('text/event-stream')) return response;
  const reader = body.getReader();
  const read = async (controller: ReadableStreamDefaultController<Uint8Array>) => {
    try {
      for (let next = await reader.read(); !next.done; next = await reader.read())
        if ((controller.desiredSize ?? 0) > 0 || !isPassing(next.value)) controller.enqueue(next.value);
      controller.close();
    } catch (error) {
      // the client has left, or the stream broke
      controller.error(error);
    }
  };
  const kept = new ReadableStream<Uint8Array>(
    { start: (controller) => void read(controller), cancel: (reason) => reader.cancel(reason) },
    new ByteLengthQueuingStrategy({ highWaterMark: MOST }),
  );
  return new Response(kept, response);
}

/** Whether a chunk is one event, of what may be lost. */
function isPassing(chunk: Uint8Array): boolean {
  const [data, ...others] = Buffer.from(chunk)
    .toString()
    .split('\n')
    .filter((line) => line.startsWith('data: '));
  const message = data !== undefined && others.length === 0 ? jsonIn(data.slice('data: '.length)) : undefined;
  return isObject(message) && PASSING.has(message.method);
}
