import { spawn } from 'node:child_process';
import { delimiter, dirname, join } from 'node:path';
import { root } from './doors.ts';

export interface Ran {
  ok: boolean;
  /** What it wrote to both streams, in order. */
  output: string;
}

export interface RunOptions {
  cwd?: string;
  env?: Record<string, string>;
  /** Milliseconds until it is killed. Default 5 minutes. */
  timeout?: number;
}

// the installed commands and this same Node come first, whatever the machine has
const PATH = [join(root, 'node_modules', '.bin'), dirname(process.execPath), process.env.PATH].join(delimiter);

/** Runs a program without a terminal and without input. Never rejects. */
export function run(command: string, args: readonly string[], { cwd = root, env, timeout = 300_000 }: RunOptions = {}): Promise<Ran> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env, PATH }, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const take = (chunk: string) => {
      output += chunk;
    };
    const timer = setTimeout(() => {
      take(`\nkilled after ${timeout / 1000} s\n`);
      child.kill('SIGKILL');
      // a grandchild may hold the pipes open
      child.stdout.destroy();
      child.stderr.destroy();
    }, timeout);
    child.stdout.setEncoding('utf8').on('data', take);
    child.stderr.setEncoding('utf8').on('data', take);
    child.on('error', (error) => take(`${error.message}\n`));
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ ok: code === 0, output });
    });
  });
}
