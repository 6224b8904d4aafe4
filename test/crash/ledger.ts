import { closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** An effect that a tool had on the world outside. */
export interface Effect {
  tool: string;
  n: number;
  key: string;
  attempt: number;
  pid: number;
}

/** Lines of JSON that many processes append to; each line is one write, so none is torn. */
export function lines<T>(file: string): { add(line: T): void; all(): T[] } {
  return {
    add(line) {
      const fd = openSync(file, 'a');
      writeSync(fd, `${JSON.stringify(line)}\n`);
      closeSync(fd);
    },
    all() {
      if (!existsSync(file)) return [];
      const text = readFileSync(file, 'utf8');
      return text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as T);
    },
  };
}

/** An event that a process told its listener. */
export interface Told {
  /** Left out where there is one run only. */
  run?: string;
  pid: number;
  seq: number;
  type: string;
}

export const effects = (dir: string) => lines<Effect>(join(dir, 'ledger'));
export const told = (dir: string) => lines<Told>(join(dir, 'events'));
export const database = (dir: string) => join(dir, 'runs.db');
export const walOf = (dir: string) => `${database(dir)}-wal`;
/** How long SQLite's log was, in bytes, each time it was synced to disk. */
export const synced = (dir: string) => lines<{ wal: number }>(join(dir, 'synced'));
/** Approvals whose decision was acknowledged. */
export const acknowledged = (dir: string) => lines<{ id: string }>(join(dir, 'acknowledged'));
