/** A memory's file. All memories in it, and all parts of a memory, share its connection. */
import { type Database, openDatabase } from '../sqlite/database.ts';
import { MEMORY } from './schema.ts';

export type MemoryDatabase = Database;

/**
 * Opens a file for several memories, or creates it. Close it after them.
 * @param path `:memory:` is a file that ends with the process.
 * @throws RondoError `CONFIG_INVALID` for a file of another kind, `MEMORY_VERSION` for one of a newer version of Rondo, `MEMORY_UNAVAILABLE`, `MEMORY_DAMAGED`.
 */
export const openMemoryDatabase = (path: string): MemoryDatabase => openDatabase(path, MEMORY);
