export { type ConformanceOptions, journalCases, journalConformance } from './conformance.ts';
export { type MemoryConformanceOptions, memoryCases, memoryConformance } from './memory.ts';
export { type RecordsConformanceOptions, recordsCases, recordsConformance } from './records.ts';
export { type Scripted, scripted } from './scripted.ts';
