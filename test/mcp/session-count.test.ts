/** What a session counts: requests under way, and how many sessions a caller has. Asked without a port, so that the order of events is the test's own. */
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { gatewayHandler } from '../../src/adapters/mcp/index.ts';
import { Engine, type Tool, tool } from '../../src/index.ts';
import type { Handler } from '../../src/server/index.ts';
import { auth, sourceOf } from './served.ts';

function served(tools: readonly Tool[], most: number): Handler {
  const engine = new Engine();
  onTestFinished(() => engine.close());
  return gatewayHandler(engine, sourceOf('post', tools), { auth, sessions: { most } });
}

const asked = (body: object, session?: string) =>
  new Request('http://localhost/mcp', {
    method: 'POST',
    headers: {
      authorization: 'Bearer ana',
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      ...(session && { 'mcp-session-id': session }),
    },
    body: JSON.stringify(body),
  });
const INIT = {
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'raw', version: '1' } },
};
const calling = (id: number) => ({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'slow', arguments: {} } });

async function begun(handler: Handler): Promise<string> {
  const response = await handler(asked(INIT));
  await response.text();
  return response.headers.get('mcp-session-id') ?? '';
}

test('a client that leaves one answer does not make room for another session while a second call is under way', async () => {
  let finish = (_: string) => {};
  const ended = new Promise<string>((resolve) => {
    finish = resolve;
  });
  const slow = tool({ name: 'slow', description: 'Slow', input: z.object({}), effect: 'read', execute: () => ended });
  const handler = served([slow], 1);
  const session = await begun(handler);
  const left = await handler(asked(calling(1), session));
  await left.body?.cancel();
  const second = await handler(asked(calling(2), session));
  const refused = await handler(asked(INIT));
  finish('done');
  expect(await second.text()).toContain('done');
  expect(refused.status).toBe(503);
});

test('sessions that begin at once are no more than a caller may have', async () => {
  const handler = served([], 2);
  const sessions = await Promise.all(Array.from({ length: 6 }, () => begun(handler)));
  const statuses = await Promise.all(
    sessions.map(async (session) => (await handler(asked({ jsonrpc: '2.0', id: 1, method: 'tools/list' }, session))).status),
  );
  expect(statuses.filter((status) => status === 200)).toHaveLength(2);
});
