import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { folder } from '../kit/folder.ts';

/** Leaves a run whose process was killed while its tool ran. @returns the journal's file. */
export async function killedRun(runId: string): Promise<string> {
  const journal = join(folder('server'), 'runs.db');
  const file = fileURLToPath(new URL('./victim.ts', import.meta.url));
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', file, JSON.stringify({ journal, runId })], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  await Promise.race([once(child.stdout, 'data'), exited.then(() => Promise.reject(new Error('it ended by itself')))]);
  child.kill('SIGKILL');
  await exited;
  return journal;
}
