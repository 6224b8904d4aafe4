export { type AgentCoreOptions, type AgentCoreParts, agentcore } from './agentcore.ts';
