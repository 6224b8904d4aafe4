/** SIGTERM, to a process that serves an agent and drives a run of it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { sqliteJournal } from '../../src/adapters/journal/sqlite.ts';
import { Engine } from '../../src/index.ts';
import { folder } from '../kit/folder.ts';
import { until } from '../kit/time.ts';
import { sessionId } from './runtime.ts';

const PROGRAM = fileURLToPath(new URL('fixtures/draining.ts', import.meta.url));
const SESSION = 'x-amzn-bedrock-agentcore-runtime-session-id';

async function served(DIR: string): Promise<{ child: ChildProcess; url: string; exited: Promise<number | null> }> {
  const child = spawn(process.execPath, ['--import', join(process.cwd(), 'scripts/source.ts'), PROGRAM], {
    env: { PATH: process.env.PATH, DIR },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  const line = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).once('line', resolve);
    void exited.then((code) => reject(new Error(`it ended with ${code}`)));
  });
  return { child, url: `http://127.0.0.1:${(JSON.parse(line) as { port: number }).port}`, exited };
}

const invoke = (url: string) =>
  fetch(`${url}/invocations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', [SESSION]: sessionId('one') },
    body: JSON.stringify({ input: 'Where is it?', requestId: 'question' }),
  });

test('a process that is asked to end while it drives a run answers its caller, ends, and leaves the run to another process', async () => {
  const dir = folder('draining');
  const first = await served(dir);
  const asked = invoke(first.url);
  await until(() => readdirSync(dir).includes(`looks-${first.child.pid}`));
  expect(await (await fetch(`${first.url}/ping`)).json()).toMatchObject({ status: 'HealthyBusy' });
  first.child.kill('SIGTERM');
  expect((await asked).status).toBe(503);
  // by itself: no signal ended it
  expect(await first.exited).toBe(0);
  const runs: { runId: string; status: string }[] = [];
  await using engine = new Engine({ journal: sqliteJournal(join(dir, 'runs.db')) });
  for await (const { runId, status } of engine.runs()) runs.push({ runId, status });
  expect(runs).toMatchObject([{ status: 'running' }]);

  writeFileSync(join(dir, 'there'), '');
  const second = await served(dir);
  const answered = await invoke(second.url);
  expect(await answered.json()).toMatchObject({ runId: runs[0]?.runId, status: 'completed', output: 'It is there.' });
  expect(existsSync(join(dir, `looks-${second.child.pid}`))).toBe(true);
});
