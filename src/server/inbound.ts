import { timingSafeEqual } from 'node:crypto';
import type { Engine } from '../engine/engine.ts';
import type { EventSignal } from '../engine/signal.ts';
import { invalid, RondoError } from '../errors.ts';
import type { Json } from '../json.ts';
import { type Principal, principalProblem } from '../ports/principal.ts';
import { errorAnswer, json } from './answer.ts';
import { type BodyLimits, parseJson, readText } from './body.ts';
import { HttpError } from './errors.ts';
import type { Handler } from './listen.ts';
import { report } from './report.ts';
import { signature } from './webhooks.ts';

export interface EventHandlerOptions extends BodyLimits {
  /** The secrets of the sender, the newest first: base64 after `whsec_`, or any text of at least 24 bytes. */
  secrets: readonly [string, ...string[]];
  /** On whose behalf the events are sent. Its tenant decides which runs get them. */
  by: Principal;
  /** What a body says. Default: the body is `{ event, key, data }`. */
  read?: (body: Json) => Pick<EventSignal, 'event' | 'key' | 'data'>;
}

const WHERE = 'eventHandler()';
/** Milliseconds that the time of a message may differ from that of this machine. */
const TOLERANCE = 300_000;

/**
 * Takes events for runs that wait, signed by the Standard Webhooks specification, as a request handler. The header `webhook-id` is the id
 * of the event, so a message that is sent again has no effect. It answers 200 once the event is in the store, and 401
 * `SIGNATURE_INVALID` for a wrong signature or a time that differs by more than five minutes.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function eventHandler(engine: Engine, o: EventHandlerOptions): Handler {
  const { secrets, by, read = whole } = o;
  const wrong = principalProblem(by);
  if (wrong) throw invalid(`${WHERE}: by is the principal that sends the events: ${wrong}.`);
  if (!Array.isArray(secrets) || secrets.length === 0) throw invalid(`${WHERE}: secrets is a list of texts that is not empty.`);
  // a secret that is too short fails here
  for (const secret of secrets) signature(secret, '', '', 0);
  const tell = report(WHERE);
  return async (request) => {
    try {
      if (request.method !== 'POST') throw new HttpError(405, 'An event is sent with POST.');
      const body = await readText(request, o);
      const id = verified(request.headers, body, secrets);
      const { event, key, data } = read(parseJson(body, o));
      return json(200, { ...(await engine.signal({ event, key, data, id }, { by })) });
    } catch (error) {
      return errorAnswer(error, tell);
    }
  };
}

function whole(body: Json): EventSignal {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw new HttpError(400, 'The body is { "event", "key", "data" }.');
  return body as unknown as EventSignal;
}

/** @returns the id of the message. @throws RondoError `SIGNATURE_INVALID` */
function verified(headers: Headers, body: string, secrets: readonly string[]): string {
  const [id, time, given] = ['id', 'timestamp', 'signature'].map((name) => headers.get(`webhook-${name}`));
  if (!id || !time || !given) throw unsigned('it needs the headers webhook-id, webhook-timestamp and webhook-signature');
  const at = /^\d{1,12}$/.test(time) ? Number(time) * 1_000 : Number.NaN;
  if (!(Math.abs(Date.now() - at) <= TOLERANCE)) throw unsigned('its time differs from that of this server by more than five minutes');
  const signatures = given.split(' ').slice(0, MOST_SIGNATURES);
  for (const secret of secrets) {
    const expected = signature(secret, id, body, at)['webhook-signature'] as string;
    if (signatures.some((one) => isSame(one, expected))) return id;
  }
  throw unsigned('no signature of it fits. Sign it with the secret of this endpoint');
}

/** A sender that changes its secret signs with the old and the new one. */
const MOST_SIGNATURES = 10;

function isSame(a: string, b: string): boolean {
  const [one, other] = [Buffer.from(a), Buffer.from(b)];
  return one.length === other.length && timingSafeEqual(one, other);
}

const unsigned = (why: string) => new RondoError('SIGNATURE_INVALID', `the message was not taken: ${why}. Nothing was written.`);
