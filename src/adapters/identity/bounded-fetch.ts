/** The requests to authorization servers: a bound on what they answer, and a last look before they are sent. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export class TooLong extends Error {}

/** Bytes of an answer. */
const MOST = 1_000_000;

/** @param sending called just before the request is sent. What it throws is thrown, and nothing is sent. */
export function boundedFetch(fetch: Fetch, sending?: () => void): Fetch {
  return async (url, init) => {
    sending?.();
    const response = await fetch(url, { ...init, redirect: 'manual' });
    const { status, statusText, headers } = response;
    if (!response.body || status === 204 || status === 304) return response;
    const text = await read(response.body);
    // a redirect is not followed, and an opaque one has status 0
    return status >= 200 ? new Response(text, { status, statusText, headers }) : response;
  };
}

async function read(body: ReadableStream<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (size > MOST) throw new TooLong(`an answer has at most ${MOST} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
