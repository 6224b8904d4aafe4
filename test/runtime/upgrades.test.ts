import { createServer } from 'node:http';
import { connect } from 'node:net';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { serve } from '../../src/adapters/agentcore/runtime/index.ts';
import { agent, Engine } from '../../src/index.ts';
import { bearer } from '../../src/server/index.ts';
import { scripted } from '../../src/testing/scripted.ts';
import { deferred } from '../kit/time.ts';
import { raw } from '../server/http.ts';
import { SESSION, session } from './serving.ts';

beforeEach(() => void vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined));
afterEach(() => void vi.restoreAllMocks());

/** An older Node hands over each request that asks for an upgrade, whatever a server wants. */
const canChoose = 'shouldUpgradeCallback' in createServer();

/** What Java's HttpClient and `curl --http2` ask of every server. */
const H2C = 'connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQBAAAAAAIAAAAA\r\n';
const WEB_SOCKET =
  'connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n';

const answerer = () => agent({ name: 'a', description: 'Answers', instructions: '', model: scripted(() => 'done') });

/** A client that does not end its side of the connection. @returns once bytes came back, or the connection ended. */
function staying(port: number, head: string): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true }, () => socket.write(head));
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => undefined);
  return new Promise((resolve) => {
    socket.once('data', (data) => resolve(String(data)));
    socket.once('end', () => resolve(''));
    socket.once('close', () => resolve(''));
  });
}

test.each(['http', 'mcp', 'a2a', 'ag-ui'] as const)(
  '%s: a request that asks for another upgrade than to a WebSocket is answered, and does not keep the server from its end',
  async (protocol) => {
    await using engine = new Engine();
    const server = await serve(engine, answerer(), { port: 0, container: false, protocol });
    const [path, taken] = { http: ['/invocations', 200], mcp: ['/mcp', 406], a2a: ['/', 200], 'ag-ui': ['/invocations', 400] }[protocol];
    const body = '{"input":"go"}';
    const more = `content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    for (const [request, status] of [
      [`GET /ping HTTP/1.1\r\nhost: localhost\r\n${H2C}\r\n`, 200],
      [`POST ${path} HTTP/1.1\r\nhost: localhost\r\n${H2C}${more}`, taken],
      [`POST ${path} HTTP/1.1\r\nhost: localhost\r\n${WEB_SOCKET}${more}`, taken],
    ] as const) {
      const answer = await staying(server.port, request);
      expect([request, answer.slice(0, 12)]).toEqual([request, `HTTP/1.1 ${canChoose ? status : 400}`]);
    }
    await server.close({ grace: 200 });
  },
);

test('a connection that waits for a caller to be known is cut when the server closes', async () => {
  const asked = deferred();
  const known = deferred<{ id: string }>();
  const auth = bearer({
    verify: () => {
      asked.resolve();
      return known.promise;
    },
  });
  await using engine = new Engine();
  const server = await serve(engine, answerer(), { port: 0, container: false, auth });
  const answer = staying(
    server.port,
    `GET /ws HTTP/1.1\r\nhost: localhost\r\n${SESSION}: ${session()}\r\nauthorization: Bearer x\r\n${WEB_SOCKET}\r\n`,
  );
  await asked.promise;
  await server.close({ grace: 50 });
  expect(await answer).toBe('');
  known.resolve({ id: 'ana' });
});

test('a WebSocket that is refused is told why, as a request is', async () => {
  await using engine = new Engine();
  await using server = await serve(engine, answerer(), { port: 0, container: false });
  const refused = async (lines: string) => {
    const [head = '', body = ''] = (await raw(server.port, `${lines}${WEB_SOCKET}\r\n`)).split('\r\n\r\n');
    return [head.split(' ')[1], JSON.parse(body).error.code];
  };
  expect(await refused('GET /ws HTTP/1.1\r\nhost: a b\r\n')).toEqual(['400', 'BAD_REQUEST']);
  expect(await refused('GET /ws HTTP/1.1\r\nhost: localhost/ws?\r\n')).toEqual(['400', 'BAD_REQUEST']);
  expect(await refused(`GET /ws HTTP/1.1\r\nhost: localhost\r\n${SESSION}: short\r\n`)).toEqual(['400', 'BAD_REQUEST']);
  expect(await refused('GET /ws HTTP/1.1\r\nhost: localhost\r\norigin: https://evil.example\r\n')).toEqual(['403', 'FORBIDDEN']);
  expect(await refused('GET /elsewhere HTTP/1.1\r\nhost: localhost\r\n')).toEqual(['404', 'NOT_FOUND']);
  expect(await refused('GET /invocations HTTP/1.1\r\nhost: localhost\r\n')).toEqual(['405', 'METHOD_NOT_ALLOWED']);
});

test('a request that only names the upgrade is not a WebSocket', async () => {
  await using engine = new Engine();
  await using server = await serve(engine, answerer(), { port: 0, container: false });
  const text = await raw(server.port, 'GET /ws HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: close\r\n\r\n');
  expect(text).toMatch(/^HTTP\/1.1 400 /);
});
