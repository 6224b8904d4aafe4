import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { folder } from '../kit/folder.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface Ended {
  code: number | null;
  out: string;
  err: string;
}

interface Options {
  env?: Record<string, string>;
  /** The file of the example to run. */
  name?: string;
  /** Sees everything said so far, and may send the process a signal. */
  onOutput?: (out: string, kill: (signal: NodeJS.Signals) => void) => void;
}

/** Runs the example as `npm start` does, with its files in `dir`. */
export function run(dir: string, args: readonly string[], o: Options = {}): Promise<Ended> {
  const { RONDO_MODEL: _, SMTP_URL: __, ...env } = process.env;
  const script = ['--import', './scripts/source.ts', `examples/ticket-triage/${o.name ?? 'main'}.ts`];
  const child = spawn(process.execPath, [...script, ...args], {
    cwd: root,
    env: { ...env, RONDO_DIR: dir, ...o.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk) => {
    out += chunk;
    o.onOutput?.(out, (signal) => child.kill(signal));
  });
  child.stderr.on('data', (chunk) => {
    err += chunk;
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })));
}

export const temp = () => folder('job');
export const mails = (dir: string) => readdirSync(join(dir, 'outbox')).filter((f) => f.endsWith('.eml'));
/** The arguments of the one command that the output says to copy. */
export const copied = (out: string) => (out.match(/npm start -- (resume .*)/)?.[1] ?? 'no command').trim().split(' ');
