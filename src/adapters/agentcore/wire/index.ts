import { checkOptions } from '../../../options.ts';
import { behind, type ServiceOptions } from './behind.ts';
import { type Bindings, bindings } from './bindings.ts';
import { type AgentCore, listenWire, type WireOptions } from './server.ts';

export type { AuthorizationClient, AuthorizationOptions } from './authorization/options.ts';
export type { ServiceOptions, SessionOptions } from './behind.ts';
export type { Bindings, Container } from './bindings.ts';
export { type Clock, type MovableClock, movableClock } from './clock.ts';
export type { Fault, FaultKind } from './faults.ts';
export type { CallRecord } from './log.ts';
export type { GatewayOptions } from './operations/gateway.ts';
export type { IdentityOptions } from './operations/identity.ts';
export type { MemoryOptions } from './operations/memory.ts';
export type { AgentCore, RunningSession, Sessions, WireOptions } from './server.ts';
export type { Keys } from './sigv4.ts';

export interface AgentCoreOptions extends WireOptions, ServiceOptions {
  /** Commands behind container URIs and functions behind Lambda ARNs, or the path of a JSON file of them. */
  bindings?: Bindings | string;
}

const OPTIONS = {
  port: 'port: 4500',
  host: "host: '127.0.0.1'",
  open: 'open: true',
  region: "region: 'us-east-1'",
  account: "account: '123456789012'",
  keys: 'keys: [{ accessKeyId, secretAccessKey }]',
  state: "state: 'agentcore.db'",
  clock: 'clock: movableClock()',
  faults: "faults: ['throttle=CreateEvent:0.2']",
  seed: 'seed: 1',
  throttle: 'throttle: false',
  log: "log: 'calls.jsonl'",
  sessions: 'sessions: { ... }',
  identity: 'identity: { ... }',
  memory: 'memory: { ... }',
  gateways: 'gateways: { ... }',
  bindings: "bindings: 'bindings.json'",
} satisfies Record<keyof AgentCoreOptions, string>;

/**
 * Starts a local server that speaks the protocol of Amazon Bedrock AgentCore, both planes on one port. Unmodified AWS clients reach it by the
 * environment variables in `env`. See docs/agentcore/wire.md.
 * @throws RondoError `CONFIG_INVALID`.
 */
export async function startAgentCore(o: AgentCoreOptions = {}): Promise<AgentCore> {
  checkOptions(o, OPTIONS, 'startAgentCore()');
  const { bindings: given, sessions, identity, memory, gateways, ...options } = o;
  const bound = bindings(given);
  return listenWire(options, (world) => behind(world, bound, { sessions, identity, memory, gateways }));
}
