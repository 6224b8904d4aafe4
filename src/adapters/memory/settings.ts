/** What a memory is opened with, for all of its parts. */
import { randomBytes, randomUUID } from 'node:crypto';
import type { MemoryDatabase } from './database.ts';

export interface MemoryIds {
  /** 8 hexadecimal digits. */
  event(): string;
  /** `mem-` and 36 characters or more. */
  record(): string;
  session(): string;
}

export interface Settings {
  readonly db: MemoryDatabase;
  /** The number of the memory's space. Call it within a transaction. 0 while nothing was written: no row has it. */
  space(): number;
  /** The same, and makes the space if it is new. */
  makeSpace(): number;
  /** Epoch milliseconds. */
  now(): number;
  readonly ids: MemoryIds;
  /** Milliseconds that an event is kept; undefined: until it is removed. */
  eventExpiry(): number | undefined;
  /** Milliseconds that a record of a namespace is kept; undefined: until it is removed. */
  recordExpiry(namespace: string): number | undefined;
  /** Whether two events of a session may have the same millisecond, as in AgentCore. */
  readonly ties: boolean;
}

export const newIds: MemoryIds = {
  event: () => randomBytes(4).toString('hex'),
  record: () => `mem-${randomUUID()}`,
  session: () => randomUUID(),
};

/** The space of a name. */
export function spaceOf(db: MemoryDatabase, name: string): Pick<Settings, 'space' | 'makeSpace'> {
  const space = () => (db.prepare('SELECT nr FROM space WHERE name = ?').get(name)?.nr as number | undefined) ?? 0;
  return {
    space,
    makeSpace() {
      db.prepare('INSERT INTO space (name) VALUES (?) ON CONFLICT (name) DO NOTHING').run(name);
      return space();
    },
  };
}
