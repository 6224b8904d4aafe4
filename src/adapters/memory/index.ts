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
export type { Embedder } from '../ranking/embedder.ts';
export { type MemoryDatabase, openMemoryDatabase } from './database.ts';
export type { ExtractionOptions } from './extraction/extraction.ts';
export type { RetryOptions } from './extraction/failure.ts';
export type { Ranking } from './ranking.ts';
export type { Learned } from './remember/items.ts';
export type { Known } from './remember/known.ts';
export { type RecallExplanation, type RememberedMemory, type RememberOptions, remember } from './remember/remember.ts';
export type { MemoryToolsOptions } from './remember/tools.ts';
export type { MemoryIds } from './settings.ts';
export { type SqliteMemoryOptions, sqliteMemory } from './sqlite-memory.ts';
export type { PromptedOptions, StrategyOptions } from './strategies/declare.ts';
export { type EpisodesOptions, episodes } from './strategies/episodes.ts';
export { facts } from './strategies/facts.ts';
export { type OwnStrategyOptions, strategy } from './strategies/own.ts';
export { preferences } from './strategies/preferences.ts';
export { type SummaryOptions, summary } from './strategies/summary.ts';
export type { Candidate, Found, Learning, Line, Merge, MergeRule, Strategy, Talk } from './strategies/types.ts';
