/** When the streams of a session end. Asked without a port, so that the order of events is the test's own. */
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { gatewayHandler } from '../../src/adapters/mcp/index.ts';
import { Engine, tool } from '../../src/index.ts';
import { auth, sourceOf } from './served.ts';

const VERSION = '2025-11-25';

/** A session that has a tool `slow`, which reports progress and returns once `finish` is called, and a tool `quick`. */
async function session() {
  let finish = () => {};
  const ended = new Promise<string>((resolve) => {
    finish = () => resolve('done');
  });
  const slow = tool({
    name: 'slow',
    description: 'Slow',
    input: z.object({}),
    effect: 'read',
    execute: (_, ctx) => {
      ctx.progress('begun');
      return ended;
    },
  });
  const quick = tool({ name: 'quick', description: 'Quick', input: z.object({}), effect: 'read', execute: () => 'at once' });
  const engine = new Engine();
  onTestFinished(() => engine.close());
  const handler = gatewayHandler(engine, sourceOf('post', [slow, quick]), { auth, sessions: { most: 1 } });
  const asked = async (method: string, body?: object, headers: Record<string, string> = {}) =>
    handler(
      new Request('http://localhost/mcp', {
        method,
        headers: {
          authorization: 'Bearer ana',
          accept: 'application/json, text/event-stream',
          'content-type': 'application/json',
          'mcp-protocol-version': VERSION,
          ...headers,
        },
        ...(body && { body: JSON.stringify(body) }),
      }),
    );
  const init = () =>
    asked('POST', {
      jsonrpc: '2.0',
      id: 0,
      method: 'initialize',
      params: { protocolVersion: VERSION, capabilities: {}, clientInfo: { name: 'raw', version: '1' } },
    });
  const first = await init();
  await first.text();
  const own = { 'mcp-session-id': first.headers.get('mcp-session-id') ?? '' };
  return {
    finish,
    init,
    post: (body: object) => asked('POST', body, own),
    resumed: (last: string) => asked('GET', undefined, { ...own, 'last-event-id': last }),
  };
}

const calling = (id: number, name = 'slow') => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name, arguments: {}, _meta: { progressToken: id } },
});
const cancelling = (requestId: number) => ({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId } });
const idsIn = (text: string) => [...text.matchAll(/^id: (.*)$/gm)].map(([, id]) => id as string);

test('the stream of a call ends when its client cancels it, without an answer, and the session can be left', async () => {
  const { init, post, resumed } = await session();
  const call = await post(calling(1));
  await post(cancelling(1));
  const text = await call.text();
  expect(text).not.toContain('"error"');
  // a client that connects again is told that there is nothing more
  expect((await resumed(idsIn(text).at(-1) ?? '')).status).toBe(204);
  // nothing is under way, so the session makes room for another one
  expect((await init()).status).toBe(200);
});

test('the stream of a batch ends after its last request, whether that is answered or cancelled', async () => {
  const { finish, post } = await session();
  const first = await post([calling(1), calling(2, 'quick')]);
  await post(cancelling(1));
  expect(await first.text()).toContain('at once');
  const second = await post([calling(3), calling(4)]);
  await post(cancelling(4));
  finish();
  expect(await second.text()).toMatch(/"id":3\b/);
});

test('a stream that is read on after its call has ended has the rest, and ends', async () => {
  const { finish, post, resumed } = await session();
  const call = await post(calling(1));
  const reader = (call.body as ReadableStream<Uint8Array>).getReader();
  let read = '';
  while (!read.includes('begun')) read += new TextDecoder().decode((await reader.read()).value);
  finish();
  while (!(await reader.read()).done);
  const rest = await (await resumed(idsIn(read).at(-1) ?? '')).text();
  expect(rest).toContain('done');
  expect(rest).not.toContain('begun');
  expect((await resumed(idsIn(rest).at(-1) ?? '')).status).toBe(204);
});
