export { type ConformanceOptions, journalCases, journalConformance } from './conformance.ts';
export { type Scripted, scripted } from './scripted.ts';
