import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { inject } from 'vitest';
import { compiled } from '../kit/compiled.ts';
import type { Order } from './child.ts';
import type { Program } from './global.ts';
import type { Command, OwnerOrder } from './owner.ts';

/** How a process ended: `end` is what it said last, unless a signal was faster; `at` the point at which it got it. */
export interface Life {
  at?: string;
  points?: number;
  end?: { status?: string; error?: string; message?: string };
  signal: NodeJS.Signals | null;
}

type Line = Record<string, unknown>;

/** A process under way. */
export interface Child {
  pid: number;
  kill(signal: NodeJS.Signals): void;
  /** The next line that it says with these values, and that no one has taken; one of `true` may have any. */
  said(fits: Line): Promise<Line>;
  tell(command: Command): void;
  /** Ends its input: an owner closes its engine and ends. */
  leave(): void;
  /** Resolves when it is gone; rejects where it failed. */
  ended: Promise<Life>;
}

/** None of them outlives the suite. */
const alive = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of alive) child.kill('SIGKILL');
});

interface Bounds {
  /** Milliseconds after which it hangs, and is ended. */
  longest: number;
  /** How large its files may grow, in KiB. */
  file?: number | undefined;
}

/** Starts a process of a program of the suite. */
export function start(name: Program, order: object, { longest, file }: Bounds): Child {
  const args = ['--disable-warning=ExperimentalWarning', join(inject('programs'), `${name}.mjs`), JSON.stringify(order)];
  const bounded = ['-c', `ulimit -S -f ${file} && exec "$0" "$@"`, process.execPath, ...args];
  const env = { ...process.env, ...compiled };
  const child = file === undefined ? spawn(process.execPath, args, { env }) : spawn('bash', bounded, { env });
  const pid = child.pid as number;
  alive.add(child);
  let hangs = false;
  const timer = setTimeout(() => {
    hangs = true;
    child.kill('SIGKILL');
  }, longest);
  const lines: Line[] = [];
  const waiting: { fits: Line; resolve: (line: Line) => void; reject: (error: Error) => void }[] = [];
  let stderr = '';
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  child.stdin.on('error', () => undefined);
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = JSON.parse(text) as Line;
    const i = waiting.findIndex(({ fits }) => matches(line, fits));
    if (i < 0) lines.push(line);
    else waiting.splice(i, 1)[0]?.resolve(line);
  });
  const ended = new Promise<Life>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      alive.delete(child);
      for (const { fits, reject } of waiting.splice(0))
        reject(new Error(`it ended (${signal ?? code}) before it said ${JSON.stringify(fits)}: ${stderr}`));
      if (hangs) reject(new Error(`it did not end in ${longest / 1_000} s`));
      else if (code) reject(new Error(`it failed with code ${code}: ${stderr}`));
      else resolve({ ...Object.assign({}, ...lines), signal });
    });
  });
  ended.catch(() => undefined);
  return {
    pid,
    kill: (signal) => void child.kill(signal),
    said: (fits) => {
      const i = lines.findIndex((line) => matches(line, fits));
      if (i >= 0) return Promise.resolve(lines.splice(i, 1)[0] as Line);
      return new Promise((resolve, reject) => waiting.push({ fits, resolve, reject }));
    },
    tell: (command) => void child.stdin.write(`${JSON.stringify(command)}\n`),
    leave: () => void child.stdin.end(),
    ended,
  };
}

const matches = (line: Line, fits: Line) =>
  Object.entries(fits).every(([key, value]) => (value === true ? key in line : line[key] === value));

/** @param file how large the files that it writes may grow, in KiB. */
export const startJob = (order: Order, file?: number): Child => start('child', order, { longest: 300_000, file });
export const startOwner = (order: OwnerOrder): Child => start('owner', order, { longest: 300_000 });
export const live = (order: Order): Promise<Life> => startJob(order).ended;

/** Waits until a process is held by a SIGSTOP; false where it is gone. */
export async function held(pid: number): Promise<boolean> {
  for (;;) {
    let state: string | undefined;
    try {
      state = /^\d+ \(.*\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, 'latin1'))?.[1];
    } catch {
      return false;
    }
    if (state === 'T' || state === 'Z') return state === 'T';
    await sleep(1);
  }
}

/** Does something for each item, a few at a time, until one fails. */
export async function each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  const one = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) {
      try {
        await work(item);
      } catch (error) {
        left.length = 0;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.max(2, Math.min(8, availableParallelism())) }, one));
}
