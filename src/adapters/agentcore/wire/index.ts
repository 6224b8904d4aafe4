import { type Bindings, bindings } from './bindings.ts';
import type { Operations, World } from './call.ts';
import { endpointOperations } from './operations/endpoints.ts';
import { runtimeOperations } from './operations/runtimes.ts';
import { tagOperations } from './operations/tags.ts';
import { type AgentCore, listenWire, type WireOptions } from './server.ts';

export type { Bindings, Container } from './bindings.ts';
export { type Clock, type MovableClock, movableClock } from './clock.ts';
export type { Fault, FaultKind } from './faults.ts';
export type { CallRecord } from './log.ts';
export type { AgentCore, WireOptions } from './server.ts';
export type { Keys } from './sigv4.ts';

export interface AgentCoreOptions extends WireOptions {
  /** Commands behind container URIs and functions behind Lambda ARNs, or the path of a JSON file of them. */
  bindings?: Bindings | string;
}

/** Every operation that the server executes. Others answer 501 with their name. */
export const operationsOf = (world: World): Operations => ({
  ...runtimeOperations(world),
  ...endpointOperations(world),
  ...tagOperations(world),
});

/**
 * Starts a local server that speaks the protocol of Amazon Bedrock AgentCore, both planes on one port. Unmodified AWS clients reach it by the
 * environment variables in `env`. See docs/agentcore/wire.md.
 * @throws RondoError `CONFIG_INVALID`.
 */
export async function startAgentCore(o: AgentCoreOptions = {}): Promise<AgentCore> {
  const { bindings: given, ...options } = o;
  bindings(given);
  return listenWire(options, (world) => ({ operations: operationsOf(world), stop: async () => undefined }));
}
