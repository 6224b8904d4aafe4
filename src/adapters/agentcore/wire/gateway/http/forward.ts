/** A request that is passed on as it is, and its answer as it comes. */
import { type IncomingHttpHeaders, request as overHttp } from 'node:http';
import { request as overHttps } from 'node:https';
import { messageOf } from '../../../../../reliability/classify.ts';
import type { Outgoing } from '../../../../gateway/outbound/auth.ts';
import type { Clock } from '../../clock.ts';
import { AwsError, because, type Encoded } from '../../codec/error.ts';
import { OPAQUE } from '../exchange.ts';

/** Milliseconds until an answer begins. */
const ANSWER = 900_000;

/** Of a connection, and not of what is sent by it. */
const HOP: ReadonlySet<string> = new Set(
  'connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding upgrade expect'.split(' '),
);
/** What a caller proves itself with to the gateway, and to nothing behind it. */
const CREDENTIALS: ReadonlySet<string> = new Set('authorization x-amz-date x-amz-content-sha256 x-amz-security-token'.split(' '));

/** The headers of a message, without those of its connection. */
function messageHeaders(given: IncomingHttpHeaders): Record<string, string | string[]> {
  const named = String(given.connection ?? '').split(',');
  const left = new Set([...HOP, ...named.map((name) => name.trim().toLowerCase())]);
  return Object.fromEntries(
    Object.entries(given).filter((entry): entry is [string, string | string[]] => entry[1] !== undefined && !left.has(entry[0])),
  );
}

/** The headers of a caller that are passed on. */
export function passedHeaders(given: IncomingHttpHeaders): Record<string, string> {
  const kept = Object.entries(messageHeaders(given)).filter(
    ([name]) => name !== 'host' && name !== 'content-length' && !CREDENTIALS.has(name),
  );
  return Object.fromEntries(kept.map(([name, value]) => [name, [value].flat().join(', ')]));
}

/** @throws AwsError `InternalServerException` for a service that does not answer. It is told to the log alone, unless the gateway says otherwise. */
export function forwarded(
  { method, url, headers, body }: Outgoing,
  { clock, signal, debug }: { clock: Pick<Clock, 'after'>; signal: AbortSignal; debug: boolean },
): Promise<Encoded> {
  const late = new AbortController();
  const cancel = clock.after(ANSWER, () => late.abort(new Error('it took more than 15 minutes')));
  const failed = (error: unknown) => {
    const why = `${method} ${url.origin}: ${messageOf(late.signal.aborted ? late.signal.reason : error)}`;
    return because(new AwsError('InternalServerException', debug ? why : OPAQUE), why);
  };
  return new Promise((resolve, reject) => {
    const send = url.protocol === 'https:' ? overHttps : overHttp;
    const length = body === undefined ? {} : { 'content-length': String(body.byteLength) };
    // one connection for each request: a service that closes an idle one loses no request
    const request = send(url, { method, headers: { ...headers, ...length }, agent: false, signal: AbortSignal.any([signal, late.signal]) });
    request.once('error', (error) => {
      cancel();
      reject(failed(error));
    });
    request.once('response', (answer) => {
      cancel();
      resolve({ status: answer.statusCode ?? 502, headers: messageHeaders(answer.headers), body: bytesOf(answer) });
    });
    request.end(body);
  });

  async function* bytesOf(answer: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    try {
      yield* answer;
    } catch (error) {
      // the client hung up: that is why the answer broke off
      if (!signal.aborted) throw failed(error);
    }
  }
}
