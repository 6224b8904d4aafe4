/** The routes of `serve()` that become WebSockets. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Hono } from 'hono';
import { type WebSocket, WebSocketServer } from 'ws';
import { errorAnswer } from '../../../server/answer.ts';
import type { AuthOption } from '../../../server/auth.ts';
import { HttpError } from '../../../server/errors.ts';
import { requestOf } from '../../../server/listen.ts';
import { checkOrigin } from '../../../server/origin.ts';
import { asksForSocket, refuseUpgrade } from '../../../server/upgrades.ts';
import { SESSION } from '../headers.ts';
import type { Mounting } from './protocols.ts';
import { FRAME } from './socket.ts';

/** The token of a browser, which cannot set headers, as a subprotocol: `base64UrlBearerAuthorization.<token in base64url>`. */
const SUBPROTOCOL = /(?:^|[\s,])base64UrlBearerAuthorization\.([\w-]+)/;

/** What the routes know of a request whose connection may become a WebSocket: `attend`, once it was let in. */
interface Upgrading {
  attend?: (socket: WebSocket) => Promise<void>;
}

/** A route that becomes a WebSocket once the caller is known. Before that it answers as any route. */
export const socketRoute =
  (app: Hono, auth: AuthOption): Mounting['socket'] =>
  (path, begin) => {
    app.get(path, async (c) => {
      const { raw } = c.req;
      const { upgrading } = c.env as { upgrading?: Upgrading };
      if (!upgrading) throw new HttpError(400, 'This is a WebSocket.');
      checkOrigin(raw, auth);
      upgrading.attend = await begin(forSocket(raw));
      return c.body(null);
    });
  };

/** The `upgrade` listener of a server: makes a WebSocket of a request that a route lets in, and answers any other. */
export function upgrades(app: Hono, tell: (error: unknown) => void) {
  const sockets = new WebSocketServer({ noServer: true, maxPayload: FRAME, clientTracking: false });
  return async (incoming: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> => {
    socket.on('error', () => undefined);
    const upgrading: Upgrading = {};
    let response: Response;
    try {
      if (!asksForSocket(incoming)) throw new HttpError(400, 'No upgrade but one to a WebSocket is taken. Send the request without one.');
      response = await app.fetch(requestOf(incoming), { upgrading });
    } catch (error) {
      response = errorAnswer(error, tell);
    }
    const { attend } = upgrading;
    if (attend) sockets.handleUpgrade(incoming, socket, head, (open) => void attend(open));
    else await refuseUpgrade(socket, response);
  };
}

/** The request with what a browser says in the URL and the subprotocol as headers. */
function forSocket(request: Request): Request {
  const headers = new Headers(request.headers);
  const { searchParams } = new URL(request.url);
  for (const [name, value] of searchParams) if (name.toLowerCase() === SESSION && !headers.has(SESSION)) headers.set(SESSION, value);
  const token = SUBPROTOCOL.exec(headers.get('sec-websocket-protocol') ?? '')?.[1];
  if (token !== undefined && !headers.has('authorization'))
    headers.set('authorization', `Bearer ${Buffer.from(token, 'base64url').toString('latin1')}`);
  return new Request(request.url, { headers });
}
