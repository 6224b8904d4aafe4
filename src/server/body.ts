import { invalid } from '../errors.ts';
import { type Json, MAX_DEPTH, MAX_VALUES } from '../json.ts';
import { overLimit } from '../json-text.ts';
import { HttpError } from './errors.ts';

/** What a body may be. A larger one is refused with 413, as is one of more than 5,000,000 values, a deeper one with 422, a slow one with 408. */
export interface BodyLimits {
  /** Default 1,000,000. */
  maxBytes?: number;
  /** Most levels of nested objects and lists. Default 200. */
  maxDepth?: number;
  /** Milliseconds until the whole body must have arrived. Default 30,000. */
  timeout?: number;
}

export const BODY = {
  maxBytes: 'maxBytes: 1_000_000',
  maxDepth: 'maxDepth: 200',
  timeout: 'timeout: 30_000',
} satisfies Record<keyof BodyLimits, string>;

/** It keeps a byte order mark, so that a signature of the bytes fits. Making one for each body costs more than it does. */
const DECODER = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Against CSRF: a browser sends this type to another origin only after a CORS preflight. */
const JSON_TYPE = /^application\/([\w.-]+\+)?json$/;

/**
 * Express, Koa and node:http drop a `Response` that they are given back, and the caller would wait for ever: so this is thrown, not answered.
 * @throws RondoError `CONFIG_INVALID` for a request that is not one of fetch.
 */
export function assertWeb(request: Request): void {
  if (typeof request?.headers?.get === 'function') return;
  throw invalid(
    'A handler takes a Request of fetch and returns a Response, and this is another request. In Hono, pass c.req.raw. In Express and Koa, whose requests are those of Node, let a bridge make one of the other: app.use(getRequestListener(handler)), from @hono/node-server, before other readers of the body.',
  );
}

/**
 * The JSON body of a request.
 * @throws HttpError 415 for another type, 413 if it is too large or has too many values, 422 if it is too deep, 408 if it is too slow, 400 if it is not JSON.
 */
export async function readJson(request: Request, o: BodyLimits = {}): Promise<Json> {
  return parseJson(await readText(request, o), o);
}

/**
 * The text of a JSON body, which is not parsed yet.
 * @param types of the body. It has no type that a browser sends to another origin unasked. @throws HttpError as `readJson`.
 */
export async function readText(request: Request, o: BodyLimits = {}, types = JSON_TYPE): Promise<string> {
  assertWeb(request);
  const { maxBytes = 1_000_000, timeout = 30_000 } = o;
  const { headers } = request;
  const type = headers.get('content-type')?.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  if (!types.test(type)) throw new HttpError(415, 'The body is application/json.');
  if ((headers.get('content-encoding') ?? 'identity') !== 'identity') throw new HttpError(415, 'The body is not compressed.');
  const length = headers.get('content-length') ?? '';
  const isKnown = /^\d+$/.test(length);
  if (isKnown && Number(length) > maxBytes) throw tooLarge(maxBytes);
  // Node ends a body at its length, so that one with a length needs no counting, and the fastest way to read it may be taken
  const bytes = await (isKnown ? readWhole(request, timeout) : readBytes(request, maxBytes, timeout));
  // a request of another server may have a length that is not true
  if (bytes.byteLength > maxBytes) throw tooLarge(maxBytes);
  try {
    return DECODER.decode(bytes);
  } catch {
    throw new HttpError(400, 'The body is not JSON.');
  }
}

/** @throws HttpError 422 if it is too deep, 413 if it has too many values, 400 if it is not JSON. */
export function parseJson(text: string, { maxDepth = MAX_DEPTH }: BodyLimits = {}): Json {
  const over = overLimit(text, { depth: maxDepth });
  if (over === 'depth') throw new HttpError(422, `The body is nested more than ${maxDepth} levels deep.`);
  if (over === 'values') throw new HttpError(413, `The body has more than ${MAX_VALUES} values.`);
  try {
    return JSON.parse(text.replace(/^\uFEFF/, '')) as Json;
  } catch {
    throw new HttpError(400, 'The body is not JSON.');
  }
}

const tooLarge = (max: number) => new HttpError(413, `The body has at most ${max} bytes.`);

const tooSlow = (timeout: number) => new HttpError(408, `The body must arrive within ${timeout} ms.`);

async function readWhole(request: Request, timeout: number): Promise<ArrayBuffer> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(tooSlow(timeout)), timeout);
  });
  try {
    return await Promise.race([request.arrayBuffer(), late]);
  } catch (error) {
    if (error instanceof HttpError) throw error;
    throw new HttpError(400, 'The body broke off.');
  } finally {
    clearTimeout(timer);
  }
}

export async function readBytes(request: Request, max: number, timeout: number): Promise<Uint8Array> {
  const reader = request.body?.getReader();
  if (!reader) throw new HttpError(400, 'The body is missing.');
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    cancel();
  }, timeout);
  const cancel = () => void reader.cancel().catch(() => undefined);
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (late) throw tooSlow(timeout);
      if (done) return Buffer.concat(chunks);
      size += value.byteLength;
      if (size > max) {
        cancel();
        throw tooLarge(max);
      }
      chunks.push(value);
    }
  } catch (error) {
    if (error instanceof HttpError) throw error;
    throw new HttpError(400, 'The body broke off.');
  } finally {
    clearTimeout(timer);
  }
}
