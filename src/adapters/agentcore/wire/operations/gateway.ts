/** All operations of Gateway, and the MCP endpoints of gateways. */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Principal } from '../../../../ports/principal.ts';
import { report } from '../../../../server/report.ts';
import type { Exceeded } from '../../../gateway/rate-limits.ts';
import type { Bound } from '../bindings.ts';
import type { Operation, Operations, World } from '../call.ts';
import { gatewayIdentity } from '../gateway/credentials.ts';
import { placeOf, readBound, textOf } from '../gateway/documents.ts';
import { type GatewayEndpoint, gatewayEndpoint } from '../gateway/endpoint.ts';
import { type Executed, executedGateway } from '../gateway/executed.ts';
import { actionsOf } from '../gateway/http/actions.ts';
import { type HttpTargets, httpTargets } from '../gateway/http/endpoint.ts';
import { interceptions } from '../gateway/interceptors.ts';
import { type RateLimit, rateCounters } from '../gateway/rate-limits.ts';
import { type Gateway, partsOf, RATE_LIMIT, type Target } from '../gateway/resources.ts';
import { isKept, listOf, tokenFor, toolsOfSchema } from '../gateway/server-target.ts';
import { targetSource } from '../gateway/target-source.ts';
import type { ConsentEnded } from '../identity/consents.ts';
import type { ToolsOf } from '../policy/enforcing.ts';
import { gatewayRateLimitOperations } from './gateway-rate-limits.ts';
import { gatewayRuleOperations } from './gateway-rules.ts';
import { gatewayTargets, type Looked, type TargetEvents } from './gateway-targets.ts';
import { gatewayOperations } from './gateways.ts';
import type { PolicyService } from './policy.ts';
import { runtimeOf } from './runtime-resources.ts';

export interface GatewayOptions {
  /** Whether interceptors see `ping`, of which the documentation says nothing. Default `intercepted`, as every other request is. */
  pings?: 'intercepted' | 'passed';
}

export interface GatewayService {
  operations: Operations;
  endpoint: GatewayEndpoint;
  /** A consent of Identity is over: it may be one that a target waits for. */
  consented: ConsentEnded;
  /** The tools of a gateway by their full names, as they are now. */
  toolsOf: ToolsOf;
  /** Goes on with what the server before this one had begun. */
  resume(): void;
  stop(): Promise<void>;
}

/** Milliseconds in which a target must tell what it has. */
const LOOKS = 30_000;
const within = (signal: AbortSignal) => AbortSignal.any([signal, AbortSignal.timeout(LOOKS)]);

/** What gateways need of other services. */
export interface OtherServices {
  /** The operations of Identity, and of Runtime. */
  identity: Operations;
  runtime: Operations;
  policies: PolicyService;
}

export function gatewayService(
  world: World,
  bound: Bound,
  o: GatewayOptions,
  { identity, runtime, policies }: OtherServices,
): GatewayService {
  const running = new Map<string, Executed>();
  const callers = new AsyncLocalStorage<Principal>();
  const tell = report('startAgentCore()');

  const counterOf = rateCounters(world.clock.now);
  const identityOf = (gateway: string, administrator?: string) =>
    gatewayIdentity(world, gateway, identity.GetResourceOauth2Token as Operation, administrator);

  function changed(gateway: string): void {
    void running.get(gateway)?.retire().catch(tell);
    running.delete(gateway);
    http.changed(gateway);
  }

  function executed(gateway: Gateway): Executed {
    const known = running.get(gateway.id);
    if (known) return known;
    const made = executedGateway(
      {
        world,
        bound,
        identity: identityOf(gateway.id),
        policyOf: policies.policyOf,
        callerOf: () => callers.getStore(),
        tell,
      },
      gateway,
    );
    running.set(gateway.id, made);
    return made;
  }

  const http: HttpTargets = httpTargets({
    world,
    bound,
    runtime,
    identityOf: (gateway) => identityOf(gateway),
    policyOf: policies.policyOf,
    exceeded,
    tell,
  });

  function exceeded({ id }: Gateway, tool: string, by: Principal): Exceeded | undefined {
    const [targetName, ...rest] = tool.split('___');
    const values: Readonly<Record<string, string | undefined>> = {
      targetName,
      ...(rest.length > 0 && { toolName: rest.join('___') }),
      user: by.id,
    };
    const value = (key: string) => (key.startsWith('claims.') ? by.claims?.[key.slice('claims.'.length)] : values[key]);
    return counterOf(id, partsOf<RateLimit>(world, RATE_LIMIT, id))?.take(value);
  }

  /** Rejects for a target that cannot be opened. */
  async function looked(given: Target, signal: AbortSignal): Promise<Looked> {
    const { targetConfiguration } = given.settings;
    const place = placeOf(targetConfiguration);
    const read = place !== undefined && { document: await readBound(bound, place) };
    const target: Target = { ...given, ...read };
    if (!targetConfiguration.mcp) {
      const { arn } = targetConfiguration.http?.agentcoreRuntime ?? {};
      if (arn !== undefined) runtimeOf(world, arn.slice(arn.lastIndexOf('/') + 1));
      await actionsOf(target);
      return { ...read };
    }
    const { mcpServer } = targetConfiguration.mcp ?? {};
    if (mcpServer?.mcpToolSchema) return { listed: toolsOfSchema(textOf(target)) };
    const kept = mcpServer !== undefined && isKept(mcpServer);
    const { gateway, administrator } = target;
    const source = targetSource(
      { world, bound, identity: identityOf(gateway, administrator?.userId), administered: administrator !== undefined },
      kept ? withoutList(target) : target,
      { debug: false },
    );
    const tools = await listOf(source, { signal: within(signal) });
    return { ...read, ...(kept && { listed: tools }) };
  }

  const asked: TargetEvents['asked'] = (target, administrator, signal) =>
    tokenFor({ world, identity: identityOf(target.gateway, administrator) }, target, within(signal));

  const targets = gatewayTargets(world, { changed, looked, asked });
  return {
    operations: {
      ...gatewayOperations(world, { changed, checkEngine: policies.checkEngine }),
      ...targets.operations,
      ...gatewayRateLimitOperations(world),
      ...gatewayRuleOperations(world),
    },
    consented: targets.consented,
    resume: targets.resume,
    toolsOf: async (gateway) => [...(await executed(gateway).tools()), ...(await http.actions(gateway))],
    endpoint: gatewayEndpoint(
      world,
      {
        executed: (gateway) => executed(gateway).enter(),
        passes: (gateway) => executed(gateway).passes,
        interception: interceptions(bound),
        interceptsPings: o.pings !== 'passed',
        exceeded,
        http,
      },
      callers,
    ),
    async stop() {
      targets.stop();
      await Promise.all([...running.values()].map((one) => one.close()));
      running.clear();
    },
  };
}

/** The server itself, and not what it listed before. */
function withoutList(target: Target): Target {
  const { mcpServer } = target.settings.targetConfiguration.mcp ?? {};
  const targetConfiguration = { mcp: { mcpServer: { ...(mcpServer as { endpoint: string }), listingMode: 'DYNAMIC' as const } } };
  return { ...target, settings: { ...target.settings, targetConfiguration } };
}
