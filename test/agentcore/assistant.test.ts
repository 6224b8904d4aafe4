/** examples/assistant as a runtime of the local server, by the official clients. */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { assistantRuntime, invoke, onTheWire } from '../../examples/assistant/script.ts';
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import { Engine } from '../../src/index.ts';
import { folder } from '../kit/folder.ts';
import { listOf } from './sessions.ts';

test('it asks, pauses, its session is reaped, and a second invocation decides it in a new session process: refunded once', async () => {
  const own = folder('assistant');
  const { paused, done, sessions, refunds } = await onTheWire(own);
  expect(paused).toMatchObject({ status: 'paused', approvals: [{ tool: 'refund' }] });
  expect(paused.approvals).toHaveLength(1);
  expect(done).toMatchObject({ runId: paused.runId, status: 'completed', output: 'Done: 49.99 dollars are on their way back to you.' });
  expect(sessions).toMatchObject([{ reason: 'idle' }, { busy: false }]);
  expect(refunds).toEqual([{ refunded: '42', cents: 4_999 }]);
  // each session process has a file of its own, and the refund was in the second one
  const logs = readdirSync(join(own, 'logs')).sort();
  expect(logs.map((name) => readFileSync(join(own, 'logs', name), 'utf8').includes('refunded'))).toEqual([false, true]);
  // the journal outlived both
  await using engine = new Engine({ journal: sqliteJournal(join(own, 'assistant.db')) });
  expect(await engine.resume(paused.runId)).toMatchObject({ status: 'completed', output: done.output });
});

test('without a journal that outlives the session, no session starts', async () => {
  const own = folder('assistant');
  const { server, arn } = await assistantRuntime(own, {});
  await using _ = server;
  await expect(invoke(server, arn, { input: 'Refund order 42, please.' })).rejects.toMatchObject({ name: 'RuntimeClientError' });
  const [log = ''] = readdirSync(join(own, 'logs'));
  expect(readFileSync(join(own, 'logs', log), 'utf8')).toContain('the journal is on the disk of this session');
});

test('npm run assistant -- --script', async () => {
  const main = spawn(process.execPath, ['--import', './scripts/source.ts', 'examples/assistant/main.ts', '--script'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH, TMPDIR: folder('assistant') },
  });
  const ended = new Promise((resolve) => main.once('close', resolve));
  const lines = Buffer.concat(await listOf<Buffer>(main.stdout)).toString('utf8');
  expect(await ended).toBe(0);
  expect(lines).toContain('paused: refund needs an approval, because 49.99 dollars leave the shop');
  expect(lines).toContain('completed: Done: 49.99 dollars are on their way back to you.');
  expect(lines.trimEnd()).toMatch(/refunds: \[\{"refunded":"42","cents":4999\}\]$/);
  expect(existsSync('assistant.db')).toBe(false);
});
