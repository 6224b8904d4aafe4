export { currentInvocation, type Invocation } from './invocation.ts';
export type { Message } from './messages.ts';
export type { Protocol } from './protocols.ts';
export { type AgentCoreRuntimeOptions, agentcoreRuntime, runtimeCard } from './remote.ts';
export { type CommandResult, type RuntimeCommandOptions, runtimeCommand } from './remote-command.ts';
export type { RuntimeOptions } from './remote-line.ts';
export { type ServeOptions, type Serving, serve } from './serve.ts';
