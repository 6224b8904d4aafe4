/** `POST /invocations` of the protocol HTTP. */
import type { RunResult } from '../../../engine/read/results.ts';
import { type BodyLimits, parseJson, readText } from '../../../server/body.ts';
import { HttpError, problemOf } from '../../../server/errors.ts';
import { whenGone } from '../../../server/gone.ts';
import { eventStream, type ServerEvent } from '../../../server/sse.ts';
import type { TakenTurn } from '../../../server/turns.ts';
import { REQUEST, SESSION } from '../headers.ts';
import { type Access, askedBy } from './invocation.ts';
import { messagesOf } from './messages.ts';
import type { Answer } from './sent.ts';
import { type Turns, take, turnBody } from './turn.ts';

/** Limits of the platform, in bytes and milliseconds. */
const PAYLOAD = 100 * 1024 * 1024;
const CHUNK = 10 * 1024 * 1024;
const ARRIVES = 60_000;

/** JSON, and what the AWS clients send if they are not told a type. */
const TYPES = /^application\/(([\w.-]+\+)?json|octet-stream)$/;

export interface Invocations extends Turns, Access {
  readonly body: BodyLimits;
  readonly heartbeat: number | undefined;
  /** Aborted when the server closes. */
  readonly closing: AbortSignal;
  /** Called when the server closes. A set, because many wait, and each for a short time. */
  readonly onClose: Set<() => void>;
}

/** The limits of a body: those of the platform, where the application has none. */
export const limitsOf = ({ body }: Invocations): BodyLimits & { maxBytes: number } => ({ maxBytes: PAYLOAD, timeout: ARRIVES, ...body });

/** One turn: its result as JSON, or its messages as Server-Sent Events if `Accept` asks for them. @throws HttpError, RondoError. */
export async function invoke(o: Invocations, request: Request, answer: Answer): Promise<Response> {
  const asked = await askedBy(request, o);
  const limits = limitsOf(o);
  const body = turnBody(parseJson(await readText(request, limits, TYPES), limits));
  if (o.closing.aborted) throw closes();
  const streams = /\btext\/event-stream\b/i.test(request.headers.get('accept') ?? '');
  const turn = await take(o, asked, body, streams);
  const { session, requestId } = asked.invocation;
  const headers = { [SESSION]: session, [REQUEST]: requestId };
  if (streams) return streamed(o, request, turn, session, headers);
  return answer(200, await unlessClosed(turn.result, o), headers);
}

function streamed(o: Invocations, { signal }: Request, turn: TakenTurn, session: string, headers: Record<string, string>): Response {
  whenGone(turn, signal, () => void turn.events.return?.());
  const problem = (error: unknown) => ({ type: 'error', ...problemOf(error, o.tell).problem });
  const response = eventStream(framed(turn, session), { signal: o.closing, heartbeat: o.heartbeat, maxChunk: CHUNK, problem });
  for (const [name, value] of Object.entries(headers)) response.headers.set(name, value);
  return response;
}

async function* framed(turn: TakenTurn, session: string): AsyncGenerator<ServerEvent> {
  for await (const message of messagesOf(turn, session)) yield { event: message.type, data: message };
}

export const closes = () => new HttpError(503, 'The server closes. Send the request again.');

/** The result, unless the server closes first: then the run goes on elsewhere. */
function unlessClosed(result: Promise<RunResult>, { closing, onClose }: Invocations): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const close = () => reject(closes());
    if (closing.aborted) return close();
    onClose.add(close);
    result.then(
      (value) => {
        onClose.delete(close);
        resolve(value);
      },
      (error) => {
        onClose.delete(close);
        reject(error);
      },
    );
  });
}
