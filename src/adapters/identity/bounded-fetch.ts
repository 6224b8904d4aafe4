/** The requests to authorization servers: a bound on what they answer, and a last look before they are sent. */
import { jsonIn } from '../../json.ts';
import { isObject } from '../../json-schema/keywords.ts';

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
    if (status < 200) return response;
    const told = status < 300 && init.method === 'POST' && isError(text) ? 400 : status;
    return new Response(text, { status: told, statusText, headers });
  };
}

/** An error of OAuth, which GitHub answers with status 200 in place of 400. */
function isError(text: Uint8Array): boolean {
  const said = jsonIn(Buffer.from(text).toString());
  return isObject(said) && typeof said.error === 'string' && said.access_token === undefined;
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
