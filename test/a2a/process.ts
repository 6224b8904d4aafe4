import { type ChildProcess, spawn } from 'node:child_process';
import type { JsonWebKey } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import type { ServeOptions } from '../../src/adapters/a2a/index.ts';
import { compiled } from '../kit/compiled.ts';

export interface Order {
  journal: string;
  options?: Pick<ServeOptions, 'port' | 'push' | 'tasks' | 'maxDepth' | 'maxBytes' | 'usage'>;
  /** `tokens`: a caller's token is their name; else a public key. */
  auth?: 'tokens' | JsonWebKey;
  sign?: JsonWebKey;
}

type Line = { readonly [k: string]: unknown };

export interface Process {
  url: string;
  /** All it said, but for its address. */
  said: Line[];
  saying(fits: (line: Line) => boolean): Promise<Line>;
  /** As a crash does. */
  kill(): Promise<void>;
}

const alive = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of alive) child.kill('SIGKILL');
});

const SCRIPTS = {
  server: fileURLToPath(new URL('./server.ts', import.meta.url)),
  official: fileURLToPath(new URL('./official.ts', import.meta.url)),
  langgraph: fileURLToPath(new URL('./langgraph.ts', import.meta.url)),
  strands: fileURLToPath(new URL('./strands.ts', import.meta.url)),
};

/** Starts a script of this folder, and waits until it serves. */
export async function start(script: keyof typeof SCRIPTS, order: object): Promise<Process> {
  const file = SCRIPTS[script];
  const env = { ...process.env, ...compiled };
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', file, JSON.stringify(order)], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env,
  });
  alive.add(child);
  const said: Line[] = [];
  const waiting = new Set<() => void>();
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  let gone = false;
  void exited.then(() => {
    gone = true;
    alive.delete(child);
    for (const wake of waiting) wake();
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    said.push(JSON.parse(line) as Line);
    for (const wake of waiting) wake();
  });
  async function saying(fits: (line: Line) => boolean): Promise<Line> {
    for (;;) {
      const found = said.find(fits);
      if (found) return found;
      if (gone) throw new Error(`${script} ended`);
      await new Promise<void>((resolve) => waiting.add(resolve));
    }
  }
  const kill = async () => {
    child.kill('SIGKILL');
    await exited;
  };
  onTestFinished(kill);
  const { url } = await saying((line) => typeof line.url === 'string');
  said.length = 0;
  return { url: url as string, said, saying, kill };
}

/** A journal's file, for one test. */
export function journalFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'rondo-a2a-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'runs.db');
}

export const serve = (order: Partial<Order> = {}): Promise<Process> => start('server', { journal: journalFile(), ...order });
