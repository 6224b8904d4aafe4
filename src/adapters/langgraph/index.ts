export { langgraphAgent } from './agent.ts';
export { type Decisions, type PendingApprovals, type RondoNodeOptions, rondoNode } from './node.ts';
export type { LanggraphAgentOptions, RondoConfigurable } from './options.ts';
export { type JournalSaverOptions, journalSaver } from './saver.ts';
