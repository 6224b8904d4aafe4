export { type AgentCoreMemoryOptions, agentcoreMemory } from './agentcore-memory.ts';
