import type { Engine } from '../engine/engine.ts';
import type { EventSignal } from '../engine/signal.ts';
import { invalid, RondoError } from '../errors.ts';
import type { Json } from '../json.ts';
import { checkOptions } from '../options.ts';
import { type Principal, principalProblem } from '../ports/principal.ts';
import { errorAnswer, json } from './answer.ts';
import { assertWeb, BODY, type BodyLimits, parseJson, readText } from './body.ts';
import { HttpError } from './errors.ts';
import { assertEngine } from './handle.ts';
import type { Handler } from './listen.ts';
import { report } from './report.ts';
import { keyOf, verified } from './signing.ts';

export interface EventHandlerOptions extends BodyLimits {
  /** The secrets of the sender, the newest first: base64 after `whsec_`, or any text of at least 24 bytes. */
  secrets: readonly [string, ...string[]];
  /** On whose behalf the events are sent. Its tenant decides which runs get them. */
  by: Principal;
  /** What a body says. Default: the body is `{ event, key, data }`. */
  read?: (body: Json) => Pick<EventSignal, 'event' | 'key' | 'data'>;
}

const OPTIONS = {
  ...BODY,
  secrets: "secrets: ['whsec_...']",
  by: "by: { id: 'billing' }",
  read: 'read: ({ ticket }) => ({ event, key: ticket, data })',
} satisfies Record<keyof EventHandlerOptions, string>;

const WHERE = 'eventHandler()';

/**
 * Takes events for runs that wait, signed by the Standard Webhooks specification, as a request handler. The header `webhook-id` is the id
 * of the event, so a message that is sent again has no effect. It answers 200 once the event is in the store, and 401
 * `SIGNATURE_INVALID` for a wrong signature or a time that differs by more than five minutes. Needs the package `standardwebhooks`, which is
 * loaded for the first message.
 * @throws RondoError `CONFIG_INVALID`.
 */
export function eventHandler(engine: Engine, o: EventHandlerOptions): Handler {
  assertEngine(engine, WHERE, "an engine and options: (engine, { secrets, by: { id: 'mail' } })");
  checkOptions(o, OPTIONS, WHERE, { read: 'function' });
  const { secrets, by, read = whole } = o;
  const wrong = principalProblem(by);
  if (wrong) throw invalid(`${WHERE}: by is the principal that sends the events: ${wrong}.`);
  if (!Array.isArray(secrets) || secrets.length === 0) throw invalid(`${WHERE}: secrets is a list of texts that is not empty.`);
  const keys = secrets.map(keyOf);
  const tell = report(WHERE);
  return async (request) => {
    assertWeb(request);
    try {
      if (request.method !== 'POST') throw new HttpError(405, 'An event is sent with POST.');
      const body = await readText(request, o);
      const id = await idOf(keys, request.headers, body, tell);
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

/** The id of a message. Without the package the sender is told to come again, and the operator what to install. */
async function idOf(keys: readonly Uint8Array[], headers: Headers, body: string, tell: (error: unknown) => void): Promise<string> {
  try {
    return await verified(keys, headers, body);
  } catch (error) {
    if (!RondoError.is(error, 'CONFIG_INVALID')) throw error;
    tell(error);
    throw new HttpError(503, 'Signatures cannot be verified now.');
  }
}
