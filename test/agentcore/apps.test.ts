/** The app of the official SDK as the program of a session. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { folder } from '../kit/folder.ts';
import { until } from '../kit/time.ts';
import { call, deployed, sessionId } from './runtime.ts';

const APP = fileURLToPath(new URL('fixtures/sdk-app.ts', import.meta.url));
const SOURCE = join(process.cwd(), 'scripts/source.ts');
const CUSTOM = 'X-Amzn-Bedrock-AgentCore-Runtime-Custom-Team';

test('the official SDK serves a session: answers, headers, errors, pings', async () => {
  const of = await deployed(
    { requestHeaderConfiguration: { requestHeaderAllowlist: [CUSTOM, 'X-Team'] } },
    { binding: { command: ['node', '--import', SOURCE, APP] } },
  );
  const headers = { [CUSTOM.toLowerCase()]: 'red', 'x-team': 'red' };
  const got = await call(of, 'one', { prompt: 'headers' }, { headers });
  // the SDK shows its handler only custom headers: others of the allow-list reach the program, and not the handler
  expect(got).toEqual({ output: JSON.stringify({ [CUSTOM.toLowerCase()]: 'red' }), session: sessionId('one') });
  await expect(call(of, 'one', { prompt: 'fail' })).rejects.toMatchObject({
    name: 'RuntimeClientError',
    message: expect.stringContaining('(500)'),
  });
  await of.server.clock.advance(899_999);
  expect(of.server.sessions().running).toHaveLength(1);
  await of.server.clock.advance(1);
  await until(() => of.server.sessions().ended.length === 1);
  expect(of.server.sessions().ended).toMatchObject([{ reason: 'idle' }]);
});

const SERVE = fileURLToPath(new URL('fixtures/serve.ts', import.meta.url));

test('serve() in a session: it pauses, its process is reaped, a decision resumes it in another; other programs do not reach it', async () => {
  const binding = { command: ['node', '--import', SOURCE, SERVE] as const };
  const env = { JOURNAL: join(folder('journal'), 'runs.db') };
  const of = await deployed({}, { attempts: 3, binding: { ...binding, env } });
  const paused = await call<{ runId: string; status: string; approvals: { id: string }[] }>(
    of,
    'one',
    { input: '7' },
    { runtimeUserId: 'ann' },
  );
  expect(paused.status).toBe('paused');
  const { port } = JSON.parse(readFileSync(of.server.sessions().running[0]?.log as string, 'utf8')) as { port: number };
  const stranger = await fetch(`http://127.0.0.1:${port}/invocations`, {
    method: 'POST',
    body: '{"input":"8"}',
    headers: { 'x-amzn-bedrock-agentcore-runtime-session-id': sessionId('one'), 'x-amzn-bedrock-agentcore-runtime-user-id': 'ann' },
  });
  expect(stranger.status).toBe(403);
  // a paused run is not work; the client learns the new time from a refusal, and signs again
  await of.server.clock.advance(900_000);
  await until(() => of.server.sessions().ended.length === 1);
  expect(of.server.sessions()).toMatchObject({ running: [], ended: [{ reason: 'idle' }] });
  const decisions = paused.approvals.map(({ id }) => ({ approval: id, type: 'approve' }));
  expect(await call(of, 'one', { decisions }, { runtimeUserId: 'ann' })).toMatchObject({
    runId: paused.runId,
    status: 'completed',
    output: 'It is paid.',
  });
});

test('sessions of serve() that share a journal do not reach into one another', async () => {
  const binding = { command: ['node', '--import', SOURCE, SERVE] as const };
  const of = await deployed({}, { binding: { ...binding, env: { JOURNAL: join(folder('journal'), 'runs.db') } } });
  type Answer = { runId: string; status: string; session: string; approvals: { id: string }[] };
  const paused = await call<Answer>(of, 'one', { input: '7' }, { runtimeUserId: 'ann' });
  const decisions = paused.approvals.map(({ id }) => ({ approval: id, type: 'approve' }));
  // another session of hers, and one of another user; who decides must name the session that asked
  for (const [session, runtimeUserId] of [
    ['two', 'ann'],
    ['three', 'bob'],
  ] as const)
    await expect(call(of, session, { decisions }, { runtimeUserId })).rejects.toMatchObject({
      name: 'RuntimeClientError',
      message: expect.stringContaining('(404)'),
    });
  const other = await call<Answer>(of, 'two', { input: '7' }, { runtimeUserId: 'ann' });
  expect(other).toMatchObject({ status: 'paused', session: sessionId('two') });
  expect(other.approvals.map(({ id }) => id)).not.toEqual(paused.approvals.map(({ id }) => id));
  expect(await call(of, 'one', { decisions }, { runtimeUserId: 'ann' })).toMatchObject({ runId: paused.runId, status: 'completed' });
});
