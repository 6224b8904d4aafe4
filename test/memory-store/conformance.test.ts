import { join } from 'node:path';
import { type MemoryStore, openMemoryDatabase, sqliteMemory } from 'rondo/memory';
import { memoryStoreConformance } from 'rondo/testing';
import { describe, test } from 'vitest';
import { folder } from '../kit/folder.ts';

const paths = new WeakMap<MemoryStore, string>();
const open = (path: string): MemoryStore => {
  const store = sqliteMemory(path);
  paths.set(store, path);
  return store;
};

describe('in a file', () => {
  memoryStoreConformance(() => open(join(folder('memory-store'), 'memory.db')), {
    test,
    another: (store) => open(paths.get(store) as string),
  });
});

describe('in memory', () => {
  memoryStoreConformance(() => sqliteMemory(':memory:'), { test });
});

describe('a space of a file that others fill', () => {
  let n = 0;
  const db = openMemoryDatabase(':memory:');
  memoryStoreConformance(() => sqliteMemory(db, { space: `space ${n++}` }), { test });
});
