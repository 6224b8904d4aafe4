/** The command `rondo agentcore` in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const root = join(import.meta.dirname, '../..');
const KEY = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' };

export interface Serving {
  child: ChildProcess;
  /** Of the official clients. */
  options: { endpoint: string; region: string; credentials: typeof KEY; maxAttempts: number };
  /** In which they find the server without options. */
  env: Record<string, string>;
}

/** @param cwd the folder of its state, `state.db`. */
export async function serving(cwd: string): Promise<Serving> {
  const own = ['--port', '0', '--json', '--state', 'state.db', '--no-throttle', '--key', `${KEY.accessKeyId}:${KEY.secretAccessKey}`];
  const args = ['--import', join(root, 'scripts/source.ts'), join(root, 'src/cli/main.ts'), 'agentcore', ...own];
  const child = spawn(process.execPath, args, { cwd, stdio: ['ignore', 'pipe', 'ignore'] });
  const { value } = await createInterface(child.stdout)[Symbol.asyncIterator]().next();
  const { url, env } = JSON.parse(value as string) as { url: string; env: Record<string, string> };
  return { child, env, options: { endpoint: url, region: 'us-east-1', credentials: KEY, maxAttempts: 1 } };
}
