export { type AgentCoreIdentity, type AgentCoreIdentityOptions, agentcoreIdentity } from './identity.ts';
export { userIdOf } from './user-id.ts';
