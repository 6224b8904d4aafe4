export { type ConformanceOptions, journalCases, journalConformance } from './conformance.ts';
export { type MemoryConformanceOptions, memoryCases, memoryConformance } from './memory.ts';
export { type RecordOptions, record } from './record.ts';
export type { RecordingOptions } from './recording/asked.ts';
export { type RecordsConformanceOptions, recordsCases, recordsConformance } from './records.ts';
export { type ReplayOptions, replay } from './replay.ts';
export { type Scripted, scripted } from './scripted.ts';
