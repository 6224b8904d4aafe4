/** Requests whose connection Node hands over to the `upgrade` listener of a server, and the end of such connections. */
import { type IncomingMessage, type Server, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { LINGER } from './listen.ts';

/**
 * Whether a request asks for a WebSocket, for the `shouldUpgradeCallback` of a server. Curl and Java ask every server for h2c: they are served as if
 * they had not. A Node that is older than this option hands over their connections too.
 */
export const asksForSocket = ({ method, headers }: IncomingMessage): boolean =>
  method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket';

/** Answers a request whose connection was handed over, and ends the connection. */
export async function refuseUpgrade(socket: Duplex, response: Response): Promise<void> {
  const body = Buffer.from(await response.arrayBuffer());
  const headers = { ...Object.fromEntries(response.headers), connection: 'close', 'content-length': String(body.byteLength) };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.on('error', () => undefined);
  // what the client still sends is discarded: the connection would else be reset before the client has the response
  socket.resume();
  socket.end(
    Buffer.concat([Buffer.from(`HTTP/1.1 ${response.status} ${STATUS_CODES[response.status] ?? ''}\r\n${lines.join('')}\r\n`), body]),
  );
  // a client need not end its side
  setTimeout(() => socket.destroy(), LINGER).unref();
}

/** Made before a server listens. @returns what cuts its open connections, with those that were handed over: `closeAllConnections()` leaves them. */
export function connectionsOf(server: Server): () => void {
  const open = new Set<Duplex>();
  server.on('connection', (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  return () => {
    for (const socket of open) socket.destroy();
  };
}
