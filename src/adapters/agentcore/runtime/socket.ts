/** `/ws`: the turns of one session over a WebSocket. */
import { type RawData, WebSocket } from 'ws';
import type { Approval } from '../../../hitl/approvals.ts';
import type { Json } from '../../../json.ts';
import type { AgentInput } from '../../../ports/model.ts';
import { parseJson } from '../../../server/body.ts';
import { HttpError, problemOf } from '../../../server/errors.ts';
import type { TakenTurn } from '../../../server/turns.ts';
import type { Asked } from './invocation.ts';
import type { Invocations } from './invocations.ts';
import { type Message, messagesOf } from './messages.ts';
import { take, turnBody } from './turn.ts';

/** Most bytes of a frame that the platform passes on. */
export const FRAME = 64 * 1024;
/** Codes of a close: the server goes away; the client does what it may not. */
const GOING_AWAY = 1001;
export const TOO_MANY = 1008;
/** Messages that wait until a slow reader has taken those before them. A turn waits by itself; these are answers to messages of the client. */
const MOST_WAITING = 100;

/** The first message of a socket: the session, and its open run, if there is one. */
type Hello = { type: 'session'; session: string; open?: OpenRun };
interface OpenRun {
  runId: string;
  status: 'running' | 'paused';
  approvals: readonly Approval[];
}

/** Closes a socket with the server. @param left called when the socket is closed. */
export function attend({ closing }: Invocations, socket: WebSocket, left: () => void): void {
  const close = () => socket.close(GOING_AWAY, 'the server closes');
  closing.addEventListener('abort', close, { once: true });
  socket.on('close', () => {
    closing.removeEventListener('abort', close);
    left();
  });
  socket.on('error', () => undefined);
}

/**
 * Messages of a client are `{ type: 'input' | 'decisions' | 'steer' | 'cancel', ... }`. One turn at a time: `steer` and `cancel` are about it, or else about the
 * open run of the session. A socket that closes ends nothing.
 */
export async function converse(o: Invocations, asked: Asked, socket: WebSocket): Promise<void> {
  const { session } = asked.invocation;
  let turn: Promise<TakenTurn> | undefined;
  attend(o, socket, () => void turn?.then(({ events }) => events.return?.()).catch(() => undefined));
  const problem = (error: unknown): Message => ({ type: 'error', ...problemOf(error, o.tell).problem });
  const send = sender(socket);
  const say = (message: Message | Hello) => send(JSON.stringify(message));
  socket.on('message', (data, binary) => void heard(data, binary).catch((error) => say(problem(error))));

  async function heard(data: RawData, binary: boolean): Promise<void> {
    if (binary) throw new HttpError(400, 'A message is a text frame of JSON.');
    const { type, ...rest } = fieldsOf(parseJson(String(data)));
    if (type === 'input' || type === 'decisions') return converseTurn(rest as Json);
    if (type !== 'steer' && type !== 'cancel') throw new HttpError(400, 'type is input, decisions, steer or cancel.');
    const runId = (turn ? await turn : await openRun())?.runId;
    if (runId === undefined) throw new HttpError(400, 'No run of this session is open.');
    const { by } = asked;
    if (type === 'steer') await o.engine.send(runId, rest.input as AgentInput, { by });
    else await o.engine.cancel(runId, { by, ...(typeof rest.reason === 'string' && { reason: rest.reason.slice(0, 1_000) }) });
  }

  async function converseTurn(body: Json): Promise<void> {
    if (turn) throw new HttpError(400, 'A turn goes on: wait for its result, or steer or cancel it.');
    if (o.closing.aborted) throw new HttpError(503, 'The server closes. Connect again.');
    const own = take(o, asked, turnBody(body));
    turn = own;
    try {
      const taken = await own;
      if (socket.readyState !== WebSocket.OPEN) return void taken.events.return?.();
      for await (const message of messagesOf(taken, session)) {
        // the next turn may come once this is read
        if (message.type === 'result') turn = undefined;
        await say(message);
      }
    } finally {
      // the next turn may have come while the result was sent
      if (turn === own) turn = undefined;
    }
  }

  async function openRun(): Promise<OpenRun | undefined> {
    const { by } = asked;
    for await (const { runId, status } of o.engine.runs({ session, by, agent: o.agent.name, limit: 20 })) {
      if (status !== 'running' && status !== 'paused') continue;
      const { approvals } = await o.engine.inspect(runId, { by });
      return { runId, status, approvals };
    }
    return undefined;
  }

  try {
    const open = await openRun();
    await say({ type: 'session', session, ...(open && { open }) });
  } catch (error) {
    await say(problem(error));
  }
}

function fieldsOf(body: Json): { readonly [field: string]: Json | undefined } {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw new HttpError(400, 'A message is an object with a type.');
  return body as { readonly [field: string]: Json };
}

/**
 * Sends texts one after the other, since the frames of one must not stand among those of another. Each resolves once the socket has taken it, so that
 * a slow reader slows the run's reader. A socket for which too many wait is closed.
 */
export function sender(socket: WebSocket): (text: string) => Promise<void> {
  let waiting = 0;
  let last = Promise.resolve();
  return (text) => {
    if (++waiting > MOST_WAITING) socket.close(TOO_MANY, `more than ${MOST_WAITING} messages wait to be read`);
    last = last.then(() => inFrames(socket, text)).finally(() => waiting--);
    return last;
  };
}

/** In frames that the platform passes on. */
async function inFrames(socket: WebSocket, text: string): Promise<void> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += FRAME) {
    if (socket.readyState !== WebSocket.OPEN) return;
    const end = at + FRAME >= bytes.length;
    const piece = bytes.subarray(at, at + FRAME);
    await new Promise<void>((resolve) => socket.send(piece, { binary: false, fin: end }, () => resolve()));
  }
}
