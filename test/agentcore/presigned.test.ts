/** A chat over a URL that the official SDK signed: the local server, a session process, `serve()`. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RuntimeClient } from 'bedrock-agentcore/runtime';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { folder } from '../kit/folder.ts';
import { deployed, sessionId } from './runtime.ts';

const SESSION_ID = 'X-Amzn-Bedrock-AgentCore-Runtime-Session-Id';
const SERVE = fileURLToPath(new URL('fixtures/serve.ts', import.meta.url));

type Said = { type: string; session?: string; status?: string; output?: string; approvals?: { id: string }[]; code?: string };

test('a signed URL is all that a page needs: it asks, is asked for an approval, and decides', async () => {
  const command = ['node', '--import', join(process.cwd(), 'scripts/source.ts'), SERVE] as const;
  const of = await deployed({}, { binding: { command, env: { JOURNAL: join(folder('journal'), 'runs.db') } } });
  const signed = new URL(
    await new RuntimeClient({ region: 'us-east-1' }).generatePresignedUrl({ runtimeArn: of.arn, sessionId: sessionId('one') }),
  );
  // the SDK leaves the port out
  const socket = new WebSocket(`${of.server.url.replace('http', 'ws')}${signed.pathname}${signed.search}`);
  const said: Said[] = [];
  const ended = new Promise<Said>((resolve, reject) => {
    socket.on('error', reject).on('message', (bytes) => {
      const message = JSON.parse(String(bytes)) as Said;
      said.push(message);
      if (message.type === 'session') socket.send(JSON.stringify({ type: 'input', input: '7' }));
      if (message.type === 'error') reject(new Error(String(bytes)));
      if (message.type !== 'result') return;
      if (message.status !== 'paused') return resolve(message);
      const decisions = message.approvals?.map(({ id }) => ({ approval: id, type: 'approve' }));
      socket.send(JSON.stringify({ type: 'decisions', decisions }));
    });
  });
  expect(await ended).toMatchObject({ status: 'completed', output: 'It is paid.', session: sessionId('one') });
  expect(said[0]).toMatchObject({ type: 'session', session: sessionId('one') });
  expect(said.filter(({ type }) => type === 'result').map(({ status }) => status)).toEqual(['paused', 'completed']);
  socket.close();
});

test.each<[string, (signed: URL) => void, seconds: number]>([
  ['whose time is over', () => undefined, 61],
  ['of which the session was changed', ({ searchParams }) => searchParams.set(SESSION_ID, sessionId('two')), 0],
  ['that was given more time', ({ searchParams }) => searchParams.set('X-Amz-Expires', '600'), 0],
])('a signed URL %s opens nothing', async (_, change, seconds) => {
  const of = await deployed();
  const client = new RuntimeClient({ region: 'us-east-1' });
  const signed = new URL(await client.generatePresignedUrl({ runtimeArn: of.arn, sessionId: sessionId('one'), expires: 60 }));
  change(signed);
  await of.server.clock.advance(seconds * 1_000);
  const socket = new WebSocket(`${of.server.url.replace('http', 'ws')}${signed.pathname}${signed.search}`);
  const status = await new Promise((resolve) => {
    socket.on('error', () => undefined).on('open', () => resolve('open'));
    socket.on('unexpected-response', (request, { statusCode }) => (request.destroy(), resolve(statusCode)));
  });
  expect(status).toBe(403);
});
