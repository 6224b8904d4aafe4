export { type ConformanceOptions, journalCases, journalConformance } from './conformance.ts';
export {
  type ForeignConformanceOptions,
  type ForeignSaid,
  type ForeignScript,
  type ForeignUnderTest,
  foreignCases,
  foreignConformance,
} from './foreign.ts';
export { type IdentityConformanceOptions, type IdentityUnderTest, identityCases, identityConformance } from './identity.ts';
export { type MemoryConformanceOptions, memoryCases, memoryConformance } from './memory.ts';
export { type MemoryStoreConformanceOptions, memoryStoreCases, memoryStoreConformance } from './memory-store.ts';
export type { Prompt } from './moved.ts';
export { checkPrefixes, type Prefixes, prefixes } from './prefix.ts';
export { type Asking, type PrefixTokens, prefixTokens } from './prefix-share.ts';
export { type RecordOptions, record } from './record.ts';
export type { RecordingOptions } from './recording/asked.ts';
export { type RecordsConformanceOptions, recordsCases, recordsConformance } from './records.ts';
export { type ReplayOptions, replay } from './replay.ts';
export { type Scripted, scripted } from './scripted.ts';
