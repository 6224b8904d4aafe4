import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Server } from '@modelcontextprotocol/sdk/server/index.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { fixture } from './fixture.ts';

/** The fixture over streamable HTTP, with sessions. `restart` forgets them all; `answer` takes the place of the next answer. */
export async function serveHttp(port = 0) {
  const sessions = new Map<string, StreamableHTTPServerTransport>();
  const seen: { method: string; headers: IncomingMessage['headers'] }[] = [];
  const state = {
    cancelled: undefined as string | undefined,
    answer: undefined as ((res: ServerResponse) => void) | undefined,
    /** A status to refuse a request with, and what happens then. */
    refuse: undefined as ((req: IncomingMessage) => number | undefined) | undefined,
    refused: undefined as (() => void) | undefined,
    endless: false,
  };
  const server = createServer(async (req, res) => {
    seen.push({ method: req.method ?? '', headers: req.headers });
    if (state.answer && req.method === 'POST') {
      const { answer } = state;
      state.answer = undefined;
      return answer(res);
    }
    const status = state.refuse?.(req);
    if (status !== undefined) {
      res.writeHead(status).end();
      return state.refused?.();
    }
    const id = req.headers['mcp-session-id'] as string | undefined;
    const known = id === undefined ? undefined : sessions.get(id);
    if (id !== undefined && !known) return res.writeHead(404).end();
    const transport =
      known ??
      new StreamableHTTPServerTransport({ sessionIdGenerator: randomUUID, onsessioninitialized: (s) => void sessions.set(s, transport) });
    // a connection that breaks in the middle of an answer, as when the process dies
    if (!known)
      await fixture({ cancelled: state.cancelled, endless: state.endless, die: () => server.closeAllConnections() }).connect(
        transport as never,
      );
    await transport.handleRequest(req, res);
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return Object.assign(state, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    port: (server.address() as AddressInfo).port,
    seen,
    sessions,
    restart: () => sessions.clear(),
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  });
}

/** A server for each session: answers the transport of the session that a request names, or that of a new one. */
export function sessionsOf(make: () => Server) {
  const sessions = new Map<string, StreamableHTTPServerTransport>();
  return async ({ headers }: IncomingMessage): Promise<StreamableHTTPServerTransport> => {
    const known = sessions.get(String(headers['mcp-session-id']));
    if (known) return known;
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void sessions.set(id, transport),
    });
    await make().connect(transport as never);
    return transport;
  };
}

/** Any server over streamable HTTP, one for each session. What it does not admit gets the status 401. */
export async function serveWith(make: () => Server, admits: (req: IncomingMessage) => boolean = () => true) {
  const transportOf = sessionsOf(make);
  const http = createServer(async (req, res) => {
    if (!admits(req)) return void res.writeHead(401).end();
    await (await transportOf(req)).handleRequest(req, res);
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`,
    close() {
      http.close();
      http.closeAllConnections();
    },
  };
}
