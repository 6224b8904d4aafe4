import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Entry } from 'rondo';
import { sqliteJournal } from 'rondo/journal/sqlite';
import { afterAll } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  out: string;
  err: string;
}

/**
 * Runs the example as `npm run research-desk` does, without a terminal and with its files in `dir`.
 * @param onOutput sees everything said so far, and may send the process a signal.
 */
export function run(dir: string, args: readonly string[] = [], o: { env?: Record<string, string>; onOutput?: Watch } = {}): Promise<Ended> {
  const { RONDO_MODEL: _, ...env } = process.env;
  const child = spawn(process.execPath, ['--import', './scripts/source.ts', 'examples/research-desk/main.ts', ...args], {
    cwd: root,
    env: { ...env, RONDO_DIR: dir, ...o.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    out += chunk;
    o.onOutput?.(out, (signal) => child.kill(signal));
  });
  child.stderr.setEncoding('utf8').on('data', (chunk) => {
    err += chunk;
  });
  return new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal, out, err })));
}

type Watch = (out: string, kill: (signal: NodeJS.Signals) => void) => void;

const made: string[] = [];
afterAll(() => {
  for (const dir of made) rmSync(dir, { recursive: true, force: true });
});

export function temp(): string {
  const dir = mkdtempSync(join(tmpdir(), 'rondo-desk-'));
  made.push(dir);
  return dir;
}

/** The arguments of the command that approves, as the output prints it. */
export const copied = (out: string) => (/npm run research-desk -- (resume \S+ --approve)/.exec(out)?.[1] ?? 'no command').split(' ');

/** What was published, one text a file. */
export function published(dir: string): string[] {
  const folder = join(dir, 'research-desk', 'published');
  return existsSync(folder) ? readdirSync(folder).map((file) => readFileSync(join(folder, file), 'utf8')) : [];
}

export async function entriesOf(dir: string, id: string): Promise<Entry[]> {
  const journal = sqliteJournal(join(dir, 'research-desk', 'runs.db'));
  const entries: Entry[] = [];
  for await (const entry of journal.read(id)) entries.push(entry);
  await journal.close?.();
  return entries;
}
