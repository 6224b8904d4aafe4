/** The control plane of Gateway: targets, and what an MCP server listed when it was synchronized. */
import type { Operations, World } from '../call.ts';
import type { Output } from '../codec/encode.ts';
import { AwsError, refused } from '../codec/error.ts';
import {
  checkSettled,
  conflict,
  GATEWAY,
  type Gateway,
  gatewayArn,
  gatewayOf,
  type ListedTool,
  partsOf,
  putTarget,
  statusOf,
  TARGET,
  type Target,
  type TargetSettings,
  targetOf,
} from '../gateway/resources.ts';
import { checkTarget, typeOf } from '../gateway/target-configuration.ts';
import type { PageRequest } from '../state.ts';
import { isHere, suffix, TAKES } from './resource.ts';

interface InGateway {
  gatewayIdentifier: string;
}
interface Named extends InGateway {
  targetId: string;
}
type CreateInput = TargetSettings & InGateway & { name?: string; clientToken?: string };
type UpdateInput = TargetSettings & Named & { name?: string };

/** A quota of AWS. */
const MOST = 100;

const UNSUCCESSFUL = { CREATING: 'FAILED', UPDATING: 'UPDATE_UNSUCCESSFUL', SYNCHRONIZING: 'SYNCHRONIZE_UNSUCCESSFUL' } as const;

/** What happens beside the state. */
export interface TargetEvents {
  /**
   * Looks at a target that was made or changed, as the service does in the time until it is ready: what a server lists that must be listed, and
   * undefined for all others. Rejects with what is told as the reason of the failure.
   */
  looked(target: Target): Promise<readonly ListedTool[] | undefined>;
  /** The targets of a gateway are others. */
  changed(gateway: string): void;
}

export function gatewayTargetOperations(world: World, { looked, changed }: TargetEvents): Operations {
  const { state, clock } = world;
  const soon = () => clock.now() + TAKES;
  const date = () => new Date(clock.now());

  function told(target: Target) {
    const { id, gateway, name, createdAt, updatedAt, settings, failed, lastSynchronizedAt } = target;
    const status = statusOf(world, target, failed);
    return {
      credentialProviderConfigurations: [],
      ...settings,
      gatewayArn: gatewayArn(world, gateway),
      targetId: id,
      name,
      createdAt,
      updatedAt,
      status,
      protocolType: 'MCP',
      ...(failed && status === failed.status && { statusReasons: failed.reasons }),
      ...(lastSynchronizedAt && { lastSynchronizedAt }),
    };
  }

  function summary(target: Target) {
    const { targetId, name, status, createdAt, updatedAt, description, lastSynchronizedAt } = told(target) as Output;
    return { targetId, name, status, createdAt, updatedAt, description, lastSynchronizedAt, ...kindIn(target) };
  }

  /** Stores a change, and does what takes until it is ready. */
  function begin(target: Target): Target {
    const { failed: _, ...changing } = target;
    const begun: Target = { ...changing, readyAt: soon() };
    putTarget(world, begun);
    clock.after(TAKES, () => end(begun));
    return begun;
  }

  async function end(begun: Target): Promise<void> {
    let result: Partial<Target>;
    try {
      const listed = await looked(begun);
      result = listed ? { listed, lastSynchronizedAt: date() } : {};
    } catch (error) {
      result = { failed: { status: UNSUCCESSFUL[begun.until], reasons: [(error as Error).message.slice(0, 2_048)] } };
    }
    const now = state.get<Target>(TARGET, `${begun.gateway}/${begun.id}`);
    // deleted, or changed again, meanwhile
    if (!now || now.goneAt !== undefined || now.readyAt !== begun.readyAt) return;
    putTarget(world, { ...now, ...result });
    changed(begun.gateway);
  }

  // what the server before this one had begun
  for (const { id } of state.list<Gateway>(GATEWAY))
    for (const target of state.list<Target>(TARGET, id))
      if (target.readyAt > clock.now()) clock.after(target.readyAt - clock.now(), () => end(target));

  function checkName(gateway: string, name: string, own?: string): void {
    if (partsOf<Target>(world, TARGET, gateway).some((other) => other.name.toLowerCase() === name.toLowerCase() && other.id !== own))
      throw conflict(`A target with the name ${name} exists already in the gateway ${gateway}.`);
  }

  return {
    CreateGatewayTarget(input: CreateInput) {
      const { gatewayIdentifier, name: given, clientToken, ...settings } = input;
      const gateway = gatewayOf(world, gatewayIdentifier);
      checkTarget(settings.targetConfiguration, settings.credentialProviderConfigurations ?? [], gateway.settings);
      return state.once('CreateGatewayTarget', clientToken, input, () => {
        checkSettled(world, `Gateway ${gateway.id}`, gateway);
        const here = partsOf<Target>(world, TARGET, gateway.id);
        if (here.length >= MOST) throw new AwsError('ServiceQuotaExceededException', `A gateway has at most ${MOST} targets.`);
        const id = suffix();
        const name = given ?? `target-${id}`;
        checkName(gateway.id, name);
        const at = date();
        const target: Target = {
          id,
          gateway: gateway.id,
          name,
          settings,
          createdAt: at,
          updatedAt: at,
          until: 'CREATING',
          readyAt: soon(),
        };
        return told(begin(target));
      });
    },
    GetGatewayTarget: ({ gatewayIdentifier, targetId }: Named) => told(targetOf(world, gatewayIdentifier, targetId)),
    UpdateGatewayTarget(input: UpdateInput) {
      const { gatewayIdentifier, targetId, name, ...settings } = input;
      const before = targetOf(world, gatewayIdentifier, targetId);
      checkTarget(
        settings.targetConfiguration,
        settings.credentialProviderConfigurations ?? [],
        gatewayOf(world, gatewayIdentifier).settings,
      );
      checkNotBusy(before);
      if (name !== undefined) checkName(gatewayIdentifier, name, targetId);
      const target: Target = { ...before, name: name ?? before.name, settings, updatedAt: date(), until: 'UPDATING' };
      return told(begin(target));
    },
    DeleteGatewayTarget({ gatewayIdentifier, targetId }: Named) {
      const target = targetOf(world, gatewayIdentifier, targetId);
      if (target.goneAt === undefined) {
        putTarget(world, { ...target, goneAt: soon() });
        changed(gatewayIdentifier);
      }
      return { gatewayArn: gatewayArn(world, gatewayIdentifier), targetId, status: 'DELETING' };
    },
    ListGatewayTargets({ gatewayIdentifier, ...request }: InGateway & PageRequest) {
      gatewayOf(world, gatewayIdentifier);
      const { items, nextToken } = state.page<Target>(TARGET, gatewayIdentifier, request);
      const here = items.filter((target) => isHere(world, target));
      return { items: here.map(summary), nextToken };
    },
    SynchronizeGatewayTargets({ gatewayIdentifier, targetIdList }: InGateway & { targetIdList: readonly string[] }) {
      gatewayOf(world, gatewayIdentifier);
      const targets = targetIdList.map((id) => targetOf(world, gatewayIdentifier, id));
      for (const target of targets) {
        const { mcpServer } = target.settings.targetConfiguration.mcp ?? {};
        if (!mcpServer) throw refused(`Target ${target.id} is not an MCP server, so it has nothing to synchronize.`);
        if (mcpServer.mcpToolSchema) throw refused(`Target ${target.id} has a static tool schema. Remove it to synchronize.`);
        checkNotBusy(target);
      }
      return { targets: targets.map((target) => told(begin({ ...target, until: 'SYNCHRONIZING' }))) };
    },
  };

  /** A change that failed can be followed by another. */
  function checkNotBusy(target: Target): void {
    const status = statusOf(world, target);
    if (status !== 'READY') throw conflict(`Gateway target ${target.id} is ${status}. Wait until it is READY.`);
  }
}

function kindIn({ settings: { targetConfiguration } }: Target) {
  const { mcpServer } = targetConfiguration.mcp ?? {};
  return {
    targetType: typeOf(targetConfiguration),
    ...(mcpServer && { listingMode: mcpServer.listingMode ?? 'DEFAULT' }),
    ...(mcpServer?.resourcePriority !== undefined && { resourcePriority: mcpServer.resourcePriority }),
  };
}
