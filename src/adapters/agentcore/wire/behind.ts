/** What the local server executes, and the routes of Runtime that the model does not have. */
import { report } from '../../../server/report.ts';
import { type HostOptions, sessionHost } from '../sessions/host.ts';
import type { Session } from '../sessions/session.ts';
import type { Received } from './answer.ts';
import type { Bound } from './bindings.ts';
import type { Operations, World } from './call.ts';
import { AwsError, type Encoded, encodeError } from './codec/error.ts';
import type { Routed } from './gateway/endpoint.ts';
import { endpointOperations } from './operations/endpoints.ts';
import { type GatewayOptions, type GatewayService, gatewayService } from './operations/gateway.ts';
import { type IdentityOptions, identityService } from './operations/identity.ts';
import { type MemoryOptions, memoryService } from './operations/memory.ts';
import { policyService } from './operations/policy.ts';
import { sessionOperations } from './operations/runtime.ts';
import { sockets } from './operations/runtime-sockets.ts';
import { namedOf, targets } from './operations/runtime-target.ts';
import { runtimeOperations } from './operations/runtimes.ts';
import { tagOperations } from './operations/tags.ts';
import type { Behind, RunningSession } from './server.ts';
import type { Signed } from './sigv4.ts';

/** How the sessions of runtimes are held. */
export type SessionOptions = Pick<HostOptions, 'logs' | 'newPerSecond' | 'untimed' | 'grace' | 'starting' | 'pinging'>;

/** Options of each service. */
export interface ServiceOptions {
  sessions?: SessionOptions;
  identity?: IdentityOptions;
  memory?: MemoryOptions;
  gateways?: GatewayOptions;
}

export function behind(world: World, bound: Bound, o: ServiceOptions): Behind {
  const { sessions = {}, identity = {}, memory = {} } = o;
  const host = sessionHost({ ...sessions, clock: world.clock, onWarning: report('startAgentCore()') });
  const found = targets(world, bound);
  const memories = memoryService(world, bound, memory);
  const end = (why: string, of: (session: { runtime: string }) => boolean) => void host.stop(why, of);
  const policies = policyService(world, bound, (gateway) => gateways.toolsOf(gateway));
  const identities = identityService(world, identity, (...session) => gateways.consented(...session));
  const runtime = sessionOperations(world, host, found);
  const gateways: GatewayService = gatewayService(world, bound, o.gateways ?? {}, { identity: identities.operations, runtime, policies });
  const operations: Operations = {
    ...runtimeOperations(world, (id) => end('its runtime was deleted', ({ runtime }) => runtime.startsWith(`${id}/`))),
    ...endpointOperations(world, (id, name) => end('its endpoint was deleted', ({ runtime }) => runtime === `${id}/${name}`)),
    ...tagOperations(world),
    ...runtime,
    ...identities.operations,
    ...memories.operations,
    ...policies.operations,
    ...gateways.operations,
  };

  async function route(received: Received, on: Routed): Promise<Encoded | undefined> {
    const { method, path, query, headers } = received;
    const [, label, rest] = /^\/runtimes\/([^/]+)\/invocations(\/.*)?$/.exec(path) ?? [];
    if (label === undefined) return (await gateways.endpoint.route(received, on)) ?? identities.route(received);
    // as MCP clients ask for a stream of the server's own, and end a session: a runtime is stateless, and has neither
    if (rest === undefined && (method === 'GET' || method === 'DELETE'))
      return { status: 405, headers: { allow: 'POST', 'content-type': 'application/json' }, body: '{"message":"Use POST."}' };
    if (method !== 'GET' || rest !== '/.well-known/oauth-protected-resource') return undefined;
    try {
      const document = found.metadata(namedOf(label, query), String(headers.host ?? 'localhost'));
      if (!document) throw new AwsError('ResourceNotFoundException', 'This runtime takes signed requests, and no token.');
      return { status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(document) };
    } catch (error) {
      if (error instanceof AwsError) return encodeError(error, undefined);
      throw error;
    }
  }

  async function admits({ path, query, headers }: Signed, token: string): Promise<boolean> {
    const [, label] = /^\/runtimes\/([^/]+)\//.exec(path) ?? [];
    if (label === undefined) return gateways.endpoint.admits(path, token);
    try {
      await found.of(namedOf(label, query), { kind: 'bearer', token }, String(headers.host ?? 'localhost'));
      return true;
    } catch {
      // the operation says why, if its body is small
      return false;
    }
  }

  return {
    operations,
    route,
    admits,
    handle: identities.authorization.handle,
    authorization: identities.authorization.client,
    upgrade: sockets(world, host, found),
    sessions: () => ({ running: host.list().map(told), ended: host.ended() }),
    streams: () => memories.streams(),
    explainMemory: (id, search) => memories.explain(id, search),
    resume() {
      gateways.resume();
      policies.resume();
    },
    async stop() {
      identities.authorization.stop();
      policies.stop();
      await Promise.all([host.close(), memories.stop(), gateways.stop()]);
    },
    async clear() {
      gateways.endpoint.clear();
      await memories.clear();
    },
  };
}

const told = ({ wanted, startedAt, busy, log }: Session): RunningSession => ({
  runtime: wanted.runtime,
  id: wanted.id,
  startedAt,
  busy,
  log,
});
