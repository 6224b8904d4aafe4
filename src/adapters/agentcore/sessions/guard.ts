/**
 * A process that ends what the server started, if the server dies without doing so: it holds the other end of a pipe. Processes are named by their
 * group, so that what they started themselves ends too.
 */
import { spawn } from 'node:child_process';

export interface Guard {
  add(group: number): void;
  remove(group: number): void;
  /** Ends the guard, and leaves everything as it is. */
  close(): Promise<void>;
}

const SOURCE = `
const groups = new Set(); let rest = ''; let calm = false;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});
process.stdin.setEncoding('utf8').on('data', (text) => {
  const lines = (rest + text).split('\\n'); rest = lines.pop();
  for (const line of lines) {
    if (line === 'calm') calm = true;
    else if (line[0] === '+') groups.add(Number(line.slice(1)));
    else groups.delete(Number(line.slice(1)));
  }
}).on('error', () => {}).on('close', () => {
  if (calm) return;
  for (const group of groups) try { process.kill(-group, 'SIGKILL'); } catch {}
  require('node:fs').rmSync(process.argv[1], { recursive: true, force: true });
});`;

/** @param folder removed if the server dies. */
export function startGuard(folder: string): Guard {
  const child = spawn(process.execPath, ['-e', SOURCE, folder], { stdio: ['pipe', 'ignore', 'ignore'], detached: true, env: {} });
  const over = new Promise<void>((resolve) => child.once('exit', () => resolve()).once('error', () => resolve()));
  child.stdin.on('error', () => undefined);
  child.unref();
  // a server that has nothing else to do may end
  (child.stdin as unknown as { unref?(): void }).unref?.();
  const say = (line: string) => void child.stdin.write(`${line}\n`);
  return {
    add: (group) => say(`+${group}`),
    remove: (group) => say(`-${group}`),
    async close() {
      // a server that waits for this must not end before
      child.ref();
      say('calm');
      child.stdin.end();
      await over;
    },
  };
}
