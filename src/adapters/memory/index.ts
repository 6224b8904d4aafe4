export type {
  EventFilter,
  EventItem,
  EventQuery,
  EventRef,
  Explanation,
  ExtractionJob,
  FoundRecord,
  JobQuery,
  MemoryEvent,
  MemoryPage,
  MemoryRecord,
  MemoryStore,
  NewEvent,
  NewRecord,
  Origin,
  PageQuery,
  Provenance,
  RecordChange,
  RecordFilter,
  RecordQuery,
  RecordValue,
  SearchQuery,
  Written,
} from '../../ports/memory-store.ts';
export { type MemoryDatabase, openMemoryDatabase } from './database.ts';
export type { Embedder } from './embedding.ts';
export type { Ranking } from './ranking.ts';
export type { MemoryIds } from './settings.ts';
export { type SqliteMemoryOptions, sqliteMemory } from './sqlite-memory.ts';
