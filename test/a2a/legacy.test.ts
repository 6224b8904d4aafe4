import { ClientFactory } from 'a2a-v03/client';
import { expect, it } from 'vitest';
import { serve } from './process.ts';

/** The official SDK of protocol 0.3 itself, as it was released. */
it('the client of 0.3 sends, is asked, answers, streams and gets', async () => {
  const server = await serve();
  const card = await (await fetch(`${server.url}/.well-known/agent-card.json`)).json();
  expect(card).toMatchObject({ protocolVersion: expect.stringMatching(/^0\.3/), url: expect.any(String), preferredTransport: 'JSONRPC' });
  const client = await new ClientFactory().createFromUrl(server.url);
  let n = 0;
  const message = (text: string, more: object = {}) => ({
    message: { kind: 'message' as const, messageId: `m${n++}`, role: 'user' as const, parts: [{ kind: 'text' as const, text }], ...more },
  });

  const hello = await client.sendMessage(message('hello'));
  expect(hello).toMatchObject({
    kind: 'task',
    status: { state: 'completed' },
    artifacts: [{ parts: [{ kind: 'text', text: 'You said: hello' }] }],
  });

  const asked = await client.sendMessage(message('call pay {"to":"ana","cents":500}'));
  if (asked.kind !== 'task') throw new Error('no task');
  expect(asked.status.state).toBe('input-required');
  expect(server.said).toEqual([]);
  const paid = await client.sendMessage(message('approve', { taskId: asked.id, contextId: asked.contextId }));
  expect(paid).toMatchObject({ id: asked.id, status: { state: 'completed' } });
  expect(server.said).toEqual([{ paid: 'ana', cents: 500 }]);

  const kinds: string[] = [];
  for await (const event of client.sendMessageStream(message('one two'))) kinds.push(event.kind);
  expect(kinds[0]).toBe('task');
  expect(kinds).toContain('artifact-update');
  expect(kinds.at(-1)).toBe('status-update');

  expect(await client.getTask({ id: asked.id })).toMatchObject({ id: asked.id, status: { state: 'completed' } });
  await expect(client.getTask({ id: 'no-one-knows' })).rejects.toThrow(/not found/i);
});
