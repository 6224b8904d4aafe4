/** The events and records of each memory, in a store of its own. */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { MemoryStore } from '../../../../ports/memory-store.ts';
import { type Strategy, sqliteMemory } from '../../../memory/index.ts';
import { removeOrTell } from '../../removal.ts';
import type { World } from '../call.ts';
import { refused } from '../codec/error.ts';
import { MEMORY, type Memory, memoryOf, statusOf } from './resources.ts';

export interface Opened {
  readonly memory: Memory;
  readonly store: MemoryStore;
}

/** What a store is told, and tells. */
export interface StoreParts {
  strategies(memory: Memory): readonly Strategy[];
  /** A record is being added: it is there when what runs now is committed. */
  adding(opened: Opened, id: string): void;
  /** Told of files that could not be removed. */
  tell(message: string): void;
}

export interface Stores {
  /** By an id or an ARN. @throws AwsError `ResourceNotFoundException`, `ValidationException` for a memory that is made or deleted. */
  of(memoryId: string): Opened;
  /** Removes what a memory holds. */
  remove(id: string): Promise<void>;
  /** Closes all. They open again at their next use; those that are in memory only are empty then. */
  close(): Promise<void>;
  /** Closes all, and removes their files. */
  clear(): Promise<void>;
}

const DAY = 86_400_000;

/** Memories of a state in memory are in memory too; those of a file are in a folder beside it. */
export function memoryStores(world: World, { strategies, adding, tell }: StoreParts): Stores {
  const { state, clock } = world;
  const folder = state.path === undefined ? undefined : `${state.path}.memories`;
  const open = new Map<string, MemoryStore>();

  // of memories that were deleted, where the server ended before their files were removed
  if (folder !== undefined && existsSync(folder))
    for (const file of readdirSync(folder)) if (!state.get(MEMORY, file.replace(/\.db.*/, ''))) removeOrTell(join(folder, file), tell);

  function opened(id: string): MemoryStore {
    const known = open.get(id);
    if (known) return known;
    if (folder !== undefined) mkdirSync(folder, { recursive: true, mode: 0o700 });
    const store: MemoryStore = sqliteMemory(folder === undefined ? ':memory:' : join(folder, `${id}.db`), {
      clock: { now: () => clock.now() },
      eventExpiry: () => memoryOf(world, id).eventExpiryDuration * DAY,
      ties: 'random',
      strategies: () => {
        const memory = world.state.get<Memory>(MEMORY, id);
        return memory ? strategies(memory) : [];
      },
      ids: {
        record() {
          const made = `mem-${randomUUID()}`;
          const memory = world.state.get<Memory>(MEMORY, id);
          if (memory) adding({ memory, store }, made);
          return made;
        },
      },
    });
    open.set(id, store);
    return store;
  }

  async function remove(id: string): Promise<void> {
    const store = open.get(id);
    open.delete(id);
    await store?.close();
    if (folder !== undefined) for (const end of ['.db', '.db-wal', '.db-shm']) removeOrTell(join(folder, `${id}${end}`), tell);
  }

  async function close(): Promise<void> {
    const stores = [...open.values()];
    open.clear();
    await Promise.all(stores.map((store) => store.close()));
  }

  return {
    of(memoryId) {
      const memory = memoryOf(world, memoryId);
      const status = statusOf(world, memory);
      if (status === 'CREATING' || status === 'DELETING') throw refused(`Memory is in transitional state ${status}.`, 'ResourceConflict');
      return { memory, store: opened(memory.id) };
    },
    remove,
    close,
    async clear() {
      await close();
      if (folder !== undefined) removeOrTell(folder, tell);
    },
  };
}
